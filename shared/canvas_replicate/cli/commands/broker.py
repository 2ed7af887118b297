"""Commands that talk to the broker: trigger, dead, sweep."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Annotated

import typer

from canvas_replicate.cli import entry, output
from canvas_replicate.cli.options import AlwaysJson, AsJson, Schedule, SourceAlias
from canvas_replicate.config.settings import Settings
from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.errors import AlreadyRunning, ConfigError, TransientError
from canvas_replicate.ledger.records import Run
from canvas_replicate.messaging import topology
from canvas_replicate.messaging.bus import Bus, connect
from canvas_replicate.messaging.messages import Envelope
from canvas_replicate.runs import opening, retention
from canvas_replicate.runtime import Runtime
from canvas_replicate.stages.stage import publish_outbox
from canvas_replicate.wiring import get_broker_settings, open_runtime

dead = entry.new_app("Dead letters: messages that no stage retries any more, with the reason.")

Stage = Annotated[str, typer.Option("--stage", help=f"One of {', '.join(topology.STAGES)}; all when left out.")]
MessageId = Annotated[str, typer.Argument(metavar="ID", help="As `replicate dead list` shows it; its start is enough.")]
# What giving up wrote onto a message; a requeued one starts without it.
_VERDICT = ("attempts", "first_failed_at", "stage", "code", "reason", "next_step", "failed_at", "deliveries")


def add_to(app: typer.Typer) -> None:
    app.command()(trigger)
    app.command()(sweep)
    app.add_typer(dead, name="dead")


def trigger(
    schedule: Schedule,
    db: SourceAlias = None,
    skip_if_running: Annotated[bool, typer.Option("--skip-if-running", help="Exit 0 when a run is open.")] = False,
    as_json: AsJson = False,
) -> None:
    """Open a run of SCHEDULE and publish its messages; the workers do the rest. What a CronJob runs."""
    settings = get_broker_settings("replicate trigger")
    runtime = open_runtime(settings, lambda catalogue: catalogue.run_tables(schedule), source=db, check_sql=False)
    runtime.ledger.close_overdue()
    try:
        opened = opening.open_schedule_run(runtime, schedule, opening.RunScope(source=db))
    except AlreadyRunning as running:
        if not skip_if_running:
            raise
        output.print_line(f"Nothing triggered: {running.message}")
        return
    publish_runs(runtime, [opened], as_json=as_json)


def publish_runs(runtime: Runtime, opened: list[Run], *, as_json: bool) -> None:
    """Hand runs to the workers. Any worker publishes within a minute what cannot be published now."""
    with _connect(runtime.settings) as bus:
        try:
            publish_outbox(bus, runtime.ledger)
        except TransientError as error:
            # The ledger has the messages, so this is no failure: the hint keeps people from asking twice.
            sys.stderr.write(f"{error.message} The run is recorded; a worker publishes it within about a minute.\n")
    if as_json:
        output.print_json(opened)
        return
    for run in opened:
        output.print_line(f"{run.run_id}   follow it: replicate runs {run.run_id}")


def sweep(as_json: AsJson = False) -> None:
    """Close runs past their deadline, publish the messages of dead processes, remove files past their retention."""
    settings = load_settings()
    runtime = open_runtime(settings, check_sql=False)
    closed = runtime.ledger.close_overdue()
    expired = retention.expire_files(runtime)
    published = 0
    if settings.has_broker:
        with _connect(settings) as bus:
            published = publish_outbox(bus, runtime.ledger, left_over=True)
    if as_json:
        output.print_json({"closed": closed, "published": published, "expired": expired})
        return
    for run_id in closed:
        output.print_line(f"closed {run_id}   next: replicate rerun --failed {run_id}")
    output.console().print(
        f"{len(closed)} runs closed, {published} messages published, files of {len(expired)} runs removed."
    )


@dead.command("list")
def list_dead(stage: Stage = "", as_json: AsJson = False) -> None:
    """List dead letters: the message, the reason, the number of attempts and the next command."""
    with _connect(get_broker_settings("replicate dead")) as bus:
        found = [(name, letter) for name in _choose_stages(stage) for letter in bus.browse(topology.dead_queue(name))]
    if as_json:
        output.print_json([_to_dict(name, letter) for name, letter in found])
        return
    if not found:
        output.console().print("There are no dead letters.")
        return
    columns = ["id", "stage", "type", "about", "tried", "code", "reason", "next"]
    shown = ("attempts", "code", "reason", "next_step")
    lines = [
        [letter.message_id, name, letter.type, _describe(letter), *(letter.headers.get(header) for header in shown)]
        for name, letter in found
    ]
    output.console().print(output.build_table(columns, lines, numbers=["tried"]))


@dead.command("show")
def show_dead(message_id: MessageId, as_json: AlwaysJson = False) -> None:
    """Print one dead letter whole, as JSON."""
    with _open_letter(message_id) as (_, name, letter):
        output.print_json(_to_dict(name, letter))


@dead.command("requeue")
def requeue_dead(message_id: MessageId, as_json: AsJson = False) -> None:
    """Put a dead letter back into the queue of its stage, with all its tries before it.

    A table whose state is final stays final: the stage then acks the message and does nothing.
    """
    with _open_letter(message_id) as (bus, name, letter):
        fresh = {key: value for key, value in letter.headers.items() if key not in _VERDICT}
        again = replace(letter, headers=fresh)
        # Published first: a crash in between leaves it in both places, and handlers are safe to run twice.
        bus.publish(again, queue=topology.work_queue(name))
        bus.remove(topology.dead_queue(name), letter.message_id)
    _show_done("Requeued", letter, f"for the {name}", as_json=as_json)


@dead.command("drop")
def drop_dead(message_id: MessageId, as_json: AsJson = False) -> None:
    """Remove a dead letter for good."""
    with _open_letter(message_id) as (bus, name, letter):
        bus.remove(topology.dead_queue(name), letter.message_id)
    _show_done("Dropped", letter, f"of the {name}", as_json=as_json)


def _show_done(done: str, letter: Envelope, which: str, *, as_json: bool) -> None:
    if as_json:
        output.print_json({"message_id": letter.message_id, "done": done.lower()})
    else:
        output.print_line(f"{done} {letter.message_id} {which}.")


def _connect(settings: Settings) -> closing[Bus]:
    return closing(connect(settings.bus_url, declare=settings.bus_declare))


def _choose_stages(stage: str) -> tuple[str, ...]:
    if stage and stage not in topology.STAGES:
        raise ConfigError(f"There is no stage {stage!r}.", next_step=f"Use one of {', '.join(topology.STAGES)}.")
    return (stage,) if stage else topology.STAGES


@contextmanager
def _open_letter(message_id: str) -> Iterator[tuple[Bus, str, Envelope]]:
    """The bus, and the stage and dead letter whose id starts so. Raises ConfigError for none or several."""
    with _connect(get_broker_settings("replicate dead")) as bus:
        letters = [(stage, letter) for stage in topology.STAGES for letter in bus.browse(topology.dead_queue(stage))]
        found = [(stage, letter) for stage, letter in letters if letter.message_id.startswith(message_id)]
        if len({letter.message_id for _, letter in found}) != 1:
            what = "no dead letter" if not found else f"{len(found)} dead letters"
            raise ConfigError(f"There is {what} with an id like {message_id}.", next_step="List: replicate dead list")
        yield bus, *found[0]


def _describe(letter: Envelope) -> str:
    try:
        body = json.loads(letter.body)
    except ValueError:
        return "unreadable"
    return str(body.get("table") or body.get("run_id") or "") if isinstance(body, dict) else "unreadable"


def _to_dict(stage: str, letter: Envelope) -> dict[str, object]:
    about = {"message_id": letter.message_id, "stage": stage, "type": letter.type, "run_id": letter.correlation_id}
    content = {"headers": dict(letter.headers), "body": letter.body.decode("utf-8", "replace")}
    return {**about, "timestamp": letter.timestamp, **content}
