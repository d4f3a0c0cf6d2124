"""Config -> tiers, nodes and links."""

import pytest

from continuum.config import loader as config
from continuum.config.link_presets import PRESETS, default_link
from continuum.config.topology_builder import from_config
from continuum.model.topology import Link, NodeSpec, Tier, Topology

ALL = """[infrastructure]
infra_only = True
cloud_nodes = 2
cloud_cores = 4
cloud_memory = 4
edge_nodes = 2
edge_cores = 2
edge_memory = 2 GB
edge_quota = 0.75
endpoint_nodes = 2
endpoint_cores = 1
endpoint_memory = 512 MiB
endpoint_quota = 50 %
endpoint_read_speed = 100
endpoint_write_speed = 1 GB/s
"""


def plan(more: str = "", base: str = ALL) -> Topology:
    return from_config(config.parse(base + more, "x.cfg"))


def test_tiers_and_nodes() -> None:
    planned = plan("[tier fog]\nnodes = 1\ncores = 0.5\nmemory = 1\n")
    assert planned.tier_names() == ("cloud", "edge", "endpoint", "fog")
    assert planned.tier("endpoint") == Tier("endpoint", 2, 1.0, 512, 0.5, 100.0, 1000.0)
    assert planned.tier("cloud") == Tier("cloud", 2, 4.0, 4096, 1.0, None, None)
    assert [node.name for node in planned.nodes] == [
        *("cloud0", "cloud1", "edge0", "edge1", "endpoint0", "endpoint1", "fog0")
    ]
    assert planned.node("edge1") == NodeSpec("edge1", "edge", 1, 2.0, 2048, 0.75)
    assert planned.node("fog0").cpu_limit == 0.5
    assert planned.node("endpoint0").write_mb_per_s == 1000.0


def test_tiers_as_sections_mean_the_same_as_flat_keys() -> None:
    sections = """[infrastructure]
infra_only = True
endpoint_nodes = 2
[tier endpoint]
cores = 1
memory = 512 MiB
quota = 0.5
read_speed = 100 MB/s
write_speed = 1000
[tier edge]
nodes = 2
cores = 2
memory = 2
quota = 0.75
[tier cloud]
nodes = 2
cores = 4
memory = 4
"""
    assert plan(base=sections) == plan()


def test_without_emulation_every_link_is_a_plain_wire() -> None:
    planned = plan("cloud_latency_avg = 10\n")
    assert not planned.emulated
    assert len(planned.links) == 9
    assert planned.links == tuple(Link(src, dst) for src, dst in planned.tier_pairs())


def test_a_lone_node_has_no_link_to_its_own_tier() -> None:
    planned = plan(base=f"{ALL}network_emulation = True\n".replace("_nodes = 2", "_nodes = 1"))
    assert len(planned.links) == 6
    assert all(link.src != link.dst for link in planned.links)


def test_default_links() -> None:
    planned = plan("network_emulation = True\n")
    wired = {("cloud", "cloud"): (0.0, 0.0), ("edge", "edge"): (7.5, 2.5), ("cloud", "edge"): (7.5, 2.5)}
    for (src, dst), (latency_ms, jitter_ms) in wired.items():
        assert planned.link(src, dst) == Link(src, dst, latency_ms, jitter_ms, 1000.0)
        assert planned.link(dst, src) == Link(dst, src, latency_ms, jitter_ms, 1000.0)


@pytest.mark.parametrize(("preset", "rate"), [("4g", 7.21), ("5g", 29.66)])
def test_wireless_presets_of_the_framework(preset: str, rate: float) -> None:
    planned = plan(f"network_emulation = True\nwireless_network_preset = {preset}\n")
    for src, dst in (("cloud", "endpoint"), ("endpoint", "cloud")):
        assert planned.link(src, dst) == Link(src, dst, 45.0, 5.0, rate)
    for src, dst in (("edge", "endpoint"), ("endpoint", "edge"), ("endpoint", "endpoint")):
        assert planned.link(src, dst) == Link(src, dst, 7.5, 2.5, rate)


def test_a_preset_may_differ_by_direction() -> None:
    planned = plan("network_emulation = True\nwireless_network_preset = cable\n")
    assert planned.link("endpoint", "edge") == Link("endpoint", "edge", 14.0, 0.0, 1.0)
    assert planned.link("edge", "endpoint") == Link("edge", "endpoint", 14.0, 0.0, 5.0)
    assert planned.link("cloud", "endpoint") == Link("cloud", "endpoint", 21.5, 2.5, 5.0)
    assert planned.link("endpoint", "endpoint").bandwidth_mbit == 1.0


