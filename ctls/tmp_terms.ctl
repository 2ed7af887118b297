LOAD DATA
CHARACTERSET UTF8
INFILE 'dat/tmp_terms.dat' "STR '#EOR#\n'"
BADFILE 'dat/tmp_terms.bad'
TRUNCATE
INTO TABLE tmp_terms
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"'
TRAILING NULLCOLS
(
  strm        CHAR,
  descr       CHAR,
  canvas_term CHAR,
  acad_year   DECIMAL EXTERNAL,
  begin_dt    DATE "YYYY-MM-DD HH24:MI:SS",
  end_dt      DATE "YYYY-MM-DD HH24:MI:SS"
)
