LOAD DATA
CHARACTERSET UTF8
INFILE 'dat/tmp_class_meetings.dat' "STR '#EOR#\n'"
BADFILE 'dat/tmp_class_meetings.bad'
TRUNCATE
INTO TABLE tmp_class_meetings
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"'
TRAILING NULLCOLS
(
  strm         CHAR,
  class_nbr    DECIMAL EXTERNAL,
  meeting_nbr  DECIMAL EXTERNAL,
  facility_id  CHAR,
  meeting_dt   DATE "YYYY-MM-DD HH24:MI:SS",
  opens_at     TIMESTAMP WITH TIME ZONE "YYYY-MM-DD HH24:MI:SS.FF6TZH:TZM",
  seats        DECIMAL EXTERNAL,
  topic        CHAR,
  last_updated TIMESTAMP "YYYY-MM-DD HH24:MI:SS.FF6"
)
