"""The digest of a table's rows as SQL of each engine (``datfile/digest.py``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from canvas_replicate.databases.value_text import (
    DigestEngine,
    can_hash,
    write_oracle_text,
    write_oracle_value,
    write_value_text,
)
from canvas_replicate.datfile.columns import Column, Kind
from canvas_replicate.datfile.digest import AROUND_BYTES, is_hashed_alone, split_columns
from canvas_replicate.datfile.format import FIELD_END, RECORD_END
from canvas_replicate.sql.translate import Engine

# The kinds of base columns whose canonical text is that of the file's value.
_SAME_TEXT: Mapping[Kind, tuple[Kind, ...]] = {
    "number": ("number",),
    "float": ("float",),
    "text": ("text",),
    "raw": ("raw",),
    "date": ("date", "timestamp"),
    "timestamp": ("timestamp",),
    "timestamp_tz": ("timestamp_tz",),
}
_DIGITS = 15  # hexadecimal; they fit a BIGINT, and the sum of 10^11 rows the 38 digits of Oracle
_ORACLE_TEXT_BYTES = 4000
_END = f"'{RECORD_END.rstrip()}' || chr(10)"


@dataclass(frozen=True)
class DigestSql:
    """``aggregate`` sums the rows of ``source`` up, where ``{table}`` is replaced by the table.

    ``columns`` are the names of the file's columns that it covers. ``fingerprint`` is the engine's
    version and a sum of the same columns by its own hash, which changes with versions: many times as fast.
    """

    columns: tuple[str, ...]
    aggregate: str | None
    source: str = "{table}"
    fingerprint: str | None = None


def write_digest(pairs: Sequence[tuple[Column, Column]], engine: DigestEngine) -> DigestSql | None:
    """The digest of a table's rows, without the columns that the engine cannot hash in place; None for no column.

    ``pairs``: each base column with the column of the file, in the file's order.
    """
    hashed = [pair for pair in pairs if pair[0].kind in _SAME_TEXT[pair[1].kind] and can_hash(pair[0], engine)]
    if engine == "oracle" and not _fit_oracle(hashed):
        hashed = [pair for pair in hashed if pair[1].length is not None or pair[1].kind not in ("text", "raw")]
        hashed = hashed if _fit_oracle(hashed) else []
    if not hashed:
        return None
    columns = [in_file for _, in_file in hashed]
    names = tuple(column.name for column in columns)
    groups = split_columns(columns)
    if engine == "oracle":
        return _write_oracle_layers(names, hashed, groups)
    sums = _write_row_sum([_write_group([hashed[place] for place in group], engine) for group in groups], engine)
    return DigestSql(names, sums, fingerprint=_write_fingerprint([base for base, _ in hashed], engine))


def _write_group(pairs: Sequence[tuple[Column, Column]], engine: Engine) -> str:
    """The text that is hashed of these columns: a record with its end, or one long text as it is."""
    enclosed = not is_hashed_alone(pairs[0][1])
    texts = [write_value_text(base, in_file, engine, enclosed=enclosed) for base, in_file in pairs]
    return _write_record(texts, engine) if enclosed else texts[0]


def _write_row_sum(groups: Sequence[str], engine: Engine) -> str:
    """The aggregate over rows for DuckDB and PostgreSQL; ``groups`` are the texts that are hashed together."""
    row = groups[0] if len(groups) == 1 else _write_record([f"md5({text})" for text in groups], engine)
    digits = f"substr(md5({row}), 1, {_DIGITS})"
    # PostgreSQL reads hexadecimal as bits.
    number = f"'0x' || {digits}" if engine == "duckdb" else f"CAST('x0' || {digits} AS bit(64))"
    return f"CAST(sum(CAST({number} AS bigint)) AS varchar)"


def _write_fingerprint(columns: Sequence[Column], engine: Engine) -> str:
    """The hash of a row is hashed again: PostgreSQL only adds the values' hashes up, as the sum of all rows would."""
    names = ", ".join(f'"{column.name}"' for column in columns)
    if engine == "duckdb":
        return f"concat(version(), ' ', sum(hash(hash({names}))))"
    hashed = f"hashint8extended(hash_record_extended(ROW({names}), 0), 0)"
    return f"concat(current_setting('server_version_num'), ' ', sum({hashed}))"


def _write_record(texts: Sequence[str], engine: DigestEngine) -> str:
    if engine == "duckdb":  # where joining more and more of it would copy it each time
        between = f", '{FIELD_END}', "
        return f"concat({between.join(texts)}, {_END})"
    between = f" || '{FIELD_END}' || "
    return f"{between.join(texts)} || {_END}"


def _write_oracle_layers(
    columns: tuple[str, ...], pairs: Sequence[tuple[Column, Column]], groups: Sequence[Sequence[int]]
) -> DigestSql:
    """One inline view per step: the values, their texts, the texts of the groups, their hashes, the hash of the row."""
    alone = {group[0] for group in groups if is_hashed_alone(pairs[group[0]][1])}
    source = _select([write_oracle_value(*pair) for pair in pairs], "{table}")
    texts = [write_oracle_text(f"d{at}", *pair, enclosed=at not in alone) for at, pair in enumerate(pairs)]
    source = _select(texts, source)
    joined = []
    for group in groups:
        names = [f"d{at}" for at in group]
        joined.append(names[0] if group[0] in alone else _write_record(names, "oracle"))
    source = _select(joined, source)
    if len(groups) > 1:
        hashes = [f"d{at}" for at in range(len(groups))]
        source = _select([_hash_in_oracle(name) for name in hashes], source)
        source = _select([_write_record(hashes, "oracle")], source)
    source = _select([_hash_in_oracle("d0")], source)
    digits = [f"(INSTR('0123456789abcdef', SUBSTR(d0, {place}, 1)) - 1)" for place in range(1, _DIGITS + 1)]
    terms = [f"{digit} * {16 ** (_DIGITS - place)}" for place, digit in enumerate(digits, start=1)]
    return DigestSql(columns, f"SUM({' + '.join(terms)})", source)


def _select(texts: Sequence[str], source: str) -> str:
    """An inline view of these, as d0, d1 and so on. What a merged one computes, Oracle computes for each mention."""
    return (
        f"(SELECT /*+ NO_MERGE */ {', '.join(f'{text} AS d{place}' for place, text in enumerate(texts))} FROM {source})"
    )


def _hash_in_oracle(text: str) -> str:
    return f"LOWER(RAWTOHEX(STANDARD_HASH({text}, 'MD5')))"


def _fit_oracle(pairs: Sequence[tuple[Column, Column]]) -> bool:
    """Whether the texts of these base columns, joined, always fit a VARCHAR2."""
    sizes = {"number": 64, "date": 20, "timestamp": 30, "timestamp_tz": 30}
    for group in split_columns([in_file for _, in_file in pairs]):
        total = len(RECORD_END)
        for base in (pairs[place][0] for place in group):
            if base.kind == "text":
                total += min((base.length or _ORACLE_TEXT_BYTES) * 4, _ORACLE_TEXT_BYTES)
            else:
                total += (base.length or 2000) * 2 if base.kind == "raw" else sizes[base.kind]
            total += AROUND_BYTES
        if total > _ORACLE_TEXT_BYTES and not is_hashed_alone(pairs[group[0]][1]):
            return False
    return True
