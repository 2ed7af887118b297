"""Suggests what to type: the nearest known word for a mistyped one, and the commands for what a gate holds."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping


def did_you_mean(word: str, known: Collection[str]) -> str:
    """One sentence with the nearest known word (case does not count), or with the known words if none is near."""
    by_lower = {name.lower(): name for name in sorted(known)}
    nearest = difflib.get_close_matches(word.lower(), by_lower, n=1)
    if nearest:
        return f"Did you mean {by_lower[nearest[0]]!r}?"
    listed = ", ".join(sorted(known)[:12])
    more = ", ..." if len(known) > 12 else ""
    return f"Known: {listed}{more}." if known else "None is configured."


def merge_next_steps(steps: Mapping[str, str], run_id: str | None) -> str:
    """One next step for tables of a run that failed alike; ``steps`` has the step of each."""
    if len({*steps.values()}) == 1 or run_id is None:
        return next(iter(steps.values()))
    again = f"replicate rerun --failed {run_id}"
    merged = {step.replace(f"replicate rerun {table}", again) for table, step in steps.items()}
    return merged.pop() if len(merged) == 1 else again


def suggest_decision(artifact: str) -> str:
    """The next step for what a gate holds: an artifact's id, or ``--run RUN`` for all that is held in a run."""
    return f"replicate approve {artifact}   or   replicate discard {artifact}"
