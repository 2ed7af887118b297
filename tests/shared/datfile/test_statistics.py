from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canvas_replicate.datfile.columns import column_from_oracle_type
from canvas_replicate.datfile.statistics import Figures, differences, get_measure, merge_figures, moment, plain


@given(st.decimals(allow_nan=False, allow_infinity=False, places=10))
def test_a_plain_number_is_exact_and_has_no_exponent(number: Decimal) -> None:
    text = plain(number)
    assert Decimal(text) == number
    assert "E" not in text.upper()
    assert not text.endswith(".")


@pytest.mark.parametrize(("one", "other"), [("1.50", "1.5"), ("100", "100.00"), ("0.0", "0")])
def test_equal_numbers_have_one_text(one: str, other: str) -> None:
    assert plain(Decimal(one)) == plain(Decimal(other))


def test_equal_moments_have_one_text() -> None:
    assert moment("2020-01-01 10:00:00.500000") == moment("2020-01-01 10:00:00.5")
    assert moment("2020-01-01 10:00:00.000000") == "2020-01-01 10:00:00"
    assert moment("2020-01-01 10:00:00") == "2020-01-01 10:00:00"


@pytest.mark.parametrize(
    ("kind", "measure"),
    [
        ("NUMBER(24)", "total"),
        ("NUMBER(25)", "residue"),
        ("NUMBER", "residue"),
        ("BINARY_DOUBLE", "range"),
        ("DATE", "range"),
        ("CLOB", "characters"),
        ("RAW(8)", "characters"),
    ],
)
def test_each_kind_of_column_has_its_measure(kind: str, measure: str) -> None:
    assert get_measure(column_from_oracle_type("c", kind)) == measure


def test_floats_are_ordered_as_numbers_and_not_as_text() -> None:
    column = column_from_oracle_type("c", "BINARY_DOUBLE")
    one, other = Figures(non_null=1, lowest="9.0", highest="9.0"), Figures(non_null=1, lowest="10.0", highest="10.0")
    assert merge_figures(one, other, column) == Figures(non_null=2, lowest="9.0", highest="10.0")


def test_totals_are_added_beyond_28_digits() -> None:
    column = column_from_oracle_type("c", "NUMBER(24)")
    big = Figures(non_null=1, total="9" * 30)
    assert merge_figures(big, big, column).total == str(2 * int("9" * 30))


def test_what_differs_is_named_by_column_and_figure() -> None:
    expected = {"a": Figures(non_null=2, total="3"), "b": Figures(non_null=2, characters=5)}
    found = {"a": Figures(non_null=2, total="4"), "b": Figures(non_null=2, characters=5)}
    assert differences(expected, found) == ["a: total is 4 in the table, 3 in the file"]
    assert differences(expected, expected) == []
