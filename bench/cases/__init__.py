"""The cases, most valuable first. A group is a module with functions that prepare and yield the ways."""

from __future__ import annotations

from bench.cases import (
    commands,
    extraction,
    ledger,
    loading,
    memory,
    messages,
    provisions,
    pushing,
    runs,
    workers,
    writing,
)

CASES = (
    *writing.CASES,
    *extraction.CASES,
    *memory.CASES,
    *loading.CASES,
    *runs.CASES,
    *ledger.CASES,
    *messages.CASES,
    *workers.CASES,
    *provisions.CASES,
    *pushing.CASES,
    *commands.CASES,
)
