-- A field without a length holds 255 characters at most: longer text is rejected, so the two texts say theirs.
-- A CLOB has no length of its own; 400000 is the most that is taken, and memory for it is reserved per row.
LOAD DATA
CHARACTERSET UTF8
INFILE 'dat/tmp_advisor_notes.dat' "STR '#EOR#\n'"
BADFILE 'dat/tmp_advisor_notes.bad'
TRUNCATE
INTO TABLE tmp_advisor_notes
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"'
TRAILING NULLCOLS
(
  note_id       DECIMAL EXTERNAL,
  emplid        CHAR,
  advisor_name  CHAR,
  minutes_spent DECIMAL EXTERNAL,
  noted_at      TIMESTAMP WITH TIME ZONE "YYYY-MM-DD HH24:MI:SS.FF6TZH:TZM",
  follow_up_dt  DATE "YYYY-MM-DD HH24:MI:SS",
  summary       CHAR(4000),
  body          CHAR(400000)
)
