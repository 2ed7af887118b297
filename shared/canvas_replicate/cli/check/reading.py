"""Whether a control file reads the data files as they are written (DESIGN section 8), and its expressions can run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from canvas_replicate.cli.check.findings import Finding, collect_errors
from canvas_replicate.control_file import ControlFile, Field
from canvas_replicate.databases.opening import Engine
from canvas_replicate.datfile.columns import Column
from canvas_replicate.datfile.format import ENCLOSURE, FIELD_END, RECORD_END
from canvas_replicate.errors import ConfigError, Place
from canvas_replicate.sql.control_expressions import replace_binds, translate_expression


def check_reading(table: str, control: ControlFile, query: Sequence[Column] | None, engine: Engine) -> list[Finding]:
    """``query``: the columns of the data file, None where they are not known; ``engine``: that of the target."""
    found = [*_find_format_problems(control, query)]
    findings = [Finding("error", table, message, step) for message, step in found]
    for field in control.fields:
        if field.expression is not None:
            with collect_errors(findings, table):
                _require_expression(control, field, field.expression, engine)
    return findings


def _find_format_problems(control: ControlFile, query: Sequence[Column] | None) -> Iterator[tuple[str, str]]:
    """Each message with its next step."""
    if control.record_end != RECORD_END.encode():
        end = control.record_end.decode("utf-8", "replace")
        message = f"{Place(control.file)}: records end with {end!r}, those of data files with {RECORD_END!r}."
        yield message, "Write \"STR '#EOR#\\n'\" after the name of INFILE."
    bare = {column.name for column in query or () if column.kind in ("number", "float")}
    fields = control.data_fields
    delimiters = {field.name: field.delimiters or control.delimiters for field in fields}
    for field in fields[:-1]:
        if delimiters[field.name].terminator != FIELD_END:
            message = f"{field.name} ends with {delimiters[field.name].terminator!r}, in data files with '|'."
            yield f"{Place(control.file, field.line)}: {message}", "Write TERMINATED BY '|'."
            break
    for field in fields if query is not None else ():
        if delimiters[field.name].enclosure != ENCLOSURE and field.name not in bare:
            message = f"{field.name} is read without the {ENCLOSURE} that enclose it in data files."
            yield f"{Place(control.file, field.line)}: {message}", f"Write OPTIONALLY ENCLOSED BY '{ENCLOSURE}'."
            break


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
