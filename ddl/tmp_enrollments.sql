-- Who takes what. canvas_status is what Canvas calls enrl_status.

-- Every load replaces the rows whole.
CREATE TABLE tmp_enrollments (
  strm          VARCHAR2(4 CHAR) NOT NULL,
  class_nbr     NUMBER(6,0) NOT NULL,
  emplid        VARCHAR2(11 CHAR) NOT NULL,
  crse_id       VARCHAR2(6 CHAR) NOT NULL,
  enrl_status   VARCHAR2(1 CHAR) NOT NULL,
  canvas_status VARCHAR2(10 CHAR) NOT NULL,
  units_taken   NUMBER(5,2) NOT NULL,
  crse_grade    VARCHAR2(3 CHAR),
  tuition       NUMBER(12,2),
  add_dt        DATE NOT NULL,
  drop_dt       DATE,
  last_updated  TIMESTAMP(6) NOT NULL,
  CONSTRAINT tmp_enrollments_pk PRIMARY KEY (strm, class_nbr, emplid)
);

-- What people read, refreshed only after a load is verified. In another schema than the base table, its owner
-- needs SELECT on the base table, granted directly and not through a role.
CREATE MATERIALIZED VIEW campus_enrollments
  BUILD IMMEDIATE
  REFRESH COMPLETE ON DEMAND
AS
SELECT strm,
       class_nbr,
       emplid,
       crse_id,
       enrl_status,
       canvas_status,
       units_taken,
       crse_grade,
       tuition,
       add_dt,
       drop_dt,
       last_updated
  FROM tmp_enrollments;

-- PostgreSQL refreshes a view while people read it only if it has such an index.
CREATE UNIQUE INDEX campus_enrollments_key ON campus_enrollments (strm, class_nbr, emplid);

GRANT SELECT ON campus_enrollments TO campus_reader;
