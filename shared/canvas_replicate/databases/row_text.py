"""The digest of a table's rows as SQL of each engine (``datfile/digest.py``).

The canonical text of a value:

- a number: plain decimal without trailing zeros after the point
- a float: the 16 hex digits of its IEEE 754 double, big-endian; -0 is 0
- a text: without the blanks at its end; a text of blanks is NULL, as an empty text is
- raw: upper-case hex
- a date or a timestamp: ``YYYY-MM-DD HH:MM:SS`` with its fraction, without trailing zeros; a zoned one in UTC
- NULL: the character 30. The character 31 ends each value but the last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from canvas_replicate.datfile.columns import Column, Kind
from canvas_replicate.datfile.digest import split_columns

DigestEngine = Literal["duckdb", "postgresql", "oracle"]
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
_MOST_JOINED = 90  # a function of PostgreSQL takes 100 values at most
_LOBS = ("CLOB", "NCLOB", "BLOB", "LONG", "XMLTYPE")
_NLS = "'NLS_NUMERIC_CHARACTERS=''.,'''"


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
    written = [
        (text, base, in_file)
        for base, in_file in pairs
        if base.kind in _SAME_TEXT[in_file.kind] and (text := _write_text(base, in_file, engine)) is not None
    ]
    if not written:
        return None
    columns = [in_file for _, _, in_file in written]
    names = tuple(column.name for column in columns)
    groups = [[written[place] for place in group] for group in split_columns(columns)]
    if engine != "oracle":
        aggregate = write_row_sum([_join([text for text, _, _ in group]) for group in groups], engine)
        return DigestSql(names, aggregate, fingerprint=_write_fingerprint([base for _, base, _ in written], engine))
    if not all(_fits_oracle([base for _, base, _ in group]) for group in groups):
        return None
    return _write_oracle_layers(names, [[text for text, _, _ in group] for group in groups])


def write_row_sum(groups: Sequence[str], engine: Literal["duckdb", "postgresql"]) -> str:
    """The aggregate over rows for DuckDB and PostgreSQL; ``groups`` are the texts that are hashed together."""
    row = groups[0] if len(groups) == 1 else _join([f"md5({text})" for text in groups])
    digits = f"substr(md5({row}), 1, {_DIGITS})"
    # PostgreSQL reads hexadecimal as bits.
    number = f"'0x' || {digits}" if engine == "duckdb" else f"CAST('x0' || {digits} AS bit(64))"
    return f"CAST(sum(CAST({number} AS bigint)) AS varchar)"


def _write_fingerprint(columns: Sequence[Column], engine: Literal["duckdb", "postgresql"]) -> str:
    """The hash of a row is hashed again: PostgreSQL only adds the values' hashes up, as the sum of all rows would."""
    names = ", ".join(f'"{column.name}"' for column in columns)
    if engine == "duckdb":
        return f"concat(version(), ' ', sum(hash(hash({names}))))"
    hashed = f"hashint8extended(hash_record_extended(ROW({names}), 0), 0)"
    return f"concat(current_setting('server_version_num'), ' ', sum({hashed}))"


def _join(texts: Sequence[str]) -> str:
    if len(texts) > _MOST_JOINED:
        parts = (texts[at : at + _MOST_JOINED] for at in range(0, len(texts), _MOST_JOINED))
        return _join([_join(part) for part in parts])
    return f"concat_ws(chr(31), {', '.join(texts)})"


def _write_oracle_layers(columns: tuple[str, ...], groups: Sequence[Sequence[str]]) -> DigestSql:
    """One inline view per step: the texts of the groups, their hashes, the hash of the row."""
    joined = [" || CHR(31) || ".join(texts) for texts in groups]
    source = _add_layer("{table}", [(text, f"digest_text_{place}") for place, text in enumerate(joined)])
    row = "digest_text_0"
    if len(joined) > 1:
        hashes = [(f"{_hash_oracle(f'digest_text_{place}')}", f"digest_md5_{place}") for place in range(len(joined))]
        source = _add_layer(source, hashes)
        row = " || CHR(31) || ".join(name for _, name in hashes)
    source = _add_layer(source, [(_hash_oracle(row), "digest_md5")])
    digits = [f"(INSTR('0123456789abcdef', SUBSTR(digest_md5, {place}, 1)) - 1)" for place in range(1, _DIGITS + 1)]
    terms = [f"{digit} * {16 ** (_DIGITS - place)}" for place, digit in enumerate(digits, start=1)]
    return DigestSql(columns, f"SUM({' + '.join(terms)})", source)


def _hash_oracle(text: str) -> str:
    return f"LOWER(RAWTOHEX(STANDARD_HASH({text}, 'MD5')))"


