"""The meaning of Oracle's error codes: one table for the driver's and SQL*Loader's messages.

An unlisted code is permanent, so that a person sees it at once.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import oracledb

from canvas_replicate.errors import DataError, LoginRefused, PermanentError, ReplicateError, TransientError

# These codes only name a place; the code that follows them in the stack names the cause.
WRAPPERS = frozenset(
    {
        *("ORA-00604", "ORA-04088", "ORA-06512", "ORA-06550", "ORA-12008", "ORA-12018", "ORA-12048", "ORA-12801"),
        # Over a database link, while an object is compiled, in an external table.
        *("ORA-02055", "ORA-02063", "ORA-02068", "ORA-04045", "ORA-04052", "ORA-29400", "ORA-29913"),
    }
)

_CODE = re.compile(r"\b(ORA|DPY|DPI|TNS)-(\d{3,5})\b")
_PROGRAMMERS = re.compile(r"\bORA-20\d{3}\b")  # RAISE_APPLICATION_ERROR: the text may hold people's data
_COLUMN = re.compile(r'"[^".]+"\."[^".]+"\."([^"]+)"')
_INDEX = re.compile(r"index '?([\w$#.]+)'? (?:or partition|initially)")
_CONSTRAINT = re.compile(r"constraint \(([\w$#.]+)\)")

# The same work may succeed on a new connection.
_LOST = {
    *("DPY-4011", "DPY-6005", "DPY-6000", "DPY-4033", "DPY-4005", "DPY-1001", "DPY-4024", "DPY-6001", "DPY-6003"),
    *("ORA-00018", "ORA-00020", "ORA-00022", "ORA-00028", "ORA-00031", "ORA-00045", "ORA-00057", "ORA-00376"),
    *("ORA-00378", "ORA-00602", "ORA-00603", "ORA-00609", "ORA-01012", "ORA-01033", "ORA-01034", "ORA-01041"),
    *("ORA-01043", "ORA-01089", "ORA-01090", "ORA-01092", "ORA-01115", "ORA-02396", "ORA-03113", "ORA-03114"),
    *("ORA-03122", "ORA-03135", "ORA-12153", "ORA-12170", "ORA-12514", "ORA-12516", "ORA-12518", "ORA-12519"),
    *("ORA-12520", "ORA-12528", "ORA-12537", "ORA-12541", "ORA-12543", "ORA-12545", "ORA-12547", "ORA-12560"),
    *("ORA-12570", "ORA-12571", "ORA-12583", "ORA-12757", "ORA-16456", "ORA-25408", "ORA-27146", "ORA-28511"),
    "ORA-56600",
    # A limit of sessions or of connect time, and a database that is starting, stopping or in maintenance.
    *("ORA-02391", "ORA-02399", "ORA-01035", "ORA-01109", "ORA-01154", "ORA-01219", "ORA-01507", "ORA-10456"),
    # The network and the listener.
    *("ORA-03106", "ORA-03111", "ORA-03136", "ORA-12150", "ORA-12151", "ORA-12152", "ORA-12161", "ORA-12203"),
    *("ORA-12500", "ORA-12505", "ORA-12521", "ORA-12525", "ORA-12526", "ORA-12527", "ORA-12531", "ORA-12535"),
    *("ORA-12536", "ORA-12540", "ORA-12542", "ORA-12549", "ORA-12552", "ORA-12564", "ORA-12569", "ORA-12592"),
    *("ORA-12606", "ORA-12608", "ORA-12609", "ORA-12636", "ORA-12637"),
    # A failover (TAF), and a parallel server that died.
    *("ORA-25401", "ORA-25402", "ORA-25403", "ORA-25404", "ORA-25405", "ORA-25407", "ORA-25409", "ORA-12805"),
}
# The same work may succeed after a pause.
_BUSY = {
    *("ORA-00051", "ORA-00054", "ORA-00060", "ORA-01555", "ORA-01591", "ORA-02049", "ORA-04020", "ORA-04021"),
    *("ORA-04061", "ORA-04068", "ORA-08103", "ORA-08176", "ORA-08177", "ORA-14411", "ORA-14450", "ORA-30006"),
    *("ORA-22924", "ORA-01013", "ORA-00055", "ORA-00056", "ORA-00104", "ORA-01410", "ORA-02050", "ORA-02051"),
    *("ORA-02054", "ORA-02067", "ORA-04022", "ORA-04065", "ORA-12827", "ORA-12842", "ORA-12850", "ORA-14403"),
    "ORA-24761",
}
# The same work may succeed once the DBA has made room.
_FULL = {
    *("ORA-00257", "ORA-01536", "ORA-01628", "ORA-01631", "ORA-01652", "ORA-01653", "ORA-01654", "ORA-01658"),
    *("ORA-01688", "ORA-01691", "ORA-19502", "ORA-30036", "ORA-04031", "ORA-04030", "ORA-12853", "ORA-27102"),
    *("ORA-00255", "ORA-01562", "ORA-01630", "ORA-01632", "ORA-01650", "ORA-01655", "ORA-01656", "ORA-01659"),
    *("ORA-01683", "ORA-01685", "ORA-01692", "ORA-01693", "ORA-01694", "ORA-16014", "ORA-16038", "ORA-19504"),
    *("ORA-19809", "ORA-30032"),
}
# A fault of Oracle's own. It ends the session, and doing the same again ends the next one (oracle.md 3.1).
_STOP_AND_LOOK = frozenset({"ORA-00600", "ORA-07445", "ORA-03137"})
# A value is not what the database takes. Their texts may quote it (since 23ai), so messages hold our own words.
_VALUE = {
    "ORA-00001": "a row with this key exists already",
    "ORA-01400": "NULL in a NOT NULL column",
    "ORA-01407": "NULL in a NOT NULL column",
    "ORA-01401": "value too large",
    "ORA-01426": "numeric overflow",
    "ORA-01438": "number too large",
    "ORA-01461": "value too large for a LONG bind",
    "ORA-01465": "not hexadecimal",
    "ORA-01489": "text too long",
    "ORA-01722": "invalid number",
    "ORA-02290": "a check constraint is violated",
    "ORA-02291": "the parent key is missing",
    "ORA-02292": "a child record exists",
    "ORA-06502": "numeric or value error",
    "ORA-12899": "value too large",
    "ORA-14400": "no partition takes this key",
    "ORA-30926": "more than one source row",
    "DPY-8000": "value too large",
    "DPY-8001": "NULL in a NOT NULL column",
    "DPY-4036": "number too large",
    "DPY-4037": "number too large",
    "DPY-4038": "number too large",
    "DPY-4039": "number too large",
    "DPY-4042": "a number has more digits than its column allows",
    **{f"ORA-{number:05}": "not a date as its mask describes it" for number in range(1810, 1900)},
}
# The driver's text quotes what it stumbled over: a connect string, or bytes of an answer.
_UNTOLD = {
    "DPY-4017": "the connect string cannot be read",
    "DPY-4018": "the connect string cannot be read",
    "DPY-2049": "the connect string names no address",
    "DPY-4019": "the listener's answer cannot be read",
    "DPY-5004": "the server's answer cannot be read",
}
# How often a transient error is worth trying, where that is less often than the ladder is long.
_TRIES = {"ORA-01555": 2, "ORA-22924": 2, "ORA-12514": 3, "ORA-12505": 3, "DPY-6001": 3, "ORA-00028": 2, "DPY-4024": 2}

_LOGIN = {"ORA-01017", "ORA-01005", "ORA-01045", "ORA-28000", "ORA-28001", "DPY-4001"}
_SYNTAX = (905, 906, 907, 911, 918, 920, 921, 923, 933, 934, 936, 937, 979)

_NEXT_STEPS = {
    "ORA-01017": "Check user and password; it is not tried again, so that the account is not locked.",
    "ORA-28000": "The account is locked: ask the DBA to unlock it.",
    "ORA-28001": "The password has expired: have it changed, then set the new one.",
    "ORA-02391": "The user's limit of sessions is reached: lower REPLICATE_DATABASES__<ALIAS>__MAX_PARALLEL, or have"
    " SESSIONS_PER_USER raised.",
    "ORA-01005": "Set REPLICATE_DATABASES__<ALIAS>__PASSWORD.",
    "DPY-4001": "Set REPLICATE_DATABASES__<ALIAS>__PASSWORD.",
    **dict.fromkeys(_STOP_AND_LOOK, "An error inside Oracle: ask the DBA to look at the database's alert log."),
    "ORA-00942": "Check the name, and ask the DBA for SELECT on it, granted directly and not through a role.",
    "ORA-01031": "Ask the DBA for the privilege: deploy/sql has the grants.",
    "ORA-01555": "Undo is kept for less time than this read takes: run it at a quieter hour, or have UNDO_RETENTION"
    " raised.",
    "ORA-23401": "Check mvtable in tablesconf.yaml; a synonym does not do, and the view must be visible to this user.",
    **dict.fromkeys((f"ORA-{number:05}" for number in _SYNTAX), "Correct the SQL of the query."),
    "ORA-26002": "Direct path cannot load a table with this index: set loader: insert in tablesconf.yaml, or have the"
    " index dropped and made again after the load.",
    "ORA-39826": "Direct path needs the table itself: write its own name as cstable instead of a view or synonym, or"
    " set loader: insert in tablesconf.yaml.",
    **dict.fromkeys(("ORA-01502", "ORA-26026"), "Have the index rebuilt: ALTER INDEX {index} REBUILD"),
    "ORA-02266": "A foreign key refers to this table: write REPLACE in the control file instead of TRUNCATE.",
    "DPY-3010": "This database is older than thin mode reaches: add ?mode=thick to its URL.",
    "DPY-3015": "The user has only a 10G password verifier: have the password set again, or add ?mode=thick.",
    "DPY-3001": "The server demands native network encryption: use TLS, or add ?mode=thick to the URL.",
    "DPY-4000": "The name is not in tnsnames.ora: check the URL and its config_dir.",
    "DPY-4026": "There is no tnsnames.ora in the URL's config_dir.",
    "DPY-4027": "Add ?config_dir=/path/of/tnsnames to the URL.",
}

_REPEATED_KEY = (
    "Rows of the base table repeat the key of a unique index on the view. Correct them in the source, or drop the index"
    " and make it on columns that are unique: a rerun alone fails again."
)


def build_error(code: str, doing: str, message: str = "") -> ReplicateError:
    """One of ours for a code such as ``ORA-12541`` or ``DPY-4011``.

    ``doing`` names the table, view or query; ``message`` is Oracle's message: only its first line is shown,
    and none of it where it may quote a value.
    """
    index = _INDEX.search(message)
    next_step = _NEXT_STEPS.get(code, "").replace("{index}", index[1] if index else "...")
    if code in _VALUE:
        column, constraint = find_column(message), _CONSTRAINT.search(message)
        if code == "ORA-00001" and "ORA-12008" in message:
            next_step = _REPEATED_KEY
        where = f", column {column}" if column else f", constraint {constraint[1]}" if constraint else ""
        return DataError(f"{doing}: {_VALUE[code]} ({code}{where}).", code=code, next_step=next_step)
    if is_programmers(code):
        shown = f"{code}: raised by a trigger, a procedure or a function; its text is not repeated."
    else:
        shown = f"{code}: {_UNTOLD[code]}." if code in _UNTOLD else find_first_line(code, message)
    text = f"{doing}: {shown}"
    if code in _LOST or code in _BUSY:
        return TransientError(text, code=code, next_step=next_step, tries=_TRIES.get(code))
    if code in _FULL:
        step = "Ask the DBA to make room; the work is retried meanwhile."
        return TransientError(text, code=code, next_step=step)
    return (LoginRefused if code in _LOGIN else PermanentError)(text, code=code, next_step=next_step)


def is_programmers(text: str) -> bool:
    """Whether a code or a message has an error with a text of the programmer's own."""
    return _PROGRAMMERS.search(text) is not None


