"""The rows that a process's SQL returns: their text, their keys, and the errors that stop a plan."""

from __future__ import annotations

import json

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


def list_records(frame: pd.DataFrame) -> list[dict[str, str]]:
    return [{str(name): str(value) for name, value in row.items()} for row in frame.to_dict("records")]


def build_keys(schema: ImportSchema, rows: pd.DataFrame) -> pd.Series[str]:
    """The key of each row as one text. It names the column of its place: a section and a course may share an id."""
    parts = [rows[name] if name in rows.columns else pd.Series("", index=rows.index) for name in schema.key]
    if schema.places:
        place = pd.Series("", index=rows.index, dtype="str")
        for name in reversed(schema.places):
            if name in rows.columns:
                place = place.where(rows[name].eq(""), name + "=" + rows[name])
        parts.insert(0, place)
    return pd.Series([json.dumps(values) for values in zip(*parts, strict=True)], index=rows.index, dtype="str")


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


def check_no_contradiction(process: str, schema: ImportSchema, rows: pd.DataFrame, clashing: pd.DataFrame) -> None:
    """Raises DataError if any row is ``clashing``: another row asks for the same object in another way."""
    if clashing.empty:
        return
    owner = schema.single or " + ".join((*schema.places[:1], *schema.key))
    first = int(rows.index[rows["_key"] == clashing["_key"].iloc[0]][0])
    many = f"{process}: {clashing['_key'].nunique():,} objects"
    text = f"{many} are asked for in two ways, as in row {first + 1} of the query's result."
    step = f"Make the process's SQL return one row per {owner}."
    raise DataError(text, next_step=step, code="push.contradiction")


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
