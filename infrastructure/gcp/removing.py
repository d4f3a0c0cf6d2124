"""Removes what a run has in a project: what its journal names, then what carries its mark."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from continuum.connection.ssh.hosts import everywhere
from continuum.errors import ContinuumError, ProvisionError
from infrastructure.gcp import names, places
from infrastructure.gcp.making import KINDS

if TYPE_CHECKING:
    from infrastructure.gcp.api import Cloud

ORDER = (("Instances",), ("Disks", "Firewalls", "Subnetworks"), ("Networks",))
"""What must be gone before the next can go."""

_LABELLED = ("Instances", "Disks")


def remove(cloud: Cloud, run_id: str, owned: Sequence[tuple[str, str]]) -> None:
    """Remove everything of a run; as much as possible of it, whatever happens.

    Raises:
        ProvisionError: something is still there; it is named, with the reason.
    """
    errors: list[ContinuumError] = []
    for services in ORDER:
        journalled = [
            (service, ident) for service in services for kind, ident in owned if kind == KINDS.get(service)
        ]
        _try(errors, lambda known=journalled: everywhere(known, lambda one: cloud.delete(*one)))  # type: ignore[misc]
        for service in services:
            _try(errors, lambda service=service: _sweep(cloud, service, run_id))  # type: ignore[misc]
    if errors:
        words = "\n".join(dict.fromkeys(map(str, errors)))
        raise ProvisionError(
            f"{words}\nsomething may be left of run {run_id}; repeat: continuum destroy {run_id}"
        )


def _sweep(cloud: Cloud, service: str, run_id: str) -> None:
    """Remove survivors until a look shows none: a request may still be on its way when it is repeated."""
    deadline = time.monotonic() + cloud.timeouts.operation_s
    while survivors := [*cloud.names(service, condition(service, run_id))]:
        everywhere(survivors, lambda name: cloud.delete(service, name))
        if time.monotonic() > deadline:
            raise ProvisionError(f"Google Cloud: {', '.join(survivors)} cannot be removed")


def condition(service: str, run_id: str) -> str:
    """The API's filter that finds a run's resources; the label holds only where there can be one."""
    if service in _LABELLED:
        return f"labels.{names.RUN_LABEL}={names.label(run_id)}"
    return f'name eq "{names.prefix(run_id)}-.*"'


def found(clouds: Iterable[Cloud]) -> list[str]:
    """Ids of this user's runs that have anything left in some projects."""
    ids: dict[str, None] = {}
    for cloud in clouds:
        for service in (one for services in ORDER for one in services):
            for resource in cloud.list(service, f'name eq "{names.PREFIX}-.*"'):
                run_id = names.run_of(resource.description, places.owner())
                if run_id is not None:
                    ids[run_id] = None
    return list(ids)


def _try(errors: list[ContinuumError], act: Callable[[], None]) -> None:
    try:
        act()
    except ContinuumError as error:
        errors.append(error)