def find_reason(code: str) -> str | None:
    """Our words for a code about a value; None for any other."""
    return _VALUE.get(code)


def find_column(message: str) -> str | None:
    """The column that a message names as ``"OWNER"."TABLE"."COLUMN"``."""
    found = _COLUMN.search(message)
    return found[1].lower() if found else None


def find_first_line(code: str, message: str) -> str:
    """The message's line about this code, without the driver's help address."""
    lines = [line.strip() for line in message.splitlines() if line.strip() and not line.startswith("Help:")]
    line = next((line for line in lines if code in line), lines[0] if lines else "")
    return line if code in line else f"{code}: {line}".rstrip(": ")


def find_inner_code(message: str, outer: str) -> str:
    """The code that names the cause: ``ORA-12008`` and its like only wrap it."""
    if outer and outer not in WRAPPERS:
        return outer
    return next((code for code in _find_codes(message) if code not in WRAPPERS), outer)


def _find_codes(message: str) -> list[str]:
    """In order, ORA codes with all their five digits."""
    return [f"{kind}-{number:0>5}" if kind == "ORA" else f"{kind}-{number}" for kind, number in _CODE.findall(message)]


@contextmanager
def translate_errors(doing: str) -> Iterator[None]:
    """Turn what the driver raises into one of our errors; ``doing`` names the table, view or query."""
    try:
        yield
    except (oracledb.Error, OSError, UnicodeDecodeError) as error:
        ours = translated(error, doing)
        # The driver's text about a value may quote it, and a traceback would show it.
        is_quoting = isinstance(ours, DataError) or ours.code in _UNTOLD or is_programmers(str(error))
        raise ours from (None if is_quoting else error)


