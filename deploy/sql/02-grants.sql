-- Grants: the least that each user needs. Run by a DBA, after the users were created.
--
-- It has four parts, because a grant needs an existing object; README.md gives the order. Repeatable. Run as a whole, it
-- reports missing objects (ORA-00942, ORA-01917) and continues. The tables and views are those of the sample in ddl/:
-- replace them and the names below with yours.
--
-- Written from Oracle's manuals. Not verified on an Oracle database yet.

SET DEFINE ON
DEFINE source_reader = campus_extract
DEFINE base_owner    = schema_a
DEFINE view_owner    = schema_b
DEFINE service_user  = canvas_replicate
DEFINE readers       = campus_reader
DEFINE space         = users

-- Part 1, in each source database: the user that the extractor's URL names.

GRANT CREATE SESSION TO &source_reader;
-- Only for `snapshot: run`, where all tables are read as of one moment; granted by SYS.
GRANT EXECUTE ON SYS.DBMS_FLASHBACK TO &source_reader;
-- FLASHBACK is for the same. A view that is read needs it for its owner, on the tables below it.
GRANT SELECT, FLASHBACK ON sis.advisor_notes TO &source_reader;
GRANT SELECT, FLASHBACK ON sis.class_meetings TO &source_reader;
GRANT SELECT, FLASHBACK ON sis.courses TO &source_reader;
GRANT SELECT, FLASHBACK ON sis.enrollments TO &source_reader;
GRANT SELECT, FLASHBACK ON sis.sections TO &source_reader;
GRANT SELECT, FLASHBACK ON sis.students TO &source_reader;
GRANT SELECT, FLASHBACK ON sis.terms TO &source_reader;

-- Part 2, in the reporting database, before anything else is made there.

-- The owners need a session only while their tables and views are created.
GRANT CREATE SESSION, CREATE TABLE TO &base_owner;
ALTER USER &base_owner QUOTA UNLIMITED ON &space;
-- During an out-of-place refresh a view exists twice, and needs CREATE TABLE.
GRANT CREATE SESSION, CREATE TABLE, CREATE MATERIALIZED VIEW, CREATE PROCEDURE TO &view_owner;
ALTER USER &view_owner QUOTA UNLIMITED ON &space;
-- The user of REPLICATE_TARGET. Its schema holds the run ledger and the status tables, and nothing else.
GRANT CREATE SESSION TO &service_user;
ALTER USER &service_user QUOTA 1G ON &space;

-- Part 3, once the base tables are made.

