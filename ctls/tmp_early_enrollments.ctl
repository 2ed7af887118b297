LOAD DATA
CHARACTERSET UTF8
INFILE 'dat/tmp_early_enrollments.dat' "STR '#EOR#\n'"
BADFILE 'dat/tmp_early_enrollments.bad'
TRUNCATE
INTO TABLE tmp_early_enrollments
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"'
TRAILING NULLCOLS
(
  strm        CHAR,
  class_nbr   DECIMAL EXTERNAL,
  emplid      CHAR,
  enrl_status CHAR,
  add_dt      DATE "YYYY-MM-DD HH24:MI:SS"
)
