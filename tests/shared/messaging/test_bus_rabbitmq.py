"""The bus on a real RabbitMQ: the behaviour of every bus, and what a broker does besides."""

from __future__ import annotations

import json
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pika
import pytest
from tests.behaviours.bus import BusBehaviour, consume, requested, take
from tests.given import HANDLER_SECONDS
from tests.rabbitmq_fixtures import Vhost
from tests.repository import ROOT

from canvas_replicate.errors import ConfigError, TransientError
from canvas_replicate.messaging import topology
from canvas_replicate.messaging.bus import Delivery, connect
from canvas_replicate.messaging.messages import PushRequested, TableRequested, parse, wrap
from canvas_replicate.messaging.rabbitmq import publisher
from canvas_replicate.messaging.rabbitmq.bus import RabbitBus
from canvas_replicate.messaging.rabbitmq.delivery import RabbitDelivery, Work

pytestmark = pytest.mark.rabbitmq

WORK = "replicate.extractor"
DEADLINE_SECONDS = 60
PASSWORD = "a-word-that-is-secret"


@pytest.fixture
def bus(rabbit: Vhost) -> Iterator[RabbitBus]:
    made = RabbitBus(rabbit.url, rest_seconds=lambda seconds: seconds / 10)
    yield made
    made.close()


@pytest.fixture
def pass_time() -> Callable[[float], None]:
    """A rung of this bus rests for a tenth of its time, and who takes from a queue waits for that."""
    return lambda _seconds: None


class TestRabbitBus(BusBehaviour):
    pass


@contextmanager
def consuming(bus: RabbitBus, handle: Callable[[Delivery], None], queue: str = WORK) -> Iterator[threading.Event]:
    """A consumer in a thread while the block runs; what ended it is raised after the block."""
    stop = threading.Event()
    errors: list[Exception] = []

    def work() -> None:
        try:
            bus.consume(queue, handle, stop)
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join()
    if errors:
        raise errors[0]


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_SECONDS} s: {what}"
        time.sleep(0.02)


def refusal(bus: RabbitBus) -> ConfigError:
    with pytest.raises(ConfigError) as raised:
        bus.consume(WORK, lambda delivery: delivery.ack(), threading.Event())
    return raised.value


def test_a_url_names_this_bus(rabbit: Vhost) -> None:
    bus = connect(rabbit.url)
    bus.publish(requested())
    assert bus.depth(WORK) == 1
    bus.close()


# Long work


def test_a_handler_that_outlasts_three_heartbeats_keeps_its_connection(
    rabbit: Vhost, caplog: pytest.LogCaptureFixture
) -> None:
    """REPLICATE_TEST_HANDLER_SECONDS=90 makes it 90 s at a heartbeat of 10 s."""
    bus = RabbitBus(f"{rabbit.url}?heartbeat={max(2, int(HANDLER_SECONDS / 9))}")
    bus.publish(requested())
    publisher = bus._publisher.connection
    begun: list[str] = []
    ended = threading.Event()

    def work_long(delivery: Delivery) -> None:
        begun.append(delivery.envelope.message_id)
        threading.Event().wait(HANDLER_SECONDS)
        bus.publish(requested("tmp_next"), queue=topology.dead_queue("extractor"))
        delivery.ack()
        ended.set()

    with consuming(bus, work_long):
        assert ended.wait(HANDLER_SECONDS + 10)
    assert len(begun) == 1
    assert bus.depth(WORK) == 0
    assert bus._publisher.connection is publisher, "the publishing connection idled as long and is the same"
    assert "consumer lost" not in caplog.text
    bus.close()


def test_what_was_asked_to_stop_ends_its_work_and_acks_it_and_begins_nothing_new(bus: RabbitBus) -> None:
    for table in ("tmp_first", "tmp_second"):
        bus.publish(requested(table))
    begun: list[bytes] = []
    may_end = threading.Event()

    def work(delivery: Delivery) -> None:
        begun.append(delivery.envelope.body)
        may_end.wait(DEADLINE_SECONDS)
        delivery.ack()

    with consuming(bus, work) as stop:
        wait_until(lambda: begun, "the first message is in work")
        stop.set()
        assert bus.depth(WORK) == 2
        may_end.set()
    assert begun == [requested("tmp_first").body]
    assert [envelope.body for envelope in take(bus, WORK)] == [requested("tmp_second").body]


