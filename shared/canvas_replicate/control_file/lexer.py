"""The words of a control file one after the other, and errors that name line and column."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from canvas_replicate.control_file import words
from canvas_replicate.errors import ConfigError, Place


@dataclass(frozen=True)
class Token:
    """``kind`` is a group of words.TOKEN, or "end"; ``text`` is ``raw`` without quotation marks."""

    kind: str
    text: str
    start: int
    raw: str

    @property
    def end(self) -> int:
        return self.start + len(self.raw)

    @property
    def word(self) -> str:
        """What keywords and symbols are compared by; empty for quoted text."""
        return self.text.upper() if self.kind in ("word", "symbol") else ""

    @property
    def shown(self) -> str:
        return "the end of the file" if self.kind == "end" else repr(self.text)


class Tokens:
    """The tokens of one file, with a current one. A method that finds a mistake raises ConfigError at its token."""

    def __init__(self, text: str, file: Path | str) -> None:
        self.text = text
        self.file = file
        self._tokens = list(self._tokenize())
        self._index = 0

    def _tokenize(self) -> Iterator[Token]:
        for match in words.TOKEN.finditer(self.text):
            kind = str(match.lastgroup)
            if kind == "space":
                continue
            token = Token(kind, _strip_quotes(kind, match[0]), match.start(), match[0])
            if kind == "symbol" and token.text in "'\"":
                self.fail(token, "the quotation mark that opens here is never closed")
            if kind in ("text", "quoted") and self.text.startswith(match[0][0], match.end()):
                self.fail(
                    token, "two quotation marks side by side", "Put a text that holds one kind into the other kind."
                )
            yield token
            if token.word == "BEGINDATA":
                break
        yield Token("end", "", len(self.text), "")

    @property
    def current(self) -> Token:
        return self._tokens[self._index]

    @property
    def previous(self) -> Token:
        return self._tokens[self._index - 1]

    @property
    def following(self) -> Token:
        return self._tokens[min(self._index + 1, len(self._tokens) - 1)]

    @property
    def rewrite_step(self) -> str:
        """What to do about a layout that is not that of our data files."""
        return f"Rewrite the file to our layout: replicate table ctl {Path(self.file).stem} --write"

    def advance(self) -> Token:
        """Take a token; the end of the file can be taken again and again."""
        token = self.current
        self._index = min(self._index + 1, len(self._tokens) - 1)
        return token

    def accept(self, word: str) -> bool:
        """Take the current token if it is this word."""
        if self.current.word != word:
            return False
        self.advance()
        return True

    def expect(self, word: str) -> None:
        if not self.accept(word):
            self.refuse(self.current, (word,))

    def read_name(self, what: str) -> str:
        """A name in lower case. Quoted names must be upper case: others are case-sensitive in Oracle."""
        token = self.advance()
        if token.kind not in ("word", "quoted") or not token.text:
            self.fail(token, f"expected {what}, found {token.shown}")
        if token.kind == "quoted" and token.text != token.text.upper():
            self.fail(token, f'"{token.text}" is a case-sensitive name in Oracle', "Leave the quotation marks out.")
        return token.text.lower()

    def read_integer(self) -> int:
        sign = -1 if self.accept("-") else 1
        token = self.advance()
        if token.kind != "number":
            self.fail(token, f"expected a number, found {token.shown}")
        return sign * int(token.text)

    def decode_hex(self, token: Token, digits: str) -> bytes:
        """Two digits for each byte; a single digit is one byte."""
        if not re.fullmatch(r"[0-9A-Fa-f]|(?:[0-9A-Fa-f]{2})+", digits):
            self.fail(token, f"X'{digits}' needs two hexadecimal digits for each byte")
        return bytes.fromhex(digits if len(digits) > 1 else f"0{digits}")

    def decode_hex_text(self, token: Token) -> str:
        try:
            return self.decode_hex(token, token.text).decode()
        except UnicodeDecodeError:
            self.fail(token, f"X'{token.text}' is no text in UTF-8")

    def refuse(self, token: Token, expected: Iterable[str], what: str = "") -> NoReturn:
        """Fail on a word that is not understood: by its own sentence, or with the nearest word that is."""
        word = token.word
        if word in words.TABLE_TYPES:
            self.fail(token, f"{word} is a type of table columns, not of fields", f"Write {words.TABLE_TYPES[word]}.")
        if word in words.REFUSED:
            step = self.rewrite_step if word in words.LAYOUT else ""
            self.fail(token, f"{word} is not understood here: {words.REFUSED[word]}", step)
        choices = tuple(expected)
        wanted = what or ", ".join(choices)
        self.fail(token, f"expected {wanted}, found {token.shown}", suggest_nearest(word, choices))

    def fail(self, token: Token, message: str, next_step: str = "") -> NoReturn:
        place = Place(self.file, *self.line_and_column(token))
        raise ConfigError(f"{message}.", place=place, code=words.CODE, next_step=next_step)

    def line_and_column(self, token: Token) -> tuple[int, int]:
        before = self.text[: token.start]
        return before.count("\n") + 1, len(before) - before.rfind("\n")


def suggest_nearest(word: str, choices: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(choices), n=1)
    return f"Did you mean {near[0]}?" if near else ""


def _strip_quotes(kind: str, text: str) -> str:
    if kind == "hex":
        return text[2:-1]
    if kind == "quoted":
        return text[1:-1].replace('\\"', '"')
    return text[1:-1] if kind == "text" else text
