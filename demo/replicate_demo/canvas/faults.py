"""Accidents that can be armed: each happens so many times and is then over."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from threading import Lock

FAULTS = {
    "server_error": "answer `status` (500 JSON; 502, 503, 504 HTML) and do nothing",
    "error_after_execution": "do it, then answer `status` (writes only)",
    "reset_after_execution": "do it, then reset the connection (writes only)",
    "slow": "work for `seconds` before the request is executed",
    "throttle": "refuse as if the bucket were full",
    "revoked_token": "401, as if the token were no longer valid",
    "no_right": "the token's user may not do that",
    "reset_download": "reset the connection in the middle of a file",
    "store_error": "answer `status` in place of a file",
    "truncated_file": "send only the first half of a file, as if that were all",
    "expired_link": "the store's link is no longer good",
    "html_file": "send a login page with 200 in place of a file",
    "stuck_report": "the next report stays in `running` at `percent`, for `seconds` (without: for ever)",
    "report_error": "the next report ends in `error`",
    "empty_report": "the next report has headers only",
    "renamed_column": "the next report calls `column` `to`",
    "missing_column": "the next report lacks `column`",
    "extra_column": "the next report has a `column` more, in front",
    "second_header": "the next report's files have their header once more, below their first row",
    "aborted_import": "the next SIS import is aborted when `rows` of its rows are applied",
    "extra_error": "the next SIS import has one more error, which is about no row",
    "unnumbered_errors": "the errors' file of the next SIS import has no row numbers",
    "empty_csv_attachments": "the next SIS import, once it is over, shows none of its files",
    "missing_csv_attachments": "the next SIS import, once it is over, has no `csv_attachments`",
    "other_admin": "somebody else starts the same report right after the next one",
}


@dataclass(frozen=True)
class Fault:
    """``count`` None: until cleared. ``method`` and ``path`` (a part of it) say which requests are meant; None: any."""

    name: str
    count: int | None = 1
    method: str | None = None
    path: str | None = None
    status: int = 502
    seconds: float | None = None
    percent: int = 37
    rows: int = 0
    column: str = ""
    to: str = ""

    def matches(self, method: str, path: str) -> bool:
        return (self.method in (None, method)) and (self.path is None or self.path in path)


class Faults:
    """Those that are armed. Safe to use from any thread."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self._lock = Lock()

    def arm(self, name: str, count: int | None = 1, **options: object) -> None:
        """Raises ValueError for a fault, an option or a count that there is not."""
        fault = _check(name, count, options)
        with self._lock:
            self._armed.append(fault)

    def clear(self, name: str | None = None) -> None:
        """One kind, or all of them."""
        with self._lock:
            self._armed = [fault for fault in self._armed if name not in (None, fault.name)]

    def armed(self) -> list[Fault]:
        with self._lock:
            return list(self._armed)

    def take(self, name: str, method: str = "", path: str = "") -> Fault | None:
        """The fault if it is armed for such a request; one of its count is then used up."""
        with self._lock:
            for place, fault in enumerate(self._armed):
                if fault.name == name and fault.matches(method, path):
                    self._use_up(place, fault)
                    return fault
        return None

    def _use_up(self, place: int, fault: Fault) -> None:
        if fault.count == 1:
            del self._armed[place]
        elif fault.count is not None:
            self._armed[place] = replace(fault, count=fault.count - 1)


def _check(name: str, count: int | None, options: dict[str, object]) -> Fault:
    if name not in FAULTS:
        near = difflib.get_close_matches(str(name), FAULTS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(FAULTS)}."
        raise ValueError(f"There is no fault {name!r}; {hint}")
    if count is not None and (not isinstance(count, int) or count < 1):
        raise ValueError(f"{name}: count is a whole number from 1, or null for always.")
    for option, value in options.items():
        _check_option(name, option, value)
    if name in ("renamed_column", "missing_column", "extra_column") and not options.get("column"):
        raise ValueError(f"{name}: say which column.")
    if name == "slow" and options.get("seconds") is None:
        raise ValueError("slow: say how many seconds.")
    return Fault(name, count, **options)  # type: ignore[arg-type]  # each has just been checked


_OPTIONS: dict[str, type | tuple[type, ...]] = {
    "method": str,
    "path": str,
    "status": int,
    "seconds": (int, float),
    "percent": int,
    "rows": int,
    "column": str,
    "to": str,
}


def _check_option(name: str, option: str, value: object) -> None:
    if option not in _OPTIONS:
        raise ValueError(f"{name}: there is no option {option!r}; there are {', '.join(_OPTIONS)}.")
    if not isinstance(value, _OPTIONS[option]):
        raise ValueError(f"{name}: {option} is not what it must be.")
