"""TCP goodput of one flow against the configured bandwidth, at 1-500 Mbit/s and 0-50 ms one way."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from fabric_nodes import BareNetwork, both_ways, flow
from table import Row, arguments, report

BANDWIDTHS_MBIT = (1.0, 10.0, 100.0, 500.0)
DELAYS_MS = (0.0, 10.0, 50.0)
PROTOCOL_SHARE = 0.955
"""Share of the link's rate that TCP over IPv4 makes of it at MTU 1500, as the bar counts it."""
BAR_PERCENT = 5.0


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
                skip_s = 1.0 + 30 * delay_ms / 1000
                got = flow(
                    net,
                    deployment,
                    "cloud0",
                    "edge0",
                    skip_s=skip_s,
                    steady_s=max(options.seconds, 10 / mbit),
                )
                error = 100 * (got / (PROTOCOL_SHARE * mbit) - 1)
                rows.append(
                    Row(
                        f"{mbit:g} Mbit/s, {delay_ms:g} ms: goodput error",
                        abs(error),
                        "%",
                        BAR_PERCENT,
                        detail=f"{got:.2f} Mbit/s, {error:+.2f} %",
                    )
                )
    return report(rows, options.json)


if __name__ == "__main__":
    raise SystemExit(main())
