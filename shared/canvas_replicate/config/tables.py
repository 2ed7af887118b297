"""Tables and schedules, and the models of the files that describe them: ``tablesconf.yaml``, ``tablelist.yaml``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, RootModel, WithJsonSchema, model_validator

from canvas_replicate.config.provisions import ModeName
from canvas_replicate.config.yaml_models import (
    DatabaseAlias,
    Duration,
    FilledText,
    InvalidValue,
    Keys,
    Maybe,
    NameSchema,
    Ratio,
    Switch,
    Text,
    WholeNumber,
    empty_as,
    object_name,
    or_nothing,
    scalar,
)
from canvas_replicate.errors import Place

DEFAULT_DEADLINE = timedelta(hours=6)
DEFAULT_MAX_AGE = timedelta(hours=26)  # a nightly run that may be two hours late

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_BUSY = rf"({'|'.join(DAYS)})-({'|'.join(DAYS)}) +([0-9]{{1,2}})-([0-9]{{1,2}})"


@dataclass(frozen=True)
class Table:
    """One entry of ``tablesconf.yaml``.

    Attributes:
        query: the ``sql`` with the term in the place of ``$varbl1``.
        base_table, view: ``cstable`` and ``mvtable`` in lower case, with their schemas if those are written.
        source_table: the ``dctable``, for readers only.
        max_shrink: the largest part (0 to 1) by which a load may be smaller than the last one.
        max_rejected: the most rejected rows of a good load.
        place, sql_place: of the entry, and of its ``sql``.
    """

    name: str
    query: str
    base_table: str
    view: str
    source_table: str | None
    enabled: bool
    source: str | None
    max_shrink: float | None
    max_rejected: int | None
    loader: str | None
    place: Place
    sql_place: Place | None = None
    load: str | None = None


@dataclass(frozen=True)
class BusyTimes:
    """Days of the week (Monday is 0) and hours of the day; both ends of the days count, of the hours the first."""

    first_day: int
    last_day: int
    from_hour: int
    to_hour: int


@dataclass(frozen=True)
class Schedule:
    """One key of ``tablelist.yaml`` with its options.

    Attributes:
        then: what follows the tables, in order.
        snapshot: all tables of a run are read as of one moment.
        deadline: how long a run may take.
        provisions: the mode of the provisioning that the schedule starts or is followed by.
        max_age: how old its tables may become; outside of the busy times ``quiet_max_age``, if that is set.
    """

    name: str
    tables: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    source: str | None = None
    snapshot: bool = False
    deadline: timedelta = DEFAULT_DEADLINE
    provisions: ModeName | None = None
    max_age: timedelta = DEFAULT_MAX_AGE
    quiet_max_age: timedelta | None = None
    busy: BusyTimes | None = None

    @property
    def reports_mode(self) -> ModeName | None:
        """Which reports belong to a run: those that the schedule names, or the regular ones where they follow."""
        return self.provisions or ("regular" if "provisions" in self.then else None)

    @property
    def needs_canvas(self) -> bool:
        """Whether a run asks Canvas for anything, unless what follows its tables is left out."""
        return self.reports_mode is not None or bool(self.then)


def _read_busy(text: str) -> BusyTimes:
    match = re.fullmatch(_BUSY, text.strip().lower())
    times = BusyTimes(DAYS.index(match[1]), DAYS.index(match[2]), int(match[3]), int(match[4])) if match else None
    if times is None or times.first_day > times.last_day or not times.from_hour < times.to_hour <= 24:
        raise InvalidValue(f"{{name}} must be like mon-fri 6-22, not {text!r}.")
    return times


def _read_tables(value: Any) -> Any:
    if not isinstance(value, list):
        raise InvalidValue("schedule {name} must be a list of tables.", "Write each as: - table", at_key=True)
    return value


ObjectName = Annotated[str, object_name("tmp_students"), NameSchema]
Busy = Annotated[BusyTimes, scalar(_read_busy), WithJsonSchema({"type": "string", "pattern": f"^{_BUSY}$"})]
LoaderName = Literal["auto", "sqlldr", "direct", "insert"]


class TableEntry(Keys):
    base_table: ObjectName = Field(
        alias="cstable", description="Base table; without schema in `REPLICATE_BASE_SCHEMA`."
    )
    view: ObjectName = Field(alias="mvtable", description="Refreshed view; without schema in `REPLICATE_VIEW_SCHEMA`.")
    sql: Text = Field(description="One query without `;`: Oracle SQL, or with `dialect: native` the engine's own.")
    source_table: Maybe[FilledText] = Field(None, alias="dctable", description="The source table, for readers only.")
    varbl1: Maybe[FilledText] = Field(None, description="Name of the term for `$varbl1`; given only if the SQL has it.")
    enabled: Switch = Field(
        True, alias="toggle", description="`on` (default) or `off`: a table that is off is skipped."
    )
    source: Maybe[DatabaseAlias] = Field(None, description="Alias of the database that it is read from.")
    max_shrink: Maybe[Ratio] = Field(None, description="How many fewer rows are accepted: `50%` (default) or `0.5`.")
    max_rejected: Maybe[WholeNumber] = Field(None, description="The most rejected rows of a good load (0).")
    loader: Maybe[LoaderName] = Field(None, description="`auto`, `sqlldr`, `direct` or `insert`.")
    load: Maybe[Literal["full", "delta"]] = Field(
        None, description="`full` (default), or `delta`: only the rows that differ from the published file."
    )


class ScheduleOptions(Keys):
    then: tuple[Literal["provisions", "push"], ...] = Field(
        (), description="What follows: `[provisions]`, `[provisions, push]`, or `[push]` where `provisions` is set."
    )
    source: Maybe[DatabaseAlias] = Field(None, description="Alias of the database that its tables are read from.")
    snapshot: Maybe[Literal["run"]] = Field(None, description="`run`: all tables of a run are read as of one moment.")
    deadline: Maybe[Duration] = Field(None, description="Time limit of a run: `45s`, `90m`, `6h` (default) or `1d`.")
    provisions: Maybe[ModeName] = Field(None, description="Mode: `regular`, `orgs`, or `historical` (never pushed).")
    max_age: Maybe[Duration] = Field(None, description="Age at which status page and alerts call a table old: `26h`.")
    quiet_max_age: Maybe[Duration] = Field(None, description="The same outside of the busy times; needs `busy`.")
    busy: Maybe[Busy] = Field(
        None,
        description="Times of `max_age` in `REPLICATE_TIMEZONE`: `mon-fri 6-22` (to 21:59); needs `quiet_max_age`.",
    )

    @model_validator(mode="after")
    def _check_then_and_busy(self) -> Self:
        """A push needs the run's own provisions before it, and historical ones are never pushed."""
        if self.then not in ((), ("provisions",), ("push",), ("provisions", "push")):
            message, step = " must be [provisions], [push] or [provisions, push].", ""
        elif "push" in self.then and "provisions" not in self.then and self.provisions is None:
            message, step = ": a push needs provisions before it.", "Write [provisions, push]."
        elif "push" in self.then and self.provisions == "historical":
            message, step = ": historical provisions are never pushed.", "Take push out."
        elif (self.busy is None) != (self.quiet_max_age is None):
            raise InvalidValue("{name} needs both busy and quiet_max_age, or neither.", at_key=True)
        else:
            return self
        raise InvalidValue(f"{{name}}.then{message}", step, below=("then",))


class TablesFile(Keys):
    """``tablesconf.yaml``: every key is a table, except these."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, TableEntry] = Field(init=False)

    terms: Annotated[dict[str, FilledText], empty_as({})] = Field(
        {}, json_schema_extra=or_nothing, description="SQL by name, for `varbl1`, with its quotes and parentheses."
    )
    schedules: Annotated[dict[str, ScheduleOptions], empty_as({})] = Field(
        {}, json_schema_extra=or_nothing, description="Options of schedules, by the schedule's name."
    )

    @property
    def tables(self) -> dict[str, TableEntry]:
        """By the names as they are written."""
        return self.__pydantic_extra__


class TableListFile(RootModel[dict[str, Annotated[tuple[FilledText, ...], BeforeValidator(_read_tables)]]]):
    """``tablelist.yaml``: schedules and their tables."""
