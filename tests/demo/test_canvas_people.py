"""The simulator's people: a SIS id belongs to a login, and all logins of a person lead to the same person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.demo.canvas_client import NOT_FOUND, Client, Opened, a_stranger, an_open_section, enroll

from replicate_demo.canvas.people import add_login, add_observer, merge_users

COLUMNS = "section_id,user_id,role,status\n"


def a_member(client: Client) -> tuple[Any, str, int]:
    """(section, SIS id, user's number) of somebody whom the SIS enrolled as a student."""
    section = an_open_section(client)
    sis_id = a_stranger(client, section)
    client.imported(f"{COLUMNS}{section.sis_id},{sis_id},student,active\n")
    return section, sis_id, int(client("GET", f"users/sis_user_id:{sis_id}").json()["id"])


def states(client: Client, user: int, section: Any) -> list[str]:
    found = client.canvas.snapshot().enrollments_of(user)
    return [each.workflow_state for each in found if each.section_id == section.id]


def test_both_sis_ids_of_a_person_find_the_same_user_and_each_has_a_row(client: Client) -> None:
    _, sis_id, user = a_member(client)
    with client.canvas.edit() as state:
        add_login(state, user, "E-456")
    assert client("GET", "users/sis_user_id:E-456").json()["id"] == user
    rows = [row for row in client.rows(users=1) if row["canvas_user_id"] == str(user)]
    assert [row["user_id"] for row in rows] == [sis_id, "E-456"]


def test_a_deleted_row_by_one_sis_id_ends_what_the_other_sis_id_keeps(client: Client) -> None:
    section, sis_id, user = a_member(client)
    with client.canvas.edit() as state:
        add_login(state, user, "E-456")
    keeps = f"{section.sis_id},{sis_id},student,active\n"
    done = client.imported(f"{COLUMNS}{keeps}{section.sis_id},E-456,student,deleted\n")
    assert (done["workflow_state"], done["data"]["counts"]) == ("imported", {"enrollments": 2})
    assert states(client, user, section) == ["deleted"]


def test_an_active_row_by_the_other_sis_id_makes_no_second_enrollment(client: Client) -> None:
    section, _, user = a_member(client)
    with client.canvas.edit() as state:
        add_login(state, user, "E-456")
    client.imported(f"{COLUMNS}{section.sis_id},E-456,student,active\n")
    assert states(client, user, section) == ["active"]


def test_a_report_shows_the_sis_id_that_the_import_used_and_rest_the_best_one(client: Client) -> None:
    section, sis_id, user = a_member(client)
    with client.canvas.edit() as state:
        add_login(state, user, "E-456")
    client.imported(f"{COLUMNS}{section.sis_id},E-456,student,active\n")
    ours = {"canvas_user_id": str(user), "section_id": section.sis_id}
    [row] = [row for row in client.rows(enrollments=1) if ours.items() <= row.items()]
    assert row["user_id"] == "E-456"
    [shown] = client("GET", f"sections/{section.id}/enrollments?sis_user_id[]=E-456").json()
    assert (str(shown["id"]), shown["sis_user_id"]) == (row["canvas_enrollment_id"], sis_id)


def test_after_a_merge_both_sis_ids_are_the_surviving_user(client: Client) -> None:
    section, sis_id, user = a_member(client)
    other = a_stranger(client, section)
    losing = client("GET", f"users/sis_user_id:{other}").json()["id"]
    enroll(client, section, other)
    with client.canvas.edit() as state:
        merge_users(state, losing, into_id=user)
    found = [client("GET", f"users/sis_user_id:{each}").json()["id"] for each in (sis_id, other)]
    assert found == [user, user]
    assert client("GET", f"users/{losing}").json() == NOT_FOUND
    assert states(client, user, section) == ["active"]
    client.imported(f"{COLUMNS}{section.sis_id},{other},student,deleted\n")
    assert states(client, user, section) == ["deleted"]


def test_a_user_row_that_deletes_one_of_two_logins_leaves_the_person(client: Client) -> None:
    section, sis_id, user = a_member(client)
    with client.canvas.edit() as state:
        add_login(state, user, "E-456", unique_id="second")
    client.imported("user_id,login_id,full_name,status\nE-456,second,Somebody,deleted\n")
    assert client("GET", "users/sis_user_id:E-456").status_code == 404
    assert client("GET", f"users/sis_user_id:{sis_id}").json()["id"] == user
    assert states(client, user, section) == ["active"]


def test_observers_have_a_row_for_each_pair_of_logins(client: Client) -> None:
    section, sis_id, student = a_member(client)
    observer = client("GET", f"users/sis_user_id:{a_stranger(client, section)}").json()
    with client.canvas.edit() as state:
        add_login(state, student, "E-456")
        add_login(state, observer["id"], "E-789")
        add_observer(state, observer["id"], student)
    pairs = [(row["observer_id"], row["student_id"]) for row in client.rows(user_observers=1)]
    assert pairs == [(one, two) for one in (observer["sis_user_id"], "E-789") for two in (sis_id, "E-456")]


def test_a_second_login_is_there_after_a_restart(opened: Opened, tmp_path: Path) -> None:
    first = opened(state_file=tmp_path / "canvas.json")
    with first.canvas.edit() as state:
        add_observer(state, observer_id=1001, student_id=add_login(state, 1002, "E-456").user_id)
    first("GET", "users/self")
    second = opened(state_file=tmp_path / "canvas.json")
    assert second("GET", "users/sis_user_id:E-456").json()["id"] == 1002
    assert len(second.canvas.snapshot().observations) == 1


def test_the_answer_to_a_new_user_has_no_email_though_it_is_kept(client: Client) -> None:
    given = {"user[name]": "New One", "pseudonym[unique_id]": "new.one"}
    made = client("POST", "accounts/self/users", data={**given, "communication_channel[address]": "n@x.edu"}).json()
    assert "email" not in made
    assert client("GET", f"users/{made['id']}").json()["email"] == "n@x.edu"
    assert client("PUT", f"users/{made['id']}", data={"user[name]": "N"}).json()["email"] == "n@x.edu"
