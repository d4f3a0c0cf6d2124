"""The keys of the module."""

from __future__ import annotations

from continuum.config.core_options import CORE
from continuum.options import Option, Text
from resource_manager.kubernetes.api import SHAPED, VERSION

KUBEEDGE_VERSION = Option(
    "benchmark",
    "kubeedge_version",
    Text(),
    None,
    "Version of KubeEdge, as in `v1.20.0` or `1.20`.",
    default_text="the default of `versions.yml`",
)

OPTIONS = (
    KUBEEDGE_VERSION,
    VERSION,
    SHAPED,
    *(CORE["benchmark", key] for key in ("docker_pull", "cache_worker")),
)
