"""A ledger that has grown old: many ended runs with their items, messages, leases and statuses, and a long journal."""

from __future__ import annotations

from collections.abc import Sequence

TABLES = ("tmp_students", "tmp_one", "tmp_two", "tmp_three")
LINES_PER_PLAN = 100
USERS = 20_000
_AT = "TIMESTAMP '2020-01-01 00:00:00' + i * INTERVAL '1 hour'"
_MOMENT = f"replace(replace(replace(CAST({_AT} AS VARCHAR), '-', ''), ':', ''), ' ', 'T')"
_RUN = f"{_MOMENT} || 'Z-hourly-' || lpad(CAST(i AS VARCHAR), 6, '0')"
_MESSAGE = f"({_RUN}) || '-' || n"


def write_history(runs: int, lines: int, tables: Sequence[str] = TABLES) -> list[str]:
    """The statements, for DuckDB and PostgreSQL alike, that add so many ended hourly runs from 2020 on, and plans with
    so many journal lines. All messages are published and no lease is held. As in life, rows are written open and
    updated later.
    """
    names = " UNION ALL ".join(f"SELECT '{name}' AS t" for name in tables)
    each_run = f"FROM generate_series(1, {runs}) s(i)"
    each_item = f"{each_run} CROSS JOIN ({names}) w"
    each_line = f"FROM generate_series(0, {lines - 1}) s(i)"
    plan = f"'p-' || lpad(CAST(CAST(floor(i / {LINES_PER_PLAN}) AS INTEGER) AS VARCHAR), 12, '0')"
    plans = lines // LINES_PER_PLAN
    return [
        "INSERT INTO replicate_run (run_id, schedule, snapshot, status, requested_by, opened_at, deadline_at, closed_at,"
        f" changes) SELECT {_RUN}, 'hourly', 0, 'open', 'cron', {_AT}, {_AT} + INTERVAL '1 day', NULL, 9 {each_run}",
        "INSERT INTO replicate_run_table (run_id, table_name, kind, view_name, source, state, manifest, row_count,"
        " loaded_count, rejected_count, file_sha256, extracted_at, extract_seconds, load_seconds, finished_at, message,"
        f" replay, verified) SELECT {_RUN}, t, 'tables', replace(t, 'tmp_', 'campus_'), 'campus', 'requested',"
        f" 'runs/' || {_RUN} || '/' || t || '.manifest.json', 100, 100, 0, md5(t || i), {_AT}, 1, 1, NULL,"
        f" '100 rows verified, view refreshed', 0, 'rows' {each_item}",
        "INSERT INTO replicate_status (filename, load_date, status, schedule, jobname, db, message, tablename, run_id,"
        " stage, row_count, rejected_count, seconds, as_of, verified)"
        f" SELECT 'runs/' || {_RUN} || '/' || t || '.dat', {_AT}, 'successful', 'hourly', replace(t, 'tmp_', 'campus_'),"
        f" 'campus', '100 rows verified, view refreshed', t, {_RUN}, 'loader', 100, 0, 2, {_AT}, 'rows' {each_item}",
        "INSERT INTO replicate_outbox (message_id, run_id, message_type, body, recorded_by, created_at, published_at)"
        f" SELECT {_MESSAGE} || t, {_RUN}, 'table.ready.v1', repeat('x', 400), 'old:1', {_AT}, NULL {each_item}"
        " CROSS JOIN (SELECT '1' AS n UNION ALL SELECT '2') m",
        "INSERT INTO replicate_lease (lease_key, owner, token, expires_at)"
        f" SELECT 'extract:' || {_RUN} || ':' || t, NULL, 1, {_AT} {each_item}",
        f"INSERT INTO replicate_lease (lease_key, owner, token, expires_at) SELECT 'run:' || {_RUN}, NULL, 1, {_AT}"
        f" {each_run}",
        "INSERT INTO replicate_artifact (artifact_id, gate, run_id, table_name, sha256, reason, state, held_at,"
        f" even_if_older) SELECT 'h-' || i, 'file', {_RUN}, '{tables[0]}', md5('' || i), 'fewer rows', 'discarded', {_AT},"
        f" 0 FROM generate_series(20, {runs}, 20) s(i)",
        "INSERT INTO replicate_push_plan (plan_id, process, kind, channel, push_group, basis, sha256, plan_file,"
        f" line_count, run_id, planned_at) SELECT 'p-' || lpad(CAST(i AS VARCHAR), 12, '0'), 'enrollments',"
        f" 'enrollments', 'sis_import', 'regular', 'r', md5('' || i), 'plans/' || i, {LINES_PER_PLAN}, {_RUN}, {_AT}"
        f" FROM generate_series(0, {plans - 1}) s(i)",
        "INSERT INTO replicate_push_journal (plan_id, line_number, change_kind, object_key, user_id, section_id, wanted,"
        f" state, run_id, sent_at, answered_at) SELECT {plan}, i % {LINES_PER_PLAN} + 1, 'addition', 's' || (i % 977) ||"
        f" '|u' || (i % {USERS}), 'u' || (i % {USERS}), 's' || (i % 977), 'active', 'planned', {_RUN},"
        f" TIMESTAMP '2020-01-01 00:00:00' + i * INTERVAL '1 minute', NULL {each_line}",
        "UPDATE replicate_run SET status = 'successful', closed_at = opened_at + INTERVAL '5 minutes'"
        " WHERE closed_at IS NULL AND requested_by = 'cron'",
        "UPDATE replicate_run_table SET state = 'successful', finished_at = extracted_at + INTERVAL '5 minutes'"
        " WHERE state = 'requested'",
        "UPDATE replicate_outbox SET published_at = created_at WHERE published_at IS NULL AND recorded_by = 'old:1'",
        "UPDATE replicate_push_journal SET state = 'applied', answered_at = sent_at WHERE state = 'planned'",
    ]
