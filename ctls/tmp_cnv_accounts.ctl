-- The names are those of the report's columns, which are looked up by name. All are text: ids keep their zeros,
-- booleans and dates stay as Canvas writes them. A name may have 1000 characters, which are at most 4000 bytes.
LOAD DATA
CHARACTERSET UTF8
INFILE 'dat/tmp_cnv_accounts.dat' "STR '#EOR#\n'"
BADFILE 'dat/tmp_cnv_accounts.bad'
TRUNCATE
INTO TABLE tmp_cnv_accounts
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"'
TRAILING NULLCOLS
(
  canvas_account_id CHAR(40),
  account_id        CHAR(500),
  canvas_parent_id  CHAR(40),
  parent_account_id CHAR(500),
  name              CHAR(1000),
  status            CHAR(60),
  created_by_sis    CHAR(5)
)
