"""The Canvas simulator behaves as Canvas is said to: statuses, headers, bodies, files, and each accident."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import signal
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from urllib.parse import quote, urlsplit

import pytest
import requests
from tests.demo.canvas_client import (
    IMPORTS,
    NOT_FOUND,
    PEOPLE,
    REPORTS,
    TOKEN,
    Client,
    ManualClock,
    Opened,
    a_stranger,
    an_open_section,
    enroll,
    zipped,
)

from replicate_demo.__main__ import main
from replicate_demo.campus import CampusError
from replicate_demo.canvas import CanvasSimulator, ThrottleLimits, report_files, seed
from replicate_demo.canvas.seeding import CUSTOM_ROLE, FIRST_ENROLLMENT

# --- Who asks, and how often --------------------------------------------------------------------------------------


def test_a_request_without_a_token_is_told_to_authenticate(client: Client) -> None:
    answer = client("GET", "accounts/self/terms", headers={"Authorization": None})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="canvas-lms"'
    assert answer.json() == {"status": "unauthenticated", "errors": [{"message": "user authorization required"}]}


@pytest.mark.parametrize("header", ["Bearer wrong", f"Bearer {TOKEN}x"])
def test_a_wrong_token_is_invalid(client: Client, header: str) -> None:
    answer = client("GET", "accounts/self/terms", headers={"Authorization": header})
    assert answer.status_code == 401
    assert "WWW-Authenticate" in answer.headers
    assert answer.json() == {"errors": [{"message": "Invalid access token."}]}


def test_the_word_bearer_is_case_sensitive(client: Client) -> None:
    answer = client("GET", "accounts/self/terms", headers={"Authorization": f"bearer {TOKEN}"})
    assert answer.json()["status"] == "unauthenticated"


def test_a_request_without_a_user_agent_is_forbidden_in_json(client: Client) -> None:
    answer = client("GET", "accounts/self/terms", headers={"User-Agent": ""})
    assert answer.status_code == 403
    assert "User-Agent" in answer.json()["errors"][0]["message"]


def test_every_answer_tells_cost_and_remaining_quota(client: Client) -> None:
    answer = client("GET", "accounts/self/terms")
    assert float(answer.headers["X-Request-Cost"]) == 0.05
    assert 599 < float(answer.headers["X-Rate-Limit-Remaining"]) < 600


@pytest.mark.parametrize("status", [403, 429])
def test_a_full_bucket_refuses_in_plain_text_until_it_has_leaked(
    opened: Opened, clock: ManualClock, status: int
) -> None:
    limits = ThrottleLimits(hwm=100, request_cost=60, status=status)
    client = opened(throttle=limits, clock=clock)
    assert client("GET", "accounts/self/terms").status_code == 200
    refused = client("GET", "accounts/self/terms")
    assert refused.status_code == status
    assert refused.text == f"{status} Forbidden (Rate Limit Exceeded)\n"
    assert refused.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert float(refused.headers["X-Rate-Limit-Remaining"]) < 0
    assert "X-Request-Cost" not in refused.headers
    assert "Retry-After" not in refused.headers
    clock.now += 12  # 120 of cost leak at 10 a second
    assert client("GET", "accounts/self/terms").status_code == 200


def test_the_twelfth_request_in_flight_is_refused(opened: Opened, clock: ManualClock) -> None:
    client = opened(clock=clock)
    client.canvas.faults.arm("slow", count=None, seconds=2.0)

    def status(_: int) -> int:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return requests.get(f"{client.canvas.url}/api/v1/accounts/self", headers=headers, timeout=10).status_code

    with ThreadPoolExecutor(12) as pool:
        found = sorted(pool.map(status, range(12)))
    assert found == [200] * 11 + [429]


def test_every_request_is_recorded_with_what_was_sent(client: Client) -> None:
    client("POST", REPORTS, data={"parameters[users]": "1"})
    last = client.canvas.requests[-1]
    assert (last.server, last.method, last.path, last.status) == ("canvas", "POST", f"/api/v1/{REPORTS}", 200)
    assert last.body == b"parameters%5Busers%5D=1"
    assert last.headers["authorization"] == f"Bearer {TOKEN}"


# --- Reports ------------------------------------------------------------------------------------------------------


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


# --- Files --------------------------------------------------------------------------------------------------------


def test_a_file_is_redirected_to_another_origin(client: Client) -> None:
    url = client.finished(users=1)["attachment"]["url"]
    first = requests.get(url, allow_redirects=False, timeout=10)
    assert first.status_code == 302
    assert urlsplit(first.headers["Location"]).netloc != urlsplit(url).netloc
    assert client.download(url).text.startswith("canvas_user_id,")
    store = client.canvas.requests[-1]
    assert (store.server, store.status) == ("store", 200)
    assert "authorization" not in store.headers


def test_the_store_refuses_a_request_that_carries_the_token(client: Client) -> None:
    url = client.finished(users=1)["attachment"]["url"]
    target = client.session.get(url, allow_redirects=False, timeout=10).headers["Location"]
    answer = client.session.get(target, timeout=10)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/xml"


def test_a_link_of_the_store_expires_and_a_fresh_one_is_good(opened: Opened, clock: ManualClock) -> None:
    client = opened(link_seconds=60, clock=clock)
    url = client.finished(users=1)["attachment"]["url"]
    target = client.session.get(url, allow_redirects=False, timeout=10).headers["Location"]
    assert requests.get(target, timeout=10).status_code == 200
    clock.now += 60
    expired = requests.get(target, timeout=10)
    assert (expired.status_code, expired.headers["Content-Type"]) == (403, "application/xml")
    assert client.download(url).status_code == 200


def test_a_changed_signature_is_refused_by_the_store(client: Client) -> None:
    url = client.finished(users=1)["attachment"]["url"]
    target = client.session.get(url, allow_redirects=False, timeout=10).headers["Location"]
    assert requests.get(target.replace("expires=", "expires=9"), timeout=10).status_code == 403


def test_file_url_is_a_login_page_for_a_token(client: Client) -> None:
    file_url = client.finished(users=1)["file_url"]
    page = client.session.get(file_url, timeout=10)
    assert (page.status_code, page.history[0].status_code) == (200, 302)
    assert page.headers["Content-Type"].startswith("text/html")
    assert client.session.get(file_url, headers={"Accept": "application/json"}, timeout=10).status_code == 401


def test_a_wrong_verifier_opens_nothing(client: Client) -> None:
    url = client.finished(users=1)["attachment"]["url"]
    assert client.session.get(f"{url}0", timeout=10).text.startswith("<!DOCTYPE html>")


# --- Terms, accounts, pages and ids --------------------------------------------------------------------------------


def test_terms_come_in_a_wrapper_without_the_deleted_ones(client: Client) -> None:
    answer = client("GET", "accounts/self/terms", params={"per_page": 100}).json()
    assert list(answer) == ["enrollment_terms"]
    assert {term["workflow_state"] for term in answer["enrollment_terms"]} == {"active"}
    everything = client("GET", "accounts/self/terms?workflow_state[]=all&per_page=100").json()["enrollment_terms"]
    assert "0196" in {term["sis_term_id"] for term in everything}


def test_terms_are_sorted_by_start_descending_with_undated_ones_first(client: Client) -> None:
    terms = client("GET", "accounts/self/terms", params={"per_page": 100}).json()["enrollment_terms"]
    starts = [term["start_at"] for term in terms]
    assert starts[:3] == [None, None, None]
    assert starts[3:] == sorted(starts[3:], reverse=True)
    assert {"name": "Default Term", "sis_term_id": None}.items() <= terms[0].items()


def test_terms_of_a_sub_account_are_refused(client: Client) -> None:
    answer = client("GET", "accounts/sis_account_id:ORGS/terms")
    assert (answer.status_code, answer.json()) == (400, {"message": "Terms only belong to root_accounts."})


def test_pages_are_linked_until_the_last(client: Client) -> None:
    seen: list[int] = []
    url = f"{client.canvas.url}/api/v1/accounts/self/terms?per_page=3&access_token=never"
    while url:
        answer = client.session.get(url, timeout=10)
        seen += [term["id"] for term in answer.json()["enrollment_terms"]]
        assert "access_token" not in answer.headers["Link"]
        url = answer.links.get("next", {}).get("url", "")
    assert len(seen) == len(set(seen)) == 8
    assert "last" in answer.links
    assert client("GET", "accounts/self/terms?page=99").json() == {"enrollment_terms": []}


def test_a_page_holds_ten_by_default_and_a_hundred_at_most(client: Client) -> None:
    for _ in range(101):
        client.start()
    sizes = [len(client("GET", f"{REPORTS}{query}").json()) for query in ("", "?per_page=1000", "?per_page=0")]
    assert sizes == [10, 100, 1]


def test_links_that_do_not_fit_are_left_out_next_last_of_all(client: Client) -> None:
    query = {"page": 2, "per_page": 2, "junk[]": ["x" * 90] * 25}
    assert list(client("GET", "accounts/self/terms", params=query).links) == ["next", "last"]


@pytest.mark.parametrize(
    "course",
    [
        "sis_course_id:ETH%2F101%2E%C3%A9",
        "%20sis_course_id:ETH%2F101.%C3%A9%20",
    ],
)
def test_a_course_is_found_by_its_sis_id_however_it_is_written(client: Client, course: str) -> None:
    assert client("GET", f"courses/{course}").json()["sis_course_id"] == "ETH/101.é"


@pytest.mark.parametrize("course", ["ETH-101", "sis_course_id:eth/101.é", "sis_user_id:1", "sis_course_id:none", "1"])
def test_an_id_that_names_nothing_is_not_found(client: Client, course: str) -> None:
    answer = client("GET", f"courses/{quote(course, safe=':')}")
    assert (answer.status_code, answer.json()) == (404, NOT_FOUND)


def test_users_are_found_by_sis_id_and_by_login_in_any_case(client: Client) -> None:
    by_login = client("GET", "users/sis_login_id:TWO.logins.STAFF").json()
    assert by_login == client("GET", "users/sis_user_id:000000888").json()
    assert client("GET", "users/sis_user_id:888").status_code == 404


# --- Enrollments --------------------------------------------------------------------------------------------------


def test_an_enrollment_is_created_with_200_and_found_again(client: Client) -> None:
    section = an_open_section(client)
    user = a_stranger(client, section)
    answer = enroll(client, section, user)
    shown = answer.json()
    assert (answer.status_code, shown["enrollment_state"], shown["role"]) == (200, "active", "StudentEnrollment")
    assert (shown["sis_user_id"], shown["sis_section_id"], shown["sis_import_id"]) == (user, section.sis_id, None)
    [found] = client("GET", f"courses/{section.course_id}/enrollments?sis_user_id[]={user}").json()
    assert {name: found[name] for name in shown} == shown


def test_an_enrollment_may_be_sent_as_json_to_a_course(client: Client) -> None:
    section = an_open_section(client)
    given = {"user_id": f"sis_user_id:{a_stranger(client, section)}", "type": "TeacherEnrollment"}
    given |= {"course_section_id": f"sis_section_id:{section.sis_id}"}
    shown = client("POST", f"courses/{section.course_id}/enrollments", json={"enrollment": given}).json()
    assert (shown["type"], shown["course_section_id"]) == ("TeacherEnrollment", section.id)
    assert shown["enrollment_state"] == "invited"
    assert "grades" not in shown


def test_without_a_section_a_new_one_is_made_if_the_course_has_no_default(client: Client) -> None:
    section = an_open_section(client)
    given = {"enrollment[user_id]": f"sis_user_id:{a_stranger(client, section)}"}
    made = client("POST", f"courses/{section.course_id}/enrollments", data=given).json()["course_section_id"]
    state = client.canvas.snapshot()
    assert state.sections[made].sis_id is None
    assert state.sections[made].name == state.courses[section.course_id].name


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "No parameters given"),
        (
            {"enrollment[type]": "StudentEnrollment"},
            "Can't create an enrollment without a user. Include enrollment[user_id] to create an enrollment",
        ),
        ({"enrollment[user_id]": "1001", "enrollment[type]": "student"}, "Invalid type"),
        ({"enrollment[user_id]": "1001", "enrollment[role_id]": "99"}, "Invalid role"),
        (
            {"enrollment[user_id]": "1001", "enrollment[role_id]": "12"},
            "Cannot create an enrollment with this role because it is inactive.",
        ),
        (
            {"enrollment[user_id]": "1001", "enrollment[role_id]": "11", "enrollment[type]": "StudentEnrollment"},
            "The specified type must match the base type for the role",
        ),
    ],
)
def test_an_enrollment_that_cannot_be_is_told_why(client: Client, given: dict[str, str], text: str) -> None:
    answer = client("POST", f"sections/{an_open_section(client).id}/enrollments", data=given)
    assert (answer.status_code, answer.json()) == (400, {"message": text})


def test_an_enrollment_of_an_unknown_user_section_or_course_is_not_found(client: Client) -> None:
    section = an_open_section(client)
    user = a_stranger(client, section)
    elsewhere = {"enrollment[user_id]": f"sis_user_id:{user}", "enrollment[course_section_id]": "sis_section_id:x"}
    answers = [
        enroll(client, section, "no such person"),
        client("POST", f"courses/{section.course_id}/enrollments", data=elsewhere),
        client("POST", "courses/sis_course_id:x/enrollments", data=elsewhere),
    ]
    assert [(each.status_code, each.json()) for each in answers] == [(404, NOT_FOUND)] * 3


@pytest.mark.parametrize("section", ["sis_section_id:2201-OVER", "the first of fa18"])
def test_a_concluded_course_takes_nobody(client: Client, section: str) -> None:
    if section == "the first of fa18":
        section = next(each["section_id"] for each in client.rows(sections=1, enrollment_term_id="sis_term_id:fa18"))
        section = f"sis_section_id:{section}"
    answer = client("POST", f"sections/{section}/enrollments", data={"enrollment[user_id]": "1001"})
    assert answer.status_code == 400
    assert answer.json() == {"message": "Can't add an enrollment to a concluded course."}


def test_a_repeated_post_finds_the_same_row_and_leaves_an_active_one_active(client: Client) -> None:
    section = an_open_section(client)
    user = a_stranger(client, section)
    first = enroll(client, section, user, start_at="2020-01-01T00:00:00-05:00").json()
    again = enroll(client, section, user, enrollment_state="inactive").json()
    assert (again["id"], again["enrollment_state"]) == (first["id"], "active")
    assert (first["start_at"], again["start_at"]) == ("2020-01-01T05:00:00Z", None)


def test_a_deleted_enrollment_is_revived_with_its_id_and_loses_its_sis_batch(client: Client) -> None:
    state = client.canvas.snapshot()
    section = an_open_section(client)
    old = next(each for each in state.enrollments.values() if each.section_id == section.id and each.sis_batch_id)
    assert client("DELETE", f"courses/{section.course_id}/enrollments/{old.id}?task=delete").status_code == 200
    shown = enroll(client, section, str(state.logins_of(old.user_id)[0].sis_id)).json()
    assert (shown["id"], shown["enrollment_state"], shown["sis_import_id"]) == (old.id, "active", None)


@pytest.mark.parametrize(
    ("task", "state"),
    [
        ("", "completed"),
        ("conclude", "completed"),
        ("remove", "completed"),
        ("delete", "deleted"),
        ("inactivate", "inactive"),
        ("deactivate", "inactive"),
    ],
)
def test_a_task_says_how_an_enrollment_ends_and_the_default_concludes(client: Client, task: str, state: str) -> None:
    section = an_open_section(client)
    number = enroll(client, section, a_stranger(client, section)).json()["id"]
    answer = client("DELETE", f"courses/{section.course_id}/enrollments/{number}", params={"task": task})
    assert (answer.status_code, answer.json()["enrollment_state"]) == (200, state)
    assert client.canvas.snapshot().enrollments[number].workflow_state == state
    again = client("DELETE", f"courses/{section.course_id}/enrollments/{number}", params={"task": task})
    assert again.status_code == (404 if state == "deleted" else 200)


def test_after_cross_listing_the_old_course_no_longer_has_the_enrollment(client: Client) -> None:
    section = an_open_section(client)
    old, number = section.course_id, enroll(client, section, a_stranger(client, section)).json()["id"]
    moved = client("POST", f"sections/{section.id}/crosslist/sis_course_id:ETH%2F101.%C3%A9").json()
    assert moved["nonxlist_course_id"] == old
    assert client("DELETE", f"courses/{old}/enrollments/{number}?task=delete").status_code == 404
    assert client("DELETE", f"courses/{moved['course_id']}/enrollments/{number}?task=delete").status_code == 200


def test_enrollments_are_listed_by_bookmarks_without_a_last_page(client: Client) -> None:
    section = an_open_section(client)
    seen: list[int] = []
    url = f"{client.canvas.url}/api/v1/courses/{section.course_id}/enrollments?per_page=5"
    while url:
        answer = client.session.get(url, timeout=10)
        seen += [each["id"] for each in answer.json()]
        assert "last" not in answer.links
        url = answer.links.get("next", {}).get("url", "")
        assert not url or "page=bookmark%3A" in url
    ours = [each for each in client.canvas.snapshot().enrollments.values() if each.course_id == section.course_id]
    assert sorted(seen) == sorted(each.id for each in ours if each.workflow_state == "active")


@pytest.mark.parametrize("page", ["bookmark:%%%", "bookmark:e30=", "2"])
def test_a_bookmark_that_cannot_be_read_starts_over(client: Client, page: str) -> None:
    where = f"courses/{an_open_section(client).course_id}/enrollments"
    assert client("GET", where, params={"page": page}).json() == client("GET", where).json()


def test_lists_of_enrollments_show_other_states_only_on_request(client: Client) -> None:
    where = "courses/sis_course_id:ETH%2F101.%C3%A9/enrollments"
    usual = {each["enrollment_state"] for each in client("GET", where, params={"per_page": 50}).json()}
    assert usual == {"active", "invited", "inactive", "creation_pending"}
    asked = client("GET", f"{where}?state[]=completed&state[]=rejected").json()
    assert {each["enrollment_state"] for each in asked} == {"completed", "rejected"}
    mentors = client("GET", where, params={"role[]": CUSTOM_ROLE}).json()
    assert {each["role"] for each in mentors} == {CUSTOM_ROLE}
    assert "user" in mentors[0]


# --- Courses, sections, users -------------------------------------------------------------------------------------


def test_a_course_is_created_unpublished_and_published_by_offer(client: Client) -> None:
    given = {"course[name]": "New", "course[sis_course_id]": "0001-2201", "course[term_id]": "sis_term_id:sp20"}
    made = client("POST", "accounts/self/courses", data=given).json()
    assert (made["workflow_state"], made["enrollment_term_id"]) == ("unpublished", 15)
    offered = client("PUT", "courses/sis_course_id:0001-2201", data={"course[event]": "offer"}).json()
    assert offered["workflow_state"] == "available"


def test_a_sis_id_that_is_held_even_by_a_deleted_course_is_refused(client: Client) -> None:
    answer = client("POST", "accounts/self/courses", data={"course[sis_course_id]": "GONE-1"})
    assert answer.status_code == 400
    assert answer.json()["errors"]["sis_source_id"][0]["message"] == 'SIS ID "GONE-1" is already in use'


def test_deleting_a_course_needs_an_event(client: Client) -> None:
    answer = client("DELETE", "courses/sis_course_id:OVER-1")
    assert (answer.status_code, answer.json()["message"]) == (400, 'Only "delete" and "conclude" events are allowed.')
    assert client("DELETE", "courses/sis_course_id:OVER-1?event=delete").json() == {"delete": True}
    assert client("GET", "courses/sis_course_id:OVER-1").status_code == 404


def test_a_section_with_enrollments_cannot_be_deleted(client: Client) -> None:
    answer = client("DELETE", f"sections/{an_open_section(client).id}")
    assert (answer.status_code, answer.json()) == (400, {"message": "You can't delete a section that has enrollments"})


def test_a_section_is_put_back_where_it_came_from(client: Client) -> None:
    back = client("DELETE", "sections/sis_section_id:2201-XLIST/crosslist").json()
    assert (back["sis_course_id"], back["nonxlist_course_id"]) == ("XLIST-0", None)
    again = client("DELETE", "sections/sis_section_id:2201-XLIST/crosslist")
    assert (again.status_code, again.json()) == (400, {"message": "section is not cross-listed"})


def test_a_user_with_a_taken_login_is_refused_in_three_nested_hashes(client: Client) -> None:
    given = {"user[name]": "Somebody New", "pseudonym[unique_id]": "TWO.LOGINS.STAFF"}
    answer = client("POST", "accounts/self/users", data=given)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["user", "pseudonym", "observee"])
    made = client("POST", "accounts/self/users", data=given | {"pseudonym[unique_id]": "new"}).json()
    assert made["sortable_name"] == "New, Somebody"


def test_a_deleted_user_is_revived_on_request_with_both_ids(client: Client) -> None:
    gone = next(each for each in client.canvas.snapshot().logins.values() if each.sis_id == "000000666")
    given = {"user[name]": "Back Again", "pseudonym[unique_id]": "back", "pseudonym[sis_user_id]": "000000666"}
    made = client("POST", "accounts/self/users", data={**given, "enable_sis_reactivation": "true"}).json()
    assert (made["id"], made["name"], made["login_id"]) == (gone.user_id, "Back Again", "back")
    assert client("GET", "users/sis_user_id:000000666").json()["id"] == gone.user_id


def test_integration_ids_are_set_on_courses_and_logins(client: Client) -> None:
    course = {"course[sis_course_id]": "0001-2201", "course[integration_id]": "int-c"}
    assert client("POST", "accounts/self/courses", data=course).json()["integration_id"] == "int-c"
    course["course[integration_id]"] = "int-d"
    assert client("PUT", "courses/sis_course_id:0001-2201", data=course).json()["integration_id"] == "int-d"
    user = client("GET", "users/sis_user_id:NA").json()["id"]
    [login] = client("GET", f"users/{user}/logins").json()
    changed = client("PUT", f"accounts/self/logins/{login['id']}", data={"login[integration_id]": "int-u"}).json()
    assert (changed["integration_id"], changed["sis_user_id"]) == ("int-u", "NA")
    assert client("GET", f"users/{user}").json()["integration_id"] == "int-u"


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("accounts/self/courses", {"course[sis_course_id]": "half", "course[term_id]": "sis_term_id:none"}),
        ("courses/sis_course_id:XLIST-0/sections", {"course_section[start_at]": "no date"}),
    ],
)
def test_what_is_refused_leaves_nothing_half_made(client: Client, path: str, given: dict[str, str]) -> None:
    before = repr(client.canvas.snapshot())
    assert client("POST", path, data=given).status_code in (400, 404)
    assert repr(client.canvas.snapshot()) == before


def test_the_last_login_of_a_user_stays(client: Client) -> None:
    user = client("GET", "users/sis_user_id:000000888").json()["id"]
    first, second = client("GET", f"users/{user}/logins").json()
    assert client("DELETE", f"users/{user}/logins/{second['id']}").status_code == 200
    answer = client("DELETE", f"users/{user}/logins/{first['id']}")
    assert answer.json() == {"errors": [{"message": "Users must have at least one login"}]}


def test_a_sis_id_is_changed_at_the_login(client: Client) -> None:
    login = client("GET", f"users/{client('GET', 'users/sis_user_id:NA').json()['id']}/logins").json()[0]
    client("PUT", f"accounts/self/logins/{login['id']}", data={"login[sis_user_id]": "000000999"})
    assert client("GET", "users/sis_user_id:000000999").json()["name"] == "Not Available"
    assert client("GET", "users/sis_user_id:NA").status_code == 404


# --- SIS imports --------------------------------------------------------------------------------------------------


def test_an_import_is_created_then_importing_then_imported(opened: Opened, clock: ManualClock) -> None:
    client = opened(import_seconds=10, clock=clock)
    created = client.sis_import(PEOPLE)
    assert (created["workflow_state"], created["progress"], created["ended_at"]) == ("created", 0, None)
    clock.now += 5
    running = client("GET", f"{IMPORTS}/{created['id']}").json()
    assert (running["workflow_state"], running["progress"]) == ("importing", 50)
    clock.now += 5
    done = client("GET", f"{IMPORTS}/{created['id']}").json()
    assert (done["workflow_state"], done["progress"]) == ("imported", 100)
    assert done["data"]["counts"] == {"users": 1}
    assert "processing_errors" not in done
    assert client("GET", "users/sis_user_id:000123999").json()["name"] == "New One"


def test_imports_run_one_at_a_time_and_are_listed_in_a_wrapper(opened: Opened, clock: ManualClock) -> None:
    client = opened(import_seconds=10, clock=clock)
    for _ in range(2):
        client.sis_import(PEOPLE)
    listed = client("GET", IMPORTS).json()["sis_imports"]
    assert [(each["id"], each["workflow_state"]) for each in listed] == [(2, "created"), (1, "importing")]


def test_a_multipart_upload_of_an_archive_keeps_every_byte(client: Client) -> None:
    archive = zipped(people=PEOPLE)
    parts = {"attachment": ("upload.zip", archive, "application/zip")}
    form = {"override_sis_stickiness": "true"}
    answer = client("POST", f"{IMPORTS}?import_type=instructure_csv", files=parts, data=form)
    done = client("GET", f"{IMPORTS}/{answer.json()['id']}").json()
    assert (done["workflow_state"], done["override_sis_stickiness"]) == ("imported", True)


def test_an_upload_in_chunks_is_read_to_its_end(client: Client) -> None:
    answer = client(
        "POST", IMPORTS, data=iter([PEOPLE[:20].encode(), PEOPLE[20:].encode()]), headers={"Content-Type": "text/csv"}
    )
    assert client("GET", f"{IMPORTS}/{answer.json()['id']}").json()["data"]["counts"] == {"users": 1}


def test_files_are_imported_in_order_of_dependency_whatever_their_order(client: Client) -> None:
    archive = zipped(
        a="section_id,user_id,role,status\nS-1,000123999,student,active\n",
        b="section_id,course_id,name,status\nS-1,C-1,One,active\n",
        c="course_id,short_name,long_name,account_id,term_id,status\nC-1,C1,Course One,0042,sp20,active\n",
        e=PEOPLE,
    )
    done = client.imported(archive)
    assert done["workflow_state"] == "imported"
    assert done["data"]["counts"] == {"courses": 1, "sections": 1, "users": 1, "enrollments": 1}
    shown = client("GET", "courses/sis_course_id:C-1/enrollments").json()
    assert (shown[0]["sis_user_id"], shown[0]["sis_import_id"]) == ("000123999", done["id"])


def test_refused_rows_are_messages_and_the_others_are_imported(client: Client) -> None:
    section = an_open_section(client)
    user = a_stranger(client, section)
    rows = [
        f"{section.sis_id},{user},student,active",
        f"{section.sis_id},nobody,student,active",
        f"no-section,{user},student,active",
        f"{section.sis_id},{user},student,asleep",
        f"{section.sis_id},{user},wizard,active",
    ]
    done = client.imported("\n".join(["section_id,user_id,role,status", *rows, ""]))
    assert (done["workflow_state"], done["data"]["counts"]) == ("imported_with_messages", {"enrollments": 1})
    assert [message for _, message in done["processing_warnings"]] == [
        "user_id nobody does not exist",
        "section_id no-section does not exist",
        "improper status 'asleep'",
        "there is no role wizard",
    ]
    errors = list(csv.DictReader(io.StringIO(client.download(done["errors_attachment"]["url"]).text)))
    assert [row["row"] for row in errors] == ["3", "4", "5", "6"]
    assert "processing_warnings" not in client("GET", IMPORTS).json()["sis_imports"][0]


def test_messages_inside_the_json_are_cut_and_the_file_has_them_all(client: Client) -> None:
    rows = [f"x{number},nobody,student,active" for number in range(80)]
    done = client.imported("\n".join(["section_id,user_id,role,status", *rows, ""]))
    assert len(done["processing_warnings"]) == 50
    assert client.download(done["errors_attachment"]["url"]).text.count("\n") == 81


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("name,colour\na,b\n", "Couldn't find Canvas CSV import headers"),
        (zipped(people=PEOPLE)[:60], "The archive cannot be read."),
        ("user_id,login_id,status\na,b\n", "Row 1 has 2 fields, the header 3"),
    ],
)
def test_a_file_that_cannot_be_read_fails_the_import(client: Client, content: str | bytes, text: str) -> None:
    done = client.imported(content)
    assert done["workflow_state"] == "failed_with_messages"
    assert done["processing_errors"][0][1] == text


def test_an_import_deletes_nothing_that_it_does_not_name(client: Client) -> None:
    section = an_open_section(client)
    before = {each.id: each.workflow_state for each in client.canvas.snapshot().enrollments.values()}
    row = f"{section.sis_id},{a_stranger(client, section)},student,active"
    client.imported(f"section_id,user_id,role,status\n{row}\n", change_threshold=0)
    after = {each.id: each.workflow_state for each in client.canvas.snapshot().enrollments.values()}
    assert {number: after[number] for number in before} == before
    assert len(after) == len(before) + 1


def test_what_was_edited_over_rest_is_left_alone_unless_overridden(client: Client) -> None:
    course = "courses/sis_course_id:OVER-1"
    client("PUT", course, data={"course[name]": "By hand"})
    row = "course_id,short_name,long_name,status\nOVER-1,O1,By the SIS,active\n"
    client.imported(row)
    assert client("GET", course).json()["name"] == "By hand"
    client.imported(row, override_sis_stickiness="true")
    assert client("GET", course).json()["name"] == "By the SIS"


def test_imports_need_the_root_account_and_utf_8_and_know_no_batch_mode(client: Client) -> None:
    sub = client("POST", "accounts/2/sis_imports", data=b"x", headers={"Content-Type": "text/csv"})
    assert (sub.status_code, sub.json()) == (
        400,
        {"errors": ["SIS imports can only be executed on root accounts"]},
    )
    latin = client("POST", IMPORTS, data=b"x", headers={"Content-Type": "text/csv; charset=latin1"})
    batch = client("POST", f"{IMPORTS}?batch_mode=1&batch_mode_term_id=sis_term_id:sp20", data=b"x")
    assert [latin.status_code, batch.status_code] == [400, 400]


def test_an_aborted_import_changes_nothing_and_the_next_waits_ten_minutes(opened: Opened, clock: ManualClock) -> None:
    client = opened(import_seconds=10, clock=clock)
    first = client.sis_import(PEOPLE)["id"]
    assert client("PUT", f"{IMPORTS}/{first}/abort").json()["workflow_state"] == "aborted"
    second = client.sis_import(PEOPLE)["id"]
    clock.now += 599
    assert client("GET", f"{IMPORTS}/{second}").json()["workflow_state"] == "created"
    assert client("GET", "users/sis_user_id:000123999").status_code == 404
    clock.now += 11
    assert client("GET", f"{IMPORTS}/{second}").json()["workflow_state"] == "imported"


# --- Accidents ----------------------------------------------------------------------------------------------------


def test_server_errors_come_in_a_burst_and_end(client: Client) -> None:
    client.canvas.faults.arm("server_error", count=2, status=503)
    answers = [client("GET", "accounts/self") for _ in range(3)]
    assert [each.status_code for each in answers] == [503, 503, 200]
    assert answers[0].headers["Content-Type"].startswith("text/html")


def test_a_fault_can_be_meant_for_some_requests_only(client: Client) -> None:
    client.canvas.faults.arm("server_error", status=500, method="POST", path="/reports/")
    assert client("GET", REPORTS).status_code == 200
    assert client("POST", REPORTS).json()["errors"][0]["error_code"] == "internal_server_error"


def test_an_error_after_execution_has_made_the_change(client: Client) -> None:
    section = an_open_section(client)
    before = len(client.canvas.snapshot().enrollments)
    client.canvas.faults.arm("error_after_execution", status=504)
    assert enroll(client, section, a_stranger(client, section)).status_code == 504
    assert len(client.canvas.snapshot().enrollments) == before + 1


def test_a_reset_after_execution_has_made_the_change(client: Client) -> None:
    client.canvas.faults.arm("reset_after_execution")
    with pytest.raises(requests.ConnectionError):
        client.start(users=1)
    assert len(client("GET", REPORTS).json()) == 1


def test_a_download_is_reset_in_the_middle(client: Client) -> None:
    url = client.finished(enrollments=1)["attachment"]["url"]
    client.canvas.faults.arm("reset_download")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        client.download(url)
    assert client.download(url).status_code == 200


def test_a_truncated_archive_looks_complete_to_http(client: Client) -> None:
    attachment = client.finished(users=1, courses=1)["attachment"]
    client.canvas.faults.arm("truncated_file")
    answer = client.download(attachment["url"])
    assert answer.status_code == 200
    assert len(answer.content) == int(answer.headers["Content-Length"]) == attachment["size"] // 2
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(answer.content))


@pytest.mark.parametrize(
    ("fault", "status", "content_type"),
    [
        ("expired_link", 403, "application/xml"),
        ("html_file", 200, "text/html; charset=utf-8"),
        ("store_error", 502, "text/html; charset=utf-8"),
    ],
)
def test_a_file_can_be_something_else(client: Client, fault: str, status: int, content_type: str) -> None:
    url = client.finished(users=1)["attachment"]["url"]
    client.canvas.faults.arm(fault)
    answer = client.download(url)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, content_type)
    assert client.download(url).text.startswith("canvas_user_id,")


def test_a_stuck_report_stays_where_it_is_and_keeps_nobody_waiting(opened: Opened, clock: ManualClock) -> None:
    client = opened(clock=clock)
    client.canvas.faults.arm("stuck_report", percent=63)
    stuck = client.start(users=1)
    clock.now += 86_400
    assert (client.report(stuck)["status"], client.report(stuck)["progress"]) == ("running", 63)
    assert client.finished(users=1)["status"] == "complete"
    assert client.report(stuck)["status"] == "running"


def test_a_report_can_be_slow_with_a_progress_in_between(opened: Opened, clock: ManualClock) -> None:
    client = opened(clock=clock)
    client.canvas.faults.arm("stuck_report", percent=41, seconds=30)
    number = client.start(users=1)
    assert client.report(number)["progress"] == 41
    clock.now += 30
    assert (client.report(number)["status"], client.report(number)["progress"]) == ("complete", 100)


def test_the_next_report_ends_in_error(client: Client) -> None:
    client.canvas.faults.arm("report_error")
    failed = client.finished(users=1)
    assert (failed["status"], failed["progress"], "attachment" in failed) == ("error", 100, False)
    assert client.finished(users=1)["status"] == "complete"


def test_an_empty_report_has_its_header(client: Client) -> None:
    client.canvas.faults.arm("empty_report")
    assert client.text(accounts=1) == (
        "canvas_account_id,account_id,canvas_parent_id,parent_account_id,name,status,created_by_sis\n"
    )


def test_headers_drift_and_the_rows_with_them(client: Client) -> None:
    usual = client.rows(terms=1)
    client.canvas.faults.arm("renamed_column", column="term_id", to="sis_term_id")
    renamed = client.rows(terms=1)
    client.canvas.faults.arm("missing_column", column="status")
    missing = client.rows(terms=1)
    client.canvas.faults.arm("extra_column", column="pronouns")
    extra = client.rows(terms=1)
    assert [row["sis_term_id"] for row in renamed] == [row["term_id"] for row in usual]
    assert missing == [{name: value for name, value in row.items() if name != "status"} for row in usual]
    assert extra == [{"pronouns": "", **row} for row in usual]


def test_a_header_can_stand_once_more_inside_a_file(client: Client) -> None:
    usual = client.text(terms=1).split("\n")
    client.canvas.faults.arm("second_header")
    assert client.text(terms=1).split("\n") == [*usual[:2], usual[0], *usual[2:]]


def test_somebody_else_starts_the_same_report_right_after_us(client: Client) -> None:
    client.canvas.faults.arm("other_admin")
    ours = client.start(users=1)
    newest = client("GET", REPORTS).json()[0]
    assert newest["id"] != ours
    assert newest["report"] == "provisioning_csv"


def test_a_throttle_storm_a_revoked_token_and_a_missing_right(client: Client) -> None:
    client.canvas.faults.arm("throttle", count=2)
    assert [client("GET", "accounts/self").status_code for _ in range(3)] == [429, 429, 200]
    client.canvas.faults.arm("revoked_token")
    assert client("GET", "accounts/self").json() == {"errors": [{"message": "Invalid access token."}]}
    client.canvas.faults.arm("no_right")
    refused = client("GET", "accounts/self")
    assert (refused.status_code, refused.json()["status"]) == (403, "unauthorized")
    assert "WWW-Authenticate" not in refused.headers


def test_a_slow_answer_meets_the_clients_timeout(client: Client) -> None:
    client.canvas.faults.arm("slow", seconds=1.0)
    with pytest.raises(requests.ReadTimeout):
        client.session.get(f"{client.canvas.url}/api/v1/accounts/self", timeout=0.2)


def test_faults_are_armed_and_cleared_over_http_without_a_token(client: Client) -> None:
    where = f"{client.canvas.url}/_simulator/faults"
    armed = requests.post(where, json={"fault": "server_error", "count": None, "status": 502}, timeout=10).json()
    assert (armed["armed"][0]["name"], armed["armed"][0]["count"]) == ("server_error", None)
    assert client("GET", "accounts/self").status_code == 502
    assert requests.delete(where, timeout=10).json()["armed"] == []
    assert client("GET", "accounts/self").status_code == 200
    seen = requests.get(f"{client.canvas.url}/_simulator/requests", timeout=10).json()
    assert [each["status"] for each in seen] == [502, 200]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"fault": "servererror"}, "did you mean server_error?"),
        ({"fault": "slow"}, "say how many seconds"),
        ({"fault": "throttle", "count": 0}, "count is a whole number from 1"),
        ({"fault": "throttle", "minutes": 1}, "there is no option 'minutes'"),
        ({"fault": "renamed_column"}, "say which column"),
        ([], "Say which fault"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_with_one_sentence(client: Client, given: object, text: str) -> None:
    answer = requests.post(f"{client.canvas.url}/_simulator/faults", json=given, timeout=10)
    assert answer.status_code == 400
    assert text in answer.json()["error"]
    assert not client.canvas.faults.armed()


def test_the_command_arms_a_fault_with_numbers_and_texts_as_options(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    options = [word for each in ("seconds=0.5", "status=503", "path=sis_imports") for word in ("--option", each)]
    with pytest.raises(SystemExit) as ended:
        main(["fault", client.canvas.url, "slow", *options])
    assert ended.value.code == 0
    [armed] = client.canvas.faults.armed()
    assert (armed.seconds, armed.status, armed.path) == (0.5, 503, "sis_imports")


# --- Looked at while it works -------------------------------------------------------------------------------------


def test_a_snapshot_stays_as_it_was_and_the_next_one_has_what_came_since(client: Client) -> None:
    section = an_open_section(client)
    before = client.canvas.snapshot()
    shown = repr(before)
    made = enroll(client, section, a_stranger(client, section)).json()
    client("PUT", f"sections/{section.id}", data={"course_section[name]": "Renamed"})
    assert repr(before) == shown
    assert client.canvas.snapshot() != before
    assert client.canvas.snapshot().enrollments[made["id"]].section_id == section.id
    assert [each.id for each in before.enrollments_of(made["user_id"]) if each.section_id == section.id] == []


def test_what_is_changed_in_a_snapshot_is_not_changed_in_canvas(client: Client) -> None:
    section = an_open_section(client)
    changed = client.canvas.snapshot()
    changed.sections[section.id].name = "only here"
    del changed.enrollments[next(iter(changed.enrollments))]
    assert client.canvas.snapshot().sections[section.id].name == section.name
    assert len(client.canvas.snapshot().enrollments) == len(changed.enrollments) + 1


def test_an_import_that_was_looked_at_stays_as_it_was(opened: Opened, clock: ManualClock) -> None:
    client = opened(import_seconds=10, clock=clock)
    client.sis_import(PEOPLE)
    [(before, names)] = client.canvas.imports
    clock.now += 10
    [(after, _)] = client.canvas.imports
    assert (before.workflow_state, before.counts, before.ended_at) == ("importing", {}, None)
    assert (after.workflow_state, after.counts, names) == ("imported", {"users": 1}, ["attachment"])


def test_an_edit_counts_and_is_saved_with_the_next_request(opened: Opened, tmp_path: Path) -> None:
    first = opened(state_file=tmp_path / "canvas.json")
    section = an_open_section(first)
    with first.canvas.edit() as state:
        state.sections[section.id].name = "Edited"
    assert first("GET", f"sections/{section.id}").json()["name"] == "Edited"
    assert opened(state_file=tmp_path / "canvas.json").canvas.snapshot().sections[section.id].name == "Edited"


def test_canvas_can_be_looked_at_while_requests_change_it(client: Client, quick_switches: None) -> None:
    section = an_open_section(client)
    state = client.canvas.snapshot()
    members = {each.user_id for each in state.enrollments.values() if each.course_id == section.course_id}
    strangers = [each for each in state.users if each not in members and state.logins_of(each)][:80]

    def write(user: int) -> int:
        headers, data = {"Authorization": f"Bearer {TOKEN}"}, {"enrollment[user_id]": user}
        where = f"{client.canvas.url}/api/v1/sections/{section.id}/enrollments"
        return requests.post(where, data=data, headers=headers, timeout=10).status_code

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(write, user) for user in strangers]
        while not all(each.done() for each in answers):
            posts = sum(each.method == "POST" for each in client.canvas.requests)
            found = client.canvas.snapshot().enrollments.values()
            assert sum(each.user_id not in members and each.section_id == section.id for each in found) >= posts
    assert [each.result() for each in answers] == [200] * len(strangers)
    assert len(client.canvas.snapshot().enrollments) == len(state.enrollments) + len(strangers)


def test_the_end_waits_for_a_request_that_writes_a_file(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    writing, may_end = Event(), Event()
    written: list[bytes] = []

    def slow(path: Path, _: object) -> None:
        path.write_bytes(b"half")
        writing.set()
        assert may_end.wait(10)
        path.write_bytes(b"whole")
        written.append(path.read_bytes())

    def ask(number: int) -> None:
        with suppress(requests.RequestException):  # the end may cut the answer off
            client.report(number)

    monkeypatch.setattr(report_files, "_write_archive", slow)
    asking = Thread(target=ask, args=(client.start(users=1, courses=1),))
    asking.start()
    assert writing.wait(10)
    ending = Thread(target=client.canvas.__exit__, args=(None, None, None))
    ending.start()
    ending.join(0.5)
    may_end.set()
    ending.join(10)
    asking.join(10)
    assert written == [b"whole"]


# --- The campus, and a restart ------------------------------------------------------------------------------------


def test_the_same_seed_is_the_same_canvas() -> None:
    assert seed() == seed()
    assert seed(number=1) != seed()


def test_what_was_changed_is_there_after_a_restart(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "canvas.json"
    first = opened(state_file=path)
    first.imported(PEOPLE + ",,x,active\n")
    number = first.start(users=1)
    second = opened(state_file=path)
    assert second("GET", "users/sis_user_id:000123999").status_code == 200
    (listed,) = second("GET", IMPORTS).json()["sis_imports"]
    assert listed["workflow_state"] == "imported_with_messages"
    assert second.download(listed["errors_attachment"]["url"]).text.count("\n") == 2
    assert second("GET", f"{REPORTS}/{number}").status_code == 404
    assert second.start(users=1) == number + 1
    assert not list(tmp_path.glob("*.part"))


def test_an_import_that_waited_is_done_after_a_restart(opened: Opened, tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "canvas.json"
    number = opened(state_file=path, import_seconds=10, clock=clock).sis_import(PEOPLE)["id"]
    clock.now += 10
    second = opened(state_file=path, import_seconds=10, clock=clock)
    assert second("GET", f"{IMPORTS}/{number}").json()["workflow_state"] == "imported"
    third = opened(state_file=path, import_seconds=10, clock=clock)  # where its file is no more
    assert third("GET", f"{IMPORTS}/{number}").json()["csv_attachments"] == []


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"version": 99}), base64.b64encode(b"x").decode()])
def test_a_file_that_is_no_state_is_refused_and_left_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "canvas.json"
    path.write_text(content)
    with pytest.raises(CampusError, match=re.escape(str(path))), CanvasSimulator(state_file=path):
        pytest.fail("it must not start")
    assert path.read_text() == content


def test_the_server_says_where_it_is_and_ends_with_0_on_sigterm(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys; from replicate_demo.canvas import serve; "
        "serve(0, pathlib.Path(sys.argv[1]), token='t', report_seconds=0)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "canvas.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            assert requests.get(f"{url}/_simulator/health", timeout=10).json() == {"status": "ok"}
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) == 0
        finally:
            process.kill()
