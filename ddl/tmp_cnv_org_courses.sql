-- Canvas's report courses, those of the organizations.
-- The status of a course that is over by its dates is active all the same.
-- Dates are Canvas's text, with the offset of its root account's zone, or Z: 2019-08-19T00:00:00-06:00.
-- Canvas writes one report per term. What is moved to another term meanwhile can be in two of them: the key stops
-- that load, the view stays as it was, and the next run mends it.

-- Every load replaces the rows whole.
CREATE TABLE tmp_cnv_org_courses (
  canvas_course_id  VARCHAR2(40 CHAR) NOT NULL,
  course_id         VARCHAR2(500 CHAR),
  integration_id    VARCHAR2(500 CHAR),
  short_name        VARCHAR2(1000 CHAR),
  long_name         VARCHAR2(1000 CHAR),
  canvas_account_id VARCHAR2(40 CHAR),
  account_id        VARCHAR2(500 CHAR),
  canvas_term_id    VARCHAR2(40 CHAR),
  term_id           VARCHAR2(500 CHAR),
  status            VARCHAR2(60 CHAR),
  start_date        VARCHAR2(30 CHAR),
  end_date          VARCHAR2(30 CHAR),
  course_format     VARCHAR2(60 CHAR),
  created_by_sis    VARCHAR2(5 CHAR),
  CONSTRAINT tmp_cnv_org_courses_pk PRIMARY KEY (canvas_course_id)
);

-- What people read, refreshed only after a load is verified. In another schema than the base table, its owner
-- needs SELECT on the base table, granted directly and not through a role.
CREATE MATERIALIZED VIEW canvas_org_courses
  BUILD IMMEDIATE
  REFRESH COMPLETE ON DEMAND
AS
SELECT canvas_course_id,
       course_id,
       integration_id,
       short_name,
       long_name,
       canvas_account_id,
       account_id,
       canvas_term_id,
       term_id,
       status,
       start_date,
       end_date,
       course_format,
       created_by_sis
  FROM tmp_cnv_org_courses;

-- PostgreSQL refreshes a view while people read it only if it has such an index.
CREATE UNIQUE INDEX canvas_org_courses_key ON canvas_org_courses (canvas_course_id);

GRANT SELECT ON canvas_org_courses TO campus_reader;
