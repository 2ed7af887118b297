"""What a base table holds, asked in one aggregate query and told as a file's figures are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from canvas_replicate.databases.ports import Loaded
from canvas_replicate.datfile.columns import Column
from canvas_replicate.datfile.statistics import RESIDUE_MODULUS, Figures, measure_of, moment, plain
from canvas_replicate.sql.translate import Engine


def measuring_sql(
    name: str, columns: Mapping[str, Column], measure: Mapping[str, Column | None], engine: Engine
) -> str:
    """One row about the table ``name``, for ``loaded``: its rows, then the aggregates of each measured column."""
    wanted = ["count(*)"]
    for column_name, as_file in measure.items():
        wanted += [f'count("{column_name}")', *_aggregates(columns[column_name], as_file, engine)]
    return f"SELECT {', '.join(wanted)} FROM {name}"


def loaded(row: Sequence[Any], measure: Mapping[str, Column | None]) -> Loaded:
    """The row that ``measuring_sql`` gave."""
    values = iter(row[1:])
    figures = {}
    for column_name, as_file in measure.items():
        found = [next(values) for _ in range(1 + _count(as_file))]
        figures[column_name] = _figures(found, as_file)
    return Loaded(rows=int(row[0]), figures=figures)


def _count(as_file: Column | None) -> int:
    """How many aggregates a column has, besides the count of its values."""
    if as_file is None:
        return 0
    return 2 if measure_of(as_file) == "range" else 1


def _aggregates(base: Column, as_file: Column | None, engine: Engine) -> list[str]:
    """The SQL that measures a base column the way the file's column was measured."""
    if as_file is None:
        return []
    name, measure = f'"{base.name}"', measure_of(as_file)
    if measure in ("total", "residue"):
        number = name if base.kind == "number" else _number(name, as_file, engine)
        return [f"sum({number})" if measure == "total" else f"sum(abs({number}) % {RESIDUE_MODULUS})"]
    if measure == "characters":
        return [_characters(name, base, engine)]
    return [_end(end, name, base, engine) for end in ("min", "max")]


def _number(name: str, as_file: Column, engine: Engine) -> str:
    """Numbers that a table keeps as text."""
    kind = "numeric" if engine == "postgresql" else f"DECIMAL(38,{as_file.scale or 0})"
    return f"CAST({name} AS {kind})"


def _characters(name: str, base: Column, engine: Engine) -> str:
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


def _figures(values: Sequence[Any], as_file: Column | None) -> Figures:
    non_null, *rest = values
    if as_file is None or not non_null:
        return Figures(non_null=non_null)
    measure = measure_of(as_file)
    if measure == "range":
        low, high = (repr(v) if as_file.kind == "float" else moment(v) for v in rest)
        return Figures(non_null=non_null, lowest=low, highest=high)
    if measure == "characters":
        return Figures(non_null=non_null, characters=int(rest[0]))
    number = plain(Decimal(rest[0]))
    return (
        Figures(non_null=non_null, total=number) if measure == "total" else Figures(non_null=non_null, residue=number)
    )
