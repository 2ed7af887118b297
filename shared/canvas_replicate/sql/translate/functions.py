"""Every function that may be called, by Oracle's name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from sqlglot import exp

from canvas_replicate.sql.translate import arithmetic, casts, choices, dates, texts
from canvas_replicate.sql.translate.aggregates import AGGREGATES, NEIGHBOURS, RANKS, write_aggregate
from canvas_replicate.sql.translate.refusals import NotPortable
from canvas_replicate.sql.translate.rules import rule, write
from canvas_replicate.sql.translate.terms import Engine, Term


@rule(exp.Anonymous, "this", "expressions")
def _write_function(node: exp.Anonymous, engine: Engine) -> Term:
    name = node.name.upper()
    if name in AGGREGATES:
        return write_aggregate(node, engine)
    if name in RANKS | NEIGHBOURS:
        raise NotPortable(f"{name} without OVER")
    if name not in FUNCTIONS:
        raise NotPortable(f"the function {name}", _WHY_NOT.get(name, ""))
    fewest, most, written = FUNCTIONS[name]
    arguments = [write(argument, engine) for argument in node.expressions]
    if not fewest <= len(arguments) <= most:
        raise NotPortable(f"{name} with {len(arguments)} arguments")
    return written(arguments, engine)


_WHY_NOT = {
    "AVG": "Oracle's is exact to 38 digits; write SUM and COUNT",
    "MONTHS_BETWEEN": "its fractions count 31 days a month",
    "SYS_EXTRACT_UTC": "time zones are not kept",
}

# Fewest and most arguments, and the writer.
FUNCTIONS: dict[str, tuple[int, int, Callable[[Sequence[Term], Engine], Term]]] = {
    "NVL": (2, 2, choices.write_nvl),
    "COALESCE": (2, 255, choices.write_nvl),
    "NVL2": (3, 3, choices.write_nvl2),
    "DECODE": (3, 255, choices.decode),
    "NULLIF": (2, 2, choices.write_nullif),
    "GREATEST": (1, 255, partial(choices.write_extreme, "GREATEST")),
    "LEAST": (1, 255, partial(choices.write_extreme, "LEAST")),
    "UPPER": (1, 1, texts.write_upper),
    "LOWER": (1, 1, texts.write_lower),
    "INITCAP": (1, 1, texts.write_initcap),
    "LENGTH": (1, 1, texts.write_length),
    "SUBSTR": (2, 3, texts.write_substr),
    "INSTR": (2, 4, texts.write_instr),
    "LTRIM": (1, 2, partial(texts.trim_side, "ltrim")),
    "RTRIM": (1, 2, partial(texts.trim_side, "rtrim")),
    "LPAD": (2, 3, partial(texts.pad, "lpad")),
    "RPAD": (2, 3, partial(texts.pad, "rpad")),
    "REPLACE": (2, 3, texts.replace),
    "CONCAT": (2, 2, texts.write_concat),
    "REGEXP_LIKE": (2, 3, texts.write_regexp_like),
    "TRUNC": (1, 2, dates.write_trunc),
    "ROUND": (1, 2, arithmetic.round_number),
    "CEIL": (1, 1, partial(arithmetic.call_number, "ceil")),
    "FLOOR": (1, 1, partial(arithmetic.call_number, "floor")),
    "ABS": (1, 1, partial(arithmetic.call_number, "abs")),
    "SIGN": (1, 1, partial(arithmetic.call_number, "sign")),
    "MOD": (2, 2, arithmetic.write_mod),
    "ADD_MONTHS": (2, 2, dates.add_months),
    "LAST_DAY": (1, 1, dates.write_last_day),
    "TO_CHAR": (1, 2, dates.to_char),
    "TO_DATE": (1, 2, partial(dates.parse_date, "TO_DATE")),
    "TO_TIMESTAMP": (1, 2, partial(dates.parse_date, "TO_TIMESTAMP")),
    "TO_NUMBER": (1, 1, casts.to_number),
}
