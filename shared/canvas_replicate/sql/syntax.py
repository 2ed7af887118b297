"""Checks that a text is exactly one Oracle query; if not, finds the wrong word and the probable one.

sqlglot parses. It repairs some mistakes silently (a stray comma, a JOIN without ON) and reports others one word too
late (a misspelt keyword); this module finds those on its tokens.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from sqlglot import exp
from sqlglot.dialects.oracle import Oracle
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from canvas_replicate.sql.quoting import compile_outside
from canvas_replicate.sql.syntax_error import SqlSyntaxError, position

_KEYWORDS = re.findall(
    r"\w+",
    """SELECT DISTINCT FROM WHERE GROUP ORDER BY HAVING UNION INTERSECT MINUS JOIN INNER LEFT RIGHT FULL OUTER CROSS
    ON USING AND OR NOT IN IS NULL LIKE ESCAPE BETWEEN EXISTS CASE WHEN THEN ELSE END AS WITH FETCH FIRST NEXT
    ROWS ONLY OFFSET OVER PARTITION ASC DESC CONNECT START PRIOR""",
)
_TWICE = "A quote inside a text is written twice: 'O''Brien'."
_COMMA = "Remove the comma or add what is missing."
_STARTS = ("SELECT", "WITH")
_CLAUSES = {"FROM", "WHERE", "GROUP BY", "ORDER BY", "HAVING", "UNION", "INTERSECT", "MINUS", "FETCH", "CONNECT BY"}
_END_OF_CONDITION = _CLAUSES | {"JOIN", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "NATURAL", ","}
_OPENERS = compile_outside(r"""/\*|[nN]?[qQ]?'|\"""")


# Oracle's words that are no misspelt keyword, and that sqlglot does not read in their place.
_UNREAD_WORDS = set(
    """AUTOMATIC BOTH CONNECT_BY_ROOT CONTAINERS CONTENT CONVERSION CURSOR CYCLE DANGLING DAY DEFAULT DIMENSION DOCUMENT
    EMPTY ENCODING ERROR INDENT INFINITE INVISIBLE ITERATE JSON JSON_TABLE KEEP LOCAL MATCH_RECOGNIZE MEASURES MEMBER
    MODEL MULTISET NAN NOCYCLE PASSING PATTERN PRESENT REFERENCE RETURNING RULES SEARCH SEED SET SIBLINGS SUBMULTISET
    TREAT TYPE UNIQUE UPSERT VERSION VERSIONS WELLFORMED XMLNAMESPACES XMLTABLE""".split()  # noqa: SIM905
)
_AFTER_IS = {"A", "DANGLING", "EMPTY", "INFINITE", "JSON", "NAN", "OF", "PRESENT"}
# Names of legal constructs, by what their words look like with one blank between them.
_CONSTRUCTS = {
    r"\bIS (?:NOT )?NAN\b": "IS NAN",
    r"\bIS (?:NOT )?INFINITE\b": "IS INFINITE",
    r"\bIS (?:NOT )?(?:JSON|A SET|EMPTY|OF|DANGLING|PRESENT)\b": "IS with another word than NULL",
    r"\bAT LOCAL\b": "AT LOCAL",
    r"(?<!\( )(?<!MODEL )\bPARTITION BY \(": "PARTITION BY of an outer join",
    r"(?:^| )@ ": "a database link",
    r"\b(?:XML\w+|JSON_\w+|TREAT|CURSOR|VALIDATE_CONVERSION|CONTAINERS|SHARDS)(?= \()": "",
    r"\b(?:MODEL|MATCH_RECOGNIZE|MULTISET|CONNECT_BY_ROOT|VERSIONS BETWEEN|ON CONVERSION ERROR|UNPIVOT)\b": "",
    r"^WITH (?:FUNCTION|PROCEDURE)\b": "",
}


@lru_cache(maxsize=256)  # the catalogue and the ddl files are checked by several parts of a command
def check_query(sql: str) -> None:
    """Raise SqlSyntaxError unless ``sql`` is one SELECT, WITH or parenthesised query, all ``$names`` replaced.

    A final ``;`` is refused as well: it belongs to SQL*Plus, and Oracle itself answers ORA-00933 to it.
    """
    tokens = check_statement(sql)
    for token, message, suggestion in _find_silent_repairs(tokens):
        raise _build_error(sql, token, message, suggestion)
    tree = _parse(sql, tokens)
    for token, message, suggestion in _find_never_oracle(tree, tokens):
        raise _build_error(sql, token, message, suggestion)


