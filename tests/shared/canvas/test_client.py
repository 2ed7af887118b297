"""The Canvas client against small web servers on loopback."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import logging
import socket
import threading
import time
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from canvas_replicate.canvas import (
    CanvasClient,
    CanvasOutcomeUnknown,
    CanvasThrottled,
    CanvasUnavailable,
    LinkExpired,
    RateLimiter,
    RetryPolicy,
    TokenRefused,
    api_path,
)
from canvas_replicate.errors import ConfigError, Interrupted, PermanentError, ReplicateError, TransientError

TOKEN = "7~a-word-that-is-secret"
AGENT = "canvas-replicate tests (nobody@example.edu)"
JSON = "application/json; charset=utf-8"
QUICK = RetryPolicy(
    connect_seconds=5, read_seconds=5, call_seconds=20, first_pause_seconds=0.01, longest_pause_seconds=0.05
)


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Reply = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    site: Site

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.site.reply_to(Asked(self.command, self.path, headers, body))(self)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def begin(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@dataclass
class Site:
    """Gives the replies for a path one after the other, the last one for ever; keeps what it was asked."""

    url: str = ""
    connections: int = 0
    closing: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    _replies: dict[str, list[Reply]] = field(default_factory=dict)
    _asked: list[Asked] = field(default_factory=list)

    @property
    def asked(self) -> list[Asked]:
        """All requests so far: a copy, as the server's threads go on."""
        with self.lock:
            return list(self._asked)

    def on(self, path: str, *replies: Reply) -> None:
        with self.lock:
            self._replies[path] = list(replies)

    def api(self, path: str, *replies: Reply) -> None:
        self.on(f"/api/v1/{path}", *replies)

    def reply_to(self, asked: Asked) -> Reply:
        with self.lock:
            self._asked.append(asked)
            waiting = self._replies.get(asked.path) or self._replies[asked.path.partition("?")[0]]
            return waiting.pop(0) if len(waiting) > 1 else waiting[0]


class Server(ThreadingHTTPServer):
    request_queue_size = 50
    site: Site

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.site.lock:
            self.site.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news here."""


def serving() -> Iterator[Site]:
    site = Site()
    server = Server(("127.0.0.1", 0), type("SiteHandler", (Handler,), {"site": site}))
    server.site = site
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield site
    site.closing.set()
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def site() -> Iterator[Site]:
    """In place of Canvas."""
    yield from serving()


@pytest.fixture
def store() -> Iterator[Site]:
    """In place of the file store: another port is another origin."""
    yield from serving()


@pytest.fixture
def connect(site: Site) -> Iterator[Callable[..., CanvasClient]]:
    opened: list[CanvasClient] = []

    def connect(**options: Any) -> CanvasClient:
        made = {"user_agent": AGENT, "retry_policy": QUICK, **options}
        opened.append(CanvasClient(made.pop("base_url", site.url), SecretStr(made.pop("token", TOKEN)), **made))
        return opened[-1]

    yield connect
    for client in opened:
        client.close()


@pytest.fixture
def client(connect: Callable[..., CanvasClient]) -> CanvasClient:
    return connect()


def reply(status: int = 200, body: bytes | str = b"", **headers: str) -> Reply:
    raw = body.encode() if isinstance(body, str) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def send(handler: Handler) -> None:
        handler.begin(status, {"Content-Length": str(len(raw)), **named})
        handler.wfile.write(raw)

    return send


def in_json(value: Any, status: int = 200, **headers: str) -> Reply:
    return reply(status, json.dumps(value), **{"Content_Type": JSON, **headers})


def redirect(to: str, status: int = 302) -> Reply:
    return reply(status, Location=to)


def hangs_up(handler: Handler) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def says_nothing(handler: Handler) -> None:
    handler.site.closing.wait(10)
    hangs_up(handler)


def cut_short(content_type: str, body: bytes, announced: int) -> Reply:
    def send(handler: Handler) -> None:
        handler.begin(200, {"Content-Type": content_type, "Content-Length": str(announced)})
        handler.wfile.write(body)
        hangs_up(handler)

    return send


def broken_chunks(handler: Handler) -> None:
    handler.begin(200, {"Content-Type": JSON, "Transfer-Encoding": "chunked"})
    handler.wfile.write(b"5\r\n[1, 2\r\n")
    hangs_up(handler)


def drips(handler: Handler) -> None:
    handler.begin(200, {"Content-Type": JSON, "Content-Length": "1000"})
    for _ in range(1000):
        handler.wfile.write(b" ")
        if handler.site.closing.wait(0.02):
            return


THROTTLED_THEN = reply(403, "403 Forbidden (Rate Limit Exceeded)\n", Content_Type="text/plain; charset=utf-8")
THROTTLED_NOW = reply(429, "429 Forbidden (Rate Limit Exceeded)\n", Content_Type="text/plain; charset=utf-8")
BAD_GATEWAY = reply(502, "<html>bad gateway</html>", Content_Type="text/html")
FILE = b"canvas_user_id,user_id\n1,a\n" * 5000


def everything(error: BaseException, *, variables: bool = False) -> str:
    """All that an error, its causes and their contexts tell; ``variables``: also those of the client's own frames."""
    seen: list[str] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop()
        if found is not None:
            told = traceback.TracebackException.from_exception(found, capture_locals=True)
            ours = [frame for frame in told.stack if "canvas_replicate/canvas/" in frame.filename]
            assert ours
            seen += [repr(found), str(found), repr(vars(found)), *traceback.format_exception(found)]
            seen += [str(frame.locals) for frame in ours] if variables else []
            waiting += [found.__cause__, found.__context__]
    return "\n".join(seen)


