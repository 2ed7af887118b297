"""CASE, DECODE, NVL and the other functions that give one of their arguments."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from canvas_replicate.sql.translate.refusals import NotPortable
from canvas_replicate.sql.translate.rules import rule, write
from canvas_replicate.sql.translate.terms import NULL, Engine, Term, find_kind, require_equal, require_unified


@rule(exp.Case, "this", "ifs", "default")
def _write_case(node: exp.Case, engine: Engine) -> Term:
    default = node.args.get("default")
    results = [write(branch.args["true"], engine) for branch in node.args["ifs"]]
    results += [write(default, engine)] if default else []
    tests = [write(branch.this, engine) for branch in node.args["ifs"]]
    if node.this is None:
        return write_case([test.sql for test in tests], results, engine, "CASE")
    subject, *values = require_equal([write(node.this, engine), *tests], "CASE", engine)
    return write_case(values, results, engine, "CASE", subject)


def write_case(tests: Sequence[str], results: Sequence[Term], engine: Engine, where: str, subject: str = "") -> Term:
    values = require_unified(results, where, engine)
    branches = [f"WHEN {test} THEN {value}" for test, value in zip(tests, values, strict=False)]
    otherwise = [f"ELSE {values[-1]}"] if len(values) > len(branches) else []
    kind, width = find_kind(results)
    return Term(" ".join(filter(None, ["CASE", subject, *branches, *otherwise, "END"])), kind, width=width)


def write_nvl(terms: Sequence[Term], engine: Engine) -> Term:
    kind, width = find_kind(terms)
    if all(term.kind == "null" for term in terms):
        return NULL
    return Term(f"COALESCE({', '.join(require_unified(terms, 'COALESCE', engine))})", kind, width=width)


def write_nvl2(terms: Sequence[Term], engine: Engine) -> Term:
    return write_case([f"{terms[0]} IS NOT NULL"], terms[1:], engine, "NVL2")


def decode(terms: Sequence[Term], engine: Engine) -> Term:
    """DECODE finds NULL equal to NULL, which CASE does not."""
    rest = terms[1:]
    searches, results = rest[0 : len(rest) // 2 * 2 : 2], [*rest[1::2], *(rest[-1:] if len(rest) % 2 else [])]
    if results[0].kind == "null" and any(result.kind not in ("null", "text") for result in results):
        raise NotPortable("DECODE with NULL as first result", "Oracle then makes text of the others; write CASE")
    subject, *values = require_equal([terms[0], *searches], "DECODE", engine)
    return write_case(
        [_decode_test(subject, *pair) for pair in zip(searches, values, strict=True)], results, engine, "DECODE"
    )


def _decode_test(subject: str, search: Term, value: str) -> str:
    if search.kind == "null":
        return f"{subject} IS NULL"
    return f"{subject} = {value}" if search.literal else f"{subject} IS NOT DISTINCT FROM {value}"


def write_nullif(terms: Sequence[Term], engine: Engine) -> Term:
    left, right = require_equal(terms, "NULLIF", engine)
    if terms[0].kind == "null":
        raise NotPortable("NULLIF of NULL")
    return Term(f"NULLIF({left}, {right})", terms[0].kind, width=terms[0].width)


def write_extreme(name: str, terms: Sequence[Term], engine: Engine) -> Term:
    """Oracle's GREATEST and LEAST are NULL as soon as one argument is; the engines skip NULL."""
    values = require_unified(terms, name, engine)
    if any(term.kind == "null" for term in terms):
        raise NotPortable(f"{name} with NULL", "it is always NULL")
    checked = [value for term, value in zip(terms, values, strict=True) if term.literal is None]
    kind, width = find_kind(terms)
    sql = f"{name}({', '.join(values)})"
    if checked:
        sql = f"CASE WHEN {' AND '.join(f'{value} IS NOT NULL' for value in checked)} THEN {sql} END"
    return Term(sql, kind, width=width)
