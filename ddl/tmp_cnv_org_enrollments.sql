-- Canvas's report enrollments, those of the organizations.
-- Deleted ones are here only if they came from the SIS.
-- canvas_enrollment_id may be empty, so it is unique and not the primary key: older Canvases do not have it.
-- Canvas writes one report per term. What is moved to another term meanwhile can be in two of them: the key stops
-- that load, the view stays as it was, and the next run mends it.

-- Every load replaces the rows whole.
CREATE TABLE tmp_cnv_org_enrollments (
  canvas_course_id          VARCHAR2(40 CHAR) NOT NULL,
  course_id                 VARCHAR2(500 CHAR),
  canvas_user_id            VARCHAR2(40 CHAR) NOT NULL,
  user_id                   VARCHAR2(500 CHAR),
  role                      VARCHAR2(500 CHAR),
  role_id                   VARCHAR2(40 CHAR),
  canvas_section_id         VARCHAR2(40 CHAR) NOT NULL,
  section_id                VARCHAR2(500 CHAR),
  status                    VARCHAR2(60 CHAR),
  canvas_associated_user_id VARCHAR2(40 CHAR),
  associated_user_id        VARCHAR2(500 CHAR),
  created_by_sis            VARCHAR2(5 CHAR),
  base_role_type            VARCHAR2(60 CHAR),
  limit_section_privileges  VARCHAR2(5 CHAR),
  canvas_enrollment_id      VARCHAR2(40 CHAR),
  CONSTRAINT tmp_cnv_org_enrollments_uk UNIQUE (canvas_enrollment_id)
);

-- What people read, refreshed only after a load is verified. In another schema than the base table, its owner
-- needs SELECT on the base table, granted directly and not through a role.
CREATE MATERIALIZED VIEW canvas_org_enrollments
  BUILD IMMEDIATE
  REFRESH COMPLETE ON DEMAND
AS
SELECT canvas_course_id,
       course_id,
       canvas_user_id,
       user_id,
       role,
       role_id,
       canvas_section_id,
       section_id,
       status,
       canvas_associated_user_id,
       associated_user_id,
       created_by_sis,
       base_role_type,
       limit_section_privileges,
       canvas_enrollment_id
  FROM tmp_cnv_org_enrollments;

-- PostgreSQL refreshes a view while people read it only if it has such an index.
CREATE UNIQUE INDEX canvas_org_enrollments_key ON canvas_org_enrollments (canvas_enrollment_id);

GRANT SELECT ON canvas_org_enrollments TO campus_reader;
