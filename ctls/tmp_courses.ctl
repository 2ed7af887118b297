-- A field without a length holds 255 characters at most: longer text is rejected, so descr_long has a length.
LOAD DATA
CHARACTERSET UTF8
INFILE 'dat/tmp_courses.dat' "STR '#EOR#\n'"
BADFILE 'dat/tmp_courses.bad'
TRUNCATE
INTO TABLE tmp_courses
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"'
TRAILING NULLCOLS
(
  crse_id       CHAR,
  effdt         DATE "YYYY-MM-DD HH24:MI:SS",
  end_effdt     DATE "YYYY-MM-DD HH24:MI:SS",
  subject       CHAR,
  catalog_nbr   CHAR,
  course_title  CHAR,
  units_minimum DECIMAL EXTERNAL,
  for_credit    CHAR,
  descr_long    CHAR(4000)
)
