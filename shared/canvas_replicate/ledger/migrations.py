"""The ledger's schema."""

from __future__ import annotations

from importlib import resources


def schema() -> str:
    """Oracle DDL of the ledger and the status tables."""
    return resources.files("canvas_replicate.ledger").joinpath("tables.sql").read_text("utf-8")
