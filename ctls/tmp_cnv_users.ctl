-- The names are those of the report's columns, which are looked up by name. All are text: ids keep their zeros,
-- booleans and dates stay as Canvas writes them. A name may have 1000 characters, which are at most 4000 bytes.
LOAD DATA
CHARACTERSET UTF8
INFILE 'dat/tmp_cnv_users.dat' "STR '#EOR#\n'"
BADFILE 'dat/tmp_cnv_users.bad'
TRUNCATE
INTO TABLE tmp_cnv_users
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"'
TRAILING NULLCOLS
(
  canvas_user_id             CHAR(40),
  user_id                    CHAR(500),
  integration_id             CHAR(500),
  authentication_provider_id CHAR(40),
  login_id                   CHAR(500),
  first_name                 CHAR(1000),
  last_name                  CHAR(1000),
  full_name                  CHAR(1000),
  sortable_name              CHAR(1000),
  short_name                 CHAR(1000),
  email                      CHAR(500),
  status                     CHAR(60),
  created_by_sis             CHAR(5)
)
