"""Checks that involve more than one key of a config."""

from __future__ import annotations

import re
from collections.abc import Iterator

from continuum.config.core_options import CORE, TIER
from continuum.config.ini import Document
from continuum.config.link_presets import BUILTIN_TIERS
from continuum.config.select_modules import SelectedModules
from continuum.errors import Problem
from continuum.model.config import Config
from continuum.model.link_names import LinkName
from continuum.model.section import Entry, Section
from continuum.model.topology import MAX_NODES
from continuum.modules import registry
from continuum.options import Flag

_EXAMPLES = {"cores": "2", "memory": "4 GB", "nodes": "1"}
_MIRROR = re.compile(r"(https?|ftp|file)://?[^\s\"'\[\]]+")


def missing(config: Config, selected: SelectedModules) -> Iterator[Problem]:
    """Problems of required values that are missing."""
    for name, tier in config.tiers.items():
        yield from _missing_in_tier(name, tier)
    for module in selected.modules():
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
            yield tier.problem("nodes", f"the nodes of this tier have no {option.key}; {remedy}")


def check(
    config: Config, document: Document, selected: SelectedModules, has_unknown_sections: bool
) -> Iterator[Problem]:
    """Problems of values that contradict each other.

    Args:
        config: the config, with wrong and missing values replaced.
        document: the file it was read from.
        selected: the modules in use.
        has_unknown_sections: whether sections could not be resolved; then nothing is reported as missing,
            since one of them may contain it.
    """
    if not has_unknown_sections:
        yield from _nodes(config, document)
        yield from _benchmark(config, document, selected)
    yield from _emulation(config)
    yield from _links_without_nodes(config)
    yield from _execution_model(config, selected)
    yield from _unread(config, selected)
    yield from _keep(config)
    yield from _repeats(config)
    yield from _software(config)
    yield from _containers(config, selected)


def _nodes(config: Config, document: Document) -> Iterator[Problem]:
    where = config.infrastructure
    if not document.sections and not document.problems:
        yield Problem(
            "the file has only comments; see configs/quickstart.cfg for a first config", where.file, 1
        )
    elif (total := count_nodes(config)) > MAX_NODES:
        largest = max(config.tiers.values(), key=_count)
        yield largest.problem("nodes", f"{total:,} nodes in all; a run has at most {MAX_NODES:,}")
    elif document.sections and not any(tier.values["nodes"] for tier in config.tiers.values()):
        yield Problem('no nodes; write e.g. "cloud_nodes = 1"', where.file, where.line or 1, where.name)


def count_nodes(config: Config) -> int:
    """Nodes of all tiers together."""
    return sum(_count(tier) for tier in config.tiers.values())


def _count(tier: Section) -> int:
    return tier.integer("nodes") if tier.values["nodes"] else 0


def _emulation(config: Config) -> Iterator[Problem]:
    section = config.infrastructure
    described = [link for link in config.links.values() if link.line]
    switch = section.entries.get("network_emulation")
    if described and switch and _is_off(switch):
        for link in described:
            message = f"describes a link, but network_emulation is {switch.value} on line {switch.line}"
            yield Problem(f"{message}; remove one of the two", link.file, link.line, _as_written(link))
    elif not section.flag("network_emulation"):
        idle = [entry for link in config.links.values() for entry in link.entries.values()]
        if section.given("wireless_network_preset"):
            idle.append(section.entries["wireless_network_preset"])
        if idle:
            first = min(idle, key=lambda entry: entry.line)
            more = f" ({len(idle) - 1} more below likewise)" if len(idle) > 1 else ""
            message = f"no effect unless network_emulation = True{more}"
            yield Problem(message, section.file, first.line, first.section, first.key, first.value, "warning")


def _as_written(link: Section) -> str:
    """The section name as written in the file, where the tiers may be in the other order."""
    sections = (entry.section for entry in link.entries.values() if entry.section.startswith("link "))
    return next(sections, link.name)


def _is_off(switch: Entry) -> bool:
    try:
        return not Flag().parse(switch.value)
    except ValueError:
        return False  # neither on nor off: reported elsewhere


def _links_without_nodes(config: Config) -> Iterator[Problem]:
    for link in config.links.values():
        name = LinkName.parse(link.name.removeprefix("link "))
        idle = [end for end in dict.fromkeys(name.ends) if not config.tiers[end].values["nodes"]]
        if link.line and idle:
            message = f"no effect: there are no {' and no '.join(idle)} nodes"
            yield Problem(message, link.file, link.line, _as_written(link), severity="warning")


