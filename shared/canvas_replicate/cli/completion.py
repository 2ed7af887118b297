"""What a shell completes: names of the configuration, and ids of the ledger. A mistake there completes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from canvas_replicate.errors import ReplicateError

if TYPE_CHECKING:
    from canvas_replicate.config.catalogue import Catalogue
    from canvas_replicate.ledger.ledger import Ledger

_RUNS = 50


def complete_schedule(incomplete: str) -> list[str]:
    return _find(incomplete, lambda: _read_catalogue().schedules)


def complete_table(incomplete: str) -> list[str]:
    return _find(incomplete, lambda: _read_catalogue().loaded_tables)


def complete_process(incomplete: str) -> list[str]:
    return _find(incomplete, lambda: (each.name for group in _read_catalogue().pushes.values() for each in group))


def complete_database(incomplete: str) -> list[str]:
    def read_aliases() -> Iterable[str]:
        from canvas_replicate.config.settings_sources import load_settings

        return load_settings().databases

    return _find(incomplete, read_aliases)


def complete_run(incomplete: str) -> list[str]:
    """The newest runs, newest first."""
    return _find(incomplete, lambda: (run.run_id for run in _open_ledger().runs.list_newest(_RUNS)), in_order=True)


def complete_held(incomplete: str) -> list[str]:
    return _find(incomplete, lambda: (each.artifact_id for each in _open_ledger().artifacts.list_all("held")))


def _find(incomplete: str, list_names: Callable[[], Iterable[str]], *, in_order: bool = False) -> list[str]:
    try:
        found = [name for name in list_names() if name.startswith(incomplete)]
    except ReplicateError:  # a message would land in the middle of the line that is typed
        return []
    return found if in_order else sorted(found)


def _read_catalogue() -> Catalogue:
    from canvas_replicate.config.catalogue import read_catalogue
    from canvas_replicate.config.settings_sources import load_settings

    return read_catalogue(load_settings(), check_sql=False)


def _open_ledger() -> Ledger:
    from canvas_replicate.config.settings_sources import load_settings
    from canvas_replicate.databases.opening import open_ledger
    from canvas_replicate.ledger.ledger import Ledger

    return Ledger(open_ledger(load_settings()), "completion")
