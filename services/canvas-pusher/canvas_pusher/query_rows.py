"""The rows that a process's SQL returns: their text, their keys, and the errors that stop a plan."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pandas as pd

from canvas_pusher.import_schemas import ImportSchema
from canvas_replicate.errors import DataError
from canvas_replicate.suggest import did_you_mean


def clean_text(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as text, with lower-case names and without blanks around values.

    Canvas strips blanks, and a CHAR column pads with them.
    """
    texts = frame.rename(columns=str.lower).astype("str").fillna("").reset_index(drop=True)
    return texts.apply(lambda column: column.str.strip())


def read_records(frame: pd.DataFrame) -> Iterator[dict[str, str]]:
    """The rows of a frame of text. Rows share equal values, of which a report has many."""
    names, columns = [str(name) for name in frame.columns], []
    for _, column in frame.items():
        places, values = pd.factorize(column.astype("str"), use_na_sentinel=False)
        texts = [str(value) for value in values]
        columns.append([texts[place] for place in places.tolist()])
    return (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))


def list_columns(frame: pd.DataFrame | None) -> frozenset[str]:
    """The names of the columns, in lower case."""
    return frozenset() if frame is None else frozenset(str(name).lower() for name in frame.columns)


def build_key(schema: ImportSchema, row: Mapping[str, str]) -> str:
    """The key of a row as one text. It names the column of its place: a section and a course may share an id."""
    parts = [row.get(name, "") for name in schema.key]
    if schema.places:
        parts.insert(0, next((f"{name}={row[name]}" for name in schema.places if row.get(name)), ""))
    return json.dumps(parts)


def check_rows(process: str, channel: str, schema: ImportSchema, rows: pd.DataFrame) -> None:
    """Raises DataError for a missing or an unknown column, one that REST cannot set, an empty key or status, and an
    unknown status."""
    _check_columns(process, channel, schema, rows)
    _check_filled(process, schema, rows)
    wrong = ~rows["status"].isin(list(schema.statuses))
    if wrong.any():
        where = f"{process}: row {int(wrong.idxmax()) + 1} of the query's result"
        text = f"{where} has a status that {schema.kind} do not have ({int(wrong.sum()):,} such rows)."
        raise DataError(text, next_step=f"There are {', '.join(schema.statuses)}.", code="push.status")


def _check_columns(process: str, channel: str, schema: ImportSchema, rows: pd.DataFrame) -> None:
    missing = [name for name in schema.filled if name not in rows.columns]
    if schema.places and not any(name in rows.columns for name in schema.places):
        missing.append(" or ".join(schema.places))
    if missing:
        text = f"{process}: the SQL returns no column {missing[0]}, which {schema.kind} need."
        raise DataError(text, next_step="Select it in pushes.yaml, under that name.", code="push.columns")
    unknown = [name for name in rows.columns if name not in schema.columns]
    if unknown:
        text, near = f"{process}: a SIS import of {schema.kind} has no column {unknown[0]}.", schema.columns
        raise DataError(text, next_step=did_you_mean(unknown[0], near), code="push.columns")
    unsent = [name for name in rows.columns if name in schema.not_over_rest]
    if channel == "rest" and unsent:
        text = f"{process}: REST cannot set the {unsent[0]} of {schema.kind}."
        step = "Leave the column out of the process's SQL, or push with channel: sis_import."
        raise DataError(text, next_step=step, code="push.columns")


def _check_filled(process: str, schema: ImportSchema, rows: pd.DataFrame) -> None:
    empty = rows[list(schema.filled)].eq("")
    places = [name for name in schema.places if name in rows.columns]
    if places:
        empty[" and ".join(places)] = rows[places].eq("").all(axis=1)
    if empty.to_numpy().any():
        first, many = int(empty.any(axis=1).idxmax()), f"({int(empty.any(axis=1).sum()):,} such rows)"
        text = f"{process}: {empty.loc[first].idxmax()} is empty in row {first + 1} of the query's result {many}."
        step = "Leave such rows out in the process's SQL, or give them a value."
        raise DataError(text, next_step=step, code="push.empty_key")
