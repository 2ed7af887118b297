"""``extractor run``: the tables of a schedule into ``.dat`` files."""

from __future__ import annotations

from canvas_replicate.cli import entry
from canvas_replicate.cli.local_run import show_outcome, work_on
from canvas_replicate.cli.options import AsJson, OnlyTable, Schedule, SourceAlias, Wait
from canvas_replicate.cli.output import console
from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.messaging.messages import TableRequested
from canvas_replicate.runs.opening import RunScope, open_or_resume
from canvas_replicate.runtime import Runtime
from canvas_replicate.stages.stage import Stage
from canvas_replicate.wiring import open_runtime, source_opener

app = entry.new_stage_app("extractor", "Queries source tables into verified .dat files.")


def build(runtime: Runtime) -> Stage:
    """The stage, wired to the source databases; named by the entry point ``canvas_replicate.stages``."""
    from extractor.handler import handle_table_requested  # costly to import, and `--help` needs none of it

    open_source = source_opener(runtime.settings)

    def on_requested(command: TableRequested) -> None:
        handle_table_requested(command, runtime=runtime, open_source=open_source)

    return Stage("extractor", {TableRequested: on_requested})


@app.command()
def run(
    schedule: Schedule, db: SourceAlias = None, tablename: OnlyTable = None, wait: Wait = False, as_json: AsJson = False
) -> None:
    """Extract the tables of SCHEDULE. The files wait for `loader run SCHEDULE`; with a broker its workers load them."""
    runtime = open_runtime(load_settings(), lambda catalogue: catalogue.schedule_tables(schedule, tablename), source=db)
    alone = not runtime.settings.has_broker
    scope = RunScope(source=db, only=tablename, then=False, limited_to="extract" if alone else None)
    opened = open_or_resume(runtime, schedule, scope)
    tables = work_on(
        runtime,
        [opened],
        ("extractor",),
        until=lambda row: row.is_final or (row.state in ("extracted", "loading") and not wait),
        as_json=as_json,
    )
    if alone:
        # An interrupted run keeps the slot, so that the same command resumes it.
        runtime.ledger.runs.release_slot(opened)
    code = show_outcome(runtime, [opened], tables, as_json=as_json)
    if alone and not as_json and any(row.state == "extracted" for row in tables):
        only = f" --tablename {tablename}" if tablename else ""
        console().print(f"next: loader run {schedule}{only}")
    entry.exit_with(code)


def main() -> None:
    entry.run(app)


if __name__ == "__main__":
    main()
