-- Enrollments of the term that is being registered for (switched off in conf/tablesconf.yaml).

-- Every load replaces the rows whole.
CREATE TABLE tmp_early_enrollments (
  strm        VARCHAR2(4 CHAR) NOT NULL,
  class_nbr   NUMBER(6,0) NOT NULL,
  emplid      VARCHAR2(11 CHAR) NOT NULL,
  enrl_status VARCHAR2(1 CHAR) NOT NULL,
  add_dt      DATE NOT NULL,
  CONSTRAINT tmp_early_enrollments_pk PRIMARY KEY (strm, class_nbr, emplid)
);

-- What people read, refreshed only after a load is verified. In another schema than the base table, its owner
-- needs SELECT on the base table, granted directly and not through a role.
CREATE MATERIALIZED VIEW campus_early_enrollments
  BUILD IMMEDIATE
  REFRESH COMPLETE ON DEMAND
AS
SELECT strm,
       class_nbr,
       emplid,
       enrl_status,
       add_dt
  FROM tmp_early_enrollments;

-- PostgreSQL refreshes a view while people read it only if it has such an index.
CREATE UNIQUE INDEX campus_early_enrollments_key ON campus_early_enrollments (strm, class_nbr, emplid);

GRANT SELECT ON campus_early_enrollments TO campus_reader;