def test_every_preset_has_a_source_and_shapes_endpoints_only() -> None:
    for name, preset in PRESETS.items():
        assert preset.source
        assert default_link("endpoint", "cloud", name) != Link("endpoint", "cloud")
        assert default_link("cloud", "cloud", name) == Link("cloud", "cloud", 0.0, 0.0, 1000.0)
        assert default_link("fog", "endpoint", name) == Link("fog", "endpoint")


def test_flat_keys_override_one_value_each_in_both_directions() -> None:
    planned = plan(
        "network_emulation = True\nwireless_network_preset = 5g\n"
        "cloud_edge_throughput = 900\nedge_endpoint_latency_avg = 12.5\ncloud_latency_var = 1\n"
    )
    for src, dst in (("cloud", "edge"), ("edge", "cloud")):
        assert planned.link(src, dst) == Link(src, dst, 7.5, 2.5, 900.0)
    for src, dst in (("edge", "endpoint"), ("endpoint", "edge")):
        assert planned.link(src, dst) == Link(src, dst, 12.5, 2.5, 29.66)
    assert planned.link("cloud", "cloud") == Link("cloud", "cloud", 0.0, 1.0, 1000.0)
    assert planned.link("endpoint", "endpoint") == Link("endpoint", "endpoint", 7.5, 2.5, 29.66)


def test_zero_overrides_too() -> None:
    planned = plan("network_emulation = True\nedge_latency_avg = 0\nedge_latency_var = 0\n")
    assert planned.link("edge", "edge") == Link("edge", "edge", 0.0, 0.0, 1000.0)


def test_link_section_switches_emulation_on_and_counts_both_ways() -> None:
    planned = plan("[link edge - cloud]\nlatency = 20 ms\nbandwidth = unlimited\nloss = 0.5 %\n")
    assert planned.emulated
    for src, dst in (("cloud", "edge"), ("edge", "cloud")):
        assert planned.link(src, dst) == Link(src, dst, 20.0, 2.5, None, 0.5)
    assert planned.link("edge", "edge").latency_ms == 7.5


def test_links_may_have_a_queue_and_a_correlation_of_jitter() -> None:
    planned = plan("[link edge-cloud]\nqueue = 64 kB\n[link edge->cloud]\njitter_correlation = 40 ms\n")
    there, back = planned.link("edge", "cloud"), planned.link("cloud", "edge")
    assert (there.queue_bytes, there.jitter_correlation_ms) == (64_000, 40)
    assert (back.queue_bytes, back.jitter_correlation_ms) == (64_000, None)


def test_one_way_refines_both_ways_key_by_key() -> None:
    planned = plan(
        "[link endpoint->cloud]\nbandwidth = 5\n"
        "[link cloud-endpoint]\nlatency = 30\njitter = 3\nbandwidth = 50\n"
        "[link cloud->endpoint]\njitter = 0\n"
    )
    assert planned.link("endpoint", "cloud") == Link("endpoint", "cloud", 30.0, 3.0, 5.0)
    assert planned.link("cloud", "endpoint") == Link("cloud", "endpoint", 30.0, 0.0, 50.0)


def test_one_way_refines_flat_keys() -> None:
    planned = plan("network_emulation = True\ncloud_edge_latency_avg = 9\n[link edge->cloud]\nlatency = 1\n")
    assert (planned.link("cloud", "edge").latency_ms, planned.link("edge", "cloud").latency_ms) == (9.0, 1.0)


def test_links_of_own_tiers() -> None:
    planned = plan(
        "[tier fog]\nnodes = 2\ncores = 1\nmemory = 1\n"
        "[link fog-cloud]\nlatency = 5\n[link fog-fog]\njitter = 1\n"
    )
    assert planned.link("cloud", "fog") == Link("cloud", "fog", 5.0)
    assert planned.link("fog", "cloud") == Link("fog", "cloud", 5.0)
    assert planned.link("fog", "fog") == Link("fog", "fog", 0.0, 1.0)
    assert planned.link("fog", "edge") == Link("fog", "edge")
    assert len(planned.links) == 16


def test_a_thousand_nodes_have_as_many_links_as_ten() -> None:
    few, many = plan(), plan(base=ALL.replace("endpoint_nodes = 2", "endpoint_nodes = 1000"))
    assert len(many.nodes) == 1004
    assert len(many.links) == len(few.links)
