"""How long ``continuum up`` and ``down`` take: nodes with quotas, memory limits and shaped links.

If Mininet (``mn``) is installed, it creates the same number of hosts at one switch, unlimited and unshaped,
for comparison.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.table import Row, arguments, report

CHECKOUT = Path(__file__).resolve().parent.parent
PROGRAM = [sys.executable, str(CHECKOUT / "continuum.py")]
BARS_S = {100: 0.6, 500: 2.0, 1000: 5.0}
BARS_RATIO = {100: 0.5, 500: 0.3, 1000: 0.3}
"""Of Mininet's time, measured in the same run, since machines differ."""

TIMEOUT_S = 300

MININET = """
import sys
from mininet.net import Mininet
from mininet.node import Switch
from mininet.topo import SingleSwitchTopo

class Bridge(Switch):  # a kernel bridge made by ip: requires neither brctl nor Open vSwitch
    def start(self, controllers):
        self.cmd("ip link add", self, "type bridge && ip link set", self, "up")
        for port in self.intfList():
            if port.name != "lo":
                self.cmd("ip link set", port, "master", self, "up")

    def stop(self, deleteIntfs=True):
        self.cmd("ip link del", self)
        super().stop(deleteIntfs)

net = Mininet(topo=SingleSwitchTopo(k=int(sys.argv[1])), switch=Bridge, controller=None)
net.start()
host = net.hosts[-1]
answered = " 0% packet loss" in host.cmd("ping -c 1 -W 5", net.hosts[0].IP())
print("up" if answered else "no traffic", flush=True)
sys.stdin.readline()
net.stop()
"""


HEAD = """
[infrastructure]
provider = local
infra_only = True
network_emulation = True
wireless_network_preset = 5g
"""


@dataclass(frozen=True)
class Times:
    """Seconds to create and to remove nodes."""

    up_s: float
    down_s: float


def config_text(nodes: int) -> str:
    """A cloud node, nine edge nodes per hundred, and endpoints, on shaped links."""
    edge = 9 * nodes // 100
    total_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    tiers = (("cloud", 1), ("edge", edge), ("endpoint", nodes - 1 - edge))
    memory_mb = min(64, total_mb * 8 // 10 // nodes)
    return HEAD + "".join(
        f"{tier}_nodes = {count}\n{tier}_cores = 1\n{tier}_memory = {memory_mb} MB\n{tier}_quota = 0.5\n"
        for tier, count in tiers
    )


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=list(BARS_S), help="numbers of nodes")
    parser.add_argument("--repeat", type=int, default=5, help="number of repetitions; the median is reported")
    options = parser.parse_args()
    rows: list[Row] = []
    for nodes in options.nodes:
        times = _continuum(nodes, options.repeat)
        rows += _rows(f"continuum, {nodes} nodes", times, BARS_S.get(nodes))
        if mininet := _mininet(nodes):
            rows += _rows(f"Mininet, {nodes} nodes, unshaped", [mininet], None)
            rows += _ratios(nodes, times, mininet)
    return report(rows, options.json)


def _rows(what: str, times: Sequence[Times], bar_s: float | None) -> Iterator[Row]:
    for name, values in (("up", [one.up_s for one in times]), ("down", [one.down_s for one in times])):
        shown = f"{len(values)} times, {min(values):.2f} to {max(values):.2f}" if len(values) > 1 else ""
        load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs"
        yield Row(f"{what}: {name}", statistics.median(values), "s", bar_s, detail=f"{shown}  {load}".strip())


def _ratios(nodes: int, times: Sequence[Times], mininet: Times) -> Iterator[Row]:
    for name, ours_s, theirs_s in (
        ("up", [one.up_s for one in times], mininet.up_s),
        ("down", [one.down_s for one in times], mininet.down_s),
    ):
        ratio = statistics.median(ours_s) / theirs_s
        yield Row(f"{nodes} nodes: {name}, of Mininet's time", ratio, "", BARS_RATIO.get(nodes))


def _continuum(nodes: int, repeat: int) -> list[Times]:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "nodes.cfg"
        config.write_text(config_text(nodes), encoding="utf-8")
        return [_once(config, check=number == 0) for number in range(repeat)]


def _once(config: Path, *, check: bool) -> Times:
    start = time.monotonic()
    command = [*PROGRAM, "up", str(config)]
    up = subprocess.run(
        command, cwd=config.parent, stdout=subprocess.PIPE, text=True, check=True, timeout=TIMEOUT_S
    )
    up_s = time.monotonic() - start
    run_id = up.stdout.split()[-1]
    try:
        if check:
            _check_traffic(run_id, config.parent)
    finally:
        start = time.monotonic()
        subprocess.run([*PROGRAM, "down", run_id], cwd=config.parent, check=True, timeout=TIMEOUT_S)
        down_s = time.monotonic() - start
    return Times(up_s, down_s)


def _check_traffic(run_id: str, folder: Path) -> None:
    """Fail unless nodes that are reported ready carry shaped traffic both ways."""
    script = (
        "import socket, time\n"
        "start = time.monotonic()\n"
        "try:\n    socket.create_connection(('cloud0', 9), 10)\n"
        "except ConnectionRefusedError:\n    print(time.monotonic() - start)\n"
    )
    command = [*PROGRAM, "exec", run_id, "endpoint0", "--", sys.executable, "-I", "-S", "-c", script]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=TIMEOUT_S)
    if not 0.05 < float(said.stdout) < 1:
        raise SystemExit(f"a round trip to the cloud took {said.stdout} s instead of about 0.09 s")


def _mininet(nodes: int) -> Times | None:
    """Mininet's times; None if it is not installed."""
    program = shutil.which("mn")
    if program is None or os.geteuid() != 0:
        return None
    python = Path(program).read_text(encoding="utf-8").splitlines()[0].removeprefix("#!").split()
    start = time.monotonic()
    with subprocess.Popen(
        [*python, "-c", MININET, str(nodes)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        up_s = time.monotonic() - start
        start = time.monotonic()
        process.communicate("\n", timeout=TIMEOUT_S)
        down_s = time.monotonic() - start
    return Times(up_s, down_s) if ready == "up\n" and process.returncode == 0 else None


if __name__ == "__main__":
    raise SystemExit(main())
