"""Run a command and write what it took: python launch.py RESULT COMMAND...

A process's greatest memory counts from that of the process that started it, which is little here.
"""

import json
import os
import subprocess
import sys
import time

result, command = sys.argv[1], sys.argv[2:]
started = time.perf_counter()
process = subprocess.Popen(command)
_, status, used = os.wait4(process.pid, 0)
seconds = time.perf_counter() - started
unit = 1024 * 1024 if sys.platform == "darwin" else 1024
with open(result, "w") as file:
    found = {"seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "megabytes": used.ru_maxrss / unit}
    json.dump(found, file)
sys.exit(os.waitstatus_to_exitcode(status))
