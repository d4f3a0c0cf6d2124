"""Workloads: what an application asks to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Program:
    """A program that a workload needs and does not bring, such as a message broker.

    On nodes that do not have it, the application's playbook ``install`` runs and finds its name in
    ``continuum_programs``.

    Attributes:
        name: the command's name.
        package: its Debian package.
        key: key of ``[benchmark]`` that causes the need; error messages name it.
        instead: an alternative for the user, for error messages.
    """

    name: str
    package: str
    key: str = "application"
    instead: str = ""


@dataclass(frozen=True)
class Workload:
    """One program to run on the nodes of one tier.

    Each replica runs in its own folder on the node, with ``protocol.ENV_NODE``, ``protocol.ENV_WORKLOAD`` and
    ``protocol.ENV_REPLICA`` in its environment. It communicates with the orchestrator as
    ``continuum.sdk.session`` does.

    Attributes:
        name: unique within the application; letters, digits and dashes.
        tier: tier whose nodes run it.
        argv: the command; ``{python}`` stands for the node's Python interpreter.
        replicas_per_node: replicas on each node.
        nodes: names of the tier's nodes that run it; empty for all of them.
        environment: additional environment variables.
        files: files of this host to copy into the folder, by their name there.
        requirements: Python packages to install, as pip requirement strings.
        code: modules and packages of this project that it imports, by dotted name; ``continuum`` is always
            included.
        cpu_cores: CPU limit in cores; None for no limit.
        memory_mb: memory limit in MiB; None for no limit.
        ports: TCP ports it serves.
        serves: True if it runs until it is stopped, False if it ends by itself.
        programs: programs that must be installed on its nodes.
        answers_http: whether every request to it is an HTTP POST to its port, for any path, and the response
            is its answer. An execution model may then put a proxy in front of it, see
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
