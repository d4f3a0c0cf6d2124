"""The topology that a config describes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from continuum.model import link_names
from continuum.model.config import Config
from continuum.model.section import Section
from continuum.model.topology import Link, NodeSpec, Tier, Topology


def from_config(config: Config) -> Topology:
    """The nodes and links that a config describes; pure.

    A link is the default one (see ``link_presets``), overridden by ``[link A-B]`` or the flat keys,
    overridden by ``[link A->B]``. Without network emulation links have no delay and no rate limit.
    """
    tiers = tuple(_tier(name, section) for name, section in config.tiers.items() if section.integer("nodes"))
    nodes = tuple(node for tier in tiers for node in _nodes_of(tier))
    emulated = config.infrastructure.flag("network_emulation")
    plain = Topology(tiers, nodes, (), emulated)
    return replace(plain, links=tuple(_link(config, src, dst, emulated) for src, dst in plain.tier_pairs()))


def _tier(name: str, section: Section) -> Tier:
    return Tier(
        name=name,
        count=section.integer("nodes"),
        cores=section.real("cores"),
        memory_mb=section.integer("memory"),
        quota=section.real("quota"),
        read_mb_per_s=section.real("read_speed") or None,
        write_mb_per_s=section.real("write_speed") or None,
    )


def _nodes_of(tier: Tier) -> Iterator[NodeSpec]:
    for index in range(tier.count):
        yield NodeSpec(
            name=f"{tier.name}{index}",
            tier=tier.name,
            index=index,
            cores=tier.cores,
            memory_mb=tier.memory_mb,
            quota=tier.quota,
            read_mb_per_s=tier.read_mb_per_s,
            write_mb_per_s=tier.write_mb_per_s,
        )


def _link(config: Config, src: str, dst: str, emulated: bool) -> Link:
    if not emulated:
        return Link(src, dst)
    from continuum.config.link_presets import default_link

    link = default_link(src, dst, config.infrastructure.text("wireless_network_preset"))
    for name in link_names.names_of(src, dst):
        section = config.links.get(name)
        if section is not None:
            link = _overridden(link, section)
    return link


def _overridden(link: Link, section: Section) -> Link:
    """The link, with the values that a section gives."""
    latency_ms, jitter_ms = section.maybe_real("latency"), section.maybe_real("jitter")
    correlation_ms = section.maybe_real("jitter_correlation")
    queue_bytes = section.maybe_real("queue")
    bandwidth_mbit, loss_percent = section.maybe_real("bandwidth"), section.maybe_real("loss")
    return replace(
        link,
        latency_ms=link.latency_ms if latency_ms is None else latency_ms,
        jitter_ms=link.jitter_ms if jitter_ms is None else jitter_ms,
        jitter_correlation_ms=link.jitter_correlation_ms if correlation_ms is None else correlation_ms,
        queue_bytes=link.queue_bytes if queue_bytes is None else queue_bytes,
        bandwidth_mbit=_rate(link.bandwidth_mbit if bandwidth_mbit is None else bandwidth_mbit),
        loss_percent=link.loss_percent if loss_percent is None else loss_percent,
    )


def _rate(bandwidth_mbit: float | None) -> float | None:
    """The rate; None for ``unlimited``."""
    return None if bandwidth_mbit == float("inf") else bandwidth_mbit
