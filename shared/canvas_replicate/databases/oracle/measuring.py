"""The column statistics of an Oracle base table, by one aggregate query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import oracledb

from canvas_replicate.databases.measuring import find_digest, measure_columns, to_figures
from canvas_replicate.databases.ports import Digested, Loaded
from canvas_replicate.datfile.columns import Column
from canvas_replicate.datfile.statistics import RESIDUE_MODULUS, WIDE, Figures, get_measure

_MOMENT = "YYYY-MM-DD HH24:MI:SS.FF9"
_MICROSECONDS = len("2030-01-01 00:00:00.000000")
# Oracle adds with 40 digits. A sum of long fractions needs more, so these are added 15 digits at a time.
_STEP = 10**15
_STEPS = 3


def measure_table_exactly(
    connection: oracledb.Connection,
    name: str,
    columns: Mapping[str, Column],
    measure: Mapping[str, Column | None],
    digested: Digested,
) -> Loaded:
    """``name`` is quoted already. Sees what this session has not committed yet."""

    def aggregates(column: str, as_file: Column | None) -> list[str]:
        return [f"COUNT({_quote(column)})", *_write_aggregates(columns[column], as_file)]

    digest = find_digest(columns, digested, "oracle")
    with connection.cursor() as cursor:

        def fetch(sql: str) -> Sequence[Any] | None:
            row: Sequence[Any] | None = cursor.execute(sql, fetch_decimals=True).fetchone()
            return row

        return measure_columns(name, measure, aggregates, _read_figures, digest, fetch)


def _write_aggregates(base: Column, as_file: Column | None) -> list[str]:
    if as_file is None:
        return []
    name, measure = _quote(base.name), get_measure(as_file)
    number = name if base.kind in ("number", "float") else f"TO_NUMBER({name})"
    if measure == "total":
        return [f"TO_CHAR(SUM({number}))"]
    if measure == "residue":
        return _write_residue_sums(f"MOD(ABS({number}), {RESIDUE_MODULUS})")
    if measure == "characters":
        return [f"SUM({_write_length(name, base)})"]
    return [_end(end, name, base) for end in ("MIN", "MAX")]


def _write_residue_sums(value: str) -> list[str]:
    sums, rest = [f"TO_CHAR(SUM(TRUNC({value})))"], f"({value} - TRUNC({value}))"
    for _ in range(_STEPS):
        sums.append(f"TO_CHAR(SUM(TRUNC({rest} * {_STEP})))")
        rest = f"({rest} * {_STEP} - TRUNC({rest} * {_STEP}))"
    return sums


def _write_length(name: str, base: Column) -> str:
    if base.kind != "raw":
        return f"LENGTH({name})"
    return f"DBMS_LOB.GETLENGTH({name}) * 2" if base.type == "BLOB" else f"LENGTH(RAWTOHEX({name}))"


def _end(end: str, name: str, base: Column) -> str:
    if base.kind == "date":
        return f"TO_CHAR({end}({name}), 'YYYY-MM-DD HH24:MI:SS')"
    if base.kind == "timestamp":
        return f"TO_CHAR({end}({name}), '{_MOMENT}')"
    if base.kind == "timestamp_tz":
        return f"TO_CHAR(SYS_EXTRACT_UTC({end}({name})), '{_MOMENT}')"
    return f"{end}({name})"


def _read_figures(values: Sequence[Any], as_file: Column | None) -> Figures:
    non_null, *rest = values
    if as_file is not None and non_null:
        measure = get_measure(as_file)
        if measure == "residue":
            rest = [_sum_residue(rest)]
        elif measure == "range":
            rest = [_make_comparable(value, as_file) for value in rest]
    return to_figures([non_null, *rest], as_file)


def _sum_residue(sums: Sequence[Any]) -> Decimal:
    """Put together from the sums of ``_write_residue_sums``."""
    total = Decimal(0)
    for step, value in enumerate(sums):
        total = WIDE.add(total, WIDE.divide(Decimal(value), Decimal(_STEP) ** step))
    return total


def _make_comparable(value: Any, as_file: Column) -> Any:
    if as_file.kind == "float":
        return float(value)
    # A zoned moment's figure is one of microseconds; cutting keeps the order.
    return value[:_MICROSECONDS] if as_file.kind == "timestamp_tz" else value


def _quote(name: str) -> str:
    return f'"{name.upper()}"'
