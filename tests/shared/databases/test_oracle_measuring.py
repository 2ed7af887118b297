"""The aggregate query that measures an Oracle base table, and what is made of its answer."""

from __future__ import annotations

from decimal import Decimal

import pytest

from canvas_replicate.databases.measuring import measure_columns
from canvas_replicate.databases.oracle import measuring
from canvas_replicate.databases.oracle.filling import _rejection
from canvas_replicate.databases.row_text import write_digest
from canvas_replicate.datfile.columns import column_from_oracle_type
from canvas_replicate.datfile.statistics import RESIDUE_MODULUS, Figures
from canvas_replicate.errors import TransientError


@pytest.mark.parametrize(
    ("base", "as_file", "expected"),
    [
        ("NUMBER(8,2)", "NUMBER(8,2)", ['TO_CHAR(SUM("X"))']),
        ("VARCHAR2(40)", "NUMBER(8,2)", ['TO_CHAR(SUM(TO_NUMBER("X")))']),
        ("VARCHAR2(40)", "VARCHAR2(40)", ['SUM(LENGTH("X"))']),
        ("CLOB", "CLOB", ['SUM(LENGTH("X"))']),
        ("RAW(9)", "RAW(9)", ['SUM(LENGTH(RAWTOHEX("X")))']),
        ("BLOB", "BLOB", ['SUM(DBMS_LOB.GETLENGTH("X") * 2)']),
        ("DATE", "DATE", [f"TO_CHAR({end}(\"X\"), 'YYYY-MM-DD HH24:MI:SS')" for end in ("MIN", "MAX")]),
        ("TIMESTAMP(9)", "DATE", [f"TO_CHAR({end}(\"X\"), 'YYYY-MM-DD HH24:MI:SS.FF9')" for end in ("MIN", "MAX")]),
        ("BINARY_DOUBLE", "BINARY_DOUBLE", ['MIN("X")', 'MAX("X")']),
    ],
)
def test_each_kind_of_column_has_its_figure(base: str, as_file: str, expected: list[str]) -> None:
    column, file_column = column_from_oracle_type("x", base), column_from_oracle_type("x", as_file)
    assert measuring._write_aggregates(column, file_column) == expected


def test_zoned_moments_are_compared_in_utc() -> None:
    column = column_from_oracle_type("x", "TIMESTAMP(6) WITH TIME ZONE")
    assert all("SYS_EXTRACT_UTC" in sql for sql in measuring._write_aggregates(column, column))


def test_what_is_only_counted_has_no_figure() -> None:
    column = column_from_oracle_type("x", "CLOB")
    assert measuring._write_aggregates(column, None) == []
    assert measuring._read_figures([3], None) == Figures(non_null=3)


def test_a_wide_numbers_residue_is_put_together_from_its_parts_without_loss() -> None:
    column = column_from_oracle_type("x", "NUMBER(38,30)")
    assert len(measuring._write_aggregates(column, column)) == 4
    found = measuring._read_figures([2, "7", "1", "2", "3"], column)
    assert found.residue == "7.000000000000001000000000000002000000000000003"
    assert Decimal(found.residue) < RESIDUE_MODULUS


def test_a_sum_that_oracle_writes_short_or_with_an_exponent_is_the_same_sum() -> None:
    column = column_from_oracle_type("x", "NUMBER(20,10)")
    assert measuring._read_figures([1, ".5"], column).total == "0.5"
    assert measuring._read_figures([1, "1.5E-09"], column).total == "0.0000000015"


# What a database refuses of a record


@pytest.mark.parametrize(
    ("code", "text", "column", "reason"),
    [
        ("ORA-12899", 'ORA-12899: value too large for column "S"."T"."NAME$1#" (actual: 9, maximum: 3)', "name$1#", "value too large (ORA-12899)"),
        ("ORA-01400", 'ORA-01400: cannot insert NULL into ("S"."T"."ID")', "id", "NULL in a NOT NULL column (ORA-01400)"),
        ("ORA-01722", "ORA-01722: unable to convert string value containing 'secret' to a number: X", None, "invalid number (ORA-01722)"),
        ("ORA-20001", "ORA-20001: secret is not wanted here", None, "refused by a trigger or procedure (ORA-20001)"),
    ],
)  # fmt: skip
def test_a_refused_record_is_told_by_column_and_reason_and_by_no_value(
    code: str, text: str, column: str | None, reason: str
) -> None:
    found = _rejection(7, code, text)
    assert (found.record, found.column, found.code, found.reason) == (7, column, code, reason)


def test_what_is_no_single_records_fault_is_no_reject() -> None:
    with pytest.raises(TransientError, match="record 7"):
        _rejection(7, "ORA-01653", "ORA-01653: unable to extend table")


def test_texts_without_a_limit_are_left_out_where_they_may_not_fit_a_row() -> None:
    number = column_from_oracle_type("id", "NUMBER(9)")
    base, in_file = column_from_oracle_type("note", "VARCHAR2(4000)"), column_from_oracle_type("note", "CLOB")
    found = write_digest([(number, number), (base, in_file)], "oracle")
    assert found is not None
    assert found.columns == ("id",)
    short = column_from_oracle_type("note", "VARCHAR2(40)")
    found = write_digest([(number, number), (short, in_file)], "oracle")
    assert found is not None
    assert found.columns == ("id", "note")


def test_a_column_may_have_braces_in_its_name() -> None:
    column = column_from_oracle_type("a{0}", "NUMBER(9)")
    asked: list[str] = []

    def fetch(sql: str) -> tuple[int, int]:
        asked.append(sql)
        return 1, 5

    digest = write_digest([(column, column)], "oracle")
    found = measure_columns("t", {}, lambda *_: [], lambda *_: Figures(non_null=0), digest, fetch)
    assert (found.rows, found.hashed) == (1, ("a{0}",))
    assert '"A{0}"' in asked[0]
