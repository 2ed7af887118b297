-- The calendar: strm is 2, two digits of the year, and 1 spring, 6 summer, 9 fall.

-- Every load replaces the rows whole.
CREATE TABLE tmp_terms (
  strm        VARCHAR2(4 CHAR) NOT NULL,
  descr       VARCHAR2(30 CHAR) NOT NULL,
  canvas_term VARCHAR2(4 CHAR) NOT NULL,
  acad_year   NUMBER(4,0) NOT NULL,
  begin_dt    DATE NOT NULL,
  end_dt      DATE NOT NULL,
  CONSTRAINT tmp_terms_pk PRIMARY KEY (strm)
);

-- What people read, refreshed only after a load is verified. In another schema than the base table, its owner
-- needs SELECT on the base table, granted directly and not through a role.
CREATE MATERIALIZED VIEW campus_terms
  BUILD IMMEDIATE
  REFRESH COMPLETE ON DEMAND
AS
SELECT strm,
       descr,
       canvas_term,
       acad_year,
       begin_dt,
       end_dt
  FROM tmp_terms;

-- PostgreSQL refreshes a view while people read it only if it has such an index.
CREATE UNIQUE INDEX campus_terms_key ON campus_terms (strm);

GRANT SELECT ON campus_terms TO campus_reader;
