"""``loader run``: take the newest extracted files of a schedule to their tables and views."""

from __future__ import annotations

from dataclasses import replace

from canvas_replicate.cli import entry
from canvas_replicate.cli.local_run import show_outcome, work_on
from canvas_replicate.cli.options import AsJson, OnlyTable, Schedule
from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.databases.opening import open_target
from canvas_replicate.errors import ConfigError, DataError
from canvas_replicate.ledger.manifests import read_item_manifest
from canvas_replicate.ledger.records import Outcome, RunItem
from canvas_replicate.messaging.messages import TableReady
from canvas_replicate.runtime import Runtime
from canvas_replicate.stages.stage import Stage
from canvas_replicate.wiring import open_runtime

app = entry.new_stage_app(
    "loader", "Loads .dat files through their control files, verifies them, refreshes their views."
)


def build(runtime: Runtime) -> Stage:
    """The stage, wired to the target database; named by the entry point ``canvas_replicate.stages``."""
    from loader.handler import handle_table_ready  # costly to import, and `--help` needs none of it

    target = open_target(runtime.settings)

    def on_ready(message: TableReady) -> None:
        handle_table_ready(message, runtime=runtime, loader=target, views=target)

    return Stage("loader", {TableReady: on_ready})


@app.command()
def run(schedule: Schedule, tablename: OnlyTable = None, as_json: AsJson = False) -> None:
    """Load the newest extracted file of each table of SCHEDULE, verify it and refresh its view."""
    runtime = open_runtime(load_settings(), lambda catalogue: catalogue.schedule_tables(schedule, tablename))
    newest = find_newest_files(runtime, schedule, tablename)
    runs = [runtime.ledger.runs.get(run_id) for run_id in sorted({row.run_id for row in newest})]
    wanted = {(row.run_id, row.table) for row in newest}
    for row in newest:
        if not row.is_final:
            _announce(runtime, row)

    def is_done(row: RunItem) -> bool:
        return row.is_final or (row.run_id, row.table) not in wanted

    tables = work_on(runtime, runs, ("loader",), until=is_done, as_json=as_json)
    done = [row for row in tables if (row.run_id, row.table) in wanted]
    entry.exit_with(show_outcome(runtime, [], done, as_json=as_json))


def _announce(runtime: Runtime, row: RunItem) -> None:
    """Ask the loader to load the file; a file whose manifest is not the recorded one fails its table."""
    try:
        runtime.ledger.items.announce(row, read_item_manifest(runtime.storage, row))
    except DataError as error:
        failed = Outcome("failed", "loader", message=error.message, error_code=error.code)
        runtime.ledger.items.finish(row.run_id, row.table, replace(failed, next_step=error.next_for(row.table)))


def find_newest_files(runtime: Runtime, schedule: str, only: str | None) -> list[RunItem]:
    """The newest file of each enabled table; older ones that still waited are superseded by it.

    A table that has none because it ended in a run of which others still wait (this command was interrupted,
    or its extraction failed) is returned as it ended. Raises ConfigError when one that is switched on has neither.
    """
    newest: list[RunItem] = []
    without: list[str] = []
    for table in runtime.catalogue.schedule_tables(schedule, only):
        waiting = runtime.ledger.items.list_waiting(table.name)
        if waiting:
            newest.append(waiting[0])
        elif table.enabled:
            without.append(table.name)
        for older in (row for row in waiting[1:] if row.state == "extracted"):
            outcome = Outcome("superseded", "loader", message=f"Run {waiting[0].run_id} extracted a newer file.")
            runtime.ledger.items.finish(older.run_id, older.table, outcome)
    half_done = {row.run_id for row in newest}
    latest = map(runtime.ledger.items.find_latest, without)
    ended = [row for row in latest if row and row.is_final and row.run_id in half_done]
    without = [name for name in without if name not in {row.table for row in ended}]
    if without:
        step = f"Run the extractor first: extractor run {schedule}{' --tablename ' + without[0] if only else ''}"
        raise ConfigError(f"No extracted file waits for {', '.join(without)}.", next_step=step)
    return newest + ended


def main() -> None:
    entry.run(app)


if __name__ == "__main__":
    main()
