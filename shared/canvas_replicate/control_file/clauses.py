"""Clauses that a table and each of its fields may have: delimiters and conditions."""

from __future__ import annotations

import re
from collections.abc import Iterable

from canvas_replicate.control_file import words
from canvas_replicate.control_file.lexer import Token, Tokens, suggest_nearest
from canvas_replicate.control_file.model import WHITE_SPACE, Condition, Delimiters, Field


def read_delimiters(tokens: Tokens, table: Delimiters | None) -> Delimiters | None:
    """Delimiters in either order, None if there are none; ENCLOSED alone takes the ``table``'s terminator."""
    start = tokens.current
    terminator = enclosure = closing = None
    optionally = False
    while tokens.current.word in ("TERMINATED", "OPTIONALLY", "ENCLOSED"):
        token = tokens.advance()
        if (terminator if token.word == "TERMINATED" else enclosure) is not None:
            tokens.fail(token, f"{token.word} appears twice")
        if token.word == "OPTIONALLY":
            optionally = True
            tokens.expect("ENCLOSED")
        tokens.accept("BY")
        if token.word == "TERMINATED":
            terminator = _read_delimiter(tokens)
        else:
            enclosure = _read_delimiter(tokens)
            closing = _read_delimiter(tokens) if tokens.accept("AND") else None
    if terminator is None:
        if enclosure is None:
            return None
        if table is None:
            tokens.fail(start, "ENCLOSED BY needs a TERMINATED BY")
        terminator = table.terminator
    elif enclosure is None and table is not None and table.enclosure is not None:
        # Whether the table's enclosure still holds then is not documented.
        step = f"Write both, or leave it out. {tokens.rewrite_step}"
        tokens.fail(start, "TERMINATED BY at this field leaves open whether it may be enclosed", step)
    _check_pair(tokens, start, terminator, enclosure)
    return Delimiters(terminator, enclosure, optionally, None if closing == enclosure else closing)


def _check_pair(tokens: Tokens, start: Token, terminator: str, enclosure: str | None) -> None:
    if enclosure is not None and terminator[0] in WHITE_SPACE:
        tokens.fail(
            start,
            "after a NULL, white space as terminator of enclosed fields shifts the columns: SQL*Loader "
            "skips white space while it looks for the enclosure",
            tokens.rewrite_step,
        )
    if enclosure == terminator:
        tokens.fail(start, "terminator and enclosure are the same")


def _read_delimiter(tokens: Tokens) -> str:
    token = tokens.advance()
    if token.kind == "hex":
        return tokens.decode_hex_text(token)
    if token.kind not in ("text", "quoted"):
        tokens.refuse(token, (), "a text such as '|' or X'1F'")
    plain = re.sub(r"\\([nrtfv])", lambda found: words.ESCAPES[found[1]], token.text)
    if not plain or "\\" in plain:
        tokens.fail(token, f"{token.text!r} is not an unambiguous delimiter", "Write it as X'...': \\ is X'5C'.")
    return plain


def find_common_delimiters(
    tokens: Tokens, table: Delimiters | None, fields: Iterable[Field], place: Token
) -> Delimiters:
    """Those of FIELDS; without it, those that all data fields agree on."""
    if table is not None:
        return table
    own = {entry.delimiters for entry in fields if not entry.is_generated}
    common = own.pop() if len(own) == 1 else None
    if common is None:
        tokens.fail(place, "FIELDS TERMINATED BY is missing before the column list", tokens.rewrite_step)
    return common


class ConditionReader:
    """Reads the conditions of WHEN and NULLIF, and checks at the end that the record has the fields they name."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._named: list[tuple[Token, str]] = []

    def read(self) -> tuple[Condition, ...]:
        tokens = self._tokens
        conditions = self._read_group()
        while tokens.accept("AND"):
            conditions += self._read_group()
        if tokens.current.word == "OR":
            tokens.refuse(tokens.current, ("AND",))
        return conditions

    def _read_group(self) -> tuple[Condition, ...]:
        tokens = self._tokens
        if not tokens.accept("("):
            return (self._read_one(),)
        if tokens.current.kind == "number":
            step = "The fields of a data file have no positions: name the field."
            tokens.fail(tokens.current, "a condition names a column here, not a position", step)
        conditions = self.read()
        tokens.expect(")")
        return conditions

    def _read_one(self) -> Condition:
        tokens, token = self._tokens, self._tokens.current
        column = tokens.read_name("the name of a column")
        self._named.append((token, column))
        return self.read_comparison(column)

    def read_comparison(self, column: str) -> Condition:
        """Operator and value, as NULLIF of the table has them without a name."""
        tokens = self._tokens
        operator = tokens.advance()
        if operator.word not in ("=", "<>", "!="):
            tokens.fail(operator, f"expected = or <> after {column}, found {operator.shown}")
        return Condition(column, "=" if operator.word == "=" else "<>", self._read_value())

    def _read_value(self) -> str | None:
        token = self._tokens.advance()
        if token.word == "BLANKS":
            return None
        if token.kind == "hex":
            return self._tokens.decode_hex_text(token)
        if token.kind not in ("text", "quoted"):
            self._tokens.refuse(token, ("BLANKS",), "a text in quotation marks, X'...' or BLANKS")
        return token.text

    def check_names(self, fields: Iterable[Field]) -> None:
        names = [entry.name for entry in fields if not entry.is_generated]
        for token, column in self._named:
            if column not in names:
                self._tokens.fail(token, f"no field of the record is named {column!r}", suggest_nearest(column, names))
