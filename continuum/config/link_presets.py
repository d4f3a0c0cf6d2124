"""Default links: wired links between tiers, and named wireless presets.

All delays are one-way. A preset describes the link between an endpoint and its access point (the edge).
If its source gives no figure for the cloud, the default between edge and cloud is added: 7.5 +- 2.5 ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from continuum.model.topology import Link

#: Tiers that every config knows; a user may name more.
BUILTIN_TIERS = ("cloud", "edge", "endpoint")

#: Wired links of the Continuum framework: between nodes of one tier, and between cloud and edge.
WIRED = {
    ("cloud", "cloud"): Link("cloud", "cloud", 0.0, 0.0, 1000.0),
    ("edge", "edge"): Link("edge", "edge", 7.5, 2.5, 1000.0),
    ("cloud", "edge"): Link("cloud", "edge", 7.5, 2.5, 1000.0),
    ("edge", "cloud"): Link("edge", "cloud", 7.5, 2.5, 1000.0),
}
_BACKHAUL_MS, _BACKHAUL_JITTER_MS = 7.5, 2.5


@dataclass(frozen=True)
class Preset:
    """Links between endpoints and the other tiers.

    Attributes:
        name: value of ``wireless_network_preset``.
        edge_ms: one-way delay between endpoint and edge in ms.
        edge_jitter_ms: its standard deviation in ms.
        cloud_ms: one-way delay between endpoint and cloud in ms.
        cloud_jitter_ms: its standard deviation in ms.
        up_mbit: rate from the endpoint in Mbit/s.
        down_mbit: rate to the endpoint in Mbit/s.
        source: source of the figures.
    """

    name: str
    edge_ms: float
    edge_jitter_ms: float
    cloud_ms: float
    cloud_jitter_ms: float
    up_mbit: float
    down_mbit: float
    source: str


def _access(name: str, rtt_ms: float, up_mbit: float, down_mbit: float, source: str) -> Preset:
    """A preset whose source gives only the round trip of the access link, and no jitter."""
    return Preset(
        name=name,
        edge_ms=rtt_ms / 2,
        edge_jitter_ms=0.0,
        cloud_ms=rtt_ms / 2 + _BACKHAUL_MS,
        cloud_jitter_ms=_BACKHAUL_JITTER_MS,
        up_mbit=up_mbit,
        down_mbit=down_mbit,
        source=source,
    )


_FRAMEWORK = "the Continuum framework's own presets (Jansen et al., Continuum, CCGRID 2023)"
_WEBPAGETEST = "WebPageTest, connectivity profiles (connectivity.ini.sample): profile"

PRESETS = {
    preset.name: preset
    for preset in (
        Preset("4g", 7.5, 2.5, 45.0, 5.0, 7.21, 7.21, _FRAMEWORK),
        Preset("5g", 7.5, 2.5, 45.0, 5.0, 29.66, 29.66, _FRAMEWORK),
        _access("3g", 150.0, 0.768, 1.6, f"{_WEBPAGETEST} 3GFast"),
        _access("lte", 70.0, 12.0, 12.0, f"{_WEBPAGETEST} LTE"),
        _access("dsl", 50.0, 0.384, 1.5, f"{_WEBPAGETEST} DSL"),
        _access("cable", 28.0, 1.0, 5.0, f"{_WEBPAGETEST} Cable"),
        _access("fiber", 4.0, 5.0, 20.0, f"{_WEBPAGETEST} FIOS"),
    )
}


@cache
def default_link(src: str, dst: str, preset: str) -> Link:
    """The link between two tiers that the config does not describe.

    Two endpoints are connected with the delay between endpoint and edge, at the upload rate both ways,
    because traffic from a peer passes the uplink of that peer. Tiers that the user named are connected
    without delay and rate limit.

    Args:
        src: tier that sends.
        dst: tier that receives.
        preset: name of a preset, a key of ``PRESETS``.
    """
    if (src, dst) in WIRED:
        return WIRED[src, dst]
    if "endpoint" not in (src, dst) or src not in BUILTIN_TIERS or dst not in BUILTIN_TIERS:
        return Link(src, dst)
    of = PRESETS[preset]
    rate = of.up_mbit if src == "endpoint" else of.down_mbit
    if "cloud" in (src, dst):
        return Link(src, dst, of.cloud_ms, of.cloud_jitter_ms, rate)
    return Link(src, dst, of.edge_ms, of.edge_jitter_ms, rate)
