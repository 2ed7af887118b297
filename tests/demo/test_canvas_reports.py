"""The simulator's reports: how they run, and which columns and rows their files have."""

from __future__ import annotations

import csv
import io
import re
import zipfile

import pytest
from tests.demo.canvas_client import (
    NOT_FOUND,
    REPORTS,
    Client,
    ManualClock,
    Opened,
    a_stranger,
    an_open_section,
    enroll,
)

from replicate_demo.canvas.seeding import CUSTOM_ROLE, FIRST_ENROLLMENT


def test_a_report_is_created_then_runs_at_progress_0_then_is_complete(opened: Opened, clock: ManualClock) -> None:
    client = opened(report_seconds=10, clock=clock)
    started = client("POST", REPORTS, data={"parameters[users]": "true"}).json()
    assert (started["status"], started["progress"], started["file_url"]) == ("created", 0, None)
    assert "attachment" not in started
    running = client.report(started["id"])
    assert (running["status"], running["progress"]) == ("running", 0)
    assert "attachment" not in running
    clock.now += 10
    done = client.report(started["id"])
    assert (done["status"], done["progress"], done["ended_at"]) == ("complete", 100, "2020-02-03T12:00:10Z")
    assert done["attachment"]["content-type"] == "text/csv"


def test_reports_run_one_after_the_other(opened: Opened, clock: ManualClock) -> None:
    client = opened(report_seconds=10, clock=clock)
    first, second = client.start(users=1), client.start(users=1)
    assert [client.report(each)["status"] for each in (first, second)] == ["running", "created"]
    clock.now += 10
    assert [client.report(each)["status"] for each in (first, second)] == ["complete", "running"]


def test_parameters_come_back_as_text_from_a_form_and_with_their_types_from_json(client: Client) -> None:
    form = client("POST", REPORTS, data={"parameters[users]": "1"}).json()["parameters"]
    assert (form["users"], form["extra_text"]) == ("1", "Term: All Terms; Reports: users ")
    typed = client("POST", REPORTS, json={"parameters": {"users": True, "skip_message": 1}}).json()["parameters"]
    assert (typed["users"], typed["skip_message"]) == (True, 1)


def test_an_unknown_report_is_not_found(client: Client) -> None:
    answer = client("POST", "accounts/self/reports/no_such_csv")
    assert (answer.status_code, answer.json()) == (404, NOT_FOUND)


@pytest.mark.parametrize("term", ["2199", "sis_term_id:zz99", "fa19", "sis_term_id:0196"])
def test_an_unknown_term_is_refused_when_the_report_is_started(client: Client, term: str) -> None:
    answer = client("POST", REPORTS, data={"parameters[courses]": "1", "parameters[enrollment_term_id]": term})
    assert answer.status_code == 400
    assert answer.json() == {"error": f"invalid enrollment_term_id '{term}'"}


def test_a_report_without_a_known_kind_ends_in_error_at_progress_100(client: Client) -> None:
    done = client.finished(userz=1)
    assert (done["status"], done["progress"]) == ("error", 100)
    assert "attachment" not in done
    assert "Error report" in done["parameters"]["extra_text"]


def test_a_report_is_found_only_in_its_own_account(client: Client) -> None:
    number = client.start(users=1)
    assert client("GET", f"accounts/1/reports/provisioning_csv/{number}").status_code == 200
    assert client("GET", f"accounts/2/reports/provisioning_csv/{number}").status_code == 404


def test_the_runs_of_a_type_are_listed_newest_first(client: Client) -> None:
    numbers = [client.start(users=1) for _ in range(3)]
    assert [each["id"] for each in client("GET", REPORTS).json()] == numbers[::-1]


def test_a_deleted_report_is_not_found_again(client: Client) -> None:
    number = client.start(users=1)
    assert client("DELETE", f"{REPORTS}/{number}").json()["status"] == "deleted"
    assert client("DELETE", f"{REPORTS}/{number}").status_code == 404
    assert client("GET", f"{REPORTS}/{number}").status_code == 404


def test_only_a_running_report_can_be_aborted(opened: Opened, clock: ManualClock) -> None:
    client = opened(report_seconds=10, clock=clock)
    number = client.start(users=1)
    assert client("PUT", f"{REPORTS}/{number}/abort").json()["status"] == "aborted"
    assert client("PUT", f"{REPORTS}/{number}/abort").status_code == 404


