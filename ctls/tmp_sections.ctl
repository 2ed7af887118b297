LOAD DATA
CHARACTERSET UTF8
INFILE 'dat/tmp_sections.dat' "STR '#EOR#\n'"
BADFILE 'dat/tmp_sections.bad'
TRUNCATE
INTO TABLE tmp_sections
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"'
TRAILING NULLCOLS
(
  strm          CHAR,
  class_nbr     DECIMAL EXTERNAL,
  crse_id       CHAR,
  subject       CHAR,
  catalog_nbr   CHAR,
  course_title  CHAR,
  class_section CHAR,
  meeting_slot  CHAR,
  instructor_id CHAR,
  enrl_cap      DECIMAL EXTERNAL,
  lab_fee       DECIMAL EXTERNAL,
  start_dt      DATE "YYYY-MM-DD HH24:MI:SS",
  last_updated  TIMESTAMP "YYYY-MM-DD HH24:MI:SS.FF6"
)
