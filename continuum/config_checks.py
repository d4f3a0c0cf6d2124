"""What a config as a whole must have: checks over more than one key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from continuum import registry
from continuum.choice import Chosen
from continuum.core_options import TIER
from continuum.errors import Problem
from continuum.ini import Document
from continuum.presets import BUILTIN_TIERS
from continuum.section import Section

if TYPE_CHECKING:
    from continuum.config import Config

_EXAMPLES = {"cores": "2", "memory": "4 GB", "nodes": "1"}


def missing(config: Config, chosen: Chosen) -> Iterator[Problem]:
    """Values that must be given and are not."""
    for name, tier in config.tiers.items():
        yield from _missing_in_tier(name, tier)
    for module in chosen.modules():
        for option in module.options:
            section = getattr(config, option.section)
            if option.required and not section.given(option.key):
                yield section.problem(option.key, f"missing; {option.help}")


def _missing_in_tier(name: str, tier: Section) -> Iterator[Problem]:
    if tier.line and not tier.given("nodes"):
        yield tier.problem("nodes", 'missing; write e.g. "nodes = 1"')
    if not tier.values["nodes"]:
        return
    for option in TIER:
        if option.required and not tier.given(option.key):
            flat = not tier.line and name in BUILTIN_TIERS
            key = f"{name}_{option.key}" if flat else option.key
            remedy = f'add e.g. "{key} = {_EXAMPLES[option.key]}"'
            yield tier.problem("nodes", f"these nodes have no {option.key}; {remedy}")


def check(config: Config, document: Document, chosen: Chosen) -> Iterator[Problem]:
    """Values that do not go together."""
    yield from _nodes(config, document)
    yield from _emulation(config)
    yield from _links_without_nodes(config)
    yield from _benchmark(config, document, chosen)
    yield from _execution_model(config, chosen)
    yield from _keep(config)


def _nodes(config: Config, document: Document) -> Iterator[Problem]:
    if any(tier.values["nodes"] for tier in config.tiers.values()):
        return
    if not document.sections:
        return  # there is a problem about that already
    where = config.infrastructure
    yield Problem('no nodes at all; write e.g. "cloud_nodes = 1"', where.file, where.line, where.name)


def _emulation(config: Config) -> Iterator[Problem]:
    section = config.infrastructure
    described = [link for link in config.links.values() if link.line]
    off = section.given("network_emulation") and section.entries["network_emulation"]
    if off and described and off.value.lower() in {"false", "no", "off", "0"}:
        for link in described:
            message = f"describes a link, but network_emulation is {off.value} on line {off.line}"
            yield Problem(f"{message}; remove one of the two", link.file, link.line, link.name)
    elif not section.flag("network_emulation"):
        idle = [entry for link in config.links.values() for entry in link.entries.values()]
        if section.given("wireless_network_preset"):
            idle.append(section.entries["wireless_network_preset"])
        if idle:
            first = min(idle, key=lambda entry: entry.line)
            more = f" (nor have {len(idle) - 1} more keys)" if len(idle) > 1 else ""
            message = f"no effect{more} unless network_emulation = True"
            yield Problem(message, section.file, first.line, first.section, first.key, first.value, "warning")


def _links_without_nodes(config: Config) -> Iterator[Problem]:
    for link in config.links.values():
        ends = link.name.removeprefix("link ").replace("->", "-").split("-")
        idle = [end for end in dict.fromkeys(ends) if not config.tiers[end].values["nodes"]]
        if link.line and idle:
            message = f"no effect: there are no {' and no '.join(idle)} nodes"
            yield Problem(message, link.file, link.line, link.name, severity="warning")


def _benchmark(config: Config, document: Document, chosen: Chosen) -> Iterator[Problem]:
    if chosen.infra_only:
        return
    there = registry.there_are(registry.names("application"))
    if "benchmark" not in document.sections:
        if document.sections:
            remedy = f"add [benchmark] with an application ({there}), or infra_only = True"
            yield Problem(f"no [benchmark] section; {remedy}", file=config.infrastructure.file)
    elif not chosen.resource_manager_only and not config.benchmark.given("application"):
        yield config.benchmark.problem(
            "application", f"missing; {there} (or set resource_manager_only = True)"
        )


def _execution_model(config: Config, chosen: Chosen) -> Iterator[Problem]:
    """An execution model is an option of a resource manager: one that has none cannot run any."""
    section = config.execution_model
    if not section.given("model"):
        return
    manager = chosen.resource_manager
    if manager is not None and any(o.name == ("execution_model", "model") for o in manager.options):
        return
    if manager is not None or chosen.infra_only:
        owner = "this resource manager" if manager else "infra_only"
        yield section.problem("model", f"not in use with {owner}; ignored", "warning")
    else:
        yield section.problem("model", "no such execution model; there are none yet")


def _keep(config: Config) -> Iterator[Problem]:
    delete, keep = config.infrastructure.values["delete"], config.run.values["keep"]
    if delete is None or not config.run.given("keep"):
        return
    if (keep == "never") != delete:
        line = config.infrastructure.entries["delete"].line
        yield config.run.problem("keep", f"contradicts delete = {delete} on line {line}; keep one")
