"""The simulator's courses, sections and users over REST."""

from __future__ import annotations

import pytest
from tests.demo.canvas_client import Client, an_open_section


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
