"""The small HTTP server of a worker: fixed paths, GET and HEAD, nothing that changes anything."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
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


@contextmanager
def serve_paths(port: int, paths: Mapping[str, Callable[[], Answer]]) -> Iterator[None]:
    """Answer on all addresses while the block runs; port 0 serves nothing. Each path is read in its own thread. Raises
    ConfigError for a port that is not available.
    """
    if port == 0:
        yield
        return
    try:
        server = ThreadingHTTPServer(("", port), _build_handler(paths))
    except OSError as error:
        raise ConfigError(
            f"Port {port} cannot be served: {error.strerror}.",
            next_step="Set REPLICATE_METRICS_PORT to a free port, or to 0 for none.",
        ) from error
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _build_handler(paths: Mapping[str, Callable[[], Answer]]) -> type[BaseHTTPRequestHandler]:
    not_found = Answer(404, f"{' '.join(paths)}\n".encode())

    class Handler(BaseHTTPRequestHandler):
        timeout = _CLIENT_SECONDS
        server_version = "canvas-replicate"
        sys_version = ""

        def do_GET(self) -> None:
            answer = paths.get(self.path.partition("?")[0], lambda: not_found)()
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
