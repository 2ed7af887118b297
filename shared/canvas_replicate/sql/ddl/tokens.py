"""A ddl file cut into statements, and a walk over the tokens of one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from sqlglot.tokenizer_core import Token, TokenType

from canvas_replicate.errors import ConfigError, Place
from canvas_replicate.sql.syntax import tokenize
from canvas_replicate.sql.syntax_error import SqlSyntaxError, position

_NAME = re.compile(r"[a-z][a-z0-9_$#]*")


@dataclass(frozen=True)
class Source:
    text: str
    file: Path

    def refuse(self, token: Token, message: str, next_step: str = "") -> NoReturn:
        place = Place(self.file, *position(self.text, token.start))
        raise ConfigError(message, place=place, code="ddl", next_step=next_step)


class Reader:
    """Walks over the tokens of one statement."""

    def __init__(self, source: Source, tokens: Sequence[Token]) -> None:
        self.source = source
        self.tokens = tokens
        self.at = 0

    def peek_word(self, ahead: int = 0) -> str:
        """In upper case; empty at the end, and for texts and quoted names."""
        at = self.at + ahead
        if at >= len(self.tokens) or self.tokens[at].token_type in (TokenType.STRING, TokenType.IDENTIFIER):
            return ""
        return str(self.tokens[at].text).upper()

    def peek_token(self) -> Token:
        return self.tokens[min(self.at, len(self.tokens) - 1)]

    def is_done(self) -> bool:
        return self.at >= len(self.tokens)

    def take(self, *words: str) -> bool:
        """Step over these words, if they are next. sqlglot makes one token of some pairs: ``PRIMARY KEY``."""
        at, rest = self.at, " ".join(words)
        while rest and at < len(self.tokens):
            token = self.peek_word(at - self.at)
            if not token or not f"{rest} ".startswith(f"{token} "):
                return False
            rest, at = rest[len(token) :].strip(), at + 1
        if rest:
            return False
        self.at = at
        return True

    def expect(self, word: str) -> None:
        if not self.take(word):
            self.refuse(f"Expected {word} here, found {self._show_token()}.")

    def read_name(self) -> str:
        name = str(self.peek_token().text)
        quoted = self.peek_token().token_type == TokenType.IDENTIFIER
        if self.is_done() or not _NAME.fullmatch(name.lower()) or (quoted and name != name.upper()):
            step = "Use letters, digits, _ $ #, starting with a letter; without mixed case in quotes."
            self.refuse(f"{self._show_token()} cannot be a name here.", step)
        self.at += 1
        return name.lower()

    def read_qualified_name(self) -> tuple[str | None, str]:
        first = self.read_name()
        return (first, self.read_name()) if self.take(".") else (None, first)

    def read_names(self) -> tuple[str, ...]:
        self.expect("(")
        names = [self.read_name()]
        while self.take(","):
            names.append(self.read_name())
        self.expect(")")
        return tuple(names)

    def skip_to(self, *words: str) -> None:
        """Up to the first of these words that is in no parentheses opened on the way, or to the end."""
        depth = 0
        while not self.is_done() and (depth or self.peek_word() not in words):
            depth += (self.peek_word() == "(") - (depth > 0 and self.peek_word() == ")")
            self.at += 1

    def join_statement(self) -> str:
        """The whole of it, on one line."""
        return " ".join(self.read_text(0, len(self.tokens)).split())

    def read_text(self, start: int, end: int) -> str:
        """The source from one token up to another, which is not included."""
        tokens = self.tokens[start:end]
        return self.source.text[tokens[0].start : tokens[-1].end + 1] if tokens else ""

    def refuse(self, message: str, next_step: str = "") -> NoReturn:
        self.source.refuse(self.peek_token(), message, next_step)

    def _show_token(self) -> str:
        return "the end" if self.is_done() else repr(str(self.peek_token().text))


def split_statements(source: Source) -> Iterator[list[Token]]:
    """Split at ``;`` and at lines that hold nothing but ``/``."""
    try:
        tokens = tokenize(source.text)
    except SqlSyntaxError as error:
        place = Place(source.file, error.line, error.column)
        raise ConfigError(error.message, place=place, code="ddl", next_step=error.suggestion) from None
    lines = source.text.splitlines()
    statement: list[Token] = []
    for token in tokens:
        if not _ends_statement(token, source.text, lines):
            statement.append(token)
        elif statement:
            yield statement
            statement = []
    if statement:
        yield statement


def _ends_statement(token: Token, text: str, lines: Sequence[str]) -> bool:
    if token.token_type == TokenType.SEMICOLON:
        return True
    return token.text == "/" and lines[position(text, token.start)[0] - 1].strip() == "/"
