"""A provider without isolation, for driving the whole pipeline as an ordinary user.

Its nodes are folders of the run's directory; the programs on them are plain processes of this host that
reach each other over loopback addresses of their own.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import ClassVar

from continuum.model.node import Node
from continuum.model.topology import NodeSpec
from continuum.modules.provider import Provider
from continuum.rundir.run import Run
from continuum.testing.fake_connection import FakeConnection

FIRST_ADDRESS = IPv4Address("127.77.0.1")
FOLDER = "fake-nodes"


class FakeProvider(Provider):
    """Nodes are folders.

    Attributes:
        clock_offsets_ns: how far the clocks of some nodes are ahead, by node.
    """

    summary: ClassVar[str] = "folders of this host, for tests"
    engines: ClassVar[tuple[str, ...]] = ()

    def __init__(self, clock_offsets_ns: dict[str, int] | None = None) -> None:
        self.clock_offsets_ns = clock_offsets_ns or {}

    def create(self, specs: Sequence[NodeSpec], run: Run) -> tuple[Node, ...]:
        """Make the folders."""
        run.own("fake-nodes", str(run.directory / FOLDER))
        nodes = []
        for index, spec in enumerate(specs):
            root = run.directory / FOLDER / spec.name
            root.mkdir(parents=True)
            nodes.append(Node(spec, str(FIRST_ADDRESS + index), {"root": str(root)}, python=sys.executable))
        return tuple(nodes)

    def connect(self, node: Node, run: Run) -> FakeConnection:
        """A connection to a folder."""
        root = Path(str(node.handle["root"]))
        return FakeConnection(node.name, root, self.clock_offsets_ns.get(node.name))

    def destroy(self, run: Run, owned: Sequence[tuple[str, str]]) -> None:
        """End what still runs in the run's folder of nodes, and remove the folder.

        The path is computed: the journal is input, and could name any folder.
        """
        folder = run.directory / FOLDER
        for kind, ident in owned:
            if kind == FOLDER and ident != str(folder):
                run.tell(
                    f"{run.id}: the journal names {kind} {ident}, which is not of this run; it is not touched"
                )
        if not folder.is_symlink():
            _end_processes_in(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _end_processes_in(folder: Path) -> None:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, ProcessLookupError):
                if (entry / "cwd").readlink().is_relative_to(folder):
                    os.kill(int(entry.name), signal.SIGKILL)
