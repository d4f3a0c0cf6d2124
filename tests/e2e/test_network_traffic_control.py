"""The commands of the netem engine, taken by the kernel's own traffic control as far as it is there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence

import pytest

from benchmarks.fabric_nodes import BareNetwork, why_not
from continuum.model.topology import Link
from continuum.network import engines, netem, netem_layers
from continuum.network.engines import NetemEngine
from continuum.network.routes import Route

pytestmark = [
    pytest.mark.root,
    pytest.mark.measures,
    pytest.mark.skipif(bool(reason := why_not()), reason=f"no bare nodes here: {reason}"),
    pytest.mark.skipif(shutil.which("tc") is None, reason="tc is not installed"),
]

HAS_POLICER = engines.has_module("act_police")
HAS_NETEM = HAS_POLICER and not engines.capabilities()["netem"]
LINK = Link("endpoint", "cloud", latency_ms=10, jitter_ms=1, bandwidth_mbit=20)


@pytest.fixture
def net() -> Iterator[BareNetwork]:
    with BareNetwork({"cloud0": "cloud", "endpoint0": "endpoint"}) as network:
        yield network


def run(net: BareNetwork, argv: Sequence[str]) -> str:
    node = net["endpoint0"]
    process = node.start(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err.decode()
    return out.decode()


def without_netem(net: BareNetwork, link: Link) -> list[netem.Command]:
    """Class and filter of a route: the parts that need no netem, and the policer if the kernel has it."""
    route = Route("endpoint0", "cloud0", net["cloud0"].address, link)
    htb_class, _, u32 = netem.route_commands("eth0", 1, route)
    return [htb_class, u32 if HAS_POLICER else u32[: len(u32) - len(netem.policer(link))]]


def test_classes_and_filters_are_taken_and_changed_in_place(net: BareNetwork) -> None:
    for command in (netem.root_command("eth0"), *without_netem(net, LINK)):
        run(net, command)
    for command in without_netem(net, Link("endpoint", "cloud", bandwidth_mbit=40)):
        run(net, command)
    classes = run(net, ("tc", "class", "show", "dev", "eth0"))
    assert classes.count("class htb") == 1
    assert "rate 100Gbit ceil 100Gbit" in classes
    filters = run(net, ("tc", "filter", "show", "dev", "eth0"))
    assert filters.count("flowid 1:1") == 1
    assert netem.has_root(run(net, ("tc", "qdisc", "show", "dev", "eth0")))
    run(net, netem.removal_command("eth0"))
    shown = run(net, ("tc", "qdisc", "show", "dev", "eth0"))
    assert "htb" not in shown
    assert not netem.has_root(shown)


def test_traffic_of_a_destination_goes_through_its_class(net: BareNetwork) -> None:
    for command in (netem.root_command("eth0"), *without_netem(net, LINK)):
        run(net, command)
    send = (
        "import socket,sys; s=socket.socket(2,2); [s.sendto(b'x'*972, (sys.argv[1], 9)) for _ in range(10)]"
    )
    run(net, ("python3", "-I", "-S", "-c", send, net["cloud0"].address))
    run(net, ("python3", "-I", "-S", "-c", send, "10.77.9.9"))
    assert " 10 pkt (dropped 0" in run(net, ("tc", "-s", "class", "show", "dev", "eth0"))


@pytest.mark.skipif(not HAS_POLICER, reason="no act_police here")
def test_the_policer_drops_what_does_not_fit_into_the_queue(net: BareNetwork) -> None:
    link = Link("endpoint", "cloud", bandwidth_mbit=0.01, queue_bytes=10_000)
    for command in (netem.root_command("eth0"), *without_netem(net, link)):
        run(net, command)
    send = (
        "import socket,sys; s=socket.socket(2,2); [s.sendto(b'x'*972, (sys.argv[1], 9)) for _ in range(30)]"
    )
    run(net, ("python3", "-I", "-S", "-c", send, net["cloud0"].address))
    assert "(dropped 20, overlimits 20" in run(net, ("tc", "-s", "filter", "show", "dev", "eth0"))


@pytest.mark.skipif(not HAS_NETEM, reason=f"no netem here: {engines.capabilities()['netem']}")
def test_engine_shapes_again_and_changes(net: BareNetwork) -> None:
    engine = NetemEngine()
    deployment = net.deployment(LINK, Link("cloud", "endpoint"))
    nothing = None
    engine.shape(deployment, nothing)  # type: ignore[arg-type]
    engine.shape(deployment, nothing)  # type: ignore[arg-type]
    engine.change(deployment, nothing, [Link("endpoint", "cloud", latency_ms=80)])  # type: ignore[arg-type]
    queues = run(net, ("tc", "qdisc", "show", "dev", "eth0"))
    kinds = [line.split()[1] for line in queues.splitlines()]
    assert sorted(kinds) in (["htb", "netem"], ["htb", "netem", "netem"])
    assert netem_layers.has_inner(queues) == (kinds.count("netem") == 2)
    assert "delay 80ms" in queues