def _add_layer(source: str, added: Sequence[tuple[str, str]]) -> str:
    """The rows of ``source`` with more columns: SQL and name."""
    return f"(SELECT t.*, {', '.join(f'{sql} AS {name}' for sql, name in added)} FROM {source} t)"


def _write_text(base: Column, in_file: Column, engine: DigestEngine) -> str | None:
    write: Mapping[DigestEngine, Callable[[str, Column], str | None]] = {
        "duckdb": _write_duckdb,
        "postgresql": _write_postgresql,
        "oracle": _write_oracle,
    }
    name = f'"{base.name.upper()}"' if engine == "oracle" else f'"{base.name}"'
    text = write[engine](name, base)
    if text is None:
        return None
    return f"NVL({text}, CHR(30))" if engine == "oracle" else f"coalesce({text}, chr(30))"


def _write_duckdb(name: str, base: Column) -> str | None:
    if base.kind == "number":
        text = f"CAST({name} AS VARCHAR)"
        return _trim_end(text, "0", f"rtrim(rtrim({text}, '0'), '.')") if base.scale != 0 else text
    if base.kind == "float":
        return f"hex(CAST(CAST(CAST({name} AS DOUBLE) + 0.0 AS BIT) AS BLOB))"
    if base.kind == "text":
        return f"nullif({_trim_end(name, ' ', f'rtrim({name}, chr(32))')}, '')"
    if base.kind == "raw":
        return f"nullif(hex({name}), '')"
    # DuckDB writes no zeros at the end of a fraction, and no fraction of zero.
    value = f"{name} AT TIME ZONE 'UTC'" if base.kind == "timestamp_tz" else name
    return f"CAST({value} AS VARCHAR)"


def _trim_end(text: str, end: str, trimmed: str) -> str:
    """DuckDB trims slowly, and few values need it."""
    return f"CASE WHEN ends_with({text}, '{end}') THEN {trimmed} ELSE {text} END"


def _write_postgresql(name: str, base: Column) -> str | None:
    if base.kind == "number":
        return f"CAST({name} AS text)" if base.scale == 0 else f"CAST(trim_scale(CAST({name} AS numeric)) AS text)"
    if base.kind == "float":
        return f"upper(encode(float8send(CAST({name} AS float8) + 0.0), 'hex'))"
    if base.kind == "text":
        return f"nullif(rtrim(CAST({name} AS text), ' '), '')"
    if base.kind == "raw":
        return f"nullif(upper(encode({name}, 'hex')), '')"
    # With the session's DateStyle ISO: no zeros at the end of a fraction, and no fraction of zero.
    value = f"{name} AT TIME ZONE 'UTC'" if base.kind == "timestamp_tz" else name
    return f"CAST({value} AS text)"


def _write_oracle(name: str, base: Column) -> str | None:
    """None for a LOB, which ``STANDARD_HASH`` does not take, and for a float."""
    if base.type.startswith(_LOBS) or base.kind == "float":
        return None
    if base.kind == "number":
        if base.scale == 0:
            return f"TO_CHAR({name}, 'TM9')"
        # TM9 writes no zero before the point.
        return f"REGEXP_REPLACE(TO_CHAR({name}, 'TM9', {_NLS}), '^(-?)[.]', '\\10.')"
    if base.kind == "text":
        return f"RTRIM(TO_CHAR({name}), ' ')" if base.type.startswith("N") else f"RTRIM({name}, ' ')"
    if base.kind == "raw":
        return f"RAWTOHEX({name})"
    if base.kind == "date":
        return f"TO_CHAR({name}, 'YYYY-MM-DD HH24:MI:SS')"
    value = f"SYS_EXTRACT_UTC({name})" if base.kind == "timestamp_tz" else name
    return f"RTRIM(RTRIM(TO_CHAR({value}, 'YYYY-MM-DD HH24:MI:SS.FF9'), '0'), '.')"


def _fits_oracle(columns: Sequence[Column]) -> bool:
    """Whether the texts of these base columns, joined, always fit a VARCHAR2."""
    sizes = {"number": 64, "date": 20, "timestamp": 30, "timestamp_tz": 30, "raw": 2 * 2000, "float": 17}
    total = 0
    for column in columns:
        if column.kind == "text":
            total += min((column.length or _ORACLE_TEXT_BYTES) * 4, _ORACLE_TEXT_BYTES) + 1
        elif column.kind == "raw":
            total += (column.length or 2000) * 2 + 1
        else:
            total += sizes[column.kind] + 1
    return total <= _ORACLE_TEXT_BYTES + 1
