"""Oracle's date masks, as far as all engines agree on them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from canvas_replicate.sql.translate.refusals import NotPortable
from canvas_replicate.sql.translate.terms import Kind, Term


def write_moment(text: str, mask: str, kind: Kind) -> Term:
    """A date or time that is known now, as a literal of the engine. Strict where Oracle is lenient."""
    pattern = "".join(
        MASKS[element].pattern if element in MASKS else re.escape(element) for element in mask_elements(mask)
    )
    try:
        if not (found := re.fullmatch(pattern, text)):
            raise ValueError
        parts = {"day": "01", "hour": "00", "minute": "00", "second": "00", "fraction": "0"} | found.groupdict()
        moment = datetime.fromisoformat("{year}-{month}-{day} {hour}:{minute}:{second}".format(**parts))
        moment = moment.replace(microsecond=int(parts["fraction"].ljust(6, "0")))
    except ValueError:
        raise NotPortable(f"the date {text!r}", f"it does not read as {mask}") from None
    shown = moment.isoformat(sep=" ", timespec="microseconds" if moment.microsecond else "seconds")
    return Term(f"TIMESTAMP '{shown}'", kind)


@dataclass(frozen=True)
class _Element:
    pattern: str
    strftime: str


MASKS = {
    "YYYY": _Element(r"(?P<year>\d{4})", "%Y"),
    "MM": _Element(r"(?P<month>\d{2})", "%m"),
    "DD": _Element(r"(?P<day>\d{2})", "%d"),
    "HH24": _Element(r"(?P<hour>\d{2})", "%H"),
    "MI": _Element(r"(?P<minute>\d{2})", "%M"),
    "SS": _Element(r"(?P<second>\d{2})", "%S"),
    "FF3": _Element(r"(?P<fraction>\d{1,3})", "%g"),
    "FF6": _Element(r"(?P<fraction>\d{1,6})", "%f"),
}
_ELEMENT = re.compile(r"YYYY|MM|DD|HH24|MI|SS|FF3|FF6|[-/.,;: ]|\"[^\"]*\"", re.IGNORECASE)


def mask_elements(mask: str) -> list[str]:
    """Mask elements in upper case, text between quotes without them."""
    found, at = [], 0
    while at < len(mask):
        match = _ELEMENT.match(mask, at)
        if match is None or (match[0].upper() == "DD" and mask[match.end() : match.end() + 1].upper() == "D"):
            raise NotPortable("a date mask", f"{mask!r}: only YYYY MM DD HH24 MI SS FF3 FF6 and separators are")
        found.append(match[0][1:-1] if match[0].startswith('"') else match[0].upper())
        at = match.end()
    return found


def write_strftime_mask(mask: str) -> str:
    return "".join(
        MASKS[element].strftime if element in MASKS else element.replace("%", "%%") for element in mask_elements(mask)
    )
