LOAD DATA
CHARACTERSET UTF8
INFILE 'dat/tmp_students.dat' "STR '#EOR#\n'"
BADFILE 'dat/tmp_students.bad'
TRUNCATE
INTO TABLE tmp_students
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"'
TRAILING NULLCOLS
(
  emplid         CHAR,
  first_name     CHAR,
  last_name      CHAR,
  preferred_name CHAR,
  email          CHAR,
  acad_level     DECIMAL EXTERNAL,
  cum_gpa        DECIMAL EXTERNAL,
  balance_due    DECIMAL EXTERNAL,
  ledger_key     DECIMAL EXTERNAL,
  birthdate      DATE "YYYY-MM-DD HH24:MI:SS",
  admit_dt       DATE "YYYY-MM-DD HH24:MI:SS",
  last_login     TIMESTAMP WITH TIME ZONE "YYYY-MM-DD HH24:MI:SS.FF6TZH:TZM",
  last_updated   TIMESTAMP "YYYY-MM-DD HH24:MI:SS.FF6"
)
