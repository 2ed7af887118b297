"""Tables, reports and a push over a real broker and a real database, two pushers sharing the work."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator

import pytest
import yaml
from tests.chain import Chain
from tests.pushing import PROVISIONS, SQL, TOKEN, Pushing

from canvas_replicate.messaging.rabbitmq.bus import RabbitBus
from replicate_demo.canvas import CanvasSimulator, Options

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql]


@pytest.fixture
def canvas() -> Iterator[CanvasSimulator]:
    with CanvasSimulator(options=Options(token=TOKEN, report_seconds=0.1, import_seconds=0.2)) as opened:
        yield opened


@pytest.fixture
def pushed(chain: Chain, canvas: CanvasSimulator, monkeypatch: pytest.MonkeyPatch) -> Chain:
    chain.place.add_canvas(canvas.url, canvas.token, PROVISIONS)
    conf = chain.place.folder / "conf"
    tables = conf / "tablesconf.yaml"
    tables.write_text(tables.read_text() + "schedules: {hourly: {then: [provisions, push]}}\n", "utf-8")
    for name, value in {**chain.place.environment, "NO_PROXY": "*"}.items():
        monkeypatch.setenv(name, value)
    chain.target.sql("CREATE TABLE wanted (section_id text, user_id text, role text, status text)")
    assert chain.place.run("replicate", "init-db").code == 0
    for stage in ("extractor", "loader", "provisioner"):
        chain.start(stage)
    return chain


def configure(chain: Chain, channel: str) -> None:
    process = {"process": "enrollments", "kind": "enrollments", "sql": SQL, "channel": channel}
    (chain.place.folder / "conf" / "pushes.yaml").write_text(yaml.safe_dump({"regular": [process]}), "utf-8")


def want(chain: Chain, pairs: list[tuple[str, str]]) -> None:
    values = ", ".join(f"('{section}', '{user}', 'student', 'active')" for section, user in pairs)
    chain.target.sql(f"INSERT INTO wanted VALUES {values}")


def done_events(chain: Chain, run_id: str) -> list[dict[str, object]]:
    found = chain.target.sql(
        f"SELECT body FROM replicate_outbox WHERE message_type = 'push.done.v1' AND run_id = '{run_id}'"
    )
    return [json.loads(str(body)) for (body,) in found]


def test_a_run_ends_with_its_push(pushed: Chain, canvas: CanvasSimulator) -> None:
    configure(pushed, "sis_import")
    for _ in range(2):
        pushed.start("canvas-pusher")
    look = Pushing(pushed.place, canvas)
    pairs = look.newcomers(4)
    want(pushed, pairs)
    run_id = pushed.trigger()
    pushed.wait_closed(run_id)
    assert pushed.states(run_id)["push:enrollments"] == "successful"
    assert [look.enrollments()[pair] for pair in pairs] == ["active"] * 4
    [event] = done_events(pushed, run_id)
    assert event["processes"] == [
        {
            "process": "enrollments",
            "planned": 4,
            "applied": 4,
            "failed": 0,
            "held": 0,
            "skipped": 0,
            "status": "successful",
            "reason": None,
        }
    ]
    assert len(canvas.imports) == 1


def test_a_push_by_hand_is_one_small_message(pushed: Chain, canvas: CanvasSimulator) -> None:
    configure(pushed, "sis_import")
    pushed.start("canvas-pusher")
    pairs = Pushing(pushed.place, canvas).newcomers(2)
    run_id = pushed.trigger()
    pushed.wait_closed(run_id)
    want(pushed, pairs)
    bus = RabbitBus(pushed.rabbit.url)
    assert bus.depth("replicate.canvas-pusher.dead") == 0
    bus.close()
    assert pushed.rabbit.management.publish(pushed.rabbit.name, "push.requested", '{"group": "regular"}')
    pushed.wait(lambda: Pushing(pushed.place, canvas).enrollments().get(pairs[0]) == "active", "the push by hand")


@pytest.mark.kill
def test_a_pusher_that_dies_is_followed_by_the_other_which_sends_nothing_twice(
    pushed: Chain, canvas: CanvasSimulator
) -> None:
    configure(pushed, "rest")
    first = pushed.start("canvas-pusher")
    look = Pushing(pushed.place, canvas)
    pairs = look.newcomers(400)
    want(pushed, pairs)
    run_id = pushed.trigger()
    pushed.wait(lambda: len(look.writes()) >= 100, "the push being under way")
    first.kill()
    first.wait(10)
    pushed.forget(first)
    pushed.start("canvas-pusher")
    pushed.wait_closed(run_id)
    assert pushed.states(run_id)["push:enrollments"] == "successful"
    assert {look.enrollments()[pair] for pair in pairs} == {"active"}
    posts = [r for r in canvas.requests if r.method == "POST" and "/enrollments" in r.path]
    sent = Counter((r.path, re.sub(rb"\s", b"", r.body)) for r in posts if r.body)  # none: cut off by the death
    assert max(sent.values()) == 1
    assert pushed.target.sql("SELECT DISTINCT state FROM replicate_push_journal") == [("applied",)]
    assert len(done_events(pushed, run_id)) == 1


def test_provisions_that_failed_push_nothing(pushed: Chain, canvas: CanvasSimulator) -> None:
    configure(pushed, "sis_import")
    pushed.start("canvas-pusher")
    want(pushed, Pushing(pushed.place, canvas).newcomers(1))
    canvas.faults.arm("report_error")
    run_id = pushed.trigger()
    pushed.wait_closed(run_id)
    assert done_events(pushed, run_id) == []
    assert canvas.imports == []
    causes = {cause for (cause,) in pushed.target.sql("SELECT cause FROM replicate_notice")}
    assert causes == {f"provisions:{run_id}"}
