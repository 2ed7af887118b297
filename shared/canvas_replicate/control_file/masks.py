"""Oracle date masks that mean exactly one thing, as a pattern, as strptime directives and as a parser.

A value that the mask does not describe to the last character is rejected, never guessed. Oracle is more
lenient unless the mask starts with FX (SQL Language Reference, format models): it also takes

- other punctuation than the mask's, or none; more or fewer blanks;
- numbers without leading zeros (``1/2/2020`` for ``MM/DD/YYYY``), a year of less than four digits;
- a month's name where the mask has MM, the full name where it has MON, names in the session's language;
- a text that ends early (a date without its time, seconds without their fraction);
- 29 February 1500 and other days of the Julian calendar, which Oracle uses up to 4 October 1582.

All of these are rejected here; 5 to 14 October 1582, which Oracle does not know, are taken. Elements that
depend on today (YY, RR), on the session's language (DAY, MONTH) or on a zone's name (TZR) are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from canvas_replicate.errors import ConfigError, Place

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass(frozen=True)
class _Element:
    part: str
    strptime: str
    pattern: str


def _build_number(part: str, strptime: str, digits: str) -> _Element:
    return _Element(part, strptime, f"(?P<{part}>{digits})")


_MERIDIEM = _Element("meridiem", "%p", "(?P<meridiem>[AaPp][Mm])")
_ELEMENTS = {
    "YYYY": _build_number("year", "%Y", "[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9]"),
    "MM": _build_number("month", "%m", "0[1-9]|1[0-2]"),
    "MON": _Element("month_name", "%b", f"(?P<month_name>(?i:{'|'.join(_MONTHS)}))"),
    "DD": _build_number("day", "%d", "0[1-9]|[12][0-9]|3[01]"),
    "HH24": _build_number("hour", "%H", "[01][0-9]|2[0-3]"),
    "HH12": _build_number("hour12", "%I", "0[1-9]|1[0-2]"),
    "HH": _build_number("hour12", "%I", "0[1-9]|1[0-2]"),
    "MI": _build_number("minute", "%M", "[0-5][0-9]"),
    "SS": _build_number("second", "%S", "[0-5][0-9]"),
    "AM": _MERIDIEM,
    "PM": _MERIDIEM,
    "TZH:TZM": _Element("zone", "%:z", "(?P<zone>[+-](?:0[0-9]|1[0-5]):[0-5][0-9])"),
    "TZHTZM": _Element("zone", "%z", "(?P<zone>[+-](?:0[0-9]|1[0-5])[0-5][0-9])"),
}
_NEEDS = (
    ("minute", "hour", "MI needs the hour"),
    ("hour", "minute", "the hour needs MI"),
    ("second", "minute", "SS needs MI"),
    ("fraction", "second", "FF needs SS"),
    ("meridiem", "hour12", "AM and PM need HH12"),
    ("hour12", "meridiem", "HH12 needs AM or PM; HH24 may be meant"),
    ("zone", "hour", "TZH:TZM needs HH24"),
)
_KNOWN_TO_ORACLE = (
    *("SYYYY", "YEAR", "Y,YYY", "YYY", "YY", "Y", "RRRR", "RR", "IYYY", "CC", "MONTH", "RM", "DDD", "DAY", "DY"),
    *("D", "J", "Q", "WW", "IW", "W", "SSSSS", "FF", "TZH", "TZM", "TZR", "TZD", "A.M.", "P.M.", "FM", "TH"),
    *("SP", "BC", "AD", "X", "E"),
)
# The longest element wins, as in Oracle: MONTH is not MON and TH.
_NAMES = sorted((*_ELEMENTS, *_KNOWN_TO_ORACLE), key=len, reverse=True)
_ELEMENT = re.compile("|".join(re.escape(name) for name in _NAMES) + "|[A-Z]+", re.IGNORECASE)
_FRACTION = re.compile(r"\.FF([1-9]?)", re.IGNORECASE)
_LITERAL = re.compile(r'"(?P<quoted>[^"]*)"|[-/,.;: ]')


@dataclass(frozen=True)
class Mask:
    """A date mask as understood.

    Attributes:
        text: as written in the control file.
        strptime: directives of chrono, which polars uses. They take more than the mask allows (``+2020``,
            one-digit months), so a value must match ``pattern`` first.
        pattern: anchored regular expression, the same for Python and Rust; it leaves only days that a month
            does not have to the parser.
        fraction_digits: how many digits of a second a value may have, 0 without FF.
        has_time: False for a mask of a day only.
        has_zone: True when values carry an offset, so that they are instants.
    """

    text: str
    strptime: str
    pattern: str
    fraction_digits: int = 0
    has_time: bool = False
    has_zone: bool = False

    def parse(self, text: str) -> datetime:
        """The reference reading; aware when the mask has a zone.

        Raises ValueError for a value that the mask does not describe, and for digits below a microsecond that
        are not zero, which a datetime cannot hold.
        """
        match = re.fullmatch(self.pattern, text)
        if match is None:
            raise ValueError(f"not a date as {self.text} describes it")
        part = {name: value for name, value in match.groupdict().items() if value is not None}
        fraction = part.get("fraction", "").ljust(6, "0")
        if fraction[6:].strip("0"):
            raise ValueError("a fraction of a second below a microsecond")
        return datetime(
            int(part["year"]),
            _MONTHS.index(part["month_name"].upper()) + 1 if "month_name" in part else int(part["month"]),
            int(part["day"]),
            _read_hour(part),
            int(part.get("minute", "0")),
            int(part.get("second", "0")),
            int(fraction[:6]),
            tzinfo=_read_offset(part["zone"]) if "zone" in part else None,
        )


def parse_mask(mask: str, *, place: Place | None = None) -> Mask:
    """Raises ConfigError, at ``place``, naming the element that is not understood or is missing.

    An FX in front changes nothing: values are always matched exactly.
    """
    strptime, pattern, parts, digits = "", "", list[str](), 0
    at = 2 if mask.upper().startswith("FX") else 0
    while at < len(mask):
        if found := _FRACTION.match(mask, at):
            digits = int(found[1] or 9)
            strptime += "%.f"
            pattern += rf"\.(?P<fraction>[0-9]{{1,{digits}}})"
            parts.append("fraction")
        elif found := _LITERAL.match(mask, at):
            text = found[0] if found["quoted"] is None else found["quoted"]
            strptime += text.replace("%", "%%")
            pattern += re.escape(text)
        else:
            found = _ELEMENT.match(mask, at)
            element = _ELEMENTS.get(found[0].upper()) if found else None
            if found is None or element is None:
                name = found[0].upper() if found else mask[at]
                raise _build_mask_error(mask, f"{name} is not understood here", place)
            strptime += element.strptime
            pattern += element.pattern
            parts.append(element.part)
        at = found.end()
    _check_parts(mask, parts, place)
    has_time = "hour" in parts or "hour12" in parts
    return Mask(mask, strptime, f"^{pattern}$", digits, has_time, has_zone="zone" in parts)


def _check_parts(mask: str, parts: list[str], place: Place | None) -> None:
    """A whole date, and a time only down from the hour: a part that is left out would be a guess."""
    named = ["month" if part == "month_name" else part for part in parts]
    if twice := [part for part in dict.fromkeys(named) if named.count(part) > 1]:
        raise _build_mask_error(mask, f"the {twice[0]} appears twice", place)
    if "hour" in named and "hour12" in named:
        raise _build_mask_error(mask, "the hour appears twice", place)
    if missing := [part for part in ("year", "month", "day") if part not in named]:
        raise _build_mask_error(mask, f"the {missing[0]} is missing", place)
    present = {*named, "hour"} if "hour12" in named else set(named)
    for part, needed, message in _NEEDS:
        if part in present and needed not in present:
            raise _build_mask_error(mask, message, place)


def _build_mask_error(mask: str, message: str, place: Place | None) -> ConfigError:
    step = "Masks are made of YYYY MM MON DD HH24 HH12 AM PM MI SS .FF TZH:TZM and punctuation."
    return ConfigError(f"date mask {mask!r}: {message}.", place=place, code="config.mask", next_step=step)


def _read_hour(part: dict[str, str]) -> int:
    if "hour12" not in part:
        return int(part.get("hour", "0"))
    return int(part["hour12"]) % 12 + (12 if part["meridiem"].upper() == "PM" else 0)


def _read_offset(zone: str) -> timezone:
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    return timezone(timedelta(minutes=-minutes if zone[0] == "-" else minutes))
