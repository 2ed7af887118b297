"""Pages with everything on them, for tests that look at the HTML and tests that look at it in a browser."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from canvas_replicate.ledger.records import Artifact, Run
from canvas_replicate.ledger.views import ModeStatus, PushStatus
from canvas_replicate.worker.status_page.page import Page
from canvas_replicate.worker.status_page.report import RunReport, StatusReport, TableReport

NOW = datetime(2030, 1, 2, 4, 0, tzinfo=UTC)
RUN_ID = "20300102T030000Z-hourly-abc123"
NO_LETTERS = {"extractor": 0, "loader": 0, "provisioner": 0, "canvas-pusher": 0}


def before(**ago: float) -> datetime:
    return NOW - timedelta(**ago)


FRESH = TableReport(
    table="tmp_sections",
    condition="fresh",
    schedule="hourly",
    limit=timedelta(hours=3),
    view="campus_sections",
    as_of=before(minutes=41),
    rows=6000,
    last_status="successful",
    last_run=RUN_ID,
    last_at=before(minutes=40),
    verified="columns",
)
FAILED = replace(
    FRESH,
    table="tmp_class_meetings",
    condition="failed",
    last_status="failed",
    message="17,410 of 34,674 records were rejected (0 allowed).",
    code="gate2.rejected",
    next_step="Look at bad/x.bad, correct the data or the control file, then: replicate rerun tmp_class_meetings",
)
HELD = Artifact(
    "h-4b229c",
    "file",
    RUN_ID,
    "tmp_enrollments",
    "0" * 64,
    "0 rows, 178,018 in the last load.",
    "held",
    before(minutes=5),
    None,
    None,
    False,
)
RUN = Run(
    RUN_ID,
    "hourly",
    "partial",
    ("provisions",),
    None,
    "cron@campus",
    None,
    before(hours=1),
    before(hours=-5),
    before(minutes=50),
    False,
    "regular",
)
PROVISIONS = ModeStatus("regular", "successful", "hourly", None, before(minutes=50), RUN_ID, 4334)
PUSH = PushStatus("canvas_users", "successful", "40 rows accepted.", before(minutes=45), RUN_ID, 40, 40, 0)

GOOD = StatusReport(
    at=NOW,
    tables=[FRESH],
    held=[],
    provisions=[PROVISIONS],
    runs=[RunReport(replace(RUN, status="successful"), {"successful": 1})],
)
BAD = StatusReport(
    at=NOW,
    tables=[
        FAILED,
        replace(FRESH, table="tmp_enrollments", condition="held", last_status="held"),
        replace(FRESH, table="tmp_advisor_notes", condition="old", as_of=before(hours=5, minutes=11)),
        *(TableReport(name, "never published", "daily", timedelta(hours=26)) for name in ("tmp_courses", "tmp_terms")),
        FRESH,
        TableReport("tmp_early_enrollments", "off"),
    ],
    held=[HELD],
    provisions=[replace(PROVISIONS, status="failed", message="tmp_cnv_users held: a column is missing.", rows=0)],
    runs=[RunReport(RUN, {"successful": 3, "failed": 1}), *GOOD.runs],
)


def page(report: StatusReport | None = GOOD, **facts: object) -> Page:
    made = Page(stage="loader", now=NOW, report=report, dead_letters=NO_LETTERS)
    return replace(made, **facts)  # type: ignore[arg-type]
