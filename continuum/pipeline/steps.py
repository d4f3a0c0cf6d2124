"""What each phase does, one function a phase, each leaving what the next ones need in the Session."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from continuum.connection.deployment import Deployment
from continuum.errors import BenchmarkError, ContinuumError, Problem
from continuum.host.facts import Host
from continuum.host.files import write_json
from continuum.measure import analysis, lifecycle, trace
from continuum.model.config import Config
from continuum.model.node import Node, node_to_json
from continuum.model.phase import Phase
from continuum.model.result import INSTANCES_FILE, Benchmark, LinkFidelity, Result
from continuum.model.topology import Topology
from continuum.modules import registry
from continuum.modules.job import Job
from continuum.modules.plan import Modules
from continuum.network.engine import Engine
from continuum.network.engines import choose_engine
from continuum.network.plan import tier_links
from continuum.pipeline import result_builder
from continuum.pipeline.progress import Progress
from continuum.pipeline.result_builder import Stock
from continuum.rundir.run import Run
from continuum.software import artifacts, node_programs

if TYPE_CHECKING:
    from continuum.measure.lifecycle import Life
    from continuum.model.marks import Mark
    from continuum.report.style import Plot

READY_TIMEOUT_S = 300.0
GRACE_S = 30.0
STOP_TIMEOUT_S = 5.0
POLL_S = 0.1


@dataclass
class Session:
    """What exists of one run so far; every phase adds its part.

    Attributes:
        run: folder, journal and state.
        modules: the modules in use.
        host: the machine.
        topology: what shall exist.
        engine: what shapes the links, from ``provision`` on.
        deployment: what exists, from ``provision`` on.
        jobs: the workloads, from ``deploy`` on, in the order they were started.
        fidelity: the links as measured, from ``verify`` on.
        stock: what each node had used, and its clock, before and after the benchmark.
        incidents: what went wrong without ending the run.
        marks: when instances of workloads reached which stage of their lives, from ``collect`` on.
        result: from ``analyse`` on.
        drawn: the plots, from ``report`` on.
    """

    run: Run
    modules: Modules
    host: Host
    topology: Topology = field(init=False)
    engine: Engine | None = None
    deployment: Deployment | None = None
    jobs: list[Job] = field(default_factory=list)
    fidelity: tuple[LinkFidelity, ...] = ()
    stock: list[Stock] = field(default_factory=list)
    incidents: list[str] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    result: Result | None = None
    drawn: Sequence[Plot] | None = None

    def __post_init__(self) -> None:
        self.topology = self.modules.topology(self.config)

    @property
    def config(self) -> Config:
        """The run's config."""
        return self.run.config

    @property
    def wants_benchmark(self) -> bool:
        """Whether an application is to be run."""
        return self.modules.application is not None

    @property
    def existing(self) -> Deployment:
        """The deployment, which must exist by now."""
        assert self.deployment is not None, "used before provision"
        return self.deployment

    @property
    def patience(self) -> float:
        """How many times as long as usual may be waited for the nodes."""
        return self.existing.patience

    def close(self) -> None:
        """Give up connections to nodes."""
        if self.deployment is not None:
            for connection in self.deployment.connections.values():
                with contextlib.suppress(ContinuumError, OSError):
                    connection.close()


def probe(modules: Modules, config: Config, host: Host) -> tuple[Problem, ...]:
    """Everything this host lacks for this config, and what it is warned of."""
    found: list[Problem] = []
    for module in modules.all():
        found += module.probe(config, host)
    if modules.application is not None and modules.provider.shares_host:
        planned = modules.workloads(config, modules.topology(config))
        found += node_programs.lacking_here(planned, config, host)
    found += artifacts.lacking(modules.all(), config)
    return tuple(found)


