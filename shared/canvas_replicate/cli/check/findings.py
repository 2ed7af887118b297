"""The findings of the preflight: one line each, with the next step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from canvas_replicate.errors import ConfigError, ExitCode, PermanentError, ReplicateError

if TYPE_CHECKING:
    from canvas_replicate.config.pushes import PushProcess
    from canvas_replicate.config.tables import Table
    from canvas_replicate.databases.ports import Source
    from canvas_replicate.datfile.columns import Column

T = TypeVar("T")

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")

# Errors that may pass without a change. Every other error is about the configuration.
_PASSING = (ExitCode.DEPENDENCY_DOWN, ExitCode.ALREADY_RUNNING)


@dataclass(frozen=True)
class Finding:
    """One line of output.

    Attributes:
        level: ``error`` makes a run fail, ``warning`` may make it fail, ``note`` is information.
        what: a table's name, ``database odl_usr``, ``broker``, ``canvas``, ``files``, ``configuration``.
        exit_code: the command's exit code if this is an error and no other is worse.
    """

    level: Level
    what: str
    message: str
    next_step: str = ""
    exit_code: ExitCode = ExitCode.USAGE


def build_finding(what: str, error: ReplicateError, level: Level = "error") -> Finding:
    code = error.exit_code if error.exit_code in _PASSING else ExitCode.USAGE
    return Finding(level, what, error.message, error.next_step, code)


def build_findings(what: str, error: ReplicateError) -> list[Finding]:
    """One for each mistake that the error lists."""
    problems = error.problems if isinstance(error, ConfigError) else ()
    return [build_finding(what, each) for each in problems or (error,)]


@contextmanager
def collect_errors(findings: list[Finding], what: str) -> Iterator[None]:
    """Turn one of our errors in the block into a finding, so that the checks after it still run."""
    try:
        yield
    except ReplicateError as error:
        findings += build_findings(what, error)


def run_check(findings: list[Finding], what: str, look: Callable[[], T]) -> T | None:
    """Return the result of ``look``, or None if it raised one of our errors, which becomes a finding."""
    try:
        return look()
    except ReplicateError as error:
        findings += build_findings(what, error)
        return None


def describe_query(
    findings: list[Finding], what: str, database: str, source: Source, of: Table | PushProcess
) -> tuple[Column, ...] | None:
    """The columns of a configured query, which the source parses and does not run."""
    try:
        return source.describe(of.query)
    except PermanentError as error:
        message, step = f"{of.place}: {database} refuses the query: {error.message}", error.next_step
        findings.append(Finding("error", what, message, step or "Correct the sql there."))
    except ReplicateError as error:
        findings.append(build_finding(what, error))
    return None


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Errors first; duplicates are dropped."""
    return sorted(dict.fromkeys(findings), key=lambda finding: LEVELS.index(finding.level))


def choose_exit_code(findings: Iterable[Finding]) -> ExitCode:
    """Wrong configuration beats a dependency that is down, which beats a file that another process has."""
    return min((finding.exit_code for finding in findings if finding.level == "error"), default=ExitCode.OK)
