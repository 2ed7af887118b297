"""A command without a run opens one run, however often it is delivered."""

from __future__ import annotations

import pytest
from tests.pushing import Pushing, provisions, pushing  # noqa: F401

from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.messaging import topology
from canvas_replicate.messaging.bus import Delivery
from canvas_replicate.messaging.memory import MemoryBus
from canvas_replicate.messaging.messages import (
    Envelope,
    Message,
    ProvisionsRequested,
    PushRequested,
    TableRequested,
    wrap,
)
from canvas_replicate.stages.dispatcher import Dispatcher
from canvas_replicate.stages.stage import build_stages
from canvas_replicate.wiring import open_runtime

COMMANDS = {
    "extractor": TableRequested(table="tmp_students"),
    "provisioner": ProvisionsRequested(mode="regular"),
    "canvas-pusher": PushRequested(group="regular"),
}


@pytest.mark.parametrize(("stage", "command"), COMMANDS.items())
def test_a_command_that_is_delivered_again_opens_no_second_run(pushing: Pushing, stage: str, command: Message) -> None:  # noqa: F811
    pushing.place.add_students()
    if stage == "canvas-pusher":
        pushing.provision()
    runtime, bus = open_runtime(load_settings()), MemoryBus()
    known = {run.run_id for run in runtime.ledger.runs.list_newest()}
    dispatcher = Dispatcher(build_stages(runtime, (stage,))[0], bus, runtime.ledger)
    envelope, other = wrap(command, app_id="a script"), wrap(command, app_id="a script")

    def deliver(sent: Envelope) -> list[str]:
        queue = topology.work_queue(stage)
        bus.remove(queue, lambda left: True)  # what the opened run asks for
        bus.publish(sent, queue=queue)
        runtime.stop.clear()

        def once(delivery: Delivery) -> None:
            dispatcher.dispatch(delivery)
            runtime.stop.set()

        bus.consume(queue, once, runtime.stop)
        return [run.run_id for run in runtime.ledger.runs.list_newest() if run.run_id not in known]

    [opened] = deliver(envelope)
    runtime.ledger.abandon(opened, "given up")
    assert [deliver(envelope) for _ in range(4)] == [[opened]] * 4
    assert len(deliver(other)) == 2
