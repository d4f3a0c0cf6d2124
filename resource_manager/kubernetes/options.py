"""The keys of the module."""

from __future__ import annotations

from continuum.config.core_options import CORE
from continuum.options import Choice, Flag, Option, Text
from resource_manager.kubernetes import runtimes

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
RUNTIME = Option(
    "benchmark",
    "runtime",
    Choice(*runtimes.NAMES),
    runtimes.RUNC,
    "Container runtime of workloads: runc, crun, gVisor (`runsc`), or a virtual machine for each pod by Kata "
    "Containers with QEMU or Firecracker.",
)
RUNTIME_FILE_SYSTEM = Option(
    "benchmark",
    "runtime_filesystem",
    Choice(*runtimes.FILE_SYSTEMS),
    None,
    "Where containerd keeps root file systems of containers, with `runtime = kata-*`.",
    default_text="`devmapper` with `kata-fc`, else `overlayfs`",
)
RUNSC_PLATFORM = Option(
    "benchmark",
    "runsc_platform",
    Choice(*runtimes.PLATFORMS),
    runtimes.SYSTRAP,
    "How gVisor intercepts system calls, with `runtime = runsc`.",
)
SHARED = tuple(CORE["benchmark", key] for key in ("docker_pull", "cache_worker", "observability"))

OPTIONS = (VERSION, NETWORK, SHAPED, RUNTIME, RUNTIME_FILE_SYSTEM, RUNSC_PLATFORM, *SHARED)
