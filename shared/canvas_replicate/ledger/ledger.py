"""The run ledger (DESIGN section 7): the one truth about what happened.

Every change is a compare-and-set UPDATE whose row count decides; a state change and the message that
follows from it are one transaction (outbox). No SELECT FOR UPDATE, no MERGE: the same statements run on
every engine.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any, Literal, cast

from canvas_replicate.databases.ports import DuplicateKey, LedgerDatabase, Session
from canvas_replicate.datfile.manifest import Manifest
from canvas_replicate.errors import AlreadyRunning, ConfigError, LeaseBusy, LeaseLost
from canvas_replicate.ledger.leases import Lease, give_back, still_held, take
from canvas_replicate.ledger.records import (
    ALL_PUSHES,
    DEFAULT_DEADLINE,
    GROUP_OF,
    PUSHING,
    SOME_REPORTS,
    Approval,
    Artifact,
    CanvasReport,
    FinalState,
    Kind,
    NewTable,
    Outcome,
    ProvisionsStatus,
    Push,
    Reject,
    Run,
    RunTable,
    Snapshot,
    Status,
    plan_id_of,
    process_of,
    push_row,
    run_status,
)
from canvas_replicate.messaging.messages import (
    Envelope,
    Message,
    ProcessOutcome,
    ProvisionsDone,
    ProvisionsRequested,
    PushDone,
    PushRequested,
    ReportOutcome,
    RunLoaded,
    TableOutcome,
    TableReady,
    TableRequested,
    new_run_id,
    wrap,
)
from canvas_replicate.notifications import texts
from canvas_replicate.notifications.outbox import record_notice

_UNFINISHED = "('requested', 'extracting', 'extracted', 'loading')"

# A message that is not published by then waits for somebody else to publish it.
_LEFT_OVER = timedelta(minutes=1)
_NEVER = datetime(1970, 1, 1)  # noqa: DTZ001  # the ledger's times are UTC without zone


_RUN = (
    "run_id, schedule, status, then_steps, rerun_of, requested_by, run_mode, opened_at, deadline_at, closed_at,"
    " snapshot, provisions, push_group, push_process, push_plan, push_after"
)
_TABLE = (
    "run_id, table_name, kind, view_name, source, state, manifest, row_count, loaded_count, rejected_count,"
    " query_sha256, file_sha256, extracted_at, extract_seconds, load_seconds, finished_at, error_code, message,"
    " next_step, replay, artifact_id"
)
_ARTIFACT = (
    "artifact_id, gate, run_id, table_name, sha256, reason, state, held_at, decided_by, decided_at, even_if_older"
)
_STATUS = (
    "tablename, jobname, status, schedule, db, message, load_date, run_id, stage, row_count, rejected_count,"
    " seconds, as_of, error_code"
)


def schema() -> str:
    """Oracle DDL of the ledger and the status tables."""
    return resources.files("canvas_replicate.ledger").joinpath("tables.sql").read_text("utf-8")


class Ledger:
    """``owner`` is this process, as in its leases; messages carry it as their ``app_id``."""

    def __init__(self, database: LedgerDatabase, owner: str = "canvas-replicate") -> None:
        self._database = database
        self._owner = owner

    @property
    def database(self) -> LedgerDatabase:
        """For what only reads (``ledger_views``)."""
        return self._database

    # -- runs ------------------------------------------------------------------------------------------

    def open_run(
        self,
        schedule: str,
        tables: Sequence[NewTable],
        *,
        exclusive: bool,
        then: Sequence[str] = (),
        deadline: timedelta = DEFAULT_DEADLINE,
        rerun_of: str | None = None,
        requested_by: str | None = None,
        mode: str | None = None,
        snapshot: bool = False,
        provisions: str | None = None,
        reports: Sequence[NewTable] = (),
        approves: Approval | None = None,
        push: Push | None = None,
    ) -> Run:
        """Open a run with all its tables and messages in one transaction.

        ``snapshot``: each source is read as of one moment. ``provisions``: which mode of reports follows the tables,
        or is all of the run where there are none; only ``reports`` of that mode, where some are given: such a run never
        makes the mode's current status better, which pushes look at. ``push``: what is pushed at the end; by default
        the group that follows the provisions, where ``then`` says so.
        ``mode`` ``extract`` marks a one-shot extract, whose files wait for the loader to be started.
        ``approves`` releases a held artefact together with the run that publishes it.
        ``exclusive`` runs take their schedule's slot until they are closed or past their deadline.
        Raises AlreadyRunning naming the open run, ConfigError for a run without tables.
        """
        if not tables and provisions is None and push is None:
            raise ConfigError(f"Schedule {schedule} has no table to work on.")
        if push is None and "push" in then and provisions in GROUP_OF:
            push = Push(GROUP_OF[provisions])
        with self._database.transaction() as session:
            opened_at = session.now()
            run_id = new_run_id(schedule, opened_at)
            if exclusive:
                self._take_slot(session, schedule, run_id, deadline)
            if approves:
                _decide(session, approves.artifact_id, "approved", requested_by or "", approves.even_if_older)
            session.execute(
                "INSERT INTO replicate_run (run_id, schedule, status, then_steps, rerun_of, requested_by, run_mode,"
                " snapshot, provisions, push_group, push_process, push_plan, push_after, opened_at, deadline_at,"
                " changes) VALUES (:run_id, :schedule, 'open', :then_steps, :rerun_of, :requested_by, :run_mode,"
                " :snapshot, :provisions, :push_group, :push_process, :push_plan, :push_after, :opened_at,"
                " :deadline_at, 0)",
                run_id=run_id,
                schedule=schedule,
                then_steps=",".join(then) or None,
                rerun_of=rerun_of,
                requested_by=requested_by,
                run_mode=mode or (SOME_REPORTS if reports else None),
                snapshot=int(snapshot),
                provisions=provisions,
                push_group=push.group if push else None,
                push_process=push.process if push else None,
                push_plan=push.plan_id if push else None,
                push_after=push.after if push else None,
                opened_at=opened_at,
                deadline_at=opened_at + deadline,
            )
            for table in tables:
                self._insert_table(session, run_id, "tables", table)
                self._announce_or_request(session, run_id, schedule, table, requested_by)
            for report in reports:
                self._insert_table(session, run_id, "provisions", report)
            if not tables:
                opened = self._run_in(session, run_id)
                self._record(session, _provisions_request(opened) if provisions else _push_request(opened))
        return self.run(run_id)

    def run(self, run_id: str) -> Run:
        """Raises ConfigError when there is no such run."""
        with self._database.transaction() as session:
            found = session.query(f"SELECT {_RUN} FROM replicate_run WHERE run_id = :run_id", run_id=run_id)
        if not found:
            raise ConfigError(f"There is no run {run_id}.", next_step="List them: replicate runs.")
        return _run(found[0])

    def runs(self, limit: int = 20) -> list[Run]:
        """Newest first."""
        with self._database.transaction() as session:
            found = session.query(
                f"SELECT {_RUN} FROM replicate_run ORDER BY opened_at DESC, run_id DESC"
                f" FETCH FIRST {int(limit)} ROWS ONLY"
            )
        return [_run(row) for row in found]

    def open_run_of(self, schedule: str) -> Run | None:
        """The run that holds the schedule's slot."""
        with self._database.transaction() as session:
            found = session.query(
                "SELECT owner FROM replicate_lease WHERE lease_key = :key AND owner IS NOT NULL",
                key=f"slot:{schedule}",
            )
        return self.run(found[0][0]) if found else None

    def unfinished_runs(self) -> list[Run]:
        """Open runs that work through the whole chain, oldest first."""
        with self._database.transaction() as session:
            found = session.query(
                f"SELECT {_RUN} FROM replicate_run WHERE closed_at IS NULL"
                " AND (run_mode IS NULL OR run_mode = :some_reports) ORDER BY opened_at",
                some_reports=SOME_REPORTS,
            )
        return [_run(row) for row in found]

    def runs_to_keep(self) -> set[str]:
        """Runs whose files are still needed: unfinished, held, or what readers see now."""
        with self._database.transaction() as session:
            needed = session.query(
                "SELECT run_id FROM replicate_run WHERE closed_at IS NULL"
                " UNION SELECT run_id FROM replicate_artifact WHERE state = 'held'"
                " UNION SELECT run_id FROM replicate_current_status WHERE run_id IS NOT NULL"
            )
            # The file of a replay or an approval lies in the folder of the run that it came from.
            files = session.query(
                "SELECT manifest FROM replicate_run_table WHERE manifest IS NOT NULL AND run_id IN"
                " (SELECT run_id FROM replicate_current_status UNION SELECT run_id FROM replicate_run"
                " WHERE closed_at IS NULL UNION SELECT run_id FROM replicate_artifact WHERE state = 'held')"
            )
        return {run_id for (run_id,) in needed} | {path.split("/")[1] for (path,) in files}

    def release_slot(self, run: Run) -> None:
        """Let the next run of the schedule open although this one still waits (a one-shot extract did its part)."""
        with self._database.transaction() as session:
            give_back(session, f"slot:{run.schedule}", run.run_id)

    def tables(self, run_id: str) -> list[RunTable]:
        with self._database.transaction() as session:
            found = session.query(
                f"SELECT {_TABLE} FROM replicate_run_table WHERE run_id = :run_id ORDER BY table_name",
                run_id=run_id,
            )
        return [_table(row) for row in found]

    def table(self, run_id: str, table: str) -> RunTable | None:
        return next((row for row in self.tables(run_id) if row.table == table), None)

    def request_again(self, run_id: str) -> int:
        """Put a message for everything unfinished into the outbox: how a run goes on after a crash.

        The extractor announces a file that is there already, and so does the provisioner: one message is enough.
        """
        run = self.run(run_id)
        unfinished = [row for row in self.tables(run_id) if not row.is_final and row.kind == "tables"]
        with self._database.transaction() as session:
            if run.is_open and run.push and (run.status == PUSHING or not (run.provisions or unfinished)):
                self._record(session, _push_request(run))
            elif run.is_open and run.provisions and not unfinished:
                self._record(session, _provisions_request(run))
            for row in unfinished:
                self._record(
                    session,
                    TableRequested(
                        run_id=run_id,
                        table=row.table,
                        schedule=run.schedule,
                        source=row.source,
                        requested_by=run.requested_by,
                    ),
                )
        return len(unfinished)

    def abandon(self, run_id: str, why: str) -> None:
        """Fail what is unfinished in a run, which closes it. Repeatable. Tables end before the reports that follow."""
        again = f"replicate rerun --failed {run_id}"
        outcome = Outcome("failed", "sweep", message=why, error_code="run.abandoned", next_step=again)
        for row in self.tables(run_id):
            if not row.is_final and row.kind == "tables":
                self.finish(run_id, row.table, outcome)
        self.fail_provisions(run_id, outcome)
        self.fail_pushes(run_id, outcome)

    def close_overdue(self) -> list[str]:
        """Fail what is unfinished in runs past their deadline, which closes them. Repeatable."""
        with self._database.transaction() as session:
            late = session.query(
                "SELECT run_id FROM replicate_run WHERE closed_at IS NULL AND deadline_at < :now",
                now=session.now(),
            )
        closed = [str(run_id) for (run_id,) in late]
        for run_id in closed:
            self.abandon(run_id, "The run's deadline passed before the table was done.")
        return closed

    def snapshot(self, run_id: str, source: str) -> Snapshot | None:
        with self._database.transaction() as session:
            found = session.query(
                "SELECT scn, reason FROM replicate_snapshot WHERE run_id = :run_id AND source = :source",
                run_id=run_id,
                source=source,
            )
        return Snapshot(None if found[0][0] is None else int(found[0][0]), found[0][1]) if found else None

    def record_snapshot(self, run_id: str, source: str, proposed: Snapshot) -> Snapshot:
        """The first to record one decides for all; returns what holds."""
        try:
            with self._database.transaction() as session:
                session.execute(
                    "INSERT INTO replicate_snapshot (run_id, source, scn, reason)"
                    " VALUES (:run_id, :source, :scn, :reason)",
                    run_id=run_id,
                    source=source,
                    scn=proposed.scn,
                    reason=proposed.reason[:1000] if proposed.reason else None,
                )
        except DuplicateKey:
            return self.snapshot(run_id, source) or proposed
        return proposed

    # -- table states ----------------------------------------------------------------------------------

    def begin(self, run_id: str, table: str, state: Literal["extracting", "loading"], lease: Lease) -> bool:
        """Move a table into work. False when it is past that already (a redelivery: ack and forget)."""
        before = {"extracting": "('requested', 'extracting')", "loading": "('extracted', 'loading')"}[state]
        with self._database.transaction() as session:
            still_held(session, lease)
            changed = session.execute(
                f"UPDATE replicate_run_table SET state = :state WHERE run_id = :run_id AND table_name = :name"
                f" AND state IN {before}",
                state=state,
                run_id=run_id,
                name=table,
            )
        return changed == 1

    def extracted(self, run: Run, manifest: Manifest, path: str, lease: Lease, *, announce: bool = True) -> None:
        """Record a published file together with its ``table.ready``. Repeating it records the same facts.

        Without ``announce`` nobody loads it yet.
        """
        with self._database.transaction() as session:
            still_held(session, lease)
            session.execute(
                "UPDATE replicate_run_table SET state = 'extracted', manifest = :manifest, row_count = :row_count,"
                " query_sha256 = :query_sha256, file_sha256 = :file_sha256, extracted_at = :extracted_at,"
                " extract_seconds = :seconds"
                " WHERE run_id = :run_id AND table_name = :name AND state IN ('requested', 'extracting')",
                manifest=path,
                row_count=manifest.rows,
                query_sha256=manifest.query_sha256,
                file_sha256=manifest.sha256,
                extracted_at=_naive(manifest.extracted_at),
                seconds=round(manifest.seconds, 3),
                run_id=run.run_id,
                name=manifest.table,
            )
            if announce:
                self._record(session, ready(run.run_id, run.schedule, manifest, path))

    def announce(self, row: RunTable, manifest: Manifest) -> None:
        """Record ``table.ready`` once more for a file that waits."""
        run = self.run(row.run_id)
        with self._database.transaction() as session:
            self._record(session, ready(run.run_id, run.schedule, manifest, row.manifest or "", row.artifact_id))

    def finish(
        self, run_id: str, table: str, outcome: Outcome, lease: Lease | None = None, *, tell: bool = True
    ) -> bool:
        """Bring a table to its final state, in one transaction with all that follows from it: status tables,
        a held artefact, and ``run.loaded`` when it was the last of its kind.

        ``tell``: a push that failed or is held is mailed. False, and nothing changed, when the table was final
        already. Raises LeaseLost for a stale lease.
        """
        with self._database.transaction() as session:
            if lease:
                still_held(session, lease)
            # The run's row first: it makes the last two tables of a run wait for each other.
            session.execute("UPDATE replicate_run SET changes = changes + 1 WHERE run_id = :run_id", run_id=run_id)
            now = session.now()
            figures = _figures(outcome)
            changed = session.execute(
                "UPDATE replicate_run_table SET state = :state, finished_at = :now, error_code = :error_code,"
                f" message = :message, next_step = :next_step{''.join(f', {name} = :{name}' for name in figures)}"
                f" WHERE run_id = :run_id AND table_name = :name AND state IN {_UNFINISHED}",
                state=outcome.state,
                now=now,
                error_code=outcome.error_code,
                message=_fitting(outcome.message) or None,
                next_step=outcome.next_step[:1000] or None,
                run_id=run_id,
                name=table,
                **figures,
            )
            if not changed:
                return False
            row = self._table_in(session, run_id, table)
            run = self._run_in(session, run_id)
            self._keep_rejects(session, row, outcome.rejects)
            if outcome.hold_gate:
                row = replace(row, artifact_id=self._hold(session, row, outcome.hold_gate, outcome.message, now))
            if row.kind == "pushes":
                _write_push_status(session, run, row, outcome, now)
                if tell:
                    _notice_push(session, run, row, outcome)
            else:
                _write_status(session, run, row, outcome, now)
            self._close_if_done(session, run, row.kind, now)
        return True

    # -- provisions ------------------------------------------------------------------------------------

    def plan_provisions(self, run: Run, reports: Sequence[NewTable]) -> list[RunTable]:
        """The run's report tables; all of ``reports`` where it has none yet. Repeatable."""
        try:
            with self._database.transaction() as session:
                planned = self._rows_in(session, run.run_id, "provisions")
                for report in () if planned else reports:
                    self._insert_table(session, run.run_id, "provisions", report)
        except DuplicateKey:  # another provisioner was quicker
            pass
        return [row for row in self.tables(run.run_id) if row.kind == "provisions"]

    def fail_provisions(self, run_id: str, outcome: Outcome) -> None:
        """Bring every unfinished report table of an open run to that end, or the provisions as a whole where none was
        planned yet. Repeatable; nothing for a run that does not exist."""
        for row in self.tables(run_id):
            if row.kind == "provisions" and not row.is_final:
                self.finish(run_id, row.table, outcome)
        with self._database.transaction() as session:
            session.execute("UPDATE replicate_run SET changes = changes + 1 WHERE run_id = :run_id", run_id=run_id)
            run = self._find_run(session, run_id)
            unfinished = any(not row.is_final for row in self._rows_in(session, run_id, "tables"))
            if run and run.is_open and run.provisions and run.status != PUSHING and not unfinished:
                self._end_provisions(session, run, self._rows_in(session, run_id, "provisions"), session.now(), outcome)

    def provisions_failure(self, run_id: str) -> str | None:
        """Why the provisions of a run failed as a whole; None when they did not."""
        with self._database.transaction() as session:
            found = session.query(
                "SELECT message FROM provisions_status WHERE run_id = :run_id AND status = 'failed'", run_id=run_id
            )
        return str(found[0][0] or "failed") if found else None

    def canvas_report(self, run_id: str, table: str, part: str) -> CanvasReport | None:
        with self._database.transaction() as session:
            found = session.query(
                "SELECT report_id, report_file, sha256 FROM replicate_report WHERE run_id = :run_id"
                " AND table_name = :name AND part = :part",
                run_id=run_id,
                name=table,
                part=part,
            )
        return CanvasReport(int(found[0][0]), found[0][1], found[0][2]) if found else None

    def reports_started(self, run_id: str, table: str) -> datetime | None:
        """When the oldest report of a table was asked for: what is in the table is at least as new."""
        with self._database.transaction() as session:
            found = session.query(
                "SELECT MIN(started_at) FROM replicate_report WHERE run_id = :run_id AND table_name = :name",
                run_id=run_id,
                name=table,
            )
        return _aware(found[0][0])

    def keep_canvas_report(self, run_id: str, table: str, part: str, report: CanvasReport, lease: Lease) -> None:
        """Remember a report that Canvas makes for us, and later where it lies. Repeatable."""
        values = {"report_id": report.report_id, "report_file": report.file, "sha256": report.sha256}
        with self._database.transaction() as session:
            still_held(session, lease)
            changed = session.execute(
                "UPDATE replicate_report SET report_id = :report_id, report_file = :report_file, sha256 = :sha256"
                " WHERE run_id = :run_id AND table_name = :name AND part = :part",
                run_id=run_id,
                name=table,
                part=part,
                **values,
            )
            if not changed:
                row = {"run_id": run_id, "table_name": table, "part": part, "started_at": session.now(), **values}
                _insert(session, "replicate_report", row)

    def provisions_of(self, mode: str, run_id: str | None = None) -> ProvisionsStatus | None:
        """How the mode's latest provisions ended, or those of one run; None when there are none."""
        table = "provisions_status WHERE run_id = :run_id AND" if run_id else "provisions_current_status WHERE"
        values = {"run_id": run_id} if run_id else {}
        with self._database.transaction() as session:
            found = session.query(
                f"SELECT run_id, status, load_date, message FROM {table} jobname = :mode", mode=mode, **values
            )
            now = session.now()
        if not found:
            return None
        said, status, ended, message = found[0]
        return ProvisionsStatus(said, str(status), now - ended, message)

    # -- pushes ----------------------------------------------------------------------------------------

    def plan_pushes(self, run: Run, processes: Sequence[str]) -> list[RunTable]:
        """The run's push rows; those of ``processes`` where it has none yet. Repeatable. Without any the run ends."""
        try:
            with self._database.transaction() as session:
                session.execute("UPDATE replicate_run SET changes = changes + 1 WHERE run_id = :r", r=run.run_id)
                planned = self._rows_in(session, run.run_id, "pushes")
                for process in () if planned else processes:
                    self._insert_table(session, run.run_id, "pushes", NewTable(push_row(process), "", "canvas"))
                if not planned and not processes:
                    self._end_pushes(session, run, [], session.now())
        except DuplicateKey:  # another pusher was quicker
            pass
        return [row for row in self.tables(run.run_id) if row.kind == "pushes"]

    def planned(self, run_id: str, row: str, plan_sha256: str, path: str, lines: int, lease: Lease) -> None:
        """Record a plan that lies on the shared storage. Repeating it records the same facts."""
        with self._database.transaction() as session:
            still_held(session, lease)
            session.execute(
                "UPDATE replicate_run_table SET state = 'extracted', manifest = :manifest, row_count = :lines,"
                " file_sha256 = :sha256, extracted_at = :now"
                " WHERE run_id = :run_id AND table_name = :name AND state IN ('requested', 'extracting')",
                manifest=path,
                lines=lines,
                sha256=plan_sha256,
                now=session.now(),
                run_id=run_id,
                name=row,
            )

    def fail_pushes(self, run_id: str, outcome: Outcome) -> None:
        """Bring every unfinished push of a run that is pushing to that end, or all of them where none was begun; one
        mail tells of all. Repeatable; nothing for a run that does not exist, or is not there yet."""
        with self._database.transaction() as session:
            run = self._find_run(session, run_id)
        if run is None or not run.is_open or run.push is None or (run.provisions and run.status != PUSHING):
            return
        self.notice(_push_notice(run, None, outcome, datetime.now(UTC)))
        for row in self.tables(run_id):
            if row.kind == "pushes" and not row.is_final:
                self.finish(run_id, row.table, outcome, tell=False)
        with self._database.transaction() as session:
            session.execute("UPDATE replicate_run SET changes = changes + 1 WHERE run_id = :r", r=run_id)
            run = self._run_in(session, run_id)
            if run.is_open:
                self._end_pushes(session, run, self._rows_in(session, run_id, "pushes"), session.now(), outcome)

    def push_failure(self, run_id: str) -> str | None:
        """Why the pushes of a run failed as a whole, before one was planned; None when they did not."""
        with self._database.transaction() as session:
            found = session.query(
                "SELECT message FROM canvasapi_status WHERE run_id = :run_id AND jobname = :all AND status = 'failed'",
                run_id=run_id,
                all=ALL_PUSHES,
            )
        return str(found[0][0] or "failed") if found else None

    def failure(self, run_id: str) -> str | None:
        """Why a step of a run failed as a whole."""
        if provisions := self.provisions_failure(run_id):
            return f"provisions failed: {provisions}"
        push = self.push_failure(run_id)
        return f"push failed: {push}" if push else None

    def notice(self, notice: texts.Notice) -> None:
        """Have it mailed, once for its cause. Repeatable."""
        with self._database.transaction() as session:
            record_notice(session, notice)

    # -- what was published ----------------------------------------------------------------------------

    def last_successful(self, table: str, source: str | None = None) -> RunTable | None:
        """The load that readers see now (of one source, where given): the latest to end well."""
        where = " AND source = :source" if source else ""
        values = {"source": source} if source else {}
        with self._database.transaction() as session:
            found = session.query(
                f"SELECT {_TABLE} FROM replicate_run_table WHERE table_name = :name AND state = 'successful'{where}"
                " ORDER BY finished_at DESC, run_id DESC FETCH FIRST 1 ROWS ONLY",
                name=table,
                **values,
            )
        return _table(found[0]) if found else None

    def waiting_files(self, table: str) -> list[RunTable]:
        """Complete files that are not loaded, newest first."""
        with self._database.transaction() as session:
            found = session.query(
                f"SELECT {_TABLE} FROM replicate_run_table WHERE table_name = :name"
                " AND state IN ('extracted', 'loading') ORDER BY extracted_at DESC, run_id DESC",
                name=table,
            )
        return [_table(row) for row in found]

    def latest(self, table: str) -> RunTable | None:
        """The table in the newest run that had it."""
        with self._database.transaction() as session:
            found = session.query(
                "SELECT r.run_id FROM replicate_run r JOIN replicate_run_table t ON t.run_id = r.run_id"
                " WHERE t.table_name = :name ORDER BY r.opened_at DESC, r.run_id DESC FETCH FIRST 1 ROWS ONLY",
                name=table,
            )
        return self.table(found[0][0], table) if found else None

    def status(self) -> list[Status]:
        with self._database.transaction() as session:
            found = session.query(f"SELECT {_STATUS} FROM replicate_current_status ORDER BY tablename")
        return [_status(row) for row in found]

    def refreshed_in_one_transaction(self) -> list[str]:
        """Views that Oracle does not build out of place: slower, and with more undo."""
        with self._database.transaction() as session:
            found = session.query(
                "SELECT view_name FROM replicate_view WHERE refresh_method = 'atomic' ORDER BY view_name"
            )
        return [str(name) for (name,) in found]

    def rejects(self, run_id: str, table: str) -> list[Reject]:
        with self._database.transaction() as session:
            found = session.query(
                "SELECT record_number, column_name, reason, error_code FROM replicate_reject WHERE run_id = :run_id"
                " AND table_name = :name ORDER BY record_number",
                run_id=run_id,
                name=table,
            )
        return [Reject(int(number), column, reason, code) for number, column, reason, code in found]

    # -- held artefacts --------------------------------------------------------------------------------

    def artifacts(self, state: str | None = None) -> list[Artifact]:
        where, values = (" WHERE state = :state", {"state": state}) if state else ("", {})
        with self._database.transaction() as session:
            found = session.query(f"SELECT {_ARTIFACT} FROM replicate_artifact{where} ORDER BY held_at", **values)
        return [_artifact(row) for row in found]

    def artifact(self, artifact_id: str) -> Artifact | None:
        return next((a for a in self.artifacts() if a.artifact_id == artifact_id), None)

    def discard(self, artifact_id: str, who: str) -> None:
        """Raises ConfigError when the artefact was decided on before."""
        with self._database.transaction() as session:
            _decide(session, artifact_id, "discarded", who, False)

    # -- outbox ----------------------------------------------------------------------------------------

    def unpublished(self, *, left_over: bool = False) -> list[Envelope]:
        """Messages that this process recorded and has not marked as published, oldest first.

        ``left_over``: also those of other processes that are older than a minute. Their publishers died, or
        are slow, and then the message goes out twice with one id.
        """
        with self._database.transaction() as session:
            found = session.query(
                "SELECT message_id, message_type, body, run_id, created_at, recorded_by FROM replicate_outbox"
                " WHERE published_at IS NULL AND (recorded_by = :owner OR created_at < :before)"
                " ORDER BY created_at, message_id",
                owner=self._owner,
                before=session.now() - _LEFT_OVER if left_over else _NEVER,
            )
        return [
            Envelope(kind, body.encode(), message_id, run_id, created.replace(tzinfo=UTC), app_id)
            for message_id, kind, body, run_id, created, app_id in found
        ]

    def mark_published(self, message_ids: Iterable[str]) -> None:
        with self._database.transaction() as session:
            for message_id in message_ids:
                session.execute(
                    "UPDATE replicate_outbox SET published_at = :now WHERE message_id = :id",
                    now=session.now(),
                    id=message_id,
                )

    # -- inside a transaction --------------------------------------------------------------------------

    def _take_slot(self, session: Session, schedule: str, run_id: str, deadline: timedelta) -> None:
        try:
            take(session, f"slot:{schedule}", run_id, deadline.total_seconds())
        except LeaseBusy:
            holder = session.query("SELECT owner FROM replicate_lease WHERE lease_key = :key", key=f"slot:{schedule}")
            raise AlreadyRunning(
                f"Schedule {schedule} is running already: {holder[0][0]}.",
                next_step=f"See how far it is: replicate runs {holder[0][0]}",
            ) from None

    def _insert_table(self, session: Session, run_id: str, kind: Kind, table: NewTable) -> None:
        manifest = table.manifest
        session.execute(
            "INSERT INTO replicate_run_table (run_id, table_name, kind, view_name, source, state, manifest, row_count,"
            " query_sha256, file_sha256, extracted_at, replay, artifact_id) VALUES (:run_id, :name, :kind,"
            " :view_name, :source, :state, :manifest, :row_count, :query_sha256, :file_sha256, :extracted_at, :replay,"
            " :artifact_id)",
            run_id=run_id,
            name=table.name,
            kind=kind,
            view_name=table.view,
            source=table.source,
            state="extracted" if manifest else "requested",
            manifest=table.manifest_path,
            row_count=manifest.rows if manifest else None,
            query_sha256=manifest.query_sha256 if manifest else None,
            file_sha256=manifest.sha256 if manifest else None,
            extracted_at=_naive(manifest.extracted_at) if manifest else None,
            replay=int(table.replay),
            artifact_id=table.artifact_id,
        )

    def _announce_or_request(
        self, session: Session, run_id: str, schedule: str, table: NewTable, requested_by: str | None
    ) -> None:
        message: Message
        if table.manifest and table.manifest_path:
            message = ready(run_id, schedule, table.manifest, table.manifest_path, table.artifact_id)
        else:
            message = TableRequested(
                run_id=run_id, table=table.name, schedule=schedule, source=table.source, requested_by=requested_by
            )
        self._record(session, message)

    def _record(self, session: Session, message: Message) -> None:
        envelope = wrap(message, app_id=self._owner)
        session.execute(
            "INSERT INTO replicate_outbox (message_id, run_id, message_type, body, recorded_by, created_at)"
            " VALUES (:message_id, :run_id, :message_type, :body, :recorded_by, :created_at)",
            message_id=envelope.message_id,
            run_id=message.run_id,
            message_type=envelope.type,
            body=envelope.body.decode(),
            recorded_by=self._owner,
            created_at=session.now(),
        )

    def _table_in(self, session: Session, run_id: str, table: str) -> RunTable:
        found = session.query(
            f"SELECT {_TABLE} FROM replicate_run_table WHERE run_id = :run_id AND table_name = :name",
            run_id=run_id,
            name=table,
        )
        return _table(found[0])

    def _keep_rejects(self, session: Session, row: RunTable, rejects: Sequence[Reject]) -> None:
        for reject in rejects:
            session.execute(
                "INSERT INTO replicate_reject (run_id, table_name, record_number, column_name, error_code, reason)"
                " VALUES (:run_id, :name, :number, :column_name, :error_code, :reason)",
                run_id=row.run_id,
                name=row.table,
                number=reject.record_number,
                column_name=reject.column,
                error_code=reject.code,
                reason=reject.reason[:500],
            )

    def _hold(self, session: Session, row: RunTable, gate: str, reason: str, now: datetime) -> str:
        """Returns the artefact's id. Of a push only the newest plan can be decided on: older ones have another base."""
        artifact_id = f"h-{secrets.token_hex(3)}"
        if row.kind == "pushes":
            session.execute(
                "UPDATE replicate_artifact SET state = 'superseded', decided_by = :by, decided_at = :now"
                " WHERE gate = :gate AND table_name = :name AND state = 'held'",
                by=row.run_id,
                now=now,
                gate=gate,
                name=row.table,
            )
        session.execute(
            "INSERT INTO replicate_artifact (artifact_id, gate, run_id, table_name, sha256, reason, state, held_at,"
            " even_if_older) VALUES (:id, :gate, :run_id, :name, :sha256, :reason, 'held', :now, 0)",
            id=artifact_id,
            gate=gate,
            run_id=row.run_id,
            name=row.table,
            sha256=row.file_sha256,
            reason=_fitting(reason) or gate,  # Oracle takes an empty text for NULL
            now=now,
        )
        session.execute(
            "UPDATE replicate_run_table SET artifact_id = :id, next_step = :next_step"
            " WHERE run_id = :run_id AND table_name = :name",
            id=artifact_id,
            next_step=f"replicate approve {artifact_id}   or   replicate discard {artifact_id}",
            run_id=row.run_id,
            name=row.table,
        )
        return artifact_id

    def _close_if_done(self, session: Session, run: Run, kind: Kind, now: datetime) -> None:
        rows = self._rows_in(session, run.run_id, kind)
        if not all(row.is_final for row in rows):
            return
        if kind == "pushes":
            self._end_pushes(session, run, rows, now)
            return
        status = run_status(rows)
        outcomes = tuple(
            TableOutcome(table=row.table, status=cast(FinalState, row.state), rows=row.loaded) for row in rows
        )
        self._record(
            session,
            RunLoaded(
                run_id=run.run_id,
                kind=kind,
                schedule=run.schedule,
                mode=run.provisions,
                status=status,
                then=cast(Any, run.then),
                tables=outcomes,
            ),
        )
        if kind == "provisions":
            if all(row.is_final for row in self._rows_in(session, run.run_id, "tables")):
                self._end_provisions(session, run, rows, now)
        elif run.provisions and status != "failed":
            self._go_on_to_provisions(session, run, now)
        else:
            self._close_without_provisions(session, run, status, now)

    def _go_on_to_provisions(self, session: Session, run: Run, now: datetime) -> None:
        reports = self._rows_in(session, run.run_id, "provisions")
        if reports and all(row.is_final for row in reports):  # somebody ended them before their time
            self._end_provisions(session, run, reports, now)
            return
        session.execute(
            "UPDATE replicate_run SET status = 'provisions' WHERE run_id = :r AND closed_at IS NULL", r=run.run_id
        )

    def _close_without_provisions(self, session: Session, run: Run, status: str, now: datetime) -> None:
        """Reports that were planned with the tables fail with them, so that a rerun of what failed has them again."""
        session.execute(
            "UPDATE replicate_run_table SET state = 'failed', finished_at = :now, message = :message,"
            " error_code = 'provisions.not_fetched', next_step = :next_step"
            f" WHERE run_id = :run_id AND kind = 'provisions' AND state IN {_UNFINISHED}",
            now=now,
            message="Not fetched, because the run's tables failed.",
            next_step=f"replicate rerun --failed {run.run_id}",
            run_id=run.run_id,
        )
        reports = self._rows_in(session, run.run_id, "provisions")
        if reports:
            self._end_provisions(session, run, reports, now)
        else:
            self._close(session, run, status, now)

    def _end_provisions(
        self, session: Session, run: Run, rows: Sequence[RunTable], now: datetime, failure: Outcome | None = None
    ) -> None:
        """Record ``provisions.done`` and its status rows, and close the run."""
        bad = next((row for row in rows if row.state in ("failed", "held")), None)
        good = bad is None and any(row.state == "successful" for row in rows)
        if failure:
            said = failure.message
        elif bad:
            said = f"{bad.table} {bad.state}: {bad.message}"
        else:  # a push looks at what was fetched now
            said = "" if good else "No report was fetched: all are switched off, or older than what is shown."
        mode = run.provisions or "regular"
        self._record(
            session,
            ProvisionsDone(
                run_id=run.run_id,
                mode=cast(Any, mode),
                status="successful" if good else "failed",
                then=("push",) if run.push else (),
                reports=tuple(_report_outcome(row) for row in rows),
                failure=said or None,
            ),
        )
        _write_provisions_status(session, run, rows, "successful" if good else "failed", said, now)
        if not good:
            _notice_provisions(session, run, said)
        elif run.push:
            session.execute("UPDATE replicate_run SET status = :s WHERE run_id = :r", s=PUSHING, r=run.run_id)
            return
        self._close(session, run, _whole_status(self._all_rows(session, run.run_id), good), now)

    def _end_pushes(
        self, session: Session, run: Run, rows: Sequence[RunTable], now: datetime, failure: Outcome | None = None
    ) -> None:
        """Record ``push.done`` and close the run; ``failure``: why there are no rows."""
        if failure and not rows:
            _write_push_status(session, run, None, failure, now)
        self._record(
            session,
            PushDone(
                run_id=run.run_id,
                group=cast(Any, run.push.group if run.push else "regular"),
                processes=tuple(_process_outcome(row) for row in rows),
                failure=failure.message if failure else None,
            ),
        )
        good = failure is None or bool(rows)
        self._close(session, run, _whole_status(self._all_rows(session, run.run_id), good), now)

    def _all_rows(self, session: Session, run_id: str) -> list[RunTable]:
        found = session.query(f"SELECT {_TABLE} FROM replicate_run_table WHERE run_id = :run_id", run_id=run_id)
        return [_table(row) for row in found]

    def _close(self, session: Session, run: Run, status: str, now: datetime) -> None:
        session.execute(
            "UPDATE replicate_run SET status = :status, closed_at = :now WHERE run_id = :run_id",
            status=status,
            now=now,
            run_id=run.run_id,
        )
        give_back(session, f"slot:{run.schedule}", run.run_id)

    def _rows_in(self, session: Session, run_id: str, kind: Kind) -> list[RunTable]:
        found = session.query(
            f"SELECT {_TABLE} FROM replicate_run_table WHERE run_id = :run_id AND kind = :kind ORDER BY table_name",
            run_id=run_id,
            kind=kind,
        )
        return [_table(row) for row in found]

    def _run_in(self, session: Session, run_id: str) -> Run:
        return _run(session.query(f"SELECT {_RUN} FROM replicate_run WHERE run_id = :r", r=run_id)[0])

    def _find_run(self, session: Session, run_id: str) -> Run | None:
        found = session.query(f"SELECT {_RUN} FROM replicate_run WHERE run_id = :r", r=run_id)
        return _run(found[0]) if found else None


