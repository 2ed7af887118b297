"""What goes wrong with Canvas, by what to do next, and what each exception of requests means.

TransientError
├── CanvasThrottled        not executed: Canvas is asked again after a pause
├── CanvasUnavailable      no answer, or one that is not Canvas's
├── CanvasOutcomeUnknown   a call that must not simply be repeated: look what Canvas has
└── LinkExpired            a file store takes the link no longer: read the report again for a fresh one
PermanentError
└── TokenRefused           the access token is wrong, expired or revoked: no call will succeed

Other refusals are PermanentError with code ``canvas.<status>``. What requests raises is never a cause or a context of
ours: it carries the request, and with it the token and signed addresses.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from requests import exceptions
from urllib3 import exceptions as below

from canvas_replicate.canvas.urls import Call
from canvas_replicate.errors import ConfigError, PermanentError, ReplicateError, TransientError

# Everything that sending and reading raises. A file of certificates that is not there is a plain OSError, as
# RequestException is; urllib3 reads the body by itself, so its own tree counts as well.
HTTP_ERRORS = (OSError, below.HTTPError)

_NOT_SENT = (below.NewConnectionError, below.ConnectTimeoutError, below.ProxyError)
_ADDRESS = (exceptions.URLRequired, exceptions.MissingSchema, exceptions.InvalidSchema, exceptions.InvalidURL)
_ADDRESS_BELOW = below.LocationValueError
_OUR_FAULT = (
    *(exceptions.InvalidHeader, exceptions.InvalidJSONError, exceptions.StreamConsumedError),
    *(exceptions.TooManyRedirects, exceptions.UnrewindableBodyError),
)


class CanvasThrottled(TransientError):
    """``pause_seconds``: how long to wait before the next call, as far as it is known."""

    default_code = "canvas.throttled"

    def __init__(self, message: str, *, pause_seconds: float) -> None:
        super().__init__(message, next_step="Another program may be using the same token: give each its own.")
        self.pause_seconds = pause_seconds


class CanvasUnavailable(TransientError):
    """``may_have_run``: False when the call certainly did not reach Canvas."""

    default_code = "canvas.unavailable"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        next_step: str = "",
        tries: int | None = None,
        may_have_run: bool = True,
        pause_seconds: float = 0,
    ) -> None:
        super().__init__(message, code=code, next_step=next_step, tries=tries)
        self.may_have_run = may_have_run
        self.pause_seconds = pause_seconds


class CanvasOutcomeUnknown(TransientError):
    default_code = "canvas.outcome_unknown"


class LinkExpired(TransientError):
    default_code = "canvas.link_expired"


class TokenRefused(PermanentError):
    default_code = "canvas.401"


def translated(error: OSError | below.HTTPError, call: Call) -> ReplicateError:
    """Our error for one of HTTP_ERRORS. Its text holds no address beyond ``call``'s, and nothing that was sent."""
    chain = list(_list_reasons(error))
    if untrusted := next((each for each in chain if isinstance(each, ssl.SSLCertVerificationError)), None):
        why = getattr(untrusted, "verify_message", "") or "verification failed"
        text, step = (
            f"{call}: the certificate is not trusted ({why}).",
            "Name its authority's file in REQUESTS_CA_BUNDLE.",
        )
        return ConfigError(text, code="canvas.certificate", next_step=step)
    if not isinstance(error, exceptions.RequestException | below.HTTPError):
        text = f"{call}: the files with certificates cannot be read."
        return ConfigError(text, code="canvas.certificate", next_step="Look at REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE.")
    if isinstance(error, exceptions.JSONDecodeError):
        return CanvasUnavailable(f"{call}: the answer is not JSON.", code="canvas.not_json")
    if isinstance(error, (*_ADDRESS, _ADDRESS_BELOW)):
        step = "Look at REPLICATE_CANVAS__BASE_URL and at HTTPS_PROXY."
        return ConfigError(f"{call}: the address cannot be used.", code="canvas.url", next_step=step)
    if isinstance(error, _OUR_FAULT):
        return PermanentError(f"{call}: this cannot be sent ({type(error).__name__}).", code="canvas.request")
    not_sent = any(isinstance(each, _NOT_SENT) for each in chain) or isinstance(error, exceptions.ConnectTimeout)
    return CanvasUnavailable(f"{call}: {_describe(chain)}.", code="canvas.lost", may_have_run=not not_sent)


def _list_reasons(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes: requests wraps urllib3's errors, and these wrap the socket's."""
    seen: set[int] = set()
    found: object = error
    while isinstance(found, BaseException) and id(found) not in seen:
        seen.add(id(found))
        yield found
        first = found.args[0] if found.args else None
        inner = [getattr(found, "reason", None), first, *found.args[1:2], found.__cause__]
        found = next((each for each in inner if isinstance(each, BaseException)), None)


def _describe(chain: list[BaseException]) -> str:
    if any(isinstance(each, below.ReadTimeoutError | exceptions.ReadTimeout) for each in chain):
        return "no answer in time"
    if any(type(each) in (below.ConnectTimeoutError, exceptions.ConnectTimeout) for each in chain):
        return "no connection in time"
    name = type(chain[-1]).__name__
    system = chain[-1].strerror if isinstance(chain[-1], OSError) else None
    return f"no connection, or it broke ({system if isinstance(system, str) and system else name})"
