"""The meaning of a broker's refusal or a lost connection. No exception of pika leaves the adapter."""

from __future__ import annotations

import ssl

from pika import exceptions
from pika.adapters.utils.connection_workflow import (
    AMQPConnectionWorkflowFailed,
    AMQPConnectorException,
    AMQPConnectorPhaseErrorBase,
)

from canvas_replicate.errors import ConfigError, PermanentError, ReplicateError, TransientError

# Everything that pika raises. An unknown host is an OSError, a broker that accepts and then is silent an
# AMQPConnectorException; neither is an AMQPError.
_AMQP_ERRORS = (exceptions.AMQPError, exceptions.ChannelError, exceptions.ReentrancyError)
PIKA_ERRORS = (*_AMQP_ERRORS, AMQPConnectorException, OSError)

_REFUSED = (exceptions.AuthenticationError, exceptions.ProbableAuthenticationError)
_NOT_SENDABLE = (
    *(exceptions.BodyTooLongError, exceptions.ShortStringTooLong),
    *(exceptions.InvalidFieldTypeException, exceptions.UnsupportedAMQPFieldException),
)

TIMEOUT_ADVICE = (
    "Set consumer_timeout in the broker's rabbitmq.conf above the longest job, in milliseconds: "
    "consumer_timeout = 43200000 (12 h). The work went on; the message comes again."
)
_TOPOLOGY_ADVICE = "Set REPLICATE_BUS_DECLARE=true, or have the broker's administrator make it (docs/rabbitmq.md)."


def translated(error: Exception, broker: str = "RabbitMQ") -> ReplicateError:
    """Our error for one of PIKA_ERRORS; ``broker`` begins its text. It never holds a password."""
    cause = _find_innermost(error)
    match error:
        case exceptions.ChannelClosed() | exceptions.ConnectionClosed():
            return _build_closed(error.reply_code, error.reply_text, broker)
        case exceptions.ProbableAccessDeniedError():
            return _build_refused(f"{broker} does not let this user into the virtual host, or there is no such host")
        case exceptions.IncompatibleProtocolError():
            step = "If that port speaks TLS, REPLICATE_BUS_URL must begin with amqps://."
            return TransientError(f"{broker} broke off the first exchange.", code="bus.lost", next_step=step)
        case exceptions.ConsumerCancelled():
            text = f"{broker} cancelled the consumer: the queue was deleted or moved, or a handler took too long."
            return TransientError(text, code="bus.cancelled", next_step=TIMEOUT_ADVICE)
        case exceptions.ConnectionBlockedTimeout():
            text = f"{broker} takes no messages: its memory or disk alarm is on."
            return TransientError(text, code="bus.blocked", next_step="Free memory or disk on the broker.")
        case exceptions.UnroutableError():
            keys = ", ".join(sorted({str(message.method.routing_key) for message in error.messages}))
            text = f"{broker} has no queue for a message with routing key {keys}."
            return ConfigError(text, code="bus.unroutable", next_step=_TOPOLOGY_ADVICE)
        case exceptions.NackError():
            return TransientError(f"{broker} did not take the message (queue full?).", code="bus.nacked")
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _build_refused(f"The certificate of {broker} is not trusted: {cause.verify_message.rstrip('.')}")
    if isinstance(error, _REFUSED):
        return _build_refused(f"{broker} refuses the user or the password")
    if isinstance(error, _NOT_SENDABLE):
        return PermanentError(f"AMQP cannot carry this message ({type(error).__name__}).", code="bus.not_sendable")
    return TransientError(f"{broker} cannot be reached, or the connection broke: {_describe(cause)}.", code="bus.lost")


def _build_refused(text: str) -> ConfigError:
    return ConfigError(f"{text}.", code="bus.refused", next_step="Look at REPLICATE_BUS_URL.")


def _build_closed(code: int, text: str, broker: str) -> ReplicateError:
    """By reply code and, where one code has several meanings, by the broker's text (the same from 3.10 to 4.x)."""
    said = f"{broker} answered {code} {text}."
    if code == 406 and "acknowledgement" in text and "timed out" in text:
        return TransientError(said, code="bus.acknowledgement_timeout", next_step=TIMEOUT_ADVICE)
    if code == 406 and "inequivalent" in text:
        step = "Delete that queue once it is empty, or set REPLICATE_BUS_DECLARE=false to use it as it is."
        return ConfigError(said, code="bus.topology", next_step=step)
    if code == 406 and "delivery tag" not in text:
        return PermanentError(said, code="bus.precondition")
    if code == 404 and "- no " in text:
        return ConfigError(said, code="bus.topology", next_step=_TOPOLOGY_ADVICE)
    if code in (403, 530):
        return ConfigError(said, code="bus.refused", next_step="Permissions it needs: docs/rabbitmq.md.")
    return TransientError(said, code="bus.lost")


def _find_innermost(error: BaseException) -> BaseException:
    """The reason itself: pika wraps a refused connection three times."""
    match error:
        case AMQPConnectionWorkflowFailed() if error.exceptions:
            return _find_innermost(error.exceptions[-1])
        case AMQPConnectorPhaseErrorBase():
            return _find_innermost(error.exception)
        case exceptions.AMQPError() if error.args and isinstance(error.args[0], BaseException):
            return _find_innermost(error.args[0])
    return error


def _describe(error: BaseException) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return " ".join([type(error).__name__, *(str(argument).rstrip(".") for argument in error.args)])
