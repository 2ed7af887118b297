"""Queries of the configuration that name a term: ``$varbl1`` in the SQL, and where the SQL is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from canvas_replicate.config.yaml_file import YamlNode
from canvas_replicate.errors import ConfigError
from canvas_replicate.sql.quoting import compile_outside
from canvas_replicate.sql.syntax_error import SqlSyntaxError, position
from canvas_replicate.suggest import did_you_mean

# What is held against Oracle's grammar: the whole query; that it is one query, where Oracle itself runs it as written;
# or nothing, for SQL in another dialect. What our parser may not know is left to the table's own run.
SqlCheck = Literal["query", "statement", "nothing"]

_VARIABLE = re.compile(r"\$varbl1(?!\w)")
_OUTSIDE = compile_outside(_VARIABLE.pattern)
_PLACEHOLDER = compile_outside(r"(?<![\w$\#])(?:\$[A-Za-z_]\w*|\$\{\s*\w+\s*\})")  # v$session is a name
# Binds and variables of SQL*Plus. A colon after a text or a name is one of JSON_OBJECT.
_UNFILLED = compile_outside(r"(?<![:\w'\"\]$\#]):[A-Za-z]\w*|&&?[A-Za-z]\w*")


def has_query(keys: Mapping[str, YamlNode]) -> bool:
    """Whether the entry has all that ``build_query`` reads, as text."""
    nodes = [keys.get("sql"), keys.get("varbl1", keys.get("sql"))]
    return all(node is not None and isinstance(node.value, str) for node in nodes)


def build_query(what: str, keys: Mapping[str, YamlNode], terms: Mapping[str, str], *, check: SqlCheck) -> str:
    """The ``sql`` with the term that ``varbl1`` names in the place of ``$varbl1``. ``what`` names the entry in errors.

    Raises ConfigError with the place of a wrong placeholder, an unknown term, or of a mistake that ``check`` finds.
    """
    node = keys["sql"]
    sql = node.text()
    term_name = keys["varbl1"].stripped or None if "varbl1" in keys else None
    _check_placeholders(what, node, sql, term_name)
    if term_name is None:
        term = ""
    elif term_name in terms:
        term = terms[term_name]
    else:
        raise keys["varbl1"].error(f"{what}: no term {term_name!r}.", did_you_mean(term_name, terms))
    query = _fill(sql, term) if term_name is not None else sql
    if check != "nothing":
        _check_unfilled(what, node, sql)
        _check_syntax(what, node, sql, query, term, check)
    return query.strip()


def _fill(sql: str, term: str) -> str:
    for start in reversed(_find_variables(sql)):
        sql = sql[:start] + term + sql[start + len("$varbl1") :]
    return sql


def _find_variables(sql: str) -> list[int]:
    """Where each ``$varbl1`` starts. In a text it is one as well, as in the original; in a comment it is none."""
    starts: list[int] = []
    for match in _OUTSIDE.finditer(sql):
        if not match[0].startswith(("--", "/*")):
            starts += [match.start() + inner.start() for inner in _VARIABLE.finditer(match[0])]
    return starts


def _find(pattern: re.Pattern[str], sql: str) -> list[re.Match[str]]:
    return [match for match in pattern.finditer(sql) if match["found"]]


def _refuse(what: str, node: YamlNode, sql: str, match: re.Match[str], step: str) -> ConfigError:
    place = node.place_at(*position(sql, match.start("found")))
    return ConfigError(f"{what}: the sql has {match['found']!r}.", place=place, next_step=step)


def _check_unfilled(what: str, node: YamlNode, sql: str) -> None:
    for match in _find(_UNFILLED, sql):
        if match["found"][0] == ":" and re.search(r"\bJSON(?:_\w+)?\s*[({]", sql, re.IGNORECASE):
            continue
        kind = "a bind variable" if match["found"][0] == ":" else "a variable of SQL*Plus"
        step = f"Nothing fills {kind} here: write the value, or $varbl1 with the name of a term in varbl1."
        raise _refuse(what, node, sql, match, step)


def _check_placeholders(what: str, node: YamlNode, sql: str, term_name: str | None) -> None:
    for match in _find(_PLACEHOLDER, sql):
        if match["found"] != "$varbl1":
            is_braced = re.sub(r"[{}\s]", "", match["found"]) == "$varbl1"
            step = "Write $varbl1." if is_braced else "The only placeholder is '$varbl1'."
            raise _refuse(what, node, sql, match, step)
    variables = _find_variables(sql)
    if variables and term_name is None:
        place = node.place_at(*position(sql, variables[0]))
        step = "Give varbl1 the name of a term."
        raise ConfigError(f"{what}: the sql has $varbl1, but varbl1 is empty.", place=place, next_step=step)
    if term_name is not None and not variables:
        step = "Write $varbl1 where the term belongs, or leave varbl1 empty."
        raise node.key_error(f"{what}: varbl1 is {term_name!r}, but the sql has no $varbl1.", step)


def _check_syntax(what: str, node: YamlNode, sql: str, query: str, term: str, check: SqlCheck) -> None:
    from canvas_replicate.sql.syntax import check_query, check_statement  # the parser is costly to import

    try:
        if check == "statement":
            check_statement(query)
        else:
            check_query(query)
    except SqlSyntaxError as error:
        if not error.is_certain:
            return
        line, column = _find_place_before_substitution(sql, query, term, error.line, error.column)
        in_term = _VARIABLE.match(sql.split("\n")[line - 1], column - 1)
        step = f"{error.suggestion} ($varbl1 is {term} here.)" if in_term else error.suggestion
        place = node.place_at(line, column)
        raise ConfigError(f"{what}: {error.message}", place=place, next_step=step) from None


def _find_place_before_substitution(sql: str, query: str, term: str, line: int, column: int) -> tuple[int, int]:
    """Where in ``sql`` that place of ``query`` comes from; within a term, where its placeholder is."""
    offset = sum(len(text) + 1 for text in query.split("\n")[: line - 1]) + column - 1
    grown = 0
    for start in _find_variables(sql):
        if offset < start + grown:
            break
        if offset < start + grown + len(term):
            return position(sql, start)
        grown += len(term) - len("$varbl1")
    return position(sql, offset - grown)
