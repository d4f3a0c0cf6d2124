"""Resources that remain of runs killed (SIGKILL) at random moments, after ``continuum destroy --all``.

Ten moments for each case, spread over the duration of an undisturbed run. Checks processes, namespaces,
mounts, control groups, network interfaces and containers. The tests of the other providers do the same for
guests, bare metal and Google Cloud.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import dockerd
from benchmarks import kubernetes_video as cluster
from benchmarks.table import Row, arguments, report
from tests.e2e.leaks import snapshot
from tests.e2e.providers import dockerd as asking

CASES = ("local", "docker", "kubernetes")

TIMES = 10
SEED = 3
TIMEOUT_S = 300
SETTLE_S = 20.0

CONFIG = """
[infrastructure]
provider = {provider}
edge_nodes = 1
edge_cores = 1
edge_memory = 512 MiB
endpoint_nodes = 3
endpoint_cores = 1
endpoint_memory = 512 MiB
network_emulation = True
wireless_network_preset = 5g
[benchmark]
application = video
frequency = 5
duration = 2
"""


Look = Callable[[], frozenset[str]]
"""Lists all resources."""


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--artifacts", type=cluster.absolute, help="folder of artifacts; built by default")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES, help="cases to run")
    options = parser.parse_args()
    rows: list[Row] = []
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ["XDG_STATE_HOME"] = f"{place}/state"
        if "local" in options.cases:
            rows.append(_case("local", place, CONFIG.format(provider="local"), on_host))
        for case in [case for case in options.cases if case != "local"]:
            if lack := dockerd.why_not():
                print(f"{case} skipped: {lack}")
                continue
            daemon = stack.enter_context(dockerd.temporary())
            os.environ["DOCKER_HOST"] = daemon.url
            text = CONFIG.format(provider="docker")
            if case == "kubernetes":
                text = _cluster(daemon, options.artifacts or cluster.built(place / "artifacts"))
            rows.append(_case(case, place, text, partial(in_daemon, daemon.url)))
    return report(rows, options.json)


def on_host() -> frozenset[str]:
    """The resources of runs on this host."""
    found = vars(snapshot())
    return frozenset(f"{kind} {one}" for kind, things in found.items() for one in things)


def in_daemon(url: str) -> frozenset[str]:
    """The resources of runs on this host and in a Docker daemon."""
    return on_host() | asking.traces(url)


def _cluster(daemon: dockerd.Dockerd, artifacts: Path) -> str:
    image = dockerd.provide_image(daemon, dockerd.KUBERNETES, dockerd.KUBERNETES_PACKAGES)
    return cluster.CONFIG.format(manager="kubernetes", cloud=3, image=image, artifacts=artifacts)


def _case(case: str, place: Path, text: str, look: Look) -> Row:
    """Kill runs of one config, destroy each, and count the remaining resources.

    Args:
        case: name of the case.
        place: folder of its runs.
        text: the config.
        look: lists all resources.
    """
    config = place / f"{case}.cfg"
    config.write_text(text, encoding="utf-8")
    begin = time.monotonic()
    _continuum(place, "-q", str(config))
    total_s = time.monotonic() - begin
    chance = random.Random(SEED)
    moments_s = sorted(chance.uniform(0, total_s) for _ in range(TIMES))
    left: list[str] = []
    for moment_s in moments_s:
        before = look()
        _kill(place, config, moment_s)
        status = _continuum(place, "destroy", "--all")
        found = [*_left(before, look), *([f"destroy exited with status {status}"] if status else [])]
        left += [f"{case}, killed after {moment_s:.1f} s: {one}" for one in found]
    print(*left, sep="\n", end="\n" if left else "", file=sys.stderr)
    moments = ", ".join(f"{moment_s:.1f}" for moment_s in moments_s)
    return Row(f"{case}: left after {TIMES} kills", len(left), "", 0, detail=f"after {moments} s")


def _left(before: frozenset[str], look: Look) -> list[str]:
    """The remaining resources; waits, since the kernel removes some asynchronously."""
    deadline = time.monotonic() + SETTLE_S
    while (found := look() - before) and time.monotonic() < deadline:
        time.sleep(0.2)
    return sorted(found)


def _kill(place: Path, config: Path, moment_s: float) -> None:
    process = subprocess.Popen(
        [*cluster.PROGRAM, "-q", str(config)],
        cwd=place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(moment_s)
    process.send_signal(signal.SIGKILL)
    process.wait()


def _continuum(place: Path, *words: str) -> int:
    """The exit status of a command; prints its standard error if it fails."""
    done = subprocess.run(
        [*cluster.PROGRAM, *words],
        cwd=place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        print(done.stderr, file=sys.stderr)
    return done.returncode


if __name__ == "__main__":
    raise SystemExit(main())