def still_loading(session: Session, run_id: str, table: str) -> None:
    """Raises LeaseLost when the table was brought to a final state meanwhile, by a sweep for example."""
    changed = session.execute(
        "UPDATE replicate_run_table SET state = 'loading' WHERE run_id = :run_id AND table_name = :name"
        " AND state = 'loading'",
        run_id=run_id,
        name=table,
    )
    if not changed:
        raise LeaseLost(f"{table} of {run_id} was ended meanwhile; this work is discarded.")


def _whole_status(rows: Sequence[RunTable], good: bool) -> str:
    """``good``: whether a step that has no failed row of its own went well."""
    if good:
        return run_status(rows)
    return "partial" if any(row.state == "successful" for row in rows) else "failed"


def ready(run_id: str, schedule: str, manifest: Manifest, path: str, approval: str | None = None) -> TableReady:
    return TableReady(
        run_id=run_id,
        table=manifest.table,
        schedule=schedule,
        source=manifest.source,
        manifest=path,
        rows=manifest.rows,
        bytes=manifest.bytes,
        sha256=manifest.sha256,
        columns=tuple(column.name for column in manifest.columns),
        scn=manifest.scn,
        extracted_at=manifest.extracted_at,
        approval=approval,
    )


def _provisions_request(run: Run) -> ProvisionsRequested:
    return ProvisionsRequested(
        run_id=run.run_id,
        mode=cast(Any, run.provisions),
        schedule=run.schedule,
        then=cast(Any, run.then),
        requested_by=run.requested_by,
    )


