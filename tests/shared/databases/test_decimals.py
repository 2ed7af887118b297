"""Numbers of any size as text: made into decimals only where no digit is lost."""

from __future__ import annotations

from decimal import Context, Decimal

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from canvas_replicate.databases.decimals import find_non_number, to_decimals, write_out

EXACT = Context(prec=400)
ORACLE = st.tuples(st.booleans(), st.integers(0, 10**40 - 1), st.integers(-130, 125)).map(
    lambda parts: EXACT.scaleb(Decimal(parts[1]), parts[2] if abs(parts[2]) < 90 else parts[2] // 2) * (-1 if parts[0] else 1)
)  # fmt: skip


def texts(*values: str | None) -> pa.Array:
    return pa.array(values, pa.large_string())


def oracle_text(number: Decimal) -> str:
    """As TO_CHAR writes it: no zero before the point, an exponent where it is shorter."""
    plain = format(number, "f")
    if len(plain) > 40:
        return format(number, "E")
    return plain.replace("0.", ".", 1) if plain.startswith(("0.", "-0.")) else plain


@given(st.lists(st.none() | ORACLE, min_size=1, max_size=20))
def test_every_number_of_oracles_is_written_out_exactly(numbers: list[Decimal | None]) -> None:
    found = write_out(texts(*(None if number is None else oracle_text(number) for number in numbers)))
    assert find_non_number(found) == -1
    assert [None if text is None else EXACT.create_decimal(text) for text in found.to_pylist()] == numbers


@given(st.lists(st.none() | ORACLE.map(lambda number: format(number, "f")), min_size=1, max_size=20))
def test_a_batch_is_made_into_decimals_exactly_or_not_at_all(plain: list[str | None]) -> None:
    found = to_decimals(texts(*plain))
    if found is not None:
        assert found.to_pylist() == [None if text is None else EXACT.create_decimal(text) for text in plain]


@given(st.lists(st.decimals(-(10**20), 10**20, places=10).map(lambda number: format(number, "f")), min_size=1))
def test_what_fits_38_digits_becomes_decimals(plain: list[str]) -> None:
    assert to_decimals(texts(*plain)) is not None


def test_one_digit_too_many_keeps_the_batch_as_text() -> None:
    assert to_decimals(texts("9" * 38, None)) is not None
    assert to_decimals(texts("9" * 39)) is None
    assert to_decimals(texts("9" * 38, "0.1")) is None
    assert to_decimals(texts("0." + "0" * 38 + "1")) is None
    assert to_decimals(texts(None, None)) is not None


def test_the_first_that_is_no_number_is_found() -> None:
    assert find_non_number(texts("1", None, "-2.50", "~", "x")) == 3
    assert find_non_number(texts("1.", "1")) == 0
    assert find_non_number(texts("1e5")) == 0
    assert find_non_number(texts("-", None)) == 0
    assert find_non_number(texts("1\n")) == 0
    assert find_non_number(texts()) == -1
