"""The pure parts of the provider ``baremetal``: hosts of a config, what they lack, and exact commands."""

from dataclasses import replace

import pytest

from continuum.config import loader as config
from continuum.config import topology_builder
from continuum.connection.deployment import Deployment
from continuum.errors import ConfigError, ProvisionError
from continuum.model.node import Node
from continuum.model.topology import NodeSpec
from continuum.network import baseline_delay, netem
from continuum.network.routes import routes
from infrastructure.baremetal import host_facts, settings
from infrastructure.baremetal.provider import _refuse_same
from infrastructure.baremetal.settings import NamedHost

START = """[infrastructure]
provider = baremetal
infra_only = True
cloud_nodes = 1
cloud_cores = 2
cloud_memory = 2
endpoint_nodes = 2
endpoint_cores = 1
endpoint_memory = 1
"""
HOSTS = "baremetal_cloud = root@server\nbaremetal_endpoint = pi@one:2222, two\n"


def places(more: str = HOSTS) -> tuple[NamedHost, ...]:
    read = config.parse(START + more, "x.cfg")
    return settings.hosts(read, topology_builder.from_config(read), "run")


def test_each_node_has_its_host() -> None:
    cloud, first, second = places()
    assert (cloud.node, cloud.user, cloud.host, cloud.port) == ("cloud0", "root", "server", 0)
    assert (first.node, str(first), first.port) == ("endpoint0", "pi@one", 2222)
    assert (second.node, str(second)) == ("endpoint1", "two")
    assert cloud.folder == "/var/lib/continuum/run"
    assert NamedHost.from_json(first.to_json()) == first


def test_tiers_of_ones_own_name_their_nodes() -> None:
    fog = "baremetal_hosts = fog0=a@b, fog1 = c\n[tier fog]\nnodes = 2\ncores = 1\nmemory = 1\n"
    assert [str(place) for place in places(HOSTS + fog)][-2:] == ["a@b", "c"]


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ("", "baremetal_cloud: missing; name one host for the cloud nodes, as in user@host"),
        ("baremetal_cloud = a\n", "baremetal_endpoint: missing; name 2 hosts for the endpoint nodes"),
        (HOSTS.replace(", two", ""), "one host for 2 endpoint nodes; name one for each"),
        (HOSTS.replace("two", "-oProxyCommand=x"), '"-oProxyCommand=x" is not a host'),
        (HOSTS.replace("two", "a b"), '"a b" is not a host'),
        (HOSTS.replace("two", "pi@server"), "server is already the host of cloud0; name a different host"),
        (HOSTS + "baremetal_addresses = cloud7=10.0.0.1\n", 'there is no node "cloud7"'),
        (HOSTS + "baremetal_addresses = cloud0=server\n", 'cloud0: "server" is not an IPv4 address'),
        (HOSTS + "[tier fog]\nnodes = 1\ncores = 1\nmemory = 1\n", "as in fog0=user@host"),
    ],
)
def test_what_cannot_work_is_refused(more: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        config.parse(START + more, "x.cfg")
    lines = str(refused.value).splitlines()
    assert any(complaint in line for line in lines), lines


def test_two_names_of_one_host_are_found_out_by_address() -> None:
    with pytest.raises(ProvisionError, match=r"edge0 and cloud0 are the same host \(10\.0\.0\.1\)"):
        _refuse_same({"cloud0": "10.0.0.1", "edge0": "10.0.0.1"})


GOOD = """
uid=1000
sudo=yes
has_python3=yes
has_ip=yes
has_tc=yes
has_tar=yes
has_unshare=yes
has_mktemp=yes
python=3.11
cores=4
memory_mb=1950
has_sch_htb=yes
has_sch_netem=yes
has_cls_u32=yes
has_act_police=yes
kernel=Linux
"""
SPEC = NodeSpec("cloud0", "cloud", 0, 4, 2048)


def shortcomings(text: str, *, emulated: bool = True) -> list[str]:
    return list(host_facts.shortcomings(host_facts.parse(text), SPEC, emulated=emulated))


def test_a_host_that_has_everything() -> None:
    assert shortcomings(GOOD) == []


@pytest.mark.parametrize(
    ("have", "instead", "complaint"),
    [
        ("sudo=yes", "", "sudo asks for a password"),
        ("has_tc=yes", "", "is missing tc; run there: sudo apt-get install iproute2"),
        ("python=3.11", "python=3.6", "has Python 3.6; install 3.7"),
        ("has_sch_netem=yes", "", "a kernel without sch_netem"),
        ("cores=4", "cores=2", "has 2 cores, and cloud_cores is 4"),
        ("memory_mb=1950", "memory_mb=900", "has 900 MiB of memory, and cloud_memory is 2048 MiB"),
        ("kernel=Linux", "kernel=FreeBSD", "runs FreeBSD, not Linux"),
    ],
)
def test_what_a_host_is_missing(have: str, instead: str, complaint: str) -> None:
    (found,) = shortcomings(GOOD.replace(have, instead))
    assert complaint in found


def test_root_needs_no_sudo_and_plain_links_no_netem() -> None:
    text = GOOD.replace("uid=1000", "uid=0").replace("sudo=yes", "").replace("has_sch_netem=yes", "")
    assert shortcomings(text, emulated=False) == []


def test_links_go_on_the_interface_that_was_found_with_the_networks_delay_subtracted() -> None:
    links = "network_emulation = True\nedge_nodes = 0\n[link cloud-endpoint]\nlatency = 20\njitter = 0\n"
    read = config.parse(START + HOSTS + links + "bandwidth = 100\n", "x.cfg")
    planned = topology_builder.from_config(read)
    nodes = tuple(
        Node(spec, f"192.0.2.{number}", interface=f"enp{number}s0")
        for number, spec in enumerate(planned.nodes, start=1)
    )
    pairs = list(planned.tier_pairs())
    deployment, _ = baseline_delay.settle(Deployment(planned, nodes, {}), dict.fromkeys(pairs, 0.25))
    ways = baseline_delay.rest(
        deployment, routes(deployment.topology, {node.name: node.address for node in nodes})
    )
    commands = netem.by_node(deployment, ways, netem.class_numbers(planned), fresh=True)
    first, *others = [" ".join(command) for command in commands["cloud0"]]
    assert first == "tc qdisc replace dev enp1s0 root handle 1: htb"
    delays = [line for line in others if "netem" in line]
    assert len(delays) == 2
    assert all(line.startswith("tc qdisc replace dev enp1s0 parent 1:") for line in delays)
    assert all(" delay 19750us" in line for line in delays)
    assert any("match ip dst 192.0.2.2/32" in line for line in others)


def test_what_is_not_enforced_is_said() -> None:
    read = config.parse(START + HOSTS, "x.cfg")
    planned = topology_builder.from_config(read)
    halved = replace(planned, tiers=tuple(replace(tier, quota=0.5) for tier in planned.tiers))
    assert len(settings.unlimited(halved)) == len(settings.unlimited(planned)) + 1
