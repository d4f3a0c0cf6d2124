"""The provider ``local``: creates, limits and deletes nodes that are sets of namespaces of this host."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from continuum.config import topology_builder
from continuum.connection.namespace import NamespaceConnection, NamespaceTarget
from continuum.errors import ConnectionFailure, ProvisionError
from continuum.host import capacity
from continuum.host import mounts as mount_table
from continuum.host.cgroup import find, group_plan, groups
from continuum.host.cgroup.group_plan import Layout
from continuum.host.cgroup.node import NodeGroups
from continuum.model.node import Node, Strain, Usage
from continuum.model.topology import NodeSpec
from continuum.modules.base import Finding
from continuum.modules.provider import Provider
from continuum.network import host_addresses
from continuum.options import Option
from continuum.rundir import index
from infrastructure.local import (
    calibration,
    limits,
    mounts,
    pacing,
    privileges,
    probe,
    processes,
    strain,
)
from infrastructure.local.keeper.keeper_plan import KeeperPlan, NodePlan
from infrastructure.local.launch import Launch, StartedNode

if TYPE_CHECKING:
    from continuum.connection.deployment import Deployment
    from continuum.errors import Problem
    from continuum.host.facts import Host
    from continuum.model.config import Config
    from continuum.network.fabric.client import Client
    from continuum.rundir.run import Run

CHECKOUT = Path(__file__).resolve().parents[2]
NODE_FILES = "nodes"
GROUP = "cgroup"
READ = os.R_OK | os.X_OK


class LocalProvider(Provider):
    """Nodes are sets of namespaces of this host."""

    summary: ClassVar[str] = "namespaces of this host: a hundred nodes in well under a second, no daemon"
    engines: ClassVar[tuple[str, ...]] = ("fabric", "netem")
    shares_host: ClassVar[bool] = True
    options: ClassVar[tuple[Option, ...]] = privileges.OPTIONS
    no_containers: ClassVar[str] = "they share the file system and the control groups of this host"

    def probe(self, config: Config, host: Host) -> Iterable[Problem]:
        """What the host is missing for these nodes, each with its remedy."""
        pinned = config.infrastructure.flag("cpu_pin")
        as_user = privileges.in_user_namespace(config)
        topology = topology_builder.from_config(config)
        return [
            *privileges.problems(config, is_root=host.is_root),
            *probe.problems(topology, pinned, host, as_user=as_user),
        ]

    def doctor(self, host: Host) -> Iterable[Finding]:
        """Whether namespaces, TUN devices, overlays and control groups are available."""
        return list(probe.findings(host))

    def create(self, specs: Sequence[NodeSpec], run: Run) -> tuple[Node, ...]:
        """Create the nodes, with all limits except CPU quotas, and attach them to the run's fabric.

        Raises:
            ProvisionError: a node cannot be created; then none of them outlives this process.
        """
        from continuum.network.fabric.client import Client

        addresses = host_addresses.addresses(specs)
        if run.config.infrastructure.flag("cpu_pin"):
            specs = capacity.pinned(specs, sorted(os.sched_getaffinity(0)))
        layout = _layout(specs, run)
        for note in limits.notes(specs, layout):
            run.note(note)
        folder = run.directory / NODE_FILES
        own_groups = [(GROUP, str(path)) for path in limits.run_paths(run.id, layout)]
        run.own_all([("keeper", run.id), ("node-files", str(folder)), *own_groups])
        host_addresses.start_switch(run)
        folder.mkdir(mode=0o700)
        launch = Launch(
            _plan(specs, addresses, run), folder / "plan.json", run.log("keeper"), run.inherited()
        )
        try:
            with Client(run.directory) as fabric, ThreadPoolExecutor(1) as side:
                limited = side.submit(limits.make, specs, run.id, layout)
                made = launch.nodes(lambda batch, fds: _attach(fabric, specs, addresses, batch, fds))
                limited.result()
            launch.accept()
            for note in launch.notes:
                run.note(note)
        finally:
            launch.close()
        handle = _handle(run)
        return tuple(
            Node(
                spec,
                addresses[spec.name],
                {
                    "pid": made[spec.name].pid,
                    "start": made[spec.name].start,
                    **handle,
                    "groups": limits.handle(spec, run.id, layout),
                },
                python=sys.executable,
                shares_host=True,
            )
            for spec in specs
        )

    def destroy(self, run: Run, owned: Sequence[tuple[str, str]]) -> None:
        """Kill the nodes' processes, found by their marks; delete their control groups and files."""
        folder = run.directory / NODE_FILES
        _refuse_others(run, owned)
        roots = _groups_of(run, owned)
        outside = not run.directory.is_dir()
        processes.end_all(run.id, also_outside_nodes=outside, release=lambda: groups.release(roots))
        groups.remove_trees(roots)
        if folder.is_symlink():
            run.tell(f"{run.id}: {folder} is a symbolic link; what it leads to is not deleted")
        elif folder.is_dir():
            _remove_files(folder)

    def enforce(self, nodes: Sequence[Node], run: Run) -> None:
        """Apply CPU quotas, including those of workloads that already run, and make processors slow."""
        for node in nodes:
            _groups(node).enforce()
        folder = run.directory / NODE_FILES
        why = pacing.start(nodes, run, folder)
        if why:
            run.note(f"processors below full speed compute short bursts at full speed: {why}")
        if not run.config.infrastructure.flag("infra_only"):
            calibration.calibrate(nodes, run, paced=not why)

    def usage(self, deployment: Deployment, run: Run) -> Mapping[str, Usage]:
        """What each node has used so far, by its name."""
        return {node.name: _groups(node).usage() for node in deployment.nodes}

    def strain(self, nodes: Sequence[Node], run: Run) -> Mapping[str, Strain]:
        """Counters of the nodes' control groups and interfaces."""
        emulation_s = pacing.cpu_seconds(nodes, run.directory / NODE_FILES)
        return {node.name: strain.of_node(node, emulation_s.get(node.name, 0.0)) for node in nodes}

    def survivors(self, host: Host) -> Mapping[str, str]:
        """This user's runs that have processes or control groups, with their folders.

        Runs that were started in another mount or PID namespace are left to those who started them there.
        """
        own, others = processes.runs()
        ids = {run_id for run_id, _ in limits.survivors()} - own.keys() - others
        # A run that is just being made has control groups before it has processes.
        grouped = {run_id: "" for run_id in ids if not index.is_claimed(run_id)}
        return {**grouped, **own}

    def connect(self, node: Node, run: Run) -> NamespaceConnection:
        """A connection to an existing node.

        Raises:
            ConnectionFailure: the process in the node's handle is not of this run.
        """
        handle, pid = node.handle, int(node.handle["pid"])
        if processes.is_alive(pid) and not processes.is_of_run(pid, run.id):
            raise ConnectionFailure(f"{node.name}: process {pid}, which state.json names, is not of this run")
        return NamespaceConnection(
            NamespaceTarget(
                node=node.name,
                run_id=run.id,
                pid=pid,
                start=int(handle["start"]),
                in_user_namespace=bool(handle["as_user"]),
                python=node.python,
                join=_groups(node).join,
                capabilities=privileges.of_handle(handle),
            )
        )


