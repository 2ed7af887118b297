"""Hostile messages in the queue of each stage, on a real broker: no worker ends, and nothing is loaded, sent or released.

``make hostile`` sends 1,000 to each stage; ``SEED=2`` sends others.
"""

from __future__ import annotations

import json
import random
import urllib.request
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pika
import pika.exceptions
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.chaos.campus import TABLES, Campus, open_campus
from tests.chaos.schedule import STAGES
from tests.chaos.worker import shorten_ladder
from tests.given import HOSTILE, HOSTILE_SEED
from tests.hostile import (
    Hostile,
    RawProperties,
    Template,
    draw_hostile,
    draw_list,
    find_kinds,
    read_golden,
    stops_broker,
)
from tests.postgresql_fixtures import Database
from tests.rabbitmq_fixtures import Vhost
from tests.rabbitmq_server import free_ports

from canvas_replicate.messaging import topology
from canvas_replicate.messaging.messages import Envelope
from canvas_replicate.messaging.rabbitmq.bus import RabbitBus

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql]

WAIT_SECONDS = 30 + HOSTILE / 5
KNOWN = {f"tmp_{name}" for name in TABLES} | {"campus", "reporting", "rest", "sis_import"}
LEDGER = ("run", "run_table", "artifact", "current_status", "report", "push_plan", "push_journal", "outbox")


