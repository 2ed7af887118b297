-- The run ledger and the status tables, in Oracle SQL like every file in ddl/.
-- Times are UTC. Names stay below 30 bytes and clear of reserved words.

-- One row: the number of the newest step that was applied to these tables.
CREATE TABLE replicate_schema (
    id           NUMBER(1) NOT NULL,
    version      NUMBER(9) NOT NULL,
    upgraded_at  TIMESTAMP(6) NOT NULL,
    PRIMARY KEY (id)
);

-- push_group: what is pushed to Canvas at the run's end; only one process or one plan of it, where they are named.
-- push_after: the run whose provisions it relies on, where that is not the run itself or the latest one.
CREATE TABLE replicate_run (
    run_id        VARCHAR2(128 CHAR) NOT NULL,
    schedule      VARCHAR2(64 CHAR) NOT NULL,
    run_mode      VARCHAR2(20 CHAR),
    snapshot      NUMBER(1) NOT NULL,
    forced        NUMBER(1),
    provisions    VARCHAR2(20 CHAR),
    push_group    VARCHAR2(20 CHAR),
    push_process  VARCHAR2(64 CHAR),
    push_plan     VARCHAR2(32 CHAR),
    push_after    VARCHAR2(128 CHAR),
    status        VARCHAR2(20 CHAR) NOT NULL,
    then_steps    VARCHAR2(100 CHAR),
    rerun_of      VARCHAR2(128 CHAR),
    requested_by  VARCHAR2(128 CHAR),
    opened_at     TIMESTAMP(6) NOT NULL,
    deadline_at   TIMESTAMP(6) NOT NULL,
    closed_at     TIMESTAMP(6),
    changes       NUMBER(18) NOT NULL,
    PRIMARY KEY (run_id)
);

-- kind: tables, provisions (filled from reports) or pushes. The row of a push is named push:PROCESS, its counts are
-- changes: row_count planned, loaded_count applied, rejected_count refused; file_sha256 is the plan's.
CREATE TABLE replicate_run_table (
    run_id          VARCHAR2(128 CHAR) NOT NULL,
    table_name      VARCHAR2(128 CHAR) NOT NULL,
    kind            VARCHAR2(20 CHAR) NOT NULL,
    view_name       VARCHAR2(128 CHAR),
    source          VARCHAR2(64 CHAR) NOT NULL,
    state           VARCHAR2(20 CHAR) NOT NULL,
    manifest        VARCHAR2(1000 CHAR),
    row_count       NUMBER(18),
    loaded_count    NUMBER(18),
    rejected_count  NUMBER(18),
    discarded_count NUMBER(18),
    query_sha256    VARCHAR2(64 CHAR),
    file_sha256     VARCHAR2(64 CHAR),
    extracted_at    TIMESTAMP(6),
    extract_seconds NUMBER(18,3),
    load_seconds    NUMBER(18,3),
    finished_at     TIMESTAMP(6),
    error_code      VARCHAR2(64 CHAR),
    message         VARCHAR2(2000 CHAR),
    next_step       VARCHAR2(1000 CHAR),
    replay          NUMBER(1) NOT NULL,
    artifact_id     VARCHAR2(32 CHAR),
    verified        VARCHAR2(20 CHAR),
    content_sha256  VARCHAR2(64 CHAR),
    view_rows       NUMBER(18),
    fingerprint     VARCHAR2(100 CHAR),
    PRIMARY KEY (run_id, table_name)
);

-- owner is null when no process holds the key; the row stays, so that the token only grows.
CREATE TABLE replicate_lease (
    lease_key   VARCHAR2(200 CHAR) NOT NULL,
    owner       VARCHAR2(200 CHAR),
    token       NUMBER(18) NOT NULL,
    expires_at  TIMESTAMP(6) NOT NULL,
    PRIMARY KEY (lease_key)
);

CREATE TABLE replicate_outbox (
    message_id    VARCHAR2(64 CHAR) NOT NULL,
    run_id        VARCHAR2(128 CHAR) NOT NULL,
    message_type  VARCHAR2(64 CHAR) NOT NULL,
    body          CLOB NOT NULL,
    recorded_by   VARCHAR2(200 CHAR) NOT NULL,
    created_at    TIMESTAMP(6) NOT NULL,
    published_at  TIMESTAMP(6),
    PRIMARY KEY (message_id)
);

-- What a gate stopped, and what became of it.
CREATE TABLE replicate_artifact (
    artifact_id  VARCHAR2(32 CHAR) NOT NULL,
    gate         VARCHAR2(20 CHAR) NOT NULL,
    run_id       VARCHAR2(128 CHAR) NOT NULL,
    table_name   VARCHAR2(128 CHAR) NOT NULL,
    sha256       VARCHAR2(64 CHAR) NOT NULL,
    reason       VARCHAR2(2000 CHAR) NOT NULL,
    state        VARCHAR2(20 CHAR) NOT NULL,
    held_at      TIMESTAMP(6) NOT NULL,
    decided_by   VARCHAR2(128 CHAR),
    decided_at   TIMESTAMP(6),
    even_if_older NUMBER(1) NOT NULL,
    PRIMARY KEY (artifact_id)
);

