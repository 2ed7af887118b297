-- Canvas's report terms. The default term has no term_id.
-- Dates are Canvas's text, with the offset of its root account's zone, or Z: 2019-08-19T00:00:00-06:00.

-- Every load replaces the rows whole.
CREATE TABLE tmp_cnv_terms (
  canvas_term_id VARCHAR2(40 CHAR) NOT NULL,
  term_id        VARCHAR2(500 CHAR),
  name           VARCHAR2(1000 CHAR),
  status         VARCHAR2(60 CHAR),
  start_date     VARCHAR2(30 CHAR),
  end_date       VARCHAR2(30 CHAR),
  created_by_sis VARCHAR2(5 CHAR),
  CONSTRAINT tmp_cnv_terms_pk PRIMARY KEY (canvas_term_id)
);

-- What people read, refreshed only after a load is verified. In another schema than the base table, its owner
-- needs SELECT on the base table, granted directly and not through a role.
CREATE MATERIALIZED VIEW canvas_terms
  BUILD IMMEDIATE
  REFRESH COMPLETE ON DEMAND
AS
SELECT canvas_term_id,
       term_id,
       name,
       status,
       start_date,
       end_date,
       created_by_sis
  FROM tmp_cnv_terms;

-- PostgreSQL refreshes a view while people read it only if it has such an index.
CREATE UNIQUE INDEX canvas_terms_key ON canvas_terms (canvas_term_id);

GRANT SELECT ON canvas_terms TO campus_reader;
