"""The ledger's statements: portable SQL, whose parameters each driver writes in another way.

The ledger's columns keep UTC without a zone; its sessions take and give aware UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

# Literals and casts are stepped over, so that only a bind is taken for one.
_BIND = re.compile(r"'(?:[^']|'')*'|::|:(?P<name>[a-z_][a-z0-9_]*)")


def rewrite_binds(sql: str, write: Callable[[str], str]) -> str:
    """The statement with each ``:name`` as ``write`` spells it."""
    return _BIND.sub(lambda found: write(found["name"]) if found["name"] else found[0], sql)


def bind_names(sql: str) -> set[str]:
    return {found["name"] for found in _BIND.finditer(sql) if found["name"]}


def to_aware_rows(rows: Iterable[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """The rows that a driver fetched, with every time in aware UTC."""
    return [tuple(_to_aware(value) if isinstance(value, datetime) else value for value in row) for row in rows]


def to_naive_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """A statement's parameters as the columns keep them. A time without a zone is UTC already."""
    return {
        name: value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) and value.tzinfo else value
        for name, value in values.items()
    }


def _to_aware(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
