"""What must hold before a plan is sent: the tables it reads were loaded, and it keeps its budget (gate 4, DESIGN
section 9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from canvas_pusher.import_schemas import ImportSchema
from canvas_pusher.plan import CHANGE_KINDS, Plan
from canvas_pusher.query_rows import clean_text, read_records
from canvas_pusher.reported import CanvasReports
from canvas_pusher.term_locator import LOCATING, TermLocator
from canvas_replicate.config.push_tables import find_push_tables
from canvas_replicate.config.pushes import Budget, PushProcess
from canvas_replicate.errors import ConfigError, LeaseBusy
from canvas_replicate.ledger.records import Run
from canvas_replicate.ledger.views import list_loading
from canvas_replicate.runtime import Runtime

# In neither state do readers see older rows than they should.
_GOOD = ("successful", "superseded")
_BAD = ("failed", "held")


def check_loaded(process: PushProcess, run: Run | None, runtime: Runtime) -> str | None:
    """Why a table that the process reads must not be pushed from, or None.

    A table of this run must have been successful in it; the last load of any other table must not have gone wrong.
    """
    rows = {row.table: row.state for row in runtime.ledger.items.list_all(run.run_id)} if run else {}
    last = {status.table: status.status for status in runtime.ledger.list_current_status()}
    for table in _list_tables(process, runtime):
        state = rows.get(table)
        if state is not None and state not in _GOOD:
            return f"{table} was {state} in this run."
        if state is None and last.get(table) in _BAD:
            return f"The last load of {table} was {last[table]}."
    return None


def find_loads(process: PushProcess, runtime: Runtime) -> dict[str, str | None]:
    """The run that last loaded each table that the process reads.

    Raises LeaseBusy while one is being loaded: a query would then see half of its rows.
    """
    tables = _list_tables(process, runtime)
    under_way = list_loading(runtime.ledger.database) & {*tables}
    if under_way:
        table = min(under_way)
        raise LeaseBusy(f"{table}, which {process.name} reads, is being loaded.", key=f"table:{table}")
    shown = {table: runtime.ledger.items.find_published(table) for table in tables}
    return {table: row.run_id if row else None for table, row in shown.items()}


def check_budget(plan: Plan, budget: Budget, active: Mapping[str, int]) -> list[str]:
    """Why the plan has to be held, a sentence per term and limit; empty when it may be sent.

    ``active``: the number of active rows of the plan's kind in the last good report, by term. No percentage is
    checked for a term that is not in it.
    """
    counts = Counter((line.term, line.change) for line in plan.lines)
    reasons = []
    for term in sorted({line.term for line in plan.lines}):
        additions, removals, changes = (counts[term, change] for change in CHANGE_KINDS)
        there = active.get(term, 0)
        if additions > budget.additions:
            reasons.append(f"term {term}: {additions:,} additions, of {budget.additions:,} that are allowed.")
        if changes > budget.additions:  # a date in the past or another course can take as much away as a removal
            reasons.append(f"term {term}: {changes:,} changes, of {budget.additions:,} (additions) that are allowed.")
        if removals > budget.removals:
            reasons.append(f"term {term}: {removals:,} removals, of {budget.removals:,} that are allowed.")
        if there and removals * 100 > budget.removals_percent * there:
            share = removals * 100 / there
            reasons.append(
                f"term {term}: {removals:,} removals are {share:.1f} % of its {there:,} active {plan.kind}, of"
                f" {budget.removals_percent:g} % that are allowed."
            )
    return reasons


def count_active_by_term(schema: ImportSchema, reports: CanvasReports) -> dict[str, int]:
    """The number of objects in use, by term, in the last good report of the kind; empty without such a report."""
    if reports.own is None or reports.own.empty:
        return {}
    own, locator = clean_text(reports.own), TermLocator(reports.courses, reports.sections)
    in_use = own[own["status"].isin(list(schema.present))]
    rows = read_records(in_use[[name for name in LOCATING if name in in_use.columns]])
    counts: Counter[str] = Counter()
    for place, count in Counter(tuple(row.items()) for row in rows).items():  # a section has many rows
        counts[locator.locate(dict(place), None)[0]] += count
    return dict(counts)


def _list_tables(process: PushProcess, runtime: Runtime) -> list[str]:
    """Raises ConfigError where neither the SQL nor ``needs:`` names the tables."""
    read = find_push_tables(process, runtime.catalogue)
    if not read.is_readable and not process.needs:
        text = f"{process.name}: which tables its SQL reads cannot be told."
        raise ConfigError(text, place=process.place, next_step="Name them under needs: in pushes.yaml.")
    return [table.name for table in read.tables]
