-- The names are those of the report's columns, which are looked up by name. All are text: ids keep their zeros,
-- booleans and dates stay as Canvas writes them.
LOAD DATA
CHARACTERSET UTF8
INFILE 'dat/tmp_cnv_enrollments.dat' "STR '#EOR#\n'"
BADFILE 'dat/tmp_cnv_enrollments.bad'
TRUNCATE
INTO TABLE tmp_cnv_enrollments
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"'
TRAILING NULLCOLS
(
  canvas_course_id          CHAR(40),
  course_id                 CHAR(500),
  canvas_user_id            CHAR(40),
  user_id                   CHAR(500),
  role                      CHAR(500),
  role_id                   CHAR(40),
  canvas_section_id         CHAR(40),
  section_id                CHAR(500),
  status                    CHAR(60),
  canvas_associated_user_id CHAR(40),
  associated_user_id        CHAR(500),
  created_by_sis            CHAR(5),
  base_role_type            CHAR(60),
  limit_section_privileges  CHAR(5),
  canvas_enrollment_id      CHAR(40)
)
