"""Exchange and queues of ``topology`` as RabbitMQ wants them declared, or only looked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import ChannelClosedByBroker
from pika.exchange_type import ExchangeType

from canvas_replicate.errors import ConfigError
from canvas_replicate.messaging import topology

# From 4.0 on a quorum queue drops a message after 20 reads, and people read a dead letter more often.
_NEVER = 1_000_000


def declare(channel: BlockingChannel, rest_seconds: Callable[[int], float] = float) -> None:
    """Idempotent. ``rest_seconds`` changes how long a rung rests (tests do not wait an hour)."""
    others = {"alternate-exchange": topology.UNROUTED}
    channel.exchange_declare(topology.UNROUTED, ExchangeType.fanout, durable=True)
    channel.exchange_declare(topology.EXCHANGE, ExchangeType.topic, durable=True, arguments=others)
    for queue in topology.queues():
        channel.queue_declare(queue.name, durable=True, arguments=arguments(queue, rest_seconds))
    for stage in topology.STAGES:
        channel.exchange_declare(topology.work_queue(stage), ExchangeType.direct, durable=True)
    for queue in topology.queues():
        if exchange := topology.find_exchange(queue.name):
            channel.queue_bind(queue.name, exchange, queue.name)
    channel.queue_bind(topology.UNROUTED, topology.UNROUTED)
    for routing_key, name in topology.bindings():
        channel.queue_bind(name, topology.EXCHANGE, routing_key)


def arguments(queue: topology.Queue, rest_seconds: Callable[[int], float] = float) -> dict[str, Any]:
    """They cannot be changed afterwards: a queue with other arguments must be deleted first."""
    declared: dict[str, Any] = {"x-queue-type": "quorum"}
    target = queue.returns_to or queue.dead_letters_to
    if target:
        # The default exchange routes by queue name: to this one queue and no other. At least once: the
        # message leaves its queue only when the next one has it.
        declared |= {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": target}
        declared |= {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}
    if queue.rest_seconds is not None:
        declared["x-message-ttl"] = int(rest_seconds(queue.rest_seconds) * 1000)
    if queue.kind == "events":
        declared |= {"x-max-length": topology.EVENTS_KEPT, "x-overflow": "drop-head"}
    declared["x-delivery-limit"] = topology.DELIVERY_LIMIT if queue.kind == "work" else _NEVER
    return declared


def list_stage_queues(work_queue: str) -> list[str]:
    """The queue, its ladder and its dead letters: all that one stage touches."""
    return [queue.name for queue in topology.queues() if f"{queue.name}.".startswith(f"{work_queue}.")]


def check(connection: BlockingConnection, queues: Iterable[str]) -> None:
    """Passive. Raises ConfigError that names all that is missing. Bindings and arguments cannot be looked at."""
    needed = tuple(queues)
    exchanges = [
        topology.EXCHANGE,
        *sorted({exchange for name in needed if (exchange := topology.find_exchange(name))}),
    ]
    missing = [f"exchange {name}" for name in exchanges if not _is_there(connection, "exchange_declare", name)]
    missing += [f"queue {name}" for name in needed if not _is_there(connection, "queue_declare", name)]
    if missing:
        text = f"The broker has no {', no '.join(missing)}, and REPLICATE_BUS_DECLARE is false."
        step = "Set it to true, or have the broker's administrator make them (docs/rabbitmq.md)."
        raise ConfigError(text, code="bus.topology", next_step=step)


def _is_there(connection: BlockingConnection, declare_method: str, name: str) -> bool:
    channel = connection.channel()  # of its own, because the broker's no closes it
    try:
        getattr(channel, declare_method)(name, passive=True)
    except ChannelClosedByBroker as error:
        if error.reply_code != 404:
            raise
        return False
    channel.close()
    return True
