-- What advisors write: free text with anything in it, up to a CLOB.
-- body is a LOB: Oracle refreshes such a view in place only (DBMS_MVIEW, out_of_place => FALSE).

-- Every load replaces the rows whole.
CREATE TABLE tmp_advisor_notes (
  note_id       NUMBER(15,0) NOT NULL,
  emplid        VARCHAR2(11 CHAR) NOT NULL,
  advisor_name  VARCHAR2(60 CHAR) NOT NULL,
  minutes_spent NUMBER(6,1),
  noted_at      TIMESTAMP(6) WITH TIME ZONE NOT NULL,
  follow_up_dt  DATE,
  summary       VARCHAR2(4000 CHAR),
  body          CLOB,
  CONSTRAINT tmp_advisor_notes_pk PRIMARY KEY (note_id)
);

-- What people read, refreshed only after a load is verified. In another schema than the base table, its owner
-- needs SELECT on the base table, granted directly and not through a role.
CREATE MATERIALIZED VIEW campus_advisor_notes
  BUILD IMMEDIATE
  REFRESH COMPLETE ON DEMAND
AS
SELECT note_id,
       emplid,
       advisor_name,
       minutes_spent,
       noted_at,
       follow_up_dt,
       summary,
       body
  FROM tmp_advisor_notes;

-- PostgreSQL refreshes a view while people read it only if it has such an index.
CREATE UNIQUE INDEX campus_advisor_notes_key ON campus_advisor_notes (note_id);

GRANT SELECT ON campus_advisor_notes TO campus_reader;
