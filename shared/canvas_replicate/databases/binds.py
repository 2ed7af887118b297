"""The ledger's statements: portable SQL, whose parameters each driver writes in another way."""

from __future__ import annotations

import re
from collections.abc import Callable

# Literals and casts are stepped over, so that only a bind is taken for one.
_BIND = re.compile(r"'(?:[^']|'')*'|::|:(?P<name>[a-z_][a-z0-9_]*)")


def rewrite_binds(sql: str, write: Callable[[str], str]) -> str:
    """The statement with each ``:name`` as ``write`` spells it."""
    return _BIND.sub(lambda found: write(found["name"]) if found["name"] else found[0], sql)


def bind_names(sql: str) -> set[str]:
    return {found["name"] for found in _BIND.finditer(sql) if found["name"]}
