"""Numbers of any size as text, made ready for a file: Arrow decimals where a batch fits them, else plain text."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from canvas_replicate.datfile.statistics import plain
from canvas_replicate.errors import DataError

_MOST_DIGITS = 38
_PLAIN = r"^-?[0-9]+(\.[0-9]+)?$"
_WRITTEN_SHORT = r"^-?\.|[eE]"  # Oracle's .5 and 1E+40


def to_decimals(texts: pa.Array) -> pa.Array | None:
    """As decimals, with the scale that the batch's longest fraction needs; None where one does not fit 38 digits.

    Counted here, because Arrow's cast takes more digits than fit, and changes them in silence.
    """
    point = pc.find_substring(texts, ".")
    fraction = pc.if_else(pc.less(point, 0), 0, pc.subtract(pc.subtract(pc.utf8_length(texts), point), 1))
    scale = min(pc.max(fraction).as_py() or 0, _MOST_DIGITS)
    digits = pc.utf8_length(pc.replace_substring(pc.utf8_ltrim(texts, "-0."), ".", ""))
    too_long = pc.greater(pc.add(digits, pc.subtract(scale, fraction)), _MOST_DIGITS)
    too_fine = pc.greater(fraction, _MOST_DIGITS)
    if pc.any(pc.or_(too_long, too_fine)).as_py():
        return None
    return texts.cast(pa.decimal128(_MOST_DIGITS, scale))


def refuse_value(message: str) -> DataError:
    step = "Correct the value in the source, or replace it in the query's SQL."
    return DataError(message, code="value.refused", next_step=step)


def convert_numbers(texts: pa.Array, refuse: Callable[[int], Exception]) -> pa.Array:
    """Decimals where the batch fits them, else the text. Raises what ``refuse`` makes of the place of no number."""
    wrong = find_non_number(texts)
    if wrong >= 0:
        raise refuse(wrong)
    fitting = to_decimals(texts)
    return texts if fitting is None else fitting


def find_non_number(texts: pa.Array) -> int:
    """The place of the first value that is no plain decimal number, -1 when there is none."""
    return int(pc.index(pc.invert(pc.match_substring_regex(texts, _PLAIN)), True).as_py())


def write_out(texts: pa.Array) -> pa.Array:
    """Without exponents, and with a digit before the point. Few values need it, so those are done one by one."""
    short = pc.match_substring_regex(texts, _WRITTEN_SHORT)
    if not pc.any(short).as_py():
        return texts
    leading = pc.replace_substring_regex(texts, r"^(-?)\.", r"\10.")
    exponents = pc.match_substring_regex(leading, "[eE]")
    if not pc.any(exponents).as_py():
        return leading
    return pa.array(
        [plain(Decimal(text)) if text and "E" in text.upper() else text for text in leading.to_pylist()], leading.type
    )
