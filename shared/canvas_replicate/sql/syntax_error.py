"""Where a text is wrong SQL. Apart from `syntax`, because the parser is costly to import."""

from __future__ import annotations


class SqlSyntaxError(ValueError):
    """A text that Oracle would not accept as one query.

    ``line`` and ``column`` count from 1 within the SQL text; ``word`` is the wrong one as written; ``suggestion`` is
    the replacement, or empty. ``is_certain`` is False where Oracle may accept what our parser does not read;
    ``construct`` then is its name in Oracle's words, if it has one.
    """

    def __init__(
        self,
        message: str,
        *,
        line: int,
        column: int,
        word: str = "",
        suggestion: str = "",
        is_certain: bool = True,
        construct: str = "",
    ) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.word = word
        self.message = message
        self.suggestion = suggestion
        self.is_certain = is_certain
        self.construct = construct

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.message} {self.suggestion}".rstrip()


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of a character."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
