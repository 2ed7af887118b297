"""The records of the ledger: runs, their items, held artifacts and statuses, as plain data. Times are aware UTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, get_args

from canvas_replicate.config.tables import DEFAULT_DEADLINE
from canvas_replicate.datfile.manifest import Manifest

Kind = Literal["tables", "provisions", "pushes"]

State = Literal[
    "requested", "extracting", "extracted", "loading", "successful", "failed", "skipped", "held", "superseded"
]

# What of a table was compared with its file: every row, the statistics of every column, or the row count.
Verified = Literal["rows", "columns", "count"]
FinalState = Literal["successful", "failed", "skipped", "held", "superseded"]

FINAL: tuple[FinalState, ...] = get_args(FinalState)
# What a run is limited to, where it is: files that wait for the loader, or only some reports of its provisions.
ONLY_FILES = "extract"
SOME_REPORTS = "reports"
# The status of an open run that has come to its pushes; and the name in the status for all of them.
PUSHING = "pushing"
ALL_PUSHES = "all"
# What is pushed after which provisions; historical ones are never pushed.
GROUP_OF = {"regular": "regular", "orgs": "orgs"}
RERUN = "rerun"  # the schedule of a run that belongs to none
CANVAS = "canvas"  # the source of what comes out of reports
UNDO = "undo:"  # before the id of a plan that is to be taken back


@dataclass(frozen=True)
class TableRequest:
    """A table of a run to be opened. ``manifest`` set: the kept file is loaded, nothing is extracted."""

    name: str
    view: str
    source: str
    manifest: Manifest | None = None
    manifest_path: str | None = None
    replay: bool = False
    artifact_id: str | None = None


@dataclass(frozen=True)
class Push:
    """What a run pushes to Canvas at its end: a group of ``pushes.yaml``, or only one process or plan of it.

    ``after``: the run whose provisions it relies on, if that is neither the run itself nor the latest.
    """

    group: str
    process: str | None = None
    plan_id: str | None = None
    after: str | None = None


@dataclass(frozen=True)
class Run:
    run_id: str
    schedule: str
    status: str
    then: tuple[str, ...]
    rerun_of: str | None
    requested_by: str | None
    limited_to: str | None
    opened_at: datetime
    deadline_at: datetime
    closed_at: datetime | None
    snapshot: bool
    provisions: str | None
    push: Push | None = None
    forced: bool = False

    @property
    def is_open(self) -> bool:
        return self.closed_at is None


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """A run to be opened.

    Attributes:
        exclusive: the run takes its schedule's slot until it is closed or past its deadline.
        limited_to: ``extract`` marks a one-shot extract, whose files wait for the loader to be started.
        snapshot: each source is read as of one moment.
        forced: a table is loaded although it has not changed.
        provisions: the mode of reports that follows the tables, or is all of the run where there are none.
        reports: only these reports of that mode. Such a run never improves the mode's current status, which pushes
            look at.
        approves: the held artifact that is released together with the run that publishes it.
        message_id: of the command that asks for the run: however often that is delivered, it opens one run.
        push: what is pushed at the end; by default the group that follows the provisions, where ``then`` names a push.
    """

    schedule: str
    tables: Sequence[TableRequest] = ()
    exclusive: bool = False
    then: Sequence[str] = ()
    deadline: timedelta = DEFAULT_DEADLINE
    rerun_of: str | None = None
    requested_by: str | None = None
    limited_to: str | None = None
    snapshot: bool = False
    forced: bool = False
    provisions: str | None = None
    reports: Sequence[TableRequest] = ()
    approves: Approval | None = None
    push: Push | None = None
    message_id: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """The moment that a run reads one source as of; without one, ``reason`` has the cause."""

    scn: int | None
    reason: str | None


@dataclass(frozen=True)
class RunItem:
    """One table of one run: of kind ``tables``, or filled from a report of Canvas (``provisions``).

    Of kind ``pushes`` it is a ``PushItem``. Times are aware UTC, ``*_seconds`` are seconds. ``content_sha256`` names
    the published rows and all that made them: two loads with the same one publish the same.
    """

    run_id: str
    table: str
    kind: Kind
    view: str
    source: str
    state: State
    manifest: str | None
    rows: int | None
    loaded: int | None
    rejected: int | None
    query_sha256: str | None
    file_sha256: str | None
    extracted_at: datetime | None
    extract_seconds: float | None
    load_seconds: float | None
    finished_at: datetime | None
    error_code: str | None
    message: str | None
    next_step: str | None
    replay: bool
    artifact_id: str | None
    verified: str | None = None
    content_sha256: str | None = None
    view_rows: int | None = None
    fingerprint: str | None = None

    @property
    def is_final(self) -> bool:
        return self.state in FINAL


@dataclass(frozen=True)
class PushItem(RunItem):
    """One push process of a run. Its columns are those of every item; these are their names for a push."""

    @property
    def process(self) -> str:
        return process_of(self.table)

    @property
    def planned(self) -> int | None:
        """Changes of the plan."""
        return self.rows

    @property
    def applied(self) -> int | None:
        """Changes that Canvas has."""
        return self.loaded

    @property
    def refused(self) -> int | None:
        """Changes that Canvas rejected."""
        return self.rejected

    @property
    def plan_file(self) -> str | None:
        return self.manifest

    @property
    def plan_id(self) -> str | None:
        return plan_id_of(self.file_sha256) if self.file_sha256 else None


@dataclass(frozen=True)
class CanvasReport:
    """A report that was started for us: its id in Canvas and, once it is here, its file on shared storage."""

    report_id: int
    file: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class ProvisionsStatus:
    """How provisions ended, and how long ago by the database's clock."""

    run_id: str
    status: str
    age: timedelta
    message: str | None


@dataclass(frozen=True)
class Reject:
    """``code`` is Oracle's code for the error, if there is one."""

    record_number: int
    column: str | None
    reason: str
    code: str | None = None


@dataclass(frozen=True)
class Outcome:
    """How an item ends; a field that is None does not change the ledger."""

    state: FinalState
    stage: str
    message: str = ""
    error_code: str | None = None
    next_step: str = ""
    loaded: int | None = None
    rejected: int | None = None
    discarded: int | None = None
    load_seconds: float | None = None
    rejects: Sequence[Reject] = field(default=())
    hold_gate: str | None = None
    verified: Verified | None = None
    content_sha256: str | None = None
    view_rows: int | None = None
    fingerprint: str | None = None


@dataclass(frozen=True)
class Artifact:
    """Something that a gate stopped: ``state`` is held, approved, discarded or superseded."""

    artifact_id: str
    gate: str
    run_id: str
    table: str
    sha256: str
    reason: str
    state: str
    held_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    even_if_older: bool


@dataclass(frozen=True)
class Approval:
    """A person's release of one held artifact."""

    artifact_id: str
    even_if_older: bool = False


@dataclass(frozen=True)
class Status:
    """A row of ``replicate_current_status``."""

    table: str
    view: str | None
    status: str
    schedule: str | None
    source: str | None
    message: str | None
    load_date: datetime
    run_id: str | None
    stage: str | None
    rows: int | None
    rejected: int | None
    seconds: float | None
    as_of: datetime | None
    error_code: str | None
    verified: str | None = None


def plan_id_of(sha256: str) -> str:
    """The id of the plan with this content."""
    return f"p-{sha256[:12]}"


def process_of(row: str) -> str:
    return row.removeprefix("push:")


def push_row(process: str) -> str:
    """The name of a push process among a run's items; no table can have it."""
    return f"push:{process}"