def test_being_stopped_and_handing_back_counts_once_towards_the_delivery_limit(bus: RabbitBus) -> None:
    bus.publish(requested())
    for _ in range(topology.DELIVERY_LIMIT):
        begun = threading.Event()
        stopping = threading.Event()

        def work(delivery: Delivery, begun: threading.Event = begun, stopping: threading.Event = stopping) -> None:
            begun.set()
            stopping.wait(DEADLINE_SECONDS)
            delivery.requeue()

        with consuming(bus, work) as stop:
            assert begun.wait(DEADLINE_SECONDS)
            stop.set()
            stopping.set()
        wait_until(lambda: bus.depth(WORK) == 1, "the message is back")
    assert bus.depth(topology.dead_queue("extractor")) == 0


def test_the_next_message_waits_for_a_handler_that_has_acked_and_still_works(bus: RabbitBus) -> None:
    bus.publish(requested("tmp_a"))
    bus.publish(requested("tmp_b"))
    at_work: list[int] = []
    most: list[int] = []

    def work(delivery: Delivery) -> None:
        at_work.append(1)
        most.append(len(at_work))
        delivery.ack()
        threading.Event().wait(0.3)
        at_work.pop()

    consume(bus, WORK, work, until=lambda: len(most) == 2)
    assert most == [1, 1]


# Losing the connection


