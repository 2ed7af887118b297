"""Which tables of the catalogue a push process reads."""

from __future__ import annotations

from dataclasses import dataclass

from canvas_replicate.config.catalogue import Catalogue
from canvas_replicate.config.pushes import PushProcess
from canvas_replicate.config.tables import Table
from canvas_replicate.errors import ConfigError
from canvas_replicate.sql.tables_read import bare, tables_read


@dataclass(frozen=True)
class PushTables:
    """What a process reads: tables of the catalogue in its order, and names that are none of them, sorted.

    ``is_readable``: its SQL is Oracle's. In another dialect only the names under ``needs:`` are known.
    """

    tables: tuple[Table, ...]
    others: tuple[str, ...]
    is_readable: bool


def find_push_tables(process: PushProcess, catalogue: Catalogue) -> PushTables:
    """The tables and views that the SQL and ``needs:`` of a process name."""
    try:
        read, is_readable = tables_read(process.query), True
    except ConfigError:
        read, is_readable = frozenset(), False
    names = read | {bare(name) for name in process.needs}
    tables = tuple(table for table in catalogue.loaded_tables.values() if names & _list_names(table))
    others = tuple(sorted(names.difference(*map(_list_names, tables))))
    return PushTables(tables, others, is_readable)


def _list_names(table: Table) -> set[str]:
    return {table.name, bare(table.base_table), bare(table.view)}
