"""The simulator's SIS imports: what becomes of the files, the rows and the import."""

from __future__ import annotations

import csv
import io

import pytest
from tests.demo.canvas_client import IMPORTS, PEOPLE, Client, ManualClock, Opened, a_stranger, an_open_section, zipped


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
