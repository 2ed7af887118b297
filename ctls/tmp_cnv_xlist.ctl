-- The names are those of the report's columns, which are looked up by name. All are text: ids keep their zeros,
-- booleans and dates stay as Canvas writes them.
LOAD DATA
CHARACTERSET UTF8
INFILE 'dat/tmp_cnv_xlist.dat' "STR '#EOR#\n'"
BADFILE 'dat/tmp_cnv_xlist.bad'
TRUNCATE
INTO TABLE tmp_cnv_xlist
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"'
TRAILING NULLCOLS
(
  canvas_xlist_course_id    CHAR(40),
  xlist_course_id           CHAR(500),
  canvas_section_id         CHAR(40),
  section_id                CHAR(500),
  status                    CHAR(60),
  canvas_nonxlist_course_id CHAR(40),
  nonxlist_course_id        CHAR(500)
)
