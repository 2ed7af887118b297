-- Canvas's report sections, those of the terms in conf/provisions.yaml.
-- course_id is the course that a cross-listed section is in now; older Canvases give the one it came from.
-- Dates are Canvas's text, with the offset of its root account's zone, or Z: 2019-08-19T00:00:00-06:00.
-- Canvas writes one report per term. What is moved to another term meanwhile can be in two of them: the key stops
-- that load, the view stays as it was, and the next run mends it.

-- Every load replaces the rows whole.
CREATE TABLE tmp_cnv_sections (
  canvas_section_id VARCHAR2(40 CHAR) NOT NULL,
  section_id        VARCHAR2(500 CHAR),
  canvas_course_id  VARCHAR2(40 CHAR) NOT NULL,
  course_id         VARCHAR2(500 CHAR),
  integration_id    VARCHAR2(500 CHAR),
  name              VARCHAR2(1000 CHAR),
  status            VARCHAR2(60 CHAR),
  start_date        VARCHAR2(30 CHAR),
  end_date          VARCHAR2(30 CHAR),
  canvas_account_id VARCHAR2(40 CHAR),
  account_id        VARCHAR2(500 CHAR),
  created_by_sis    VARCHAR2(5 CHAR),
  CONSTRAINT tmp_cnv_sections_pk PRIMARY KEY (canvas_section_id)
);

-- What people read, refreshed only after a load is verified. In another schema than the base table, its owner
-- needs SELECT on the base table, granted directly and not through a role.
CREATE MATERIALIZED VIEW canvas_sections
  BUILD IMMEDIATE
  REFRESH COMPLETE ON DEMAND
AS
SELECT canvas_section_id,
       section_id,
       canvas_course_id,
       course_id,
       integration_id,
       name,
       status,
       start_date,
       end_date,
       canvas_account_id,
       account_id,
       created_by_sis
  FROM tmp_cnv_sections;

-- PostgreSQL refreshes a view while people read it only if it has such an index.
CREATE UNIQUE INDEX canvas_sections_key ON canvas_sections (canvas_section_id);

GRANT SELECT ON canvas_sections TO campus_reader;
