"""The HTTP side: threads, connections kept alive, bodies sent piece by piece, and resets when one is wanted."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Self
from urllib.parse import urlsplit

from replicate_demo.canvas.answers import Answer
from replicate_demo.canvas.api import Request

Respond = Callable[[Request], Answer]

IDLE_SECONDS = 60  # then a connection without a request is closed
_LINGER_NOT = struct.pack("ii", 1, 0)  # closing then resets


class Listener(ThreadingHTTPServer):
    """One port, each connection in a thread of its own."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, host: str, port: int, respond: Respond) -> None:
        self.respond = respond
        self._open: set[socket.socket] = set()
        self._lock = Lock()
        super().__init__((host, port), _Handler)
        self._thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """No new connection is taken, and those that are open end."""
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._lock:
            left = list(self._open)
        for connection in left:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it ended by itself

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is no news."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Listener
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle_any(self) -> None:
        target = urlsplit(self.path)
        host, port = self.server.server_address[:2]
        request = Request(
            method=self.command,
            path=target.path,
            query=target.query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self._read_body(),
            origin=f"http://{self.headers.get('Host') or f'{host!s}:{port}'}",
        )
        self._send(self.server.respond(request))

    do_GET = do_POST = do_PUT = do_DELETE = handle_any

    def _read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return b"".join(self._read_chunks())
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _read_chunks(self) -> Iterator[bytes]:
        """RFC 9112, section 7.1."""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            continue  # trailers

    def _send(self, answer: Answer) -> None:
        chunks = [answer.body] if answer.chunks is None else answer.chunks
        length = len(answer.body) if answer.chunks is None else answer.length
        if answer.reset_after == 0:
            self._reset()
            return
        self.send_response(answer.status)
        for name, value in [("content-type", answer.content_type), ("content-length", str(length)), *answer.headers]:
            self.send_header(name, value)
        self.end_headers()
        for part in _cut(length if answer.reset_after is None else answer.reset_after, chunks):
            self.wfile.write(part)
        self.wfile.flush()
        if answer.reset_after is not None:
            self._reset()

    def _reset(self) -> None:
        """The socket is really closed, with a reset, once http.server lets go of its files."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are recorded, not printed."""


def _cut(length: int, chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if length <= 0:
            return
        yield chunk[:length]
        length -= len(chunk)
