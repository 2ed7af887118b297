"""SQL*Loader control files: what a ``.ctl`` means, or one error with the place that is not understood.

Rules that the words of a control file do not show (Oracle Utilities, SQL*Loader control file reference and
field list reference):

- A record ends with a newline unless INFILE is followed by ``"STR '...'"`` or ``"STR X'...'"``.
- A delimited field without a length holds at most 255; a longer value rejects its record.
- A column without a type is CHAR; a column with only an SQL expression still takes a field of the record
  (EXPRESSION does not).
- The mode (INSERT by default), FIELDS, WHEN and TRAILING NULLCOLS come in any order in practice, the
  mode before or after INTO TABLE. So order is free here, and a repeated clause is an error.

Words are understood or refused by name, never guessed: ``docs/control-files.md`` lists both. Date masks are
kept as written (``masks.parse_mask`` reads them), because SQL*Loader itself knows more of them.
"""

from __future__ import annotations

from pathlib import Path

from canvas_replicate.control_file.model import WHITE_SPACE, Condition, ControlFile, Delimiters, Field, Sequence
from canvas_replicate.control_file.parser import Parser
from canvas_replicate.control_file.words import CODE
from canvas_replicate.errors import ConfigError, Place

__all__ = [
    "WHITE_SPACE",
    "Condition",
    "ControlFile",
    "Delimiters",
    "Field",
    "Sequence",
    "build_oracle_ddl",
    "parse_control_file",
    "read_control_file",
    "rewrite_layout",
]


def read_control_file(path: Path) -> ControlFile:
    """Raises ConfigError when the file is missing, is not UTF-8 or has a word that is not understood."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"There is no control file {path}.", code=CODE, next_step=_find_other_case(path)) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}.", place=Place(path), code=CODE) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError("this line is not UTF-8 text.", place=Place(path, line), code=CODE) from error
    return parse_control_file(text.replace("\r\n", "\n"), path)


def _find_other_case(path: Path) -> str:
    """What to do about a missing file: rename the one that is written in other case, if there is one."""
    names = [each.name for each in path.parent.glob("*") if each.name.lower() == path.name.lower()]
    return f"Rename {path.with_name(names[0])} to {path.name}." if names else "Write it, or take the table out."


def parse_control_file(text: str, file: Path | str) -> ControlFile:
    """Raises ConfigError with file, line and column of the first word that is not understood."""
    return Parser(text, file).parse()


def rewrite_layout(text: str, file: Path | str) -> str:
    """The control file with the layout of our data files: same columns, types, masks and expressions.

    Raises ConfigError for a word that is not understood, and where more than the layout would change.
    """
    return Parser(text, file, rewriting=True).rewrite()


def build_oracle_ddl(control: ControlFile, base_table: str, view: str) -> str:
    """The table and view that a control file implies, for a table without a ddl file."""
    columns = [field for field in control.fields if not field.filler]
    body = ",\n".join(f"  {field.name} {_format_oracle_type(field)}" for field in columns)
    names = ", ".join(field.name for field in columns)
    return (
        f"CREATE TABLE {base_table} (\n{body}\n);\n"
        f"CREATE MATERIALIZED VIEW {view} AS SELECT {names} FROM {base_table};\n"
    )


def _format_oracle_type(field: Field) -> str:
    if field.kind in ("number", "recnum", "sequence"):
        return "NUMBER"
    if field.kind in ("date", "sysdate"):
        return "DATE"
    if field.kind == "timestamp":
        return "TIMESTAMP(9)" if "FF9" in (field.mask or "").upper() else "TIMESTAMP(6)"
    if field.kind == "timestamp_tz":
        return "TIMESTAMP(6) WITH TIME ZONE"
    return f"VARCHAR2({field.length} CHAR)" if field.length <= 4000 else "CLOB"
