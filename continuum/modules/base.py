"""The four things that can be added: a provider, a resource manager, an execution model, an application.

A module is one folder under ``infrastructure/``, ``resource_manager/``, ``execution_model/`` or
``application/``, whose ``__init__.py`` names its class as ``MODULE``. The core finds it by the folder's name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from continuum.errors import Problem, UsageError
from continuum.model.topology import NodeSpec, Topology

if TYPE_CHECKING:
    from continuum.software.artifacts import Artifact
    from continuum.model.config import Config
    from continuum.connection.base import Connection
    from continuum.host.facts import Host
    from continuum.software.debian_image import ImageRequest
    from continuum.model.marks import Mark
    from continuum.options import Option
    from continuum.rundir.run import Run
    from continuum.measure.trace import Event


@dataclass(frozen=True)
class Finding:
    """One thing ``continuum doctor`` looked at.

    Attributes:
        name: what was looked at, in a few words.
        ok: whether it is there.
        detail: what was found.
        remedy: the exact command that mends the lack; empty when there is none.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Node:
    """A node that exists.

    Attributes:
        spec: what it was asked to be.
        address: IPv4 address that the other nodes reach it at, over the emulated links.
        handle: what its provider needs to find it again; plain JSON, kept in ``state.json``.
        management: IPv4 address that other nodes with one reach it at over a path without emulation; empty
            where there is no such path. Nodes whose ``spec.is_managed`` is set have one where the provider
            can make it.
        patience: how many times as long as usual it may take over whatever it computes: 1 where a processor
            runs it, more where one is interpreted. What has a deadline on the node has it that much later.
    """

    spec: NodeSpec
    address: str
    handle: Mapping[str, Any] = field(default_factory=dict)
    management: str = ""
    patience: float = 1.0

    @property
    def name(self) -> str:
        """The node's name."""
        return self.spec.name

    @property
    def tier(self) -> str:
        """The name of the node's tier."""
        return self.spec.tier


@dataclass(frozen=True)
class Usage:
    """What a node has used since it was made.

    Attributes:
        cpu_seconds: CPU time; None where it cannot be read.
        memory_peak_mb: highest memory use in MiB; None where it cannot be read.
        out_of_memory_kills: processes killed because the node was at its memory limit.
    """

    cpu_seconds: float | None = None
    memory_peak_mb: float | None = None
    out_of_memory_kills: int = 0


@dataclass(frozen=True)
class Program:
    """A program that a workload starts and that does not come with it, such as a message broker.

    Where a node lacks it, the application's playbook ``install`` is run there and finds its name in
    ``continuum_programs``.

    Attributes:
        name: the command's name.
        package: the Debian package it is in.
        key: key of ``[benchmark]`` that asks for it.
        instead: what else the user could do, in words.
    """

    name: str
    package: str
    key: str = "application"
    instead: str = ""


@dataclass(frozen=True)
class Workload:
    """What to run: one program, on the nodes of one tier.

    It is started in a folder of its own on the node, with these variables set besides its own:
    ``CONTINUUM_NODE``, ``CONTINUUM_WORKLOAD``, ``CONTINUUM_REPLICA`` (from 0 on each node). It speaks
    to the orchestrator as ``continuum.sdk.session`` does, and leaves its events in that folder.

    Attributes:
        name: unique within the application, made of letters, digits and dashes.
        tier: tier whose nodes run it.
        argv: the command; ``{python}`` stands for the node's Python interpreter.
        replicas_per_node: copies on each node.
        nodes: names of the nodes of the tier that run it; empty for all of them.
        environment: variables of its own.
        files: files of this host it reads, by the name it finds them under in its folder.
        requirements: Python packages it imports, as pip requirement strings.
        code: modules and packages of this project it imports, by dotted name; ``continuum`` always is.
        cpu_cores: cores of the node it may use; None for all.
        memory_mb: memory it may use in MiB; None for all of the node's.
        ports: TCP ports it serves.
        serves: True if it runs until it is told to stop, False if it ends by itself.
        programs: what must be installed on its nodes beforehand.
        answers_http: whether every request to it is an HTTP POST to its port, whatever the path, and the
            response its answer. An execution model may then stand between it and those who ask, see
            ``continuum.sdk.http_front``.
    """

    name: str
    tier: str
    argv: tuple[str, ...]
    replicas_per_node: int = 1
    nodes: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    requirements: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    cpu_cores: float | None = None
    memory_mb: int | None = None
    ports: tuple[int, ...] = ()
    serves: bool = False
    programs: tuple[Program, ...] = ()
    answers_http: bool = False


