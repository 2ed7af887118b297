"""The simulator as a whole: looked at while it works, saved, and started again."""

from __future__ import annotations

import base64
import json
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import pytest
import requests
from tests.demo.canvas_client import (
    IMPORTS,
    PEOPLE,
    REPORTS,
    TOKEN,
    Client,
    ManualClock,
    Opened,
    a_stranger,
    an_open_section,
    enroll,
)

from replicate_demo.campus import CampusError
from replicate_demo.canvas import CanvasSimulator, report_files, seed

# --- Looked at while it works ---------------------------------------------------------------------------------------


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


# --- The campus, and a restart --------------------------------------------------------------------------------------


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
