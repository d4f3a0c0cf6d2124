"""What an application asks to be run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


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
