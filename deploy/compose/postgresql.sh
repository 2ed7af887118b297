# Run once by PostgreSQL's image, in a new data folder: a student system to copy from (database campus) and a reporting
# database (reporting), each with its own user. The names are those of deploy/sql.
psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres \
    -v sis="$SIS_PASSWORD" -v extract="$CAMPUS_EXTRACT_PASSWORD" -v service="$REPORTING_PASSWORD" <<'SQL'
CREATE ROLE sis LOGIN PASSWORD :'sis';
CREATE ROLE campus_extract LOGIN PASSWORD :'extract';
CREATE ROLE canvas_replicate LOGIN PASSWORD :'service';
CREATE DATABASE campus OWNER sis;
CREATE DATABASE reporting OWNER canvas_replicate;
REVOKE CONNECT ON DATABASE campus, reporting FROM PUBLIC;
GRANT CONNECT ON DATABASE campus TO campus_extract;
\connect campus
CREATE SCHEMA sis AUTHORIZATION sis;
GRANT USAGE ON SCHEMA sis TO campus_extract;
SQL
