"""One rule per node type: which of its arguments may be present, and how it is written. The rest is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlglot import exp

from canvas_replicate.sql.translate.refusals import WORDS, NotPortable
from canvas_replicate.sql.translate.terms import Engine, Term

Rule = Callable[[Any, Engine], Term]
_RULES: dict[type[exp.Expr], tuple[frozenset[str], Rule]] = {}


def rule(nodes: type[exp.Expr] | tuple[type[exp.Expr], ...], *arguments: str) -> Callable[[Rule], Rule]:
    """Register the writer of node types; an argument of the node that is not listed is refused."""

    def register(written: Rule) -> Rule:
        _RULES.update(dict.fromkeys(nodes if isinstance(nodes, tuple) else (nodes,), (frozenset(arguments), written)))
        return written

    return register


def write(node: exp.Expr, engine: Engine) -> Term:
    if type(node) not in _RULES:
        name = type(node).__name__
        raise NotPortable(WORDS.get(name, name.upper()))
    arguments, written = _RULES[type(node)]
    refuse_other_arguments(node, arguments)
    return written(node, engine)


def refuse_other_arguments(node: exp.Expr, arguments: Collection[str], before: str = "") -> None:
    """``before`` precedes the name of an argument that Oracle has no word for."""
    for name, value in node.args.items():
        if value and name not in arguments:
            raise NotPortable(WORDS.get(name, before + name.rstrip("_").upper()))


def write_list(nodes: Sequence[exp.Expr], engine: Engine) -> str:
    return ", ".join(write(node, engine).sql for node in nodes)
