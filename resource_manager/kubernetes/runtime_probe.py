"""Whether the container runtime of a config can run on its nodes, as far as known before they exist."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from continuum.errors import Problem
from continuum.modules import registry
from resource_manager.kubernetes import runtimes

if TYPE_CHECKING:
    from continuum.host.facts import Host
    from continuum.model.config import Config


def probe(config: Config, host: Host) -> Iterator[Problem]:
    """Nodes without virtualisation, and a warning about files that cannot be downloaded."""
    runtime, section = runtimes.chosen(config), config.benchmark
    if runtime.is_virtual_machine:
        name = config.infrastructure.text("provider")
        if lack := registry.provider(name).no_virtual_machines(config, host):
            message = (
                f"each pod is a virtual machine, and nodes of provider {name} have no hardware"
                f" virtualisation: {lack}; use another provider, or runtime = {runtimes.RUNSC}"
            )
            yield section.problem("runtime", message)
    files = (*runtime.programs, *runtime.archives)
    if files and config.infrastructure.path("artifact_dir") is None:
        yield section.problem("runtime", no_download(", ".join(files), config), "warning")


def no_download(what: str, config: Config) -> str:
    """Message about files that have to be in ``artifact_dir``."""
    return (
        f"{what} cannot be downloaded, as the checksum is not known; write artifact_dir with a folder that"
        f" has it (`continuum artifacts {config.path}` lists what is needed)"
    )
