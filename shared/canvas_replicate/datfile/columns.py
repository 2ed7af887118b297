"""Column types as Oracle names them: the one vocabulary of queries, files, manifests and tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["number", "float", "text", "date", "timestamp", "timestamp_tz", "raw"]

_TYPE = re.compile(
    r"""^(?P<name>[A-Z0-9_]+)
        (?:\(\s*(?P<first>\d+|\*)\s*(?P<unit>CHAR|BYTE)?\s*(?:,\s*(?P<second>-?\d+)\s*)?\))?
        (?P<rest>(?:\s+[A-Z]+)*)$""",
    re.VERBOSE,
)
_TEXT = {"VARCHAR2", "NVARCHAR2", "VARCHAR", "CHAR", "NCHAR", "CLOB", "NCLOB", "LONG", "XMLTYPE"}
_UNBOUNDED = {"CLOB", "NCLOB", "LONG", "XMLTYPE"}
_FLOAT = {"FLOAT", "BINARY_DOUBLE", "BINARY_FLOAT", "REAL"}
_INTEGER = {"INTEGER", "INT", "SMALLINT"}


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: lower case, as people write it in SQL.
        kind: the family of its values; it decides their form in a ``.dat`` file.
        type: Oracle's spelling, such as ``NUMBER(10,2)`` or ``TIMESTAMP(6) WITH TIME ZONE``.
        precision: digits of a number (None: unconstrained), or of a timestamp's fraction.
        scale: digits after the point (None: unconstrained).
        length: the most characters of a text, or the most bytes of a raw (None: no limit).
        nullable: False for NOT NULL.
    """

    name: str
    kind: Kind
    type: str
    precision: int | None = None
    scale: int | None = None
    length: int | None = None
    nullable: bool = True


def column_from_oracle_type(name: str, oracle_type: str, *, nullable: bool = True) -> Column:
    """Read ``VARCHAR2(30 CHAR)``, ``NUMBER(10,2)``, ``DATE`` and their like.

    Lengths count characters (with BYTE semantics Oracle itself has the last word). Raises ValueError for
    a type that has no place in a ``.dat`` file.
    """
    text = " ".join(oracle_type.upper().split())
    match = _TYPE.match(re.sub(r"^(TIMESTAMP) WITH", r"\1(6) WITH", text))
    if match is None:
        raise ValueError(f"{oracle_type!r} is not a column type that is known here")
    base, rest = match["name"], match["rest"].strip()
    first = int(match["first"]) if match["first"] not in (None, "*") else None
    second = int(match["second"]) if match["second"] is not None else None

    def column(kind: Kind, precision: int | None = None, scale: int | None = None, length: int | None = None) -> Column:
        return Column(name.lower(), kind, text, precision, scale, length, nullable)

    if base == "TIMESTAMP" and rest in ("", "WITH TIME ZONE", "WITH LOCAL TIME ZONE"):
        return column("timestamp_tz" if rest else "timestamp", precision=6 if first is None else first)
    if rest:
        raise ValueError(f"{oracle_type!r} is not a column type that is known here")
    if base in ("NUMBER", "NUMERIC", "DECIMAL"):
        if match["first"] == "*":
            return column("number", 38, second or 0)
        return column("number", first, second if first is None else second or 0)
    if base in _INTEGER:
        return column("number", 38, 0)
    if base in _FLOAT:
        return column("float")
    if base in _TEXT:
        length = None if base in _UNBOUNDED else first or 1
        return column("text", length=length)
    if base == "DATE":
        return column("date")
    if base == "RAW":
        return column("raw", length=first)
    if base == "BLOB":
        return column("raw")
    raise ValueError(f"{oracle_type!r} is not a column type that is known here")
