"""The result of a run: what ``result.json`` holds, as frozen dataclasses that read and write it.

Version 1 of the schema. Fields may be added within a version; a reader ignores those it does not know and
fills in those it misses.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from continuum.errors import UsageError
from continuum.model import sample_table
from continuum.model.phase import Phase
from continuum.model.summary import Summary

SCHEMA = 1
FILE = "result.json"
SAMPLES_FILE = "samples.csv"
INSTANCES_FILE = "instances.csv"

T = TypeVar("T")
Numbers = Mapping[str, "float | None"]


@dataclass(frozen=True)
class NodeUse:
    """A node and what it used during the benchmark.

    Attributes:
        name: the node's name.
        tier: its tier.
        cores: cores it was given.
        memory_mb: memory it was given, in MiB.
        quota: share of each core it was given, 0 to 1.
        cpu_percent: CPU time used, 100 for all of ``cores`` x ``quota``; None where it cannot be read.
        memory_peak_mb: highest memory use in MiB; None where it cannot be read.
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
    """A link as it was configured beside what it was measured to do.

    Attributes:
        src: tier that sends.
        dst: tier that receives.
        configured: ``latency_ms`` (one-way), ``jitter_ms``, ``bandwidth_mbit`` (None is unlimited),
            ``loss_percent``; perhaps ``rtt_ms``, the round trip that all of that should give.
        measured: ``rtt_ms`` (median), ``throughput_mbit`` (at the IP layer); None where not measured.
        ok: whether it is within tolerance; None when it was not measured.
        note: what is wrong, or why it was not measured.
    """

    src: str
    dst: str
    configured: Numbers = field(default_factory=dict)
    measured: Numbers = field(default_factory=dict)
    ok: bool | None = None
    note: str = ""


@dataclass(frozen=True)
class Delivery:
    """How a workload came onto a node that does not share the host's Python.

    Attributes:
        node: the node's name.
        workload: the workload's name.
        build_s: time to build the package; 0 where what was built for another node served.
        copy_s: time to copy what the node lacked of it.
        install_s: time to install it there.
        start_s: time from the start of the workload's last replica there to its being ready; None when it
            never was.
        copied_mb: what was copied, in MiB.
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
    """A part of a resource manager's installation.

    Attributes:
        step: what was done.
        seconds: how long it took, on the slowest node.
        node: that node; empty where it concerned all of them at once.
    """

    step: str
    seconds: float
    node: str = ""


@dataclass(frozen=True)
class PartLatency:
    """How long a part of the resource manager took for one kind of request, while instances came and worked.

    Attributes:
        part: which part, as in ``scheduler``, or who asked it.
        request: what it was asked, in words.
        resource: what the request was about; empty for all there were together.
        count: how many of them there were.
        mean_ms: their mean; None without any.
        p50_ms: median; like every percentile None where the samples cannot support it.
        p99_ms: 99th percentile.
        max_ms: largest; None where it is not known.
        estimated: whether percentiles are interpolated within the buckets of a histogram that the part
            keeps itself, instead of taken from samples.
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


@dataclass(frozen=True)
class RequestCounts:
    """Where requests ended; ``sent`` = ``completed`` + ``lost`` + ``failed``, warm-up apart.

    Attributes:
        sent: sent after the warm-up.
        completed: answered.
        lost: not answered in time.
        failed: refused, gone wrong, or without an intended time to count from.
        warmup: sent during the warm-up, in no other number.
    """

    sent: int = 0
    completed: int = 0
    lost: int = 0
    failed: int = 0
    warmup: int = 0


