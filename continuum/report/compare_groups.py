"""Groups the runs of a comparison: the repeats of one deployment belong together. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from continuum.errors import UsageError
from continuum.model.benchmark import Benchmark
from continuum.model.result import Result

_NOT_COMPARED = {"run": {"name", "seed", "repeats", "keep", "timeout"}, "infrastructure": {"base_path"}}
"""Keys that may differ between the repeats of one deployment."""


@dataclass(frozen=True)
class Group:
    """The runs of one deployment.

    Attributes:
        name: unique in the comparison.
        runs: name and result of each run; all have completed requests.
    """

    name: str
    runs: tuple[tuple[str, Result], ...]

    @property
    def benches(self) -> tuple[Benchmark, ...]:
        """The benchmark of each run."""
        return tuple(bench_of(result) for _, result in self.runs)

    @property
    def medians_ms(self) -> tuple[float, ...]:
        """Median latency of each run."""
        return tuple(p50 for bench in self.benches if (p50 := bench.end_to_end_ms.p50) is not None)

    def stage_medians_ms(self, stage: str) -> tuple[float, ...]:
        """Median time in a stage of each run that has the stage."""
        summaries = [bench.stages_ms.get(stage) for bench in self.benches]
        return tuple(one.p50 for one in summaries if one is not None and one.p50 is not None)

    def stage_mean_ms(self, stage: str) -> float | None:
        """Mean time in a stage over all runs; None if no run has the stage."""
        summaries = [bench.stages_ms.get(stage) for bench in self.benches]
        means = [one.mean for one in summaries if one is not None and one.mean is not None]
        return sum(means) / len(means) if means else None


def grouped(runs: Sequence[tuple[str, Result]]) -> tuple[Group, ...]:
    """Groups in the order of their first runs.

    Runs of the same config are a group. If all runs have the same config, as before and after a change of
    something else, the repeats of each call of the program are a group, and other runs stand alone.
    """
    keys: list[object] = [_deployment(result) for _, result in runs]
    if len(set(keys)) == 1:
        keys = [result.repeat.group or position for position, (_, result) in enumerate(runs)]
    members: dict[object, list[tuple[str, Result]]] = {}
    for key, run in zip(keys, runs, strict=True):
        members.setdefault(key, []).append(run)
    titles = names([group[0][1] for group in members.values()])
    return tuple(Group(title, tuple(group)) for title, group in zip(titles, members.values(), strict=True))


def names(results: Sequence[Result]) -> list[str]:
    """A unique name for each run: its config file, if necessary with its provider, or else its id."""
    stems = [Path(str(result.config.get("file") or result.run_id)).stem for result in results]
    ids = [result.run_id for result in results]
    for tried in (stems, _with_providers(stems, results), _with_providers(ids, results)):
        if len(set(tried)) == len(tried):
            return tried
    return [f"{name} ({i + 1})" for i, name in enumerate(ids)]


def bench_of(result: Result) -> Benchmark:
    """The benchmark of a run; UsageError if it has none."""
    if result.benchmark is None:
        raise UsageError(f"run {result.run_id} has no benchmark")
    return result.benchmark


def _with_providers(chosen: list[str], results: Sequence[Result]) -> list[str]:
    """The names with the provider of each run, unless all have the same provider."""
    if len({result.provider for result in results}) == 1:
        return chosen
    return [f"{name} on {result.provider}" for name, result in zip(chosen, results, strict=True)]


def _deployment(result: Result) -> str:
    """What the config of a run says, apart from what differs between repeats."""
    resolved = result.config.get("resolved")
    if not isinstance(resolved, dict):
        return json.dumps([result.provider, result.config.get("text")])
    kept = {
        section: {key: value for key, value in keys.items() if key not in _NOT_COMPARED.get(section, ())}
        for section, keys in resolved.items()
        if isinstance(keys, dict)
    }
    return json.dumps(kept, sort_keys=True)
