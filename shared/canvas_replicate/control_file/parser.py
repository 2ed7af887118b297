"""Recursive descent over the text of a control file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NoReturn, cast

from canvas_replicate.control_file import words
from canvas_replicate.control_file.model import (
    DEFAULT_LENGTH,
    WHITE_SPACE,
    Condition,
    ControlFile,
    Delimiters,
    Field,
    FieldKind,
    Mode,
    OptionValue,
    Sequence,
)
from canvas_replicate.errors import ConfigError, Place


@dataclass(frozen=True)
class _Token:
    """``kind`` is a group of words.TOKEN, or "end"; ``text`` is without quotation marks."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """What keywords and symbols are compared by; empty for quoted text."""
        return self.text.upper() if self.kind in ("word", "symbol") else ""

    @property
    def shown(self) -> str:
        return "the end of the file" if self.kind == "end" else repr(self.text)


class Parser:
    """Recursive descent over one file: a method per clause, called with its first word already taken."""

    def __init__(self, text: str, file: Path | str) -> None:
        self._text = text
        self._file = file
        self._tokens = list(self._tokenize())
        self._index = 0
        self._said: set[str] = set()
        self._named_in_conditions: list[tuple[_Token, str]] = []
        self._options: dict[str, OptionValue] = {}
        self._mode: Mode | None = None
        self._record_end = b"\n"
        self._char_lengths = False
        self._preserve_blanks = False
        self._trailing_nullcols = False
        self._when: tuple[Condition, ...] = ()
        self._delimiters: Delimiters | None = None

    # The file, from the top

    def control_file(self) -> ControlFile:
        if self._accept("OPTIONS"):
            self._options_clause()
        if not self._accept("UNRECOVERABLE"):
            self._accept("RECOVERABLE")
        self._expect("LOAD")
        self._accept("DATA")
        self._clauses(self._file_clauses(), until="INTO")
        self._advance()
        self._expect("TABLE")
        schema, table = self._table_name()
        self._clauses(self._table_clauses(), until="(")
        list_start = self._advance()
        fields = self._column_list()
        self._end_of_file()
        self._check_conditions(fields)
        delimiters = self._common_delimiters(fields, list_start)
        return ControlFile(
            file=self._file,
            schema=schema,
            table=table,
            mode=self._mode or "INSERT",
            fields=tuple(
                replace(entry, delimiters=None) if entry.delimiters == delimiters else entry for entry in fields
            ),
            record_end=self._record_end,
            delimiters=delimiters,
            trailing_nullcols=self._trailing_nullcols,
            preserve_blanks=self._preserve_blanks,
            when=self._when,
            options=self._options,
            char_length_semantics=self._char_lengths,
        )

    def _file_clauses(self) -> dict[str, Callable[[], None]]:
        return {
            "CHARACTERSET": self._charset,
            "CHARACTER": self._character_set,
            "LENGTH": self._length_semantics,
            "INFILE": self._infile,
            "BADFILE": self._file_name,
            "DISCARDFILE": self._file_name,
            "DISCARDMAX": self._discardmax,
            "PRESERVE": self._preserve,
            **dict.fromkeys(words.MODES, self._set_mode),
        }

    def _table_clauses(self) -> dict[str, Callable[[], None]]:
        return {
            "WHEN": self._set_when,
            "FIELDS": self._fields,
            "TRAILING": self._trailing,
            "PRESERVE": self._preserve,
            **dict.fromkeys(words.MODES, self._set_mode),
        }

    def _clauses(self, clauses: Mapping[str, Callable[[], None]], until: str) -> None:
        while self._token.word != until:
            clause = clauses.get(self._token.word)
            if clause is None:
                self._refuse(self._token, [*clauses, until])
            if self._token.word in self._said:
                self._fail(self._token, f"{self._token.word} is said twice")
            self._said.add(self._advance().word)
            clause()

    # Clauses of the file

    def _options_clause(self) -> None:
        self._expect("(")
        while True:
            name = self._advance()
            if name.word == "USERID":
                self._fail(name, "USERID does not belong in a control file", "Passwords come from the configuration.")
            if name.word not in words.OPTIONS:
                self._refuse(name, words.OPTIONS)
            self._expect("=")
            self._options[name.word.lower()] = self._option_value()
            if not self._accept(","):
                break
        self._expect(")")

    def _option_value(self) -> OptionValue:
        if self._accept("("):
            words = [self._advance().text.lower()]
            while self._accept(","):
                words.append(self._advance().text.lower())
            self._expect(")")
            return tuple(words)
        token = self._advance()
        if token.word in ("TRUE", "FALSE"):
            return token.word == "TRUE"
        if token.kind == "number":
            return int(token.text)
        if token.kind != "word":
            self._fail(token, f"expected the value of an option, found {token.shown}")
        return token.text.lower()

    def _character_set(self) -> None:
        self._expect("SET")
        self._charset()

    def _charset(self) -> None:
        token = self._token
        name = self._bare_text("the name of a character set")
        if name.upper() not in words.CHARSETS:
            self._fail(token, f"the character set {name!r} is not read here", "Data files are UTF-8: say AL32UTF8.")

    def _length_semantics(self) -> None:
        self._accept("SEMANTICS")
        token = self._advance()
        if token.word not in ("CHAR", "CHARACTER", "BYTE"):
            self._refuse(token, ("CHAR", "CHARACTER", "BYTE"))
        self._char_lengths = token.word != "BYTE"

    def _infile(self) -> None:
        if self._token.text == "*":
            self._fail(self._token, "INFILE * means data in the control file; data stands in its own file here")
        self._file_name()
        if self._token.kind in ("quoted", "text"):
            self._record_format(self._advance())
        if self._token.word == "INFILE":
            self._fail(self._token, "one control file loads one data file here")

    def _file_name(self) -> None:
        self._bare_text("a file name")

    def _record_format(self, token: _Token) -> None:
        """The text after a file name; escapes are those of Oracle Utilities, stream record format."""
        match = words.RECORD_END.fullmatch(token.text)
        if match is None:
            self._fail(token, f"{token.text!r} is no record end", "Say \"STR '#EOR#\\n'\" or \"STR X'1E0A'\".")
        if match["hex"]:
            self._record_end = self._hex_bytes(token, match["text"])
            return
        for escape in re.findall(r"\\(.?)", match["text"], re.DOTALL):
            if escape not in words.ESCAPES:
                self._fail(token, f"\\{escape} is not understood in STR", "Say the bytes as X'...'.")
        text = re.sub(r"\\(.)", lambda found: words.ESCAPES[found[1]], match["text"])
        if not text:
            self._fail(token, "the record end is empty")
        self._record_end = text.encode()

    def _discardmax(self) -> None:
        self._options["discardmax"] = self._integer()

    def _preserve(self) -> None:
        self._expect("BLANKS")
        self._preserve_blanks = True

    def _set_mode(self) -> None:
        token = self._tokens[self._index - 1]
        if self._mode is not None:
            self._fail(token, f"the mode is said twice: {self._mode} and {token.word}")
        self._mode = cast(Mode, token.word)

    # Clauses of the table

    def _table_name(self) -> tuple[str | None, str]:
        name = self._name("the name of a table")
        return (name, self._name("the name of a table")) if self._accept(".") else (None, name)

    def _set_when(self) -> None:
        self._when = self._conditions()

    def _trailing(self) -> None:
        self._expect("NULLCOLS")
        self._trailing_nullcols = True

    def _fields(self) -> None:
        token = self._token
        self._delimiters = self._read_delimiters()
        if self._delimiters is None:
            self._refuse(token, ("TERMINATED", "ENCLOSED", "OPTIONALLY"))

    def _read_delimiters(self) -> Delimiters | None:
        """Delimiters in either order, None if there are none; ENCLOSED alone takes the table's terminator."""
        start = self._token
        terminator = enclosure = None
        optionally = False
        while self._token.word in ("TERMINATED", "OPTIONALLY", "ENCLOSED"):
            token = self._advance()
            if (terminator if token.word == "TERMINATED" else enclosure) is not None:
                self._fail(token, f"{token.word} is said twice")
            if token.word == "OPTIONALLY":
                optionally = True
                self._expect("ENCLOSED")
            self._accept("BY")
            if token.word == "TERMINATED":
                terminator = self._delimiter()
            else:
                enclosure = self._delimiter()
        if terminator is None and enclosure is None:
            return None
        return self._checked_delimiters(start, terminator, enclosure, optionally)

    def _checked_delimiters(
        self, start: _Token, terminator: str | None, enclosure: str | None, optionally: bool
    ) -> Delimiters:
        table = self._delimiters
        if terminator is None:
            if table is None:
                self._fail(start, "ENCLOSED BY needs a TERMINATED BY")
            terminator = table.terminator
        elif enclosure is None and table is not None and table.enclosure is not None:
            # Whether the table's enclosure still holds then is not documented.
            self._fail(start, "TERMINATED BY at this field leaves open whether it may be enclosed", "Say both.")
        if enclosure is not None and terminator[0] in WHITE_SPACE:
            self._fail(
                start,
                "after a NULL, white space as terminator of enclosed fields shifts the columns: SQL*Loader "
                "skips white space while it looks for the enclosure",
                "Use another terminator, such as '|', or leave ENCLOSED BY out.",
            )
        if enclosure == terminator:
            self._fail(start, "terminator and enclosure are the same")
        return Delimiters(terminator, enclosure, optionally)

    def _delimiter(self) -> str:
        token = self._advance()
        if token.kind == "hex":
            return self._hex_text(token)
        if token.kind not in ("text", "quoted"):
            self._refuse(token, (), "a text such as '|' or X'1F'")
        if not token.text or "\\" in self._text[token.start : token.end]:
            self._fail(
                token,
                f"{token.text!r} is no delimiter that is sure",
                "Say it as X'...': a tab is X'09', \\ is X'5C'.",
            )
        return token.text

    def _common_delimiters(self, fields: Iterable[Field], place: _Token) -> Delimiters:
        """Those of FIELDS; without it, those that all data fields agree on."""
        if self._delimiters is not None:
            return self._delimiters
        own = {entry.delimiters for entry in fields if not entry.is_generated}
        common = own.pop() if len(own) == 1 else None
        if common is None:
            self._fail(place, "FIELDS TERMINATED BY is missing before the column list", words.FIELDS_EXAMPLE)
        return common

    # Conditions

    def _conditions(self) -> tuple[Condition, ...]:
        conditions = self._condition_group()
        while self._accept("AND"):
            conditions += self._condition_group()
        if self._token.word == "OR":
            self._refuse(self._token, ("AND",))
        return conditions

    def _condition_group(self) -> tuple[Condition, ...]:
        if not self._accept("("):
            return (self._condition(),)
        if self._token.kind == "number":
            self._fail(self._token, "a condition names a column here, not a position")
        conditions = self._conditions()
        self._expect(")")
        return conditions

    def _condition(self) -> Condition:
        token = self._token
        column = self._name("the name of a column")
        self._named_in_conditions.append((token, column))
        operator = self._advance()
        if operator.word not in ("=", "<>", "!="):
            self._fail(operator, f"expected = or <> after {column}, found {operator.shown}")
        return Condition(column, "=" if operator.word == "=" else "<>", self._condition_value())

    def _condition_value(self) -> str | None:
        token = self._advance()
        if token.word == "BLANKS":
            return None
        if token.kind == "hex":
            return self._hex_text(token)
        if token.kind not in ("text", "quoted"):
            self._refuse(token, ("BLANKS",), "a text in quotation marks, X'...' or BLANKS")
        return token.text

    def _check_conditions(self, fields: Iterable[Field]) -> None:
        names = [entry.name for entry in fields if not entry.is_generated]
        for token, column in self._named_in_conditions:
            if column not in names:
                self._fail(token, f"no field of the record is named {column!r}", _nearest(column, names))

    # The column list

    def _column_list(self) -> list[Field]:
        fields: list[Field] = []
        while True:
            token = self._token
            if token.word == ")":
                self._fail(token, "a column is missing before the end of the column list")
            entry = self._column()
            if entry.name in {earlier.name for earlier in fields}:
                self._fail(token, f"the column {entry.name!r} is listed twice")
            fields.append(entry)
            if self._accept(")"):
                break
            if not self._accept(","):
                self._refuse_after_column(entry)
        if all(entry.is_generated or entry.filler for entry in fields):
            self._fail(token, "no column takes its value from the data file")
        return fields

    def _column(self) -> Field:
        token = self._token
        name = self._name("the name of a column")
        bound = self._accept("BOUNDFILLER")
        filler = bound or self._accept("FILLER")
        entry = Field(name, "char", filler=filler, bound_filler=bound, line=self._line_and_column(token)[0])
        read_type = self._types().get(self._token.word)
        if read_type is not None:
            self._advance()
            entry = read_type(entry)
        if entry.is_generated:
            if filler:
                self._fail(token, f"{name} cannot be a filler and {entry.kind.upper()}")
            return entry
        return self._field_clauses(entry)

    def _field_clauses(self, entry: Field) -> Field:
        while True:
            token = self._token
            if (delimiters := self._read_delimiters()) is not None:
                if entry.delimiters is not None:
                    self._fail(token, f"the delimiters of {entry.name} are said twice")
                entry = replace(entry, delimiters=delimiters)
            elif self._accept("NULLIF"):
                if entry.nullif:
                    self._fail(token, f"NULLIF of {entry.name} is said twice", "Combine conditions with AND.")
                entry = replace(entry, nullif=self._conditions())
            elif token.kind in ("quoted", "text"):
                entry = replace(entry, expression=self._expression_of(entry))
            else:
                return entry

    def _expression_of(self, entry: Field) -> str:
        token = self._advance()
        if token.kind == "text":
            self._fail(token, "an SQL expression stands in double quotation marks", f'Say "UPPER(:{entry.name})".')
        if entry.expression is not None or entry.filler:
            self._fail(token, f"{entry.name} cannot have {'an' if entry.filler else 'another'} SQL expression")
        return token.text

    def _types(self) -> dict[str, Callable[[Field], Field]]:
        return {
            "CHAR": self._char,
            **dict.fromkeys(("INTEGER", "DECIMAL", "FLOAT", "ZONED"), self._external),
            "DATE": self._date,
            "TIMESTAMP": self._timestamp,
            "CONSTANT": self._constant,
            "RECNUM": lambda entry: replace(entry, kind="recnum"),
            "SYSDATE": lambda entry: replace(entry, kind="sysdate"),
            "SEQUENCE": self._sequence,
            "EXPRESSION": self._expression,
        }

    def _char(self, entry: Field) -> Field:
        return replace(entry, kind="char", length=self._length())

    def _external(self, entry: Field) -> Field:
        token = self._tokens[self._index - 1]
        if not self._accept("EXTERNAL"):
            self._fail(token, f"{token.word} alone is binary, and data files are text", f"Say {token.word} EXTERNAL.")
        return replace(entry, kind="number", length=self._length())

    def _date(self, entry: Field) -> Field:
        return replace(entry, kind="date", length=self._length(), mask=self._mask())

    def _timestamp(self, entry: Field) -> Field:
        if self._token.word == "(":
            self._fail(self._token, "TIMESTAMP takes no precision here", "The mask says the fraction, as in SS.FF6.")
        kind: FieldKind = "timestamp"
        if self._accept("WITH"):
            kind = "timestamp_tz"
            self._accept("LOCAL")
            self._expect("TIME")
            self._expect("ZONE")
        return replace(entry, kind=kind, mask=self._mask())

    def _constant(self, entry: Field) -> Field:
        token = self._advance()
        if token.kind not in ("text", "quoted", "word", "number"):
            self._fail(token, f"expected the value of CONSTANT, found {token.shown}")
        return replace(entry, kind="constant", constant=token.text)

    def _sequence(self, entry: Field) -> Field:
        self._expect("(")
        start: int | Literal["MAX", "COUNT"]
        if self._accept("MAX"):
            start = "MAX"
        elif self._accept("COUNT"):
            start = "COUNT"
        else:
            start = self._integer()
        increment = self._integer() if self._accept(",") else 1
        self._expect(")")
        return replace(entry, kind="sequence", sequence=Sequence(start, increment))

    def _expression(self, entry: Field) -> Field:
        token = self._advance()
        if token.kind != "quoted":
            self._fail(token, f"expected an SQL expression in double quotation marks, found {token.shown}")
        return replace(entry, kind="expression", expression=token.text)

    def _length(self) -> int:
        if not self._accept("("):
            return DEFAULT_LENGTH
        token = self._token
        length = self._integer()
        if length < 1:
            self._fail(token, "a length is at least 1")
        self._expect(")")
        return length

    def _mask(self) -> str | None:
        return self._advance().text if self._token.kind in ("quoted", "text") else None

    def _refuse_after_column(self, entry: Field) -> NoReturn:
        token, before = self._token, self._tokens[self._index - 1]
        on_a_new_line = "\n" in self._text[before.end : token.start]
        if token.kind in ("word", "quoted") and on_a_new_line and token.word not in words.TABLE_TYPES:
            self._fail(before, f"a comma is missing between {entry.name!r} and {token.shown}")
        self._refuse(token, (*self._types(), *words.FIELD_WORDS), "a type, a clause or a comma after the column")

    def _end_of_file(self) -> None:
        if self._token.word == "INTO":
            self._fail(self._token, "one control file loads one table here", "Write a control file for each table.")
        if self._token.kind != "end":
            self._refuse(self._token, (), "nothing after the column list")

    # Words

    def _tokenize(self) -> Iterator[_Token]:
        for match in words.TOKEN.finditer(self._text):
            kind = str(match.lastgroup)
            if kind == "space":
                continue
            token = _Token(kind, _unquoted(kind, match[0]), match.start(), match.end())
            if kind == "symbol" and token.text in "'\"":
                self._fail(token, "the quotation mark that opens here is never closed")
            if kind in ("text", "quoted") and self._text.startswith(match[0][0], match.end()):
                self._fail(
                    token,
                    "two quotation marks side by side",
                    "Put a text that holds one kind into the other kind.",
                )
            yield token
            if token.word == "BEGINDATA":
                break
        yield _Token("end", "", len(self._text), len(self._text))

    @property
    def _token(self) -> _Token:
        return self._tokens[self._index]

    def _advance(self) -> _Token:
        """Take a token; the end of the file can be taken again and again."""
        token = self._token
        self._index = min(self._index + 1, len(self._tokens) - 1)
        return token

    def _accept(self, word: str) -> bool:
        if self._token.word != word:
            return False
        self._advance()
        return True

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            self._refuse(self._token, (word,))

    def _name(self, what: str) -> str:
        """A name in lower case. Quoted names must be upper case: others are case-sensitive in Oracle."""
        token = self._advance()
        if token.kind not in ("word", "quoted") or not token.text:
            self._fail(token, f"expected {what}, found {token.shown}")
        if token.kind == "quoted" and token.text != token.text.upper():
            self._fail(token, f'"{token.text}" is a case-sensitive name in Oracle', "Leave the quotation marks out.")
        return token.text.lower()

    def _bare_text(self, what: str) -> str:
        """A quoted text, or everything up to the next white space."""
        token = self._advance()
        if token.kind in ("text", "quoted"):
            return token.text
        if token.word in ("INTO", *self._file_clauses()):
            self._fail(token, f"expected {what}, found {token.shown}")
        bare = re.compile(r"[^\s'\"()]*").match(self._text, token.start)
        if token.kind == "end" or bare is None or not bare[0]:
            self._fail(token, f"expected {what}, found {token.shown}")
        while self._token.kind != "end" and self._token.start < bare.end():
            self._advance()
        return bare[0]

    def _integer(self) -> int:
        sign = -1 if self._accept("-") else 1
        token = self._advance()
        if token.kind != "number":
            self._fail(token, f"expected a number, found {token.shown}")
        return sign * int(token.text)

    def _hex_text(self, token: _Token) -> str:
        try:
            return self._hex_bytes(token, token.text).decode()
        except UnicodeDecodeError:
            self._fail(token, f"X'{token.text}' is no text in UTF-8")

    def _hex_bytes(self, token: _Token, digits: str) -> bytes:
        if not re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", digits):
            self._fail(token, f"X'{digits}' needs two hexadecimal digits for each byte")
        return bytes.fromhex(digits)

    # Errors

    def _refuse(self, token: _Token, expected: Iterable[str], what: str = "") -> NoReturn:
        """Fail on a word that is not understood: by its own sentence, or with the nearest word that is."""
        word = token.word
        if word in words.TABLE_TYPES:
            self._fail(token, f"{word} is a type of table columns, not of fields", f"Say {words.TABLE_TYPES[word]}.")
        if word in words.REFUSED:
            self._fail(token, f"{word} is not understood here: {words.REFUSED[word]}")
        choices = tuple(expected)
        wanted = what or ", ".join(choices)
        self._fail(token, f"expected {wanted}, found {token.shown}", _nearest(word, choices))

    def _fail(self, token: _Token, message: str, next_step: str = "") -> NoReturn:
        place = Place(self._file, *self._line_and_column(token))
        raise ConfigError(f"{message}.", place=place, code=words.CODE, next_step=next_step)

    def _line_and_column(self, token: _Token) -> tuple[int, int]:
        before = self._text[: token.start]
        return before.count("\n") + 1, len(before) - before.rfind("\n")


def _unquoted(kind: str, text: str) -> str:
    if kind == "hex":
        return text[2:-1]
    if kind == "quoted":
        return text[1:-1].replace('\\"', '"')
    return text[1:-1] if kind == "text" else text


def _nearest(word: str, choices: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(choices), n=1)
    return f"Did you mean {near[0]}?" if near else ""
