"""How the status page writes ages, and which commands it finds in a recorded next step."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

# A command in the text of a next step: at its begin or after a colon, to its end. Several are three spaces apart.
_COMMAND = re.compile(r"((?:.*: )?)((?:replicate|provisioner) [a-z].*?)\.?", re.DOTALL)


def split_commands(step: str) -> list[tuple[str, str]]:
    """Pairs of text and the command after it; the command is empty where the text has none."""
    parts = re.split(r"\s{3,}", step.strip())
    return [(found[1], found[2]) if (found := _COMMAND.fullmatch(part)) else (part, "") for part in parts]


def format_ago(moment: datetime | None, now: datetime) -> str:
    return "" if moment is None else f"{format_span(now - moment)} ago"


def format_span(length: timedelta) -> str:
    """In one or two units: ``45 s``, ``12 min``, ``26 h``, ``3 h 20 min``, ``2 d 4 h``.

    ``0 s`` for less than none, which happens where clocks differ.
    """
    seconds = max(int(length.total_seconds()), 0)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes == 0:
        return f"{seconds} s"
    if days >= 2:
        return _join_units(days, "d", hours % 24, "h")
    return _join_units(hours, "h", minutes % 60, "min")


def _join_units(larger: int, large: str, smaller: int, small: str) -> str:
    return " ".join(f"{count} {unit}" for count, unit in ((larger, large), (smaller, small)) if count)
