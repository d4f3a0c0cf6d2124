"""Which capabilities the programs on a node keep, and whether nodes have a user namespace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from continuum.errors import Problem
from continuum.host import capabilities
from continuum.model.config import Config
from continuum.options import Choice, Option
from infrastructure.local import trial

KEY = "local_capabilities"
ISOLATION = "local_isolation"
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
    Option(
        "infrastructure",
        ISOLATION,
        Choice("auto", "user"),
        "auto",
        "`user` gives nodes a user namespace, in which root has no capabilities on the host; `auto` does so "
        "only where Continuum runs without root.",
    ),
)


def kept(config: Config, engine: str) -> tuple[str, ...] | None:
    """The capabilities that programs on nodes keep; None for all.

    With the engine ``netem``, nodes shape their links themselves, which needs NET_ADMIN.
    """
    if config.infrastructure.text(KEY) == "all":
        return None
    return (*capabilities.DEFAULT, *(("NET_ADMIN",) if engine == "netem" else ()))


def in_user_namespace(config: Config) -> bool:
    """Whether nodes have a user namespace."""
    return config.infrastructure.text(ISOLATION) == "user" or trial.needs_user_namespace()


def problems(config: Config, *, is_root: bool) -> Iterator[Problem]:
    """A problem if a user namespace would promise more than it keeps.

    Who can mount can undo what protects the host's files, and these belong to the same user id.
    """
    section = config.infrastructure
    if is_root and section.text(ISOLATION) == "user" and section.text(KEY) == "all":
        yield section.problem(
            KEY, f"root on a node could change files of the host; leave out this key or {ISOLATION}"
        )


def of_handle(handle: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The capabilities in a node's handle; the default where it names unknown ones or none."""
    names = handle.get(HANDLE, capabilities.DEFAULT)
    if names is None:
        return None
    return tuple(name for name in names if name in capabilities.NUMBERS)