-- Reports that Canvas makes for a run: of which table, and for which part of it (a term, or all).
CREATE TABLE replicate_report (
    run_id       VARCHAR2(128 CHAR) NOT NULL,
    table_name   VARCHAR2(128 CHAR) NOT NULL,
    part         VARCHAR2(64 CHAR) NOT NULL,
    report_id    NUMBER(19) NOT NULL,
    report_file  VARCHAR2(1000 CHAR),
    sha256       VARCHAR2(64 CHAR),
    started_at   TIMESTAMP(6) NOT NULL,
    PRIMARY KEY (run_id, table_name, part)
);

-- The moment that a run reads a source as of; scn is null where none could be had, for that reason.
CREATE TABLE replicate_snapshot (
    run_id   VARCHAR2(128 CHAR) NOT NULL,
    source   VARCHAR2(64 CHAR) NOT NULL,
    scn      NUMBER(20),
    reason   VARCHAR2(1000 CHAR),
    PRIMARY KEY (run_id, source)
);

-- Plans of pushes: immutable, and named by their content and what they were made against (basis).
CREATE TABLE replicate_push_plan (
    plan_id      VARCHAR2(32 CHAR) NOT NULL,
    process      VARCHAR2(64 CHAR) NOT NULL,
    kind         VARCHAR2(20 CHAR) NOT NULL,
    channel      VARCHAR2(20 CHAR) NOT NULL,
    push_group   VARCHAR2(20 CHAR) NOT NULL,
    basis        VARCHAR2(1000 CHAR) NOT NULL,
    sha256       VARCHAR2(64 CHAR) NOT NULL,
    plan_file    VARCHAR2(1000 CHAR) NOT NULL,
    line_count   NUMBER(18) NOT NULL,
    undoes       VARCHAR2(32 CHAR),
    run_id       VARCHAR2(128 CHAR) NOT NULL,
    planned_at   TIMESTAMP(6) NOT NULL,
    PRIMARY KEY (plan_id)
);

-- One row per change or refused row of a plan. state: planned, sent (Canvas may have it), applied, rejected (refused by
-- Canvas or not sent), sticky (taken before, and Canvas keeps another value).
CREATE TABLE replicate_push_journal (
    plan_id      VARCHAR2(32 CHAR) NOT NULL,
    line_number  NUMBER(18) NOT NULL,
    change_kind  VARCHAR2(20 CHAR) NOT NULL,
    object_key   VARCHAR2(1000 CHAR) NOT NULL,
    user_id      VARCHAR2(255 CHAR),
    course_id    VARCHAR2(255 CHAR),
    section_id   VARCHAR2(255 CHAR),
    wanted       VARCHAR2(64 CHAR),
    was          VARCHAR2(64 CHAR),
    state        VARCHAR2(20 CHAR) NOT NULL,
    run_id       VARCHAR2(128 CHAR),
    sent_at      TIMESTAMP(6),
    answered_at  TIMESTAMP(6),
    answer       VARCHAR2(500 CHAR),
    PRIMARY KEY (plan_id, line_number)
);

-- SIS imports that carry a plan: the number of the try is part of the file's name at Canvas; import_id as soon as known.
CREATE TABLE replicate_push_import (
    plan_id      VARCHAR2(32 CHAR) NOT NULL,
    attempt      NUMBER(9) NOT NULL,
    file_name    VARCHAR2(128 CHAR) NOT NULL,
    import_id    NUMBER(19),
    started_at   TIMESTAMP(6) NOT NULL,
    ended_at     TIMESTAMP(6),
    outcome      VARCHAR2(64 CHAR),
    PRIMARY KEY (plan_id, attempt)
);

-- Mails to be sent, one per cause; claimed_until: a process is sending it.
CREATE TABLE replicate_notice (
    cause          VARCHAR2(400 CHAR) NOT NULL,
    subject        VARCHAR2(200 CHAR) NOT NULL,
    body           CLOB NOT NULL,
    next_step      VARCHAR2(1000 CHAR) NOT NULL,
    noticed_at     TIMESTAMP(6) NOT NULL,
    attempts       NUMBER(9) NOT NULL,
    claimed_until  TIMESTAMP(6) NOT NULL,
    sent_at        TIMESTAMP(6),
    failure        VARCHAR2(500 CHAR),
    PRIMARY KEY (cause)
);

-- The first rejected records of a load; the bad file has all of them.
CREATE TABLE replicate_reject (
    run_id         VARCHAR2(128 CHAR) NOT NULL,
    table_name     VARCHAR2(128 CHAR) NOT NULL,
    record_number  NUMBER(18) NOT NULL,
    column_name    VARCHAR2(128 CHAR),
    error_code     VARCHAR2(64 CHAR),
    reason         VARCHAR2(500 CHAR) NOT NULL,
    PRIMARY KEY (run_id, table_name, record_number)
);

