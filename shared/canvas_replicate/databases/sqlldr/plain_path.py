"""Paths that mean the same in a control file, in a parameter file and on disk."""

from __future__ import annotations

import re
from pathlib import Path

from canvas_replicate.errors import ConfigError

# Quotation marks, blanks, commas, parentheses, ``=``, ``#``, ``*``, ``?``, ``@``, ``$`` and backslashes each have a
# meaning of their own in at least one of these places.
_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")


def plain_path(path: Path) -> str:
    """The path as it stands in files that SQL*Loader reads. Raises ConfigError for one that would need quoting."""
    text = str(path)
    if not _PLAIN.fullmatch(text):
        raise ConfigError(
            f"SQL*Loader cannot be given the path {text!r}.",
            code="sqlldr.path",
            next_step="Choose a REPLICATE_DATA_DIR of letters, digits and . _ - / only.",
        )
    return text
