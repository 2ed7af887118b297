"""A schedule of faults, drawn from a seed: plain data, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

STAGES = ("extractor", "loader", "provisioner", "canvas-pusher")


@dataclass(frozen=True)
class Kind:
    """A kind of fault. ``needs``: what must be up to cause it; ``breaks``: what is down meanwhile.

    ``targets``: what it may happen to; ``seconds``: how long it lasts, at least and at most.
    """

    targets: tuple[str, ...] = ("",)
    seconds: tuple[float, float] = (0.0, 0.0)
    needs: frozenset[str] = frozenset()
    breaks: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Fault:
    """``pause``: seconds after the fault before it, or after the run was triggered."""

    kind: str
    target: str
    pause: float
    seconds: float

    def __str__(self) -> str:
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.kind} {self.target}".strip() + lasting


@dataclass(frozen=True)
class Turn:
    """One run with its faults: those before it is triggered, and those while it runs."""

    before: tuple[Fault, ...] = ()
    during: tuple[Fault, ...] = field(default=())


_DATABASE, _BROKER, _CANVAS = frozenset({"database"}), frozenset({"broker"}), frozenset({"canvas"})
_NONE: frozenset[str] = frozenset()

KINDS: Mapping[str, Kind] = {
    "kill_worker": Kind(STAGES),
    "terminate_worker": Kind(STAGES),
    "freeze_worker": Kind(STAGES, (5, 9)),
    "stop_broker": Kind(seconds=(1, 4), needs=_BROKER, breaks=_BROKER),
    "kill_broker": Kind(seconds=(0, 2), needs=_BROKER, breaks=_BROKER),
    "memory_alarm": Kind(seconds=(2, 6), needs=_BROKER, breaks=_BROKER),
    "close_connections": Kind(needs=_BROKER),
    "restart_database": Kind(seconds=(0, 3), needs=_DATABASE, breaks=_DATABASE),
    "end_sessions": Kind(needs=_DATABASE),
    "hang_database": Kind(seconds=(2, 8), needs=_DATABASE, breaks=_DATABASE),
    "rotate_password": Kind(seconds=(1, 5), needs=_DATABASE),
    "fill_disk": Kind(seconds=(2, 6), breaks=frozenset({"disk"})),
    "drop_source": Kind(("a", "b", "wanted"), (2, 6), needs=_DATABASE),
    "remove_file": Kind(("tmp_a", "tmp_b", "tmp_wanted", "tmp_cnv_courses", "tmp_cnv_enrollments")),
    "hostile_message": Kind(tuple(str(number) for number in range(12)), needs=_BROKER),
    "canvas_refuses": Kind(("server_error", "throttle", "revoked_token", "no_right"), breaks=_CANVAS),
    "canvas_loses_answer": Kind(("error_after_execution", "reset_after_execution"), breaks=_CANVAS),
    "canvas_download": Kind(
        ("reset_download", "truncated_file", "html_file", "expired_link", "store_error"), breaks=_CANVAS
    ),
    "canvas_report": Kind(("report_error", "empty_report", "second_header", "other_admin"), breaks=_CANVAS),
    "canvas_import": Kind(("aborted_import", "extra_error", "empty_csv_attachments"), breaks=_CANVAS),
}


def draw_schedule(
    seed: int, runs: int, *, kinds: Iterable[str] = tuple(KINDS), faults: tuple[int, int] = (3, 6)
) -> tuple[Turn, ...]:
    """Every kind happens once before any kind happens again."""
    draw = random.Random(seed)
    names = _draw_names(draw, sorted(kinds))
    return tuple(_draw_turn(draw, names, draw.randint(*faults)) for _ in range(runs))


def _draw_turn(draw: random.Random, names: Iterator[str], count: int) -> Turn:
    drawn = [_draw_fault(draw, next(names)) for _ in range(count)]
    early = 1 if draw.random() < 0.3 else 0
    return Turn(tuple(drawn[:early]), tuple(drawn[early:]))


def _draw_fault(draw: random.Random, name: str) -> Fault:
    kind = KINDS[name]
    return Fault(name, draw.choice(kind.targets), round(draw.uniform(0, 3), 2), round(draw.uniform(*kind.seconds), 1))


def _draw_names(draw: random.Random, kinds: list[str]) -> Iterator[str]:
    while True:
        bag = list(kinds)
        draw.shuffle(bag)
        yield from bag
