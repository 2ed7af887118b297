"""How a run of SQL*Loader ended: exit status, log and screen output judged together.

Exit status on Unix (Oracle Utilities, Exit Codes for Inspection and Display): 0 all rows loaded; 2 rows rejected or
discarded, or the load discontinued; 1 a syntax error or a fatal Oracle error; 3 an error of the operating system.
"""

from __future__ import annotations

import signal
from dataclasses import replace

from canvas_replicate.databases.oracle.errors import build_error, find_inner_code
from canvas_replicate.databases.sqlldr.launcher import NOT_STARTED
from canvas_replicate.databases.sqlldr.log_file import LoadLog, read_log
from canvas_replicate.errors import DataError, PermanentError, ReplicateError, TransientError

_ENDED_BY_ITSELF = (0, 2)
# No session, a data file that could not be read on, a log or bad file that could not be made, an error of the
# database that has nothing to do with the data.
_WARNINGS = ("ORA-28002", "ORA-28011")
_MOST_SHOWN = 500
_TRY_IT = "Try `sqlldr help=y` on the loader's machine: ORACLE_HOME and the client's libraries must be found there."
_TRANSIENT = ("SQL*Loader-128", "SQL*Loader-501", "SQL*Loader-522", "SQL*Loader-605")


def decide_outcome(status: int, log: str, lines: list[str], doing: str, log_name: str, *, screen: str = "") -> LoadLog:
    """``status`` is negative for a signal, as subprocess has it; ``log`` is empty where there is none.

    ``lines`` are the coded lines of log and screen that hold no secret, ``screen`` is what a person may read of the
    screen. Status and counts decide whether a load is complete; a coded line in the log of a complete one is a note. A
    load that an error of the database discontinued raises that error for any status. ``stopped`` and
    ``unusable_indexes`` only report.
    """
    serious = [line for line in lines if not is_warning(line)]
    if status not in _ENDED_BY_ITSELF:
        raise _build_failure(status, serious, doing, log_name if log else None, screen)
    try:
        read = read_log(log)
    except DataError as error:
        if serious:
            raise _build_failure(status, serious, doing, log_name if log else None, screen) from None
        if not log:
            text = f"{doing}: SQL*Loader ended with status {status} and wrote no log{_quote(screen)}."
            raise DataError(text, code=error.code, next_step=_TRY_IT) from None
        raise DataError(f"{doing}: {error.message}", code=error.code, next_step=f"Read {log_name}.") from None
    fatal = [line for line in read.fatal if not is_warning(line)]
    if status and fatal and not read.stopped and not read.rejected + read.discarded:
        read = replace(read, stopped=fatal[0])  # nothing else explains the status
    if read.stopped and any(line.startswith("ORA-") for line in fatal):
        raise _build_failure(status, serious, doing, log_name, screen)
    return read


def is_warning(line: str) -> bool:
    """A coded line that says nothing about the load: a password's expiry, or what SQL*Loader itself calls a warning."""
    code, _, message = line.partition(":")
    return code in _WARNINGS or message.strip().lower().startswith("warning")


def _quote(screen: str) -> str:
    return f"; its output: {screen[-_MOST_SHOWN:]}" if screen else ""


def _build_failure(status: int, lines: list[str], doing: str, log_name: str | None, screen: str) -> ReplicateError:
    codes = [line.partition(":")[0] for line in lines]
    oracle = next((code for code in codes if code.startswith("ORA-")), None)
    if oracle is not None:
        messages = "\n".join(lines)
        return build_error(find_inner_code(messages, oracle), doing, messages)
    step = f"Read {log_name}." if log_name else _TRY_IT
    if lines:
        kind = TransientError if codes[0] in _TRANSIENT else PermanentError
        return kind(f"{doing}: {lines[0]}", code=codes[0], next_step=step)
    if status == NOT_STARTED:
        text = f"{doing}: SQL*Loader could not be started{_quote(screen)}."
        return PermanentError(text, code="sqlldr.start", next_step=_TRY_IT)
    ended_by = _find_signal(status)
    if ended_by:
        text = f"{doing}: SQL*Loader was ended by {ended_by}."
        return TransientError(text, code="sqlldr.signal", next_step="If it comes again, give the loader more memory.")
    shown = "" if log_name else _quote(screen)
    text = f"{doing}: SQL*Loader ended with status {status}{shown}."
    return PermanentError(text, code="sqlldr.status", next_step=step)


def _find_signal(status: int) -> str | None:
    number = -status if status < 0 else status - 128  # as subprocess reports it, and as a shell does
    return signal.Signals(number).name if number in signal.valid_signals() else None
