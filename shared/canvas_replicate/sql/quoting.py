"""Where Oracle's SQL is comment or quoted. Apart from `syntax`, because the parser is costly to import."""

from __future__ import annotations

import re

# For VERBOSE and DOTALL.
COMMENT = r"--[^\n]* | /\*.*?\*/"
QUOTED = r"[nN]?[qQ]'(?:\[.*?\]|\{.*?\}|\(.*?\)|<.*?>|(?P<mark>[^\s\[{(<]).*?(?P=mark))' | '(?:[^']|'')*' | \"[^\"]*\""


def compile_outside(found: str) -> re.Pattern[str]:
    """A pattern whose group ``found`` is set outside of comments and quoted texts; those it matches as a whole."""
    return re.compile(f"{COMMENT} | {QUOTED} | (?P<found>{found})", re.VERBOSE | re.DOTALL)
