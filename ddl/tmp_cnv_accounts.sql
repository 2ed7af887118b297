-- Canvas's report accounts: the sub-accounts; the root account is never listed.

-- Every load replaces the rows whole.
CREATE TABLE tmp_cnv_accounts (
  canvas_account_id VARCHAR2(40 CHAR) NOT NULL,
  account_id        VARCHAR2(500 CHAR),
  canvas_parent_id  VARCHAR2(40 CHAR),
  parent_account_id VARCHAR2(500 CHAR),
  name              VARCHAR2(1000 CHAR),
  status            VARCHAR2(60 CHAR),
  created_by_sis    VARCHAR2(5 CHAR),
  CONSTRAINT tmp_cnv_accounts_pk PRIMARY KEY (canvas_account_id)
);

-- What people read, refreshed only after a load is verified. In another schema than the base table, its owner
-- needs SELECT on the base table, granted directly and not through a role.
CREATE MATERIALIZED VIEW canvas_accounts
  BUILD IMMEDIATE
  REFRESH COMPLETE ON DEMAND
AS
SELECT canvas_account_id,
       account_id,
       canvas_parent_id,
       parent_account_id,
       name,
       status,
       created_by_sis
  FROM tmp_cnv_accounts;

-- PostgreSQL refreshes a view while people read it only if it has such an index.
CREATE UNIQUE INDEX canvas_accounts_key ON canvas_accounts (canvas_account_id);

GRANT SELECT ON canvas_accounts TO campus_reader;
