"""How a run of SQL*Loader ended: exit status, log and screen output judged together.

Exit status on Unix (Oracle Utilities, Exit Codes for Inspection and Display): 0 all rows loaded; 2 rows rejected or
discarded, or the load discontinued; 1 a syntax error or a fatal Oracle error; 3 an error of the operating system.
"""

from __future__ import annotations

import signal

from canvas_replicate.databases.oracle.errors import build_error, find_inner_code
from canvas_replicate.databases.sqlldr.launcher import NOT_STARTED
from canvas_replicate.databases.sqlldr.log_file import LoadLog, read_log
from canvas_replicate.errors import DataError, PermanentError, ReplicateError, TransientError

_ENDED_BY_ITSELF = (0, 2)
# No session, a data file that could not be read on, a log or bad file that could not be made, an error of the
# database that has nothing to do with the data.
_TRANSIENT = ("SQL*Loader-128", "SQL*Loader-501", "SQL*Loader-522", "SQL*Loader-605")


def decide_outcome(status: int, log: str, lines: list[str], doing: str, log_name: str) -> LoadLog:
    """``status`` is negative for a signal, as subprocess has it.

    ``lines`` are the coded lines of log and screen that hold no secret. A load that an error of the database
    discontinued raises that error for any status. ``stopped`` and ``unusable_indexes`` only report.
    """
    if status not in _ENDED_BY_ITSELF:
        raise _build_failure(status, lines, doing, log_name)
    try:
        read = read_log(log)
    except DataError as error:
        if lines:
            raise _build_failure(status, lines, doing, log_name) from None
        raise DataError(f"{doing}: {error.message}", code=error.code, next_step=f"Read {log_name}.") from None
    if read.stopped and any(line.startswith("ORA-") for line in read.fatal):
        raise _build_failure(status, lines, doing, log_name)
    return read


def _build_failure(status: int, lines: list[str], doing: str, log_name: str) -> ReplicateError:
    codes = [line.partition(":")[0] for line in lines]
    oracle = next((code for code in codes if code.startswith("ORA-")), None)
    if oracle is not None:
        messages = "\n".join(lines)
        return build_error(find_inner_code(messages, oracle), doing, messages)
    step = f"Read {log_name}."
    if lines:
        kind = TransientError if codes[0] in _TRANSIENT else PermanentError
        return kind(f"{doing}: {lines[0]}", code=codes[0], next_step=step)
    if status == NOT_STARTED:
        text = f"{doing}: SQL*Loader could not be started."
        return PermanentError(text, code="sqlldr.start", next_step="Try `sqlldr help=y` in the loader's container.")
    ended_by = _find_signal(status)
    if ended_by:
        text = f"{doing}: SQL*Loader was ended by {ended_by}."
        return TransientError(text, code="sqlldr.signal", next_step="If it comes again, give the loader more memory.")
    return PermanentError(f"{doing}: SQL*Loader ended with status {status}.", code="sqlldr.status", next_step=step)


def _find_signal(status: int) -> str | None:
    number = -status if status < 0 else status - 128  # as subprocess reports it, and as a shell does
    return signal.Signals(number).name if number in signal.valid_signals() else None
