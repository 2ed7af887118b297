"""One report of Canvas, from its start to its file, through every accident that the simulator has."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import SecretStr

from canvas_replicate.canvas import CanvasClient, CanvasOutcomeUnknown, LinkExpired, RetryPolicy, TokenRefused
from canvas_replicate.errors import Interrupted, PermanentError, ReplicateError, TransientError
from provisioner.contents import extract_csv, open_rows, read_header
from provisioner.reports import MARKER, Polling, ReportFailed, download, find, start, wait
from replicate_demo.canvas import CanvasSimulator, Options

TOKEN = "7~a-word-that-is-secret"
USERS = {"users": "true"}
REPORTS = "accounts/self/reports/provisioning_csv"
NEXT = "Then: replicate rerun tmp_cnv_users"
QUICK = RetryPolicy(
    connect_seconds=5, read_seconds=5, call_seconds=20, first_pause_seconds=0.01, longest_pause_seconds=0.02
)

Opened = Callable[..., CanvasSimulator]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def opened() -> Iterator[Opened]:
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(CanvasSimulator(options=Options(token=TOKEN, **options)))


@pytest.fixture
def canvas(opened: Opened) -> CanvasSimulator:
    return opened()


@contextmanager
def client_of(url: str) -> Iterator[CanvasClient]:
    client = CanvasClient(url, SecretStr(TOKEN), user_agent="canvas-replicate tests", retry_policy=QUICK)
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
def client(canvas: CanvasSimulator) -> Iterator[CanvasClient]:
    with client_of(canvas.url) as made:
        yield made


def started(client: CanvasClient, marker: str = "run/users/all", **parameters: str) -> int:
    return start(client, "self", parameters or USERS, marker, pause_seconds=0.01)


def waited(client: CanvasClient, report_id: int, seconds: float = 20, stop: threading.Event | None = None) -> list[str]:
    """The states that were told."""
    states: list[str] = []
    wait(
        client,
        "self",
        report_id,
        Polling(seconds, first_pause_seconds=0.01, longest_pause_seconds=0.05),
        stop=stop or threading.Event(),
        on_progress=lambda state, progress: states.append(f"{state} {progress}"),
        next_step=NEXT,
    )
    return states


def failed(client: CanvasClient, report_id: int, **given: Any) -> ReplicateError:
    with pytest.raises(ReplicateError) as caught:
        waited(client, report_id, **given)
    tells_no_secret(caught.value)
    return caught.value


def not_fetched(client: CanvasClient, report_id: int, to: Path) -> ReplicateError:
    with pytest.raises(ReplicateError) as caught:
        download(client, "self", report_id, to, next_step=NEXT)
    tells_no_secret(caught.value)
    return caught.value


def tells_no_secret(error: ReplicateError) -> None:
    told = f"{error} {error.__cause__} {error.__context__}"
    assert TOKEN not in told
    assert "verifier" not in told
    assert "signature" not in told


def asked(canvas: CanvasSimulator, method: str, part: str = REPORTS) -> list[Any]:
    return [request for request in canvas.requests if request.method == method and part in request.path]


def reports_there(client: CanvasClient) -> list[dict[str, Any]]:
    return list(client.pages(REPORTS))


# Started


def test_a_report_is_started_waited_for_fetched_and_read(
    canvas: CanvasSimulator, client: CanvasClient, tmp_path: Path
) -> None:
    report_id = started(client, include_deleted="true", **USERS)
    assert waited(client, report_id)[-1] == "complete 100"
    done = download(client, "self", report_id, tmp_path / "report")
    content = (tmp_path / "report").read_bytes()
    assert (done.bytes, done.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert done.content_type == "text/csv"
    assert done.filename.startswith("provisioning_csv_")
    with open_rows(
        [extract_csv(tmp_path / "report", "users", tmp_path)], "users", ["canvas_user_id", "user_id"]
    ) as found:
        sis_ids = [value for batch in found.batches for value in batch.column("user_id").to_pylist()]
    assert found.rows == len(sis_ids) > 0
    assert {"NA", None} <= set(sis_ids)
    (sent,) = asked(canvas, "POST")
    assert parse_qs(sent.body.decode()) == {
        "parameters[users]": ["true"],
        "parameters[include_deleted]": ["true"],
        "parameters[skip_message]": ["1"],
        f"parameters[{MARKER}]": ["run/users/all"],
    }


def test_a_report_of_several_kinds_comes_as_an_archive(client: CanvasClient, tmp_path: Path) -> None:
    report_id = started(client, users="true", terms="true")
    waited(client, report_id)
    download(client, "self", report_id, tmp_path / "report")
    terms = extract_csv(tmp_path / "report", "terms", tmp_path)
    assert read_header(terms, "terms", ["canvas_term_id", "term_id"]).missing == ()


def test_a_report_of_a_sub_account_is_looked_for_in_that_account(client: CanvasClient, tmp_path: Path) -> None:
    report_id = start(client, "sis_account_id:ORGS", USERS, "orgs")
    assert find(client, "sis_account_id:ORGS", "orgs") == report_id
    assert find(client, "self", "orgs") is None
    assert download(client, "sis_account_id:ORGS", report_id, tmp_path / "report").bytes > 0


def test_another_administrator_s_newer_report_is_never_ours(
    canvas: CanvasSimulator, client: CanvasClient, tmp_path: Path
) -> None:
    canvas.faults.arm("other_admin")
    canvas.faults.arm("error_after_execution", method="POST")
    report_id = started(client)
    newest = reports_there(client)[0]
    assert newest["id"] > report_id
    waited(client, report_id)
    download(client, "self", report_id, tmp_path / "report")
    assert (tmp_path / "report").read_bytes().startswith(b"canvas_user_id,")


@pytest.mark.parametrize("fault", ["error_after_execution", "reset_after_execution"])
def test_a_report_whose_start_was_not_confirmed_is_found_and_not_started_again(
    canvas: CanvasSimulator, client: CanvasClient, fault: str
) -> None:
    started(client, "an earlier run")
    canvas.faults.arm(fault, method="POST")
    report_id = started(client, "this run")
    assert [report["id"] for report in reports_there(client) if report["parameters"][MARKER] == "this run"] == [
        report_id
    ]
    assert len(asked(canvas, "POST")) == 2


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_start_that_canvas_did_not_carry_out_is_repeated(
    canvas: CanvasSimulator, client: CanvasClient, status: int
) -> None:
    started(client, "an earlier run")
    canvas.faults.arm("server_error", count=2, status=status, method="POST")
    report_id = started(client, "this run")
    assert [report["id"] for report in reports_there(client)] == [report_id, report_id - 1]
    assert len(asked(canvas, "POST")) == 4


def test_a_start_is_tried_three_times_at_most(canvas: CanvasSimulator, client: CanvasClient) -> None:
    canvas.faults.arm("server_error", count=None, method="POST")
    with pytest.raises(CanvasOutcomeUnknown):
        started(client)
    assert len(asked(canvas, "POST")) == 3


def test_a_throttled_start_is_one_report(canvas: CanvasSimulator, client: CanvasClient) -> None:
    canvas.faults.arm("throttle", count=2)
    report_id = started(client)
    assert [report["id"] for report in reports_there(client)] == [report_id]


def test_a_stop_between_two_starts_hands_the_work_back(canvas: CanvasSimulator, client: CanvasClient) -> None:
    canvas.faults.arm("server_error", method="POST")
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted):
        start(client, "self", USERS, "m", stop=stop, pause_seconds=60)
    assert len(asked(canvas, "POST")) == 1


def test_a_term_that_canvas_does_not_know_is_refused_at_once(canvas: CanvasSimulator, client: CanvasClient) -> None:
    with pytest.raises(PermanentError, match="invalid enrollment_term_id") as caught:
        started(client, courses="true", enrollment_term_id="sis_term_id:nn99")
    assert caught.value.code == "canvas.400"
    assert len(asked(canvas, "POST")) == 1


def test_a_report_is_found_by_its_own_marker_beyond_the_first_page(client: CanvasClient) -> None:
    first = started(client, "the first")
    for number in range(101):
        started(client, f"later {number}")
    assert find(client, "self", "the first") == first
    assert find(client, "self", "the") is None


# Waited for


def test_a_report_that_waits_for_others_is_waited_for(opened: Opened) -> None:
    with client_of(opened(report_seconds=0.4).url) as client:
        started(client, "before")
        states = waited(client, started(client, "ours"))
    assert list(dict.fromkeys(states)) == ["created 0", "running 0", "complete 100"]


def test_a_failed_report_tells_canvas_s_words_and_what_to_do(canvas: CanvasSimulator, client: CanvasClient) -> None:
    canvas.faults.arm("report_error")
    error = failed(client, started(client))
    assert isinstance(error, ReportFailed)
    assert error.code == "report.error"
    assert "The report failed to generate a file. Error report 4711 was filed." in str(error)
    assert error.next_step == NEXT


def test_a_report_without_a_selected_file_is_a_failed_one(client: CanvasClient) -> None:
    assert failed(client, started(client, usres="true")).code == "report.error"


def test_a_deleted_report_has_failed(canvas: CanvasSimulator, client: CanvasClient, tmp_path: Path) -> None:
    report_id = started(client)
    canvas._site.reports[report_id].status = "deleted"
    for error in (failed(client, report_id), not_fetched(client, report_id, tmp_path / "report")):
        assert isinstance(error, ReportFailed)
        assert (error.code, error.next_step) == ("report.deleted", NEXT)


def test_an_aborted_report_has_failed(canvas: CanvasSimulator, client: CanvasClient) -> None:
    canvas.faults.arm("stuck_report")
    report_id = started(client)
    canvas._site.reports[report_id].status = "aborted"
    assert failed(client, report_id).code == "report.aborted"


def test_a_stuck_report_ends_at_the_deadline_by_its_number(canvas: CanvasSimulator, client: CanvasClient) -> None:
    canvas.faults.arm("stuck_report", percent=100)
    report_id = started(client)
    error = failed(client, report_id, seconds=0.3)
    assert isinstance(error, PermanentError)
    assert (error.code, error.next_step) == ("report.deadline", NEXT)
    assert f"Canvas's report {report_id} is not complete after" in str(error)
    assert "last it was running" in str(error)
    assert len(asked(canvas, "GET")) > 2


def test_a_stop_ends_the_waiting_at_once(canvas: CanvasSimulator, client: CanvasClient) -> None:
    canvas.faults.arm("stuck_report")
    report_id, stop, seen = started(client), threading.Event(), threading.Event()
    begun = time.monotonic()
    stopping = threading.Thread(target=lambda: seen.wait(10) and stop.set())
    stopping.start()
    with pytest.raises(Interrupted):
        wait(
            client,
            "self",
            report_id,
            Polling(deadline_seconds=60, first_pause_seconds=60, longest_pause_seconds=60),
            stop=stop,
            on_progress=lambda *_: seen.set(),
        )
    assert time.monotonic() - begun < 10
    stopping.join(10)


def test_an_outage_longer_than_the_client_s_patience_is_ridden_out(
    canvas: CanvasSimulator, client: CanvasClient
) -> None:
    report_id = started(client)
    canvas.faults.arm("server_error", count=3 * QUICK.tries, status=503)
    assert waited(client, report_id) == ["complete 100"]


def test_an_outage_up_to_the_deadline_is_told(canvas: CanvasSimulator, client: CanvasClient) -> None:
    report_id = started(client)
    canvas.faults.arm("server_error", count=None, status=503)
    error = failed(client, report_id, seconds=0.2)
    assert error.code == "report.deadline"
    assert "Canvas did not answer (canvas.503)" in str(error)


def test_throttling_and_slowness_are_waited_out(canvas: CanvasSimulator, client: CanvasClient) -> None:
    report_id = started(client)
    canvas.faults.arm("throttle", count=3)
    canvas.faults.arm("slow", seconds=0.1)
    assert waited(client, report_id) == ["complete 100"]


def test_a_revoked_token_ends_the_waiting_at_once(canvas: CanvasSimulator, client: CanvasClient) -> None:
    report_id = started(client)
    canvas.faults.arm("revoked_token")
    assert isinstance(failed(client, report_id), TokenRefused)
    assert len(asked(canvas, "GET")) == 1


def test_a_missing_right_ends_the_waiting_at_once(canvas: CanvasSimulator, client: CanvasClient) -> None:
    report_id = started(client)
    canvas.faults.arm("no_right")
    assert failed(client, report_id).code == "canvas.403"
    assert len(asked(canvas, "GET")) == 1


# Fetched


@pytest.fixture
def complete(client: CanvasClient) -> int:
    report_id = started(client)
    waited(client, report_id)
    return report_id


@pytest.mark.parametrize("fault", ["reset_download", "truncated_file", "expired_link", "store_error", "html_file"])
def test_a_download_that_went_wrong_begins_again_with_a_fresh_link(
    canvas: CanvasSimulator, client: CanvasClient, complete: int, tmp_path: Path, fault: str
) -> None:
    whole = download(client, "self", complete, tmp_path / "whole")
    canvas.faults.arm(fault, count=2)
    (tmp_path / "report").write_bytes(b"an older file that is longer" * 10_000)
    assert download(client, "self", complete, tmp_path / "report") == whole
    assert (tmp_path / "report").read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("reset_download", "canvas.lost"),
        ("truncated_file", "canvas.size"),
        ("expired_link", "canvas.link_expired"),
        ("html_file", "canvas.html"),
    ],
)
def test_a_download_is_tried_three_times_each_with_a_fresh_look_at_the_report(
    canvas: CanvasSimulator, client: CanvasClient, complete: int, tmp_path: Path, fault: str, code: str
) -> None:
    canvas.faults.arm(fault, count=None)
    before = len(asked(canvas, "GET"))
    error = not_fetched(client, complete, tmp_path / "report")
    assert isinstance(error, TransientError)
    assert error.code == code
    assert len(asked(canvas, "GET")) - before == 3
    assert error.next_step == NEXT
    assert isinstance(error.__cause__, LinkExpired) == (fault == "expired_link")


def test_a_store_that_stays_away_is_a_passing_trouble(
    canvas: CanvasSimulator, client: CanvasClient, complete: int, tmp_path: Path
) -> None:
    canvas.faults.arm("store_error", count=None, status=503)
    error = not_fetched(client, complete, tmp_path / "report")
    assert isinstance(error, TransientError)
    assert error.code == "canvas.503"


def test_a_login_page_in_place_of_the_file_is_never_written(
    canvas: CanvasSimulator, client: CanvasClient, complete: int, tmp_path: Path
) -> None:
    canvas.faults.arm("html_file", count=None)
    error = not_fetched(client, complete, tmp_path / "report")
    assert isinstance(error, TransientError)
    assert f"Canvas's report {complete} was not fetched in 3 tries (canvas.html)" in error.message
    assert (tmp_path / "report").read_bytes() == b""


def test_a_report_that_is_not_finished_has_no_file_yet(
    canvas: CanvasSimulator, client: CanvasClient, tmp_path: Path
) -> None:
    canvas.faults.arm("stuck_report")
    error = not_fetched(client, started(client), tmp_path / "report")
    assert isinstance(error, TransientError)
    assert error.code == "report.no_file"
    assert not (tmp_path / "report").exists()


def test_the_web_address_of_the_file_is_never_asked_for(
    canvas: CanvasSimulator, client: CanvasClient, complete: int, tmp_path: Path
) -> None:
    download(client, "self", complete, tmp_path / "report")
    assert asked(canvas, "GET", "/accounts/1/files/") == []
    assert all("authorization" not in request.headers for request in canvas.requests if request.server == "store")


@pytest.mark.parametrize(
    ("fault", "missing", "extra"),
    [
        ({"name": "renamed_column", "column": "login_id", "to": "login_ids"}, ("login_id",), ("login_ids",)),
        ({"name": "missing_column", "column": "login_id"}, ("login_id",), ()),
        ({"name": "extra_column", "column": "shoe_size"}, (), ("shoe_size",)),
    ],
)
def test_a_changed_header_is_noticed(
    canvas: CanvasSimulator,
    client: CanvasClient,
    tmp_path: Path,
    fault: dict[str, str],
    missing: tuple[str, ...],
    extra: tuple[str, ...],
) -> None:
    canvas.faults.arm(**fault)
    report_id = started(client)
    waited(client, report_id)
    download(client, "self", report_id, tmp_path / "report")
    header = read_header(tmp_path / "report", "users", ["canvas_user_id", "login_id"])
    assert (header.missing, header.extra) == (missing, extra)


def test_a_report_with_headers_only_has_no_rows(canvas: CanvasSimulator, client: CanvasClient, tmp_path: Path) -> None:
    canvas.faults.arm("empty_report")
    report_id = started(client)
    waited(client, report_id)
    download(client, "self", report_id, tmp_path / "report")
    with open_rows([extract_csv(tmp_path / "report", "users", tmp_path)], "users", ["login_id"]) as found:
        assert list(found.batches) == []
    assert found.rows == 0


# What the simulator never says


@contextmanager
def answering(*answers: Any) -> Iterator[CanvasClient]:
    """A client of a Canvas that gives these JSON answers one after the other, the last one for ever."""
    waiting = list(answers)

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.dumps(waiting.pop(0) if len(waiting) > 1 else waiting[0]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        with client_of(f"http://127.0.0.1:{server.server_port}") as client:
            yield client
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def report(status: object, progress: object = 0, **more: Any) -> dict[str, Any]:
    return {"id": 40, "status": status, "progress": progress, **more}


def test_an_unknown_state_goes_on_and_a_progress_of_100_proves_nothing() -> None:
    seen = (report("compiling", 100), report("shiny new\nstate", None), report(None), report("complete", 100))
    with answering(*seen) as client:
        assert waited(client, 40) == ["compiling 100", "shiny new state 0", "unknown 0", "complete 100"]


def test_a_progress_of_100_with_an_error_is_an_error_whose_words_are_bounded() -> None:
    told = {"extra_text": "no\n" * 5_000}
    with answering(report("error", 100, parameters=told)) as client:
        error = failed(client, 40)
    assert error.code == "report.error"
    assert len(str(error)) < 400
    assert "\n" not in str(error)


def test_an_error_without_parameters_is_told_without_words() -> None:
    with answering(report("error", parameters=None)) as client:
        assert failed(client, 40).message == "Canvas's report 40 ended in 'error'."


@pytest.mark.parametrize("answer", [{"id": 41, "status": "complete"}, {"status": "complete"}, [], {"id": "40"}])
def test_an_answer_about_another_report_or_none_is_refused(answer: Any, tmp_path: Path) -> None:
    with answering(answer) as client:
        assert failed(client, 40).code == "report.answer"
        assert not_fetched(client, 40, tmp_path / "report").code == "report.answer"


def test_a_start_that_is_answered_without_an_id_is_refused() -> None:
    with answering({"status": "created"}) as client, pytest.raises(PermanentError) as caught:
        started(client)
    assert caught.value.code == "report.answer"


@pytest.mark.parametrize(
    ("attachment", "code"),
    [
        ({"url": "", "size": 10}, "canvas.locked"),
        ({"url": None, "size": 10}, "report.answer"),
        ({"url": "http://127.0.0.1:1/x?verifier=v"}, "report.answer"),
        (None, "report.no_file"),
    ],
)
def test_an_attachment_that_leads_nowhere_is_refused(attachment: Any, code: str, tmp_path: Path) -> None:
    with answering(report("complete", 100, attachment=attachment)) as client:
        assert not_fetched(client, 40, tmp_path / "report").code == code