def _groups(node: Node) -> NodeGroups:
    return NodeGroups.of(node.spec, node.handle["groups"])


def _layout(specs: Sequence[NodeSpec], run: Run) -> Layout | None:
    needed = group_plan.controllers(tuple(specs))
    return find.layout(needed, find.disk_of(run.directory) if "blkio" in needed else "")


def _groups_of(run: Run, owned: Sequence[tuple[str, str]]) -> list[Path]:
    """The run's control groups, by name: all that exist, and those of the journal, which may be deep."""
    name = f"{group_plan.PREFIX}{run.id}"
    found = [path for _, path in limits.survivors() if path.name == name]
    named = [Path(ident) for kind, ident in owned if kind == GROUP]
    return list(dict.fromkeys([*found, *(path for path in named if find.is_group(path, name))]))


def _refuse_others(run: Run, owned: Sequence[tuple[str, str]]) -> None:
    """Report what the journal names and this provider did not create for the run; it is not touched."""
    expected = {"keeper": run.id, "node-files": str(run.directory / NODE_FILES)}
    name = f"{group_plan.PREFIX}{run.id}"
    for kind, ident in owned:
        if kind == GROUP:
            is_ours = find.is_group(Path(ident), name) or not Path(ident).exists()
        else:
            is_ours = ident == expected.get(kind, ident)
        if not is_ours:
            run.tell(
                f"{run.id}: the journal names {kind} {ident}, which is not of this run; it is not touched"
            )


