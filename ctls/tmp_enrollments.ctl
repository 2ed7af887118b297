LOAD DATA
CHARACTERSET UTF8
INFILE 'dat/tmp_enrollments.dat' "STR '#EOR#\n'"
BADFILE 'dat/tmp_enrollments.bad'
TRUNCATE
INTO TABLE tmp_enrollments
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"'
TRAILING NULLCOLS
(
  strm          CHAR,
  class_nbr     DECIMAL EXTERNAL,
  emplid        CHAR,
  crse_id       CHAR,
  enrl_status   CHAR,
  canvas_status CHAR,
  units_taken   DECIMAL EXTERNAL,
  crse_grade    CHAR,
  tuition       DECIMAL EXTERNAL,
  add_dt        DATE "YYYY-MM-DD HH24:MI:SS",
  drop_dt       DATE "YYYY-MM-DD HH24:MI:SS",
  last_updated  TIMESTAMP "YYYY-MM-DD HH24:MI:SS.FF6"
)
