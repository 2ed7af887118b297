"""The column list of a control file: each field's type, delimiters, NULLIF and SQL expression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NoReturn

from canvas_replicate.control_file import words
from canvas_replicate.control_file.clauses import ConditionReader, read_delimiters
from canvas_replicate.control_file.lexer import Tokens
from canvas_replicate.control_file.model import (
    DEFAULT_LENGTH,
    LONGEST_DOUBLE,
    Condition,
    Delimiters,
    Field,
    FieldKind,
    Sequence,
)
from canvas_replicate.control_file.rewriting import LayoutEditor


class FieldReader:
    """Reads the column list; a method per type, called with its first word already taken.

    ``delimiters`` are those of FIELDS, None where the table has none; ``nullif`` is NULLIF of the table, for any name.
    """

    def __init__(
        self,
        tokens: Tokens,
        conditions: ConditionReader,
        delimiters: Delimiters | None,
        nullif: Condition | None = None,
        editor: LayoutEditor | None = None,
    ) -> None:
        self._tokens = tokens
        self._conditions = conditions
        self._delimiters = delimiters
        self._nullif = nullif
        self._editor = editor
        self._without_nullif: set[str] = set()

    def read_list(self) -> list[Field]:
        """Up to the closing parenthesis."""
        tokens = self._tokens
        fields: list[Field] = []
        while True:
            token = tokens.current
            if token.word == ")":
                tokens.fail(token, "a column is missing before the end of the column list")
            entry = self._read_field()
            if entry.name in {earlier.name for earlier in fields}:
                tokens.fail(token, f"the column {entry.name!r} is listed twice")
            fields.append(entry)
            if tokens.accept(")"):
                break
            if not tokens.accept(","):
                self._refuse_after(entry)
        if all(entry.is_generated or entry.filler for entry in fields):
            tokens.fail(token, "no column takes its value from the data file")
        return fields

    def _read_field(self) -> Field:
        tokens, token = self._tokens, self._tokens.current
        name = tokens.read_name("the name of a column")
        bound = tokens.accept("BOUNDFILLER")
        filler = bound or tokens.accept("FILLER")
        if self._editor:
            self._editor.drop_position()
        entry = Field(name, "char", filler=filler, bound_filler=bound, line=tokens.line_and_column(token)[0])
        read_type = self._list_types().get(tokens.current.word)
        if read_type is not None:
            tokens.advance()
            entry = read_type(entry)
        if entry.is_generated:
            if filler:
                tokens.fail(token, f"{name} cannot be a filler and {entry.kind.upper()}")
            return entry
        return self._add_table_nullif(self._read_clauses(entry))

    def _add_table_nullif(self, entry: Field) -> Field:
        """NULLIF of the table holds for fields without their own. Blanks alone are no number and no moment anyway."""
        if self._nullif is None or entry.nullif or entry.filler or entry.name in self._without_nullif:
            return entry
        if self._nullif == Condition("", "=", None) and entry.kind != "char":
            return entry
        return replace(entry, nullif=(replace(self._nullif, column=entry.name),))

    def _read_clauses(self, entry: Field) -> Field:
        tokens = self._tokens
        while True:
            token = tokens.current
            if self._editor and self._editor.drop_delimiters():
                continue
            if (delimiters := read_delimiters(tokens, self._delimiters)) is not None:
                if entry.delimiters is not None:
                    tokens.fail(token, f"the delimiters of {entry.name} appear twice")
                entry = replace(entry, delimiters=delimiters)
            elif tokens.accept("NULLIF"):
                if entry.nullif:
                    tokens.fail(token, f"NULLIF of {entry.name} appears twice", "Combine conditions with AND.")
                entry = replace(entry, nullif=self._conditions.read())
            elif token.word == "NO" and tokens.following.word == "NULLIF":
                tokens.advance()
                tokens.advance()
                self._without_nullif.add(entry.name)
            elif token.kind in ("quoted", "text"):
                entry = replace(entry, expression=self._read_expression_of(entry))
            else:
                return entry

    def _read_expression_of(self, entry: Field) -> str:
        token = self._tokens.advance()
        if token.kind == "text":
            step = f'Write "UPPER(:{entry.name})".'
            self._tokens.fail(token, "an SQL expression needs double quotation marks", step)
        if entry.expression is not None or entry.filler:
            article = "an" if entry.filler else "another"
            self._tokens.fail(token, f"{entry.name} cannot have {article} SQL expression")
        return token.text

    def _list_types(self) -> dict[str, Callable[[Field], Field]]:
        return {
            "CHAR": lambda entry: replace(entry, kind="char", length=self._read_length()),
            **dict.fromkeys(("INTEGER", "DECIMAL", "FLOAT", "ZONED"), self._read_external),
            "DATE": lambda entry: replace(entry, kind="date", length=self._read_length(), mask=self._read_mask()),
            "TIMESTAMP": self._read_timestamp,
            "CONSTANT": self._read_constant,
            "RECNUM": lambda entry: replace(entry, kind="recnum"),
            "SYSDATE": lambda entry: replace(entry, kind="sysdate"),
            "SEQUENCE": self._read_sequence,
            "EXPRESSION": self._read_expression,
        }

    def _read_external(self, entry: Field) -> Field:
        token = self._tokens.previous
        if not self._tokens.accept("EXTERNAL"):
            step = f"Write {token.word} EXTERNAL."
            self._tokens.fail(token, f"{token.word} alone is binary, and data files are text", step)
        longer = {"FLOAT": LONGEST_DOUBLE}
        return replace(entry, kind="number", length=self._read_length(longer.get(token.word, DEFAULT_LENGTH)))

    def _read_timestamp(self, entry: Field) -> Field:
        tokens = self._tokens
        if tokens.current.word == "(":
            step = "The mask gives the fraction, as in SS.FF6."
            tokens.fail(tokens.current, "TIMESTAMP takes no precision here", step)
        kind: FieldKind = "timestamp"
        if tokens.accept("WITH"):
            kind = "timestamp_tz"
            tokens.accept("LOCAL")
            tokens.expect("TIME")
            tokens.expect("ZONE")
        return replace(entry, kind=kind, mask=self._read_mask())

    def _read_constant(self, entry: Field) -> Field:
        token = self._tokens.advance()
        if token.kind not in ("text", "quoted", "word", "number"):
            self._tokens.fail(token, f"expected the value of CONSTANT, found {token.shown}")
        return replace(entry, kind="constant", constant=token.text)

    def _read_sequence(self, entry: Field) -> Field:
        tokens = self._tokens
        tokens.expect("(")
        start: int | Literal["MAX", "COUNT"]
        if tokens.accept("MAX"):
            start = "MAX"
        elif tokens.accept("COUNT"):
            start = "COUNT"
        else:
            start = tokens.read_integer()
        increment = tokens.read_integer() if tokens.accept(",") else 1
        tokens.expect(")")
        return replace(entry, kind="sequence", sequence=Sequence(start, increment))

    def _read_expression(self, entry: Field) -> Field:
        token = self._tokens.advance()
        if token.kind != "quoted":
            self._tokens.fail(token, f"expected an SQL expression in double quotation marks, found {token.shown}")
        return replace(entry, kind="expression", expression=token.text)

    def _read_length(self, default: int = DEFAULT_LENGTH) -> int:
        tokens = self._tokens
        if not tokens.accept("("):
            return default
        token = tokens.current
        length = tokens.read_integer()
        if length < 1:
            tokens.fail(token, "a length is at least 1")
        tokens.expect(")")
        return length

    def _read_mask(self) -> str | None:
        return self._tokens.advance().text if self._tokens.current.kind in ("quoted", "text") else None

    def _refuse_after(self, entry: Field) -> NoReturn:
        tokens = self._tokens
        token, before = tokens.current, tokens.previous
        on_a_new_line = "\n" in tokens.text[before.end : token.start]
        if token.kind in ("word", "quoted") and on_a_new_line and token.word not in words.TABLE_TYPES:
            tokens.fail(before, f"a comma is missing between {entry.name!r} and {token.shown}")
        tokens.refuse(token, (*self._list_types(), *words.FIELD_WORDS), "a type, a clause or a comma after the column")