def _plan(specs: Sequence[NodeSpec], addresses: dict[str, str], run: Run) -> KeeperPlan:
    mounted = mount_table.current()
    needed = (sys.prefix, sys.base_prefix, str(CHECKOUT), str(Path(sys.executable).resolve().parent.parent))
    plan = KeeperPlan(
        run_id=run.id,
        directory=str(run.directory),
        nodes=tuple(NodePlan(spec.name, addresses[spec.name]) for spec in specs),
        overlaid=mounts.overlaid(mounted),
        attached=mounts.attached(mounted),
        shown=mounts.shown(needed),
    )
    return _plan_as_user(plan, mounted) if privileges.in_user_namespace(run.config) else plan


def _plan_as_user(plan: KeeperPlan, mounted: Sequence[mount_table.Mount]) -> KeeperPlan:
    hidden = mounts.PRIVATE if os.geteuid() == 0 else (*mounts.PRIVATE, "/root")
    entries = [entry for entry in Path("/").iterdir() if str(entry) not in hidden]
    folders = [
        str(entry)
        for entry in entries
        if entry.is_dir() and not entry.is_symlink() and os.access(entry, READ)
    ]
    overlaid = mounts.overlaid_as_user(folders, mounted)
    return plan._replace(
        as_user=True,
        overlaid=overlaid,
        attached=tuple(sorted(set(folders) - set(overlaid))),
        links=tuple((str(entry), str(entry.readlink())) for entry in entries if entry.is_symlink()),
    )


def _attach(
    fabric: Client,
    specs: Sequence[NodeSpec],
    addresses: dict[str, str],
    batch: Sequence[StartedNode],
    descriptors: Sequence[int],
) -> None:
    tiers = {spec.name: spec.tier for spec in specs}
    fabric.attach([(one.name, tiers[one.name], addresses[one.name]) for one in batch], descriptors)


def _handle(run: Run) -> dict[str, object]:
    """What the handles of all nodes of a run have in common."""
    return {
        "as_user": privileges.in_user_namespace(run.config),
        privileges.HANDLE: privileges.kept(run.config, str(run.state().get("engine", ""))),
    }


def _remove_files(folder: Path) -> None:
    """Delete the nodes' files; overlays leave folders that even their owner may not list."""

    def retry(function: Callable[[str], object], path: str, _error: object) -> None:
        if not os.path.lexists(path):
            return
        for closed in (path, os.path.dirname(path)):  # noqa: PTH120
            _open_folder(closed)
        if function is os.unlink or function is os.rmdir:
            function(path)
        else:
            shutil.rmtree(path)

    try:
        shutil.rmtree(folder, onerror=retry)
    except OSError as error:
        raise ProvisionError(f"{folder}: cannot be deleted: {error}") from error


def _open_folder(path: str) -> None:
    """Let the owner list a folder; does nothing for anything else, such as a symbolic link of a node."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.chmod(f"/proc/self/fd/{descriptor}", 0o700)  # noqa: PTH101 - fchmod needs permission to read
        finally:
            os.close(descriptor)
