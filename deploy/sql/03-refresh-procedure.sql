-- Refreshes one materialized view of the schema that it is made in, for a service user that owns no view.
-- Run as the views' owner, then set REPLICATE_REFRESH_PROCEDURE=schema_b.replicate_refresh. Repeatable.
-- Written from Oracle's manuals. Not compiled on an Oracle database yet.

SET DEFINE ON
DEFINE service_user = canvas_replicate

CREATE OR REPLACE PROCEDURE replicate_refresh (view_name IN VARCHAR2)
AUTHID DEFINER
IS
  -- In a definer's-rights procedure the current user is its owner, for every caller.
  owner_dot CONSTANT VARCHAR2(130) := SYS_CONTEXT('USERENV', 'CURRENT_USER') || '.';
  wanted    VARCHAR2(300) := UPPER(view_name);
BEGIN
  IF SUBSTR(wanted, 1, LENGTH(owner_dot)) = owner_dot THEN
    wanted := SUBSTR(wanted, LENGTH(owner_dot) + 1);
  END IF;
  -- One name and nothing else: a list of views or another schema's is refused (ORA-44003).
  wanted := owner_dot || DBMS_ASSERT.SIMPLE_SQL_NAME(wanted);
  BEGIN
    -- Out of place: readers have the old rows until the new ones are complete.
    DBMS_MVIEW.REFRESH(list => wanted, method => 'C', atomic_refresh => FALSE, out_of_place => TRUE);
  EXCEPTION
    WHEN OTHERS THEN
      -- Not every view can be refreshed out of place; ORA-12008 may wrap the error. Any other error is raised.
      IF DBMS_UTILITY.FORMAT_ERROR_STACK NOT LIKE '%ORA-32354%' THEN
        RAISE;
      END IF;
      -- In one transaction: slower, and readers have the old rows until it commits.
      DBMS_MVIEW.REFRESH(list => wanted, method => 'C', atomic_refresh => TRUE, out_of_place => FALSE);
  END;
END replicate_refresh;
/
SHOW ERRORS PROCEDURE replicate_refresh

GRANT EXECUTE ON replicate_refresh TO &service_user;
