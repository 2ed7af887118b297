"""Times of the ledger: its columns keep UTC without a zone, its sessions give and take aware UTC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any


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
