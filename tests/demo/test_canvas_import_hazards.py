"""Where a SIS import of the simulator does something else than its rows seem to say, or ends in an unusual way."""

from __future__ import annotations

import csv
import io

import pytest
from tests.demo.canvas_client import (
    IMPORTS,
    PEOPLE,
    Client,
    ManualClock,
    Opened,
    a_stranger,
    an_open_section,
    enroll,
    strangers,
)

from replicate_demo.canvas.edits import edit_by_hand
from replicate_demo.canvas.sections import move_by_hand
from replicate_demo.canvas.seeding import CUSTOM_ROLE

BY_COURSE = "course_id,user_id,role,status\n"
BY_SECTION = "section_id,user_id,role,status\n"


def course_of(client: Client, section_id: int) -> str:
    state = client.canvas.snapshot()
    return str(state.courses[state.sections[section_id].course_id].sis_id)


# --- Rows that name a course alone ----------------------------------------------------------------------------------


def test_a_row_without_a_section_makes_a_new_one_where_no_section_is_flagged(client: Client) -> None:
    course_id, user = course_of(client, an_open_section(client).id), a_stranger(client, an_open_section(client))
    before = client.canvas.snapshot()
    client.imported(f"{BY_COURSE}{course_id},{user},student,active\n")
    state = client.canvas.snapshot()
    [made] = [each for number, each in state.sections.items() if number not in before.sections]
    assert (made.sis_id, made.name) == (None, state.courses[made.course_id].name)
    [enrolled] = [each for number, each in state.enrollments.items() if number not in before.enrollments]
    assert enrolled.section_id == made.id


def test_a_deleted_row_without_a_section_removes_nobody(client: Client) -> None:
    section = an_open_section(client)
    user = a_stranger(client, section)
    number = enroll(client, section, user).json()["id"]
    done = client.imported(f"{BY_COURSE}{course_of(client, section.id)},{user},student,deleted\n")
    assert done["workflow_state"] == "imported"
    assert client.canvas.snapshot().enrollments[number].workflow_state == "active"


def test_a_row_without_a_section_goes_to_the_flagged_one(client: Client) -> None:
    section = an_open_section(client)
    user = a_stranger(client, section)
    with client.canvas.edit() as state:
        state.sections[section.id].default_section = True
    client.imported(f"{BY_COURSE}{course_of(client, section.id)},{user},student,active\n")
    assert user in [each["sis_user_id"] for each in listed(client, section.id)]


def test_a_row_without_a_section_goes_to_one_that_is_cross_listed_away(client: Client) -> None:
    user = a_stranger(client, an_open_section(client))
    client.imported(f"{BY_COURSE}XLIST-0,{user},student,active\n")
    moved = next(each for each in client.canvas.snapshot().sections.values() if each.sis_id == "2201-XLIST")
    [shown] = [each for each in listed(client, moved.id) if each["sis_user_id"] == user]
    assert shown["sis_course_id"] == "ETH/101.é"


def listed(client: Client, section_id: int) -> list[dict[str, object]]:
    return list(client("GET", f"sections/{section_id}/enrollments?per_page=100").json())


# --- Aborts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["1/abort", "abort_all_pending"])
def test_an_aborted_import_never_gets_a_time_of_its_end(opened: Opened, clock: ManualClock, path: str) -> None:
    client = opened(import_seconds=10, clock=clock)
    client.sis_import(PEOPLE)
    clock.now += 3
    client("PUT", f"{IMPORTS}/{path}")
    clock.now += 86_400
    shown = client("GET", f"{IMPORTS}/1").json()
    assert (shown["workflow_state"], shown["ended_at"], shown["progress"]) == ("aborted", None, 30)
    assert client("GET", "users/sis_user_id:000123999").status_code == 404


def test_an_import_can_be_aborted_by_somebody_half_way(client: Client) -> None:
    section = an_open_section(client)
    first, second = strangers(client, section, 2)
    client.canvas.faults.arm("aborted_import", rows=1)
    rows = [f"{section.sis_id},{user},student,active\n" for user in (first, second)]
    done = client.imported(BY_SECTION + "".join(rows))
    assert (done["workflow_state"], done["ended_at"]) == ("aborted", None)
    found = {each["sis_user_id"] for each in listed(client, section.id)}
    assert (first in found, second in found) == (True, False)


