"""The rows of each table.

Keys are computed from row numbers, so every table can be made without any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from replicate_demo import awkward
from replicate_demo.draws import (
    Rng,
    Whole,
    amounts,
    days,
    drawn_from,
    instants,
    joined,
    long_numbers,
    microseconds,
    padded,
    seasoned,
    seconds,
    some_empty,
    some_missing,
)

Columns = dict[str, pa.Array]
Sizes = Mapping[str, int]  # table -> rows

# Florida State's spelling of a term: 2, two digits of the year, and 1 spring, 6 summer, 9 fall.
TERMS = tuple(f"2{year}{season}" for year in range(14, 22) for season in "169")[2:22]
TERMS_WITH_CLASSES = ("2189", "2191", "2196", "2199", "2201")
SEASONS = {
    "1": ("Spring", "01-06", "05-01"),
    "6": ("Summer", "05-11", "07-31"),
    "9": ("Fall", "08-26", "12-13"),
}

MEETING_SLOTS = ("MWF 09:05", "MWF 10:10", "TR 08:00", "TR 12:30", "W 18:35")
SUBJECTS = ("ACG", "BIO", "CHM", "CIS", "ECO", "ENC", "GEO", "HIS", "MAC", "MUS", "NUR", "PHY", "PSY", "STA")
TITLES = ("Introduction to", "Topics in", "Advanced", "Principles of", "Seminar in", "Methods of", "Directed")
TITLE_ENDS = ("Accounting", "Biology", "Design", "Ethics", "Linguistics", "Nursing", "Statistics", "Music")
BUILDINGS = ("HCB", "CAR", "DIF", "KEE", "LOV", "MCH", "RBA", "SAN")
GRADES = ("A", "A-", "B+", "B", "C+", "C", "D", "F", "S", "NA", "I")

ACTIVE = ("2018-08-20", "2020-02-01")  # when the rows were written: last_updated and its like

# In ASCII, because 4,000 bytes is what a VARCHAR2 column holds in a database with the standard string size.
LONG_SUMMARY = awkward.text_of_length(4_000, ('a long | "summary"', "line\nbreak #EOR#", *awkward.SENTENCES))
VERY_LONG_NOTE = awkward.text_of_length(100_000, awkward.REMARKS)


def emplid_of(student: Whole) -> pa.Array:
    return padded(123_456 + 7 * student, 9)


def term_of(section: Whole) -> pa.Array:
    return pa.array(TERMS_WITH_CLASSES).take(pa.array(section % len(TERMS_WITH_CLASSES)))


def class_number_of(section: Whole) -> pa.Array:
    return pa.array(1000 + section // len(TERMS_WITH_CLASSES))


def students(rng: Rng, sizes: Sizes) -> Columns:
    count = sizes["students"]
    emplid = emplid_of(np.arange(count))
    first = seasoned(rng, drawn_from(rng, awkward.FIRST_NAMES, count), awkward.NAMES, 0.01)
    last = seasoned(rng, drawn_from(rng, awkward.LAST_NAMES, count), awkward.NAMES[::-1], 0.01)
    preferred = some_missing(rng, drawn_from(rng, awkward.FIRST_NAMES, count), 0.8)
    born = days(rng, "1951-01-01", "2003-01-01", count)
    born[0] = np.datetime64("1900-01-01")  # what a clerk types who does not know
    born[count // 2] = np.datetime64("2000-02-29")
    return {
        "emplid": emplid,
        "first_name": first,
        "last_name": last,
        "preferred_name": some_empty(rng, preferred, 0.05),
        "email": some_missing(rng, joined("s", emplid, "@campus.example.edu"), 0.02),
        "acad_level": some_missing(rng, pa.array(rng.integers(10, 60, count)), 0.1),
        "cum_gpa": some_missing(rng, pa.array(rng.integers(0, 4001, count) / 1000), 0.15),
        "balance_due": some_missing(rng, amounts(rng, -5_000, 60_000, count), 0.2),
        "ledger_key": long_numbers(rng, count),
        "birthdate": some_missing(rng, pa.array(born.astype("datetime64[s]")), 0.03),
        "admit_dt": seconds(rng, days(rng, "2014-05-01", "2019-08-20", count)),
        "last_login": some_missing(rng, instants(rng, days(rng, *ACTIVE, count)), 0.1),
        "last_updated": microseconds(rng, days(rng, *ACTIVE, count)),
    }


def terms(_: Rng, sizes: Sizes) -> Columns:
    calendar = [_term(strm) for strm in TERMS[: sizes["terms"]]]
    return {name: pa.array([term[name] for term in calendar]) for name in calendar[0]}


def _term(strm: str) -> dict[str, object]:
    season, first, last = SEASONS[strm[3]]
    year = 2000 + int(strm[1:3])
    return {
        "strm": strm,
        "descr": f"{season} {year}",
        "canvas_term": f"{season[:2].lower()}{strm[1:3]}",
        "acad_year": year + (season == "Fall"),
        "begin_dt": datetime.fromisoformat(f"{year}-{first}"),
        "end_dt": datetime.fromisoformat(f"{year}-{last}T23:59:59"),
    }


def courses(rng: Rng, sizes: Sizes) -> Columns:
    count = sizes["courses"]
    catalog = joined(padded(rng.integers(1000, 7000, count), 4), drawn_from(rng, ("", "", "C", "L"), count))
    title = joined(drawn_from(rng, TITLES, count), drawn_from(rng, TITLE_ENDS, count), by=" ")
    description = joined(*(drawn_from(rng, awkward.SENTENCES, count) for _ in range(3)), by=" ")
    ends = np.where(rng.random(count) < 0.9, np.datetime64(awkward.OPEN_ENDED), np.datetime64("2019-12-31"))
    return {
        "crse_id": padded(np.arange(1, count + 1), 6),
        "effdt": pa.array(days(rng, "2005-01-01", "2019-08-20", count).astype("datetime64[s]")),
        "end_effdt": some_missing(rng, pa.array(ends.astype("datetime64[s]")), 0.2),
        "subject": drawn_from(rng, SUBJECTS, count),
        "catalog_nbr": catalog,
        "course_title": seasoned(rng, title, awkward.REMARKS, 0.01),
        "units_minimum": pa.array(rng.integers(0, 25, count) / 4),
        "descr_long": some_missing(rng, seasoned(rng, description, awkward.REMARKS, 0.02), 0.3),
    }


def sections(rng: Rng, sizes: Sizes) -> Columns:
    count = sizes["sections"]
    section = np.arange(count)
    begin = days(rng, "2019-01-07", "2020-01-14", count)
    return {
        "strm": term_of(section),
        "class_nbr": class_number_of(section),
        "crse_id": padded(rng.integers(1, sizes["courses"] + 1, count), 6),
        "class_section": padded(rng.integers(1, 30, count), 4),
        "meeting_slot": some_missing(rng, drawn_from(rng, MEETING_SLOTS, count), 0.2),
        "instructor_id": some_missing(rng, emplid_of(rng.integers(0, sizes["students"], count)), 0.1),
        "enrl_cap": some_missing(rng, pa.array(rng.integers(5, 400, count)), 0.05),
        "lab_fee": some_missing(rng, amounts(rng, 0, 250, count), 0.7),
        "start_dt": pa.array(begin.astype("datetime64[s]")),
        "last_updated": microseconds(rng, days(rng, *ACTIVE, count)),
    }


def enrollments(rng: Rng, sizes: Sizes) -> Columns:
    count, students = sizes["enrollments"], sizes["students"]
    # A student takes a section at most once: draw (section, student) pairs, each pair one number.
    pair = rng.choice(sizes["sections"] * students, count, replace=False)
    section, student = pair // students, pair % students
    dropped = rng.random(count) < 0.08
    added = days(rng, *ACTIVE, count)
    drop_dates = seconds(rng, added + rng.integers(1, 40, count).astype("timedelta64[D]"))
    grade = some_missing(rng, drawn_from(rng, GRADES, count), 0.4)
    return {
        "strm": term_of(section),
        "class_nbr": class_number_of(section),
        "emplid": emplid_of(student),
        "enrl_status": pc.if_else(pa.array(dropped), "D", "E"),
        "units_taken": pa.array(rng.integers(1, 17, count) / 4),
        "crse_grade": some_empty(rng, grade, 0.02),
        "tuition": some_missing(rng, amounts(rng, 0, 4_000, count), 0.05),
        "add_dt": seconds(rng, added),
        "drop_dt": pc.if_else(pa.array(dropped), drop_dates, pa.scalar(None, drop_dates.type)),
        "last_updated": microseconds(rng, added),
    }


def advisor_notes(rng: Rng, sizes: Sizes) -> Columns:
    count = sizes["advisor_notes"]
    summary = seasoned(rng, drawn_from(rng, awkward.SENTENCES, count), (LONG_SUMMARY, *awkward.REMARKS), 0.02)
    usual_body = joined(*(drawn_from(rng, awkward.SENTENCES, count) for _ in range(4)), by=" ")
    body = seasoned(rng, usual_body, (VERY_LONG_NOTE, *awkward.REMARKS), 0.0)
    noted = days(rng, *ACTIVE, count)
    follow_up = seconds(rng, noted + rng.integers(1, 90, count).astype("timedelta64[D]"))
    return {
        "note_id": pa.array(rng.permutation(count) + 10**14),
        "emplid": emplid_of(rng.integers(0, sizes["students"], count)),
        "advisor_name": drawn_from(rng, awkward.LAST_NAMES, count),
        "minutes_spent": some_missing(rng, pa.array(rng.integers(1, 1200, count) / 10), 0.3),
        "noted_at": instants(rng, noted),
        "follow_up_dt": some_missing(rng, follow_up, 0.6),
        "summary": some_empty(rng, summary, 0.01),
        "body": some_missing(rng, body, 0.2),
    }


def class_meetings(rng: Rng, sizes: Sizes) -> Columns:
    count, sections = sizes["class_meetings"], sizes["sections"]
    section = np.arange(count) % sections
    room = joined(drawn_from(rng, BUILDINGS, count), padded(rng.integers(1, 400, count), 4), by=" ")
    day = days(rng, "2018-08-27", "2020-05-01", count)
    topic = some_missing(rng, drawn_from(rng, TITLES, count), 0.5)
    return {
        "strm": term_of(section),
        "class_nbr": class_number_of(section),
        "meeting_nbr": pa.array(np.arange(count) // sections + 1),
        "facility_id": some_missing(rng, room, 0.1),
        "meeting_dt": seconds(rng, day),
        "opens_at": some_missing(rng, instants(rng, day), 0.05),
        "seats": some_missing(rng, pa.array(rng.integers(4, 400, count)), 0.1),
        "topic": seasoned(rng, topic, awkward.REMARKS, 0.01),
        "last_updated": microseconds(rng, day),
    }
