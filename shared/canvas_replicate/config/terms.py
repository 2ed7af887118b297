"""Queries of the configuration that name a term: ``$varbl1`` in the SQL, and where the SQL is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from canvas_replicate.config.yaml_file import YamlNode
from canvas_replicate.errors import ConfigError
from canvas_replicate.sql.syntax_error import SqlSyntaxError, position
from canvas_replicate.suggest import did_you_mean

# What is held against Oracle's grammar: the whole query; that it is one query, where Oracle itself runs it as written;
# or nothing, for SQL in another dialect. What our parser may not know is left to the table's own run.
SqlCheck = Literal["query", "statement", "nothing"]

_VARIABLE = re.compile(r"\$varbl1(?!\w)")
_PLACEHOLDER = re.compile(rf"{_VARIABLE.pattern}|(?<![\w$#])\$[A-Za-z_]\w*")  # v$session is a name


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
    query = _VARIABLE.sub(lambda _: term, sql)
    if check != "nothing":
        _check_syntax(what, node, sql, query, term, check)
    return query.strip()


def _check_placeholders(what: str, node: YamlNode, sql: str, term_name: str | None) -> None:
    found = list(_PLACEHOLDER.finditer(sql))
    for match in found:
        if match[0] != "$varbl1":
            place = node.place_at(*position(sql, match.start()))
            step = "The only placeholder is '$varbl1'."
            raise ConfigError(f"{what}: the sql has {match[0]!r}.", place=place, next_step=step)
    if found and term_name is None:
        place = node.place_at(*position(sql, found[0].start()))
        step = "Give varbl1 the name of a term."
        raise ConfigError(f"{what}: the sql has $varbl1, but varbl1 is empty.", place=place, next_step=step)
    if term_name is not None and not found:
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
    for match in _VARIABLE.finditer(sql):
        if offset < match.start() + grown:
            break
        if offset < match.start() + grown + len(term):
            return position(sql, match.start())
        grown += len(term) - len(match[0])
    return position(sql, offset - grown)
