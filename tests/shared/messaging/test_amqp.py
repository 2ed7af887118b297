"""AMQP without a broker: URLs, errors, messages, arguments of queues."""

from __future__ import annotations

import inspect
import logging
import socket
import ssl
import struct
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pika
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import exceptions
from pika.adapters.utils import connection_workflow
from tests.behaviours.bus import requested

from canvas_replicate.errors import ConfigError, PermanentError, ReplicateError, TransientError
from canvas_replicate.messaging import topology
from canvas_replicate.messaging.bus import Delivery, connect
from canvas_replicate.messaging.messages import Envelope, UnreadableMessage, parse
from canvas_replicate.messaging.rabbitmq.bus import RabbitBus
from canvas_replicate.messaging.rabbitmq.declaration import arguments, list_stage_queues
from canvas_replicate.messaging.rabbitmq.delivery import Work
from canvas_replicate.messaging.rabbitmq.errors import PIKA_ERRORS, translated
from canvas_replicate.messaging.rabbitmq.message import build_envelope, build_properties, count_lost_deliveries
from canvas_replicate.messaging.rabbitmq.url import parameters
from canvas_replicate.messaging.retry import LADDER, get_lost_deliveries

PASSWORD = "a-word-that-is-secret"

# URLs


def test_a_url_says_all_there_is_to_connect() -> None:
    made = parameters("amqps://loader:p%40ss%2F@broker.example.edu/campus?heartbeat=20&socket_timeout=3")
    assert (made.host, made.port, made.virtual_host, made.heartbeat) == ("broker.example.edu", 5671, "campus", 20)
    assert (made.credentials.username, made.credentials.password) == ("loader", "p@ss/")
    assert (made.socket_timeout, made.stack_timeout, made.blocked_connection_timeout) == (3, 15, 60)
    assert made.connection_attempts == 1
    assert made.ssl_options.server_hostname == "broker.example.edu"
    assert made.ssl_options.context.verify_mode is ssl.CERT_REQUIRED
    assert made.ssl_options.context.check_hostname


