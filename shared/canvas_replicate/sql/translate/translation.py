"""Parses Oracle's query, rewrites constructs without a counterpart, and writes it by the rules."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from sqlglot import exp
from sqlglot.dialects.oracle import Oracle
from sqlglot.errors import ParseError
from sqlglot.parsers.oracle import OracleParser
from sqlglot.tokenizer_core import Token, TokenType

from canvas_replicate.errors import ConfigError
from canvas_replicate.sql.syntax import check_query, tokenize
from canvas_replicate.sql.syntax_error import SqlSyntaxError

# Imported for the rules that they register; the other modules with rules come with them.
from canvas_replicate.sql.translate import conditions, functions  # noqa: F401
from canvas_replicate.sql.translate.outer_joins import convert_marks_to_joins
from canvas_replicate.sql.translate.refusals import NotPortable
from canvas_replicate.sql.translate.rownum import convert_rownum_to_fetch, refuse_fetch_from_sorted
from canvas_replicate.sql.translate.rules import write
from canvas_replicate.sql.translate.terms import Engine


class _AsWritten(Oracle):
    """Oracle's grammar, every function left under the name and with the arguments it was written with."""

    class Parser(OracleParser):
        FUNCTIONS = {}  # noqa: RUF012 (the name and form that sqlglot looks for)
        FUNCTION_PARSERS = {  # noqa: RUF012
            name: OracleParser.FUNCTION_PARSERS[name] for name in ("CAST", "EXTRACT", "TRIM", "LISTAGG")
        }


def write_query(sql: str, engine: Engine) -> str:
    try:
        check_query(sql)
    except SqlSyntaxError as error:
        if error.construct:
            raise NotPortable(error.construct, f"line {error.line}, column {error.column}") from None
        raise ConfigError(f"SQL, {error}", code="sql.syntax") from None
    tokens = tokenize(sql)
    _refuse_joined_numbers(tokens)
    try:
        tree = _AsWritten().parser().parse(tokens, sql)[0]
        if tree is None:
            raise NotPortable("an empty query")
        for select in list(tree.find_all(exp.Select)):
            refuse_fetch_from_sorted(select)
            convert_rownum_to_fetch(select)
            convert_marks_to_joins(select)
        return write(tree, engine).sql
    except ParseError as error:
        found = error.errors[0]
        raise NotPortable(f"the syntax at {found['highlight']!r}", f"line {found['line']}") from None
    except RecursionError:
        raise NotPortable("a query nested this deeply") from None


def _refuse_joined_numbers(tokens: Sequence[Token]) -> None:
    """``1d`` is a BINARY_DOUBLE in Oracle; sqlglot reads the number 1 with the alias d."""
    for number, after in pairwise(tokens):
        if number.token_type == TokenType.NUMBER and after.text[:1].isidentifier() and after.start == number.end + 1:
            raise NotPortable("a number with letters", f"{number.text}{after.text}")