-- Directly and not through a role: a materialized view does not see its owner's roles.
GRANT SELECT ON &base_owner..tmp_advisor_notes TO &view_owner;
GRANT SELECT ON &base_owner..tmp_class_meetings TO &view_owner;
GRANT SELECT ON &base_owner..tmp_courses TO &view_owner;
GRANT SELECT ON &base_owner..tmp_early_enrollments TO &view_owner;
GRANT SELECT ON &base_owner..tmp_enrollments TO &view_owner;
GRANT SELECT ON &base_owner..tmp_sections TO &view_owner;
GRANT SELECT ON &base_owner..tmp_students TO &view_owner;
GRANT SELECT ON &base_owner..tmp_terms TO &view_owner;
GRANT SELECT ON &base_owner..tmp_cnv_accounts TO &view_owner;
GRANT SELECT ON &base_owner..tmp_cnv_courses TO &view_owner;
GRANT SELECT ON &base_owner..tmp_cnv_courses_hist TO &view_owner;
GRANT SELECT ON &base_owner..tmp_cnv_enrollments TO &view_owner;
GRANT SELECT ON &base_owner..tmp_cnv_enrollments_hist TO &view_owner;
GRANT SELECT ON &base_owner..tmp_cnv_org_courses TO &view_owner;
GRANT SELECT ON &base_owner..tmp_cnv_org_enrollments TO &view_owner;
GRANT SELECT ON &base_owner..tmp_cnv_org_sections TO &view_owner;
GRANT SELECT ON &base_owner..tmp_cnv_sections TO &view_owner;
GRANT SELECT ON &base_owner..tmp_cnv_sections_hist TO &view_owner;
GRANT SELECT ON &base_owner..tmp_cnv_terms TO &view_owner;
GRANT SELECT ON &base_owner..tmp_cnv_users TO &view_owner;
GRANT SELECT ON &base_owner..tmp_cnv_xlist TO &view_owner;
-- DELETE is for control files with REPLACE. TRUNCATE needs the table's owner (or DROP ANY TABLE, which no service user
-- should have): let base_owner and service_user be one user, or write REPLACE.
GRANT SELECT, INSERT, DELETE ON &base_owner..tmp_advisor_notes TO &service_user;
GRANT SELECT, INSERT, DELETE ON &base_owner..tmp_class_meetings TO &service_user;
GRANT SELECT, INSERT, DELETE ON &base_owner..tmp_courses TO &service_user;
GRANT SELECT, INSERT, DELETE ON &base_owner..tmp_early_enrollments TO &service_user;
GRANT SELECT, INSERT, DELETE ON &base_owner..tmp_enrollments TO &service_user;
GRANT SELECT, INSERT, DELETE ON &base_owner..tmp_sections TO &service_user;
GRANT SELECT, INSERT, DELETE ON &base_owner..tmp_students TO &service_user;
GRANT SELECT, INSERT, DELETE ON &base_owner..tmp_terms TO &service_user;
GRANT SELECT, INSERT, DELETE ON &base_owner..tmp_cnv_accounts TO &service_user;
GRANT SELECT, INSERT, DELETE ON &base_owner..tmp_cnv_courses TO &service_user;
GRANT SELECT, INSERT, DELETE ON &base_owner..tmp_cnv_courses_hist TO &service_user;
GRANT SELECT, INSERT, DELETE ON &base_owner..tmp_cnv_enrollments TO &service_user;
GRANT SELECT, INSERT, DELETE ON &base_owner..tmp_cnv_enrollments_hist TO &service_user;
GRANT SELECT, INSERT, DELETE ON &base_owner..tmp_cnv_org_courses TO &service_user;
GRANT SELECT, INSERT, DELETE ON &base_owner..tmp_cnv_org_enrollments TO &service_user;
GRANT SELECT, INSERT, DELETE ON &base_owner..tmp_cnv_org_sections TO &service_user;
GRANT SELECT, INSERT, DELETE ON &base_owner..tmp_cnv_sections TO &service_user;
GRANT SELECT, INSERT, DELETE ON &base_owner..tmp_cnv_sections_hist TO &service_user;
GRANT SELECT, INSERT, DELETE ON &base_owner..tmp_cnv_terms TO &service_user;
GRANT SELECT, INSERT, DELETE ON &base_owner..tmp_cnv_users TO &service_user;
GRANT SELECT, INSERT, DELETE ON &base_owner..tmp_cnv_xlist TO &service_user;

-- Part 4, once the views and the status tables are made.

-- The service user counts a view's rows after a refresh, and finds it in ALL_MVIEWS only if it may select from it.
GRANT SELECT ON &view_owner..campus_advisor_notes TO &service_user, &readers;
GRANT SELECT ON &view_owner..campus_class_meetings TO &service_user, &readers;
GRANT SELECT ON &view_owner..campus_courses TO &service_user, &readers;
GRANT SELECT ON &view_owner..campus_early_enrollments TO &service_user, &readers;
GRANT SELECT ON &view_owner..campus_enrollments TO &service_user, &readers;
GRANT SELECT ON &view_owner..campus_sections TO &service_user, &readers;
GRANT SELECT ON &view_owner..campus_students TO &service_user, &readers;
GRANT SELECT ON &view_owner..campus_terms TO &service_user, &readers;
GRANT SELECT ON &view_owner..canvas_accounts TO &service_user, &readers;
GRANT SELECT ON &view_owner..canvas_courses TO &service_user, &readers;
GRANT SELECT ON &view_owner..canvas_courses_hist TO &service_user, &readers;
GRANT SELECT ON &view_owner..canvas_enrollments TO &service_user, &readers;
GRANT SELECT ON &view_owner..canvas_enrollments_hist TO &service_user, &readers;
GRANT SELECT ON &view_owner..canvas_org_courses TO &service_user, &readers;
GRANT SELECT ON &view_owner..canvas_org_enrollments TO &service_user, &readers;
GRANT SELECT ON &view_owner..canvas_org_sections TO &service_user, &readers;
GRANT SELECT ON &view_owner..canvas_sections TO &service_user, &readers;
GRANT SELECT ON &view_owner..canvas_sections_hist TO &service_user, &readers;
GRANT SELECT ON &view_owner..canvas_terms TO &service_user, &readers;
GRANT SELECT ON &view_owner..canvas_users TO &service_user, &readers;
GRANT SELECT ON &view_owner..canvas_xlist TO &service_user, &readers;
GRANT SELECT ON &service_user..replicate_current_status TO &readers;
GRANT SELECT ON &service_user..replicate_status TO &readers;
GRANT SELECT ON &service_user..provisions_current_status TO &readers;
GRANT SELECT ON &service_user..provisions_status TO &readers;
