"""What each phase does: one function a phase; each returns what it made."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from continuum.connection.deployment import Deployment
from continuum.errors import ContinuumError, Problem
from continuum.host.facts import Host
from continuum.host.files import write_json
from continuum.model.config import Config
from continuum.model.marks import Mark
from continuum.model.node import node_to_json
from continuum.model.result import LinkFidelity
from continuum.modules.application import Application
from continuum.modules.job import Job
from continuum.modules.modules_in_use import Modules
from continuum.modules.plan import Plan
from continuum.modules.provider import Provider
from continuum.network.engine import Engine, NoEngine
from continuum.network.engines import choose_engine, open_engine
from continuum.pipeline import inventory
from continuum.pipeline.context import Context
from continuum.pipeline.engine_guard import EngineGuard
from continuum.pipeline.progress import Progress
from continuum.rundir.run import Run
from continuum.software import artifacts, node_programs

READY_TIMEOUT_S = 300.0
GRACE_S = 30.0
STOP_TIMEOUT_S = 5.0
POLL_S = 0.1


def probe(modules: Modules, plan: Plan, host: Host) -> tuple[Problem, ...]:
    """Everything this host lacks for a plan, and what the user is warned about."""
    found: list[Problem] = []
    for module in modules.all():
        found += module.probe(plan.config, host)
    if modules.application is not None and modules.provider.shares_host:
        found += node_programs.missing_packages(plan.workloads, plan.config)
        found += node_programs.missing_programs(plan.workloads, plan.config, host)
    found += artifacts.problems(plan.artifacts, plan.config)
    return tuple(found)


def provision(context: Context, progress: Progress) -> Deployment:
    """Create the nodes, with the network engine they need in place."""
    run, provider, topology = context.run, context.modules.provider, context.plan.topology
    name = context.config.infrastructure.text("provider")
    write_json(run.directory / "resolved.json", context.config.resolved())
    run.own("provider", name)
    engine = engine_for(context.config, provider)
    links = [vars(link) for link in topology.tier_links()]
    run.update_state(status="running", provider=name, engine=engine.name, links=links)
    engine.prepare(run)
    nodes = provider.create(topology.nodes, run)
    progress.counters({"nodes ready": len(nodes)})
    run.update_state(nodes=[node_to_json(node) for node in nodes])
    (run.directory / "inventory.yml").write_text(inventory.text(nodes), encoding="utf-8")
    connections = {node.name: provider.connect(node, run) for node in nodes}
    return Deployment(topology, nodes, connections, engine.name)


def engine_for(config: Config, provider: Provider) -> Engine:
    """The network engine for a provider's nodes.

    Raises:
        HostError: the engine that the config asks for, or every one, does not work here.
    """
    if provider.real_network and not config.infrastructure.flag("network_emulation"):
        return NoEngine()
    requested = config.infrastructure.text("network_engine")
    return choose_engine(requested, provider.engines, own_kernel=provider.own_kernel)


def install(context: Context, deployment: Deployment) -> Deployment:
    """Let the resource manager make the nodes ready, then install the programs that workloads start there."""
    if (folder := context.config.infrastructure.path("artifact_dir")) is not None:
        from continuum.software.artifacts import libraries

        libraries.adopt(folder)
    modules, plan = context.modules, context.plan
    deployment = modules.install(deployment, plan, context.run)
    if modules.application is not None:
        unpacked = [one for one in plan.workloads if not modules.resource_manager.packs(one)]
        needed = modules.application.artifacts(context.config)
        node_programs.provide(_folder(modules.application), needed, unpacked, deployment, context.run)
    return deployment


def _folder(application: Application) -> Path:
    return Path(str(sys.modules[type(application).__module__].__file__)).parent


def deploy(context: Context, deployment: Deployment) -> Iterator[Job]:
    """Start every workload and wait until all replicas are ready; yields each job once it is started."""
    modules, plan = context.modules, context.plan
    timeout_s = READY_TIMEOUT_S * deployment.timeout_scale
    modules.resource_manager.supply(plan.workloads, deployment, context.run)
    jobs: list[Job] = []
    guard = EngineGuard(open_engine(deployment.engine), deployment, context.run)
    for workload in plan.workloads:
        job = modules.submit(workload, deployment, plan, context.run)
        yield job
        if workload.serves:
            job.wait_ready(timeout_s, [guard, *jobs])
        jobs.append(job)
    for job in jobs:
        job.wait_ready(timeout_s, [guard, *(other for other in jobs if other is not job)])


def shape(context: Context, deployment: Deployment) -> Deployment:
    """Apply links and CPU quotas; the deployment with what the real network adds to its links."""
    provider, run = context.modules.provider, context.run
    if provider.real_network or (provider.slow_wires and deployment.topology.emulated):
        deployment = _with_baseline_delays(deployment, run, refuses=provider.real_network)
    open_engine(deployment.engine).shape(deployment, run)
    provider.enforce(deployment.nodes, run)
    return deployment


def _with_baseline_delays(deployment: Deployment, run: Run, *, refuses: bool) -> Deployment:
    """Measure the delay of the real network before anything is added to it."""
    from continuum.network import baseline_delay

    delays_ms = baseline_delay.measure(deployment, run.log("native").parent)
    settled, notes = baseline_delay.settle(replace(deployment, native_refuses=refuses), delays_ms)
    for note in notes:
        run.note(note)
    run.update_state(
        links=[vars(link) for link in settled.topology.links],
        native_delays_ms=[[*pair, delay_ms] for pair, delay_ms in delays_ms.items()],
        native_refuses=refuses,
    )
    return settled


def verify(context: Context, deployment: Deployment) -> tuple[LinkFidelity, ...]:
    """Measure what the links really do."""
    from continuum.network.verification import verify as measuring
    from continuum.network.verification.engine_view import RunningEngine

    effort = measuring.BENCHMARK if context.config.infrastructure.flag("netperf") else measuring.CHECK
    view = RunningEngine(open_engine(deployment.engine), deployment, context.run)
    return measuring.verify(
        deployment, context.run.directory / "logs", context.config.tolerance, effort, view
    )


def benchmark(
    context: Context, deployment: Deployment, jobs: Sequence[Job], progress: Progress
) -> tuple[str, ...]:
    """Let the workloads begin and wait for those that end by themselves; returns what went wrong."""
    for job in jobs:
        job.release()
    incidents = []
    clients = [job for job in jobs if not job.workload.serves]
    deadline = time.monotonic() + _benchmark_timeout_s(context, deployment)
    while not _have_ended(clients, jobs):
        numbers: dict[str, float] = {}
        for job in clients:
            numbers.update(job.progress())
        progress.counters(numbers)
        if time.monotonic() > deadline:
            incidents.append("the benchmark did not end in time")
            break
        time.sleep(POLL_S)
    for job in jobs:
        incidents += job.failures()
    return tuple(incidents)


def _have_ended(clients: Sequence[Job], jobs: Sequence[Job]) -> bool:
    """Whether the clients have ended; all jobs are asked, so that a lost node ends the run at once."""
    ended = {id(job): job.is_done() for job in jobs}
    return all(ended[id(job)] for job in clients)


def _benchmark_timeout_s(context: Context, deployment: Deployment) -> float:
    application = context.modules.application
    assert application is not None
    limit = context.config.run.maybe_real("timeout")
    grace_s = GRACE_S * deployment.timeout_scale
    return limit if limit is not None else application.duration_s(context.config) + grace_s


def collect(
    context: Context, deployment: Deployment, jobs: Sequence[Job], *, hurry: bool
) -> tuple[Mark, ...]:
    """End the workloads and fetch the events they left; returns the marks of their instances."""
    raw = context.run.directory / "raw"
    raw.mkdir(exist_ok=True)
    timeout_s = 0.1 if hurry else STOP_TIMEOUT_S * deployment.timeout_scale
    with ThreadPoolExecutor(len(jobs)) as pool:
        stops = [pool.submit(job.stop, timeout_s) for job in reversed(jobs)]
        for stop in stops:
            stop.result()
    marks: list[Mark] = []
    for job in jobs:
        job.fetch(raw)
        marks += job.marks()
    try:
        context.modules.resource_manager.collect(deployment, context.run)
    except ContinuumError as error:
        context.run.note(f"what the resource manager observed is lost: {error}")
    return tuple(marks)
