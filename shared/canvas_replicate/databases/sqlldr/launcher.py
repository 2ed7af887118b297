"""Becomes another program, which ends when the one that started it ends.

``python launcher.py PARENT PROGRAM ARGUMENT...``: run by its path and without site packages, so that it starts at
once. PARENT is the process that must still be there. On systems without prctl the program may outlive it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

NOT_STARTED = 127
_PR_SET_PDEATHSIG = 1


def main(parent: int, program: str, arguments: list[str]) -> None:
    """``SIGKILL`` comes when the thread that started this process ends: it must be one that waits for it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
    if os.getppid() != parent:  # it ended before it could be watched
        sys.exit(NOT_STARTED)
    try:
        os.execv(program, [program, *arguments])  # noqa: S606  # no shell is wanted
    except OSError:
        sys.exit(NOT_STARTED)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
