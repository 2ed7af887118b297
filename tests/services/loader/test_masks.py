"""Date masks: what they match, what they refuse, and that the column-wise reading agrees."""

from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from canvas_replicate.control_file.masks import parse_mask
from canvas_replicate.errors import ConfigError, Place

# Masks beside the Python directives that write a text of their shape.
WRITTEN = {
    "YYYY-MM-DD": "{0:%Y-%m-%d}",
    "YYYY-MM-DD HH24:MI:SS": "{0:%Y-%m-%d %H:%M:%S}",
    "YYYY-MM-DD HH24:MI:SS.FF6": "{0:%Y-%m-%d %H:%M:%S.%f}",
    "yyyymmddhh24miss": "{0:%Y%m%d%H%M%S}",
    "MM/DD/YYYY HH12:MI:SS PM": "{0:%m/%d/%Y %I:%M:%S %p}",
    "DD-MON-YYYY": "{0:%d-%b-%Y}",
    'YYYY-MM-DD"T"HH24:MI': "{0:%Y-%m-%dT%H:%M}",
    'FXDD.MM.YYYY, HH24:MI" 100% (local)"': "{0:%d.%m.%Y, %H:%M} 100% (local)",
}
MOMENTS = st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(9999, 12, 31))


def column_wise(mask: str, texts: list[str]) -> list[datetime | None]:
    """What the fast path does: keep what matches the pattern, then strptime."""
    understood = parse_mask(mask)
    series = pl.Series(texts, dtype=pl.String)
    matching = series.to_frame("x").select(pl.when(series.str.contains(understood.pattern)).then(series)).to_series()
    parsed = matching.str.strptime(pl.Datetime("us"), understood.strptime, strict=False)
    return [value.astimezone(UTC) if value and value.tzinfo else value for value in parsed.to_list()]


def reference(mask: str, text: str) -> datetime | None:
    try:
        return parse_mask(mask).parse(text)
    except ValueError:
        return None


@pytest.mark.parametrize("mask", WRITTEN)
@given(moment=MOMENTS)
def test_what_a_mask_describes_is_read_back_whole(mask: str, moment: datetime) -> None:
    text = WRITTEN[mask].format(moment)
    assert WRITTEN[mask].format(parse_mask(mask).parse(text)) == text


@pytest.mark.parametrize("mask", WRITTEN)
@given(moments=st.lists(MOMENTS, min_size=1, max_size=20), noise=st.integers(0, 9), at=st.integers(0, 40))
def test_the_column_wise_reading_agrees_with_the_reference(
    mask: str, moments: list[datetime], noise: int, at: int
) -> None:
    texts = [WRITTEN[mask].format(moment) for moment in moments]
    texts += [text[:at] + str(noise) + text[at + 1 :] for text in texts]
    assert column_wise(mask, texts) == [reference(mask, text) for text in texts]


@given(moment=MOMENTS, minutes=st.integers(-15 * 60 - 59, 15 * 60 + 59))
def test_a_zone_makes_an_instant(moment: datetime, minutes: int) -> None:
    aware = moment.replace(year=2000 + moment.year % 100, day=1, tzinfo=timezone(timedelta(minutes=minutes)))
    sign, size = "-" if minutes < 0 else "+", abs(minutes)
    mask = "YYYY-MM-DD HH24:MI:SS.FF6TZH:TZM"
    text = f"{aware:%Y-%m-%d %H:%M:%S.%f}{sign}{size // 60:02}:{size % 60:02}"
    assert parse_mask(mask).parse(text) == aware
    assert column_wise(mask, [text]) == [aware]
    assert parse_mask("YYYY-MM-DD HH24:MI:SS.FF6TZHTZM").parse(text[:-3] + text[-2:]) == aware