def _push_request(run: Run) -> PushRequested:
    push = run.push or Push("regular")
    return PushRequested(
        run_id=run.run_id,
        group=cast(Any, push.group),
        process=push.process,
        plan_id=push.plan_id,
        schedule=run.schedule,
        requested_by=run.requested_by,
    )


def _process_outcome(row: RunTable) -> ProcessOutcome:
    return ProcessOutcome(
        process=process_of(row.table),
        status=cast(Any, row.state),
        planned=row.rows or 0,
        applied=row.loaded or 0,
        failed=row.rejected or 0,
        held=(row.rows or 0) if row.state == "held" else 0,
        skipped=int(row.state == "skipped"),
        reason=None if row.state == "successful" else row.message,
    )


def _notice_provisions(session: Session, run: Run, failure: str) -> None:
    record_notice(
        session,
        texts.provisions_failed(
            run_id=run.run_id,
            mode=run.provisions or "regular",
            since=session.now().replace(tzinfo=UTC),
            failure=failure,
            next_step=f"replicate rerun --failed {run.run_id}",
        ),
    )


def _notice_push(session: Session, run: Run, row: RunTable, outcome: Outcome) -> None:
    since = session.now().replace(tzinfo=UTC)
    if outcome.state == "held" and row.artifact_id:
        record_notice(
            session,
            texts.push_held(
                artifact_id=row.artifact_id,
                run_id=run.run_id,
                process=process_of(row.table),
                since=since,
                reason=outcome.message,
            ),
        )
    elif outcome.state == "failed":
        record_notice(session, _push_notice(run, row, outcome, since))


