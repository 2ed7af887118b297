"""How the programs start: Ctrl-C is quiet from the first import on."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NoReturn

INTERRUPTED = 130  # what shells report for a program that Ctrl-C ended


def launch(module: str) -> NoReturn:
    """Import the module of a program, which takes a while, and run its `main`."""
    try:
        import_module(module).main()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    sys.exit()


def main() -> NoReturn:
    launch("canvas_replicate.cli.app")