@pytest.mark.parametrize(
    ("url", "vhost"),
    [("amqp://host", "/"), ("amqp://host/", "/"), ("amqp://host/%2F", "/"), ("amqp://host/a%2Fb", "a/b")],
)
def test_a_url_without_vhost_means_the_broker_s_default(url: str, vhost: str) -> None:
    made = parameters(url)
    assert (made.virtual_host, made.port, made.credentials.username, made.heartbeat) == (vhost, 5672, "guest", 60)
    assert made.ssl_options is None


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("amqp://u:secret-word#x@host/", "%23"),
        ("amqp://u:secret-word/x@host/", "%2F"),
        ("amqp://u:secret-word?x@host/", "%3F"),
        ("amqp://u:123?secret-word@host/", "no option '...'"),
        ("amqp://u:secret-word[@host/", "amqp://user:password@host"),
        ("amqp://u:secret-word@/x", "amqp://user:password@host"),
        ("amqp://u:secret-word@host:port/x", "amqp://user:password@host"),
        ("amqp://u:secret-word@host:99999/x", "the port must be a whole number from 1 to 65535"),
        ("amqp://host:0", "the port must be a whole number from 1 to 65535"),
        ("amqp://u:secret-word@host/x?hartbeat=5", "Did you mean 'heartbeat'?"),
        ("amqp://u:secret-word@host/x?heartbeat=0", "heartbeat must be whole seconds"),
        ("amqp://u:secret-word@host/x?heartbeat=1.5", "heartbeat must be whole seconds"),
        ("amqp://u:secret-word@host/x?cacertfile=ca.pem", "for amqps:// only"),
        ("amqps://u:secret-word@host/x?cacertfile=missing.pem", "cacertfile=missing.pem: No such file"),
    ],
)
def test_a_url_that_is_not_one_is_told_without_the_password(url: str, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        connect(url)
    assert says in str(raised.value)
    assert "REPLICATE_BUS_URL" in raised.value.message
    assert "secret-word" not in "".join(traceback.format_exception(raised.value))


def test_a_certificate_that_is_no_pem_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("not a certificate")
    with pytest.raises(ConfigError, match=r"ca\.pem"):
        parameters(f"amqps://host/?cacertfile={file}")


@given(st.text(min_size=1), st.text(alphabet="ab/@:#?%", min_size=1))
def test_whatever_the_url_the_password_is_never_told(user: str, password: str) -> None:
    url = f"amqp://{user}:word{password}word@host/x"
    try:
        parameters(url)
    except ConfigError as error:
        assert f"word{password}word" not in str(error)  # noqa: PT017


@pytest.mark.parametrize("host", ["127.0.0.1:1", "no-such-host.invalid:5672"])
def test_a_broker_out_of_reach_is_transient_and_no_log_holds_the_password(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "pika")
    with pytest.raises(TransientError) as raised:
        connect(f"amqp://u:{PASSWORD}@{host}/x").publish(requested())
    assert host in raised.value.message
    assert PASSWORD not in "".join(traceback.format_exception(raised.value))
    assert PASSWORD not in caplog.text


# Errors


def every_pika_error() -> list[Exception]:
    modules = (exceptions, connection_workflow)
    classes = {c for m in modules for _, c in inspect.getmembers(m, inspect.isclass) if issubclass(c, Exception)}
    with_reply = {exceptions.ChannelClosed, exceptions.ConnectionClosed}
    made: list[Exception] = []
    for found in sorted(classes, key=lambda c: c.__name__):
        if any(issubclass(found, kind) for kind in with_reply):
            made += [found(code, "SOMETHING - happened") for code in (320, 403, 404, 406, 530, 541)]
        elif found in (exceptions.NackError, exceptions.UnroutableError):
            made.append(found([]))
        elif found is connection_workflow.AMQPConnectionWorkflowFailed:
            made.append(found([TimeoutError("too late")]))
        elif issubclass(found, connection_workflow.AMQPConnectorPhaseErrorBase):
            made.append(found(ConnectionRefusedError(111, "Connection refused")))
        else:
            made.append(found())
    return [*made, socket.gaierror(-2, "Name or service not known"), ConnectionResetError()]


def certificate_error(verify_message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]")
    error.verify_message = verify_message
    return error


@pytest.mark.parametrize("error", every_pika_error(), ids=lambda error: type(error).__name__)
def test_every_error_of_pika_becomes_one_of_ours(error: Exception) -> None:
    assert isinstance(error, PIKA_ERRORS)
    ours = translated(error, "RabbitMQ at broker:5672")
    assert isinstance(ours, TransientError | PermanentError)
    assert ours.message.endswith(".")
    assert ours.code.startswith("bus.")


@pytest.mark.parametrize(
    ("error", "kind", "code", "says"),
    [
        (
            exceptions.ChannelClosedByBroker(
                406,
                "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 20000 ms.",
            ),
            TransientError,
            "bus.acknowledgement_timeout",
            "consumer_timeout = 43200000",
        ),
        (exceptions.ConsumerCancelled(), TransientError, "bus.cancelled", "consumer_timeout"),
        (
            exceptions.ChannelClosedByBroker(406, "PRECONDITION_FAILED - unknown delivery tag 1"),
            TransientError,
            "bus.lost",
            "unknown delivery tag",
        ),
        (
            exceptions.ChannelClosedByBroker(404, "NOT_FOUND - no queue 'q' in vhost '/'"),
            ConfigError,
            "bus.topology",
            "REPLICATE_BUS_DECLARE",
        ),
        (
            exceptions.ChannelClosedByBroker(404, "NOT_FOUND - home node 'x' of durable queue 'q' is down"),
            TransientError,
            "bus.lost",
            "is down",
        ),
        (exceptions.ProbableAuthenticationError("(403) ..."), ConfigError, "bus.refused", "REPLICATE_BUS_URL"),
        (exceptions.ConnectionBlockedTimeout(), TransientError, "bus.blocked", "alarm"),
        (
            exceptions.AMQPConnectionError(
                connection_workflow.AMQPConnectorSocketConnectError(ConnectionRefusedError(111, "Connection refused"))
            ),
            TransientError,
            "bus.lost",
            "Connection refused",
        ),
        (
            exceptions.AMQPConnectionError(
                connection_workflow.AMQPConnectorTransportSetupError(certificate_error("self-signed certificate"))
            ),
            ConfigError,
            "bus.refused",
            "not trusted: self-signed certificate",
        ),
        (exceptions.IncompatibleProtocolError("StreamLostError"), TransientError, "bus.lost", "amqps://"),
        (exceptions.ShortStringTooLong("x" * 300), PermanentError, "bus.not_sendable", "cannot carry"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_to_do_is_told_by_what_went_wrong(
    error: Exception, kind: type[ReplicateError], code: str, says: str
) -> None:
    ours = translated(error)
    assert type(ours) is kind
    assert ours.code == code
    assert says in str(ours)


# Messages


def received(properties: pika.BasicProperties, routing_key: str = "table.requested") -> Envelope:
    """As it comes back from a broker: encoded and decoded."""
    return read(b"".join(properties.encode()), routing_key)


def read(content: bytes, routing_key: str = "table.requested") -> Envelope:
    back = pika.BasicProperties()
    back.decode(content)
    return build_envelope(routing_key, back, b'{"table": "tmp_x"}')


def test_an_envelope_comes_back_as_it_went() -> None:
    sent = requested().with_headers(attempts=2, reason="Ümläut", first_failed_at="2030-01-01T00:00:00+00:00")
    properties = build_properties(sent)
    assert properties.delivery_mode == 2
    assert properties.content_type == "application/json"
    back = received(properties, sent.routing_key)
    assert (back.type, back.message_id, back.correlation_id) == (sent.type, sent.message_id, sent.correlation_id)
    assert (back.timestamp, back.app_id, back.headers) == (sent.timestamp, sent.app_id, sent.headers)


def test_a_message_without_properties_is_version_one_of_its_key_with_the_same_id_each_time() -> None:
    once, again = received(pika.BasicProperties()), received(pika.BasicProperties())
    assert once.type == "table.requested.v1"
    assert once.message_id == again.message_id
    assert once.message_id != received(pika.BasicProperties(), "table.ready").message_id


def test_headers_of_others_are_left_out() -> None:
    headers = {"x-delivery-count": 3, "traceparent": "00-1", "attempts": 1, "nested": {"a": 1}, "none": None}
    assert received(pika.BasicProperties(headers=headers)).headers == {"attempts": 1}


def test_a_message_with_the_largest_headers_makes_a_dead_letter_that_fits_into_a_frame() -> None:
    headers = {"first_failed_at": "\u20ac" * 20_000, "others": "x" * 70_000}
    letter = received(pika.BasicProperties(headers=headers)).with_headers(reason="\u20ac" * 50_000, attempts=1)
    assert len(b"".join(build_properties(letter).encode())) < 30_000
    assert letter.headers["reason"] == "\u20ac" * 2000


@pytest.mark.parametrize("name", ["attempts", "lost_deliveries", "deliveries", "code", "failed_at"])
def test_a_number_that_amqp_has_no_integer_for_comes_back_as_text(name: str) -> None:
    table = bytes([len(name)]) + name.encode() + b"d" + struct.pack(">d", 1e308)
    content = struct.pack(">HI", pika.BasicProperties.FLAG_HEADERS, len(table)) + table
    assert received(build_properties(read(content))).headers == {name: str(int(1e308))}


def test_a_header_that_ends_behind_its_table_makes_a_dead_letter() -> None:
    table = b"\x04nameS" + struct.pack(">I", 2**31) + b"x"
    flags = pika.BasicProperties.FLAG_HEADERS | pika.BasicProperties.FLAG_TYPE
    content = struct.pack(">HI", flags, len(table)) + table + b"\x12table.requested.v1"
    assert_dead_letter(lambda: read(content), "headers")
    assert read(content).type == "table.requested.v1"


COUNTS = [(0, 2, 2), (1, 0, 1), (2, 3, 5), ("many", 1, 1), (2**63 - 1, 3, 3)]


@pytest.mark.parametrize(("broker", "own", "total"), COUNTS)
def test_lost_deliveries_of_this_queue_are_added_to_those_before(broker: object, own: int, total: int) -> None:
    properties = pika.BasicProperties(headers={"x-delivery-count": broker, "lost_deliveries": own})
    counted = count_lost_deliveries(received(properties), properties)
    assert get_lost_deliveries(counted) == total


def test_a_dead_letter_of_the_broker_keeps_the_routing_key_it_was_published_with() -> None:
    deaths = [
        {"reason": "delivery_limit", "queue": "replicate.loader", "routing-keys": ["replicate.loader"]},
        {"reason": "expired", "queue": "replicate.loader.retry.10s", "routing-keys": ["table.ready"]},
    ]
    letter = received(pika.BasicProperties(headers={"x-death": deaths}), "replicate.loader.dead")
    assert letter.type == "table.ready.v1"
    assert letter.headers == {"reason": "delivery_limit"}


@pytest.mark.parametrize("reason", ["delivery_limit", "expired"])
def test_a_dead_letter_of_the_broker_has_no_verdict_of_its_publisher(reason: str) -> None:
    deaths = [{"reason": reason, "queue": "replicate.loader", "routing-keys": ["table.ready"]}]
    headers = {"x-death": deaths, "code": "mine", "reason": "mine", "next_step": "mine", "attempts": 3}
    letter = received(pika.BasicProperties(headers=headers), "replicate.loader.dead")
    assert letter.headers == {"attempts": 3, "reason": reason}


def test_a_message_that_rested_on_the_ladder_is_no_dead_letter() -> None:
    deaths = [{"reason": "expired", "queue": "replicate.loader.retry.10s", "routing-keys": ["table.ready"]}]
    assert received(pika.BasicProperties(headers={"x-death": deaths, "attempts": 1})).headers == {"attempts": 1}


DAMAGED = [
    (pika.BasicProperties(message_id=b"\xff"), "message_id"),
    (pika.BasicProperties(type=b"\xff", correlation_id=b"\xfe", app_id=b"\xfd"), "type and correlation_id and app_id"),
    (pika.BasicProperties(timestamp=253402300800), "timestamp"),  # the year 10000
    (pika.BasicProperties(timestamp=2**63), "timestamp"),
]


@pytest.mark.parametrize(("properties", "named"), DAMAGED)
def test_properties_that_cannot_be_decoded_make_a_dead_letter(properties: pika.BasicProperties, named: str) -> None:
    assert_dead_letter(lambda: received(properties), named)


UNDECODABLE = [
    b"T" + struct.pack(">Q", 253402300800),  # the year 10000
    b"T" + b"\xff" * 8,
    b"?",  # no type of AMQP
    b"".join(b"A" + struct.pack(">I", 5 * left) for left in reversed(range(2000))),  # 2,000 arrays deep
]


@pytest.mark.parametrize("value", UNDECODABLE, ids=["year 10000", "never", "type", "deep"])
def test_a_header_that_cannot_be_decoded_makes_a_dead_letter(value: bytes) -> None:
    table = b"\x04when" + value
    content = struct.pack(">HI", pika.BasicProperties.FLAG_HEADERS, len(table)) + table
    assert_dead_letter(lambda: read(content), "headers")


def assert_dead_letter(receive: Callable[[], Envelope], named: str) -> None:
    found = receive()
    with pytest.raises(UnreadableMessage, match=f"The message's {named} cannot be read"):
        parse(found)
    assert found.message_id == receive().message_id
    again = received(build_properties(found.with_headers(reason="told", attempts=1)))
    assert (again.message_id, again.headers) == (found.message_id, {"reason": "told", "attempts": 1})


def test_a_long_routing_key_makes_a_type_that_amqp_carries() -> None:
    assert len(received(pika.BasicProperties(), "x" * 255).type) == 255


# Deliveries


class RaisesMeanwhile(Work):
    """Its handler raises between the look for an error and the question whether it is over."""

    may_raise = threading.Event()

    def is_over(self) -> bool:
        if self._thread is not None:
            self.may_raise.set()
            self._thread.join(10)
        return super().is_over()


class Channel:
    """Delivers two messages."""

    is_open = True

    def __init__(self) -> None:
        self.rejected: list[int] = []

    def consume(self, queue: str, inactivity_timeout: float) -> Iterator[tuple[Any, Any, Any]]:
        for tag in (1, 2):
            yield pika.spec.Basic.Deliver("c", tag, routing_key="table.requested"), pika.BasicProperties(), b"{}"
        yield None, None, None

    def basic_reject(self, tag: int, requeue: bool) -> None:
        self.rejected.append(tag)


def test_a_consumer_whose_handler_raised_begins_no_other_message() -> None:
    begun: list[str] = []

    def handle(delivery: Delivery) -> None:
        begun.append(delivery.envelope.message_id)
        assert work.may_raise.wait(10)
        raise RuntimeError("the ledger is gone")

    work, channel, connection = RaisesMeanwhile(handle), Channel(), SimpleNamespace()
    bus: Any = RabbitBus("amqp://u:p@127.0.0.1:1/x")
    bus._hand_out(connection, channel, "replicate.extractor", work, threading.Event())
    assert len(begun) == 1
    assert isinstance(work.error, RuntimeError)
    assert channel.rejected == [1]


# Queues


def test_a_rung_leads_back_to_its_own_queue_and_a_work_queue_to_its_dead_letters() -> None:
    made = {queue.name: arguments(queue) for queue in topology.queues()}
    assert made["replicate.loader.retry.1m"]["x-message-ttl"] == 60_000
    assert made["replicate.loader.retry.1m"]["x-dead-letter-routing-key"] == "replicate.loader"
    assert made["replicate.loader"]["x-dead-letter-routing-key"] == "replicate.loader.dead"
    assert made["replicate.loader"]["x-delivery-limit"] == topology.DELIVERY_LIMIT
    assert made["replicate.events"]["x-overflow"] == "drop-head"
    assert {queue["x-queue-type"] for queue in made.values()} == {"quorum"}


def test_a_stage_touches_its_queue_its_ladder_and_its_dead_letters() -> None:
    assert len(list_stage_queues("replicate.canvas-pusher")) == 1 + len(LADDER) + 1
    assert list_stage_queues(topology.UNROUTED) == [topology.UNROUTED]
