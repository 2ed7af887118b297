"""A control file of another file format, rewritten to that of our data files.

Only clauses about the layout of the data change: record end, separators, enclosures, positions, character set and data
in the control file itself. Comments, columns, types, masks, conditions and expressions stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from canvas_replicate.control_file.lexer import Token, Tokens
from canvas_replicate.control_file.model import DEFAULT_LENGTH, ControlFile, Delimiters
from canvas_replicate.datfile.format import ENCLOSURE, FIELD_END, RECORD_END

OUR_DELIMITERS = Delimiters(FIELD_END, ENCLOSURE, optionally_enclosed=True)
OUR_RECORD_END = RECORD_END.encode()
OUR_FIELDS = "FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '\"'"
OUR_STR = "\"STR '#EOR#\\n'\""


@dataclass(frozen=True)
class Edit:
    start: int
    end: int
    text: str


class LayoutEditor:
    """Takes clauses about the layout from ``tokens``, and collects the edits that replace them."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._edits: list[Edit] = []

    def apply(self) -> str:
        text = self._tokens.text
        for edit in sorted(self._edits, key=lambda edit: edit.start, reverse=True):
            text = text[: edit.start] + edit.text + text[edit.end :]
        return text

    def insert(self, at: int, text: str) -> None:
        self._edits.append(Edit(at, at, text))

    def replace_from(self, first: Token, text: str) -> None:
        """Replace the tokens from ``first`` up to the one that was taken last."""
        self._edits.append(Edit(first.start, self._tokens.previous.end, text))

    def remove_from(self, first: Token, *, to: int | None = None, text: str = "") -> None:
        """As ``replace_from``, with the blanks in front; a line that held nothing else goes as a whole."""
        source, start, end = self._tokens.text, first.start, self._tokens.previous.end if to is None else to
        while start and source[start - 1] in " \t":
            start -= 1
        rest = source[end:].partition("\n")[0]
        if not text and (start == 0 or source[start - 1] == "\n") and not rest.strip() and end < len(source):
            end += len(rest) + 1
        self._edits.append(Edit(start, end, text))

    def drop_option(self, options: Sequence[tuple[str, Token, Token]], name: str, first: Token) -> None:
        """One of OPTIONS: each is a name with its first and last token; ``first`` starts the clause."""
        places = [place for place, (option, *_) in enumerate(options) if option == name]
        for place in places:
            if len(options) == 1:
                self.remove_from(first)
            elif place + 1 < len(options):
                self._edits.append(Edit(options[place][1].start, options[place + 1][1].start, ""))
            else:
                self._edits.append(Edit(options[place - 1][2].end, options[place][2].end, ""))

    def drop_file_clause(self, until: set[str]) -> bool:
        """CONTINUEIF, CONCATENATE or BYTEORDER, up to the next clause."""
        tokens, first = self._tokens, self._tokens.current
        if first.word not in ("CONTINUEIF", "CONCATENATE", "BYTEORDER"):
            return False
        tokens.advance()
        while tokens.current.kind != "end" and (tokens.current.word not in until or tokens.current.word == "PRESERVE"):
            tokens.advance()
        self.remove_from(first)
        return True

    def replace_fields(self) -> None:
        """The FIELDS clause, of which the first word is taken."""
        first = self._tokens.previous
        if self._tokens.accept("CSV") and (self._tokens.accept("WITH") or self._tokens.accept("WITHOUT")):
            self._tokens.expect("EMBEDDED")
        self._take_delimiters()
        self.replace_from(first, OUR_FIELDS)

    def drop_delimiters(self) -> bool:
        """Those of one field."""
        first = self._tokens.current
        if not self._take_delimiters():
            return False
        self.remove_from(first)
        return True

    def _take_delimiters(self) -> bool:
        tokens, found = self._tokens, False
        while tokens.current.word in ("TERMINATED", "OPTIONALLY", "ENCLOSED"):
            found = True
            if tokens.advance().word == "OPTIONALLY":
                tokens.expect("ENCLOSED")
            tokens.accept("BY")
            tokens.advance()
            if tokens.accept("AND"):
                tokens.advance()
        return found

    def drop_position(self) -> None:
        """POSITION of one field. A width above the default becomes the field's length."""
        tokens, first = self._tokens, self._tokens.current
        if not tokens.accept("POSITION"):
            return
        inside: list[Token] = []
        tokens.expect("(")
        while tokens.current.kind != "end" and not tokens.accept(")"):
            inside.append(tokens.advance())
        numbers = [int(token.text) for token in inside if token.kind == "number"]
        is_range = len(inside) == 3 and len(numbers) == 2
        width = numbers[1] - numbers[0] + 1 if is_range else 0
        is_typed, following = tokens.current.kind == "word", tokens.following.word
        self.remove_from(first, text=f" CHAR({width})" if width > DEFAULT_LENGTH and not is_typed else "")
        if width > DEFAULT_LENGTH and tokens.current.word == "CHAR" and following != "(":
            self.insert(tokens.current.end, f"({width})")


def is_our_layout(control: ControlFile) -> bool:
    """Whether the control file reads data files as we write them."""
    own = {control.delimiters, *(field.delimiters or control.delimiters for field in control.data_fields)}
    return own == {OUR_DELIMITERS} and control.record_end == OUR_RECORD_END and control.trailing_nullcols


def name_data_file(file: Path | str) -> str:
    return f"'dat/{Path(file).stem}.dat'"


def strip_layout(control: ControlFile) -> tuple[object, ...]:
    """What a rewritten file must still say."""
    fields = [replace(field, delimiters=None, line=0, length=0) for field in control.fields]
    return control.schema, control.table, control.mode, control.when, control.preserve_blanks, fields
