"""The simulator's accidents, each of them armed and over."""

from __future__ import annotations

import io
import zipfile

import pytest
import requests
from tests.demo.canvas_client import REPORTS, Client, ManualClock, Opened, a_stranger, an_open_section, enroll

from replicate_demo.__main__ import main


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


def test_a_header_can_come_a_second_time_inside_a_file(client: Client) -> None:
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
