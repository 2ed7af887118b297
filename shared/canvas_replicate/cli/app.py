"""The operator's command ``replicate``."""

from __future__ import annotations

from canvas_replicate.cli import entry
from canvas_replicate.cli.commands import admin, broker, check, held, look, tables, why, work

app = entry.new_app("Copy tables, prove them, publish them; see what happened and what to type next.")
for module in (work, broker, look, why, held, check, tables, admin):
    module.add_to(app)


def main() -> None:
    entry.run(app)