@dataclass(frozen=True)
class Deployment:
    """The nodes that exist and the way to each of them.

    Attributes:
        topology: what was asked for.
        nodes: what exists, in the topology's order.
        connections: one per node, by its name.
        engine: network engine that shapes the links.
        native_delays_ms: one-way delay that the real network has between two tiers, as measured; empty
            where the whole network is emulated.
        native_refuses: whether a link that is to be faster than that is refused; otherwise it is as fast as
            it can be, and ``verify`` is the judge.
    """

    topology: Topology
    nodes: tuple[Node, ...]
    connections: Mapping[str, Connection]
    engine: str = ""
    native_delays_ms: Mapping[tuple[str, str], float] = field(default_factory=dict)
    native_refuses: bool = True

    def node(self, name: str) -> Node:
        """The node of that name; KeyError if there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def nodes_of(self, tier: str) -> tuple[Node, ...]:
        """The nodes of one tier."""
        return tuple(node for node in self.nodes if node.tier == tier)

    @property
    def patience(self) -> float:
        """How many times as long as usual may be waited for its nodes, see ``Node``."""
        return max((node.patience for node in self.nodes), default=1.0)


class Job(ABC):
    """All replicas of one workload, started."""

    workload: Workload

    @abstractmethod
    def wait_ready(self, timeout: float) -> None:
        """Return when every replica has said it is ready; DeployError names the one that is not."""

    @abstractmethod
    def release(self) -> None:
        """Let every replica begin its work."""

    @abstractmethod
    def progress(self) -> Mapping[str, float]:
        """Sum over the replicas of the numbers they last reported, by name."""

    @abstractmethod
    def failures(self) -> tuple[str, ...]:
        """What has gone wrong with replicas so far, one line each."""

    @abstractmethod
    def is_done(self) -> bool:
        """Whether every replica has ended."""

    @abstractmethod
    def wait(self, timeout: float) -> None:
        """Return when every replica has ended; BenchmarkError names those that have not in time."""

    @abstractmethod
    def stop(self, timeout: float) -> None:
        """Ask every replica to write its events and end; end it by force after ``timeout`` seconds."""

    @abstractmethod
    def fetch(self, to: Path) -> None:
        """Copy the events of every replica to ``to``/<node>/<workload>-<replica>/events.jsonl."""

    @abstractmethod
    def cancel(self) -> None:
        """End every replica at once."""

    def marks(self) -> Iterable[Mark]:
        """When replicas reached which stage of their lives, as far as is known; asked at the end."""
        return ()


class Module(ABC):
    """What providers, resource managers and applications have in common.

    Attributes:
        summary: one line for ``continuum modules``.
        options: the keys it reads, each with its section.
    """

    summary: ClassVar[str]
    options: ClassVar[tuple[Option, ...]] = ()

    def check(self, config: Config) -> Iterable[Problem]:
        """What in the config cannot work; pure, without a look at the host."""
        return ()

    def probe(self, config: Config, host: Host) -> Iterable[Problem]:
        """What the host lacks for this config; reads only."""
        return ()

    def doctor(self, host: Host) -> Iterable[Finding]:
        """What this module could do on this host; reads only."""
        return ()

    def artifacts(self, config: Config) -> tuple[Artifact, ...]:
        """The files it installs on nodes for a config; pure. See ``continuum.software.artifacts``."""
        return ()

    def packages(self, config: Config) -> tuple[str, ...]:
        """The Debian packages it installs on nodes for a config; pure."""
        return ()


class Provider(Module):
    """Creates and destroys nodes.

    Attributes:
        engines: network engines its nodes can use, the preferred one first.
        own_kernel: whether nodes have kernels of their own, so that this host's says nothing about engines.
        real_network: whether a network that delays packets by itself lies between nodes.
        slow_wires: whether packets take time between nodes though nothing lies between them, as where both
            are interpreted; it is measured and subtracted as a real network's, but no link is refused for it.
        shares_host: whether nodes find what is installed on this host.
        no_containers: why its nodes cannot run containers, in words; empty where they can, of those at least
            whose ``spec.hosts_containers`` asks for it.
    """

    engines: ClassVar[tuple[str, ...]] = ()
    own_kernel: ClassVar[bool] = False
    real_network: ClassVar[bool] = False
    slow_wires: ClassVar[bool] = False
    shares_host: ClassVar[bool] = False
    no_containers: ClassVar[str] = ""

    @abstractmethod
    def create(self, specs: Sequence[NodeSpec], run: Run) -> tuple[Node, ...]:
        """Make the nodes, in parallel; owns every resource in the run's journal first."""

    @abstractmethod
    def destroy(self, run: Run, owned: Sequence[tuple[str, str]]) -> None:
        """Remove every (kind, id) of the journal that is this provider's; harmless when repeated."""

    @abstractmethod
    def connect(self, node: Node, run: Run) -> Connection:
        """A connection to a node that exists, from its handle alone."""

    def enforce(self, nodes: Sequence[Node], run: Run) -> None:
        """Put CPU quotas in force, where they are not from the start."""
        return

    def usage(self, nodes: Sequence[Node], run: Run) -> Mapping[str, Usage]:
        """What each node has used so far, by its name."""
        return {}

    def notes(self, run: Run) -> tuple[str, ...]:
        """What could not be enforced on this host, in words; part of the result."""
        return ()

    def estimate(self, config: Config, topology: Topology) -> tuple[str, ...]:
        """What the nodes will cost, one line each, for ``continuum plan``; pure."""
        return ()

    def placement(self, config: Config, topology: Topology) -> Mapping[str, str]:
        """On which machine each node would be put now, by its name, for ``continuum plan``.

        Empty where there is one machine only. Asks the machines, changes nothing; HostError when one does
        not answer or the nodes do not fit.
        """
        return {}

    def build_image(self, request: ImageRequest) -> str:
        """Make the base image its nodes start from; returns its name.

        Raises UsageError where nodes need none, HostError and ProvisionError when it cannot be made.
        """
        raise UsageError("nodes of this provider are not made from an image that could be built")

    def survivors(self, host: Host) -> Iterable[str]:
        """Ids of this user's runs of which something exists but neither folder nor journal."""
        return ()


