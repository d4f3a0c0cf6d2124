"""Which capabilities the programs on a node keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from continuum.host import capabilities
from continuum.model.config import Config
from continuum.options import Choice, Option

KEY = "local_capabilities"
HANDLE = "capabilities"
"""Entry of a node's handle: names, or None for all."""

OPTIONS: Final = (
    Option(
        "infrastructure",
        KEY,
        Choice("default", "all"),
        "default",
        "What root on a node may do: `default` is what container engines allow, without making device files; "
        "`all` lets it reach the host, for programs that mount, load modules or change interfaces.",
    ),
)


def kept(config: Config, engine: str) -> tuple[str, ...] | None:
    """The capabilities that programs on nodes keep; None for all.

    With the engine ``netem``, nodes shape their links themselves, which needs NET_ADMIN.
    """
    if config.infrastructure.text(KEY) == "all":
        return None
    return (*capabilities.DEFAULT, *(("NET_ADMIN",) if engine == "netem" else ()))


def of_handle(handle: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The capabilities in a node's handle; the default where it names unknown ones or none."""
    names = handle.get(HANDLE, capabilities.DEFAULT)
    if names is None:
        return None
    return tuple(name for name in names if name in capabilities.NUMBERS)
