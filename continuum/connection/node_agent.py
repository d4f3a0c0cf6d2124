"""A program that connections run on nodes; it needs only the standard library of Python 3.7 or newer.

``python3 -I -S -c <this file> VERB ...``:

``clock``: answers every line of standard input with CLOCK_MONOTONIC in ns.
``signal NAME=VALUE NUMBER all|first``: sends a signal to the processes that have the entry in their or an
ancestor's environment; with ``first`` only to those without such an ancestor. Prints their number.
``usage NAME=VALUE``: prints, as JSON, the CPU time that the machine has used and the highest memory use of
the processes with the entry.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def clock() -> None:
    """Answer every line with the time of the clock."""
    while sys.stdin.readline():
        sys.stdout.write(f"{time.monotonic_ns()}\n")
        sys.stdout.flush()


def processes(mark: bytes) -> dict[int, tuple[int, bool]]:
    """Parent of every other process, and whether it has ``mark`` in its environment."""
    found = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if not name.isdigit():
            continue
        try:
            fields = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()
            marked = mark in Path(f"/proc/{name}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if fields[0] not in (b"Z", b"X") and int(name) != os.getpid():
            found[int(name)] = (int(fields[1]), marked)
    return found


def within(found: dict[int, tuple[int, bool]], pid: int) -> bool:
    """Whether a process or one of its ancestors is marked."""
    for _ in range(len(found) + 1):
        if pid not in found:
            return False
        pid, marked = found[pid]
        if marked:
            return True
    return False


def send(mark: bytes, number: int, first_only: bool) -> int:
    """Send the signal; returns the number of processes that received it."""
    found = processes(mark)
    chosen = [
        pid
        for pid, (parent, marked) in found.items()
        if (marked and not within(found, parent) if first_only else within(found, pid))
    ]
    count = 0
    for pid in chosen:
        try:
            os.kill(pid, number)
            count += 1
        except ProcessLookupError:
            pass
    return count


def usage(mark: bytes) -> dict[str, float | None]:
    """CPU seconds of the machine since its boot; highest memory use of the marked processes in MiB."""
    with Path("/proc/stat").open(encoding="ascii") as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    busy = sum(ticks) - ticks[3] - ticks[4] - ticks[7]  # without idle, iowait and steal
    found = processes(mark)
    peak_kb = sum(_peak_kb(pid) for pid in found if within(found, pid))
    memory_peak_mb = peak_kb / 1024.0 if peak_kb else None
    return {"cpu_seconds": busy / os.sysconf("SC_CLK_TCK"), "memory_peak_mb": memory_peak_mb}


def _peak_kb(pid: int) -> int:
    try:
        with Path(f"/proc/{pid}/status").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0


def main(arguments: list[str]) -> None:
    """Run the verb in the first argument."""
    verb, words = arguments[0], arguments[1:]
    if verb == "clock":
        clock()
    elif verb == "signal":
        print(send(words[0].encode(), int(words[1]), words[2] == "first"))
    elif verb == "usage":
        print(json.dumps(usage(words[0].encode())))
    else:
        sys.exit("no such verb: " + verb)


if __name__ == "__main__":
    main(sys.argv[1:])
