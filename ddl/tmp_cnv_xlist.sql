-- Canvas's report xlist: the sections of the terms in conf/provisions.yaml that were cross-listed into another course.
-- Canvas writes one report per term. What is moved to another term meanwhile can be in two of them: the key stops
-- that load, the view stays as it was, and the next run mends it.

-- Every load replaces the rows whole.
CREATE TABLE tmp_cnv_xlist (
  canvas_xlist_course_id    VARCHAR2(40 CHAR) NOT NULL,
  xlist_course_id           VARCHAR2(500 CHAR),
  canvas_section_id         VARCHAR2(40 CHAR) NOT NULL,
  section_id                VARCHAR2(500 CHAR),
  status                    VARCHAR2(60 CHAR),
  canvas_nonxlist_course_id VARCHAR2(40 CHAR),
  nonxlist_course_id        VARCHAR2(500 CHAR),
  CONSTRAINT tmp_cnv_xlist_pk PRIMARY KEY (canvas_section_id)
);

-- What people read, refreshed only after a load is verified. In another schema than the base table, its owner
-- needs SELECT on the base table, granted directly and not through a role.
CREATE MATERIALIZED VIEW canvas_xlist
  BUILD IMMEDIATE
  REFRESH COMPLETE ON DEMAND
AS
SELECT canvas_xlist_course_id,
       xlist_course_id,
       canvas_section_id,
       section_id,
       status,
       canvas_nonxlist_course_id,
       nonxlist_course_id
  FROM tmp_cnv_xlist;

-- PostgreSQL refreshes a view while people read it only if it has such an index.
CREATE UNIQUE INDEX canvas_xlist_key ON canvas_xlist (canvas_section_id);

GRANT SELECT ON canvas_xlist TO campus_reader;