def _push_notice(run: Run, row: RunTable | None, outcome: Outcome, since: datetime) -> texts.Notice:
    """Without a row: all of the run's pushes."""
    return texts.push_failed(
        run_id=run.run_id,
        process=process_of(row.table) if row else ALL_PUSHES,
        since=since,
        failure=outcome.message,
        next_step=outcome.next_step or f"replicate runs {run.run_id}",
    )


def _report_outcome(row: RunTable) -> ReportOutcome:
    failure = None if row.state == "successful" else row.message
    return ReportOutcome(report=row.table, status=cast(FinalState, row.state), rows=row.loaded, failure=failure)


def _decide(session: Session, artifact_id: str, decision: str, who: str, even_if_older: bool) -> None:
    changed = session.execute(
        "UPDATE replicate_artifact SET state = :state, decided_by = :who, decided_at = :now,"
        " even_if_older = :older WHERE artifact_id = :id AND state = 'held'",
        state=decision,
        who=who[:128],
        now=session.now(),
        older=int(even_if_older),
        id=artifact_id,
    )
    if not changed:
        raise ConfigError(f"{artifact_id} was decided on already.", next_step="See: replicate held --all")


def _write_status(session: Session, run: Run, row: RunTable, outcome: Outcome, now: datetime) -> None:
    """History always; the current row too, except for a file that was older than what readers see."""
    word = "skipped" if row.state == "superseded" else row.state
    values: Mapping[str, Any] = {
        "tablename": row.table,
        "jobname": row.view,
        "status": word,
        "schedule": run.schedule,
        "db": row.source,
        "message": _fitting(outcome.message) or None,
        "load_date": now.replace(microsecond=0),
        "run_id": run.run_id,
        "stage": outcome.stage,
        "row_count": row.loaded,
        "rejected_count": row.rejected,
        "seconds": round((row.extract_seconds or 0) + (row.load_seconds or 0), 3),
        "error_code": outcome.error_code,
    }
    as_of = None if row.extracted_at is None else _naive(row.extracted_at).replace(microsecond=0)
    filename = None if row.manifest is None else row.manifest.replace(".manifest.json", ".dat")
    _insert(session, "replicate_status", {**values, "filename": filename, "as_of": as_of})
    if row.state == "superseded":
        return
    # What readers see does not change unless this table was loaded: neither does as_of, nor the row count.
    if row.state == "successful":
        values = {**values, "as_of": as_of}
    else:
        values = {name: value for name, value in values.items() if name != "row_count"}
    assignments = ", ".join(f"{name} = :{name}" for name in values if name != "tablename")
    updated = session.execute(
        f"UPDATE replicate_current_status SET {assignments} WHERE tablename = :tablename", **values
    )
    if not updated:
        _insert(session, "replicate_current_status", values)


