-- One row per student.

-- Every load replaces the rows whole.
CREATE TABLE tmp_students (
  emplid         VARCHAR2(11 CHAR) NOT NULL,
  first_name     VARCHAR2(60 CHAR) NOT NULL,
  last_name      VARCHAR2(60 CHAR) NOT NULL,
  preferred_name VARCHAR2(60 CHAR),
  email          VARCHAR2(120 CHAR),
  acad_level     NUMBER(2,0) NOT NULL,
  cum_gpa        NUMBER(4,3),
  balance_due    NUMBER(12,2),
  ledger_key     NUMBER(38,0) NOT NULL,
  birthdate      DATE,
  admit_dt       DATE NOT NULL,
  last_login     TIMESTAMP(6) WITH TIME ZONE,
  last_updated   TIMESTAMP(6) NOT NULL,
  CONSTRAINT tmp_students_pk PRIMARY KEY (emplid)
);

-- What people read, refreshed only after a load is verified. In another schema than the base table, its owner
-- needs SELECT on the base table, granted directly and not through a role.
CREATE MATERIALIZED VIEW campus_students
  BUILD IMMEDIATE
  REFRESH COMPLETE ON DEMAND
AS
SELECT emplid,
       first_name,
       last_name,
       preferred_name,
       email,
       acad_level,
       cum_gpa,
       balance_due,
       ledger_key,
       birthdate,
       admit_dt,
       last_login,
       last_updated
  FROM tmp_students;

-- PostgreSQL refreshes a view while people read it only if it has such an index.
CREATE UNIQUE INDEX campus_students_key ON campus_students (emplid);

GRANT SELECT ON campus_students TO campus_reader;
