"""The resource manager ``kubecontrol``: Kubernetes, whose control plane is what is measured."""

from __future__ import annotations

from typing import ClassVar

from continuum.module import Deployment, Job, Workload
from continuum.options import Choice, Option
from continuum.rundir import Run
from resource_manager.kubecontrol import manifests
from resource_manager.kubernetes.manager import Kubernetes

DEPLOYMENT = Option(
    "benchmark",
    "kube_deployment",
    Choice(*manifests.WAYS),
    manifests.POD,
    "How instances are ordered: a `pod` for each, all in one file; as `container`s of one pod on each node;"
    " a pod for each, with a `file` for each; a pod for each, with a `call` of the API for each.",
)


class KubeControl(Kubernetes):
    """A cluster as ``kubernetes`` makes it; pods are ordered one by one, and their lives are told."""

    summary: ClassVar[str] = "what Kubernetes itself takes: the life of every pod, from order to end"
    options: ClassVar[tuple[Option, ...]] = (*Kubernetes.options, DEPLOYMENT)

    def submit(self, workload: Workload, deployment: Deployment, run: Run) -> Job:
        """Start a workload in pods of its own; one that serves as ``kubernetes`` does."""
        from resource_manager.kubecontrol.submit import PodSubmission
        from resource_manager.kubernetes import submit

        return submit.submit(workload, deployment, run, None if workload.serves else PodSubmission)
