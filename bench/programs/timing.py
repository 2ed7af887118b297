"""How a program measures itself, with the standard library alone: rivals use it too."""

import json
import os
import resource
import time


def report(work, note=""):
    """Do the work and print what it took. ``work`` returns a note, or nothing."""
    before, started = os.times(), time.perf_counter()
    found = work()
    seconds, after = time.perf_counter() - started, os.times()
    cpu = sum(after[:4]) - sum(before[:4])
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    print(json.dumps({"seconds": seconds, "cpu": cpu, "megabytes": peak, "note": found or note}))
