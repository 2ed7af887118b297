"""One screen of a terminal: what changes is shown again and again, and never scrolls."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout

from canvas_replicate.ledger.records import Status

_FINE = ("successful", "skipped")


class _Page(io.StringIO):
    """Takes what is printed as the terminal would show it."""

    def isatty(self) -> bool:
        return True


def fit_status(rows: Sequence[Status], show: Callable[[Sequence[Status]], None], height: int) -> str:
    """What ``show`` prints of the rows, in at most ``height`` lines: of too many tables those that need somebody."""
    urgent = sorted(rows, key=lambda row: row.status in _FINE)
    count = len(rows)
    lines = _print_lines(show, rows)
    while len(lines) > height and count:
        count = max(count - max(len(lines) - height, 1), 0)
        lines = _print_lines(show, urgent[:count])
        lines.append(f"and {len(rows) - count} more tables: replicate status")
    return "\n".join(lines[: height - 1] + lines[-1:] if len(lines) > height else lines)


def print_screen(rows: Sequence[Status], show: Callable[[Sequence[Status]], None], height: int) -> None:
    """Replace what the terminal shows; without a terminal print all, below the earlier."""
    if not sys.stdout.isatty():
        show(rows)
        return
    # The cursor goes home and the rest is cleared afterwards, so that nothing flickers.
    sys.stdout.write("\x1b[H" + fit_status(rows, show, height - 1).replace("\n", "\x1b[K\n") + "\x1b[K\n\x1b[J")
    sys.stdout.flush()


def _print_lines(show: Callable[[Sequence[Status]], None], rows: Sequence[Status]) -> list[str]:
    with redirect_stdout(_Page()) as page:
        show(rows)
    return page.getvalue().splitlines()