def _write_push_status(session: Session, run: Run, row: RunTable | None, outcome: Outcome, now: datetime) -> None:
    """History, and the current row: JOBNAME is the process, or ``all`` where none was planned."""
    values: dict[str, Any] = {
        "jobname": process_of(row.table) if row else ALL_PUSHES,
        "load_date": now.replace(microsecond=0),
        "status": outcome.state,
        "schedule": run.schedule,
        "db": "canvas",
        "message": _fitting(outcome.message) or None,
        "run_id": run.run_id,
        "plan_id": plan_id_of(row.file_sha256) if row and row.file_sha256 else None,
        "planned_count": row.rows if row else None,
        "applied_count": row.loaded if row else None,
        "rejected_count": row.rejected if row else None,
        "seconds": row.load_seconds if row else None,
        "error_code": outcome.error_code,
    }
    _insert(session, "canvasapi_status", {**values, "filename": row.manifest if row else None})
    assignments = ", ".join(f"{name} = :{name}" for name in values if name != "jobname")
    if not session.execute(f"UPDATE canvasapi_current_status SET {assignments} WHERE jobname = :jobname", **values):
        _insert(session, "canvasapi_current_status", values)


def _write_provisions_status(
    session: Session, run: Run, rows: Sequence[RunTable], status: str, message: str, now: datetime
) -> None:
    """JOBNAME is the mode, as it is the view's name in the tables' status.

    The current row decides whether the mode may be pushed from. Some reports alone prove nothing about the others, so
    they can make it worse; better only if they are all that was wrong with the run that the row is of.
    """
    values: dict[str, Any] = {
        "jobname": run.provisions,
        "load_date": now.replace(microsecond=0),
        "status": status,
        "schedule": run.schedule,
        "db": "canvas",
        "message": _fitting(message) or None,
        "run_id": run.run_id,
        "row_count": sum(row.loaded or 0 for row in rows),
        "seconds": round((now.replace(tzinfo=UTC) - run.opened_at).total_seconds(), 3),
    }
    _insert(session, "provisions_status", values)
    if run.mode == SOME_REPORTS and status == "successful" and not _mends_the_mode(session, run):
        return
    assignments = ", ".join(f"{name} = :{name}" for name in values if name != "jobname")
    if not session.execute(f"UPDATE provisions_current_status SET {assignments} WHERE jobname = :jobname", **values):
        _insert(session, "provisions_current_status", values)


