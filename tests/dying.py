"""``python -m tests.dying MODULE:FUNCTION N PROGRAM ...``: the program's process is killed at the n-th call of a function."""

from __future__ import annotations

import os
import runpy
import signal
import sys
from importlib import import_module


def die_at(function: str, count: int) -> None:
    module, path = function.split(":")
    *steps, name = path.split(".")
    owner = import_module(module)
    for step in steps:
        owner = getattr(owner, step)
    real, calls = getattr(owner, name), 0

    def dying(*arguments: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)

    setattr(owner, name, dying)


if __name__ == "__main__":
    _, function, count, program, *words = sys.argv
    die_at(function, int(count))
    sys.argv = [program, *words]
    runpy.run_module(program, run_name="__main__", alter_sys=True)
