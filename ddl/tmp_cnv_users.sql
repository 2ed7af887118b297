-- Canvas's report users: one row per login, so a person with two logins is here twice.
-- No key: no column of a login is documented as unique, and most may be empty. Without one, readers of the view wait
-- on PostgreSQL while it is refreshed.

-- Every load replaces the rows whole.
CREATE TABLE tmp_cnv_users (
  canvas_user_id             VARCHAR2(40 CHAR) NOT NULL,
  user_id                    VARCHAR2(500 CHAR),
  integration_id             VARCHAR2(500 CHAR),
  authentication_provider_id VARCHAR2(40 CHAR),
  login_id                   VARCHAR2(500 CHAR),
  first_name                 VARCHAR2(1000 CHAR),
  last_name                  VARCHAR2(1000 CHAR),
  full_name                  VARCHAR2(1000 CHAR),
  sortable_name              VARCHAR2(1000 CHAR),
  short_name                 VARCHAR2(1000 CHAR),
  email                      VARCHAR2(500 CHAR),
  status                     VARCHAR2(60 CHAR),
  created_by_sis             VARCHAR2(5 CHAR)
);

-- What people read, refreshed only after a load is verified. In another schema than the base table, its owner
-- needs SELECT on the base table, granted directly and not through a role.
CREATE MATERIALIZED VIEW canvas_users
  BUILD IMMEDIATE
  REFRESH COMPLETE ON DEMAND
AS
SELECT canvas_user_id,
       user_id,
       integration_id,
       authentication_provider_id,
       login_id,
       first_name,
       last_name,
       full_name,
       sortable_name,
       short_name,
       email,
       status,
       created_by_sis
  FROM tmp_cnv_users;

GRANT SELECT ON canvas_users TO campus_reader;