def test_no_hostile_message_ends_a_worker_or_changes_anything(
    tmp_path: Path,
    rabbit: Vhost,
    postgresql: Database,
    empty_postgresql: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    print(f"To repeat: make hostile SEED={HOSTILE_SEED} COUNT={HOSTILE}")
    shorten_ladder(monkeypatch)
    with open_campus(tmp_path, rabbit, empty_postgresql, postgresql, monkeypatch) as campus:
        ports = start_workers(campus)
        work_once(campus)
        before, done = read_state(campus), {stage: count_acked(port) for stage, port in ports.items()}
        templates = [*read_golden(), *read_published(campus)]
        refused = {stage: publish(rabbit, stage, draw(stage, templates)) for stage in STAGES}
        for stage, port in ports.items():
            letters = wait_settled(campus, stage, port, done[stage])
            codes = dict(Counter(str(letter.headers["code"]) for letter in letters))
            acked = HOSTILE - len(letters)
            print(f"{stage}: {acked} acked, dead letters {codes}; the broker refused {refused[stage]} more")
            assert campus.workers[stage].poll() is None, stage
            assert read_page(port, "readyz") == "ok\n"
            assert "<html" in read_page(port, "")
        shown = campus.place.run("replicate", "dead", "list", "--limit", "9999")
        assert shown.code == 0, shown
        assert all(line.isprintable() for line in shown.out.splitlines())
        logs = [path.read_text("utf-8") for path in tmp_path.glob("*.log")]
        assert not any('"level": "error"' in log or "Traceback" in log for log in logs), campus.logs()
        assert count_waiting(rabbit) == {}
        assert read_state(campus) == before
        assert campus.place.run("replicate", "dead", "drop", "--all").code == 0
        for stage, port in ports.items():
            serve_good_message(campus, stage, port)


def start_workers(campus: Campus) -> dict[str, int]:
    """Returns the port of each one's status page."""
    ports = dict(zip(STAGES, free_ports(len(STAGES)), strict=True))
    for stage, port in ports.items():
        campus.workers[stage] = campus.start(stage, REPLICATE_METRICS_PORT=str(port))

    def are_ready() -> bool:
        with suppress(OSError):
            return all(read_page(port, "readyz") == "ok\n" for port in ports.values())
        return False

    campus.chain.wait(are_ready, "all stages ready")
    return ports


def work_once(campus: Campus) -> None:
    """A run through all stages. Its table tmp_b is held: it has far fewer rows than its view."""
    if not campus.view_rows("b"):
        rows = "INSERT INTO tmp_b (id, name) SELECT lpad(i::varchar, 9, '0'), 'x' FROM generate_series(1, 9000) r(i)"
        campus.target.sql(rows, "REFRESH MATERIALIZED VIEW campus_b", "SELECT 1")
    campus.change_source(random.Random(len(campus.contents["a"])))
    run_id = campus.trigger()
    assert campus.wait_quiet() == []
    states = campus.chain.states(run_id)
    assert states.pop("tmp_b") == "held"
    assert set(states.values()) == {"successful"}, states


def read_state(campus: Campus) -> dict[str, Any]:
    """All that a message could change."""
    state: dict[str, Any] = {
        name: campus.target.sql(f"SELECT * FROM replicate_{name} ORDER BY 1, 2") for name in LEDGER
    }
    # Its last column counts how often the run was locked.
    state["run"] = campus.target.sql("SELECT run_id, status, closed_at FROM replicate_run ORDER BY 1")
    state |= {f"campus_{name}": campus.view_rows(name) for name in TABLES}
    state["files"] = sorted(path for path in campus.place.data.rglob("*") if path.is_file())
    return state | {"requests": len(campus.canvas.requests)}


def read_published(campus: Campus) -> list[Template]:
    """The messages of the run that is over."""
    found = campus.target.sql("SELECT message_type, body FROM replicate_outbox ORDER BY created_at, message_id")
    return [(str(kind), json.loads(str(body))) for kind, body in found]


def publish(rabbit: Vhost, stage: str, drawn: Sequence[Hostile]) -> int:
    """Until the queue has HOSTILE of them. Returns how many the broker itself refused.

    Through an exchange that gives the queue every routing key.
    """
    refused, taken, left = 0, 0, iter(drawn)
    while taken < HOSTILE:
        connection = pika.BlockingConnection(pika.URLParameters(rabbit.url))
        channel = connection.channel()
        channel.exchange_declare(f"hostile.{stage}", "fanout")
        channel.queue_bind(topology.work_queue(stage), f"hostile.{stage}")
        channel.confirm_delivery()
        try:
            while taken < HOSTILE:
                each = next(left)
                properties = RawProperties(each.properties)
                channel.basic_publish(f"hostile.{stage}", each.routing_key, each.body, properties)
                taken += 1
        except pika.exceptions.AMQPError:
            refused += 1
        finally:
            if connection.is_open:
                connection.close()
    return refused


def count_waiting(rabbit: Vhost) -> dict[str, int]:
    """Messages in work queues and on ladders."""
    bus = RabbitBus(rabbit.url)
    depths = {queue.name: bus.depth(queue.name) for queue in topology.queues() if queue.kind in ("work", "retry")}
    bus.close()
    return {name: depth for name, depth in depths.items() if depth}


def read_page(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
        return str(answer.read().decode())


def count_acked(port: int) -> int:
    """How many messages the worker acked as done. Fails when one was put on the ladder or handed back."""
    families = text_string_to_metric_families(read_page(port, "metrics"))
    samples = [each for family in families for each in family.samples if each.name == "replicate_messages_total"]
    others = [each for each in samples if each.value and each.labels["outcome"] not in ("done", "dead")]
    assert others == []
    return int(sum(each.value for each in samples if each.labels["outcome"] == "done"))


def draw(stage: str, templates: Sequence[Template]) -> list[Hostile]:
    """More than are needed, for those that the broker refuses."""
    drawn = draw_list(draw_hostile(stage, templates, KNOWN), 3 * HOSTILE, HOSTILE_SEED)
    return [each for each in drawn if not stops_broker(each)]


def wait_settled(campus: Campus, stage: str, port: int, done: int) -> list[Envelope]:
    """Until each message is acked or a dead letter with code and reason. Returns the letters."""
    bus = RabbitBus(campus.rabbit.url)
    found: list[Envelope] = []

    def is_settled() -> bool:
        count = bus.depth(topology.dead_queue(stage))
        if count + count_acked(port) - done != HOSTILE:
            return False
        found[:] = bus.browse(topology.dead_queue(stage))
        return len(found) == count and all(each.headers.get("code") and each.headers.get("reason") for each in found)

    campus.chain.wait(is_settled, f"{stage}: each message acked or a dead letter with its reason", WAIT_SECONDS)
    bus.close()
    return found


def serve_good_message(campus: Campus, stage: str, port: int) -> None:
    """One that the worker had before: it is done already."""
    kind, body = next(each for each in read_published(campus) if each[0] in find_kinds(stage))
    done, moment = count_acked(port), datetime.now(UTC)
    bus = RabbitBus(campus.rabbit.url)
    bus.publish(Envelope(kind, json.dumps(body).encode(), "good", None, moment), queue=topology.work_queue(stage))
    bus.close()
    campus.chain.wait(lambda: count_acked(port) == done + 1, f"{stage}: a good message is done", WAIT_SECONDS)