def translated(error: Exception, doing: str) -> ReplicateError:
    """Never holds a row's content, a password or a connect string."""
    if isinstance(error, UnicodeDecodeError):
        problem = f"{doing}: a text is not valid in the database's own character set."
        step = "Find it in the source, or convert the column in the query's SQL."
        return DataError(problem, code="oracle.charset", next_step=step)
    if isinstance(error, socket.gaierror):
        return TransientError(f"{doing}: the host name is not known.", code="oracle.host")
    if isinstance(error, OSError):
        return TransientError(f"{doing}: {error.strerror or type(error).__name__}.", code="oracle.network")
    found = error.args[0] if error.args else None
    full_code, message = str(getattr(found, "full_code", "")), str(getattr(found, "message", error))
    if isinstance(error, oracledb.NotSupportedError) and not full_code:
        return PermanentError(f"{doing}: {find_first_line('', message)}", code="oracle.unsupported")
    code = find_inner_code(message, full_code)
    if code in ("DPY-6005", "DPY-6000"):  # the listener's own code follows
        code = next((inner for inner in ("ORA-12514", "ORA-12505", "DPY-6003") if inner in message), code)
        code = "DPY-6001" if "DPY-6001" in message else code
    if code == "DPY-4011":  # why the session ended, where the server could still send it
        telling = (_LOST | _STOP_AND_LOOK) - {code}
        code = next((inner for inner in _find_codes(message) if inner in telling), code)
    return build_error(code or "oracle", doing, message)
