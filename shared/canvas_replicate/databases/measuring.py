"""The column statistics of a base table, by one aggregate query, comparable with those of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import chain
from typing import Any

from canvas_replicate.databases.ports import Digested, Load, Loaded, Showing
from canvas_replicate.databases.row_text import DigestSql, write_digest
from canvas_replicate.databases.value_text import DigestEngine
from canvas_replicate.datfile.columns import Column
from canvas_replicate.datfile.digest import RowDigest
from canvas_replicate.datfile.statistics import RESIDUE_MODULUS, Figures, get_measure, moment, plain
from canvas_replicate.sql.projections import find_projected
from canvas_replicate.sql.translate import Engine

_MOST_SELECTED = 1600  # PostgreSQL selects 1,664 values at most
# Runs a query and gives its one row.
FetchRow = Callable[[str], Sequence[Any] | None]


def measure_table(
    name: str,
    columns: Mapping[str, Column],
    measure: Mapping[str, Column | None],
    digested: Digested,
    engine: Engine,
    fetch_row: FetchRow,
    *,
    quickly: bool = False,
) -> Loaded:
    """Count and hash the rows of the table ``name`` and measure these columns as the file's columns were measured.

    ``quickly``: without the digest where the engine has a quicker fingerprint.
    """

    def aggregates(column: str, as_file: Column | None) -> list[str]:
        return [f'count("{column}")', *_write_aggregates(columns[column], as_file, engine)]

    digest = find_digest(columns, digested, engine)
    if quickly and digest and digest.fingerprint:
        digest = replace(digest, aggregate=None)
    return measure_columns(name, measure, aggregates, to_figures, digest, fetch_row)


def measure_load(load: Load, measure: Callable[[Mapping[str, Column | None], Digested], Loaded]) -> Loaded:
    """``measure`` measures columns and hashes others. Statistics explain a difference, so without one none are made."""
    found = measure({}, load.digest)
    if not load.measure or load.is_proved(found):
        return found
    return replace(found, figures=measure(load.measure, ()).figures)


def project(
    query: str, shown: Sequence[str], showing: Showing, engine: DigestEngine
) -> tuple[dict[str, Column], Digested]:
    """Of a view that ``query`` makes, with the columns ``shown``: those that are base columns as they are, and which
    of them are hashed. None where the view is no plain projection of its base table.
    """
    if not showing.digest:
        return {}, ()
    columns = {column.name: column for column in showing.columns}
    projected = find_projected(query, [name.lower() for name in shown], showing.table, list(columns), engine)
    in_view = {name: replace(columns[base], name=name) for base, name in projected.items()}
    return in_view, [(projected[base], column) for base, column in showing.digest if base in projected]


def find_digest(columns: Mapping[str, Column], digested: Digested, engine: DigestEngine) -> DigestSql | None:
    """How the rows are hashed; None where they are not to be hashed, or cannot be."""
    return write_digest([(columns[name], column) for name, column in digested], engine)


def measure_columns(
    name: str,
    measure: Mapping[str, Column | None],
    aggregates: Callable[[str, Column | None], list[str]],
    figures: Callable[[Sequence[Any], Column | None], Figures],
    digest: DigestSql | None,
    fetch_row: FetchRow,
) -> Loaded:
    """As ``measure_table``, with an engine's ``aggregates`` of a column, the first its count, and their ``figures``."""
    wanted = {column: aggregates(column, as_file) for column, as_file in measure.items()}
    sums = [sql for sql in (digest.aggregate, digest.fingerprint) if sql] if digest else []
    source = digest.source.replace("{table}", name) if digest else name
    rows, *summed = fetch_row(f"SELECT {', '.join(['count(*)', *sums])} FROM {source}") or ()
    selected = list(chain.from_iterable(wanted.values()))
    measured: list[Any] = []
    for at in range(0, len(selected), _MOST_SELECTED):
        measured += fetch_row(f"SELECT {', '.join(selected[at : at + _MOST_SELECTED])} FROM {name}") or ()
    hashed = RowDigest(value=str(int(summed[0] or 0))) if digest and digest.aggregate else None
    fingerprint = hashed.value if hashed else None
    if digest and digest.fingerprint:
        fingerprint = str(summed[-1])
    values = iter(measured)
    by_column = {column: figures([next(values) for _ in sql], measure[column]) for column, sql in wanted.items()}
    return Loaded(
        int(rows),
        by_column,
        digest=hashed,
        hashed=digest.columns if digest else (),
        fingerprint=fingerprint,
    )


def to_figures(values: Sequence[Any], as_file: Column | None) -> Figures:
    """The figures of a column from its count and its aggregates."""
    non_null, *rest = values
    if as_file is None or not non_null:
        return Figures(non_null=int(non_null))
    measure = get_measure(as_file)
    if measure == "range":
        low, high = (repr(v) if as_file.kind == "float" else moment(v) for v in rest)
        return Figures(non_null=int(non_null), lowest=low, highest=high)
    if measure == "characters":
        return Figures(non_null=int(non_null), characters=int(rest[0]))
    number = plain(Decimal(rest[0]))
    if measure == "total":
        return Figures(non_null=int(non_null), total=number)
    return Figures(non_null=int(non_null), residue=number)


def _write_aggregates(base: Column, as_file: Column | None, engine: Engine) -> list[str]:
    """The SQL that measures a base column the way the file's column was measured."""
    if as_file is None:
        return []
    name, measure = f'"{base.name}"', get_measure(as_file)
    if measure in ("total", "residue"):
        kind = "numeric" if engine == "postgresql" else f"DECIMAL(38,{as_file.scale or 0})"
        number = name if base.kind == "number" else f"CAST({name} AS {kind})"  # a table may keep numbers as text
        return [f"sum({number})" if measure == "total" else f"sum(abs({number}) % {RESIDUE_MODULUS})"]
    if measure == "characters":
        return [_count_characters(name, base, engine)]
    return [_end(end, name, base, engine) for end in ("min", "max")]


def _count_characters(name: str, base: Column, engine: Engine) -> str:
    if base.kind == "raw":
        return f"sum(octet_length({name})) * 2"
    if engine == "postgresql" and base.type.startswith(("CHAR", "NCHAR")):
        # Readers get every value padded to its length, but length() does not count the blanks.
        return f"count({name}) * {base.length}"
    return f"sum(length({name}))"


def _end(end: str, name: str, base: Column, engine: Engine) -> str:
    """The first or last value, times as canonical text."""
    if engine == "postgresql" and base.kind == "text":
        return f'{end}({name} COLLATE "C")'
    if base.kind == "float":
        return f"{end}(CAST({name} AS DOUBLE PRECISION))"
    if base.kind == "text":
        return f"{end}({name})"
    value = f"{end}({name}) AT TIME ZONE 'UTC'" if base.kind == "timestamp_tz" else f"{end}({name})"
    if engine == "postgresql":
        return f"to_char({value}, 'YYYY-MM-DD HH24:MI:SS.US')"
    fraction = "%n" if base.kind == "timestamp" and (base.precision or 0) > 6 else "%f"
    return f"strftime({value}, '%Y-%m-%d %H:%M:%S.{fraction}')"
