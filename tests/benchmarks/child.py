"""Run one command as the child of a small process, and write its resource usage as JSON.

Linux counts the memory of the process that started a command as that of the command, so the
benchmark itself, which holds the rows of all its cases, must not start it.
"""

import json
import os
import subprocess
import sys
import time


def main() -> None:
    """Run the command in the arguments; write the figures to the descriptor in the first one."""
    report, command = int(sys.argv[1]), sys.argv[2:]
    began = time.perf_counter()
    child = subprocess.Popen(command)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    figures = {
        "code": child.returncode,
        "wall": time.perf_counter() - began,
        "cpu": usage.ru_utime + usage.ru_stime,
        "rss_mb": usage.ru_maxrss / 1024,
    }
    with os.fdopen(report, "w") as stream:
        json.dump(figures, stream)


if __name__ == "__main__":
    main()
