"""Commands about what a gate stopped: held, approve, discard."""

from __future__ import annotations

from typing import Annotated

import typer

from canvas_replicate.cli import output
from canvas_replicate.cli.commands.work import proceed
from canvas_replicate.cli.completion import complete_held, complete_run
from canvas_replicate.cli.options import AsJson
from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.errors import ConfigError
from canvas_replicate.ledger.records import Artifact, process_of
from canvas_replicate.runs import opening, rerun, resume
from canvas_replicate.runtime import Runtime
from canvas_replicate.suggest import did_you_mean, suggest_decision
from canvas_replicate.wiring import open_runtime

ArtifactId = Annotated[
    str | None, typer.Argument(metavar="ID", help="As `replicate held` shows it.", autocompletion=complete_held)
]
HeldRun = Annotated[
    str | None, typer.Option("--run", metavar="RUN", help="Everything held in this run.", autocompletion=complete_run)
]


def add_to(app: typer.Typer) -> None:
    app.command()(held)
    app.command()(approve)
    app.command()(discard)


def held(
    everything: Annotated[bool, typer.Option("--all", help="Decided ones too.")] = False, as_json: AsJson = False
) -> None:
    """List what a gate stopped and what waits for a decision."""
    runtime = open_runtime(load_settings())
    found = runtime.ledger.artifacts.list_all(None if everything else "held")
    if as_json:
        output.print_json(found)
        return
    if not found:
        output.console().print("Nothing is held.")
        return
    lines = [
        [a.artifact_id, a.table, output.style_state(a.state), a.gate, a.held_at, a.run_id, a.decided_by, a.reason]
        for a in found
    ]
    columns = ["id", "table", "state", "gate", "since (UTC)", "run", "decided by", "why"]
    drop = ["decided by", "why", "run", "gate", "state", "since (UTC)"]
    if "why" not in output.print_table(columns, lines, drop=drop):
        output.print_messages((artifact.artifact_id, artifact.reason) for artifact in found)
    if waiting := [a for a in found if a.state == "held"]:
        for artifact in waiting:
            if artifact.gate == "push":
                output.print_line(f"look at {artifact.artifact_id}: {_build_plan_command(runtime, artifact)}")
            output.print_line(f"next for {artifact.table}: {suggest_decision(artifact.artifact_id)}")


def approve(
    artifact_id: ArtifactId = None,
    run: HeldRun = None,
    even_if_older: Annotated[
        bool, typer.Option("--even-if-older", help="Publish it although newer rows are published.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Publish exactly the held file, or send exactly the held plan, ID. Records who approved it and when."""
    runtime = open_runtime(load_settings())
    artifacts = _find_held(runtime, artifact_id, run, even_if_older=even_if_older)
    opening.require_storage_here(runtime)
    opened = [rerun.open_approved(runtime, artifact, even_if_older=even_if_older) for artifact in artifacts]
    proceed(runtime, opened, as_json=as_json)


def discard(
    artifact_id: ArtifactId = None,
    run: HeldRun = None,
    older: Annotated[
        bool, typer.Option("--older", help="Everything whose table was held or loaded again since.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Drop the held file or plan ID: it is never published, and its files are removed after their retention."""
    runtime = open_runtime(load_settings())
    if older and (artifact_id or run):
        raise ConfigError("--older chooses by itself.", next_step="Leave out ID and --run: replicate discard --older")
    found = _find_older(runtime) if older else _find_held(runtime, artifact_id, run)
    for artifact in found:
        runtime.ledger.artifacts.discard(artifact.artifact_id, opening.find_current_user())
    if as_json:
        output.print_json([runtime.ledger.artifacts.find(artifact.artifact_id) for artifact in found])
        return
    if not found:
        output.print_line("Nothing is discarded: what is held is the newest of its table.")
    for artifact in found:
        is_push = artifact.gate == "push"
        again = _build_plan_command(runtime, artifact) if is_push else f"replicate rerun {artifact.table}"
        output.print_line(f"Discarded {artifact.artifact_id} ({artifact.table}). Afresh: {again}")


def _build_plan_command(runtime: Runtime, artifact: Artifact) -> str:
    """The command that shows the held plan while its base is unchanged, else the plan of now; for an undo, its file."""
    kept = runtime.journal.find_plan_by_sha256(artifact.sha256)
    if kept and kept.undoes:
        return f"it takes {kept.undoes} back; all of it is in {runtime.storage.absolute(kept.file)}"
    orgs = " --processorgs" if kept and kept.group == "orgs" else ""
    return f"canvas-pusher plan{orgs} --tablename {process_of(artifact.table)}"


def _find_older(runtime: Runtime) -> list[Artifact]:
    """Held artifacts that are not the newest of their table, as an earlier release left them."""
    waiting = runtime.ledger.artifacts.list_all("held")
    newest = {artifact.table: artifact.artifact_id for artifact in waiting}
    older = [artifact for artifact in waiting if newest[artifact.table] != artifact.artifact_id]
    for artifact in waiting:
        published = runtime.ledger.items.find_published(artifact.table)
        if artifact not in older and published and published.finished_at and published.finished_at > artifact.held_at:
            older.append(artifact)
    return older


def _find_held(
    runtime: Runtime, artifact_id: str | None, run_id: str | None, *, even_if_older: bool = False
) -> list[Artifact]:
    """The held artifacts of that id or run. Raises ConfigError if there are none to decide on.

    ``even_if_older``: also one that a newer file superseded.
    """
    if (artifact_id is None) == (run_id is None):
        raise ConfigError("Give either an ID or --run RUN.", next_step="List what is held: replicate held")
    if run_id is not None:
        found = [a for a in runtime.ledger.artifacts.list_all("held") if a.run_id == run_id]
        if not found:
            raise ConfigError(f"Nothing is held in run {run_id}.", next_step="List what is held: replicate held")
        return found
    artifact = runtime.ledger.artifacts.find(artifact_id or "")
    if artifact is None:
        known = [each.artifact_id for each in runtime.ledger.artifacts.list_all("held")]
        step = f"{did_you_mean(artifact_id or '', known)} List them: replicate held" if known else "See: replicate held"
        raise ConfigError(f"There is nothing held with id {artifact_id}.", next_step=step)
    if artifact.state != "held" and not (even_if_older and artifact.state == "superseded"):
        decided = f"{artifact.state} by {artifact.decided_by}, {output.format_cell(artifact.decided_at)} UTC"
        step = _find_next_step(runtime, artifact)
        raise ConfigError(f"{artifact.artifact_id} was {decided}.", next_step=step)
    return [artifact]


def _find_next_step(runtime: Runtime, artifact: Artifact) -> str:
    """The next command for a decided artifact, whose publication may have been interrupted."""
    if artifact.state == "superseded":
        return f"To go back to it: replicate approve {artifact.artifact_id} --even-if-older"
    for run in runtime.ledger.runs.list_unfinished():
        rows = runtime.ledger.items.list_all(run.run_id)
        if any(row.artifact_id == artifact.artifact_id and not row.is_final for row in rows):
            return f"Run {run.run_id} publishes it and is not done; resume: {resume.resume_command(run)}"
    return "See: replicate held --all"
