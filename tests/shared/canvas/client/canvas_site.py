"""Small web servers on loopback in place of Canvas and its file store, and the answers that they give."""

from __future__ import annotations

import json
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import REGISTRY

from canvas_replicate.canvas import RetryPolicy

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