def test_one_kind_is_a_csv_and_several_are_an_archive_in_canvas_order(client: Client) -> None:
    single = client.finished(users=1)["attachment"]
    assert re.fullmatch(r"provisioning_csv_\d\d_[A-Z][a-z]{2}_\d{4}_1\d{6}\.csv", single["filename"])
    several = client.finished(enrollments=1, users=1, courses="yes", xlist="no")["attachment"]
    assert (several["content-type"], several["mime_class"]) == ("application/zip", "zip")
    assert re.fullmatch(r"provisioning_csv_\d\d_[A-Z][a-z]{2}_\d{4}_2\.zip", several["filename"])
    content = client.download(several["url"]).content
    assert len(content) == several["size"]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["users.csv", "courses.csv", "enrollments.csv"]
        assert archive.testzip() is None


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        (
            "users",
            "canvas_user_id,user_id,integration_id,authentication_provider_id,login_id,first_name,last_name,full_name,"
            "sortable_name,short_name,email,status,created_by_sis",
        ),
        ("accounts", "canvas_account_id,account_id,canvas_parent_id,parent_account_id,name,status,created_by_sis"),
        ("terms", "canvas_term_id,term_id,name,status,start_date,end_date,created_by_sis"),
        (
            "courses",
            "canvas_course_id,course_id,integration_id,short_name,long_name,canvas_account_id,account_id,"
            "canvas_term_id,term_id,status,start_date,end_date,course_format,canvas_blueprint_course_id,"
            "blueprint_course_id,created_by_sis",
        ),
        (
            "sections",
            "canvas_section_id,section_id,canvas_course_id,course_id,integration_id,name,status,start_date,end_date,"
            "canvas_account_id,account_id,created_by_sis",
        ),
        (
            "enrollments",
            "canvas_course_id,course_id,canvas_user_id,user_id,role,role_id,canvas_section_id,section_id,status,"
            "canvas_associated_user_id,associated_user_id,created_by_sis,base_role_type,limit_section_privileges,"
            "canvas_enrollment_id",
        ),
        (
            "xlist",
            "canvas_xlist_course_id,xlist_course_id,canvas_section_id,section_id,status,canvas_nonxlist_course_id,"
            "nonxlist_course_id",
        ),
        ("group_membership", "canvas_group_id,group_id,canvas_user_id,user_id,status,created_by_sis"),
    ],
)
def test_each_kind_has_its_columns(client: Client, kind: str, columns: str) -> None:
    lines = client.text(**{kind: 1}).split("\n")
    assert lines[0] == columns
    assert lines[-1] == ""


def test_texts_are_quoted_only_where_needed_and_missing_ones_are_bare(client: Client) -> None:
    text = client.text(users=1)
    assert text.startswith("canvas_user_id,")  # no byte order mark
    assert '"Jo ""Jay"", Jr."' in text
    assert '"line\nbreak"' in text
    assert '"both\r\nof them"' in text
    assert ",NA," in text
    assert "李小龍 🎓" in text
    madonna = next(line for line in text.split("\n") if "Madonna" in line)
    assert re.fullmatch(r"\d+,00000000000000000000001,,,odd\d+,Madonna,,Madonna,Madonna,Madonna,,active,true", madonna)


def test_users_have_a_row_per_login_and_none_without(client: Client) -> None:
    rows = client.rows(users=1)
    assert [row["user_id"] for row in rows if row["full_name"] == "Two Logins"] == ["000000888", "E-0888"]
    assert {row["status"] for row in rows} == {"active", "suspended"}
    assert not {"No Login", "Gone With Id", "Gone Without Id"} & {row["full_name"] for row in rows}
    assert {"NA", "null"} <= {row["user_id"] for row in rows}


def test_deleted_users_are_shown_on_request_if_they_have_a_sis_id(client: Client) -> None:
    names = {row["full_name"] for row in client.rows(users=1, include_deleted="true") if row["status"] == "deleted"}
    assert names == {"Gone With Id"}


@pytest.mark.parametrize("value", ["true", "false", "0", ""])
def test_any_text_of_created_by_sis_leaves_out_what_was_made_by_hand(client: Client, value: str) -> None:
    assert "false" in {row["created_by_sis"] for row in client.rows(users=1)}
    assert {row["created_by_sis"] for row in client.rows(users=1, created_by_sis=value)} == {"true"}


def test_the_root_account_is_never_listed(client: Client) -> None:
    rows = client.rows(accounts=1)
    assert [row["account_id"] for row in rows] == ["PROVOST", "0042", "ORGS", ""]
    assert (rows[0]["canvas_parent_id"], rows[0]["parent_account_id"]) == ("1", "")


