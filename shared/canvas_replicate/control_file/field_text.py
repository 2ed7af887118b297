"""The text of one field of a control file that is written for a column of our own ``.dat`` files."""

from __future__ import annotations

from canvas_replicate.control_file.model import LONGEST_DOUBLE
from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import ConfigError

DEFAULT_TEXT_LIMIT = 1_000_000

_DATE = "YYYY-MM-DD HH24:MI:SS"
# HEXTORAW makes at most that many bytes of a text.
_LONGEST_HEX_BYTES = 2000
# A NUMBER without limits: sign, "0.", 129 zeros and 40 digits.
_LONGEST_NUMBER = 172


def field_text(column: Column, text_limit: int, for_oracle: bool) -> str:
    """The text after the column's name.

    Raw values are hex in the file: SQL*Loader learns it from an expression (oracle.md 6.4), other engines know
    it from the base table's column.
    """
    if column.kind == "number":
        return "DECIMAL EXTERNAL"
    if column.kind == "float":
        return f"FLOAT EXTERNAL({LONGEST_DOUBLE})"
    if column.kind == "text":
        return f"CHAR({column.length or text_limit})"
    if column.kind == "raw":
        return _format_raw_text(column, text_limit, for_oracle)
    kind = {"date": "DATE", "timestamp": "TIMESTAMP", "timestamp_tz": "TIMESTAMP WITH TIME ZONE"}[column.kind]
    return f'{kind} "{build_date_mask(column)}"'


def count_longest_text(column: Column) -> int | None:
    """The most characters that a value has in our own files; None for a text or raw without a limit."""
    if column.kind == "number":
        if column.precision is None:
            return _LONGEST_NUMBER
        scale = column.scale or 0
        return 1 + (max(column.precision, scale + 1) + 1 if scale else column.precision)
    if column.kind == "float":
        return LONGEST_DOUBLE
    if column.kind in ("text", "raw"):
        return column.length * 2 if column.kind == "raw" and column.length is not None else column.length
    if column.kind == "date":
        return len("2030-01-01 00:00:00")
    return len("2030-01-01 00:00:00.") + (9 if (column.precision or 0) > 6 else 6) + 6 * (column.kind == "timestamp_tz")


def build_date_mask(column: Column) -> str:
    """The date mask that reads a column of dates or timestamps as our own files have it."""
    if column.kind == "date":
        return _DATE
    fraction = "FF9" if (column.precision or 0) > 6 else "FF6"
    return f"{_DATE}.{fraction}" + ("TZH:TZM" if column.kind == "timestamp_tz" else "")


def _format_raw_text(column: Column, text_limit: int, for_oracle: bool) -> str:
    if not for_oracle:
        return f"CHAR({column.length * 2 if column.length else text_limit})"
    if column.length is None or column.length > _LONGEST_HEX_BYTES:
        what = f"a {column.type} of more than {_LONGEST_HEX_BYTES} bytes"
        step = "Leave it out with a query of your own: --query FILE"
        raise ConfigError(f"column {column.name}: {what} cannot be loaded from a text file.", next_step=step)
    return f'CHAR({column.length * 2}) "HEXTORAW(:{column.name})"'
