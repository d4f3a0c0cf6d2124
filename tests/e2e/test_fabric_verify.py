"""Verify measures what links really do: it believes good links, and finds out bad ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest

from benchmarks.fabric_nodes import BareNetwork, both_ways, why_not
from continuum.errors import ProvisionError
from continuum.model.result import LinkFidelity
from continuum.model.topology import Link
from continuum.network.verification.engine_view import EngineView, Losses
from continuum.network.verification.verify import Effort, verify
from continuum.options.tolerance import Tolerance

pytestmark = [
    pytest.mark.root,
    pytest.mark.measures,
    pytest.mark.skipif(bool(reason := why_not()), reason=f"no bare nodes here: {reason}"),
]

LENIENT = Tolerance(delay_percent=20, delay_floor_ms=10, throughput_percent=30)
"""What even a very busy host keeps to; the links under test stray much further, or not at all."""

BRIEF = Effort(probing_s=0.5, most_probes=50, known_probes=40, train_s=0.5, flow_s=0.25)
"""Enough for links that stray that far."""


@pytest.fixture
def net() -> Iterator[BareNetwork]:
    with BareNetwork({"cloud0": "cloud", "endpoint0": "endpoint"}) as network:
        yield network


class FabricView(EngineView):
    """What the fabric of a bare network says; ``ahead_ms`` less than the delays that it really chose."""

    tells_intended = True

    def __init__(self, net: BareNetwork, ahead_ms: float = 0.0) -> None:
        self._client, self._ahead_ms = net.client, ahead_ms

    def losses(self) -> Losses:
        links = self._client.stats()["links"]
        return {(one["src"], one["dst"]): (one["packets"] + one["lost"], one["lost"]) for one in links}

    def expect_probes(self, pairs: Sequence[tuple[str, str, int]]) -> None:
        self._client.expect_probes(pairs)

    def intended_ms(self) -> Mapping[tuple[int, int], float]:
        return {probe: 1e3 * chosen_s - self._ahead_ms for probe, chosen_s in self._client.intended().items()}

    def applied(self) -> tuple[Link, ...]:
        return self._client.applied()


def by_pair(reports: tuple[LinkFidelity, ...]) -> dict[tuple[str, str], LinkFidelity]:
    return {(report.src, report.dst): report for report in reports}


def test_links_as_configured_are_believed(net: BareNetwork) -> None:
    up = Link("endpoint", "cloud", latency_ms=40, bandwidth_mbit=8)
    down = Link("cloud", "endpoint", latency_ms=10, bandwidth_mbit=300)
    found = by_pair(verify(net.deployment(up, down), net.directory, LENIENT, BRIEF))
    assert {pair: report.note for pair, report in found.items() if not report.ok} == {}
    upward = found["endpoint", "cloud"]
    assert upward.configured == {
        "latency_ms": 40,
        "jitter_ms": 0,
        "bandwidth_mbit": 8,
        "loss_percent": 0,
        "rtt_ms": pytest.approx(50.07, abs=0.01),
    }
    assert upward.measured["rtt_ms"] == pytest.approx(50, abs=15)
    assert upward.measured["one_way_ms"] == pytest.approx(40, abs=12)
    assert upward.measured["throughput_mbit"] == pytest.approx(8, rel=0.3)
    assert upward.measured["loss_percent"] == pytest.approx(0, abs=2)
    assert found["cloud", "endpoint"].measured["one_way_ms"] == pytest.approx(10, abs=12)


def test_links_that_stray_are_found_out(net: BareNetwork) -> None:
    deployment = net.deployment(*both_ways("cloud", "endpoint", latency_ms=5, bandwidth_mbit=20))
    net.shape(Link("endpoint", "cloud", latency_ms=60, bandwidth_mbit=5, loss_percent=40))
    found = by_pair(verify(deployment, net.directory, LENIENT, BRIEF))["endpoint", "cloud"]
    assert found.ok is False
    assert "packets lost instead of 0.0%" in found.note
    assert "one-way delay" in found.note
    assert "throughput" in found.note
    assert found.measured["attempts"] == 3


def test_a_bad_second_node_of_a_tier_is_found_out() -> None:
    nodes = {"cloud0": "cloud", "endpoint0": "endpoint", "endpoint1": "endpoint"}
    with BareNetwork(nodes) as net:
        deployment = net.deployment(*both_ways("cloud", "endpoint", latency_ms=5))
        net.shape(Link("endpoint1", "cloud", latency_ms=60))
        found = by_pair(verify(deployment, net.directory, LENIENT, BRIEF))["endpoint", "cloud"]
        assert not found.ok
        assert "endpoint1 -> cloud0: " in found.note
        assert "endpoint0" not in found.note


@pytest.mark.slow
def test_jitter_that_is_missing_is_found_out(net: BareNetwork) -> None:
    deployment = net.deployment(*both_ways("cloud", "endpoint", latency_ms=30, jitter_ms=10))
    net.shape(*both_ways("cloud", "endpoint", latency_ms=30))
    for report in verify(deployment, net.directory, replace(LENIENT, delay_floor_ms=2)):
        assert "jitter" in report.note, report


@pytest.mark.slow
def test_a_little_loss_is_found_by_the_counters_of_the_engine(net: BareNetwork) -> None:
    deployment = net.deployment(*both_ways("cloud", "endpoint", latency_ms=5, bandwidth_mbit=20))
    net.shape(*both_ways("cloud", "endpoint", latency_ms=5, bandwidth_mbit=20, loss_percent=1))

    for report in verify(deployment, net.directory, LENIENT, engine=FabricView(net)):
        assert "packets lost instead of 0.0%" in report.note


@pytest.mark.slow
def test_delays_that_the_engine_did_not_choose_are_found(net: BareNetwork) -> None:
    links = both_ways("cloud", "endpoint", latency_ms=30, jitter_ms=10, bandwidth_mbit=20)
    deployment = net.deployment(*links)
    honest = verify(deployment, net.directory, LENIENT, BRIEF, FabricView(net))
    assert [report.note for report in honest] == ["", ""]
    assert {report.measured["probes"] for report in honest} == {40}
    for report in verify(deployment, net.directory, LENIENT, BRIEF, FabricView(net, ahead_ms=30)):
        assert "one-way delay +3" in report.note, report
        assert "off the delay that the network engine chose" in report.note


def test_links_that_the_engine_applies_and_the_config_has_not_are_named() -> None:
    with BareNetwork({"cloud0": "cloud", "endpoint0": "endpoint", "endpoint1": "endpoint"}) as net:
        links = both_ways("cloud", "endpoint", latency_ms=30, jitter_ms=10, bandwidth_mbit=20)
        deployment = net.deployment(*links)
        net.shape(Link("endpoint1", "cloud", latency_ms=30.5, jitter_ms=10, bandwidth_mbit=20))
        net.shape(replace(links[0], jitter_ms=10.1))
        found = by_pair(verify(deployment, net.directory, LENIENT, BRIEF, FabricView(net)))
        first, second = (found[link.src, link.dst] for link in links)
        assert first.note == "the network engine applies jitter_ms 10.1 instead of 10"
        assert second.note == ("endpoint1 -> cloud: the network engine applies latency_ms 30.5 instead of 30")


def test_a_dead_link_is_as_it_should_be_if_it_should(net: BareNetwork) -> None:
    dead = Link("endpoint", "cloud", loss_percent=100)
    found = by_pair(verify(net.deployment(dead, Link("cloud", "endpoint")), net.directory, LENIENT, BRIEF))
    for report in found.values():
        assert report.ok, report.note
        assert report.measured["rtt_ms"] is None
    assert found["endpoint", "cloud"].measured["loss_percent"] == 100
    assert found["endpoint", "cloud"].measured["throughput_mbit"] is None
    assert found["cloud", "endpoint"].measured["loss_percent"] == 0


def test_a_link_that_should_work_and_is_dead_is_not_ok(net: BareNetwork) -> None:
    deployment = net.deployment(*both_ways("cloud", "endpoint", latency_ms=1, bandwidth_mbit=10))
    net.shape(Link("endpoint", "cloud", loss_percent=100))
    found = by_pair(verify(deployment, net.directory, LENIENT, BRIEF))
    assert not found["endpoint", "cloud"].ok
    assert "100.0% of" in found["endpoint", "cloud"].note
    assert "no throughput could be measured" in found["endpoint", "cloud"].note
    assert not found["cloud", "endpoint"].ok


def test_tiers_of_several_nodes_are_measured_within_too() -> None:
    with BareNetwork({"edge0": "edge", "edge1": "edge"}) as net:
        deployment = net.deployment(Link("edge", "edge", latency_ms=3, jitter_ms=1, bandwidth_mbit=50))
        (report,) = verify(deployment, net.directory, LENIENT, BRIEF)
        assert (report.src, report.dst, report.ok) == ("edge", "edge", True), report.note


def test_one_node_alone_has_no_link() -> None:
    with BareNetwork({"edge0": "edge"}) as net:
        assert verify(net.deployment(), net.directory) == ()


def test_an_agent_that_cannot_start_is_named(net: BareNetwork) -> None:
    deployment = net.deployment(*both_ways("cloud", "endpoint"))
    net.client.detach(["endpoint0"])
    with pytest.raises(
        ProvisionError, match=r"the agent on endpoint0 ended: .*Cannot assign requested address"
    ):
        verify(deployment, net.directory)


def test_effort_decides_how_many_probes_measure_a_link(net: BareNetwork) -> None:
    up, down = both_ways("endpoint", "cloud", latency_ms=5, bandwidth_mbit=8)
    effort = Effort(probing_s=2.2, most_probes=220, known_probes=40, train_s=0.7, flow_s=0.35)
    found = by_pair(verify(net.deployment(up, down), net.directory, LENIENT, effort))
    assert found["endpoint", "cloud"].measured["probes"] == 220
