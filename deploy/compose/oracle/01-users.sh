# Run once by the image of gvenzl/oracle-free, in a new database: the same users as deploy/compose/postgresql.sh makes,
# as schemas of one pluggable database. The names are those of deploy/sql. Not tried on an Oracle database yet.
sqlplus -S / as sysdba <<SQL
WHENEVER SQLERROR EXIT FAILURE
ALTER SESSION SET CONTAINER = FREEPDB1;
CREATE USER sis IDENTIFIED BY "$SIS_PASSWORD" QUOTA UNLIMITED ON users;
GRANT CREATE SESSION, CREATE TABLE TO sis;
CREATE USER campus_extract IDENTIFIED BY "$CAMPUS_EXTRACT_PASSWORD";
GRANT CREATE SESSION TO campus_extract;
CREATE USER canvas_replicate IDENTIFIED BY "$REPORTING_PASSWORD" QUOTA UNLIMITED ON users;
GRANT CREATE SESSION, CREATE TABLE, CREATE MATERIALIZED VIEW TO canvas_replicate;
CREATE ROLE campus_reader;
SQL

# On Oracle the base tables and the views are the DBA's, not init-db's: here they come from ddl/.
for file in /ddl/*.sql; do
    sqlplus -S /nolog <<SQL
WHENEVER SQLERROR EXIT FAILURE
SET DEFINE OFF SQLBLANKLINES ON
CONNECT canvas_replicate/"$REPORTING_PASSWORD"@localhost:1521/FREEPDB1
@$file
SQL
done