def _mends_the_mode(session: Session, run: Run) -> bool:
    """Whether every report that spoilt the mode's current row was fetched well since. A row that is good stays as old
    as it is, and provisions that failed as a whole are only mended as a whole."""
    found = session.query(
        "SELECT run_id FROM provisions_current_status WHERE jobname = :mode AND status <> 'successful'",
        mode=run.provisions,
    )
    if not found:
        return False
    bad = session.query(
        "SELECT table_name, finished_at FROM replicate_run_table WHERE run_id = :run_id AND kind = 'provisions'"
        " AND state IN ('failed', 'held')",
        run_id=found[0][0],
    )
    return bool(bad) and all(
        session.query(
            "SELECT 1 FROM replicate_run_table WHERE table_name = :name AND kind = 'provisions'"
            " AND state = 'successful' AND finished_at > :since",
            name=name,
            since=since,
        )
        for name, since in bad
    )


def _insert(session: Session, table: str, values: Mapping[str, Any]) -> None:
    names = ", ".join(values)
    places = ", ".join(f":{name}" for name in values)
    session.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", **values)


def _figures(outcome: Outcome) -> dict[str, int | float]:
    """The columns that an outcome knows something about; the others keep what they have."""
    known = {
        "loaded_count": outcome.loaded,
        "rejected_count": outcome.rejected,
        "discarded_count": outcome.discarded,
        "load_seconds": None if outcome.load_seconds is None else round(outcome.load_seconds, 3),
    }
    return {name: value for name, value in known.items() if value is not None}


