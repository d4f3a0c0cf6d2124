"""The keys of the module besides those of ``kubernetes``."""

from __future__ import annotations

from continuum.options import Choice, Integer, Option
from resource_manager.kubecontrol import pod_manifests

MOST_SIMULATED = 1000

DEPLOYMENT = Option(
    "benchmark",
    "kube_deployment",
    Choice(*pod_manifests.WAYS),
    pod_manifests.POD,
    "How instances are created: a `pod` for each, all in one file; as `container`s of one pod on each node;"
    " a pod for each, with a `file` for each; a pod for each, with a `call` of the API for each.",
)
KWOK = Option(
    "benchmark",
    "kwok",
    Integer(minimum=0, maximum=MOST_SIMULATED),
    0,
    "Simulated nodes that KWOK adds to the cluster; each gets `applications_per_worker` simulated instances.",
)

OPTIONS = (DEPLOYMENT, KWOK)
