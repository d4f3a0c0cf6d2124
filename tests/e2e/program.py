"""The command line as a user runs it: a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 240.0

TOLERATED = """\
tolerated_loss = 50 %
tolerated_stall = 10 s
tolerated_delay = 100 %, 10 s
tolerated_foreign_cpu = 100 %"""
"""For ``[run]``: other work on the test machine must not decide whether a test passes."""

TOLERANCES = f"tolerance = 60 %, 20 ms\n{TOLERATED}"
"""The same, and for links."""

NODES = """
[infrastructure]
cloud_nodes = {cloud}
cloud_cores = 1
cloud_memory = 512 MiB
edge_nodes = {edge}
edge_cores = 1
edge_memory = 512 MiB
endpoint_nodes = {endpoint}
endpoint_cores = 1
endpoint_memory = 512 MiB
network_emulation = {emulation}
{infrastructure}
"""

BENCHMARK = """
[benchmark]
application = video
frequency = 10
duration = {duration} s
request_timeout = {request_timeout}
{benchmark}
[run]
{tolerances}
{run}
"""


def config(
    folder: Path,
    *,
    cloud: int = 0,
    edge: int = 1,
    endpoint: int = 1,
    emulation: bool = True,
    infrastructure: str = "",
    duration: float | None = None,
    request_timeout: str = "60 s",
    benchmark: str = "",
    run: str = "",
    tolerances: str = TOLERANCES,
    name: str = "test",
) -> Path:
    """A config file; without ``duration`` it has nodes only.

    Answers may take long on a busy machine; a test that loses requests on purpose sets ``request_timeout``.
    """
    text = NODES.format(
        cloud=cloud, edge=edge, endpoint=endpoint, emulation=emulation, infrastructure=infrastructure
    )
    text = "\n".join(line for line in text.splitlines() if not _of_empty_tier(line, cloud, edge, endpoint))
    if duration is None:
        text += f"\ninfra_only = True\n[run]\n{tolerances}\n{run}\n"
    else:
        text += BENCHMARK.format(
            duration=duration,
            request_timeout=request_timeout,
            benchmark=benchmark,
            tolerances=tolerances,
            run=run,
        )
    path = folder / f"{name}.cfg"
    path.write_text(text, encoding="utf-8")
    return path


def _of_empty_tier(line: str, cloud: int, edge: int, endpoint: int) -> bool:
    counts = {"cloud_": cloud, "edge_": edge, "endpoint_": endpoint}
    return any(
        line.startswith(prefix) and not count and "latency" not in line for prefix, count in counts.items()
    )


def command(*arguments: object) -> list[str]:
    """The program and its arguments."""
    return [sys.executable, str(CHECKOUT / "continuum.py"), *map(str, arguments)]


def run(
    *arguments: object, cwd: Path, env: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command(*arguments),
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@contextmanager
def started(*arguments: object, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """A command that is under way; killed at the end if it still is."""
    with (cwd / "stderr").open("w") as errors:
        process = subprocess.Popen(
            command(*arguments),
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate(timeout=TIMEOUT_S)


def wait_for(what: str, cwd: Path, process: subprocess.Popen[str], timeout_s: float = TIMEOUT_S) -> None:
    """Return when the pattern ``what`` is found in what the command under way has said."""
    deadline = time.monotonic() + timeout_s
    while not re.search(what, (cwd / "stderr").read_text()):
        assert process.poll() is None, f"ended before it said {what!r}:\n{(cwd / 'stderr').read_text()}"
        assert time.monotonic() < deadline, f"did not say {what!r}:\n{(cwd / 'stderr').read_text()}"
        time.sleep(0.02)


def run_directory(cwd: Path) -> Path:
    """The newest run below a folder."""
    return max((cwd / "runs").iterdir())


def result(cwd: Path) -> dict[str, Any]:
    """The result of the newest run below a folder."""
    data: dict[str, Any] = json.loads((run_directory(cwd) / "result.json").read_text())
    return data
