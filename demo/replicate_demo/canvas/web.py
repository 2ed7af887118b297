"""What lies outside of ``/api/``: browsers' pages, where a token counts for nothing, and the simulator's own paths."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from urllib.parse import parse_qs

from replicate_demo.canvas.answers import LOGIN_PAGE, Answer, answer_html, answer_json, answer_no_token, redirect
from replicate_demo.canvas.api import Request
from replicate_demo.canvas.faults import FAULTS
from replicate_demo.canvas.files import answer_from_store, download
from replicate_demo.canvas.site import Site

CONTROL = "/_simulator/"

_LOGIN = "/login/canvas"
_DOWNLOAD = re.compile(r"/files/(\d+)/download")
_FAULTS_PATH = f"{CONTROL}faults"


@dataclass(frozen=True)
class Recorded:
    """One request and the status of its answer. ``server`` is ``canvas`` or ``store``; ``path`` has the query."""

    server: str
    method: str
    path: str
    status: int
    headers: dict[str, str]
    body: bytes


def answer_web(site: Site, request: Request, store_origin: str) -> Answer:
    """A file for who knows its verifier, else the login page, or 401 for who wants JSON (fact sheet 1.7)."""
    if request.path == _LOGIN:
        return answer_html(LOGIN_PAGE)
    wanted = _DOWNLOAD.fullmatch(request.path)
    if wanted:
        with site.lock:
            found = download(site, int(wanted[1]), request.query, store_origin, site.options.clock())
        if found:
            return found
    if "application/json" in request.read_header("accept"):
        return answer_no_token()
    return redirect(f"{request.origin}{_LOGIN}")


def answer_store(site: Site, request: Request) -> Answer:
    name = request.path.strip("/").partition("/")[0]
    with site.lock:
        now = site.options.clock()
        return answer_from_store(
            site, name, request.query, authorization=bool(request.read_header("authorization")), now=now
        )


def answer_control(site: Site, request: Request, recorded: Sequence[Recorded]) -> Answer:
    """``health``, ``requests`` and ``faults``; no token is asked for."""
    if request.path == f"{CONTROL}health":
        return answer_json({"status": "ok"})
    if request.path == f"{CONTROL}requests" and request.method == "GET":
        shown = ("server", "method", "path", "status")
        return answer_json([{name: getattr(each, name) for name in shown} for each in recorded])
    if request.path != _FAULTS_PATH:
        return answer_json({"error": f"There are {CONTROL}health, {CONTROL}requests and {_FAULTS_PATH}."}, 404)
    return _answer_faults(site, request)


def _answer_faults(site: Site, request: Request) -> Answer:
    if request.method == "POST":
        try:
            _arm(site, request.body)
        except ValueError as error:
            return answer_json({"error": str(error)}, 400)
    elif request.method == "DELETE":
        site.faults.clear(parse_qs(request.query).get("fault", [None])[0])
    return answer_json({"armed": [asdict(fault) for fault in site.faults.armed()], "known": FAULTS})


def _arm(site: Site, body: bytes) -> None:
    """``{"fault": "server_error", "count": 3, "status": 503}``. Raises ValueError."""
    try:
        given = json.loads(body)
    except ValueError:
        raise ValueError('Send JSON, such as {"fault": "server_error", "count": 3}.') from None
    if not isinstance(given, dict) or "fault" not in given:
        raise ValueError('Say which fault: {"fault": "server_error"}.')
    options = {name: value for name, value in given.items() if name not in ("fault", "count")}
    site.faults.arm(given["fault"], given.get("count", 1), **options)
