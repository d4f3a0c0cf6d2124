"""The image of a workload: built on this machine, put onto nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from continuum.connection.deployment import Deployment
from continuum.model.workload import Workload
from continuum.rundir.run import Run
from continuum.software import artifacts
from resource_manager.kubernetes import node_transfer
from resource_manager.none.direct_job import Replica

if TYPE_CHECKING:
    from continuum.software.oci.workload import WorkloadImage


@dataclass(frozen=True)
class Delivery:
    """How long it took to bring a workload's image to its nodes.

    Attributes:
        build_s: time to build the image; 0 if it was there.
        copy_s: time to put it onto all nodes.
        copied_mb: its size in MiB.
    """

    build_s: float
    copy_s: float
    copied_mb: float


def build_image(workload: Workload, run: Run) -> WorkloadImage:
    """The image of a workload, built unless it is in the cache."""
    from continuum.software.oci.workload import workload_image

    return workload_image(
        workload,
        architecture=artifacts.architecture_of(run.config),
        mirror=run.config.infrastructure.maybe_text("package_mirror"),
    )


def put_image(archive: Path, nodes: Sequence[str], deployment: Deployment, *, anew: bool = False) -> None:
    """Import an archive with an image into the container engines of some nodes.

    Args:
        archive: the image.
        nodes: their names.
        deployment: the nodes.
        anew: import it even where it was imported before.

    Raises:
        DeployError: a container engine refuses it; the message names the node.
    """
    ways, timeout_scale = deployment.connections, deployment.timeout_scale

    def put_on(node: str) -> None:
        node_transfer.images(ways[node], [archive], timeout_scale=timeout_scale, anew=anew)

    node_transfer.everywhere(put_on, nodes)


def record_delivery(run: Run, workload: Workload, delivery: Delivery, replicas: Sequence[Replica]) -> None:
    """Record for the result how long each node took to get the workload and to start it.

    The image is built once, which counts for the first node.
    """
    started = {replica.node: replica.start_s for replica in replicas}
    for number, (node, start_s) in enumerate(started.items()):
        run.record(
            "deliveries",
            node=node,
            workload=workload.name,
            build_s=0.0 if number else delivery.build_s,
            copy_s=delivery.copy_s,
            install_s=0.0,
            start_s=start_s,
            copied_mb=delivery.copied_mb,
        )
