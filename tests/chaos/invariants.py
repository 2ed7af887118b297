"""What must hold when everything is quiet: each function returns the violations it finds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from tests.chaos.campus import TABLES, Campus

from canvas_replicate.messaging import topology
from canvas_replicate.messaging.rabbitmq.bus import RabbitBus

FINAL = ("successful", "failed", "skipped", "held", "superseded")
MOST_GROWTH = 160 << 20  # a first job brings its libraries and buffers into a worker that had none yet


def find_unfinished(campus: Campus) -> list[str]:
    final = ", ".join(f"'{state}'" for state in FINAL)
    rows = campus.target.sql(
        f"SELECT run_id, table_name, state FROM replicate_run_table WHERE state NOT IN ({final})"
        " UNION ALL SELECT run_id, 'the run', status FROM replicate_run WHERE closed_at IS NULL"
    )
    return [f"not final: {row}" for row in rows]


def find_failures_without_reason(campus: Campus) -> list[str]:
    rows = campus.target.sql(
        "SELECT run_id, table_name, error_code, message FROM replicate_run_table WHERE state = 'failed'"
        " AND (error_code IS NULL OR message IS NULL OR next_step IS NULL OR next_step = '')"
    )
    return [f"failed without code, message or next step: {row}" for row in rows]


def find_overdue(campus: Campus) -> list[str]:
    """The deadline is six hours: whatever it ended was lost."""
    rows = campus.target.sql(
        "SELECT run_id, table_name, error_code FROM replicate_run_table WHERE error_code LIKE '%deadline%'"
    )
    return [f"ended by its deadline: {row}" for row in rows]


def find_strange_views(campus: Campus) -> list[str]:
    """A view has the rows that its source had at one moment, whole."""
    known = {name: [[], *campus.contents[name]] for name in TABLES}
    return [
        f"campus_{name} has rows that its source never had"
        for name in TABLES
        if campus.view_rows(name) not in known[name]
    ]


def find_stale_views(campus: Campus) -> list[str]:
    return [f"campus_{name} is not its source" for name in TABLES if campus.view_rows(name) != campus.source_rows(name)]


def find_wrong_enrollments(campus: Campus) -> list[str]:
    """Canvas has what the SQL of the pushes wants, and has each enrollment once."""
    has = campus.pushing.enrollments()
    wanted = {(row[0], row[1]): row[3] for row in campus.view_rows("wanted")}
    wrong = [
        f"{key}: wanted {state}, Canvas has {has.get(key)}"
        for key, state in wanted.items()
        if (has.get(key) == "active") != (state == "active")
    ]
    state = campus.canvas.snapshot()
    live = Counter(
        (e.user_id, e.section_id, e.type) for e in state.enrollments.values() if e.workflow_state == "active"
    )
    return wrong + [f"twice in Canvas: {key}" for key, count in live.items() if count > 1]


def find_open_changes(campus: Campus) -> list[str]:
    """Each change of the journal has its end, and no change of one plan was taken twice by Canvas."""
    rows = campus.target.sql(
        "SELECT j.plan_id, j.line_number, j.state FROM replicate_push_journal j JOIN replicate_push_plan p"
        " ON p.plan_id = j.plan_id WHERE j.state = 'sent' AND p.planned_at = (SELECT max(planned_at)"
        " FROM replicate_push_plan o WHERE o.process = p.process)"
    )
    names = Counter(name for _, files in campus.canvas.imports for name in files)
    return [f"change without an end: {row}" for row in rows] + [
        f"file sent twice: {name}" for name, count in names.items() if count > 1
    ]


def find_repeated_calls(campus: Campus) -> list[str]:
    """Canvas took each change of the newest run once, also where its answer was lost or the worker died."""
    taken = Counter(
        (request.path, re.sub(rb"\s", b"", request.body))
        for request in campus.canvas.requests[campus.seen_requests :]
        if request.method == "POST" and "/enrollments" in request.path and request.body and 200 <= request.status < 300
    )
    return [f"sent twice: {path} {body!r}" for (path, body), count in taken.items() if count > 1]


def find_repeated_events(campus: Campus) -> list[str]:
    """``run.loaded`` once per run and kind; ``provisions.done`` and ``push.done`` at most once per run."""
    loaded = campus.target.sql(
        "SELECT t.run_id, t.kind, count(DISTINCT o.message_id) FROM (SELECT DISTINCT run_id, kind FROM"
        " replicate_run_table WHERE kind <> 'pushes') t LEFT JOIN replicate_outbox o ON o.run_id = t.run_id"
        " AND o.message_type = 'run.loaded.v1' AND o.body LIKE '%\"kind\":\"' || t.kind || '\"%'"
        " GROUP BY 1, 2 HAVING count(DISTINCT o.message_id) <> 1"
    )
    others = campus.target.sql(
        "SELECT run_id, message_type, count(*) FROM replicate_outbox"
        " WHERE message_type IN ('provisions.done.v1', 'push.done.v1') GROUP BY 1, 2 HAVING count(*) > 1"
    )
    return [f"run.loaded not once: {row}" for row in loaded] + [
        *(f"recorded twice: {row}" for row in others),
        *(f"never published: {message}" for message in campus.unpublished()),
    ]


def find_messages(campus: Campus) -> list[str]:
    """No message waits, and every dead letter has its code."""
    found = [f"{name} has {count} messages" for name, count in campus.find_stuck_messages().items()]
    bus = RabbitBus(campus.rabbit.url)
    for stage in topology.STAGES:
        for letter in bus.browse(topology.dead_queue(stage)):
            if not letter.headers.get("code"):
                found.append(f"dead letter without a code: {stage} {letter.type} {letter.headers}")
    bus.close()
    return found


def find_parts(campus: Campus) -> list[str]:
    """A part of a dead worker goes with the next whole file; beside none it stays until its retention ends."""
    parts = list(campus.place.data.rglob("*.part"))
    return [f"half-written file: {path}" for path in parts if path.with_name(path.name.rsplit(".", 2)[0]).exists()]


def find_growth(before: dict[int, int], after: dict[int, int]) -> list[str]:
    """Resident bytes of the workers that are still the same."""
    grown = {pid: after[pid] - size for pid, size in before.items() if pid in after}
    return [f"worker {pid} grew by {size >> 20} MB" for pid, size in grown.items() if size > MOST_GROWTH]


AFTER_EACH_RUN: Sequence[Callable[[Campus], list[str]]] = (
    find_unfinished,
    find_failures_without_reason,
    find_overdue,
    find_strange_views,
    find_repeated_events,
    find_repeated_calls,
    find_messages,
)
AT_THE_END = (*AFTER_EACH_RUN, find_stale_views, find_wrong_enrollments, find_open_changes, find_parts)
