"""TCP goodput of one flow against the configured bandwidth of 1-500 Mbit/s, at one-way delays of 0-50 ms."""

from __future__ import annotations

from benchmarks.fabric_nodes import BareNetwork, both_ways
from benchmarks.fidelity import flow, goodput_row
from benchmarks.table import arguments, report

BANDWIDTHS_MBIT = (1.0, 10.0, 100.0, 500.0)
DELAYS_MS = (0.0, 10.0, 50.0)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="steady seconds of each flow")
    options = parser.parse_args()
    rows = []
    with BareNetwork({"cloud0": "cloud", "edge0": "edge"}) as net:
        for mbit in BANDWIDTHS_MBIT:
            for delay_ms in DELAYS_MS:
                shape = both_ways("cloud", "edge", latency_ms=delay_ms, bandwidth_mbit=mbit)
                deployment = net.deployment(*shape)
                got = flow(
                    deployment,
                    net.directory,
                    "cloud0",
                    "edge0",
                    skip_s=1.0 + 30 * delay_ms / 1000,
                    steady_s=max(options.seconds, 10 / mbit),
                )
                rows.append(goodput_row(mbit, delay_ms, got))
    return report(rows, options.json)


if __name__ == "__main__":
    raise SystemExit(main())