def provision(session: Session, progress: Progress) -> None:
    """Create the nodes, with the network engine they need in place."""
    run, provider = session.run, session.modules.provider
    name = session.config.infrastructure.text("provider")
    write_json(run.directory / "resolved.json", session.config.resolved())
    run.own("provider", name)
    session.engine = choose_engine(session.config, provider)
    links = [vars(link) for link in tier_links(session.topology)]
    run.update_state(status="running", provider=name, engine=session.engine.name, links=links)
    session.engine.prepare(run)
    nodes = provider.create(session.topology.nodes, run)
    progress.counters({"nodes ready": len(nodes)})
    run.update_state(nodes=[node_to_json(node) for node in nodes])
    connections = {node.name: provider.connect(node, run) for node in nodes}
    session.deployment = Deployment(session.topology, nodes, connections, session.engine.name)
    (run.directory / "inventory.yml").write_text(_inventory(nodes), encoding="utf-8")


def install(session: Session) -> None:
    """Let the resource manager make the nodes ready, then install what the workloads start there."""
    if (folder := session.config.infrastructure.path("artifact_dir")) is not None:
        from continuum.software.artifacts import libraries

        libraries.adopt(folder)
    manager, model = session.modules.resource_manager, session.modules.execution_model
    session.deployment = manager.install(session.existing, session.run)
    if model is not None:
        model.install(manager, session.existing, session.run)
    if session.modules.application is not None:
        planned = session.modules.workloads(session.config, session.topology)
        bare = [workload for workload in planned if not manager.packs(workload)]
        node_programs.provide(session.modules.application, bare, session.existing, session.run)


def deploy(session: Session) -> None:
    """Start every workload and wait until all of its replicas are ready."""
    workloads = session.modules.workloads(session.config, session.topology)
    session.modules.resource_manager.supply(workloads, session.existing, session.run)
    for workload in workloads:
        job = session.modules.submit(workload, session.existing, session.run)
        session.jobs.append(job)
        if workload.serves:
            job.wait_ready(READY_TIMEOUT_S * session.patience)
    for job in session.jobs:
        job.wait_ready(READY_TIMEOUT_S * session.patience)


def shape(session: Session) -> None:
    """Put links and CPU quotas in force."""
    assert session.engine is not None
    provider = session.modules.provider
    if provider.real_network or (provider.slow_wires and session.topology.emulated):
        _measure_native_delays(session)
    session.engine.shape(session.existing, session.run)
    session.modules.provider.enforce(session.existing.nodes, session.run)
    for note in session.modules.provider.notes(session.run):
        session.run.note(note)


def _measure_native_delays(session: Session) -> None:
    """Find out what the real network takes before anything is added to it."""
    from continuum.network import baseline_delay

    logs, refuses = session.run.log("native").parent, session.modules.provider.real_network
    delays_ms = baseline_delay.measure(session.existing, logs)
    session.deployment, notes = baseline_delay.settle(
        replace(session.existing, native_refuses=refuses), delays_ms
    )
    for note in notes:
        session.run.note(note)
    session.run.update_state(
        links=[vars(link) for link in session.deployment.topology.links],
        native_delays_ms=[[*pair, delay_ms] for pair, delay_ms in delays_ms.items()],
        native_refuses=refuses,
    )


def verify(session: Session) -> None:
    """Measure what the links really do."""
    from continuum.network.verification import verify as measuring

    session.fidelity = measuring.verify(
        session.existing, session.run.directory / "logs", session.config.tolerance
    )


def benchmark(session: Session, progress: Progress) -> None:
    """Let the workloads begin and wait until those that end by themselves have ended."""
    _take_stock(session)
    for job in session.jobs:
        job.release()
    clients = [job for job in session.jobs if not job.workload.serves]
    deadline = time.monotonic() + _benchmark_timeout_s(session)
    while not _have_ended(clients, session.jobs):
        numbers: dict[str, float] = {}
        for job in clients:
            numbers.update(job.progress())
        progress.counters(numbers)
        if time.monotonic() > deadline:
            session.incidents.append("the benchmark did not end in time")
            break
        time.sleep(POLL_S)
    for job in session.jobs:
        session.incidents += job.failures()
    _take_stock(session)


def _have_ended(clients: Sequence[Job], jobs: Sequence[Job]) -> bool:
    """Whether the clients have ended; all jobs are asked, so that a lost node ends the run at once."""
    ended = {id(job): job.is_done() for job in jobs}
    return all(ended[id(job)] for job in clients)