def check_statement(sql: str) -> list[Token]:
    """The tokens of one query. Raises SqlSyntaxError for a text that is none to Oracle either, whatever is in it."""
    tokens = tokenize(sql)
    if not tokens:
        raise SqlSyntaxError("The SQL is empty.", line=1, column=1, suggestion="Write a SELECT.")
    _check_start(sql, tokens)
    _check_end(sql, tokens)
    return tokens


def tokenize(sql: str) -> list[Token]:
    """The tokens, comments left out. Raises SqlSyntaxError, placed where an unterminated text starts."""
    try:
        return list(Oracle().tokenize(sql))
    except TokenError:
        opened = next((match for match in _OPENERS.finditer(sql) if match["found"]), None)
        start = opened.start() if opened else 0
        line, column = position(sql, start)
        what = {"/*": "comment", '"': "quoted name"}.get(opened["found"] if opened else "'", "text")
        message = f"The {what} that starts here has no end."
        word = sql[start : start + 20].splitlines()[0] if sql else ""
        step = f"Close it. {_TWICE}" if what == "text" else "Close it."
        raise SqlSyntaxError(message, line=line, column=column, word=word, suggestion=step) from None


def _build_error(sql: str, token: Token, message: str, suggestion: str) -> SqlSyntaxError:
    line, column = position(sql, token.start)
    return SqlSyntaxError(message, line=line, column=column, word=token.text, suggestion=suggestion)


def _check_start(sql: str, tokens: Sequence[Token]) -> None:
    first = next((token for token in tokens if token.text != "("), tokens[0])
    word = first.text.upper()
    if word in _STARTS:
        return
    near = difflib.get_close_matches(word, _STARTS, n=1, cutoff=0.7)
    suggestion = f"Did you mean {near[0]}?" if near else "Only a query can be copied: start with SELECT or WITH."
    raise _build_error(sql, first, f"{first.text!r} does not start a query.", suggestion)


def _check_end(sql: str, tokens: Sequence[Token]) -> None:
    has_functions = [token.text.upper() for token in tokens[:2]] in (["WITH", "FUNCTION"], ["WITH", "PROCEDURE"])
    for number, token in enumerate(tokens):
        if token.token_type != TokenType.SEMICOLON or (has_functions and number < len(tokens) - 1):
            continue
        if number == len(tokens) - 1:
            raise _build_error(sql, token, "A query ends without ';'.", "Remove it.")
        raise _build_error(sql, tokens[number + 1], "A second statement starts here.", "Keep one query.")


def _find_silent_repairs(tokens: Sequence[Token]) -> Iterator[tuple[Token, str, str]]:
    """Faults that sqlglot repairs without a word, in the order of the text."""
    words = ["'" if _is_quoted(token) else token.text.upper() for token in tokens] + ["", ""]
    for n, token in enumerate(tokens):
        word, following = words[n : n + 2]
        ends = not following or following in _CLAUSES
        after = tokens[n + 1] if following else token
        if token.token_type == after.token_type == TokenType.STRING and after is not token:
            yield after, "Two texts are side by side.", _TWICE
        elif word == "," and (ends or following in (",", ")")):
            yield token, "Nothing follows this comma.", _COMMA
        elif word == "(" and following == ",":
            yield after, "Nothing comes before this comma.", _COMMA
        elif word in ("SELECT", "DISTINCT") and (ends or following == ","):
            yield after, f"{word} names no column.", "Name the columns, or write *."
        elif word in ("GROUP BY", "ORDER BY", ".") and ends:
            yield token, f"Nothing follows {word!r}.", "Add what is missing."
        elif words[n : n + 3] == ["IN", "(", ")"]:
            yield token, "This IN list is empty.", "An Oracle list has at least one value."


def _is_quoted(token: Token) -> bool:
    return token.token_type in (TokenType.STRING, TokenType.IDENTIFIER, TokenType.NATIONAL_STRING, TokenType.RAW_STRING)


def _parse(sql: str, tokens: Sequence[Token]) -> exp.Expr:
    try:
        trees = Oracle().parser().parse(list(tokens), sql)
    except ParseError as error:
        raise _explain_error(sql, tokens, error) from None
    except RecursionError:
        raise _build_error(sql, tokens[0], "The SQL is nested too deeply to be read.", "") from None
    tree = trees[0]
    if not isinstance(tree, exp.Query):
        raise _build_error(sql, tokens[0], "This is not a query.", "Start with SELECT or WITH.")
    return tree


