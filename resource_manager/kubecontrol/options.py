"""The keys that the module reads besides those of ``kubernetes``."""

from __future__ import annotations

from continuum.options import Choice, Integer, Option
from resource_manager.kubecontrol import manifests

MOST_SIMULATED = 1000

DEPLOYMENT = Option(
    "benchmark",
    "kube_deployment",
    Choice(*manifests.WAYS),
    manifests.POD,
    "How instances are ordered: a `pod` for each, all in one file; as `container`s of one pod on each node;"
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
