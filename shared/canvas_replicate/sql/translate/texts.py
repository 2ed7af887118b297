"""``||``, TRIM, and the functions on text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import exp

from canvas_replicate.sql.translate.refusals import NotPortable
from canvas_replicate.sql.translate.rules import rule, write
from canvas_replicate.sql.translate.terms import (
    NULL,
    Engine,
    Term,
    ensure_text,
    require_number,
    require_text,
    write_not_empty,
    write_text,
)


@rule(exp.DPipe, "this", "expression", "safe")
def _write_concatenated(node: exp.DPipe, engine: Engine) -> Term:
    """``||`` ignores NULL; a result without characters is NULL (Oracle SQL Language Reference, Concatenation
    Operator).

    It has the same precedence as + and -, which sqlglot does not know, so a sum next to it must be in parentheses.
    """
    parts = list(node.flatten(unnest=False))
    if any(isinstance(part, exp.Add | exp.Sub) for part in parts):
        raise NotPortable("|| beside + or -", "put the sum in parentheses")
    return write_concat([_write_whole_number(part, write(part, engine)) for part in parts], engine)


def _write_whole_number(node: exp.Expr, term: Term) -> Term:
    """CAST to NUMBER(p,0) is the one number whose text is known: its digits, in every session and engine."""
    if isinstance(node, exp.Cast) and term.kind == "number" and term.width.endswith(",0)"):
        return Term(f"CAST({term} AS VARCHAR)", "text")
    return term


def write_concat(terms: Sequence[Term], engine: Engine) -> Term:
    for term in terms:
        require_text(term, "||")
    texts = [ensure_text(term) for term in terms if term.kind != "null"]
    if not texts:
        return NULL
    sql = f"concat({', '.join(texts)})"
    return Term(sql if any(term.literal for term in terms) else f"NULLIF({sql}, '')", "text")


@rule(exp.Trim, "this", "expression", "position")
def _write_trim(node: exp.Trim, engine: Engine) -> Term:
    """TRIM takes one character, a blank if none is named; other white space stays."""
    value = write(node.this, engine)
    what = write(node.expression, engine) if node.args.get("expression") else write_text(" ")
    if what.kind != "text" or len(what.literal or "") != 1:
        raise NotPortable("TRIM of more than one character")
    function = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or ""), "trim")
    if function == "trim" and engine == "postgresql":
        function = "btrim"
    return write_not_empty(f"{function}({require_text(value, 'TRIM')}, {what})")


def write_upper(terms: Sequence[Term], engine: Engine) -> Term:
    return Term(_write_upper(require_text(terms[0], "UPPER"), engine), "text")


def _write_upper(text: str, engine: Engine) -> str:
    """Oracle leaves a sharp s alone; DuckDB makes the capital one of it."""
    return f"replace(upper({text}), 'ẞ', 'ß')" if engine == "duckdb" else f"upper({text})"


def write_lower(terms: Sequence[Term], engine: Engine) -> Term:
    return Term(f"lower({require_text(terms[0], 'LOWER')})", "text")


def write_initcap(terms: Sequence[Term], engine: Engine) -> Term:
    """A word is a run of letters and digits. DuckDB has no such function."""
    text = require_text(terms[0], "INITCAP")
    if engine == "postgresql":
        return Term(f"initcap({text})", "text")
    words = rf"regexp_extract_all({text}, '[\p{{L}}\p{{N}}]+|[^\p{{L}}\p{{N}}]+')"
    word = f"{_write_upper('w[1]', engine)} || lower(w[2:])"
    return Term(f"array_to_string(list_transform({words}, lambda w: {word}), '')", "text")


def write_length(terms: Sequence[Term], engine: Engine) -> Term:
    return Term(f"length({require_text(terms[0], 'LENGTH')})", "number")


def write_substr(terms: Sequence[Term], engine: Engine) -> Term:
    """Position 0 counts as 1, a negative one from the end; outside the text, or shorter than 1, is NULL."""
    text, start = require_text(terms[0], "SUBSTR"), terms[1]
    if any(term.literal and not re.fullmatch(r"-?\d+", term.literal) for term in terms[1:]):
        raise NotPortable("SUBSTR at a fraction")
    size = f", {require_number(terms[2], 'SUBSTR')}" if len(terms) > 2 else ""
    if start.literal:
        sql = _write_substr_at(text, int(start.literal), size)
    else:
        at = require_number(start, "SUBSTR")
        sql = (
            f"CASE WHEN {at} > 0 THEN substr({text}, {at}{size}) WHEN {at} = 0 THEN substr({text}, 1{size})"
            f" WHEN -{at} <= length({text}) THEN substr({text}, length({text}) + {at} + 1{size}) END"
        )
    if not size:
        return write_not_empty(sql)
    if terms[2].literal:
        return write_not_empty(sql) if int(terms[2].literal) >= 1 else Term("CAST(NULL AS VARCHAR)", "text")
    return write_not_empty(f"CASE WHEN {terms[2]} >= 1 THEN {sql} END")


def _write_substr_at(text: str, at: int, size: str) -> str:
    if at >= 0:
        return f"substr({text}, {max(at, 1)}{size})"
    return f"CASE WHEN length({text}) >= {-at} THEN substr({text}, length({text}) - {-at - 1}{size}) END"


def write_instr(terms: Sequence[Term], engine: Engine) -> Term:
    if any(term.literal != "1" for term in terms[2:]):
        raise NotPortable("INSTR with a position or an occurrence")
    function = "instr" if engine == "duckdb" else "strpos"
    if terms[1].kind == "null":
        return Term("CAST(NULL AS INTEGER)", "number")
    return Term(f"{function}({require_text(terms[0], 'INSTR')}, {require_text(terms[1], 'INSTR')})", "number")


def trim_side(name: str, terms: Sequence[Term], engine: Engine) -> Term:
    characters = terms[1] if len(terms) > 1 else write_text(" ")
    if not characters.literal or characters.kind != "text":
        raise NotPortable(f"{name.upper()} with a computed set")
    return write_not_empty(f"{name}({require_text(terms[0], name.upper())}, {characters})")


def pad(name: str, terms: Sequence[Term], engine: Engine) -> Term:
    fill = terms[2] if len(terms) > 2 else write_text(" ")
    if not fill.literal or fill.kind != "text" or not re.fullmatch(r"-?\d+", terms[1].literal or ""):
        raise NotPortable(f"{name.upper()} with a computed length or filling")
    return write_not_empty(f"{name}({require_text(terms[0], name.upper())}, {terms[1]}, {fill})")


def replace(terms: Sequence[Term], engine: Engine) -> Term:
    text, search = require_text(terms[0], "REPLACE"), terms[1]
    if not search.literal or search.kind != "text":
        raise NotPortable("REPLACE of a computed text")
    by = terms[2] if len(terms) > 2 else NULL
    new = "''" if by.kind == "null" else by.sql if by.literal else f"coalesce({require_text(by, 'REPLACE')}, '')"
    return write_not_empty(f"replace({text}, {search}, {new})")


# Characters that mean one thing in Oracle's, RE2's and PostgreSQL's regular expressions. Not among them: the point
# and [^…], which may or may not take a newline, and classes, which differ beyond ASCII.
_SAFE_PATTERN = re.compile(
    r"""(?: (?: [A-Za-z0-9 _,:;@\#/<>=%&~!"'-] | \\[.$^*+?()\[\]{}|\\-]
          | \[ (?:[A-Za-z0-9]-[A-Za-z0-9] | [A-Za-z0-9 _.,:;@/])+ -? \] | \) )
          (?: [*+?] | \{\d{1,2}(?:,\d{0,2})?\} )?
        | \( | \| | \^ | \$ )*""",
    re.VERBOSE,
)


def write_regexp_like(terms: Sequence[Term], engine: Engine) -> Term:
    pattern = terms[1].literal or ""
    if len(terms) > 2 and terms[2].literal != "c":
        raise NotPortable("REGEXP_LIKE with a match parameter")
    if not pattern or not _SAFE_PATTERN.fullmatch(pattern) or not _is_pattern(pattern):
        why = "engines differ on . \\d [^…] [:class:] and on what is computed"
        raise NotPortable("REGEXP_LIKE with this pattern", why)
    text = require_text(terms[0], "REGEXP_LIKE")
    return Term(f"regexp_matches({text}, {terms[1]})" if engine == "duckdb" else f"{text} ~ {terms[1]}", "condition")


def _is_pattern(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True
