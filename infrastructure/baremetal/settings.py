"""The keys of the provider, and which host is which node; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from continuum.errors import Problem
from continuum.model.node import FOLDER
from continuum.options import FilePath, Option, Texts
from continuum.sdk import protocol

if TYPE_CHECKING:
    from continuum.model.config import Config
    from continuum.model.topology import Topology

_SECTION = "infrastructure"
BUILTIN = ("cloud", "edge", "endpoint")
_HOST = re.compile(r"(?:([A-Za-z_][\w.-]*)@)?([A-Za-z0-9][A-Za-z0-9._-]*)(?::(\d{1,5}))?")

OPTIONS: tuple[Option, ...] = (
    *(
        Option(
            _SECTION,
            f"baremetal_{tier}",
            Texts(),
            (),
            f"Hosts of the tier {tier}, one a node, each as user@host or user@host:port.",
        )
        for tier in BUILTIN
    ),
    Option(_SECTION, "baremetal_hosts", Texts(), (), "Hosts of tiers of one's own, each as NODE=user@host."),
    Option(
        _SECTION,
        "baremetal_addresses",
        Texts(),
        (),
        "Addresses that nodes reach each other at where ssh takes another way, each as NODE=IPv4.",
    ),
    Option(
        _SECTION,
        "baremetal_key",
        FilePath(),
        None,
        "Private key to log in with.",
        default_text="your agent and keys",
    ),
    Option(
        _SECTION,
        "baremetal_ssh_config",
        FilePath(),
        None,
        "Configuration file of ssh.",
        default_text="your own",
    ),
)


@dataclass(frozen=True)
class Place:
    """A host and all that is needed to find it again and to clean it up.

    Attributes:
        node: the node it is.
        host: its name, address or alias.
        user: account there; empty for what ssh takes by itself.
        port: of its ssh daemon; 0 for what ssh takes by itself.
        key: private key; empty for the user's agent and keys.
        config: configuration of ssh; empty for the user's own.
        folder: the run's folder there.
        sudo: whether root is had by sudo.
        interface: interface that reaches the peers; empty as long as that is not known.
    """

    node: str
    host: str
    user: str = ""
    port: int = 0
    key: str = ""
    config: str = ""
    folder: str = ""
    sudo: bool = False
    interface: str = ""

    def __str__(self) -> str:
        return f"{self.user}@{self.host}" if self.user else self.host

    def leaves(self, run_id: str) -> Iterator[str]:
        """What a run has on the host until it is cleaned up, one line each."""
        yield f"{self} ({self.node}): processes with {protocol.ENV_RUN}={run_id} in their environment"
        yield f"{self} ({self.node}): folder {self.folder}"
        if self.interface:
            yield f"{self} ({self.node}): the queue `htb 1:` at the root of {self.interface}"

    def to_json(self) -> str:
        """As it stands in the journal."""
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> Place:
        """As it was written into the journal."""
        return Place(**json.loads(text))


def places(config: Config, topology: Topology, run_id: str) -> tuple[Place, ...]:
    """The host of every node, of a checked config."""
    section = config.infrastructure
    key, file = section.path("baremetal_key"), section.path("baremetal_ssh_config")
    common = Place(
        node="",
        host="",
        key=str(key.absolute()) if key else "",
        config=str(file.absolute()) if file else "",
        folder=f"{FOLDER}/{run_id}",
    )
    words = _words(config, topology)
    found = []
    for node in topology.nodes:
        match = _HOST.fullmatch(words[node.name])
        assert match, "checked before"
        user, host, port = match.groups()
        found.append(replace(common, node=node.name, host=host, user=user or "", port=int(port or 0)))
    return tuple(found)


def addresses(config: Config) -> dict[str, str]:
    """The nodes' addresses that the config gives."""
    return dict(_pairs(config, "baremetal_addresses"))


def _words(config: Config, topology: Topology) -> Mapping[str, str]:
    """What is written for each node."""
    own = dict(_pairs(config, "baremetal_hosts"))
    for tier in topology.tiers:
        if tier.name in BUILTIN:
            hosts = config.infrastructure.texts(f"baremetal_{tier.name}")
            own.update({f"{tier.name}{index}": host for index, host in enumerate(hosts)})
    return own


def _pairs(config: Config, key: str) -> Iterator[tuple[str, str]]:
    for text in config.infrastructure.texts(key):
        node, _, value = text.partition("=")
        yield node.strip(), value.strip()


def problems(config: Config, topology: Topology) -> Iterator[Problem]:
    """What in the config cannot work."""
    section = config.infrastructure
    for tier in topology.tiers:
        yield from _tier_problems(config, tier.name, tier.count)
    for key in ("baremetal_hosts", "baremetal_addresses"):
        for node, _ in _pairs(config, key):
            if node not in {spec.name for spec in topology.nodes}:
                yield section.problem(key, f'there is no node "{node}"; write NODE=..., as in cloud0=...')
    for node, address in _pairs(config, "baremetal_addresses"):
        try:
            IPv4Address(address)
        except ValueError:
            yield section.problem("baremetal_addresses", f'{node}: "{address}" is not an IPv4 address')
    yield from _twice(config, topology)


def _tier_problems(config: Config, tier: str, count: int) -> Iterator[Problem]:
    section = config.infrastructure
    key = f"baremetal_{tier}" if tier in BUILTIN else "baremetal_hosts"
    if tier in BUILTIN:
        hosts = section.texts(key)
    else:
        found = dict(_pairs(config, key))
        hosts = tuple(found[node] for node in (f"{tier}{n}" for n in range(count)) if node in found)
    if not hosts:
        example = "user@host" if tier in BUILTIN else f"{tier}0=user@host"
        yield section.problem(key, f"missing; name {_hosts(count)} for the {tier} nodes, as in {example}")
    elif len(hosts) != count:
        yield section.problem(key, f"{_hosts(len(hosts))} for {count} {tier} nodes; name one for each")
    for host in hosts:
        if not _HOST.fullmatch(host):
            yield section.problem(key, f'"{host}" is no host; write user@host or user@host:port')


def _hosts(count: int) -> str:
    return "one host" if count == 1 else f"{count} hosts"


def _twice(config: Config, topology: Topology) -> Iterator[Problem]:
    """One host cannot be two nodes: they would share its network."""
    seen: dict[str, str] = {}
    for node, words in _words(config, topology).items():
        match = _HOST.fullmatch(words)
        if match is None:
            continue
        place = f"{match[2].lower()}:{match[3] or ''}"
        if place in seen:
            tier = node.rstrip("0123456789")
            key = f"baremetal_{tier}" if tier in BUILTIN else "baremetal_hosts"
            message = f"{match[2]} is {seen[place]} already; a host can be one node only"
            yield config.infrastructure.problem(key, message)
        seen.setdefault(place, node)


def unlimited(topology: Topology) -> tuple[str, ...]:
    """What the config limits and these nodes do not, in words."""
    found = []
    if any(tier.quota < 1 for tier in topology.tiers):
        found.append("CPU quotas are not enforced on hosts of one's own")
    if any(tier.read_mb_per_s or tier.write_mb_per_s for tier in topology.tiers):
        found.append("disk limits are not enforced on hosts of one's own")
    return (*found, "cores and memory are those of the hosts; workloads are not held to less")
