"""Addresses: paths of the API, parameters as Rails reads them, and which host may see the token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urljoin, urlsplit

from canvas_replicate.errors import PermanentError

API = "/api/v1/"
# The words of the API's paths; everything else in a path is an id. So a label has few values.
_WORDS = frozenset(
    (
        *("accounts", "admins", "courses", "sections", "enrollments", "users", "logins", "observees", "terms"),
        *("groups", "memberships", "files", "progress", "reports", "sis_imports", "settings", "bulk_enrollment"),
        *("abort", "abort_all_pending", "restore_states", "reactivate", "crosslist"),
        *("blueprint_templates", "default", "update_associations", "migrations"),
    )
)


@dataclass(frozen=True)
class Call:
    """One call as errors, logs and metrics name it: without ids, parameters or anything secret."""

    method: str
    endpoint: str
    host: str

    def __str__(self) -> str:
        return f"{self.method} {self.endpoint} at {self.host}"


def api_path(*parts: str | int) -> str:
    """``api_path("courses", "sis_course_id:CS/1.0", "enrollments")`` as one path, each part encoded.

    A dot is encoded too: Rails would take what follows for a file extension. A bare number is always a Canvas id;
    ids of the student system carry their prefix, such as ``sis_term_id:``. Raises ValueError for an empty part.
    """
    texts = [str(part) for part in parts]
    if not all(texts):
        raise ValueError("an empty part would make it another path")
    return "/".join(quote(text, safe=":~").replace(".", "%2E") for text in texts)


def endpoint(path: str) -> str:
    """``accounts/self/reports/provisioning_csv/40`` -> ``/accounts/:id/reports/:report/:id``"""
    labels: list[str] = []
    for part in path.strip("/").split("/"):
        if labels and labels[-1] == "reports":
            labels.append(":report")
        else:
            labels.append(part if part in _WORDS else ":id")
    return "/" + "/".join(labels)


def add_query(url: str, params: Mapping[str, object]) -> str:
    query = urlencode(list(list_pairs(params)))
    return f"{url}?{query}" if query else url


def list_pairs(params: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Names and texts as Rails nests them: ``a[b]=1``, ``ids[]=1&ids[]=2``. None is left out."""
    for name, value in params.items():
        yield from _nest(name, value)


def _nest(name: str, value: object) -> Iterator[tuple[str, str]]:
    match value:
        case None:
            return
        case bool():
            yield name, "true" if value else "false"
        case str() | int() | float():
            yield name, str(value)
        case Mapping():
            for inner, each in value.items():
                yield from _nest(f"{name}[{inner}]", each)
        case list() | tuple():
            for each in value:
                yield from _nest(name if name.endswith("[]") else f"{name}[]", each)
        case _:
            raise TypeError(f"parameter {name} is a {type(value).__name__}")


def join_url(url: str, reference: str) -> str:
    """Where a reference found at ``url`` leads. Raises PermanentError where it cannot be read."""
    try:
        return urljoin(url, reference)
    except ValueError:
        raise PermanentError("This is no web address like https://host/path.", code="canvas.url") from None


def origin(url: str) -> str:
    """``https://host:port`` of a URL, always with the port. Raises PermanentError for what is no plain web address."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        port = None
    if port is None or not parts.hostname or "@" in parts.netloc or "\\" in parts.netloc:
        # The message has no address: it may hold a password or a signature.
        raise PermanentError("This is no web address like https://host/path.", code="canvas.url")
    return f"{parts.scheme}://{parts.hostname}:{port}"
