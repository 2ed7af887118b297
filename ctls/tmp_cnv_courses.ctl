-- The names are those of the report's columns, which are looked up by name. All are text: ids keep their zeros,
-- booleans and dates stay as Canvas writes them. A name may have 1000 characters, which are at most 4000 bytes.
LOAD DATA
CHARACTERSET UTF8
INFILE 'dat/tmp_cnv_courses.dat' "STR '#EOR#\n'"
BADFILE 'dat/tmp_cnv_courses.bad'
TRUNCATE
INTO TABLE tmp_cnv_courses
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"'
TRAILING NULLCOLS
(
  canvas_course_id  CHAR(40),
  course_id         CHAR(500),
  integration_id    CHAR(500),
  short_name        CHAR(1000),
  long_name         CHAR(1000),
  canvas_account_id CHAR(40),
  account_id        CHAR(500),
  canvas_term_id    CHAR(40),
  term_id           CHAR(500),
  status            CHAR(60),
  start_date        CHAR(30),
  end_date          CHAR(30),
  course_format     CHAR(60),
  created_by_sis    CHAR(5)
)