def test_a_term_filters_courses_and_what_hangs_on_them_but_not_users(client: Client) -> None:
    term = {"enrollment_term_id": "sis_term_id:sp20"}
    assert {row["term_id"] for row in client.rows(courses=1, **term)} == {"sp20"}
    state = client.canvas.snapshot()
    ours = {str(each.id) for each in state.courses.values() if state.terms[each.term_id].sis_id == "sp20"}
    for kind in ("sections", "enrollments"):
        found = {row["canvas_course_id"] for row in client.rows(**{kind: 1}, **term)}
        assert found
        assert found <= ours
    assert client.rows(users=1, **term) == client.rows(users=1)


def test_the_old_name_of_the_term_parameter_is_still_read(client: Client) -> None:
    assert {row["canvas_term_id"] for row in client.rows(courses=1, enrollment_term=44)} == {"44"}


def test_dates_of_a_report_carry_the_accounts_offset(client: Client) -> None:
    spring = next(row for row in client.rows(terms=1) if row["term_id"] == "sp20")
    assert spring["start_date"] == "2020-01-05T19:00:00-05:00"


def test_concluded_and_deleted_courses_come_only_with_include_deleted(client: Client) -> None:
    assert {row["status"] for row in client.rows(courses=1)} == {"active", "unpublished"}
    everything = client.rows(courses=1, include_deleted=1)
    assert {row["status"] for row in everything} == {"active", "unpublished", "concluded", "deleted"}
    assert [row["course_id"] for row in everything if row["status"] == "deleted"] == ["GONE-1"]


def test_deleted_enrollments_are_shown_only_if_the_sis_made_them(client: Client) -> None:
    usual = client.rows(enrollments=1)
    assert {row["status"] for row in usual} == {"active", "invited", "inactive", "rejected"}
    everything = client.rows(enrollments=1, include_deleted=1)
    assert {"deleted", "concluded"} <= {row["status"] for row in everything}
    assert {row["created_by_sis"] for row in everything if row["status"] == "deleted"} == {"true"}


def test_enrollments_use_the_reports_words_for_roles_and_ids_of_64_bits(client: Client) -> None:
    rows = client.rows(enrollments=1)
    ids = [row["canvas_enrollment_id"] for row in rows]
    assert str(FIRST_ENROLLMENT) not in ids  # whoever dropped
    assert ids == sorted(ids, key=int)
    assert int(ids[0]) > 2**53
    roles = {(row["role"], row["base_role_type"]) for row in rows}
    assert roles == {("student", "StudentEnrollment"), ("teacher", "TeacherEnrollment"), (CUSTOM_ROLE, "TaEnrollment")}


def test_enrollments_can_be_filtered_by_type_and_by_state(client: Client) -> None:
    teachers = client.rows(enrollments=1, enrollment_filter="TeacherEnrollment,TaEnrollment")
    assert {row["base_role_type"] for row in teachers} == {"TeacherEnrollment", "TaEnrollment"}
    assert {row["status"] for row in client.rows(enrollments=1, enrollment_states="inactive")} == {"inactive"}
    assert client.rows(enrollments=1, enrollment_states="completed") == []


def test_a_cross_listed_section_is_in_its_new_course_and_in_the_xlist_file(client: Client) -> None:
    row = next(row for row in client.rows(sections=1) if row["section_id"] == "2201-XLIST")
    assert row["course_id"] == "ETH/101.é"
    (listed,) = client.rows(xlist=1)
    assert (listed["xlist_course_id"], listed["nonxlist_course_id"]) == ("ETH/101.é", "XLIST-0")


def test_a_sub_accounts_report_has_the_courses_of_its_tree_only(client: Client) -> None:
    where = "accounts/sis_account_id:ORGS/reports/provisioning_csv"
    number = client("POST", where, data={"parameters[courses]": "1"}).json()["id"]
    url = client("GET", f"{where}/{number}").json()["attachment"]["url"]
    rows = list(csv.DictReader(io.StringIO(client.download(url).content.decode(), newline="")))
    assert [row["long_name"] for row in rows] == ["Chess Club"]


def test_a_report_shows_what_was_changed_before_it_ran(client: Client) -> None:
    section = an_open_section(client)
    user = a_stranger(client, section)
    number = enroll(client, section, user).json()["id"]
    row = next(each for each in client.rows(enrollments=1) if each["canvas_enrollment_id"] == str(number))
    assert (row["user_id"], row["section_id"], row["created_by_sis"]) == (user, section.sis_id, "false")
