"""Checks a config for the application; opens the files that it names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from application.video import files, placement
from application.video.options import ENDPOINT, PEER, PREFERRED_TIERS
from application.video.settings import HTTP
from continuum.errors import Problem
from continuum.model.topology import Tier

if TYPE_CHECKING:
    from continuum.model.config import Config


def check(config: Config) -> Iterator[Problem]:
    """All problems of the config."""
    counts = {name: section.integer("nodes") for name, section in config.tiers.items()}
    yield from _endpoints(config, counts)
    where = placement.target(config.benchmark.maybe_text("offload_to"), counts)
    problems = list(_target(config, where, counts))
    yield from problems
    if not problems:
        yield from _resources(config, where)
    yield from _function(config, where)
    yield from _frame_size(config)
    yield from _files(config)


def _endpoints(config: Config, counts: dict[str, int]) -> Iterator[Problem]:
    if not counts.get(ENDPOINT):
        message = 'video requires endpoints, which produce the frames; write e.g. "endpoint_nodes = 1"'
        yield config.benchmark.problem("application", message)


def _target(config: Config, where: str, counts: dict[str, int]) -> Iterator[Problem]:
    section = config.benchmark
    if where == PEER:
        if counts.get(ENDPOINT, 0) == 1:
            remedy = 'write "endpoint_nodes = 2" or more'
            yield section.problem("offload_to", f"an endpoint requires another one as its peer; {remedy}")
        return
    if where == ENDPOINT or counts.get(where):
        return
    there = [name for name, count in counts.items() if count]
    if where in counts:
        remedy = f'write e.g. "{where}_nodes = 1"' if where in ("cloud", "edge") else "add nodes to it"
        yield section.problem("offload_to", f"there are no {where} nodes; {remedy}, or offload_to one of: "
                              f"{', '.join((*there, PEER))}")  # fmt: skip
    else:
        yield section.problem(
            "offload_to", f"no such tier; there are: {', '.join(dict.fromkeys((*there, ENDPOINT, PEER)))}"
        )


def _function(config: Config, where: str) -> Iterator[Problem]:
    """An execution model requires workers that serve HTTP requests."""
    if not config.execution_model.maybe_text("model"):
        return
    if where in (ENDPOINT, PEER):
        remedy = 'write e.g. "offload_to = cloud"'
        yield config.execution_model.problem(
            "model", f"frames are classified on endpoints, so there are no workers to run with it; {remedy}"
        )
    section = config.benchmark
    if section.given("transport") and section.text("transport") != HTTP:
        yield section.problem("transport", 'execution models require HTTP; write "transport = http"')


def _resources(config: Config, where: str) -> Iterator[Problem]:
    """Whether the given resources fit into a node; the defaults always do."""
    endpoints = _tier(config, ENDPOINT)
    if endpoints.count:
        yield from _excess(config, endpoints, "endpoint", 1)
    if where == ENDPOINT:
        return
    found = list(_excess(config, _tier(config, placement.worker_tier(where)), "worker", _replicas(config)))
    elsewhere = _fits_elsewhere(config, where)
    for problem in found:
        if elsewhere:
            # The Continuum framework derives the tier from its resource manager, so its files may name none.
            message = f"{problem.message}; reduced to that, unless offload_to = {elsewhere}"
            yield replace(problem, message=message, severity="warning")
        else:
            yield problem


def _fits_elsewhere(config: Config, where: str) -> str:
    """Another tier that workers fit into, if the user has not chosen one; empty if there is none."""
    if config.benchmark.given("offload_to"):
        return ""
    tiers = (_tier(config, name) for name in PREFERRED_TIERS if name not in (where, ENDPOINT))
    fitting = (t for t in tiers if t.count and not list(_excess(config, t, "worker", _replicas(config))))
    return next((tier.name for tier in fitting), "")


def _replicas(config: Config) -> int:
    return config.benchmark.integer("applications_per_worker")


def _excess(config: Config, tier: Tier, role: str, copies: int) -> Iterator[Problem]:
    section = config.benchmark
    several = f"{copies} x " if copies > 1 else ""
    key = f"application_{role}_cpu"
    cores = section.maybe_real(key)
    if cores is not None and copies * cores > tier.cores + 1e-9:
        has = f"{several}{cores:g} cores, but a node of tier {tier.name} has {tier.cores:g}"
        yield section.problem(key, f"{has}; write at most {tier.cores / copies:g}")
    key = f"application_{role}_memory"
    memory_mb = section.maybe_integer(key)
    if memory_mb is not None and copies * memory_mb > tier.memory_mb:
        has = f"{several}{memory_mb} MiB, but a node of tier {tier.name} has {tier.memory_mb} MiB"
        yield section.problem(key, f'{has}; write at most "{tier.memory_mb // copies} MiB"')


def _tier(config: Config, name: str) -> Tier:
    section = config.tiers[name]
    # A tier without nodes may leave cores and memory open.
    cores, memory_mb = section.maybe_real("cores"), section.maybe_integer("memory")
    return Tier(name, section.integer("nodes"), cores or 1.0, memory_mb or 1024)


def _frame_size(config: Config) -> Iterator[Problem]:
    try:
        placement.frame_size(config.benchmark.maybe_text("frame_size"))
    except ValueError as error:
        yield config.benchmark.problem("frame_size", str(error))


def _files(config: Config) -> Iterator[Problem]:
    section = config.benchmark
    missing = {}
    for key in ("video", "ground_truth", "model", "labels"):
        path = section.path(key)
        if path is not None and not path.is_file():
            missing[key] = "is a folder, not a file" if path.is_dir() else f"no such file: {path}"
            yield section.problem(key, missing[key])
    if section.given("model") and not section.given("labels"):
        remedy = 'name a file with the model\'s labels, one per line, with "labels = FILE"'
        yield section.problem("model", f"the model has no labels; {remedy}")
    elif not missing.keys() & {"model", "labels"}:
        yield from _model(config)
    if "video" not in missing and section.given("video"):
        yield from _opens(config, "video", files.check_video)
    if "ground_truth" not in missing and section.given("ground_truth"):
        yield from _opens(config, "ground_truth", files.check_truth)


def _model(config: Config) -> Iterator[Problem]:
    """Check the model, only if the config names one: importing ONNX Runtime is slow."""
    section = config.benchmark
    if section.given("model") or section.given("labels"):
        chosen = files.choose(config)
        message = files.check_model(chosen.model, chosen.labels, section.text("normalisation"))
        if message:
            yield section.problem("model" if section.given("model") else "labels", message)


def _opens(config: Config, key: str, look: files.Look) -> Iterator[Problem]:
    path = config.benchmark.path(key)
    message = look(path if path is not None else Path())
    if message:
        yield config.benchmark.problem(key, message)