@pytest.mark.parametrize(
    ("mask", "text", "expected"),
    [
        ("YYYY-MM-DD HH24:MI:SS.FF6", "2026-02-01 03:04:05.5", datetime(2026, 2, 1, 3, 4, 5, 500000)),
        ("YYYY-MM-DD HH24:MI:SS.FF9", "2026-02-01 03:04:05.123456000", datetime(2026, 2, 1, 3, 4, 5, 123456)),
        ("YYYY-MM-DD HH24:MI:SS.FF", "2026-02-01 03:04:05.1", datetime(2026, 2, 1, 3, 4, 5, 100000)),
        ("DD-MON-YYYY HH:MI AM", "03-mAy-2026 12:05 am", datetime(2026, 5, 3, 0, 5)),
        ("DD-MON-YYYY HH:MI AM", "03-MAY-2026 12:05 PM", datetime(2026, 5, 3, 12, 5)),
        ("YYYY-MM-DD", "0001-01-01", datetime(1, 1, 1)),
    ],
)
def test_fractions_months_and_halves_of_the_day(mask: str, text: str, expected: datetime) -> None:
    assert parse_mask(mask).parse(text) == expected
    assert column_wise(mask, [text]) == [expected]


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        ("YYYY-MM-DD", "2026-1-2"),
        ("YYYY-MM-DD", "2026/01/02"),
        ("YYYY-MM-DD", "2026-01-02 00:00:00"),
        ("YYYY-MM-DD", " 2026-01-02"),
        ("YYYY-MM-DD", "2026-01-02\n"),
        ("YYYY-MM-DD", "2026-JAN-02"),
        ("YYYY-MM-DD", "2026-02-30"),
        ("YYYY-MM-DD", "0000-01-01"),
        ("YYYY-MM-DD", "+2026-01-02"),
        ("YYYY-MM-DD", "٢٠٢٦-01-02"),
        ("YYYY-MM-DD HH24:MI:SS", "2026-01-02"),
        ("YYYY-MM-DD HH24:MI:SS", "2026-01-02  03:04:05"),
        ("YYYY-MM-DD HH24:MI:SS", "2026-01-02 24:00:00"),
        ("YYYY-MM-DD HH24:MI:SS", "2026-01-02 23:59:60"),
        ("YYYY-MM-DD HH24:MI:SS.FF3", "2026-01-02 03:04:05.1234"),
        ("YYYY-MM-DD HH24:MI:SS.FF3", "2026-01-02 03:04:05"),
        ("DD-MON-YYYY", "03-MAJ-2026"),
        ("DD-MON-YYYY", "03-JANUARY-2026"),
        ("MM/DD/YYYY HH12:MI AM", "01/02/2026 13:00 PM"),
        ("YYYY-MM-DD HH24:MITZH:TZM", "2026-01-02 03:04+16:00"),
        ("YYYY-MM-DD HH24:MITZH:TZM", "2026-01-02 03:04Z"),
    ],
)
def test_what_a_mask_does_not_describe_is_rejected_by_both_readings(mask: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"not a date|day is out of range"):
        parse_mask(mask).parse(text)
    assert column_wise(mask, [text]) == [None]


def test_digits_below_a_microsecond_are_not_dropped_in_silence() -> None:
    with pytest.raises(ValueError, match="below a microsecond"):
        parse_mask("YYYY-MM-DD HH24:MI:SS.FF9").parse("2026-01-02 03:04:05.123456789")


def test_a_mask_tells_what_its_values_carry() -> None:
    day, moment = parse_mask("YYYY-MM-DD"), parse_mask("YYYY-MM-DD HH24:MI:SS.FF9TZH:TZM")
    assert (day.has_time, day.has_zone, day.fraction_digits) == (False, False, 0)
    assert (moment.has_time, moment.has_zone, moment.fraction_digits) == (True, True, 9)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ("YY-MM-DD", "YY is not understood here"),
        ("RRRR-MM-DD", "RRRR is not understood here"),
        ("DD-MONTH-YYYY", "MONTH is not understood here"),
        ("DAY DD.MM.YYYY", "DAY is not understood here"),
        ("YYYYDDD", "DDD is not understood here"),
        ("YYYY-MM-DD SSSSS", "SSSSS is not understood here"),
        ("YYYY-MM-DD HH24:MI:SS,FF3", "FF is not understood here"),
        ("YYYY-MM-DD HH24:MI TZR", "TZR is not understood here"),
        ("YYYY-MM-DD HH24:MI TZH", "TZH is not understood here"),
        ("YYYY-MM-DD HH24:MI:SSXFF", "X is not understood here"),
        ("YYYY-MM-DD#", "# is not understood here"),
        ("FMYYYY-MM-DD", "FM is not understood here"),
        ("YYYY-MM", "the day is missing"),
        ("HH24:MI", "the year is missing"),
        ("", "the year is missing"),
        ("YYYY-MM-MON-DD", "the month appears twice"),
        ("YYYY-MM-DD HH24 HH12:MI AM", "the hour appears twice"),
        ("YYYY-MM-DD HH:MI", "HH12 needs AM or PM; HH24 may be meant"),
        ("YYYY-MM-DD HH24:MI PM", "AM and PM need HH12"),
        ("YYYY-MM-DD HH24", "the hour needs MI"),
        ("YYYY-MM-DD MI", "MI needs the hour"),
        ("YYYY-MM-DD HH24:SS", "the hour needs MI"),
        ("YYYY-MM-DD HH24:MI.FF", "FF needs SS"),
        ("YYYY-MM-DDTZH:TZM", "TZH:TZM needs HH24"),
    ],
)
def test_a_mask_that_would_need_a_guess_is_refused_by_its_element(mask: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_mask(mask, place=Place("t.ctl", 7))
    assert str(caught.value).startswith(f"t.ctl:7: date mask {mask!r}: {message}.")
