"""The keys that the module reads."""

from __future__ import annotations

from continuum.config.core_options import CORE
from continuum.options import Choice, Flag, Option, Text

VERSION = Option(
    "benchmark",
    "kube_version",
    Text(),
    None,
    "Version of Kubernetes, as in `v1.33.8`, `1.33.8` or `1.33`.",
    default_text="the newest with checksums in `versions.yml`",
)
NETWORK = Option(
    "benchmark",
    "kube_network",
    Choice("bridge", "flannel"),
    "bridge",
    "Network of pods: plain bridges, with routes between nodes and no daemon, or flannel. Both cross the "
    "emulated links (VXLAN).",
)
SHAPED = Option(
    "benchmark",
    "shape_management",
    Flag(),
    False,
    "Let Kubernetes' own traffic (its API, kubelets, etcd) cross the emulated links too.",
)
SHARED = tuple(CORE["benchmark", key] for key in ("docker_pull", "cache_worker", "observability"))

OPTIONS = (VERSION, NETWORK, SHAPED, *SHARED)
