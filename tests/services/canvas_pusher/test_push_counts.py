"""What the counter of pushed changes says, which the alert about pushes asks."""

from __future__ import annotations

from prometheus_client import REGISTRY
from tests.pushing import Pushing


def counted(outcome: str) -> float:
    labels = {"process": "enrollments", "action": "addition", "outcome": outcome}
    return REGISTRY.get_sample_value("replicate_push_operations_total", labels) or 0.0


def test_an_import_that_canvas_does_not_take_counts_every_change_as_rejected(pushing: Pushing) -> None:
    before = counted("rejected")
    pushing.want(*((*pair, "active") for pair in pushing.newcomers(3)))
    pushing.provision()
    pushing.canvas.faults.arm("no_right", method="POST", path="/sis_imports")
    assert pushing.push().code == 1
    assert {state for _, _, state in pushing.journal()} == {"rejected"}
    assert counted("rejected") - before == 3
