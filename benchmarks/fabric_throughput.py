"""TCP goodput of one flow between two nodes at MTU 1500: unshaped, and with a delay but no rate limit."""

from __future__ import annotations

from benchmarks.fabric_nodes import BareNetwork, both_ways
from benchmarks.fidelity import flow
from benchmarks.table import Row, arguments, report

BAR_GBIT = 1.0
SECONDS = 4.0


def main() -> int:
    options = arguments(__doc__).parse_args()
    rows = []
    with BareNetwork({"cloud0": "cloud", "edge0": "edge"}) as net:
        for name, delay_ms, bar in (("unshaped", 0.0, BAR_GBIT), ("10 ms, unlimited", 10.0, None)):
            deployment = net.deployment(*both_ways("cloud", "edge", latency_ms=delay_ms))
            before = net.client.stats()["cpu_seconds"]
            mbit = flow(deployment, net.directory, "cloud0", "edge0", skip_s=1.0, steady_s=SECONDS).mbit
            cpu = (net.client.stats()["cpu_seconds"] - before) / (SECONDS + 1.0)
            rows.append(
                Row(
                    f"one TCP flow, {name}",
                    mbit / 1000,
                    "Gbit/s",
                    bar,
                    at_most=False,
                    detail=f"fabric used {cpu:.2f} cores",
                )
            )
    return report(rows, options.json)


if __name__ == "__main__":
    raise SystemExit(main())
