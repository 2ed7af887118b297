"""The control file of one run, written from what the user's control file means.

Oracle Utilities, SQL*Loader control file reference and field list reference. What SQL*Loader would otherwise take
from its environment or its release is written out: character set, lengths in characters, type and length of each field.
The text is ASCII, because SQL*Loader reads control files in the character set of NLS_LANG and data files in that
of CHARACTERSET.
"""

from __future__ import annotations

import re
from pathlib import Path

from canvas_replicate.control_file import Condition, ControlFile, Delimiters, Field
from canvas_replicate.errors import ConfigError, Place

# The options of a user's file that only change the speed; the loader decides all others.
_TUNING = (
    *("bindsize", "columnarrayrows", "date_cache", "direct", "multithreading", "readsize", "rows"),
    *("skip_unusable_indexes", "streamsize"),
)
_CONSTANT_QUOTES = ("'", '"')
_MASK_QUOTES = ('"', "'")
# Quotation marks, blanks, commas, parentheses, ``=``, ``#``, ``*``, ``?``, ``@``, ``$`` and backslashes each have a
# meaning of their own in at least one of these places.
_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")
_IN_THE_QUERY = "Let the query select it as a column instead."


def write_control_file(control: ControlFile, *, schema: str | None, data: Path) -> str:
    """``schema`` wins over the file's own. OPTIONS, BADFILE and DISCARDFILE are left to the parameter file.

    INFILE holds the path, because the record end belongs to INFILE: a ``data=`` parameter would lose it.
    Raises ConfigError for a path, name or text that cannot be passed to SQL*Loader unchanged.
    """
    place = Place(control.file)
    owner_and_table = [name for name in (schema or control.schema, control.table) if name]
    lines = [
        "LOAD DATA",
        "CHARACTERSET AL32UTF8 LENGTH SEMANTICS CHAR",
        f"INFILE '{require_plain_path(data)}' \"STR X'{control.record_end.hex().upper()}'\"",
        control.mode,
        "PRESERVE BLANKS" if control.preserve_blanks else "",
        f"INTO TABLE {'.'.join(_write_name(name, place) for name in owner_and_table)}",
        f"WHEN {_write_conditions(control.when, place)}" if control.when else "",
        f"FIELDS {_write_delimiters(control.delimiters)}",
        "TRAILING NULLCOLS" if control.trailing_nullcols else "",
        "(",
        ",\n".join(f"  {_write_field(entry, control)}" for entry in control.fields),
        ")",
    ]
    return "".join(f"{line}\n" for line in lines if line)


def list_tuning_options(control: ControlFile) -> dict[str, str]:
    """Those of the user's OPTIONS that only tune, as parameters."""
    options = {name: control.options[name] for name in _TUNING if name in control.options}
    return {name: str(value).upper() for name, value in options.items()}


def _write_field(entry: Field, control: ControlFile) -> str:
    place = Place(control.file, entry.line or None)
    delimiters = entry.delimiters
    if entry.kind in ("date", "timestamp", "timestamp_tz") and entry.mask is None:
        # Otherwise an expression right after the type would be taken for its mask.
        delimiters = delimiters or control.delimiters
    words = [
        _write_name(entry.name, place),
        "BOUNDFILLER" if entry.bound_filler else "FILLER" if entry.filler else "",
        _write_type(entry, place),
        _write_delimiters(delimiters) if delimiters else "",
        f"NULLIF {_write_conditions(entry.nullif, place)}" if entry.nullif else "",
        _write_sql(entry.expression, place) if entry.expression is not None and not entry.is_generated else "",
    ]
    return " ".join(word for word in words if word)


def _write_type(entry: Field, place: Place) -> str:
    mask = "" if entry.mask is None else " " + _quote(entry.mask, _MASK_QUOTES, place)
    match entry.kind:
        case "char":
            return f"CHAR({entry.length})"
        case "number":
            return f"DECIMAL EXTERNAL({entry.length})"
        case "date":
            return f"DATE({entry.length}){mask}"
        case "timestamp":
            return f"TIMESTAMP{mask}"
        case "timestamp_tz":
            return f"TIMESTAMP WITH TIME ZONE{mask}"
        case "constant":
            return f"CONSTANT {_quote(entry.constant or '', _CONSTANT_QUOTES, place)}"
        case "expression":
            return f"EXPRESSION {_write_sql(entry.expression or '', place)}"
        case "sequence" if entry.sequence:
            return f"SEQUENCE({entry.sequence.start},{entry.sequence.increment})"
        case _:
            return entry.kind.upper()


def _write_delimiters(delimiters: Delimiters) -> str:
    terminated = f"TERMINATED BY {_write_text(delimiters.terminator)}"
    if delimiters.enclosure is None:
        return terminated
    optionally = "OPTIONALLY " if delimiters.optionally_enclosed else ""
    closing = f" AND {_write_text(delimiters.closing)}" if delimiters.closing else ""
    return f"{terminated} {optionally}ENCLOSED BY {_write_text(delimiters.enclosure)}{closing}"


def _write_conditions(conditions: tuple[Condition, ...], place: Place) -> str:
    return " AND ".join(
        f"({_write_name(one.column, place)} {one.operator} {'BLANKS' if one.value is None else _write_text(one.value)})"
        for one in conditions
    )


def _write_name(name: str, place: Place) -> str:
    """Always in quotation marks, so that SQL*Loader reads no name as a keyword."""
    if not name.isascii() or not name.isprintable() or '"' in name or "\\" in name:
        raise _refuse(f"the name {name!r}", place, "Names of tables and columns have ASCII characters here.")
    return f'"{name.upper()}"'


def _write_text(text: str) -> str:
    """A delimiter or a text to compare with; as bytes where quotation marks would leave something open."""
    if text.isascii() and text.isprintable() and not {"'", "\\"} & set(text):
        return f"'{text}'"
    return f"X'{text.encode().hex().upper()}'"


def _quote(text: str, quotation_marks: tuple[str, str], place: Place) -> str:
    """A constant or a mask, within the first of the quotation marks that it does not hold."""
    quote = next((quote for quote in quotation_marks if quote not in text), None)
    if not text.isascii() or quote is None or "\\" in text:
        raise _refuse(f"the text {text!r}", place, _IN_THE_QUERY)
    return f"{quote}{text}{quote}"


def _write_sql(text: str, place: Place) -> str:
    if not text.isascii() or '\\"' in text or text.endswith("\\"):
        raise _refuse(f"the expression {text!r}", place, _IN_THE_QUERY)
    escaped = text.replace('"', '\\"')
    return f'"{escaped}"'


def _refuse(what: str, place: Place, next_step: str) -> ConfigError:
    problem = f"{what} cannot be passed to SQL*Loader unchanged."
    return ConfigError(problem, place=place, code="sqlldr.control_file", next_step=next_step)


def require_plain_path(path: Path) -> str:
    """Return the path as text for files that SQL*Loader reads. Raises ConfigError for one that would need quoting."""
    text = str(path)
    if not _PLAIN.fullmatch(text):
        problem = f"SQL*Loader cannot be given the path {text!r}."
        step = "Choose a REPLICATE_DATA_DIR of letters, digits and . _ - / only."
        raise ConfigError(problem, code="sqlldr.path", next_step=step)
    return text
