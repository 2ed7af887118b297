-- When and where a class meets.

-- Every load replaces the rows whole.
CREATE TABLE tmp_class_meetings (
  strm         VARCHAR2(4 CHAR) NOT NULL,
  class_nbr    NUMBER(6,0) NOT NULL,
  meeting_nbr  NUMBER(3,0) NOT NULL,
  facility_id  VARCHAR2(10 CHAR),
  meeting_dt   DATE NOT NULL,
  opens_at     TIMESTAMP(6) WITH TIME ZONE,
  seats        NUMBER(4,0),
  topic        VARCHAR2(200 CHAR),
  last_updated TIMESTAMP(6) NOT NULL,
  CONSTRAINT tmp_class_meetings_pk PRIMARY KEY (strm, class_nbr, meeting_nbr)
);

-- What people read, refreshed only after a load is verified. In another schema than the base table, its owner
-- needs SELECT on the base table, granted directly and not through a role.
CREATE MATERIALIZED VIEW campus_class_meetings
  BUILD IMMEDIATE
  REFRESH COMPLETE ON DEMAND
AS
SELECT strm,
       class_nbr,
       meeting_nbr,
       facility_id,
       meeting_dt,
       opens_at,
       seats,
       topic,
       last_updated
  FROM tmp_class_meetings;

-- PostgreSQL refreshes a view while people read it only if it has such an index.
CREATE UNIQUE INDEX campus_class_meetings_key ON campus_class_meetings (strm, class_nbr, meeting_nbr);

GRANT SELECT ON campus_class_meetings TO campus_reader;
