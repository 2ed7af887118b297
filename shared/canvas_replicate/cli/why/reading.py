"""Which push processes read which tables of the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from canvas_replicate.config.catalogue import Catalogue
from canvas_replicate.config.pushes import PushProcess
from canvas_replicate.config.tables import Table
from canvas_replicate.errors import ConfigError
from canvas_replicate.sql.tables_read import bare, tables_read


@dataclass(frozen=True)
class Reads:
    """What a process reads: tables of the catalogue, and names that are none of them.

    ``unreadable``: its SQL is no Oracle SQL (the target's dialect is native), so only ``needs`` is known.
    """

    group: str
    process: PushProcess
    tables: tuple[Table, ...]
    others: tuple[str, ...]
    unreadable: bool


def all_reads(catalogue: Catalogue) -> list[Reads]:
    """Of every process, in the order of pushes.yaml; those that are off included."""
    return [_reads(catalogue, group, process) for group, processes in catalogue.pushes.items() for process in processes]


def readers(catalogue: Catalogue, table: Table) -> Iterator[Reads]:
    """The processes that read the table or its view."""
    return (reads for reads in all_reads(catalogue) if table in reads.tables)


def _reads(catalogue: Catalogue, group: str, process: PushProcess) -> Reads:
    try:
        read, unreadable = tables_read(process.query), False
    except ConfigError:
        read, unreadable = frozenset(), True
    names = read | {bare(name) for name in process.needs}
    tables = tuple(table for table in catalogue.loaded_tables.values() if names & _names(table))
    others = tuple(sorted(names.difference(*map(_names, tables))))
    return Reads(group, process, tables, others, unreadable)


def _names(table: Table) -> set[str]:
    return {table.name, bare(table.base_table), bare(table.view)}
