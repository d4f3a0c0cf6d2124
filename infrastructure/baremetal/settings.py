"""The config keys of the provider, and the host of each node; pure."""

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
    Option(_SECTION, "baremetal_hosts", Texts(), (), "Hosts of other tiers, each as NODE=user@host."),
    Option(
        _SECTION,
        "baremetal_addresses",
        Texts(),
        (),
        "Addresses for traffic between nodes, if ssh uses others, each as NODE=IPv4.",
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
class NamedHost:
    """A host of the config: how to log in to it and what to clean up there.

    Attributes:
        node: name of its node.
        host: its name, address or ssh alias.
        user: account on it; empty for ssh's default.
        port: port of its ssh daemon; 0 for ssh's default.
        key: private key file; empty for the user's agent and keys.
        config: ssh configuration file; empty for the user's own.
        folder: the run's folder on it.
        sudo: whether commands need sudo.
        interface: interface that reaches the other hosts; empty if unknown or if links are not emulated.
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

    def leftovers(self, run_id: str) -> Iterator[str]:
        """What a run has on the host until it is cleaned up, one line each."""
        yield f"{self} ({self.node}): processes with {protocol.ENV_RUN}={run_id} in their environment"
        yield f"{self} ({self.node}): folder {self.folder}"
        if self.interface:
            yield f"{self} ({self.node}): the queue `htb 1:` at the root of {self.interface}"

    def to_json(self) -> str:
        """The entry for the journal."""
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> NamedHost:
        """The host from an entry of the journal; TypeError or ValueError if the entry is damaged."""
        values = json.loads(text)
        if not isinstance(values, dict):
            raise TypeError("not a host")
        host = NamedHost(**values)
        types = {"port": int, "sudo": bool}
        if any(type(value) is not types.get(name, str) for name, value in asdict(host).items()):
            raise TypeError("not a host")
        return host


def hosts(config: Config, topology: Topology, run_id: str) -> tuple[NamedHost, ...]:
    """The host of every node, from a checked config."""
    section = config.infrastructure
    key, file = section.path("baremetal_key"), section.path("baremetal_ssh_config")
    common = NamedHost(
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
    """The addresses of nodes that the config gives."""
    return dict(_pairs(config, "baremetal_addresses"))


def _words(config: Config, topology: Topology) -> Mapping[str, str]:
    """The host of each node, as it is written in the config."""
    own = dict(_pairs(config, "baremetal_hosts"))
    for tier in topology.tiers:
        if tier.name in BUILTIN:
            named = config.infrastructure.texts(f"baremetal_{tier.name}")
            own.update({f"{tier.name}{index}": host for index, host in enumerate(named)})
    return own


def _pairs(config: Config, key: str) -> Iterator[tuple[str, str]]:
    for text in config.infrastructure.texts(key):
        node, _, value = text.partition("=")
        yield node.strip(), value.strip()


def problems(config: Config, topology: Topology) -> Iterator[Problem]:
    """Hosts and addresses that are missing, invalid or named twice."""
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
        named = section.texts(key)
    else:
        found = dict(_pairs(config, key))
        named = tuple(found[node] for node in (f"{tier}{n}" for n in range(count)) if node in found)
    if not named:
        example = "user@host" if tier in BUILTIN else f"{tier}0=user@host"
        yield section.problem(key, f"missing; name {_hosts(count)} for the {tier} nodes, as in {example}")
    elif len(named) != count:
        yield section.problem(key, f"{_hosts(len(named))} for {count} {tier} nodes; name one for each")
    for host in named:
        if not _HOST.fullmatch(host):
            yield section.problem(key, f'"{host}" is not a host; write user@host or user@host:port')


def _hosts(count: int) -> str:
    return "one host" if count == 1 else f"{count} hosts"


def _twice(config: Config, topology: Topology) -> Iterator[Problem]:
    """Hosts that are named for two nodes, which would share the host's network."""
    seen: dict[str, str] = {}
    for node, words in _words(config, topology).items():
        match = _HOST.fullmatch(words)
        if match is None:
            continue
        place = f"{match[2].lower()}:{match[3] or ''}"
        if place in seen:
            tier = node.rstrip("0123456789")
            key = f"baremetal_{tier}" if tier in BUILTIN else "baremetal_hosts"
            message = f"{match[2]} is already the host of {seen[place]}; name a different host for each node"
            yield config.infrastructure.problem(key, message)
        seen.setdefault(place, node)


def unlimited(topology: Topology) -> tuple[str, ...]:
    """Limits of the config that these nodes do not enforce."""
    found = []
    if any(tier.quota < 1 for tier in topology.tiers):
        found.append("CPU quotas are not enforced on bare-metal hosts")
    if any(tier.read_mb_per_s or tier.write_mb_per_s for tier in topology.tiers):
        found.append("disk limits are not enforced on bare-metal hosts")
    return (*found, "cores and memory are those of the hosts; workloads are not limited to less")
