"""The small HTTP server of a worker: fixed paths, GET and HEAD, nothing that changes anything."""

from __future__ import annotations

import base64
import hmac
import socket
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from canvas_replicate.errors import ConfigError

# How long a client may take to send its request, or to take in the answer.
_CLIENT_SECONDS = 10


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Access:
    """Where paths are served, and to whom: with a token, ``open_paths`` to everyone and the others with the token."""

    address: str = "127.0.0.1"
    token: str | None = None
    open_paths: Collection[str] = ()

    def allows(self, path: str, authorization: str) -> bool:
        """A program sends the token as ``Bearer``; a browser asks its user, and sends it as password of ``Basic``."""
        if self.token is None or path in self.open_paths:
            return True
        return hmac.compare_digest(_read_token(authorization), self.token.encode("utf-8"))


class _IPv6Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6


@contextmanager
def serve_paths(port: int, paths: Mapping[str, Callable[[], Answer]], access: Access = Access()) -> Iterator[None]:
    """Answer while the block runs; port 0 serves nothing. Each path is read in its own thread. Raises ConfigError for a
    port or an address that is not available.
    """
    if port == 0:
        yield
        return
    server_class = _IPv6Server if ":" in access.address else ThreadingHTTPServer
    try:
        server = server_class((access.address, port), _build_handler(paths, access))
    except OSError as error:
        raise ConfigError(
            f"Port {port} cannot be served at {access.address}: {error.strerror}.",
            next_step="Set REPLICATE_METRICS_PORT to a free port, or to 0 for none; REPLICATE_METRICS_ADDRESS must be"
            " an address of this machine.",
        ) from error
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _read_token(authorization: str) -> bytes:
    """Nothing where there is none; no token is empty."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode("latin-1", "replace")
    if scheme.lower() == "basic":
        with suppress(ValueError):
            return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
    return b""


def _build_handler(paths: Mapping[str, Callable[[], Answer]], access: Access) -> type[BaseHTTPRequestHandler]:
    not_found = Answer(404, f"{' '.join(paths)}\n".encode())
    asks_token = {"WWW-Authenticate": 'Basic realm="canvas-replicate: the token as password", charset="UTF-8"'}
    refused = Answer(401, b"The token of REPLICATE_METRICS_TOKEN is needed.\n", headers=asks_token)

    class Handler(BaseHTTPRequestHandler):
        timeout = _CLIENT_SECONDS
        server_version = "canvas-replicate"
        sys_version = ""

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            is_allowed = access.allows(path, self.headers.get("Authorization", ""))
            answer = paths.get(path, lambda: not_found)() if is_allowed else refused
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_HEAD = do_GET

        def handle(self) -> None:
            with suppress(ConnectionError):  # the client did not wait for the answer
                super().handle()

        def log_message(self, *_: object) -> None:
            """Probes every few seconds are not news."""

    return Handler
