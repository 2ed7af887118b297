"""Recursive descent over the text of a control file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from canvas_replicate.control_file import words
from canvas_replicate.control_file.clauses import ConditionReader, find_common_delimiters, read_delimiters
from canvas_replicate.control_file.fields import FieldReader
from canvas_replicate.control_file.lexer import Token, Tokens
from canvas_replicate.control_file.model import Condition, ControlFile, Delimiters, Mode, OptionValue
from canvas_replicate.control_file.rewriting import (
    OUR_DELIMITERS,
    OUR_FIELDS,
    OUR_RECORD_END,
    OUR_STR,
    LayoutEditor,
    is_our_layout,
    name_data_file,
    strip_layout,
)
from canvas_replicate.errors import ConfigError, Place


class Parser:
    """Reads one file: a method per clause, called with its first word already taken.

    With ``rewriting`` the clauses about another layout of the data are not refused: ``rewrite`` replaces them.
    """

    def __init__(self, text: str, file: Path | str, *, rewriting: bool = False) -> None:
        self._tokens = Tokens(text, file)
        self._editor = LayoutEditor(self._tokens) if rewriting else None
        self._infile_place: int | None = 0  # where INFILE belongs, None once there is one
        self._nullif: Condition | None = None
        self._conditions = ConditionReader(self._tokens)
        self._said: set[str] = set()
        self._options: dict[str, OptionValue] = {}
        self._mode: Mode | None = None
        self._record_end = b"\n"
        self._preserve_blanks = False
        self._trailing_nullcols = False
        self._when: tuple[Condition, ...] = ()
        self._delimiters: Delimiters | None = None

    def parse(self) -> ControlFile:
        """Raises ConfigError at the first word that is not understood."""
        tokens = self._tokens
        if tokens.accept("OPTIONS"):
            self._options.update(_read_options(tokens, self._editor))
        if not tokens.accept("UNRECOVERABLE"):
            tokens.accept("RECOVERABLE")
        tokens.expect("LOAD")
        tokens.accept("DATA")
        self._infile_place = tokens.previous.end
        self._read_clauses(self._list_file_clauses(), until="INTO")
        tokens.advance()
        tokens.expect("TABLE")
        schema, table = _read_table_name(tokens)
        self._read_clauses(self._list_table_clauses(), until="(")
        list_start = tokens.advance()
        if self._editor:
            self._insert_missing(self._editor, list_start)
        fields = FieldReader(tokens, self._conditions, self._delimiters, self._nullif, self._editor).read_list()
        notes = _read_end(tokens, self._editor)
        self._conditions.check_names(fields)
        delimiters = find_common_delimiters(tokens, self._delimiters, fields, list_start)
        return ControlFile(
            file=tokens.file,
            schema=schema,
            table=table,
            mode=self._mode or "INSERT",
            fields=tuple(replace(each, delimiters=None) if each.delimiters == delimiters else each for each in fields),
            record_end=self._record_end,
            delimiters=delimiters,
            trailing_nullcols=self._trailing_nullcols,
            preserve_blanks=self._preserve_blanks,
            when=self._when,
            options=self._options,
            notes=notes,
        )

    def rewrite(self) -> str:
        """The text of the file with the layout of our data files. Raises ConfigError as ``parse`` does, and where the
        result would mean other columns.
        """
        if self._editor is None:
            raise ValueError("the parser was not made for rewriting")
        before = self.parse()
        text = self._editor.apply()
        after = Parser(text, self._tokens.file).parse()
        if strip_layout(after) != strip_layout(before) or not is_our_layout(after):
            place = Place(self._tokens.file)
            raise ConfigError("cannot be rewritten by a program.", place=place, next_step="Rewrite it by hand.")
        return text

    def _insert_missing(self, editor: LayoutEditor, list_start: Token) -> None:
        if self._infile_place is not None:
            editor.insert(self._infile_place, f"\nINFILE {name_data_file(self._tokens.file)} {OUR_STR}")
        missing = "" if self._delimiters else f"{OUR_FIELDS}\n"
        missing += "" if self._trailing_nullcols else "TRAILING NULLCOLS\n"
        editor.insert(list_start.start, missing)
        self._delimiters = OUR_DELIMITERS

    def _list_file_clauses(self) -> dict[str, Callable[[], object]]:
        return {
            "CHARACTERSET": self._read_charset,
            "CHARACTER": self._read_character_set,
            "LENGTH": self._read_length_semantics,
            "INFILE": self._read_infile,
            "BADFILE": self._read_bare_text,
            "DISCARDFILE": self._read_bare_text,
            "DISCARDMAX": self._read_discardmax,
            "PRESERVE": self._read_preserve,
            **dict.fromkeys(words.MODES, self._set_mode),
        }

    def _list_table_clauses(self) -> dict[str, Callable[[], object]]:
        return {
            "WHEN": self._read_when,
            "FIELDS": self._read_delimiters,
            "NULLIF": self._read_nullif,
            "TRAILING": self._read_trailing,
            "PRESERVE": self._read_preserve,
            **dict.fromkeys(words.MODES, self._set_mode),
        }

    def _read_clauses(self, clauses: Mapping[str, Callable[[], object]], until: str) -> None:
        tokens = self._tokens
        while tokens.current.word != until:
            if self._editor and self._editor.drop_file_clause({*clauses, until}):
                continue
            word = tokens.current.word
            clause = clauses.get(word)
            if clause is None:
                tokens.refuse(tokens.current, [*clauses, until])
            if word in self._said:
                tokens.fail(tokens.current, f"{word} appears twice")
            self._said.add(word)
            tokens.advance()
            clause()

    # Clauses of the file

    def _read_character_set(self) -> None:
        self._tokens.expect("SET")
        self._read_charset()

    def _read_charset(self) -> None:
        token = self._tokens.current
        name = self._read_bare_text("the name of a character set")
        if self._infile_place is not None:
            self._infile_place = self._tokens.previous.end
        if self._editor:
            self._editor.replace_from(token, "AL32UTF8")
        elif name.upper() not in words.CHARSETS:
            step = "Data files are UTF-8: write AL32UTF8."
            step += f" {self._tokens.rewrite_step}"
            self._tokens.fail(token, f"the character set {name!r} is not read here", step)

    def _read_length_semantics(self) -> None:
        """Lengths count characters in both cases."""
        self._tokens.accept("SEMANTICS")
        token = self._tokens.advance()
        if token.word not in ("CHAR", "CHARACTER", "BYTE"):
            self._tokens.refuse(token, ("CHAR", "CHARACTER", "BYTE"))
        if self._infile_place is not None:
            self._infile_place = token.end

    def _read_infile(self) -> None:
        tokens = self._tokens
        self._infile_place = None
        if self._editor:
            self._replace_infile(self._editor)
            return
        if tokens.current.text == "*":
            problem = "INFILE * means data in the control file; data is in a separate file here"
            tokens.fail(tokens.current, problem, tokens.rewrite_step)
        self._read_bare_text()
        if tokens.current.kind in ("quoted", "text"):
            self._record_end = _read_record_end(tokens)
        if tokens.current.word == "INFILE":
            tokens.fail(tokens.current, "one control file loads one data file here", tokens.rewrite_step)

    def _replace_infile(self, editor: LayoutEditor) -> None:
        tokens, first = self._tokens, self._tokens.current
        if tokens.accept("*"):
            editor.replace_from(first, name_data_file(tokens.file))
        else:
            self._read_bare_text()
        end, record_end = tokens.previous.end, tokens.current
        if record_end.kind in ("quoted", "text"):
            tokens.advance()
            editor.replace_from(record_end, OUR_STR)
        else:
            editor.insert(end, f" {OUR_STR}")
        self._record_end = OUR_RECORD_END
        while tokens.current.word == "INFILE":
            again = tokens.advance()
            self._read_bare_text()
            if tokens.current.kind in ("quoted", "text"):
                tokens.advance()
            editor.remove_from(again)

    def _read_bare_text(self, what: str = "a file name") -> str:
        """A quoted text, or everything up to the next white space."""
        tokens = self._tokens
        token = tokens.advance()
        if token.kind in ("text", "quoted"):
            return token.text
        if token.word in ("INTO", *self._list_file_clauses()):
            tokens.fail(token, f"expected {what}, found {token.shown}")
        bare = re.compile(r"[^\s'\"()]*").match(tokens.text, token.start)
        if token.kind == "end" or bare is None or not bare[0]:
            tokens.fail(token, f"expected {what}, found {token.shown}")
        while tokens.current.kind != "end" and tokens.current.start < bare.end():
            tokens.advance()
        return bare[0]

    def _read_discardmax(self) -> None:
        self._options["discardmax"] = self._tokens.read_integer()

    def _read_preserve(self) -> None:
        self._tokens.expect("BLANKS")
        self._preserve_blanks = True

    def _set_mode(self) -> None:
        token = self._tokens.previous
        if self._mode is not None:
            self._tokens.fail(token, f"the mode appears twice: {self._mode} and {token.word}")
        self._mode = cast(Mode, token.word)

    # Clauses of the table

    def _read_when(self) -> None:
        self._when = self._conditions.read()

    def _read_trailing(self) -> None:
        self._tokens.expect("NULLCOLS")
        self._trailing_nullcols = True

    def _read_delimiters(self) -> None:
        token = self._tokens.current
        if self._editor:
            self._editor.replace_fields()
            self._delimiters = OUR_DELIMITERS
            return
        self._delimiters = read_delimiters(self._tokens, None)
        if self._delimiters is None:
            self._tokens.refuse(token, ("TERMINATED", "ENCLOSED", "OPTIONALLY"))

    def _read_nullif(self) -> None:
        """For every field; a number or a moment of blanks is NULL in any case."""
        self._nullif = self._conditions.read_comparison("")


def _read_options(tokens: Tokens, editor: LayoutEditor | None) -> dict[str, OptionValue]:
    options: dict[str, OptionValue] = {}
    clause, spans = tokens.previous, list[tuple[str, Token, Token]]()
    tokens.expect("(")
    while True:
        name = tokens.advance()
        if name.word == "USERID":
            tokens.fail(name, "USERID does not belong in a control file", "Passwords come from the configuration.")
        if name.word not in words.OPTIONS:
            tokens.refuse(name, words.OPTIONS)
        tokens.expect("=")
        is_text = name.word in words.TEXT_OPTIONS and tokens.current.kind in ("text", "quoted")
        options[name.word.lower()] = tokens.advance().text if is_text else _read_option_value(tokens)
        spans.append((name.word, name, tokens.previous))
        if not tokens.accept(","):
            break
    tokens.expect(")")
    if editor:
        editor.drop_option(spans, "SKIP", clause)  # our data files have no header
    return options


def _read_option_value(tokens: Tokens) -> OptionValue:
    if tokens.accept("("):
        several = [tokens.advance().text.lower()]
        while tokens.accept(","):
            several.append(tokens.advance().text.lower())
        tokens.expect(")")
        return tuple(several)
    token = tokens.advance()
    if token.word in ("TRUE", "FALSE"):
        return token.word == "TRUE"
    if token.kind == "number":
        return int(token.text)
    if token.kind != "word":
        tokens.fail(token, f"expected the value of an option, found {token.shown}")
    return token.text.lower()


def _read_record_end(tokens: Tokens) -> bytes:
    """The text after a file name; escapes are those of Oracle Utilities, stream record format."""
    token = tokens.advance()
    match = words.RECORD_END.fullmatch(token.text)
    if match is None:
        tokens.fail(token, f"{token.text!r} is not a record end", "Write \"STR '#EOR#\\n'\" or \"STR X'1E0A'\".")
    if match["hex"]:
        return tokens.decode_hex(token, match["text"])
    for escape in re.findall(r"\\(.?)", match["text"], re.DOTALL):
        if escape not in words.ESCAPES:
            tokens.fail(token, f"\\{escape} is not understood in STR", "Write the bytes as X'...'.")
    text = re.sub(r"\\(.)", lambda found: words.ESCAPES[found[1]], match["text"])
    if not text:
        tokens.fail(token, "the record end is empty")
    return text.encode()


def _read_table_name(tokens: Tokens) -> tuple[str | None, str]:
    name = tokens.read_name("the name of a table")
    return (name, tokens.read_name("the name of a table")) if tokens.accept(".") else (None, name)


def _read_end(tokens: Tokens, editor: LayoutEditor | None) -> tuple[str, ...]:
    """Returns notes about what was passed over."""
    token = tokens.current
    if token.word == "BEGINDATA" and editor:
        editor.remove_from(token, to=len(tokens.text))
        return ()
    if token.word == ";" and tokens.following.kind == "end":
        line, column = tokens.line_and_column(token)
        return (f"{Place(tokens.file, line, column)}: the ';' at the end has no meaning to SQL*Loader.",)
    if token.word == "INTO":
        tokens.fail(token, "one control file loads one table here", "Write a control file for each table.")
    if token.kind != "end":
        tokens.refuse(token, (), "nothing after the column list")
    return ()
