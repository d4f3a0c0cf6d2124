"""Which links are applied, and by which engine."""

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from continuum.errors import HostError
from continuum.model.topology import Link, NodeSpec, Tier, Topology
from continuum.network import engines
from continuum.network import routes as paths
from continuum.network.routes import Route

CLOUD, ENDPOINT = Tier("cloud", 1, 1, 1024), Tier("endpoint", 2, 1, 1024)
NODES = (
    NodeSpec("cloud0", "cloud", 0, 1, 1024),
    NodeSpec("endpoint0", "endpoint", 0, 1, 1024),
    NodeSpec("endpoint1", "endpoint", 1, 1, 1024),
)
UP, DOWN = Link("endpoint", "cloud", 45, 5, 7.21), Link("cloud", "endpoint", 40)
ADDRESSES = {"cloud0": "10.77.0.1", "endpoint0": "10.77.0.2", "endpoint1": "10.77.0.3"}


def topology() -> Topology:
    return Topology((CLOUD, ENDPOINT), NODES, (UP, DOWN), emulated=True)


def test_every_pair_of_tiers_that_can_communicate_has_a_link() -> None:
    assert topology().tier_links() == (DOWN, UP, Link("endpoint", "endpoint"))


def test_routes_join_every_ordered_pair_of_nodes() -> None:
    routes = list(paths.routes(topology(), ADDRESSES))
    assert [(r.src, r.dst) for r in routes] == [
        ("cloud0", "endpoint0"),
        ("cloud0", "endpoint1"),
        ("endpoint0", "cloud0"),
        ("endpoint0", "endpoint1"),
        ("endpoint1", "cloud0"),
        ("endpoint1", "endpoint0"),
    ]
    assert routes[0].link == DOWN
    assert routes[2] == Route("endpoint0", "cloud0", "10.77.0.1", UP)


def test_a_change_concerns_its_routes_alone_and_a_node_goes_before_its_tier() -> None:
    slow, slower = Link("endpoint", "cloud", 80), Link("endpoint1", "cloud0", 90)
    routes = list(paths.routes(topology(), ADDRESSES, [slow, slower]))
    assert [(r.src, r.link.latency_ms) for r in routes] == [("endpoint0", 80), ("endpoint1", 90)]


def test_the_current_link_of_a_node_is_its_own_or_that_of_its_tier() -> None:
    links = {(UP.src, UP.dst): UP, ("endpoint1", "cloud"): Link("endpoint1", "cloud", 80)}
    assert paths.current_link(links, topology(), "endpoint0", "cloud0") == replace(
        UP, src="endpoint0", dst="cloud0"
    )
    assert paths.current_link(links, topology(), "endpoint1", "cloud0").latency_ms == 80
    assert paths.current_link(links, topology(), "cloud", "endpoint") == Link("cloud", "endpoint")


def test_the_tier_of_a_node_is_looked_up_not_guessed_from_its_name() -> None:
    spec = NodeSpec("fog20", "fog2", 0, 1, 1024)
    planned = Topology((Tier("fog2", 1, 1, 1024), CLOUD), (spec, NODES[0]), ())
    links = {("fog2", "cloud"): Link("fog2", "cloud", 30)}
    assert paths.current_link(links, planned, "fog20", "cloud0").latency_ms == 30


WORKS = {"fabric": "", "netem": ""}
NO_NETEM = {"fabric": "", "netem": "the kernel has no sch_netem"}


@pytest.mark.parametrize(
    ("requested", "supported", "lacks", "chosen"),
    [
        ("auto", ("fabric",), WORKS, "fabric"),
        ("auto", ("netem", "fabric"), WORKS, "netem"),
        ("auto", ("netem", "fabric"), NO_NETEM, "fabric"),
        ("fabric", ("netem", "fabric"), WORKS, "fabric"),
        ("auto", (), NO_NETEM, ""),
        ("netem", (), NO_NETEM, ""),
    ],
)
def test_the_first_engine_that_works_is_chosen(
    requested: str, supported: tuple[str, ...], lacks: dict[str, str], chosen: str
) -> None:
    assert engines.choose(requested, supported, lacks) == chosen


def test_an_engine_the_provider_cannot_use_is_refused_by_name() -> None:
    with pytest.raises(HostError, match=r'network_engine = "netem".*"auto" or "fabric"'):
        engines.choose("netem", ("fabric",), WORKS)


def test_what_is_lacking_is_said() -> None:
    with pytest.raises(HostError, match="netem: the kernel has no sch_netem"):
        engines.choose("netem", ("netem", "fabric"), NO_NETEM)


def test_capabilities_of_a_bare_root(tmp_path: Path) -> None:
    lacks = engines.capabilities(tmp_path)
    assert "modprobe tun" in lacks["fabric"]
    assert "sch_htb, sch_netem, cls_u32" in lacks["netem"]


def test_a_loaded_module_counts(tmp_path: Path) -> None:
    for name in ("sch_htb", "sch_netem", "cls_u32", "act_police"):
        (tmp_path / "sys/module" / name).mkdir(parents=True)
    assert engines.capabilities(tmp_path)["netem"] == ""


def test_a_built_in_part_counts_and_an_unavailable_one_does_not(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    config = b"CONFIG_NET_SCH_HTB=y\nCONFIG_NET_SCH_NETEM=m\nCONFIG_NET_CLS_U32=y\nCONFIG_NET_ACT_POLICE=y\n"
    (tmp_path / "proc/config.gz").write_bytes(gzip.compress(config))
    assert "the kernel has no sch_netem;" in engines.capabilities(tmp_path)["netem"]