CREATE TABLE replicate_view (
    view_name       VARCHAR2(256 CHAR) NOT NULL,
    definition      CLOB,
    refresh_method  VARCHAR2(20 CHAR),
    refreshed_at    TIMESTAMP(6),
    PRIMARY KEY (view_name)
);

CREATE TABLE replicate_current_status (
    tablename       VARCHAR2(128 CHAR) NOT NULL,
    jobname         VARCHAR2(128 CHAR),
    status          VARCHAR2(20 CHAR) NOT NULL,
    schedule        VARCHAR2(64 CHAR),
    db              VARCHAR2(64 CHAR),
    message         VARCHAR2(2000 CHAR),
    load_date       TIMESTAMP(0) NOT NULL,
    run_id          VARCHAR2(128 CHAR),
    stage           VARCHAR2(20 CHAR),
    row_count       NUMBER(18),
    rejected_count  NUMBER(18),
    seconds         NUMBER(18,3),
    as_of           TIMESTAMP(0),
    error_code      VARCHAR2(64 CHAR),
    verified        VARCHAR2(20 CHAR),
    PRIMARY KEY (tablename)
);

CREATE TABLE replicate_status (
    filename        VARCHAR2(1000 CHAR),
    load_date       TIMESTAMP(0) NOT NULL,
    status          VARCHAR2(20 CHAR) NOT NULL,
    schedule        VARCHAR2(64 CHAR),
    jobname         VARCHAR2(128 CHAR),
    db              VARCHAR2(64 CHAR),
    message         VARCHAR2(2000 CHAR),
    tablename       VARCHAR2(128 CHAR) NOT NULL,
    run_id          VARCHAR2(128 CHAR) NOT NULL,
    stage           VARCHAR2(20 CHAR),
    row_count       NUMBER(18),
    rejected_count  NUMBER(18),
    seconds         NUMBER(18,3),
    as_of           TIMESTAMP(0),
    error_code      VARCHAR2(64 CHAR),
    verified        VARCHAR2(20 CHAR),
    PRIMARY KEY (run_id, tablename)
);

-- The same for provisions: JOBNAME is the mode (regular, historical, orgs).
CREATE TABLE provisions_current_status (
    jobname    VARCHAR2(20 CHAR) NOT NULL,
    status     VARCHAR2(20 CHAR) NOT NULL,
    schedule   VARCHAR2(64 CHAR),
    db         VARCHAR2(64 CHAR),
    message    VARCHAR2(2000 CHAR),
    load_date  TIMESTAMP(0) NOT NULL,
    run_id     VARCHAR2(128 CHAR) NOT NULL,
    row_count  NUMBER(18),
    seconds    NUMBER(18,3),
    PRIMARY KEY (jobname)
);

CREATE TABLE provisions_status (
    filename   VARCHAR2(1000 CHAR),
    load_date  TIMESTAMP(0) NOT NULL,
    status     VARCHAR2(20 CHAR) NOT NULL,
    schedule   VARCHAR2(64 CHAR),
    jobname    VARCHAR2(20 CHAR) NOT NULL,
    db         VARCHAR2(64 CHAR),
    message    VARCHAR2(2000 CHAR),
    run_id     VARCHAR2(128 CHAR) NOT NULL,
    row_count  NUMBER(18),
    seconds    NUMBER(18,3),
    PRIMARY KEY (run_id)
);

-- The same for pushes: JOBNAME is the process; counts are changes.
CREATE TABLE canvasapi_current_status (
    jobname         VARCHAR2(64 CHAR) NOT NULL,
    status          VARCHAR2(20 CHAR) NOT NULL,
    schedule        VARCHAR2(64 CHAR),
    db              VARCHAR2(64 CHAR),
    message         VARCHAR2(2000 CHAR),
    load_date       TIMESTAMP(0) NOT NULL,
    run_id          VARCHAR2(128 CHAR) NOT NULL,
    plan_id         VARCHAR2(32 CHAR),
    planned_count   NUMBER(18),
    applied_count   NUMBER(18),
    rejected_count  NUMBER(18),
    seconds         NUMBER(18,3),
    error_code      VARCHAR2(64 CHAR),
    PRIMARY KEY (jobname)
);

CREATE TABLE canvasapi_status (
    filename        VARCHAR2(1000 CHAR),
    load_date       TIMESTAMP(0) NOT NULL,
    status          VARCHAR2(20 CHAR) NOT NULL,
    schedule        VARCHAR2(64 CHAR),
    jobname         VARCHAR2(64 CHAR) NOT NULL,
    db              VARCHAR2(64 CHAR),
    message         VARCHAR2(2000 CHAR),
    run_id          VARCHAR2(128 CHAR) NOT NULL,
    plan_id         VARCHAR2(32 CHAR),
    planned_count   NUMBER(18),
    applied_count   NUMBER(18),
    rejected_count  NUMBER(18),
    seconds         NUMBER(18,3),
    error_code      VARCHAR2(64 CHAR),
    PRIMARY KEY (run_id, jobname)
);
