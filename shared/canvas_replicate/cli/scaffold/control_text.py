"""A control file for the ``.dat`` files that the extractor writes (docs/control-files.md)."""

from __future__ import annotations

from collections.abc import Sequence

from canvas_replicate.cli.scaffold.names import Names
from canvas_replicate.control_file.field_text import field_text
from canvas_replicate.datfile.columns import Column


def control_text(names: Names, columns: Sequence[Column], *, text_limit: int, for_oracle: bool) -> str:
    """Raises ConfigError for a column that cannot be loaded on Oracle, where that is the target."""
    width = max(len(column.name) for column in columns)
    fields = [f"  {column.name:{width}} {field_text(column, text_limit, for_oracle)}" for column in columns]
    return "".join(
        [
            *_format_limit_comment(columns, text_limit),
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


def _format_limit_comment(columns: Sequence[Column], text_limit: int) -> list[str]:
    unlimited = [column.name for column in columns if column.kind == "text" and column.length is None]
    if not unlimited:
        return []
    return [
        f"-- No length in the source: {', '.join(unlimited)}.\n",
        f"-- {text_limit} characters are the most that is taken, and memory for them is reserved per row.\n",
    ]
