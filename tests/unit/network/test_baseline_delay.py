"""The delay of the real network is subtracted from the configured delay."""

from dataclasses import replace

import pytest

from continuum.connection.deployment import Deployment
from continuum.errors import ProvisionError
from continuum.model.node import Node
from continuum.model.topology import Link, NodeSpec, Tier, Topology
from continuum.network import baseline_delay
from continuum.network.routes import Route, routes

NATIVE = {("cloud", "edge"): 0.8, ("edge", "cloud"): 0.9}


def deployment(*links: Link, emulated: bool = True) -> Deployment:
    specs = (NodeSpec("cloud0", "cloud", 0, 1, 1), NodeSpec("edge0", "edge", 0, 1, 1))
    topology = Topology((Tier("cloud", 1, 1, 1), Tier("edge", 1, 1, 1)), specs, links, emulated)
    nodes = tuple(Node(spec, f"10.0.0.{n}") for n, spec in enumerate(specs, 1))
    return Deployment(topology, nodes, {})


def delays(deployed: Deployment) -> dict[str, float]:
    addresses = {node.name: node.address for node in deployed.nodes}
    left = baseline_delay.rest(deployed, routes(deployed.topology, addresses))
    return {route.src: route.link.latency_ms for route in left}


def test_what_is_left_is_emulated_and_the_whole_is_verified() -> None:
    settled, notes = baseline_delay.settle(
        deployment(Link("cloud", "edge", 10), Link("edge", "cloud", 20, jitter_ms=2)), NATIVE
    )
    assert not notes
    assert delays(settled) == pytest.approx({"cloud0": 9.2, "edge0": 19.1})
    assert settled.topology.link("edge", "cloud") == Link("edge", "cloud", 20, jitter_ms=2)


def test_links_faster_than_the_network_are_refused() -> None:
    with pytest.raises(ProvisionError) as refused:
        baseline_delay.settle(deployment(Link("cloud", "edge", 0.5), Link("edge", "cloud", 0.6)), NATIVE)
    assert str(refused.value).splitlines() == [
        (
            "link cloud -> edge: 0.5 ms is not possible; the real network takes 0.80 ms."
            " Configure a longer delay, or move the nodes closer to each other"
        ),
        (
            "link edge -> cloud: 0.6 ms is not possible; the real network takes 0.90 ms."
            " Configure a longer delay, or move the nodes closer to each other"
        ),
    ]


def test_a_link_without_a_delay_gets_that_of_the_network() -> None:
    settled, notes = baseline_delay.settle(
        deployment(Link("cloud", "edge", bandwidth_mbit=5), Link("edge", "cloud", 3)), NATIVE
    )
    assert settled.topology.link("cloud", "edge") == Link("cloud", "edge", 0.8, bandwidth_mbit=5)
    assert delays(settled) == pytest.approx({"cloud0": 0.0, "edge0": 2.1})
    assert notes == ("cloud -> edge: no delay is configured; the real network adds 0.8 ms",)


def test_without_emulation_links_are_the_networks_own() -> None:
    settled, notes = baseline_delay.settle(deployment(emulated=False), NATIVE)
    assert settled.topology.links == (Link("cloud", "edge", 0.8), Link("edge", "cloud", 0.9))
    assert len(notes) == 2


def test_a_changed_link_is_checked_likewise() -> None:
    settled = replace(deployment(), native_delays_ms=NATIVE)
    with pytest.raises(ProvisionError, match=r"cloud -> edge: 0\.2 ms is not possible"):
        baseline_delay.rest(settled, [Route("cloud0", "edge0", "10.0.0.2", Link("cloud", "edge", 0.2))])
    (left,) = baseline_delay.rest(settled, [Route("cloud0", "edge0", "10.0.0.2", Link("cloud", "edge", 0.0))])
    assert left.link.latency_ms == 0


def test_an_emulated_network_is_left_alone() -> None:
    given = (Route("cloud0", "edge0", "10.0.0.2", Link("cloud", "edge", 0.2)),)
    assert baseline_delay.rest(deployment(), given) == given


def test_slow_nodes_refuse_nothing() -> None:
    slow = replace(deployment(Link("cloud", "edge", 0.5), Link("edge", "cloud", 3)), native_refuses=False)
    settled, notes = baseline_delay.settle(slow, NATIVE)
    assert notes == ("cloud -> edge: 0.5 ms is not possible; the nodes alone take 0.80 ms",)
    assert delays(settled) == pytest.approx({"cloud0": 0.0, "edge0": 2.1})
    assert settled.topology.link("cloud", "edge") == Link("cloud", "edge", 0.5)


def test_the_queue_is_that_of_the_whole_delay() -> None:
    settled = replace(deployment(), native_delays_ms=NATIVE)
    link = Link("cloud", "edge", 10, bandwidth_mbit=80)
    (left,) = baseline_delay.rest(settled, [Route("cloud0", "edge0", "10.0.0.2", link)])
    assert left.link.queue_bytes == 1.5 * 10e6 * 0.02
