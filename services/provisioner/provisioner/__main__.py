"""``provisioner run``: reports of Canvas into ``cnv_`` tables and ``canvas_`` views."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canvas_replicate.cli import entry
from canvas_replicate.cli.local_run import show_outcome, work_on
from canvas_replicate.cli.options import AsJson, Historical, OrgReports, Wait, choose_mode
from canvas_replicate.config.catalogue import Catalogue
from canvas_replicate.config.settings import require_canvas
from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.config.tables import Table
from canvas_replicate.messaging.messages import ProvisionsRequested, RunLoaded
from canvas_replicate.runs.opening import open_provisions_run
from canvas_replicate.runtime import Runtime
from canvas_replicate.stages.stage import Stage
from canvas_replicate.wiring import open_runtime

if TYPE_CHECKING:
    from canvas_replicate.canvas import CanvasClient

app = entry.new_stage_app("provisioner", "Fetches the provisioning reports of Canvas and hands them to the loader.")


def build(runtime: Runtime) -> Stage:
    """The stage, wired to Canvas; named by the entry point ``canvas_replicate.stages``."""
    # Costly to import, and `--help` needs none of it.
    from canvas_replicate.canvas.client import open_canvas
    from provisioner.handler import handle_provisions_requested, handle_run_loaded

    def open_client() -> CanvasClient:
        return open_canvas(runtime.settings.canvas, runtime.stop)

    def on_requested(command: ProvisionsRequested) -> None:
        handle_provisions_requested(command, runtime=runtime, open_client=open_client)

    def on_loaded(event: RunLoaded) -> None:
        handle_run_loaded(event, runtime=runtime, open_client=open_client)

    return Stage("provisioner", {ProvisionsRequested: on_requested, RunLoaded: on_loaded})


@app.command()
def run(
    historical: Historical = False, processorgs: OrgReports = False, wait: Wait = False, as_json: AsJson = False
) -> None:
    """Fetch the reports, load them, refresh their views; with a broker its workers load them."""
    mode = choose_mode(historical, processorgs)
    settings = load_settings()

    def wanted(catalogue: Catalogue) -> tuple[Table, ...]:
        found = catalogue.list_mode_tables(mode)
        require_canvas(settings, "provisioner run")  # this process fetches, with a broker as well
        return found

    runtime = open_runtime(settings, wanted)
    opened = open_provisions_run(runtime, mode)
    alone = not runtime.settings.has_broker
    tables = work_on(
        runtime,
        [opened],
        ("provisioner", "loader") if alone else ("provisioner",),
        until=None if alone or wait else lambda row: row.is_final or row.state in ("extracted", "loading"),
        as_json=as_json,
    )
    entry.exit_with(show_outcome(runtime, [opened], tables, as_json=as_json))


def main() -> None:
    entry.run(app)


if __name__ == "__main__":
    main()
