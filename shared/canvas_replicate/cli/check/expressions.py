"""Whether the expressions of a control file can run."""

from __future__ import annotations

from canvas_replicate.cli.check.findings import Finding, collect_errors
from canvas_replicate.control_file import ControlFile, Field
from canvas_replicate.databases.opening import Engine
from canvas_replicate.errors import ConfigError, Place
from canvas_replicate.sql.control_expressions import replace_binds, translate_expression


def check_expressions(table: str, control: ControlFile, engine: Engine) -> list[Finding]:
    """``engine`` is that of the target."""
    findings: list[Finding] = []
    for field in control.fields:
        if field.expression is not None:
            with collect_errors(findings, table):
                _require_expression(control, field, field.expression, engine)
    return findings


def _require_expression(control: ControlFile, field: Field, expression: str, engine: Engine) -> None:
    """Raises ConfigError for an expression that names no field, or that the target's engine cannot be given."""
    place, used = Place(control.file, field.line), list[str]()
    replace_binds(expression, lambda name: used.append(name))
    unknown = [name for name in used if name not in {each.name for each in control.fields}]
    if unknown:
        raise ConfigError(f"{field.name}: its expression uses :{unknown[0]}, which is no field.", place=place)
    if engine != "oracle":
        try:
            translate_expression(expression, engine)
        except ConfigError as error:
            step = "Write it in functions that are translated, or compute it in the query."
            raise ConfigError(f"{field.name}: {error.message}", place=place, next_step=step) from error
