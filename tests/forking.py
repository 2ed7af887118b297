"""Commands as processes without the half second of CPU in which Python imports their libraries.

A server has imported all of it, and forks for each command before any thread is started. ``Forked`` is a ``Popen`` whose
process comes from there: it is a child of the tests, gets signals and ends like any other. On Linux only; elsewhere, and
with ``REPLICATE_TEST_FORKING=off``, commands start as users start them.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import random
import runpy
import socket
import subprocess
import sys
from functools import cache
from importlib import import_module
from typing import Any

from tests.given import FORKING
from tests.repository import ROOT

_PR_SET_CHILD_SUBREAPER = 36
_LONGEST_REQUEST = 1 << 20
_IMPORTS = (
    *("canvas_replicate.cli.app", "canvas_replicate.cli.local_run", "canvas_replicate.worker.consume"),
    *("canvas_replicate.sql.syntax", "canvas_replicate.messaging.rabbitmq.bus", "canvas_replicate.databases.opening"),
    *("extractor.handler", "loader.handler", "provisioner.handler", "canvas_pusher.handler"),
    *("canvas_replicate.databases.duckdb.target", "canvas_replicate.databases.postgresql.target", "typer.rich_utils"),
)

IS_POSSIBLE = sys.platform == "linux" and FORKING


class Forked(subprocess.Popen[str]):
    """``args`` are the words after ``python -m``; of Popen's options ``env``, ``cwd``, ``stdout`` and ``stderr`` count."""

    def _execute_child(self, args: list[str], *options: Any) -> None:
        cwd, env, pipes = options[4], options[5], options[9:15]
        request = json.dumps({"words": args, "env": env, "cwd": str(cwd)}).encode()
        reaper = ctypes.CDLL(None, use_errno=True)
        reaper.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # whose parent ends becomes a child of this process
        try:
            socket.send_fds(_start_server(), [request], [pipes[3], pipes[5]])
            self.pid = int(_start_server().recv(32))
        finally:
            reaper.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        self._child_created = True
        self._close_pipe_fds(*pipes)


def start_module(words: list[str], **options: Any) -> subprocess.Popen[str]:
    """``python -m`` and these words."""
    if IS_POSSIBLE:
        return Forked(words, text=True, **options)
    return subprocess.Popen([sys.executable, "-m", *words], text=True, **options)


@cache
def _start_server() -> socket.socket:
    """It ends with this process, which holds the other end of its socket."""
    mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    words = [sys.executable, "-m", "tests.forking", str(its.fileno())]
    server = subprocess.Popen(words, cwd=ROOT, pass_fds=[its.fileno()], stdin=subprocess.DEVNULL)
    its.close()
    atexit.register(server.wait)
    atexit.register(mine.close)
    return mine


def _serve(channel: socket.socket) -> list[str]:
    """Returns, in a process of its own for each request, the words of a command; ends when nobody can ask any more."""
    while True:
        text, files, _, _ = socket.recv_fds(channel, _LONGEST_REQUEST, 2)
        if not text:
            sys.exit()
        reading, writing = os.pipe()
        between = os.fork()
        if between == 0:
            if (command := os.fork()) != 0:
                os.write(writing, str(command).encode())
                os._exit(0)
            channel.close()
            os.close(reading)
            os.close(writing)
            return _become(json.loads(text), files)
        os.waitpid(between, 0)  # now the command is a child of the tests
        channel.send(os.read(reading, 32))
        for file in (*files, reading, writing):
            os.close(file)


def _become(request: dict[str, Any], files: list[int]) -> list[str]:
    for number, file in enumerate(files, start=1):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    random.seed()
    return list(request["words"])


if __name__ == "__main__":
    for name in _IMPORTS:
        import_module(name)
    sys.argv = _serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
