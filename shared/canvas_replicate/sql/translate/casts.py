"""CAST and TO_NUMBER."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from canvas_replicate.sql.translate.refusals import NotPortable
from canvas_replicate.sql.translate.rules import rule, write
from canvas_replicate.sql.translate.terms import Engine, Kind, Term, find_family, require_date, require_text


@rule(exp.Cast, "this", "to")
def _write_cast(node: exp.Cast, engine: Engine) -> Term:
    value, to = write(node.this, engine), node.args["to"]
    sizes = [part.this.name if isinstance(part.this, exp.Literal) else "*" for part in to.expressions]
    star_allowed = to.this == exp.DType.DECIMAL
    if not all(size.isdigit() or (size == "*" and star_allowed) for size in sizes):
        raise NotPortable("CAST with a size that is not a number", to.sql("oracle"))
    if to.this == exp.DType.DATE:
        return _cast_to_date(value, engine)
    if to.this in (exp.DType.VARCHAR, exp.DType.NVARCHAR):
        unit = next((part.expression.name.upper() for part in to.expressions if part.args.get("expression")), "")
        in_characters = unit == "CHAR" or to.this == exp.DType.NVARCHAR
        return _cast_to_text(value, int(sizes[0]) if sizes else 0, in_characters)
    if to.this == exp.DType.DECIMAL:
        return _cast_to_number(value, sizes, engine)
    if to.this in (exp.DType.INT, exp.DType.SMALLINT):
        return _cast_to_number(value, ["*", "0"], engine)
    raise NotPortable(f"CAST to {to.this.value}")


def _cast_to_date(value: Term, engine: Engine) -> Term:
    """Oracle's DATE holds the time of day, to the second; CAST cuts fractions off."""
    date = require_date(value, "CAST to DATE", engine)
    if value.kind == "null":
        return Term(date, "date")
    return Term(f"date_trunc('second', {date})", "day" if value.kind == "day" else "date")


def _cast_to_text(value: Term, length: int, in_characters: bool) -> Term:
    """CAST cuts what is too long. A length in bytes could cut elsewhere, unless the text is known and ASCII."""
    if value.kind == "null":
        return Term("CAST(NULL AS VARCHAR)", "null")
    text = require_text(value, "CAST to VARCHAR2")
    if value.literal and value.literal.isascii() and length >= len(value.literal):
        return value
    if not in_characters or not length:
        raise NotPortable("CAST to VARCHAR2 in bytes", "write VARCHAR2(n CHAR)")
    return Term(f"substr({text}, 1, {length})", "text")


def _cast_to_number(value: Term, sizes: Sequence[str], engine: Engine) -> Term:
    if value.kind not in ("number", "text", "null", None):
        raise NotPortable(f"CAST of a {find_family(value)} to NUMBER")
    if not sizes:
        if engine == "duckdb":
            raise NotPortable("CAST to NUMBER without precision", "DuckDB's numbers have a fixed scale: NUMBER(p,s)")
        return Term(f"CAST({value} AS numeric)", "number", width="?")
    precision, scale = 38 if sizes[0] == "*" else int(sizes[0]), int(sizes[1]) if len(sizes) > 1 else 0
    if not 0 <= scale <= precision <= 38:
        raise NotPortable("NUMBER with more scale than precision", f"NUMBER({precision},{scale})")
    kind: Kind = "null" if value.kind == "null" else "number"
    return Term(f"CAST({value} AS DECIMAL({precision}, {scale}))", kind, width=f"DECIMAL({precision},{scale})")


def to_number(terms: Sequence[Term], engine: Engine) -> Term:
    if engine == "duckdb":
        raise NotPortable("the function TO_NUMBER", "DuckDB's numbers have a fixed scale: CAST(x AS NUMBER(p,s))")
    return _cast_to_number(terms[0], [], engine)