def _fitting(text: str) -> str:
    """What VARCHAR2(2000 CHAR) takes: Oracle keeps 4000 bytes in it at most, however few characters they are."""
    return text[:2000].encode()[:4000].decode(errors="ignore")


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


def _whole(number: Any) -> int | None:
    return None if number is None else int(number)


def _real(number: Any) -> float | None:
    return None if number is None else float(number)


def _run(row: tuple[Any, ...]) -> Run:
    run_id, schedule, status, then, rerun_of, requested_by, mode, opened_at, deadline_at, closed_at, *rest = row
    snapshot, provisions, *push = rest
    return Run(
        run_id,
        schedule,
        status,
        tuple(then.split(",")) if then else (),
        rerun_of,
        requested_by,
        mode,
        opened_at.replace(tzinfo=UTC),
        deadline_at.replace(tzinfo=UTC),
        _aware(closed_at),
        bool(snapshot),
        provisions,
        Push(*push) if push[0] else None,
    )


def _table(row: tuple[Any, ...]) -> RunTable:
    named = dict(zip((name.strip() for name in _TABLE.split(",")), row, strict=True))
    return RunTable(
        run_id=named["run_id"],
        table=named["table_name"],
        kind=named["kind"],
        view=named["view_name"],
        source=named["source"],
        state=named["state"],
        manifest=named["manifest"],
        rows=_whole(named["row_count"]),
        loaded=_whole(named["loaded_count"]),
        rejected=_whole(named["rejected_count"]),
        query_sha256=named["query_sha256"],
        file_sha256=named["file_sha256"],
        extracted_at=_aware(named["extracted_at"]),
        extract_seconds=_real(named["extract_seconds"]),
        load_seconds=_real(named["load_seconds"]),
        finished_at=_aware(named["finished_at"]),
        error_code=named["error_code"],
        message=named["message"],
        next_step=named["next_step"],
        replay=bool(named["replay"]),
        artifact_id=named["artifact_id"],
    )


def _artifact(row: tuple[Any, ...]) -> Artifact:
    artifact_id, gate, run_id, table, sha256, reason, state, held_at, who, when, older = row
    return Artifact(
        artifact_id,
        gate,
        run_id,
        table,
        sha256,
        reason,
        state,
        held_at.replace(tzinfo=UTC),
        who,
        _aware(when),
        bool(older),
    )


def _status(row: tuple[Any, ...]) -> Status:
    (
        table,
        view,
        status,
        schedule,
        source,
        message,
        load_date,
        run_id,
        stage,
        rows,
        rejected,
        seconds,
        as_of,
        code,
    ) = row
    return Status(
        table,
        view,
        status,
        schedule,
        source,
        message,
        load_date.replace(tzinfo=UTC),
        run_id,
        stage,
        _whole(rows),
        _whole(rejected),
        _real(seconds),
        _aware(as_of),
        code,
    )
