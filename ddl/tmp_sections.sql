-- The classes of a term, each with its course.

-- Every load replaces the rows whole.
CREATE TABLE tmp_sections (
  strm          VARCHAR2(4 CHAR) NOT NULL,
  class_nbr     NUMBER(6,0) NOT NULL,
  crse_id       VARCHAR2(6 CHAR) NOT NULL,
  subject       VARCHAR2(8 CHAR),
  catalog_nbr   VARCHAR2(10 CHAR),
  course_title  VARCHAR2(200 CHAR),
  class_section VARCHAR2(4 CHAR) NOT NULL,
  meeting_slot  VARCHAR2(20 CHAR),
  instructor_id VARCHAR2(11 CHAR),
  enrl_cap      NUMBER(4,0),
  lab_fee       NUMBER(12,2),
  start_dt      DATE NOT NULL,
  last_updated  TIMESTAMP(6) NOT NULL,
  CONSTRAINT tmp_sections_pk PRIMARY KEY (strm, class_nbr)
);

-- What people read, refreshed only after a load is verified. In another schema than the base table, its owner
-- needs SELECT on the base table, granted directly and not through a role.
CREATE MATERIALIZED VIEW campus_sections
  BUILD IMMEDIATE
  REFRESH COMPLETE ON DEMAND
AS
SELECT strm,
       class_nbr,
       crse_id,
       subject,
       catalog_nbr,
       course_title,
       class_section,
       meeting_slot,
       instructor_id,
       enrl_cap,
       lab_fee,
       start_dt,
       last_updated
  FROM tmp_sections;

-- PostgreSQL refreshes a view while people read it only if it has such an index.
CREATE UNIQUE INDEX campus_sections_key ON campus_sections (strm, class_nbr);

GRANT SELECT ON campus_sections TO campus_reader;