def in_metrics(method: str, endpoint: str, status: str) -> float:
    labels = {"method": method, "endpoint": endpoint, "status": status}
    return REGISTRY.get_sample_value("replicate_canvas_requests_total", labels) or 0


# What is sent


def test_a_call_carries_the_token_a_name_and_its_path_to_the_letter(site: Site, client: CanvasClient) -> None:
    path = api_path("courses", "sis_course_id:CS/1.0", "enrollments")
    site.api(path, in_json([{"id": 1}]))
    assert client.get(path, state=["active", "invited"], include=None) == [{"id": 1}]
    asked = site.asked[0]
    assert asked.path == "/api/v1/courses/sis_course_id:CS%2F1%2E0/enrollments?state%5B%5D=active&state%5B%5D=invited"
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["user-agent"] == AGENT
    assert asked.headers["accept"] == "application/json"


def test_a_login_in_netrc_never_takes_the_token_s_place(
    site: Site, client: CanvasClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    site.api("progress/1", in_json({}))
    client.get("progress/1")
    assert site.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_form_is_nested_a_file_is_multipart_and_json_is_json(site: Site, client: CanvasClient) -> None:
    site.api("x", in_json({"id": 1}))
    client.post("x", data={"enrollment": {"user_id": "sis_user_id:007", "notify": False}})
    client.put("x", json={"a": [1]})
    client.post("x", params={"import_type": "instructure_csv"}, files={"attachment": ("a.csv", b"a,b\n", "text/csv")})
    client.delete("x", params={"task": "delete"})
    form, as_json, multipart, delete = site.asked
    assert form.body == b"enrollment%5Buser_id%5D=sis_user_id%3A007&enrollment%5Bnotify%5D=false"
    assert (as_json.method, as_json.body, as_json.headers["content-type"]) == ("PUT", b'{"a": [1]}', "application/json")
    assert multipart.path == "/api/v1/x?import_type=instructure_csv"
    assert b'filename="a.csv"' in multipart.body
    assert (delete.method, delete.path, delete.body) == ("DELETE", "/api/v1/x?task=delete", b"")


def test_connections_are_used_again(site: Site, client: CanvasClient) -> None:
    site.api("progress/1", in_json({"id": 1}))
    for _ in range(5):
        client.get("progress/1")
    assert (len(site.asked), site.connections) == (5, 1)


def test_a_compressed_answer_is_read(site: Site, client: CanvasClient) -> None:
    body = gzip.compress(json.dumps(["x" * 100_000]).encode())
    site.api("x", reply(200, body, Content_Type=JSON, Content_Encoding="gzip"))
    assert client.get("x") == ["x" * 100_000]


@pytest.mark.parametrize("path", ["x?y=1", "x#y", "a/../b", "a\\b"])
def test_a_path_with_more_than_a_path_in_it_is_a_mistake_of_ours(client: CanvasClient, path: str) -> None:
    with pytest.raises(ValueError, match="api_path"):
        client.get(path)


def test_two_bodies_at_once_are_a_mistake_of_ours(client: CanvasClient) -> None:
    with pytest.raises(ValueError, match="not both"):
        client.post("x", json={}, data={})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"base_url": "canvas.example.edu"}, "REPLICATE_CANVAS__BASE_URL"),
        ({"base_url": "https://u:p@canvas.example.edu"}, "REPLICATE_CANVAS__BASE_URL"),
        ({"token": ""}, "REPLICATE_CANVAS__TOKEN"),
        ({"token": "secret\n"}, "REPLICATE_CANVAS__TOKEN"),
        ({"token": "Bearer secret"}, "REPLICATE_CANVAS__TOKEN"),
        ({"user_agent": " "}, "User-Agent"),
        ({"user_agent": "a\r\nX: y"}, "User-Agent"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_anything_is(
    connect: Callable[..., CanvasClient], options: dict[str, str], says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        connect(**options)
    assert "secret" not in str(raised.value)


# Pages


def test_all_pages_of_a_wrapped_list_are_read_through_their_links(site: Site, client: CanvasClient) -> None:
    second, third = f"{site.url}/api/v1/terms?page=bookmark:W1%2E", "/api/v1/terms?page=bookmark:W2"
    first = f'<{site.url}/api/v1/terms?page=1>; rel="current", <{second}>; rel="next"'
    site.on("/api/v1/accounts/self/terms?per_page=100", in_json({"enrollment_terms": [{"id": 1}]}, link=first))
    site.on(second.removeprefix(site.url), in_json({"enrollment_terms": [{"id": 2}]}, Link=f'<{third}>; rel="next"'))
    site.on(third, in_json({"enrollment_terms": []}))
    assert list(client.pages("accounts/self/terms", key="enrollment_terms")) == [{"id": 1}, {"id": 2}]
    assert all(asked.headers["authorization"] == f"Bearer {TOKEN}" for asked in site.asked)


def test_a_next_page_elsewhere_is_not_asked_for(site: Site, store: Site, client: CanvasClient) -> None:
    site.api("x", in_json([{"id": 1}], Link=f'<{store.url}/x>; rel="next"'))
    pages = client.pages("x")
    assert next(pages) == {"id": 1}
    with pytest.raises(PermanentError, match="next page would be at"):
        next(pages)
    assert store.asked == []


# Failures


@pytest.mark.parametrize(
    "failure", [BAD_GATEWAY, hangs_up, broken_chunks, reply(200, "<html>", Content_Type="text/html")]
)
def test_an_idempotent_call_outlives_what_may_pass(site: Site, client: CanvasClient, failure: Reply) -> None:
    site.api("progress/1", failure, failure, in_json({"id": 1}))
    assert client.get("progress/1") == {"id": 1}
    assert len(site.asked) == 3


def test_an_idempotent_call_is_given_up_after_its_tries(site: Site, client: CanvasClient) -> None:
    site.api("x", BAD_GATEWAY)
    with pytest.raises(TransientError) as raised:
        client.put("x", idempotent=True)
    assert (raised.value.code, len(site.asked)) == ("canvas.502", QUICK.tries)
    assert "bad gateway" not in str(raised.value)


@pytest.mark.parametrize(
    "failure",
    [
        BAD_GATEWAY,
        hangs_up,
        broken_chunks,
        cut_short(JSON, b'{"id": 1', 100),
        reply(200, "<html>", Content_Type="text/html"),
    ],
)
def test_a_call_that_may_have_run_is_sent_once(site: Site, client: CanvasClient, failure: Reply) -> None:
    site.api("accounts/1/reports/provisioning_csv", failure)
    with pytest.raises(CanvasOutcomeUnknown, match="POST /accounts/:id/reports/:report at 127") as raised:
        client.post("accounts/1/reports/provisioning_csv", data={"parameters": {"users": True}})
    assert len(site.asked) == 1
    assert "Look what Canvas has" in raised.value.next_step


def test_a_call_without_answer_in_time_may_have_run(site: Site, connect: Callable[..., CanvasClient]) -> None:
    site.api("x", says_nothing)
    with pytest.raises(CanvasOutcomeUnknown, match="no answer in time"):
        connect(retry_policy=RetryPolicy(read_seconds=0.2)).post("x")


def test_a_canvas_out_of_reach_was_never_asked(connect: Callable[..., CanvasClient], free_port: int) -> None:
    client = connect(base_url=f"http://127.0.0.1:{free_port}")
    with pytest.raises(CanvasUnavailable, match="Connection refused") as raised:
        client.post("x")
    assert not raised.value.may_have_run
    with pytest.raises(CanvasUnavailable):
        client.get("x")


def test_a_host_that_is_unknown_is_transient(connect: Callable[..., CanvasClient]) -> None:
    with pytest.raises(CanvasUnavailable, match=r"no-such-host\.invalid") as raised:
        connect(base_url="http://no-such-host.invalid").post("x")
    assert not raised.value.may_have_run


def test_an_answer_that_drips_ends_at_the_deadline(site: Site, connect: Callable[..., CanvasClient]) -> None:
    site.api("x", drips)
    begun = time.monotonic()
    with pytest.raises(TransientError, match="took too long"):
        connect(retry_policy=RetryPolicy(read_seconds=5, call_seconds=0.3)).get("x")
    assert time.monotonic() - begun < 3


def test_an_answer_that_is_whole_counts_even_if_it_is_late(site: Site, connect: Callable[..., CanvasClient]) -> None:
    def late(handler: Handler) -> None:
        time.sleep(0.3)
        in_json({"id": 1})(handler)

    site.api("x", late)
    assert connect(retry_policy=RetryPolicy(call_seconds=0.1)).post("x") == {"id": 1}


def test_a_dead_token_is_told_with_the_next_step(site: Site, client: CanvasClient) -> None:
    body = {"errors": [{"message": "Invalid access token."}]}
    site.api("x", in_json(body, 401, WWW_Authenticate='Bearer realm="canvas-lms"'))
    with pytest.raises(TokenRefused, match="Invalid access token") as raised:
        client.get("x")
    assert "REPLICATE_CANVAS__TOKEN" in raised.value.next_step
    assert len(site.asked) == 1


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
def test_a_refusal_is_not_repeated(site: Site, client: CanvasClient, status: int) -> None:
    site.api("x", in_json({"message": "Invalid role"}, status))
    with pytest.raises(PermanentError, match="Invalid role") as raised:
        client.get("x")
    assert (raised.value.code, len(site.asked)) == (f"canvas.{status}", 1)


def test_an_api_that_redirects_is_not_followed(site: Site, store: Site, client: CanvasClient) -> None:
    site.api("x", redirect(f"{store.url}/api/v1/x?verifier=secret", 301))
    with pytest.raises(ConfigError, match=store.url) as raised:
        client.get("x")
    assert "REPLICATE_CANVAS__BASE_URL" in raised.value.next_step
    assert store.asked == []


# Throttling


@pytest.mark.parametrize("throttled", [THROTTLED_THEN, THROTTLED_NOW])
def test_a_throttled_call_is_sent_again_whole_even_if_not_idempotent(
    site: Site, client: CanvasClient, throttled: Reply
) -> None:
    before = REGISTRY.get_sample_value("replicate_canvas_throttled_total") or 0
    site.api("accounts/1/sis_imports", throttled, throttled, in_json({"id": 9}))
    content = io.BytesIO(b"course_id,user_id\n" * 100)
    answered = client.post("accounts/1/sis_imports", files={"attachment": ("a.csv", content, "text/csv")})
    assert answered == {"id": 9}
    assert len(site.asked) == 3
    assert len({asked.body for asked in site.asked}) == 1
    assert content.getvalue() in site.asked[2].body
    assert (REGISTRY.get_sample_value("replicate_canvas_throttled_total") or 0) == before + 2


def test_a_throttled_call_waits_as_long_as_told(site: Site, client: CanvasClient) -> None:
    site.api("x", reply(429, Retry_After="1"), in_json({}))
    begun = time.monotonic()
    client.get("x")
    assert time.monotonic() - begun >= 1


def test_a_wait_longer_than_the_deadline_is_not_begun(site: Site, client: CanvasClient) -> None:
    site.api("x", reply(429, Retry_After="3600"))
    begun = time.monotonic()
    with pytest.raises(CanvasThrottled):
        client.post("x")
    assert time.monotonic() - begun < 5
    assert len(site.asked) == 1


def test_throttling_without_end_ends_at_the_deadline(site: Site, connect: Callable[..., CanvasClient]) -> None:
    site.api("x", THROTTLED_NOW)
    retry_policy = RetryPolicy(call_seconds=0.5, first_pause_seconds=0.01, longest_pause_seconds=0.1)
    begun = time.monotonic()
    with pytest.raises(TransientError) as raised:
        connect(retry_policy=retry_policy).get("x")
    assert raised.value.code == "canvas.throttled"
    assert time.monotonic() - begun < 5
    assert 2 < len(site.asked) < 20


def test_a_403_in_json_is_a_refusal_and_not_throttling(site: Site, client: CanvasClient) -> None:
    site.api("x", in_json({"message": "Rate Limit Exceeded is not what this is"}, 403))
    with pytest.raises(PermanentError):
        client.get("x")
    assert len(site.asked) == 1


def test_many_threads_never_have_more_calls_in_flight_than_the_pace_allows(
    site: Site, connect: Callable[..., CanvasClient]
) -> None:
    in_flight: list[int] = [0, 0]

    def counted(handler: Handler) -> None:
        with site.lock:
            in_flight[0] += 1
            in_flight[1] = max(in_flight)
        time.sleep(0.01)
        with site.lock:
            in_flight[0] -= 1
        in_json({})(handler)

    site.api("x", counted)
    client = connect(rate_limiter=RateLimiter(3))
    threads = [threading.Thread(target=lambda: [client.get("x") for _ in range(4)]) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(site.asked) == 48
    assert 1 <= in_flight[1] <= 3


def test_what_canvas_says_is_left_slows_the_client(site: Site, connect: Callable[..., CanvasClient]) -> None:
    rate_limiter = RateLimiter(8)
    site.api("x", in_json({}, x_rate_limit_remaining="120.5"))
    connect(rate_limiter=rate_limiter).get("x")
    assert rate_limiter.concurrency.calls == 7
    assert REGISTRY.get_sample_value("replicate_canvas_rate_limit_remaining") == 120.5


def test_a_stop_ends_a_pause(site: Site, connect: Callable[..., CanvasClient]) -> None:
    stop = threading.Event()

    def throttled(handler: Handler) -> None:
        stop.set()
        reply(429, Retry_After="60")(handler)

    site.api("x", throttled)
    begun = time.monotonic()
    with pytest.raises(Interrupted):
        connect(stop=stop, retry_policy=RetryPolicy()).get("x")
    assert time.monotonic() - begun < 5


def test_calls_are_counted_by_endpoint_without_ids(site: Site, client: CanvasClient) -> None:
    label = ("GET", "/accounts/:id/reports/:report/:id")
    found, missed = in_metrics(*label, "200"), in_metrics(*label, "lost")
    site.api("accounts/1/reports/provisioning_csv/40", hangs_up, in_json({}))
    client.get("accounts/1/reports/provisioning_csv/40")
    assert in_metrics(*label, "200") == found + 1
    assert in_metrics(*label, "lost") == missed + 1


# Downloads


def test_a_file_is_fetched_from_its_store_without_the_token(site: Site, store: Site, client: CanvasClient) -> None:
    site.on("/files/977/download", redirect("/files/977/elsewhere?verifier=v"))
    site.on("/files/977/elsewhere?verifier=v", redirect(f"{store.url}/a.csv?signature=s"))
    store.on("/a.csv?signature=s", reply(200, FILE, Content_Type="text/csv; charset=utf-8"))
    to = io.BytesIO()
    got = client.download(f"{site.url}/files/977/download?download_frd=1&verifier=v", to, expected_bytes=len(FILE))
    assert to.getvalue() == FILE
    assert (got.bytes, got.sha256, got.content_type) == (len(FILE), hashlib.sha256(FILE).hexdigest(), "text/csv")
    assert [asked.headers.get("authorization") for asked in site.asked] == [f"Bearer {TOKEN}"] * 2
    assert [asked.headers.get("authorization") for asked in store.asked] == [None]
    assert store.asked[0].headers["user-agent"] == AGENT


def test_a_way_back_to_canvas_carries_the_token_again(site: Site, store: Site, client: CanvasClient) -> None:
    store.on("/1", redirect(f"{site.url}/2"))
    site.on("/2", reply(200, b"x", Content_Type="text/csv"))
    assert client.download(f"{store.url}/1", io.BytesIO()).bytes == 1
    assert "authorization" not in store.asked[0].headers


def test_a_web_page_in_place_of_a_file_may_be_over_later_and_is_not_written(site: Site, client: CanvasClient) -> None:
    site.on("/accounts/1/files/977/download", redirect("/login"))
    site.on("/login", reply(200, "<html>log in</html>", Content_Type="text/html; charset=utf-8"))
    to = io.BytesIO()
    with pytest.raises(TransientError, match="web page") as raised:
        client.download(f"{site.url}/accounts/1/files/977/download", to)
    assert (raised.value.code, to.getvalue()) == ("canvas.html", b"")
    assert "fresh link" in raised.value.next_step


def test_a_locked_file_has_no_link(client: CanvasClient) -> None:
    with pytest.raises(PermanentError, match="locked"):
        client.download("", io.BytesIO())


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_link_past_its_time_wants_a_fresh_one(site: Site, store: Site, client: CanvasClient, status: int) -> None:
    site.on("/f", redirect(f"{store.url}/a?signature=s"))
    store.on("/a", reply(status, "<Error><Message>Request has expired: s</Message></Error>"))
    with pytest.raises(LinkExpired, match=str(status)) as raised:
        client.download(f"{site.url}/f", io.BytesIO())
    assert store.url.removeprefix("http://") in raised.value.message
    assert len(store.asked) == 1


def test_a_missing_file_at_canvas_itself_is_no_expired_link(site: Site, client: CanvasClient) -> None:
    site.on("/f", in_json({"errors": [{"message": "gone"}]}, 404))
    with pytest.raises(PermanentError, match="gone") as raised:
        client.download(f"{site.url}/f", io.BytesIO())
    assert raised.value.code == "canvas.404"


def test_a_file_that_ends_short_is_refused(site: Site, client: CanvasClient) -> None:
    site.on("/f", cut_short("text/csv", FILE[:100], len(FILE)))
    with pytest.raises(TransientError):
        client.download(f"{site.url}/f", io.BytesIO())
    assert len(site.asked) == 1


@pytest.mark.parametrize("wrong", [-1, 1])
def test_a_file_of_another_size_than_canvas_announced_is_refused(site: Site, client: CanvasClient, wrong: int) -> None:
    site.on("/f", reply(200, FILE, Content_Type="text/csv"))
    to = io.BytesIO()
    with pytest.raises(TransientError, match="announced") as raised:
        client.download(f"{site.url}/f", to, expected_bytes=len(FILE) + wrong)
    assert raised.value.code == "canvas.size"
    assert len(to.getvalue()) <= len(FILE)


def test_the_way_to_a_file_outlives_what_may_pass(site: Site, store: Site, client: CanvasClient) -> None:
    site.on("/f", THROTTLED_NOW, BAD_GATEWAY, redirect(f"{store.url}/a"))
    store.on("/a", reply(503), reply(200, FILE, Content_Type="text/csv"))
    assert client.download(f"{site.url}/f", io.BytesIO()).bytes == len(FILE)


def test_redirects_without_end_are_refused(site: Site, client: CanvasClient) -> None:
    site.on("/f", redirect("/f"))
    with pytest.raises(PermanentError, match="more than 5 redirects"):
        client.download(f"{site.url}/f", io.BytesIO())
    assert len(site.asked) == 6


def test_a_large_file_is_never_held_whole(site: Site, client: CanvasClient) -> None:
    block, count = b"x" * 65536, 512

    def large(handler: Handler) -> None:
        handler.begin(200, {"Content-Type": "text/csv", "Content-Length": str(len(block) * count)})
        for _ in range(count):
            handler.wfile.write(block)

    class Nowhere(io.RawIOBase):
        def write(self, chunk: Any) -> int:
            return len(chunk)

    site.on("/f", large)
    tracemalloc.start()
    try:
        got = client.download(f"{site.url}/f", Nowhere())  # type: ignore[arg-type]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert got.bytes == len(block) * count
    assert peak < 4 * 1024 * 1024


def test_a_stop_ends_a_download(site: Site, connect: Callable[..., CanvasClient]) -> None:
    stop = threading.Event()

    def endless(handler: Handler) -> None:
        handler.begin(200, {"Content-Type": "text/csv", "Content-Length": str(10**9)})
        handler.wfile.write(b"x")
        stop.set()
        while not site.closing.wait(0.02):
            handler.wfile.write(b"x")

    site.on("/f", endless)
    with pytest.raises(Interrupted):
        connect(stop=stop).download(f"{site.url}/f", io.BytesIO())


# Secrets


def test_the_token_is_in_no_text_of_the_client(client: CanvasClient) -> None:
    assert TOKEN not in f"{client!r} {client} {vars(client)}"


SIGNED = "a-signature-that-opens-the-file"
FAILURES = {
    "echoed": in_json({"errors": [{"message": f"{TOKEN} is not allowed"}]}, 400),
    "dead": in_json({"message": TOKEN}, 401, WWW_Authenticate="Bearer"),
    "gateway": reply(502, TOKEN),
    "hangs up": hangs_up,
    "chunks": broken_chunks,
    "not json": reply(200, TOKEN, Content_Type="text/html"),
    "broken json": reply(200, f'{{"token": "{TOKEN}', Content_Type=JSON),
    "redirect": redirect(f"https://elsewhere.example/?token={TOKEN}"),
    "throttled": reply(429, TOKEN, Retry_After="600"),
    "bad length": reply(200, TOKEN, Content_Encoding="gzip", Content_Type=JSON),
    "gone": in_json({"message": "gone"}, 404),
    "pages": in_json([], Link=f'<https://elsewhere.example/?token={TOKEN}>; rel="next"'),
}


@pytest.mark.parametrize("name", FAILURES)
def test_whatever_goes_wrong_the_token_is_nowhere(
    site: Site, connect: Callable[..., CanvasClient], caplog: pytest.LogCaptureFixture, name: str
) -> None:
    caplog.set_level(logging.DEBUG)
    site.api("x", FAILURES[name])
    calls: list[Callable[[CanvasClient], object]] = [lambda client: list(client.pages("x"))]
    if name != "pages":
        calls.append(lambda client: client.post("x", data={"a": "b"}))
    for call in calls:
        with pytest.raises(ReplicateError) as raised:
            call(connect(retry_policy=RetryPolicy(tries=2, first_pause_seconds=0.01)))
        # What Canvas itself echoed lies in variables; ours never hold the token.
        assert TOKEN not in everything(raised.value, variables=name in ("hangs up", "chunks", "gone"))
        assert "requests.exceptions" not in everything(raised.value)
    assert TOKEN not in caplog.text


def test_a_signed_link_gets_into_no_error_and_no_log(
    site: Site, store: Site, client: CanvasClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    site.on("/f", redirect(f"{store.url}/a?signature={SIGNED}"))
    for failure in (hangs_up, reply(403, SIGNED), reply(500, SIGNED), reply(400, SIGNED)):
        store.on("/a", failure)
        with pytest.raises(ReplicateError) as raised:
            client.download(f"{site.url}/f?verifier={SIGNED}", io.BytesIO())
        assert SIGNED not in everything(raised.value)
    assert SIGNED not in caplog.text
