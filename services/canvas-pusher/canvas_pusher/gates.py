"""What has to be true of a plan before it is sent: tables that were loaded in this run, and a budget that it keeps
(gate 4, DESIGN section 9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from canvas_pusher.plan import Plan
from canvas_replicate.config.pushes import Budget, PushProcess
from canvas_replicate.errors import ConfigError, LeaseBusy
from canvas_replicate.ledger.records import Run
from canvas_replicate.ledger.views import loading
from canvas_replicate.runtime import Runtime
from canvas_replicate.sql.tables_read import bare, tables_read

# Neither says that what people read is older than it should be.
_GOOD = ("successful", "superseded")
_BAD = ("failed", "held")


def not_loaded(process: PushProcess, run: Run | None, runtime: Runtime) -> str | None:
    """Which table or view that the process reads is not what it should be, or None.

    In this run it must have been successful, where the run has it; else its last load must not have gone wrong.
    """
    rows = {row.table: row.state for row in runtime.ledger.tables(run.run_id)} if run else {}
    last = {status.table: status.status for status in runtime.ledger.status()}
    for table in _read_by(process, runtime):
        state = rows.get(table)
        if state is not None and state not in _GOOD:
            return f"{table} was {state} in this run."
        if state is None and last.get(table) in _BAD:
            return f"The last load of {table} was {last[table]}."
    return None


def loads_of(process: PushProcess, runtime: Runtime) -> dict[str, str | None]:
    """The run that each table that the process reads was last loaded by. Raises LeaseBusy while one is being loaded:
    whoever reads a base table then sees half of it."""
    tables = _read_by(process, runtime)
    under_way = loading(runtime.ledger.database) & {*tables}
    if under_way:
        raise LeaseBusy(
            f"{min(under_way)}, which {process.name} reads, is being loaded.", key=f"table:{min(under_way)}"
        )
    shown = {table: runtime.ledger.last_successful(table) for table in tables}
    return {table: row.run_id if row else None for table, row in shown.items()}


def _read_by(process: PushProcess, runtime: Runtime) -> list[str]:
    names = {bare(name) for name in process.needs} | _tables_of(process)
    return [
        table.name
        for table in runtime.catalogue.loaded_tables.values()
        if not names.isdisjoint({table.name, bare(table.base_table), bare(table.view)})
    ]


def _tables_of(process: PushProcess) -> frozenset[str]:
    try:
        return tables_read(process.query)
    except ConfigError:
        if process.needs:  # SQL of another dialect, whose tables are named
            return frozenset()
        raise ConfigError(
            f"{process.name}: which tables its SQL reads cannot be told.",
            place=process.place,
            next_step="Name them under needs: in pushes.yaml.",
        ) from None


def over_budget(plan: Plan, budget: Budget, active: Mapping[str, int]) -> list[str]:
    """Why the plan has to be held, a sentence per term and limit; empty when it may go.

    ``active``: how many active rows of the plan's kind the last good report has, by term. A term that it does not
    know has no percentage: of what is not there, nothing can be told.
    """
    counts = Counter((line.term, line.change) for line in plan.lines)
    reasons = []
    for term in sorted({line.term for line in plan.lines}):
        additions, removals, there = counts[term, "addition"], counts[term, "removal"], active.get(term, 0)
        changes = counts[term, "change"]
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
