"""Output: tables on a terminal, JSON with --json, log lines without a terminal."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from canvas_replicate.cli.table_layout import choose_columns, group_messages
from canvas_replicate.ledger.records import Run, RunItem, Status
from canvas_replicate.ledger.what_follows import suggest_repair
from canvas_replicate.log import escape_json, escape_text
from canvas_replicate.progress import Step
from canvas_replicate.runtime import Runtime
from canvas_replicate.suggest import merge_next_steps

if TYPE_CHECKING:
    from canvas_replicate.runs.local import Watch

log = logging.getLogger(__name__)

_COLOURS = {
    "successful": "green",
    "failed": "bold red",
    "held": "bold yellow",
    "partial": "yellow",
    "skipped": "dim",
    "superseded": "dim",
}
_WAITING = {"requested": "waiting", "extracted": "waits for loader"}
_LIVE_SECONDS = 0.2
_REST = 20  # times as long as a look took: a thousand tables take long to show, and the work has the processor
# Without a terminal there is no width to fit: lines must stay whole for grep.
_PLAIN_WIDTH = 1000


class _Console(Console):
    """Prints no control character that came from a message or a text."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(_escape(each) for each in objects), **options)


def console() -> Console:
    return _Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH)


def _escape(shown: Any) -> Any:
    if isinstance(shown, str):
        return escape_text(shown)
    if isinstance(shown, Text) and (plain := escape_text(shown.plain)) != shown.plain:
        return Text(plain, style=shown.style)
    return shown


def print_json(value: Any) -> None:
    sys.stdout.write(escape_json(json.dumps(value, default=_to_json, indent=2, ensure_ascii=False)) + "\n")


def print_line(line: str) -> None:
    console().print(Text(line))


def build_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Sequence[str] = (), drop: Sequence[str] = ()
) -> Table:
    """A table without boxes; columns named in ``numbers`` are set to the right. Those in ``drop`` are left out one by
    one, the first first, where the screen is too narrow. Only the last column may wrap: names and ids stay whole.
    """
    cells: list[list[Text]] = [
        [_escape(cell if isinstance(cell, Text) else Text(format_cell(cell))) for cell in row] for row in rows
    ]
    wraps = columns[-1] not in numbers
    kept = choose_columns(columns, cells, drop, console().width, wraps=wraps)
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for place in kept:
        right = columns[place] in numbers
        folds = wraps and place == len(columns) - 1
        shown.add_column(columns[place], justify="right" if right else "left", overflow="fold", no_wrap=not folds)
    for row in cells:
        shown.add_row(*(row[place] for place in kept))
    return shown


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Sequence[str] = (), drop: Sequence[str] = ()
) -> set[str]:
    """Print what ``build_table`` builds. Returns the columns that fit."""
    shown = build_table(columns, rows, numbers=numbers, drop=drop)
    console().print(shown)
    return {str(column.header) for column in shown.columns}


def print_messages(messages: Iterable[tuple[str, str | None]], prefix: str = "") -> None:
    """One line for each message, with the names of all that have it."""
    for line in group_messages((name, message) for name, message in messages if message):
        print_line(prefix + line)


def format_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.1f}"
    return str(value)


def style_state(state: str) -> Text:
    return Text(state, style=_COLOURS.get(state, ""))


