"""The operator's command ``replicate``: all its commands, each imported when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from typer.core import TyperCommand
from typer.main import get_group

from canvas_replicate.cli import entry

# A command, the module under `commands` that has it, and its line in `replicate --help`, which so imports no module.
COMMANDS = (
    ("run", "work", "Run SCHEDULE from its source tables to verified views, in this one process."),
    ("provision", "work", "Fetch the provisioning reports of Canvas, load them, refresh their views."),
    (
        "push",
        "work",
        "Push what is different to Canvas, for the group's processes, based on the latest good provisions.",
    ),
    (
        "rerun",
        "work",
        "Extract and load one TABLE again, or only what failed in a run. It opens a new run, and nothing follows it.",
    ),
    ("replay", "work", "Load the kept file of an earlier RUN again, even if newer rows are published."),
    ("resume", "work", "Go on with the unfinished RUN, and with nothing else."),
    (
        "trigger",
        "broker",
        "Open a run of SCHEDULE and publish its messages; the workers do the rest. What a CronJob runs.",
    ),
    (
        "sweep",
        "broker",
        "Close overdue runs, publish the messages of dead processes, remove files and rows past their retention.",
    ),
    ("end", "broker", "Close RUN by hand and at once: its unfinished items fail with who ended it and why."),
    ("status", "look", "Show every table: how fresh its view is, what happened last, and what to type next."),
    ("runs", "look", "List the newest runs, or show one RUN table by table."),
    (
        "rejects",
        "look",
        "Show the rejected records of the last load of TABLE and where its bad file is; push:PROCESS: the refused and"
        " the sticky rows of the last push.",
    ),
    ("held", "held", "List what a gate stopped and what waits for a decision."),
    (
        "approve",
        "held",
        "Publish exactly the held file, or send exactly the held plan, ID. Records who approved it and when.",
    ),
    (
        "discard",
        "held",
        "Drop the held file or plan ID: it is never published, and its files are removed after their retention.",
    ),
    (
        "check",
        "check",
        "Check everything that a run needs and change nothing: configuration, databases, tables, services.",
    ),
    (
        "init",
        "init",
        "Write the smallest configuration of your own into DIR: settings and an empty schedule. It replaces no file.",
    ),
    (
        "init-db",
        "admin",
        "Create what the target database lacks: ledger, status tables, base tables, views. Upgrade an older ledger.",
    ),
    ("dead", "dead", "Dead letters: messages that no stage retries any more, with the reason."),
    ("why", "why", "Find why a table is old or why a person is (not) in a course, and what to type next."),
    ("table", "tables", "A table's files: add one, see what changed in its source, rewrite a foreign control file."),
    ("secret", "admin", "Encode a password for appconf.yaml like the original. It is not encryption."),
    ("config", "admin", "What is configured, and what can be."),
)


class CommandOnDemand(TyperCommand):
    """Imports its command only to parse the arguments."""

    def make_context(self, *arguments: Any, **extra: Any) -> Any:
        return import_command(self.name or "").make_context(*arguments, **extra)


def import_command(name: str) -> Any:
    """The command, with its options or its own commands."""
    [module] = [module for known, module, _ in COMMANDS if known == name]
    app = entry.new_app("")
    import_module(f"canvas_replicate.cli.commands.{module}").add_to(app)
    return get_group(app).commands[name]


app = entry.new_program("Copy tables, verify them, publish them; see what happened and what to type next.")
for _name, _, _line in COMMANDS:
    app.command(_name, cls=CommandOnDemand, help=_line)(lambda: None)


def main() -> None:
    entry.run(app)
