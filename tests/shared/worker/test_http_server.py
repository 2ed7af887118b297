"""The worker's small HTTP server, asked over loopback."""

from __future__ import annotations

import base64
import http.client
import socket
from collections.abc import Iterator

import pytest

from canvas_replicate.errors import ConfigError
from canvas_replicate.worker.http_server import Access, Answer, serve_paths

PATHS = {
    "/": lambda: Answer(200, b"hello", "text/html; charset=utf-8", {"X-Said": "yes"}),
    "/other": lambda: Answer(503, b"no"),
}


@pytest.fixture
def served(free_port: int) -> Iterator[int]:
    with serve_paths(free_port, PATHS):
        yield free_port


def ask(
    port: int, method: str, path: str, *, host: str = "127.0.0.1", authorization: str | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request(method, path, headers={"Authorization": authorization} if authorization else {})
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def test_a_path_is_answered_with_status_type_and_headers(served: int) -> None:
    answer, body = ask(served, "GET", "/?whatever=1")
    assert (answer.status, answer.headers["Content-Type"], answer.headers["X-Said"], body) == (
        200,
        "text/html; charset=utf-8",
        "yes",
        b"hello",
    )


def test_an_unknown_path_names_those_that_there_are(served: int) -> None:
    answer, body = ask(served, "GET", "/etc/passwd")
    assert (answer.status, body) == (404, b"/ /other\n")


def test_head_has_the_headers_and_no_body(served: int) -> None:
    answer, body = ask(served, "HEAD", "/")
    assert (answer.status, answer.headers["Content-Length"], body) == (200, "5", b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_but_looking_is_understood(served: int, method: str) -> None:
    assert ask(served, method, "/")[0].status == 501


def test_the_answer_does_not_tell_which_python_serves_it(served: int) -> None:
    assert ask(served, "GET", "/")[0].headers["Server"].strip() == "canvas-replicate"


def test_who_goes_away_before_the_answer_disturbs_nobody(served: int, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", served), timeout=10) as gone:
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closing is a reset
            gone.sendall(b"GET / HTTP/1.0\r\n\r\n")
    assert ask(served, "GET", "/")[0].status == 200
    assert capfd.readouterr().err == ""


def test_a_port_that_is_taken_is_a_clear_error(served: int) -> None:
    with pytest.raises(ConfigError, match=f"Port {served} cannot be served"), serve_paths(served, PATHS):
        pass


def test_port_0_serves_nothing(free_port: int) -> None:
    with serve_paths(0, PATHS), pytest.raises(ConnectionRefusedError):
        ask(free_port, "GET", "/")


def test_other_machines_are_answered_only_where_it_is_set(free_port: int) -> None:
    with serve_paths(free_port, PATHS), pytest.raises(ConnectionRefusedError):
        ask(free_port, "GET", "/", host="127.0.0.2")  # an address of this machine, and not the default one
    with serve_paths(free_port, PATHS, Access("0.0.0.0")):
        assert ask(free_port, "GET", "/", host="127.0.0.2")[0].status == 200
    with serve_paths(free_port, PATHS, Access("::1")):
        assert ask(free_port, "GET", "/", host="::1")[0].status == 200


def test_an_address_of_another_machine_is_a_clear_error(free_port: int) -> None:
    with (
        pytest.raises(ConfigError, match=r"cannot be served at 192\.0\.2\.1") as caught,
        serve_paths(free_port, PATHS, Access("192.0.2.1")),
    ):
        pass
    assert "REPLICATE_METRICS_ADDRESS" in caught.value.next_step


def encode_basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("Bearer t0ken", 200),
        ("bearer t0ken", 200),
        (encode_basic("anyone:t0ken"), 200),
        (None, 401),
        ("Bearer t0ke", 401),
        ("Bearer ", 401),
        ("t0ken", 401),
        (encode_basic("t0ken"), 401),
        (encode_basic("t0ken:"), 401),
        ("Basic t0ken!", 401),
    ],
)
def test_a_token_is_sent_by_programs_and_browsers(free_port: int, authorization: str | None, status: int) -> None:
    with serve_paths(free_port, PATHS, Access(token="t0ken", open_paths=("/other",))):
        answer, body = ask(free_port, "GET", "/?x", authorization=authorization)
        assert answer.status == status
        assert (b"hello" in body) is (status == 200)
        assert (answer.headers["WWW-Authenticate"] or "").startswith("Basic") is (status == 401)
        assert ask(free_port, "GET", "/other")[0].status == 503  # probes send no token
