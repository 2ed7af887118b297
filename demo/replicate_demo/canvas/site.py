"""The whole simulated Canvas, and one call of its API as the handlers see it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock

from replicate_demo.canvas.faults import Faults
from replicate_demo.canvas.files import StoredFile
from replicate_demo.canvas.model import State, format_stamp
from replicate_demo.canvas.parameters import Parameters, Upload
from replicate_demo.canvas.report_model import Report
from replicate_demo.canvas.sis_import_model import SisImport
from replicate_demo.canvas.throttle import Bucket, ThrottleLimits


@dataclass(frozen=True)
class Options:
    """What differs from one Canvas to another.

    Attributes:
        report_seconds: how long the job of a report runs; reports of one Canvas run one after the other.
        import_seconds: the same for SIS imports.
        abort_wait_seconds: after an abort the next SIS import waits; about ten minutes (fact sheet 4.13).
        link_seconds: how long the store's signed link is good; a day (fact sheet 1.7).
        no_right_status: 403, or 401 where the site's newer errors are off (fact sheet 5.3).
    """

    token: str
    report_seconds: float = 0.0
    import_seconds: float = 0.0
    abort_wait_seconds: float = 600.0
    link_seconds: float = 86_400.0
    no_right_status: int = 403
    throttle: ThrottleLimits = field(default_factory=ThrottleLimits)
    clock: Callable[[], float] = time.time


@dataclass
class Site:
    """All that the requests share; whoever reads or changes it holds ``lock``."""

    options: Options
    state: State
    folder: Path  # of this process: archives lie here until it ends
    faults: Faults = field(default_factory=Faults)
    reports: dict[int, Report] = field(default_factory=dict)
    imports: dict[int, SisImport] = field(default_factory=dict)
    files: dict[int, StoredFile] = field(default_factory=dict)
    store_key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    imports_wait_until: float = 0.0
    changed: bool = False  # since the state was last saved
    lock: RLock = field(default_factory=RLock)
    bucket: Bucket = field(init=False)

    def __post_init__(self) -> None:
        self.bucket = Bucket(self.options.throttle)


@dataclass(frozen=True)
class Call:
    """One request of the API: ``ids`` are the parts of its path that the route names."""

    site: Site
    path: str
    query: str
    origin: str  # http://host:port, as the client wrote it
    now: float
    ids: dict[str, str]
    parameters: Parameters
    upload: Upload | None
    body: bytes
    content_type: str

    @property
    def state(self) -> State:
        return self.site.state

    @property
    def stamp(self) -> str:
        return format_stamp(self.now)

    def group(self, name: str) -> Parameters:
        """The hash ``name[...]``; empty if it was not sent, or is none."""
        found = self.parameters.get(name)
        return found if isinstance(found, dict) else {}

    def list(self, name: str) -> Iterable[str]:
        """``name[]``, or a single ``name``, as texts."""
        found = self.parameters.get(name, [])
        return [str(each) for each in (found if isinstance(found, list) else [found])]
