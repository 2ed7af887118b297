"""Queues and bindings as DESIGN section 6 fixes them."""

from __future__ import annotations

from canvas_replicate.messaging import topology


def test_each_stage_has_its_queue_its_ladder_and_its_dead_letters() -> None:
    names = {queue.name for queue in topology.queues()}
    for stage in ("extractor", "loader", "provisioner", "canvas-pusher"):
        ladder = {f"replicate.{stage}.retry.{rung}" for rung in ("10s", "1m", "5m", "15m", "60m")}
        assert {f"replicate.{stage}", f"replicate.{stage}.dead"} | ladder <= names
    assert {"replicate.events", "replicate.unrouted"} <= names


def test_a_ladder_returns_to_its_own_queue_only() -> None:
    for queue in topology.queues():
        if queue.kind == "retry":
            assert queue.name.startswith(f"{queue.returns_to}.retry.")
            assert queue.rest_seconds


def test_every_event_is_kept_and_every_command_reaches_one_stage() -> None:
    bound = topology.bindings()
    events = {key for key, queue in bound if queue == "replicate.events"}
    assert events == {"table.ready", "run.loaded", "provisions.done", "push.done"}
    assert [queue for key, queue in bound if key == "table.requested"] == ["replicate.extractor"]
    assert [queue for key, queue in bound if key == "push.requested"] == ["replicate.canvas-pusher"]
