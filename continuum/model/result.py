"""The result of a run: the content of ``result.json`` as frozen dataclasses that read and write it.

Version 1 of the schema. A version may gain fields: a reader ignores unknown fields and uses defaults for
missing ones.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from continuum.errors import UsageError
from continuum.model import result_json, sample_table
from continuum.model.benchmark import Benchmark, Lifecycle
from continuum.model.fidelity import Fidelity
from continuum.model.phase import Phase
from continuum.model.repeat import Repeat

SCHEMA = 1
FILE = "result.json"
SAMPLES_FILE = "samples.csv"
INSTANCES_FILE = "instances.csv"

Numbers = Mapping[str, "float | None"]


@dataclass(frozen=True)
class NodeUse:
    """A node and what it used during the benchmark.

    Attributes:
        name: the node's name.
        tier: its tier.
        cores: its cores.
        memory_mb: its memory in MiB.
        quota: share of each core that it may use, 0 to 1.
        cpu_percent: CPU time used, in percent of ``cores`` x ``quota``; None if unknown.
        memory_peak_mb: peak memory use in MiB; None if unknown.
        out_of_memory_kills: processes killed at its memory limit.
    """

    name: str
    tier: str
    cores: float
    memory_mb: int
    quota: float = 1.0
    cpu_percent: float | None = None
    memory_peak_mb: float | None = None
    out_of_memory_kills: int = 0


@dataclass(frozen=True)
class LinkFidelity:
    """A link as configured and as measured.

    Attributes:
        src: tier that sends.
        dst: tier that receives.
        configured: ``latency_ms`` (one-way), ``jitter_ms``, ``bandwidth_mbit`` (None is unlimited),
            ``loss_percent``; optionally ``rtt_ms``, the round trip that results.
        measured: ``rtt_ms`` (median), ``throughput_mbit`` (at the IP layer) and more; None if not measured.
        ok: whether it is within tolerance; None if not measured.
        note: what is out of tolerance, or why it was not measured.
    """

    src: str
    dst: str
    configured: Numbers = field(default_factory=dict)
    measured: Numbers = field(default_factory=dict)
    ok: bool | None = None
    note: str = ""


@dataclass(frozen=True)
class Delivery:
    """Delivery of a workload to a node that does not share the host's Python.

    Attributes:
        node: the node's name.
        workload: the workload's name.
        build_s: time to build the package; 0 if it had been built for another node.
        copy_s: time to copy the missing parts.
        install_s: time to install it.
        start_s: time from the start of the last replica until it was ready; None if it never was.
        copied_mb: copied data in MiB.
    """

    node: str
    workload: str
    build_s: float = 0.0
    copy_s: float = 0.0
    install_s: float = 0.0
    start_s: float | None = None
    copied_mb: float = 0.0


@dataclass(frozen=True)
class InstallStep:
    """A step of the installation of a resource manager.

    Attributes:
        step: its name.
        seconds: duration on the slowest node.
        node: that node; empty if the step concerned all nodes at once.
    """

    step: str
    seconds: float
    node: str = ""


@dataclass(frozen=True)
class PartLatency:
    """How long a component of the resource manager took for one kind of request.

    Attributes:
        part: the component, such as ``scheduler``, or its client.
        request: the kind of request.
        resource: the resource that the requests concern; empty for the total.
        count: number of requests.
        mean_ms: their mean; None without requests.
        p50_ms: median; like every percentile None if the samples do not support it.
        p99_ms: 99th percentile.
        max_ms: largest; None if unknown.
        estimated: whether percentiles are interpolated in the buckets of a histogram that the component
            keeps, instead of computed from samples.
    """

    part: str
    request: str
    resource: str = ""
    count: int = 0
    mean_ms: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
    estimated: bool = False


_ROWS: Mapping[str, type] = {
    "phases": Phase,
    "nodes": NodeUse,
    "network": LinkFidelity,
    "deliveries": Delivery,
    "installation": InstallStep,
    "manager_latency": PartLatency,
}


@dataclass(frozen=True)
class Result:
    """Everything that a run measured.

    Attributes:
        run_id: id of the run.
        invalid_reasons: why the numbers must not be used; empty for a valid run.
        notes: remarks for the reader, such as limits that this host cannot enforce.
        config: ``file`` (its name), ``text`` (verbatim) and ``resolved`` (every section and key).
        versions: versions of Continuum, Python and the libraries in use.
        host: this host: ``cpus``, ``memory_mb``, ``kernel``, ``machine``, and more.
        provider: the provider.
        engine: the network engine; empty if links were not emulated.
        seed: seed of all random numbers; None if unknown.
        repeat: which repeat of the config this is, and the group that its repeats share.
        phases: the phases with their status and duration.
        nodes: the nodes and what they used.
        network: the links as configured and as measured.
        fidelity: what was observed while the load ran.
        clocks: ``offset_ms``, ``error_ms`` and ``drift_ppm`` of each node with its own clock.
        deliveries: delivery of workloads to nodes that do not share the host's Python.
        installation: the steps of the resource manager's installation, in order.
        benchmark: None without application, or if the run failed before the benchmark.
        lifecycle: start-up and end of the instances of workloads; None if there were none.
        simulated: the same for instances on simulated nodes, which no other number includes.
        manager_latency: latency of the resource manager's components, if it reports any.
        directory: the run directory; not part of the file.
    """

    run_id: str
    invalid_reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    host: Mapping[str, Any] = field(default_factory=dict)
    provider: str = ""
    engine: str = ""
    seed: int | None = None
    repeat: Repeat = field(default_factory=Repeat)
    phases: tuple[Phase, ...] = ()
    nodes: tuple[NodeUse, ...] = ()
    network: tuple[LinkFidelity, ...] = ()
    fidelity: Fidelity = field(default_factory=Fidelity)
    clocks: Mapping[str, Numbers] = field(default_factory=dict)
    deliveries: tuple[Delivery, ...] = ()
    installation: tuple[InstallStep, ...] = ()
    benchmark: Benchmark | None = None
    lifecycle: Lifecycle | None = None
    simulated: Lifecycle | None = None
    manager_latency: tuple[PartLatency, ...] = ()
    directory: Path | None = field(default=None, compare=False)

    @property
    def failed_phase(self) -> Phase | None:
        """The phase that failed; None if none did."""
        return next((phase for phase in self.phases if phase.status == "failed"), None)

    @property
    def valid(self) -> bool:
        """Whether the numbers may be used."""
        return not self.invalid_reasons and self.failed_phase is None

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values; NaN and infinity become null."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "directory"}
        head = {"schema": SCHEMA, "run_id": self.run_id, "valid": self.valid}
        plain: dict[str, Any] = result_json.plain({**head, **fields})
        return plain

    @classmethod
    def from_json(cls, data: Mapping[str, Any], directory: Path | None = None) -> Result:
        """The inverse of ``to_json``; ValueError for another schema."""
        if data.get("schema") != SCHEMA:
            raise ValueError(f"schema {data.get('schema')!r} is not {SCHEMA}")
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        for name, kind in _ROWS.items():
            known[name] = tuple(result_json.make(kind, row) for row in data.get(name, ()))
        known["repeat"] = result_json.repeat(data.get("repeat", {}))
        known["benchmark"] = result_json.benchmark(data.get("benchmark"))
        known["fidelity"] = result_json.fidelity(data.get("fidelity"))
        for name in ("lifecycle", "simulated"):
            known[name] = result_json.lifecycle(data.get(name))
        for name in ("invalid_reasons", "notes"):
            known[name] = tuple(data.get(name, ()))
        return cls(**{**known, "directory": directory})

    @classmethod
    def load(cls, run_dir: Path | str) -> Result:
        """Read the result of a run from its directory.

        Raises:
            UsageError: there is no readable result.
        """
        path = Path(run_dir) / FILE
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")), Path(run_dir))
        except FileNotFoundError:
            raise UsageError(f"{run_dir}: no {FILE}; is this the directory of a finished run?") from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UsageError(f"{path}: cannot be read as a result: {error}") from error

    def save(self, run_dir: Path) -> Path:
        """Write ``result.json`` atomically; returns its path."""
        path = run_dir / FILE
        temporary = path.with_suffix(".json.part")
        temporary.write_text(json.dumps(self.to_json(), indent=2, allow_nan=False) + "\n", encoding="utf-8")
        temporary.replace(path)
        return path

    def samples(self) -> Any:
        """All requests, one per row: a pandas DataFrame, or a list of dicts if pandas is not installed.

        Raises:
            UsageError: the run has no samples.
        """
        path = (self.directory or Path()) / SAMPLES_FILE
        if self.directory is None or not path.is_file():
            raise UsageError(f"run {self.run_id} has no {SAMPLES_FILE}")
        try:
            pandas = importlib.import_module("pandas")  # the extra `table`
        except ImportError:
            return sample_table.read(path)
        return pandas.read_csv(path, keep_default_na=False, na_values=[""])
