"""The content of a ddl file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from canvas_replicate.datfile.columns import Column


@dataclass(frozen=True)
class TableDdl:
    """``key`` is the primary key; without one, the first unique set of columns that are all NOT NULL.

    ``unique`` holds the other sets of columns that are declared UNIQUE, by a constraint or an index.
    """

    schema: str | None
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    unique: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class ViewDdl:
    """A view or materialized view; ``key`` are the columns of its first unique index."""

    schema: str | None
    name: str
    query: str
    key: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ddl:
    """``ignored`` are statements without meaning outside Oracle, on one line each."""

    tables: tuple[TableDdl, ...]
    views: tuple[ViewDdl, ...]
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class Statement:
    """``kind`` is the kind of object; ``name`` is that object, or the one that a grant or a comment is about."""

    kind: Literal["table", "view", "materialized view", "index", "grant", "comment", "other"]
    schema: str | None
    name: str
    sql: str