def _benchmark(config: Config, document: Document, selected: SelectedModules) -> Iterator[Problem]:
    if selected.infra_only is not False:
        return
    there = registry.there_are(registry.names("application"))
    if "benchmark" not in document.sections:
        if document.sections:
            remedy = f"add [benchmark] with an application ({there}), or infra_only = True"
            yield Problem(f"the [benchmark] section is missing; {remedy}", config.infrastructure.file, 1)
    elif selected.resource_manager_only is False and not config.benchmark.given("application"):
        yield config.benchmark.problem(
            "application", f"missing; {there} (or set resource_manager_only = True)"
        )


def _execution_model(config: Config, selected: SelectedModules) -> Iterator[Problem]:
    """An execution model needs a resource manager that it supports, and workers that answer over HTTP."""
    section, model = config.execution_model, selected.execution_model
    if section.given("model") and selected.infra_only:
        yield section.problem("model", "ignored, since infra_only = True", "warning")
    if model is None:
        return
    manager, application = selected.resource_manager, selected.application
    if manager is not None and not set(model.needs) & set(manager.offers):
        able = ", ".join(_offering(model.needs)) or "none"
        yield section.problem("model", f"does not support this resource manager; supported: {able}")
    if application is not None and not application.arrival:
        yield section.problem(
            "model", "cannot run this application, because its workers do not answer over HTTP"
        )


def _offering(needs: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the resource managers that an execution model supports."""
    return tuple(
        name
        for kind, name, module in registry.all_modules()
        if kind == "resource_manager" and set(needs) & set(getattr(module, "offers", ()))
    )


def _unread(config: Config, selected: SelectedModules) -> Iterator[Problem]:
    """Keys of the core that are given although no module in use reads them."""
    read = {option.name for module in selected.modules() for option in module.options}
    if len(selected.problems):
        return  # a missing module might have read them
    for option in CORE.values():
        section: Section = getattr(config, option.section)
        given = option.needs_reader and section.given(option.key)
        if given and option.name not in read and section.values[option.key] != option.default:
            yield section.problem(option.key, "no effect: no module in use reads it", "warning")


def _keep(config: Config) -> Iterator[Problem]:
    delete, keep = config.infrastructure.values["delete"], config.run.values["keep"]
    if delete is None or not config.run.given("keep"):
        return
    if (keep == "never") != delete:
        line = config.infrastructure.entries["delete"].line
        yield config.run.problem("keep", f"contradicts delete = {delete} on line {line}; keep one")


def _repeats(config: Config) -> Iterator[Problem]:
    repeats = config.run.integer("repeats")
    if repeats > 1 and config.keep == "always":
        message = f"with keep = always, the nodes of all {repeats} runs stay, and disturb those that follow"
        yield config.run.problem("repeats", message, "warning")


def _software(config: Config) -> Iterator[Problem]:
    """Problems of the keys that say where software for nodes comes from."""
    section = config.infrastructure
    folder, mirror = section.path("artifact_dir"), section.maybe_text("package_mirror")
    if folder is not None and not folder.is_dir():
        yield section.problem("artifact_dir", f"no such folder: {folder}; create it, or remove the key")
    files = section.maybe_text("artifact_mirror")
    if files is not None and not (_MIRROR.fullmatch(files) and files.startswith("http")):
        yield section.problem("artifact_mirror", 'not a URL; write e.g. "http://mirror.example"')
    if mirror is not None and not _MIRROR.fullmatch(mirror):
        yield section.problem("package_mirror", 'not a URL; write e.g. "http://mirror.example/debian"')


def _containers(config: Config, selected: SelectedModules) -> Iterator[Problem]:
    """A resource manager that runs containers needs nodes that can run them."""
    provider, manager = selected.provider, selected.resource_manager
    if provider is None or manager is None or not manager.runs_containers or not provider.no_containers:
        return
    able = tuple(
        name
        for kind, name, module in registry.all_modules()
        if kind == "provider" and not getattr(module, "no_containers", "")
    )
    name = config.infrastructure.text("provider")
    message = f"it runs containers, but nodes of provider {name} cannot: {provider.no_containers}"
    remedy = f"choose another provider; {registry.there_are(able)}"
    yield config.benchmark.problem("resource_manager", f"{message}; {remedy}")
