"""The simulator's enrollments over REST."""

from __future__ import annotations

import pytest
from tests.demo.canvas_client import NOT_FOUND, Client, a_stranger, an_open_section, enroll

from replicate_demo.canvas.seeding import CUSTOM_ROLE


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