def test_an_abort_over_rest_can_leave_some_rows_applied(opened: Opened, clock: ManualClock) -> None:
    client = opened(import_seconds=10, clock=clock)
    client.canvas.faults.arm("aborted_import", rows=1)
    number = client.sis_import(f"{PEOPLE}000123998,new.two,New Two,active\n")["id"]
    clock.now += 5
    assert client("PUT", f"{IMPORTS}/{number}/abort").json()["workflow_state"] == "aborted"
    found = [client("GET", f"users/sis_user_id:{each}").status_code for each in ("000123999", "000123998")]
    assert found == [200, 404]


# --- Roles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "name", "shown"),
    [
        ("Student", "StudentEnrollment", "student"),
        ("StudentEnrollment", "StudentEnrollment", "student"),
        ("TEACHER", "TeacherEnrollment", "teacher"),
        ("TaEnrollment", "TaEnrollment", "ta"),
        ("Designers", "DesignerEnrollment", "designer"),
        ("observer", "ObserverEnrollment", "observer"),
        (f'"{CUSTOM_ROLE}"', CUSTOM_ROLE, CUSTOM_ROLE),
    ],
)
def test_roles_are_matched_loosely_and_reported_in_canvas_words(
    client: Client, word: str, name: str, shown: str
) -> None:
    section = an_open_section(client)
    user = a_stranger(client, section)
    assert client.imported(f"{BY_SECTION}{section.sis_id},{user},{word},active\n")["workflow_state"] == "imported"
    ours = {"user_id": user, "section_id": section.sis_id}
    [row] = [row for row in client.rows(enrollments=1) if ours.items() <= row.items()]
    assert row["role"] == shown
    roles = client("GET", "accounts/self/roles").json()
    assert next(each["role"] for each in roles if str(each["id"]) == row["role_id"]) == name


@pytest.mark.parametrize("word", ["wizard", "AccountAdmin", CUSTOM_ROLE.lower(), "Retired Role"])
def test_a_role_that_there_is_not_is_refused_for_its_row(client: Client, word: str) -> None:
    section = an_open_section(client)
    done = client.imported(f'{BY_SECTION}{section.sis_id},{a_stranger(client, section)},"{word}",active\n')
    assert [text for _, text in done["processing_warnings"]] == [f"there is no role {word}"]


def test_the_roles_of_an_account_are_a_bare_list_with_the_built_in_ones_first(client: Client) -> None:
    roles = client("GET", "accounts/self/roles").json()
    assert [(each["label"], each["base_role_type"], each["workflow_state"]) for each in roles] == [
        ("Account Admin", "AccountMembership", "built_in"),
        ("Student", "StudentEnrollment", "built_in"),
        ("Teacher", "TeacherEnrollment", "built_in"),
        ("TA", "TaEnrollment", "built_in"),
        ("Designer", "DesignerEnrollment", "built_in"),
        ("Observer", "ObserverEnrollment", "built_in"),
        (CUSTOM_ROLE, "TaEnrollment", "active"),
    ]
    retired = client("GET", "accounts/self/roles?state[]=inactive").json()
    assert [each["role"] for each in retired] == ["Retired Role"]
    assert CUSTOM_ROLE not in {each["role"] for each in client("GET", "accounts/2/roles").json()}


# --- Answers that say less than usual -------------------------------------------------------------------------------


def errors_of(client: Client, batch: dict[str, dict[str, str]]) -> list[dict[str, str]]:
    text = client.download(batch["errors_attachment"]["url"]).text
    return list(csv.DictReader(io.StringIO(text)))


def test_an_error_can_be_about_no_row(client: Client) -> None:
    client.canvas.faults.arm("extra_error")
    done = client.imported(f"{PEOPLE},nobody,No Id,active\n")
    assert done["workflow_state"] == "imported_with_messages"
    assert [row["row"] for row in errors_of(client, done)] == ["3", ""]