def test_an_ack_after_the_connection_was_lost_is_void_and_the_message_comes_again(
    rabbit: Vhost, bus: RabbitBus, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bus.publish(requested())
    begun: list[str] = []
    acked: list[str] = []
    cut = threading.Event()

    def work(delivery: Delivery) -> None:
        begun.append(delivery.envelope.message_id)
        cut.wait(DEADLINE_SECONDS)
        bus.publish(requested("tmp_next"), queue=topology.dead_queue("extractor"))
        delivery.ack()
        acked.append(delivery.envelope.message_id)

    with consuming(bus, work):
        wait_until(lambda: len(rabbit.management.connections(rabbit.name)) == 2, "the broker lists both connections")
        assert bus.is_connected()
        for name in rabbit.management.connections(rabbit.name):
            rabbit.management.close_connection(name)
        wait_until(lambda: not bus.is_connected(), "the loss is noticed while the handler works")
        cut.set()
        wait_until(lambda: len(acked) == 2, "the message came again")
    assert len(set(begun)) == 1
    assert bus.depth(WORK) == 0
    assert bus.depth(topology.dead_queue("extractor")) == 2
    assert "delivery tag" not in caplog.text


def test_waiting_for_a_handler_ends_when_it_ends_or_in_time(bus: RabbitBus) -> None:
    seen: list[bool] = []
    may_end, ended = threading.Event(), threading.Event()

    def handle(delivery: Delivery) -> None:
        may_end.wait(DEADLINE_SECONDS)
        delivery.requeue()
        ended.set()

    def work(delivery: Delivery) -> None:
        assert isinstance(delivery, RabbitDelivery)
        delivery.ack()
        handler = Work(handle)
        handler.begin(replace(delivery, is_settled=True))
        handler.wait(0.01)
        seen.append(handler.is_over())
        may_end.set()
        handler.wait(DEADLINE_SECONDS)
        seen.append(handler.is_over() and ended.is_set())

    bus.publish(requested())
    consume(bus, WORK, work, until=lambda: len(seen) == 2)
    assert seen == [False, True]


def test_a_consumer_whose_queue_was_deleted_makes_it_again(rabbit: Vhost, bus: RabbitBus) -> None:
    seen: list[str] = []

    def work(delivery: Delivery) -> None:
        seen.append(delivery.envelope.message_id)
        delivery.ack()

    with consuming(bus, work):
        wait_until(bus.is_connected, "the consumer is connected")
        bus.publish(requested())
        wait_until(lambda: len(seen) == 1, "it consumes")
        rabbit.management.drop_queue(rabbit.name, WORK)
        wait_until(lambda: not bus.is_connected(), "the cancelling is noticed")
        wait_until(bus.is_connected, "it is back")
        bus.publish(requested())
        wait_until(lambda: len(seen) == 2, "it consumes again")


def test_nothing_is_lost_when_the_broker_is_killed_while_messages_come_and_go(rabbit: Vhost, bus: RabbitBus) -> None:
    if not rabbit.server.can_be_killed:
        pytest.skip("this broker is not ours to kill")
    confirmed: list[str] = []
    seen: list[str] = []
    enough = threading.Event()

    def publish() -> None:
        while not enough.wait(0.05):
            envelope = requested()
            try:
                bus.publish(envelope)
            except TransientError:
                continue  # as the outbox does: not confirmed, published again later
            confirmed.append(envelope.message_id)

    def work(delivery: Delivery) -> None:
        seen.append(delivery.envelope.message_id)
        delivery.ack()

    publisher = threading.Thread(target=publish)
    with consuming(bus, work):
        publisher.start()
        begun = time.monotonic()
        # RabbitMQ 3.10 writes down half a second late that a quorum queue exists; these are brand-new.
        wait_until(lambda: len(seen) > 20 and time.monotonic() - begun > 2, "messages come and go")
        rabbit.server.kill()
        before = len(confirmed)
        rabbit.server.restart()
        wait_until(lambda: len(confirmed) > before + 20, "messages are published again")
        enough.set()
        publisher.join()
        wait_until(lambda: set(confirmed) <= set(seen), "everything confirmed was consumed")
    assert bus.depth(WORK) == 0


def test_a_broker_that_does_not_confirm_is_not_waited_for_for_ever(
    bus: RabbitBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus.publish(requested())
    with monkeypatch.context() as patched:
        patched.setattr(publisher, "ANSWER_SECONDS", 0)
        with pytest.raises(TransientError, match="no answer within 0 s"):
            bus.publish(requested())
    bus.publish(requested())
    assert bus.depth(WORK) in (2, 3)


def test_four_threads_publish_at_once(bus: RabbitBus) -> None:
    threads = [
        threading.Thread(target=lambda: [bus.publish(requested()) for _ in range(25)], name=f"publisher {number}")
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bus.depth(WORK) == 100


def test_a_broker_that_is_not_there_is_a_transient_error_that_names_it() -> None:
    with pytest.raises(TransientError, match=r"RabbitMQ at 127.0.0.1:1 cannot be reached.*[Cc]onnection refused"):
        RabbitBus("amqp://u:word@127.0.0.1:1/x").publish(requested())


# Messages made by hand, and given up


def test_a_message_made_by_hand_is_a_complete_command(rabbit: Vhost, bus: RabbitBus) -> None:
    bus.depth(WORK)
    assert rabbit.management.publish(rabbit.name, "table.requested", '{"table": "tmp_x"}')
    [envelope] = take(bus, WORK)
    assert parse(envelope) == TableRequested(table="tmp_x")
    assert envelope.message_id


def test_a_message_made_by_hand_keeps_its_id_and_type_all_the_way_to_the_dead_letters(
    rabbit: Vhost, bus: RabbitBus
) -> None:
    bus.depth(WORK)
    rabbit.management.publish(rabbit.name, "table.requested", '{"table": "tmp_x"}')
    ids: list[str] = []

    def requeue(delivery: Delivery) -> None:
        ids.append(delivery.envelope.message_id)
        delivery.requeue()

    dead = topology.dead_queue("extractor")
    consume(bus, WORK, requeue, until=lambda: bus.depth(dead) == 1)
    [letter] = bus.browse(dead)
    assert len(ids) == topology.DELIVERY_LIMIT + 1
    assert {letter.message_id} == set(ids)
    assert letter.type == "table.requested.v1"
    assert letter.headers == {"reason": "delivery_limit"}


def test_dead_letters_may_be_looked_at_more_often_than_a_queue_of_4_0_allows_by_default(bus: RabbitBus) -> None:
    dead = topology.dead_queue("loader")
    letter = requested()
    bus.publish(letter, queue=dead)
    for _ in range(25):
        assert bus.browse(dead) == [letter]


def test_publishing_into_a_queue_that_does_not_exist_is_refused(bus: RabbitBus) -> None:
    with pytest.raises(ConfigError, match=r"no queue for a message with routing key replicate\.nowhere"):
        bus.publish(requested(), queue="replicate.nowhere")


# What the broker's administrator decides


def test_without_declaring_everything_that_is_missing_is_named(rabbit: Vhost) -> None:
    error = refusal(RabbitBus(rabbit.url, declare=False))
    assert "no exchange replicate" in error.message
    assert "no queue replicate.extractor," in error.message
    assert "no queue replicate.extractor.retry.5m" in error.message
    assert "replicate.loader" not in error.message


def test_a_stages_user_works_on_its_own_queues_and_reaches_no_other(rabbit: Vhost, bus: RabbitBus) -> None:
    bus.publish(requested())
    shipped = json.loads((ROOT / "deploy/rabbitmq/definitions.json").read_text())
    [rights] = [each for each in shipped["permissions"] if each["user"] == "extractor"]
    [topics] = [each for each in shipped["topic_permissions"] if each["user"] == "extractor"]
    rabbit.management.add_user("extractor", PASSWORD)
    try:
        rabbit.management.allow(
            "extractor", rabbit.name, **{key: rights[key] for key in ("configure", "write", "read")}
        )
        rabbit.management.allow_topics(
            "extractor", rabbit.name, **{key: topics[key] for key in ("exchange", "write", "read")}
        )
        limited = RabbitBus(rabbit.url_of("extractor", PASSWORD), declare=False)
        [envelope] = take(limited, WORK)
        limited.publish(envelope, queue=topology.retry_queue("extractor", "1m"))
        limited.publish(envelope, queue=topology.dead_queue("extractor"))
        limited.publish(requested())
        assert (limited.depth(WORK), len(bus.browse(topology.dead_queue("extractor")))) == (1, 1)
        with pytest.raises(ConfigError, match=r"403 ACCESS_REFUSED.*replicate\.loader"):
            take(limited, "replicate.loader")
        for queue in ("replicate.loader", "replicate.loader.retry.1m", "replicate.loader.dead"):
            with pytest.raises(ConfigError, match="403 ACCESS_REFUSED"):
                limited.publish(envelope, queue=queue)
        with pytest.raises(ConfigError, match="403 ACCESS_REFUSED"):
            limited.publish(wrap(PushRequested(group="regular"), app_id="test"))
        with pytest.raises(ConfigError, match="403 ACCESS_REFUSED"):
            RabbitBus(rabbit.url_of("extractor", PASSWORD)).publish(requested())
        limited.close()
    finally:
        rabbit.management.drop_user("extractor")


def test_the_shipped_definitions_are_all_that_each_user_needs(rabbit: Vhost) -> None:
    shipped = json.loads((ROOT / "deploy/rabbitmq/definitions.json").read_text())
    parts = {
        key: [{name: value for name, value in each.items() if name != "vhost"} for each in shipped[key]]
        for key in ("exchanges", "queues", "bindings")
    }
    rabbit.management.call("POST", f"definitions/{rabbit.name}", parts)
    urls = {each["user"]: rabbit.url_of(f"{rabbit.name}-{each['user']}", PASSWORD) for each in shipped["permissions"]}
    try:
        for each in shipped["permissions"]:
            user = f"{rabbit.name}-{each['user']}"
            rabbit.management.add_user(user, PASSWORD)
            rabbit.management.allow(user, rabbit.name, **{key: each[key] for key in ("configure", "write", "read")})
        operator = RabbitBus(urls.pop("operator"), declare=False)
        operator.publish(requested())
        assert urls.keys() == set(topology.STAGES)
        for stage, url in urls.items():
            limited, letter = RabbitBus(url, declare=False), requested()
            limited.publish(letter, queue=topology.dead_queue(stage))
            assert limited.depth(topology.work_queue(stage)) == (1 if stage == "extractor" else 0)
            assert operator.browse(topology.dead_queue(stage)) == [letter]
            [other, *_] = [name for name in topology.STAGES if name != stage]
            with pytest.raises(ConfigError, match="403 ACCESS_REFUSED"):
                take(limited, topology.work_queue(other))
            limited.close()
        with pytest.raises(ConfigError, match="403 ACCESS_REFUSED"):
            take(operator, WORK)
        operator.close()
    finally:
        for name in (each["user"] for each in shipped["permissions"]):
            rabbit.management.drop_user(f"{rabbit.name}-{name}")


def test_a_queue_with_other_arguments_is_refused_by_name(rabbit: Vhost) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(rabbit.url))
    connection.channel().queue_declare(WORK, durable=True, arguments={"x-queue-type": "quorum", "x-delivery-limit": 9})
    connection.close()
    error = refusal(RabbitBus(rabbit.url))
    assert "inequivalent arg" in error.message
    assert WORK in error.message
    assert "REPLICATE_BUS_DECLARE=false" in error.next_step


def test_a_refused_login_is_told_without_the_password(rabbit: Vhost, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "pika")
    error = refusal(RabbitBus(rabbit.url_of("guest", PASSWORD)))
    assert "refuses the user or the password" in error.message
    assert "REPLICATE_BUS_URL" in error.next_step
    assert PASSWORD not in "".join(traceback.format_exception(error))
    assert PASSWORD not in caplog.text


def test_a_virtual_host_that_does_not_exist_is_told(rabbit: Vhost) -> None:
    error = refusal(RabbitBus(f"{rabbit.url}-forgotten"))
    assert "virtual host" in error.message
    assert "REPLICATE_BUS_URL" in error.next_step
