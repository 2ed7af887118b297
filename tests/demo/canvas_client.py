"""A client of the simulated Canvas for tests, and what the tests look for in its campus."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests

from replicate_demo.canvas import CanvasSimulator

TOKEN = "a token for tests"
REPORTS = "accounts/self/reports/provisioning_csv"
IMPORTS = "accounts/self/sis_imports"
NOT_FOUND = {"errors": [{"message": "The specified resource does not exist."}]}
PEOPLE = "user_id,login_id,full_name,status\n000123999,new.one,New One,active\n"


class ManualClock:
    """Seconds since 1970, moved by hand: 2020-02-03T12:00:00Z at first."""

    def __init__(self) -> None:
        self.now = 1_580_731_200.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Client:
    """Sends the token with every call, as a client of Canvas does."""

    canvas: CanvasSimulator
    session: requests.Session

    def __call__(self, method: str, path: str, **given: Any) -> requests.Response:
        return self.session.request(method, f"{self.canvas.url}/api/v1/{path}", timeout=10, **given)

    def start(self, **parameters: Any) -> int:
        answer = self("POST", REPORTS, data={f"parameters[{name}]": value for name, value in parameters.items()})
        assert answer.status_code == 200
        return int(answer.json()["id"])

    def report(self, number: int) -> dict[str, Any]:
        return dict(self("GET", f"{REPORTS}/{number}").json())

    def finished(self, **parameters: Any) -> dict[str, Any]:
        return self.report(self.start(**parameters))

    def download(self, url: str) -> requests.Response:
        return self.session.get(url, timeout=10)

    def text(self, **parameters: Any) -> str:
        return self.download(self.finished(**parameters)["attachment"]["url"]).content.decode("utf-8")

    def rows(self, **parameters: Any) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.text(**parameters), newline="")))

    def sis_import(self, content: str | bytes, **query: Any) -> dict[str, Any]:
        answer = self(
            "POST",
            IMPORTS,
            params={"import_type": "instructure_csv", **query},
            data=content.encode() if isinstance(content, str) else content,
            headers={"Content-Type": "text/csv" if isinstance(content, str) else "application/zip"},
        )
        assert answer.status_code == 200
        return dict(answer.json())

    def imported(self, content: str | bytes, **query: Any) -> dict[str, Any]:
        return dict(self("GET", f"{IMPORTS}/{self.sis_import(content, **query)['id']}").json())


Opened = Callable[..., Client]


def zipped(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.csv"), content)  # of no moment, so that it is always the same
    return buffer.getvalue()


def an_open_section(client: Client) -> Any:
    """Of an available course in an open term, from the SIS."""
    state = client.canvas.snapshot()
    open_terms = {term.id for term in state.terms.values() if term.sis_id in ("fa19", "sp20")}
    for section in state.sections.values():
        course = state.courses[section.course_id]
        if course.workflow_state == "available" and course.term_id in open_terms and section.sis_id:
            return section
    raise LookupError("the campus has no open section")


def strangers(client: Client, section: Any, count: int) -> list[str]:
    """The SIS ids of people who are not in that section's course."""
    state = client.canvas.snapshot()
    members = {each.user_id for each in state.enrollments.values() if each.course_id == section.course_id}
    found = [each for each in state.logins.values() if each.sis_id and each.workflow_state == "active"]
    return [str(each.sis_id) for each in found if each.user_id not in members][:count]


def a_stranger(client: Client, section: Any) -> str:
    return strangers(client, section, 1)[0]


def enroll(client: Client, section: Any, user: str, **more: Any) -> requests.Response:
    given = {"user_id": f"sis_user_id:{user}", "enrollment_state": "active", **more}
    data = {f"enrollment[{name}]": value for name, value in given.items()}
    return client("POST", f"sections/{section.id}/enrollments", data=data)
