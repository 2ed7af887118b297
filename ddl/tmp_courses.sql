-- The catalogue. end_effdt is 9999-12-31 where a course has no end.

-- Every load replaces the rows whole.
CREATE TABLE tmp_courses (
  crse_id       VARCHAR2(6 CHAR) NOT NULL,
  effdt         DATE NOT NULL,
  end_effdt     DATE,
  subject       VARCHAR2(8 CHAR) NOT NULL,
  catalog_nbr   VARCHAR2(10 CHAR) NOT NULL,
  course_title  VARCHAR2(200 CHAR) NOT NULL,
  units_minimum NUMBER(5,2) NOT NULL,
  for_credit    VARCHAR2(1 CHAR) NOT NULL,
  descr_long    VARCHAR2(4000 CHAR),
  CONSTRAINT tmp_courses_pk PRIMARY KEY (crse_id)
);

-- What people read, refreshed only after a load is verified. In another schema than the base table, its owner
-- needs SELECT on the base table, granted directly and not through a role.
CREATE MATERIALIZED VIEW campus_courses
  BUILD IMMEDIATE
  REFRESH COMPLETE ON DEMAND
AS
SELECT crse_id,
       effdt,
       end_effdt,
       subject,
       catalog_nbr,
       course_title,
       units_minimum,
       for_credit,
       descr_long
  FROM tmp_courses;

-- PostgreSQL refreshes a view while people read it only if it has such an index.
CREATE UNIQUE INDEX campus_courses_key ON campus_courses (crse_id);

GRANT SELECT ON campus_courses TO campus_reader;
