"""What of a table and of its messages fits on a screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.text import Text

_GAP = 2
_NAMES_SHOWN = 3
# The least width of sentences next to other columns, and the longest word that they are never broken within: an id.
_SENTENCE = 36
_LONGEST_ID = 60


def choose_columns(
    columns: Sequence[str], rows: Sequence[Sequence[Text]], drop: Sequence[str], width: int, *, wraps: bool
) -> list[int]:
    """The places of the columns that are shown: those in ``drop`` are left out one by one, the first first, until the
    table fits. Empty ones of them go before all others. ``wraps``: the last column may have several lines.
    """
    cells = [[row[place].plain for row in rows] for place in range(len(columns))]
    widths = [max(map(_measure, [name, *cells[place]])) for place, name in enumerate(columns)]
    if wraps:
        widths[-1] = min(widths[-1], max(_SENTENCE, *(_measure_words(cell) for cell in [columns[-1], *cells[-1]])))
    kept = list(range(len(columns)))
    order = [columns.index(name) for name in drop]
    for place in sorted(order, key=lambda place: any(cells[place])):
        if sum(widths[each] + _GAP for each in kept) - _GAP <= width:
            break
        kept.remove(place)
    return kept


def group_messages(messages: Iterable[tuple[str, str]]) -> list[str]:
    """``name: message`` once for each message. Messages that differ only by their names are equal."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, message in messages:
        groups.setdefault(message.replace(name, "NAME"), []).append((name, message))
    lines = []
    for common, members in groups.items():
        names = [name for name, _ in members]
        more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
        text = members[0][1] if len(members) == 1 else common
        lines.append(f"{', '.join(names[:_NAMES_SHOWN])}{more}: {text}")
    return lines


def _measure(text: str) -> int:
    return max((cell_len(line) for line in text.splitlines()), default=0)


def _measure_words(text: str) -> int:
    return max((length for word in text.split() if (length := cell_len(word)) <= _LONGEST_ID), default=0)
