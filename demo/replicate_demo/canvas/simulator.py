"""A Canvas on two ports of this machine: the site itself, and the store to which its downloads are redirected."""

from __future__ import annotations

import secrets
import signal
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Lock
from typing import Self
from urllib.parse import urlsplit

from replicate_demo.canvas.answers import Answer
from replicate_demo.canvas.api import Request, advance, answer_api
from replicate_demo.canvas.faults import Faults
from replicate_demo.canvas.model import State
from replicate_demo.canvas.report_model import Report
from replicate_demo.canvas.routes import PREFIX
from replicate_demo.canvas.seeding import seed
from replicate_demo.canvas.server import Listener
from replicate_demo.canvas.sis_import_model import SisImport
from replicate_demo.canvas.sis_imports import keep_errors, keep_uploads
from replicate_demo.canvas.site import Options, Site
from replicate_demo.canvas.state_file import Saved
from replicate_demo.canvas.web import CONTROL, Recorded, answer_control, answer_store, answer_web

LOOPBACK = "127.0.0.1"
MOST_REMEMBERED = 10_000  # requests


class CanvasSimulator:
    """Runs from ``with`` to the end of its block, in threads of this process.

    ``url`` has no slash at the end; ``token`` is the only one that is good; ``faults`` are accidents to arm.
    Any thread may use it: ``snapshot``, ``imports`` and ``requests`` give copies, which no later request changes.
    """

    def __init__(
        self,
        state: State | None = None,
        *,
        options: Options | None = None,
        state_file: Path | None = None,
        host: str = LOOPBACK,
        port: int = 0,
        store_port: int = 0,
    ) -> None:
        """Without ``state``, and without a ``state_file`` that is there already, it is ``seed()``."""
        self._options = options or Options(token=secrets.token_hex(16))
        self._first_state = state
        self._saved = Saved(state_file) if state_file else None
        self._host, self._ports = host, (port, store_port)
        self._recorded: deque[Recorded] = deque(maxlen=MOST_REMEMBERED)
        self._recording = Lock()

    def __enter__(self) -> Self:
        """Raises CampusError for a file that is no state, OSError for a port that is taken."""
        with ExitStack() as opened:
            folder = Path(opened.enter_context(TemporaryDirectory(prefix="canvas-simulator-")))
            self._site = _open_site(self._options, self._first_state, self._saved, folder)
            self._store = opened.enter_context(Listener(self._host, self._ports[1], self._answer_store))
            self._canvas = opened.enter_context(Listener(self._host, self._ports[0], self._answer))
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        # A request may still be under way, though nobody waits for it: it writes into the folder that is removed here.
        with self._site.lock:
            self._opened.close()

    @property
    def url(self) -> str:
        reachable = LOOPBACK if self._host == "0.0.0.0" else self._host  # noqa: S104 - compared only
        return f"http://{reachable}:{self._canvas.port}"

    @property
    def token(self) -> str:
        return self._options.token

    @property
    def faults(self) -> Faults:
        return self._site.faults

    def snapshot(self) -> State:
        """A copy of all records as they are now, with all that is due."""
        with self._hold_advanced() as state:
            return state.copy()

    @contextmanager
    def edit(self) -> Iterator[State]:
        """The simulator's own records, to change them; no request is served while the block runs."""
        with self._hold_advanced() as state:
            self._site.changed = True
            yield state

    @property
    def imports(self) -> list[tuple[SisImport, list[str]]]:
        """A copy of every SIS import so far, with the names of its files."""
        with self._hold_advanced():
            return [
                (deepcopy(each), [self._site.files[number].name for number in each.csv_file_ids])
                for each in self._site.imports.values()
            ]

    @property
    def requests(self) -> list[Recorded]:
        """The last ten thousand, oldest first, of both ports; the simulator's own paths are left out."""
        with self._recording:
            return list(self._recorded)

    @contextmanager
    def _hold_advanced(self) -> Iterator[State]:
        """Hold the lock; the jobs have done what they would have done by now."""
        with self._site.lock:
            advance(self._site, self._site.options.clock())
            yield self._site.state

    def _answer(self, request: Request) -> Answer:
        if request.path.startswith(CONTROL):
            return answer_control(self._site, request, self.requests)
        if request.path.startswith(PREFIX):
            answer = answer_api(self._site, self._saved, request)
        else:
            store = f"http://{urlsplit(request.origin).hostname}:{self._store.port}"
            answer = answer_web(self._site, request, store)
        return self._record("canvas", request, answer)

    def _answer_store(self, request: Request) -> Answer:
        return self._record("store", request, answer_store(self._site, request))

    def _record(self, server: str, request: Request, answer: Answer) -> Answer:
        path = f"{request.path}?{request.query}" if request.query else request.path
        headers = dict(request.headers)
        with self._recording:
            self._recorded.append(Recorded(server, request.method, path, answer.status, headers, request.body))
        return answer


def serve(
    port: int,
    state: Path | None = None,
    *,
    token: str = "simulated",  # noqa: S107 - it opens nothing but the simulator
    scale: float = 0.01,
    host: str = LOOPBACK,
    report_seconds: float = 2.0,
) -> None:
    """Print one line when it answers, and run until SIGTERM or SIGINT.

    The store listens on the port after ``port`` (0: on any). ``scale`` is the campus's, used unless the file ``state``
    is there already. Raises CampusError for a file that is no state, OSError for a port that is taken.
    """
    options = Options(token=token, report_seconds=report_seconds, import_seconds=2.0)
    fresh = None if state and state.exists() else seed(scale)
    store_port = port + 1 if port else 0
    ended = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with CanvasSimulator(
        fresh, options=options, state_file=state, host=host, port=port, store_port=store_port
    ) as canvas:
        print(f"Canvas simulator ready at {canvas.url}", flush=True)
        ended.wait()


def _open_site(options: Options, state: State | None, saved: Saved | None, folder: Path) -> Site:
    """With what was saved, if there is any. Its reports are over: their ids are not given out again. Of the imports'
    files those are there that still wait to be read."""
    if saved is None or not saved.path.exists():
        return Site(options, state or seed(), folder)
    kept, imports, last_report = saved.read()
    site = Site(options, kept, folder, imports=imports)
    if last_report:
        site.reports[last_report] = Report(last_report, "", 0, {}, 0.0, status="deleted", ended_at=0.0)
    for batch in imports.values():
        keep_uploads(site, batch)
        keep_errors(site, batch, batch.ended_at or batch.created_at)
    return site
