"""What a push would change, and what it must leave alone."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from canvas_pusher.import_schemas import COURSES as COURSE_SCHEMA
from canvas_pusher.import_schemas import ENROLLMENTS, USERS, XLISTS, ImportSchema
from canvas_pusher.import_schemas import SECTIONS as SECTION_SCHEMA
from canvas_pusher.plan import CanvasReports, Plan, make_plan, summarize
from canvas_replicate.config.pushes import Channel
from canvas_replicate.errors import DataError

RUN = "20260101T000000Z-hourly-abcdef"
COURSES = pd.DataFrame(
    [("c1", "fa19", "A1"), ("c2", "sp20", "A2")], columns=["course_id", "term_id", "account_id"], dtype="str"
)
SECTIONS = pd.DataFrame([("s1", "c1"), ("s2", "c2")], columns=["section_id", "course_id"], dtype="str")
REPORT = ["course_id", "section_id", "user_id", "role", "associated_user_id", "status"]


def reported(*enrollments: tuple[str, ...], run_id: str = RUN) -> CanvasReports:
    return CanvasReports(run_id, pd.DataFrame(list(enrollments), columns=REPORT, dtype="str"), COURSES, SECTIONS)


def asked(
    *rows: tuple[str | None, ...], columns: tuple[str, ...] = ("section_id", "user_id", "role", "status")
) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(columns), dtype="str")


def planned(wanted: pd.DataFrame, against: CanvasReports) -> Plan:
    return make_plan("canvas_enrollments", "sis_import", ENROLLMENTS, wanted, against)


def changes(found: Plan) -> list[tuple[str, str, str]]:
    return [(line.row["user_id"], line.change, line.term) for line in found.lines]


ACTIVE = ("c1", "s1", "007", "student", "", "active")


def test_what_canvas_does_not_have_is_an_addition_in_its_term_and_account() -> None:
    found = planned(asked(("s2", "008", "student", "active")), reported(ACTIVE))
    [line] = found.lines
    assert (line.change, line.term, line.account, line.before) == ("addition", "sp20", "A2", None)


@given(st.permutations([(f"s{number}", f"{number:03}", "student", "active") for number in range(4)]))
def test_the_order_in_which_the_database_returns_the_rows_does_not_make_another_plan(
    rows: list[tuple[str | None, ...]],
) -> None:
    assert planned(asked(*rows), reported(ACTIVE)) == planned(asked(*sorted(rows)), reported(ACTIVE))


def test_what_is_so_already_is_left_out_and_counted() -> None:
    found = planned(asked(("s1", "007", "student", "active")), reported(ACTIVE))
    assert (found.lines, found.already_applied) == ((), 1)


@pytest.mark.parametrize("status", ["deleted", "inactive", "completed", "deleted_last_completed"])
def test_ending_an_active_enrollment_is_a_removal_that_keeps_what_was_there(status: str) -> None:
    [line] = planned(asked(("s1", "007", "student", status)), reported(ACTIVE)).lines
    assert line.change == "removal"
    assert line.before == dict(zip(REPORT, ACTIVE, strict=True))


def test_what_canvas_does_not_have_needs_no_removal() -> None:
    assert planned(asked(("s1", "999", "student", "deleted")), reported(ACTIVE)).already_applied == 1


def test_completed_is_what_the_report_calls_concluded() -> None:
    concluded = (*ACTIVE[:5], "concluded")
    assert planned(asked(("s1", "007", "student", "completed")), reported(concluded)).lines == ()


def test_reviving_what_was_deleted_is_an_addition() -> None:
    deleted = (*ACTIVE[:5], "deleted")
    assert changes(planned(asked(("s1", "007", "student", "active")), reported(deleted))) == [
        ("007", "addition", "fa19")
    ]


def test_absence_from_the_query_is_never_a_removal() -> None:
    assert planned(asked(("s2", "008", "student", "active")), reported(ACTIVE)).lines[0].row["user_id"] == "008"
    assert planned(asked(), reported(ACTIVE)).lines == ()


def test_repeated_rows_are_sent_once_and_counted() -> None:
    row = ("s2", "008", "student", "active")
    found = planned(asked(row, row, row), reported())
    assert (len(found.lines), found.duplicates) == (1, 2)


def test_rows_that_contradict_each_other_stop_the_plan() -> None:
    with pytest.raises(DataError, match=r"canvas_enrollments: 1 objects .* row 2 ") as refused:
        planned(
            asked(
                ("s1", "001", "student", "active"),
                ("s2", "008", "student", "active"),
                ("s2", "008", "student", "deleted"),
            ),
            reported(),
        )
    assert "008" not in refused.value.message


@pytest.mark.parametrize(
    "broken", [(None, "8", "student", "active"), ("s1", None, "student", "active"), ("s1", "8", "student", "")]
)
def test_a_row_without_its_key_or_status_stops_the_plan(broken: tuple[str | None, ...]) -> None:
    with pytest.raises(DataError, match="is empty in row 2"):
        planned(asked(("s1", "007", "student", "active"), broken), reported())


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="section_id or course_id"):
        planned(asked(("8", "student", "active"), columns=("user_id", "role", "status")), reported())


def test_a_row_may_name_its_course_alone() -> None:
    by_course = asked(("c1", "007", "student", "active"), columns=("course_id", "user_id", "role", "status"))
    assert planned(by_course, reported(ACTIVE)).lines == ()


def test_a_cross_listed_section_is_known_by_its_section() -> None:
    both = asked(
        ("c9", "s1", "007", "student", "active"), columns=("course_id", "section_id", "user_id", "role", "status")
    )
    assert planned(both, reported(ACTIVE)).lines == ()


def test_of_several_rows_of_the_report_the_active_one_counts() -> None:
    deleted = (*ACTIVE[:5], "deleted")
    for report in (reported(deleted, ACTIVE), reported(ACTIVE, deleted)):
        assert planned(asked(("s1", "007", "student", "active")), report).lines == ()


def test_a_value_that_the_report_does_not_tell_is_sent() -> None:
    dated = asked(
        ("s1", "007", "student", "active", "2026-01-10"),
        columns=("section_id", "user_id", "role", "status", "start_date"),
    )
    assert changes(planned(dated, reported(ACTIVE))) == [("007", "change", "fa19")]


def test_what_cannot_be_placed_counts_as_unknown() -> None:
    [line] = planned(asked(("s9", "008", "student", "active")), reported()).lines
    assert (line.term, line.account) == ("unknown", "unknown")


def test_the_same_changes_against_newer_reports_are_another_plan() -> None:
    wanted = asked(("s1", "007", "student", "deleted"))
    once, again = planned(wanted, reported(ACTIVE)), planned(wanted, reported(ACTIVE))
    later = planned(wanted, reported(ACTIVE, run_id="20260102T000000Z-hourly-abcdef"))
    assert once.plan_id == again.plan_id != later.plan_id


def test_the_summary_counts_by_term_account_and_sort_of_change() -> None:
    found = planned(
        asked(
            ("s1", "007", "student", "deleted"), ("s1", "008", "student", "active"), ("s2", "009", "student", "active")
        ),
        reported(ACTIVE),
    )
    assert summarize([found]).to_dict("records") == [
        {"process": "canvas_enrollments", "term": "fa19", "account": "A1", "addition": 1, "removal": 1, "change": 0},
        {"process": "canvas_enrollments", "term": "sp20", "account": "A2", "addition": 1, "removal": 0, "change": 0},
    ]
    assert summarize([]).empty


enrollment = st.tuples(
    st.sampled_from(["s1", "s2"]), st.sampled_from(["1", "01", "2"]), st.sampled_from(["student", "teacher"])
)


@given(st.dictionaries(enrollment, st.sampled_from(["active", "deleted"])), st.sets(enrollment))
def test_applying_a_plan_leaves_nothing_to_plan(
    wanted: dict[tuple[str, ...], str], there: set[tuple[str, ...]]
) -> None:
    rows = asked(*[(*key, status) for key, status in wanted.items()])

    def report(state: dict[tuple[str, ...], str]) -> CanvasReports:
        return reported(*[(f"c{key[0][1]}", *key, "", status) for key, status in state.items()])

    state = dict.fromkeys(there, "active")
    first = planned(rows, report(state))
    for line in first.lines:
        state[line.row["section_id"], line.row["user_id"], line.row["role"]] = line.row["status"]
    assert planned(rows, report(state)).lines == ()
    assert {key for key in there if key not in wanted} <= {key for key, status in state.items() if status == "active"}


# --- The other kinds ----------------------------------------------------------------------------------------------


def planned_of(
    schema: ImportSchema, wanted: list[dict[str, str]], own: list[dict[str, str]], channel: Channel = "sis_import"
) -> Plan:
    against = CanvasReports(RUN, pd.DataFrame(own, dtype="str"), COURSES, SECTIONS)
    return make_plan("others", channel, schema, pd.DataFrame(wanted, dtype="str"), against)


USER = {"user_id": "007", "login_id": "bond", "full_name": "James Bond", "email": "j@example.edu", "status": "active"}
COURSE = {
    "course_id": "c1",
    "short_name": "C 1",
    "long_name": "Course one",
    "status": "active",
    "start_date": "2020-01-13T08:00:00-05:00",
}
SECTION = {"section_id": "s1", "course_id": "c1", "name": "0001", "status": "active"}
LISTED = {"xlist_course_id": "c2", "section_id": "s1", "status": "active"}


def test_an_empty_value_asks_for_nothing() -> None:
    assert planned_of(USERS, [{**USER, "email": "", "full_name": ""}], [USER]).lines == ()
    [line] = planned_of(USERS, [{**USER, "email": "", "full_name": "007"}], [USER]).lines
    assert line.change == "change"


def test_an_enrollment_that_says_nothing_of_limits_is_so() -> None:
    row = dict(zip(REPORT, ACTIVE, strict=True))
    shown = {**row, "limit_section_privileges": "false"}
    assert planned_of(ENROLLMENTS, [{**row, "limit_section_privileges": ""}], [shown]).lines == ()
    assert len(planned_of(ENROLLMENTS, [{**row, "limit_section_privileges": "true"}], [shown]).lines) == 1


def test_an_empty_date_asks_for_none() -> None:
    assert len(planned_of(COURSE_SCHEMA, [{**COURSE, "start_date": ""}], [COURSE]).lines) == 1
    assert planned_of(COURSE_SCHEMA, [{**COURSE, "start_date": ""}], [{**COURSE, "start_date": ""}]).lines == ()


def test_a_date_is_the_same_in_every_zone() -> None:
    assert planned_of(COURSE_SCHEMA, [{**COURSE, "start_date": "2020-01-13T13:00:00Z"}], [COURSE]).lines == ()


def test_what_is_deleted_has_no_values_that_could_differ() -> None:
    gone = {**COURSE, "long_name": "As it was once", "status": "deleted"}
    assert planned_of(COURSE_SCHEMA, [{**COURSE, "status": "deleted"}], [gone]).lines == ()
    concluded = {**COURSE, "long_name": "As it was once", "status": "concluded"}
    assert len(planned_of(COURSE_SCHEMA, [{**COURSE, "status": "completed"}], [concluded]).lines) == 1


def test_a_course_that_is_to_be_published_is_not_yet_so() -> None:
    unpublished = {**COURSE, "status": "unpublished"}
    assert planned_of(COURSE_SCHEMA, [COURSE], [unpublished]).lines == ()
    [line] = planned_of(COURSE_SCHEMA, [{**COURSE, "status": "published"}], [unpublished]).lines
    assert line.change == "change"


def test_a_cross_listed_section_is_compared_with_the_course_it_came_from() -> None:
    shown = pd.DataFrame([{**SECTION, "course_id": "c2"}], dtype="str")
    against = CanvasReports(RUN, shown, COURSES, SECTIONS, origins={"s1": "c1"})
    assert make_plan("others", "sis_import", SECTION_SCHEMA, pd.DataFrame([SECTION], dtype="str"), against).lines == ()


def test_a_section_that_moves_on_is_moved_once() -> None:
    moved = [{**LISTED, "status": "deleted"}, {**LISTED, "xlist_course_id": "c1"}]
    found = planned_of(XLISTS, moved, [LISTED])
    assert [(line.row["xlist_course_id"], line.change) for line in found.lines] == [("c1", "addition")]
    assert found.already_applied == 1


def test_a_section_cannot_be_in_two_courses() -> None:
    with pytest.raises(DataError, match="in two ways") as refused:
        planned_of(XLISTS, [LISTED, {**LISTED, "xlist_course_id": "c1"}], [])
    assert "one row per section_id" in refused.value.next_step


def test_a_cross_listing_that_is_no_more_needs_no_end() -> None:
    assert planned_of(XLISTS, [{**LISTED, "status": "deleted"}], []).already_applied == 1


@pytest.mark.parametrize(
    ("schema", "row", "column"),
    [
        (USERS, USER, "authentication_provider_id"),
        (COURSE_SCHEMA, COURSE, "blueprint_course_id"),
        (SECTION_SCHEMA, SECTION, "integration_id"),
    ],
)
def test_a_column_that_rest_cannot_set_is_named_before_anything_is_planned(
    schema: ImportSchema, row: dict[str, str], column: str
) -> None:
    wanted = [{**row, column: ""}]
    with pytest.raises(DataError, match=f"REST cannot set the {column}"):
        planned_of(schema, wanted, [row], "rest")
    assert planned_of(schema, wanted, [row]).lines == ()
