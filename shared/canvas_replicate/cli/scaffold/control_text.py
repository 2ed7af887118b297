"""A control file for the ``.dat`` files that the extractor writes (docs/control-files.md)."""

from __future__ import annotations

from collections.abc import Sequence

from canvas_replicate.cli.scaffold.names import Names
from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import ConfigError

DEFAULT_TEXT_LIMIT = 1_000_000

_DATE = "YYYY-MM-DD HH24:MI:SS"
# HEXTORAW makes at most that many bytes of a text.
_LONGEST_HEX_BYTES = 2000
# A double is written out without exponent: sign, point and up to 324 + 17 digits.
_DOUBLE = 350


def control_text(names: Names, columns: Sequence[Column], *, text_limit: int, for_oracle: bool) -> str:
    """Raises ConfigError for a column that cannot be loaded on Oracle, where that is the target."""
    width = max(len(column.name) for column in columns)
    fields = [f"  {column.name:{width}} {field_text(column, text_limit, for_oracle)}" for column in columns]
    return "".join(
        [
            *_limit_comment(columns, text_limit),
            "LOAD DATA\n",
            "CHARACTERSET AL32UTF8 LENGTH SEMANTICS CHAR\n",
            f"INFILE 'dat/{names.entry}.dat' \"STR '#EOR#\\n'\"\n",
            f"BADFILE 'dat/{names.entry}.bad'\n",
            "TRUNCATE\n",
            f"INTO TABLE {names.base_table}\n",
            "FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '\"'\n",
            "TRAILING NULLCOLS\n",
            "(\n",
            ",\n".join(fields),
            "\n)\n",
        ]
    )


def field_text(column: Column, text_limit: int, for_oracle: bool) -> str:
    """What stands after the column's name.

    Raw values stand in the file as hex: SQL*Loader is told so by an expression (oracle.md 6.4), other engines know
    it from the base table's column.
    """
    if column.kind == "number":
        return "DECIMAL EXTERNAL"
    if column.kind == "float":
        return f"FLOAT EXTERNAL({_DOUBLE})"
    if column.kind == "text":
        return f"CHAR({column.length or text_limit})"
    if column.kind == "raw":
        return _raw_text(column, text_limit, for_oracle)
    if column.kind == "date":
        return f'DATE "{_DATE}"'
    fraction = "FF9" if (column.precision or 0) > 6 else "FF6"
    if column.kind == "timestamp":
        return f'TIMESTAMP "{_DATE}.{fraction}"'
    return f'TIMESTAMP WITH TIME ZONE "{_DATE}.{fraction}TZH:TZM"'


def _raw_text(column: Column, text_limit: int, for_oracle: bool) -> str:
    if not for_oracle:
        return f"CHAR({column.length * 2 if column.length else text_limit})"
    if column.length is None or column.length > _LONGEST_HEX_BYTES:
        raise ConfigError(
            f"column {column.name}: a {column.type} of more than {_LONGEST_HEX_BYTES} bytes cannot be loaded from a"
            " text file.",
            next_step="Leave it out with a query of your own: --query FILE",
        )
    return f'CHAR({column.length * 2}) "HEXTORAW(:{column.name})"'


def _limit_comment(columns: Sequence[Column], text_limit: int) -> list[str]:
    unlimited = [column.name for column in columns if column.kind == "text" and column.length is None]
    if not unlimited:
        return []
    return [
        f"-- No length in the source: {', '.join(unlimited)}.\n",
        f"-- {text_limit} characters are the most that is taken, and memory for them is reserved per row.\n",
    ]
