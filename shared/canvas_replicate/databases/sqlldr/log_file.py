"""The log of SQL*Loader (Oracle Utilities, SQL*Loader log file reference).

The texts are those of NLS_LANG=AMERICAN. A message may quote a value of the record (since 23ai), so a reason
is in our words where the code is known, and else as much of the text as holds plain words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from canvas_replicate.databases.oracle.errors import find_inner_code, find_reason, is_programmers
from canvas_replicate.databases.ports import Rejection
from canvas_replicate.errors import DataError

_REJECTED = re.compile(r"Record (?P<record>\d+): Rejected - Error on table .+?(?:, column (?P<column>.+?))?\.")
_INDEXES = re.compile(r"The following index\(es\) on table .*")
_UNUSABLE = re.compile(r"index (?P<index>.+?) was made unusable due to:.*")
_OTHER_START = re.compile(r"Record \d+: .*|Table .*:|Total logical .*|MAXIMUM ERROR .*|Specify SKIP=.*")
_CODED = re.compile(r"(?P<code>(?:ORA|LRM|TNS|SQL\*Loader)-\d+): ?(?P<message>.*)")
_SKIP = re.compile(r"Specify SKIP=(\d+) when continuing the load\.")
_COUNT = re.compile(r"(?P<count>\d+) Rows? (?P<what>.*)\.")
_TOTAL = re.compile(r"Total logical records (?P<what>\w+): *(?P<count>\d+)")
_PLAIN_WORDS = re.compile(r"[A-Za-z][A-Za-z ,/*-]*")

_LOADED = "successfully loaded"
_DATA_ERRORS = "not loaded due to data errors"
_WHEN_FAILED = "not loaded because all WHEN clauses were failed"
_ALL_NULL = "not loaded because all fields were null"
_SUMMARY = (_LOADED, _DATA_ERRORS, _WHEN_FAILED, _ALL_NULL, "skipped", "read", "rejected", "discarded")


@dataclass(frozen=True)
class LoadLog:
    """Attributes:
    read: logical records, the rejected and discarded ones among them, the skipped ones not.
    stopped: why it ended before the end of the file; the counts then need not add up.
    fatal: ORA and SQL*Loader messages that belong to no record and to no index.
    unusable_indexes: what a direct path load left UNUSABLE, though it reports all rows as loaded.
    """

    read: int
    loaded: int
    rejected: int
    discarded: int
    skipped: int
    rejections: tuple[Rejection, ...]
    stopped: str | None = None
    fatal: tuple[str, ...] = ()
    unusable_indexes: tuple[str, ...] = ()


def read_log(text: str) -> LoadLog:
    """Raises DataError when the summary is missing or impossible."""
    blocks = list(_read_blocks(text))
    counts = _read_summary(block[0] for block in blocks)
    log = LoadLog(
        read=counts["read"],
        loaded=counts[_LOADED],
        rejected=counts["rejected"],
        discarded=counts["discarded"],
        skipped=counts["skipped"],
        rejections=tuple(_read_refusal(found, b[1:]) for b in blocks if (found := _REJECTED.fullmatch(b[0]))),
        stopped=_find_stop([block[0] for block in blocks]),
        fatal=find_coded_lines(text),
        unusable_indexes=tuple(
            found["index"].replace('"', "") for block in blocks for line in block if (found := _UNUSABLE.match(line))
        ),
    )
    if log.stopped is None:
        _check(log, counts)
    return log


def find_coded_lines(text: str) -> tuple[str, ...]:
    """The messages with a code that belong to no record and to no index, of a log or of what went to the screen."""
    return tuple(block[0] for block in _read_blocks(text) if _CODED.match(block[0]))


def _read_blocks(text: str) -> Iterator[list[str]]:
    """Lines that belong together: a rejection or a list of indexes with what follows it, else single lines."""
    block: list[str] = []
    for line in (line.strip() for line in text.split("\n")):
        opens = any(pattern.fullmatch(line) for pattern in (_REJECTED, _INDEXES, _UNUSABLE))
        if block and line and not opens and not _OTHER_START.fullmatch(line):
            block.append(line)
            continue
        if block:
            yield block
        block = [line] if opens else []
        if line and not opens:
            yield [line]
    if block:
        yield block


def _read_summary(lines: Iterable[str]) -> dict[str, int]:
    matches = [match for line in lines if (match := _COUNT.fullmatch(line) or _TOTAL.fullmatch(line))]
    found = [(match["what"], int(match["count"])) for match in matches if match["what"] in _SUMMARY]
    counts = dict(found)
    missing = [what for what in _SUMMARY if what not in counts]
    if missing:
        raise DataError(f"The log of SQL*Loader is incomplete: it does not show {missing[0]!r}.", code="sqlldr.log")
    if len(found) > len(counts):
        raise DataError("The log of SQL*Loader has more than one summary.", code="sqlldr.log")
    return counts


def _check(log: LoadLog, counts: dict[str, int]) -> None:
    pairs = {
        "read, and loaded + rejected + discarded": (log.read, log.loaded + log.rejected + log.discarded),
        "rejected, and rows with data errors": (log.rejected, counts[_DATA_ERRORS]),
        "rejected, and records named": (log.rejected, len(log.rejections)),
        "discarded, and rows not loaded": (log.discarded, counts[_WHEN_FAILED] + counts[_ALL_NULL]),
    }
    for what, (one, other) in pairs.items():
        if one != other:
            text = f"The log of SQL*Loader contradicts itself: {what} are {one} and {other}."
            raise DataError(text, code="sqlldr.log")


def _find_stop(lines: list[str]) -> str | None:
    if any(line.startswith("MAXIMUM ERROR COUNT EXCEEDED") for line in lines):
        return "more records were rejected than allowed"
    skip = next((match[1] for line in lines if (match := _SKIP.fullmatch(line))), None)
    aborted = next((line for line in lines if line.startswith("SQL*Loader-2026")), None)
    return f"discontinued after {skip} records" if skip else aborted


def _read_refusal(match: re.Match[str], reasons: list[str]) -> Rejection:
    column = match["column"].replace('"', "").lower() if match["column"] else None
    return Rejection(int(match["record"]), column, *_read_code_and_reason(reasons))


def _read_code_and_reason(lines: list[str]) -> tuple[str, str]:
    coded = {match["code"]: match["message"] for line in lines if (match := _CODED.match(line))}
    if not coded:
        return "SQL*Loader", _find_plain_words(lines[0] if lines else "")
    code = next(iter(coded))
    if code.startswith("ORA-"):
        code = find_inner_code("\n".join(coded), code)
    if is_programmers(code):
        return code, "refused by a trigger or procedure"  # its text is the programmer's, and may begin with a value
    return code, find_reason(code) or _find_plain_words(coded.get(code, ""))


def _find_plain_words(text: str) -> str:
    words = _PLAIN_WORDS.match(text)
    return words[0].rstrip(" ,-") if words else "no reason is given"