def _benchmark_timeout_s(session: Session) -> float:
    application = session.modules.application
    assert application is not None
    limit = session.config.run.maybe_real("timeout")
    grace_s = GRACE_S * session.patience
    return limit if limit is not None else application.duration_s(session.config) + grace_s


def _take_stock(session: Session) -> None:
    """Read what nodes have used and how their clocks stand."""
    session.stock.append(result_builder.take_stock(session.existing, session.modules.provider, session.run))


def collect(session: Session, *, hurry: bool) -> None:
    """End the workloads and fetch the events they left."""
    raw = session.run.directory / "raw"
    raw.mkdir(exist_ok=True)
    timeout_s = 0.1 if hurry else STOP_TIMEOUT_S * session.patience
    with ThreadPoolExecutor(len(session.jobs)) as pool:
        stops = [pool.submit(job.stop, timeout_s) for job in reversed(session.jobs)]
        for stop in stops:
            stop.result()
    for job in session.jobs:
        job.fetch(raw)
        session.marks += job.marks()
    try:
        session.modules.resource_manager.collect(session.existing, session.run)
    except ContinuumError as error:
        session.run.note(f"what the resource manager observed is lost: {error}")


def analyse(session: Session, phases: Sequence[Phase], errors: Iterable[ContinuumError]) -> None:
    """Turn events into the result; an incident makes it invalid, not absent."""
    if session.deployment is not None and len(session.stock) < 2:
        _take_stock(session)  # the benchmark did not come to its end; what nodes used may tell why
    measured, lives = _measured(session), _lives(session)
    session.result = result_builder.result(
        session.run,
        host=session.host,
        deployment=session.deployment,
        engine=session.engine.name if session.engine else "",
        fidelity=session.fidelity,
        stock=session.stock,
        measured=measured,
        lives=[life for life in lives if not life.simulated],
        simulated=[life for life in lives if life.simulated],
        incidents=[*map(str, errors), *session.incidents],
        phases=phases,
    )
    session.result.save(session.run.directory)
    if session.wants_benchmark and measured is None and session.result.valid:
        msg = "the application left no events"
        raise BenchmarkError(msg)


def _measured(session: Session) -> Benchmark | None:
    """What the application did; None when it left nothing."""
    application, raw, config = session.modules.application, session.run.directory / "raw", session.config
    if application is None or not raw.is_dir():
        return None
    clocks = result_builder.clocks(session.stock)
    traced = trace.build(application.events(raw), session.modules.stages, clocks)
    if not traced.requests:
        return None
    from continuum.measure import samples

    samples.write(session.run.directory / "samples.csv", traced)
    return analysis.benchmark(
        traced,
        application=registry.canonical("application", config.benchmark.text("application")),
        resource_manager=config.benchmark.text("resource_manager"),
        model=config.execution_model.maybe_text("model") or "",
        load=application.load(config),
        capacity=session.modules.servers(config, session.topology),
    )


def _lives(session: Session) -> Sequence[Life]:
    """How the instances of workloads came to life."""
    lives = lifecycle.build(session.marks, result_builder.clocks(session.stock))
    if lives:
        from continuum.measure import instances

        instances.write(session.run.directory / INSTANCES_FILE, lives)
    return lives


def report(session: Session) -> None:
    """Draw the plots and write the page."""
    from continuum import report as reports

    assert session.result is not None
    session.drawn = reports.draw(session.run.directory, session.result)


def save(session: Session, phases: Sequence[Phase]) -> None:
    """Write the result once more, and the page, now that all phases have ended."""
    if session.result is not None:
        session.result = replace(session.result, phases=tuple(phases))
        session.result.save(session.run.directory)
    if session.result is not None and session.drawn is not None:
        from continuum import report as reports

        reports.write_page(session.run.directory, session.result, session.drawn)


def _inventory(nodes: Sequence[Node]) -> str:
    """An Ansible inventory of the nodes by tier; JSON strings are YAML strings."""
    lines = ["all:", "  children:"]
    for tier in dict.fromkeys(node.tier for node in nodes):
        lines += [f"    {tier}:", "      hosts:"]
        for node in nodes:
            if node.tier == tier:
                lines += [f"        {node.name}:", f"          continuum_address: {json.dumps(node.address)}"]
    return "\n".join(lines) + "\n"
