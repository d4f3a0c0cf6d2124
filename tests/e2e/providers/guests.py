"""Runs of virtual machines, as small as they can be."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.e2e import program

TIMEOUT_S = 300
"""For one command: guests boot on processors that others use, too."""

NODES = """\
[infrastructure]
provider = qemu
qemu_acceleration = tcg
qemu_uri = {uri}
qemu_image = {image}
cloud_nodes = 1
cloud_cores = 1
cloud_memory = 320 MiB
cloud_quota = 0.5
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 256 MiB
endpoint_write_speed = 5 MB/s
infra_only = True
{more}
[link cloud-endpoint]
latency = 100 ms
jitter = 0 ms
bandwidth = 10 Mbit
"""


def config(folder: Path, uri: str, image: Path, more: str = "") -> Path:
    """A cloud node at half a processor and an endpoint with a slow disk."""
    path = folder / "test.cfg"
    path.write_text(NODES.format(uri=uri, image=image, more=more))
    return path


def continuum(
    *arguments: object, cwd: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        program.command(*arguments),
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