def _explain_error(sql: str, tokens: Sequence[Token], error: ParseError) -> SqlSyntaxError:
    """The error at the word that was misspelt, if one near the reported place looks like a keyword."""
    found = error.errors[0]
    if (unread := _find_construct(tokens)) is not None:
        token, construct = unread
        line, column = position(sql, token.start)
        message = f"{construct} is not read by this parser."
        return SqlSyntaxError(message, line=line, column=column, word=token.text, is_certain=False, construct=construct)
    # sqlglot counts a token's column at its last character.
    at = (found["line"], found["col"])
    reported = next((n for n, token in enumerate(tokens) if (token.line, token.col) == at), len(tokens) - 1)
    if reported and tokens[reported - 1].text.upper() in ("GROUP", "ORDER"):
        word = tokens[reported - 1].text
        return _build_error(sql, tokens[reported - 1], f"{word!r} without BY.", f"Write {word.upper()} BY.")
    if misspelt := _find_misspelt(tokens[max(0, reported - 2) : reported + 2]):
        token, keyword = misspelt
        return _build_error(sql, token, f"{token.text!r} is not a keyword here.", f"Did you mean {keyword}?")
    token = tokens[reported]
    if reported == len(tokens) - 1 and not str(found["description"]).startswith("Invalid"):
        return _build_error(sql, token, f"The SQL ends too early, after {token.text!r}.", "Add what is missing.")
    unexpected = _build_error(sql, token, f"Unexpected {token.text!r}.", "Check this word and the one before it.")
    unexpected.is_certain = False
    return unexpected


def _find_construct(tokens: Sequence[Token]) -> tuple[Token, str] | None:
    """The first legal construct that sqlglot does not read, and its name."""
    words = [("?" if _is_quoted(token) else token.text.upper()) for token in tokens]
    text = " ".join(words)
    found = [(match, name) for pattern, name in _CONSTRUCTS.items() if (match := re.search(pattern, text))]
    if not found:
        return None
    match, name = min(found, key=lambda each: each[0].start())
    start, place = match.start() + (match[0][0] == " "), 0
    for number, word in enumerate(words):
        if place + len(word) > start:
            return tokens[number], name or match[0]
        place += len(word) + 1
    return None


def _find_misspelt(near: Sequence[Token]) -> tuple[Token, str] | None:
    best: tuple[float, Token, str] | None = None
    for token in near:
        word = token.text.upper()
        if token.token_type != TokenType.VAR or len(word) < 3 or word in _KEYWORDS or word in _UNREAD_WORDS:
            continue
        for keyword in difflib.get_close_matches(word, _KEYWORDS, n=1, cutoff=0.66):
            ratio = difflib.SequenceMatcher(None, word, keyword).ratio()
            if best is None or ratio > best[0]:
                best = (ratio, token, keyword)
    return best[1:] if best else None


def _find_never_oracle(tree: exp.Expr, tokens: Sequence[Token]) -> Iterator[tuple[Token, str, str]]:
    """Syntax that sqlglot's Oracle dialect reads but Oracle does not."""
    words = [token.text.upper() for token in tokens]
    if tree.find(exp.Limit):
        word = next((token for token in tokens if token.text.upper() in ("LIMIT", "TOP")), tokens[0])
        yield word, f"Oracle has no {word.text.upper()}.", "Write FETCH FIRST n ROWS ONLY at the end."
    if tree.find(exp.Into):
        yield tokens[words.index("INTO")], "SELECT INTO is not a query.", "Remove INTO."
    for test in tree.find_all(exp.Is):
        name = test.expression.name.upper()
        if isinstance(test.expression, exp.Column) and name in words and name not in _AFTER_IS:
            word = tokens[words.index(test.expression.name.upper())]
            yield word, f"IS is followed by {word.text!r}.", "Write IS NULL or IS NOT NULL."
    yield from _find_bare_joins(tree, tokens)


def _find_bare_joins(tree: exp.Expr, tokens: Sequence[Token]) -> Iterator[tuple[Token, str, str]]:
    """sqlglot reads ``FROM a JOIN b`` as ``FROM a, b``; the tree has lost the JOIN, so the tokens are read."""
    joins = list(tree.find_all(exp.Join))
    if any(join.args.get("method") for join in joins):  # NATURAL has none
        return
    words = [token.text.upper() for token in tokens]
    needing = [n for n, t in enumerate(tokens) if t.token_type == TokenType.JOIN and words[n - 1] != "CROSS"]
    if len(needing) > sum(1 for join in joins if join.args.get("on") or join.args.get("using")):
        for n in needing:
            if not _has_condition(tokens[n + 1 :]):
                yield tokens[n], "This JOIN has no ON.", "Write ON and the condition, or CROSS JOIN."


def _has_condition(tokens: Sequence[Token]) -> bool:
    depth = 0
    for token in tokens:
        word = token.text.upper()
        depth += (word == "(") - (word == ")")
        if depth < 0 or (depth == 0 and word in _END_OF_CONDITION):
            return False
        if depth == 0 and word in ("ON", "USING"):
            return True
    return False