@dataclass(frozen=True)
class Benchmark:
    """What the application did.

    Attributes:
        application: its name.
        resource_manager: what ran it.
        model: the execution model; empty when none was named.
        load: what was asked of the system, such as frequency and duration; two results can only be
            compared where these are equal.
        requests: where requests ended.
        offered_per_s: arrival rate of the schedule, all endpoints together.
        throughput_per_s: completed requests per second of the schedule.
        schedule_s: length of the schedule after the warm-up.
        endpoints: nodes that sent requests.
        workers: nodes that processed them.
        capacity: inferences (or whatever is done) that all workers can do at once.
        accuracy: share of answers that were right, 0 to 1; None when nobody could tell.
        system_load_percent: offered work over capacity; a queue forms from 100 on.
        stages: the stages in order, ``other`` last.
        end_to_end_ms: latency from the intended time to the answer.
        stages_ms: the same for every stage.
        lateness_ms: how late the generator was, part of the stage ``other``.
        queue_depth: requests waiting at the worker when another arrived.
        counters: what was odd about the events.
    """

    application: str
    resource_manager: str = "none"
    model: str = ""
    load: Mapping[str, Any] = field(default_factory=dict)
    requests: RequestCounts = field(default_factory=RequestCounts)
    offered_per_s: float | None = None
    throughput_per_s: float | None = None
    schedule_s: float | None = None
    endpoints: int = 0
    workers: int = 0
    capacity: int | None = None
    accuracy: float | None = None
    system_load_percent: float | None = None
    stages: tuple[str, ...] = ()
    end_to_end_ms: Summary = field(default_factory=Summary)
    stages_ms: Mapping[str, Summary] = field(default_factory=dict)
    lateness_ms: Summary = field(default_factory=Summary)
    queue_depth: Summary = field(default_factory=Summary)
    counters: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Lifecycle:
    """How long the instances of workloads took to come to life, and to their end.

    Attributes:
        instances: how many there were.
        stages: those that are known of at least one, in order.
        reached: by stage, how many instances are known to have reached it.
        since_created_ms: by stage, the time from an instance's creation.
        step_ms: by stage, the time since the stage before it that is known of the instance.
        all_ms: by stage, the time from the first instance's creation until the last one had reached it.
    """

    instances: int = 0
    stages: tuple[str, ...] = ()
    reached: Mapping[str, int] = field(default_factory=dict)
    since_created_ms: Mapping[str, Summary] = field(default_factory=dict)
    step_ms: Mapping[str, Summary] = field(default_factory=dict)
    all_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """Everything a run found out.

    Attributes:
        run_id: the run.
        invalid_reasons: why the numbers must not be believed; empty for a valid run.
        notes: what a reader should know, such as what could not be enforced on this host.
        config: ``file`` (its name), ``text`` (verbatim) and ``resolved`` (every section and key).
        versions: of this tool, Python and the libraries that matter.
        host: the machine: ``cpus``, ``memory_mb``, ``kernel``, ``machine``, and more.
        provider: what made the nodes.
        engine: what emulated the links; empty when nothing did.
        seed: of everything random; None when unknown.
        phases: how each phase went.
        nodes: the nodes and what they used.
        network: the fidelity table.
        clocks: by node, ``offset_ms``, ``error_ms``, ``drift_ppm``, where nodes have clocks of their own.
        deliveries: how workloads came onto nodes that do not share the host's Python.
        installation: what the resource manager's installation consisted of, in order.
        benchmark: None for infrastructure alone, or when the run failed before it.
        lifecycle: how instances of workloads came to life; None when there were none.
        simulated: the same of instances on simulated nodes, which are in no other number.
        manager_latency: how long parts of the resource manager took, where it can tell.
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
    phases: tuple[Phase, ...] = ()
    nodes: tuple[NodeUse, ...] = ()
    network: tuple[LinkFidelity, ...] = ()
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
        """The phase at which the run came to grief, if one did."""
        return next((phase for phase in self.phases if phase.status == "failed"), None)

    @property
    def valid(self) -> bool:
        """Whether the numbers may be used."""
        return not self.invalid_reasons and self.failed_phase is None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; a number that is none (NaN, infinity) becomes null."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "directory"}
        head = {"schema": SCHEMA, "run_id": self.run_id, "valid": self.valid}
        plain: dict[str, Any] = _plain({**head, **fields})
        return plain

    @classmethod
    def from_json(cls, data: Mapping[str, Any], directory: Path | None = None) -> Result:
        """The inverse of ``to_json``; ValueError for another schema."""
        if data.get("schema") != SCHEMA:
            raise ValueError(f"schema {data.get('schema')!r} is not {SCHEMA}")
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        known["phases"] = tuple(_make(Phase, phase) for phase in data.get("phases", ()))
        known["nodes"] = tuple(_make(NodeUse, node) for node in data.get("nodes", ()))
        known["network"] = tuple(_make(LinkFidelity, link) for link in data.get("network", ()))
        known["deliveries"] = tuple(_make(Delivery, one) for one in data.get("deliveries", ()))
        known["installation"] = tuple(_make(InstallStep, one) for one in data.get("installation", ()))
        known["benchmark"] = _benchmark(data.get("benchmark"))
        for name in ("lifecycle", "simulated"):
            known[name] = _lifecycle(data.get(name))
        known["manager_latency"] = tuple(_make(PartLatency, one) for one in data.get("manager_latency", ()))
        for name in ("invalid_reasons", "notes"):
            known[name] = tuple(data.get(name, ()))
        return cls(**{**known, "directory": directory})

    @classmethod
    def load(cls, run_dir: Path | str) -> Result:
        """Read the result of a run from its directory.

        Raises:
            UsageError: there is no result there, or none that can be read.
        """
        path = Path(run_dir) / FILE
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")), Path(run_dir))
        except FileNotFoundError:
            raise UsageError(f"{run_dir}: no {FILE} there; is it the directory of a finished run?") from None
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
        """Every request as one row of a table: a pandas DataFrame, or a list of dicts without pandas.

        Raises:
            UsageError: the run left no samples.
        """
        path = (self.directory or Path()) / SAMPLES_FILE
        if self.directory is None or not path.is_file():
            raise UsageError(f"run {self.run_id} left no {SAMPLES_FILE}")
        try:
            pandas = importlib.import_module("pandas")  # the extra `table`
        except ImportError:
            return sample_table.read(path)
        return pandas.read_csv(path, keep_default_na=False, na_values=[""])


def _benchmark(data: Mapping[str, Any] | None) -> Benchmark | None:
    if data is None:
        return None
    names = ("end_to_end_ms", "lateness_ms", "queue_depth")
    summaries = {name: _make(Summary, data[name]) for name in names if name in data}
    stages_ms = {stage: _make(Summary, summary) for stage, summary in data.get("stages_ms", {}).items()}
    nested = {
        **summaries,
        "requests": _make(RequestCounts, data.get("requests", {})),
        "stages": tuple(data.get("stages", stages_ms)),
        "stages_ms": stages_ms,
    }
    return _make(Benchmark, {**data, **nested})


def _lifecycle(data: Mapping[str, Any] | None) -> Lifecycle | None:
    if data is None:
        return None
    times = {
        name: {stage: _make(Summary, summary) for stage, summary in data.get(name, {}).items()}
        for name in ("since_created_ms", "step_ms")
    }
    return _make(Lifecycle, {**data, **times, "stages": tuple(data.get("stages", ()))})


def _make(kind: type[T], data: Mapping[str, Any]) -> T:
    """A dataclass from those entries that it knows."""
    names = {item.name for item in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in data.items() if name in names})


def _plain(value: Any) -> Any:
    """Dataclasses, tuples and paths as what JSON has for them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if dataclasses.is_dataclass(value):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [_plain(inner) for inner in value]
    return value.item() if hasattr(value, "item") else str(value)