class ResourceManager(Module):
    """Installs itself on nodes and runs workloads on them.

    Attributes:
        runs_containers: whether it takes nodes on which containers can run.
        offers: what execution models can work on, by names that these know: ``processes`` where workloads
            are started on nodes as they are.
    """

    runs_containers: ClassVar[bool] = False
    offers: ClassVar[tuple[str, ...]] = ()

    def demand(self, topology: Topology, config: Config) -> Topology:
        """The topology with nodes that can do what it needs of them besides; pure.

        Whatever is demanded costs time on every run, so only nodes that need it should have it.
        """
        return topology

    def offer(self, topology: Topology, config: Config) -> Topology:
        """The topology as applications may use it, without the nodes it keeps for itself; pure."""
        return topology

    def install(self, deployment: Deployment, run: Run) -> Deployment:
        """Make the nodes ready to take workloads."""
        return deployment

    def supply(self, workloads: Sequence[Workload], deployment: Deployment, run: Run) -> None:
        """Bring what workloads need to their nodes, to all at once; called before the first is submitted."""
        return

    @abstractmethod
    def submit(self, workload: Workload, deployment: Deployment, run: Run) -> Job:
        """Start a workload on its nodes; DeployError when it cannot."""

    def packs(self, workload: Workload) -> bool:
        """Whether it brings a workload together with the programs it starts, as in an image; pure."""
        return False

    def collect(self, deployment: Deployment, run: Run) -> None:
        """Keep with the run what it observed, if it does; called when the workloads have ended."""
        return

    def uninstall(self, deployment: Deployment, run: Run) -> None:
        """Undo ``install``."""
        return


class ExecutionModel(Module):
    """Another way to run an application's workers, on top of a resource manager.

    Attributes:
        needs: what it can work on, as in ``ResourceManager.offers``; one of them is enough.
        stage: what a request goes through before it arrives at a worker; empty if nothing.
    """

    needs: ClassVar[tuple[str, ...]]
    stage: ClassVar[str] = ""

    @abstractmethod
    def arrange(
        self, workloads: Sequence[Workload], topology: Topology, config: Config
    ) -> tuple[Workload, ...]:
        """What is run instead of an application's workloads, in the order to start it; pure."""

    def servers(self, servers: int, workloads: Sequence[Workload], topology: Topology, config: Config) -> int:
        """Requests that all workers together can process at the same time; pure.

        Args:
            servers: as many as the application has without an execution model.
            workloads: the application's.
            topology: as the application may use it.
            config: what the user wants.
        """
        return servers

    def install(self, manager: ResourceManager, deployment: Deployment, run: Run) -> None:
        """Prepare what workers will run on, once the resource manager is installed."""
        return

    def submit(self, workload: Workload, manager: ResourceManager, deployment: Deployment, run: Run) -> Job:
        """Start one of the workloads that it arranged; DeployError when it cannot."""
        return manager.submit(workload, deployment, run)


class Application(Module):
    """Declares workloads and reads the events they leave; never knows provider or manager.

    Attributes:
        stages: what a request goes through, in order; spans of these names add up to its latency.
        arrival: the stage that begins when a request has arrived at a worker, where workers can answer over
            HTTP, so that execution models can run them; empty where they cannot.
    """

    stages: ClassVar[tuple[str, ...]]
    arrival: ClassVar[str] = ""

    @abstractmethod
    def workloads(self, config: Config, topology: Topology) -> tuple[Workload, ...]:
        """What to run where, in the order to start it; pure."""

    @abstractmethod
    def duration_s(self, config: Config) -> float:
        """Seconds from the release of the workloads to the last answer they still wait for."""

    def load(self, config: Config) -> Mapping[str, Any]:
        """What is asked of the system, such as frequency and duration, in plain JSON values.

        Results can only be compared where these are equal.
        """
        return {}

    @abstractmethod
    def servers(self, config: Config, topology: Topology) -> int:
        """Requests that all workers together can process at the same time."""

    @abstractmethod
    def events(self, raw: Path) -> Iterator[Event]:
        """Every event the workloads left below ``raw``."""