def test_errors_can_come_without_row_numbers(client: Client) -> None:
    client.canvas.faults.arm("unnumbered_errors")
    [error] = errors_of(client, client.imported(f"{PEOPLE},nobody,No Id,active\n"))
    assert (error["message"], error["row"]) == ("no user_id given", "")


def test_a_finished_import_can_show_no_files(client: Client) -> None:
    client.canvas.faults.arm("empty_csv_attachments")
    assert client.imported(PEOPLE)["csv_attachments"] == []
    client.canvas.faults.arm("missing_csv_attachments")
    assert "csv_attachments" not in client.imported(PEOPLE)
    listed = client("GET", IMPORTS).json()["sis_imports"]
    assert [each.get("csv_attachments") for each in listed] == [None, []]
    assert client.imported(PEOPLE)["csv_attachments"][0]["display_name"] == "attachment"


# --- What was edited by hand ----------------------------------------------------------------------------------------


def test_what_was_edited_by_hand_stays_unless_the_import_overrides_it(client: Client) -> None:
    with client.canvas.edit() as state:
        course = next(each for each in state.courses.values() if each.sis_id == "XLIST-0")
        edit_by_hand(course, name="By hand", end_at="2099-01-01T00:00:00Z")
    rows = "course_id,short_name,long_name,status,end_date\nXLIST-0,X0,By the SIS,active,2030-01-01T00:00:00Z\n"
    assert client.imported(rows)["workflow_state"] == "imported"
    shown = client("GET", "courses/sis_course_id:XLIST-0").json()
    assert (shown["name"], shown["course_code"], shown["end_at"]) == ("By hand", "X0", "2099-01-01T00:00:00Z")
    client.imported(rows, override_sis_stickiness="true")
    shown = client("GET", "courses/sis_course_id:XLIST-0").json()
    assert (shown["name"], shown["end_at"]) == ("By the SIS", "2030-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("path", "given", "row"),
    [
        (
            "courses/sis_course_id:OVER-1",
            {"course[name]": "By Hand"},
            "course_id,short_name,long_name,status\nOVER-1,O1,By The SIS,active\n",
        ),
        (
            "users/sis_user_id:NA",
            {"user[name]": "By Hand"},
            "user_id,login_id,full_name,status\nNA,na.login,By The SIS,active\n",
        ),
        (
            "sections/sis_section_id:2201-XLIST",
            {"course_section[name]": "By Hand"},
            "section_id,course_id,name,status\n2201-XLIST,XLIST-0,By The SIS,active\n",
        ),
    ],
)
def test_a_name_that_was_edited_over_rest_stays(client: Client, path: str, given: dict[str, str], row: str) -> None:
    client("PUT", path, data=given)
    assert client.imported(row)["workflow_state"] == "imported"
    assert client("GET", path).json()["name"] == "By Hand"
    client.imported(row, override_sis_stickiness="true")
    assert client("GET", path).json()["name"] == "By The SIS"


def test_a_course_that_was_concluded_over_rest_stays_concluded(client: Client) -> None:
    client("PUT", "courses/sis_course_id:XLIST-0", data={"course[event]": "conclude"})
    client.imported("course_id,short_name,long_name,status\nXLIST-0,X0,X,active\n")
    assert client("GET", "courses/sis_course_id:XLIST-0").json()["workflow_state"] == "completed"


@pytest.mark.parametrize("by", ["hand", "rest"])
def test_a_section_that_was_moved_stays_where_it_is(client: Client, by: str) -> None:
    section = an_open_section(client)
    course = course_of(client, section.id)
    if by == "rest":
        client("POST", f"sections/{section.id}/crosslist/sis_course_id:ETH%2F101.%C3%A9")
    else:
        with client.canvas.edit() as state:
            target = next(each for each in state.courses.values() if each.sis_id == "ETH/101.é")
            move_by_hand(state, state.sections[section.id], target)
    rows = f"xlist_course_id,section_id,status\n{course},{section.sis_id},active\n"
    assert client.imported(rows)["workflow_state"] == "imported"
    assert course_of(client, section.id) == "ETH/101.é"
    client.imported(rows, override_sis_stickiness="true")
    assert course_of(client, section.id) == course