def format_age(moment: datetime | None) -> str:
    """How long ago, in the largest unit that fits: ``5m``, ``3h``, ``2d``."""
    if moment is None:
        return ""
    seconds = max((datetime.now(UTC) - moment) // timedelta(seconds=1), 0)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def show_run(rows: Sequence[RunItem], *, as_json: bool) -> None:
    """Print the result of each table and the next command of those that need one."""
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    columns = ["table", "status", "rows", "rejected", "verified", "extract s", "load s", "what happened"]
    lines = []
    for row in rows:
        state, seconds = style_state(row.state), (row.extract_seconds, row.load_seconds)
        lines.append([row.table, state, row.rows, row.rejected, row.verified, *seconds, row.message])
    for run_id in dict.fromkeys(row.run_id for row in rows):
        console().print(Text(f"run {run_id}", style="dim"))
    numbers = ["rows", "rejected", "extract s", "load s"]
    drop = ["extract s", "load s", "what happened", "verified", "rejected", "rows"]
    if "what happened" not in print_table(columns, lines, numbers=numbers, drop=drop):
        print_messages((row.table, row.message) for row in rows if row.state != "successful")
    _print_next_steps((row.table, row.run_id, row.state, row.message, row.next_step) for row in rows)


def _print_next_steps(rows: Iterable[tuple[str, str | None, str, str | None, str | None]]) -> None:
    """The next step of each table, state and message of a run; what failed for the same reason gets one line."""
    groups: dict[tuple[str | None, str, str | None, str], dict[str, str]] = {}
    for table, run_id, state, message, step in rows:
        alone = "" if state == "failed" and message else table
        if step:
            groups.setdefault((run_id, state, message, alone), {})[table] = step
    for (run_id, _, _, _), steps in groups.items():
        print_line(f"next for {', '.join(steps)}: {merge_next_steps(steps, run_id)}")


def show_failure(run: Run, failure: str | None, items: Sequence[RunItem]) -> None:
    """Print why the run's provisions or pushes failed as a whole, and the next command; nothing if they did not."""
    if failure:
        console().print(Text(f"{run.run_id}: {failure}"))
        own = [item for item in items if item.run_id == run.run_id]
        console().print(Text(f"next: {suggest_repair(run.run_id, own)}"))


def show_status(rows: Sequence[Status], steps: Mapping[str, str]) -> None:
    """``steps`` gives the next command of tables that need one."""
    columns = ["table", "view", "status", "rows", "rejected", "verified", "data as of (UTC)", "age", "seconds", "from"]
    lines = [
        [
            *(row.table, row.view, style_state(row.status), row.rows, row.rejected, row.verified, row.as_of),
            *(format_age(row.as_of), row.seconds, row.source, row.message),
        ]
        for row in rows
    ]
    drop = ["seconds", "from", "view", "what happened", "data as of (UTC)", "rejected", "verified", "rows"]
    shown = print_table([*columns, "what happened"], lines, numbers=["rows", "rejected", "age", "seconds"], drop=drop)
    if "what happened" not in shown:
        print_messages((row.table, row.message) for row in rows if row.status != "successful")
    _print_next_steps((row.table, row.run_id, row.status, row.message, steps.get(row.table)) for row in rows)


def show_pushes(rows: Sequence[RunItem]) -> None:
    """The last push of each process; nothing where there was none."""
    if not rows:
        return
    columns = ["push", "status", "planned", "applied", "refused", "run", "what happened"]
    lines = [[r.table, style_state(r.state), r.rows, r.loaded, r.rejected, r.run_id, r.message] for r in rows]
    drop = ["run", "what happened", "refused", "applied", "planned"]
    print_table(columns, lines, numbers=["planned", "applied", "refused"], drop=drop)
    print_messages(((row.table, row.next_step) for row in rows if row.state in ("failed", "held")), "next for ")


@contextmanager
def watch_runs(runtime: Runtime, runs: Sequence[Run], *, quiet: bool = False) -> Iterator[Watch]:
    """Yield a function to call often during the work, and once with True at its end. It shows a live table on a
    terminal and a log line per change elsewhere.
    """
    from rich.live import Live  # for few commands

    on_terminal = sys.stdout.isatty() and not quiet
    live = Live(console=console(), auto_refresh=False, transient=True) if on_terminal else None
    look_at = 0.0
    logged: dict[tuple[str, str], str] = {}

    def watch(at_end: bool = False) -> None:
        nonlocal look_at
        started = time.monotonic()
        if not at_end and started < look_at:
            return
        rows = [row for run in runs for row in runtime.ledger.items.list_all(run.run_id)]
        steps = runtime.progress.steps()
        if live:
            live.update(_build_live_table(rows, steps), refresh=True)
        else:
            _log_changes(rows, steps, logged)
        now = time.monotonic()
        look_at = now + max(_LIVE_SECONDS, _REST * (now - started))

    with live or nullcontext():
        yield watch


def _build_live_table(rows: Sequence[RunItem], steps: Mapping[str, Step]) -> Table:
    lines: list[list[object]] = []
    for row in rows:
        step = steps.get(row.table)
        if row.is_final:
            lines.append([row.table, style_state(row.state), row.loaded, None])
        elif step is None or row.state in ("requested", "extracted"):
            lines.append([row.table, style_state(_WAITING.get(row.state, row.state)), row.rows, None])
        else:
            lines.append([row.table, step.name, step.rows, int(step.rows_per_second)])
    done = sum(row.is_final for row in rows)
    shown = build_table(["table", "stage", "rows", "rows/s"], lines, numbers=["rows", "rows/s"])
    shown.caption = f"{done} of {len(rows)} tables done"
    shown.caption_justify = "left"
    return shown


def _log_changes(rows: Sequence[RunItem], steps: Mapping[str, Step], logged: dict[tuple[str, str], str]) -> None:
    for row in rows:
        step = steps.get(row.table)
        now = step.name if step and not row.is_final else row.state
        if logged.get((row.run_id, row.table), "requested") != now:
            extra = {"run_id": row.run_id, "table": row.table, "rows": row.loaded or row.rows, "reason": row.message}
            log.info(now, extra=extra)
        logged[row.run_id, row.table] = now


def _to_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)
