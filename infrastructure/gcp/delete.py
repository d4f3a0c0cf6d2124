"""Deletes what a run has in a project: what its journal names, and what has its label or name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from continuum.errors import ContinuumError, ProvisionError
from continuum.host.parallel import in_parallel
from continuum.modules.resource import delete_all
from infrastructure.gcp import known_locations, names
from infrastructure.gcp.cloud_resource import KINDS, CloudResource

if TYPE_CHECKING:
    from infrastructure.gcp.api import Cloud

ORDER = (("Instances",), ("Disks", "Firewalls", "Subnetworks"), ("Networks",))
"""Services whose resources are deleted together; each group must be gone before the next is deleted."""

_LABELLED = ("Instances", "Disks")


def delete(
    cloud: Cloud,
    run_id: str,
    owned: Sequence[tuple[str, str]],
    tell: Callable[[str], None] = lambda _line: None,
) -> None:
    """Delete all resources of a run; a failure does not keep the others from being deleted.

    Args:
        cloud: the project.
        run_id: the run.
        owned: the journal; entries whose name is not one of the run are refused.
        tell: receives a line for each refused entry.

    Raises:
        ProvisionError: some remain; the message names them, with the reasons.
    """
    errors: list[ContinuumError] = []
    kinds, own = set(KINDS.values()), f"{names.prefix(run_id)}-"
    for kind, ident in owned:
        if kind in kinds and not ident.startswith(own):
            tell(f"{run_id}: {kind} {ident} has not the name of this run; it is not touched")

    def delete_service(service: str) -> None:
        journalled = [ident for kind, ident in owned if kind == KINDS[service] and ident.startswith(own)]
        try:
            _delete(cloud, service, run_id, journalled)
        except ContinuumError as error:
            errors.append(error)
            _collect(errors, lambda: _delete(cloud, service, run_id, ()))  # those without an entry

    for services in ORDER:
        in_parallel(delete_service, services)
    if errors:
        words = "\n".join(dict.fromkeys(map(str, errors)))
        raise ProvisionError(
            f"{words}\nresources of run {run_id} may remain; repeat: continuum destroy {run_id}"
        )


def _delete(cloud: Cloud, service: str, run_id: str, journalled: Sequence[str]) -> None:
    def existing() -> list[CloudResource]:
        found = cloud.names(service, condition(service, run_id))
        return [CloudResource(cloud, service, name, run_id) for name in found]

    known = [CloudResource(cloud, service, name, run_id) for name in journalled]
    timeouts = cloud.timeouts
    delete_all(existing, known, timeout_s=timeouts.operation_s, poll_s=timeouts.poll_s)


def condition(service: str, run_id: str) -> str:
    """The API's filter for a run's resources: by label if the service supports labels, else by name."""
    if service in _LABELLED:
        return f"labels.{names.RUN_LABEL}={names.label(run_id)}"
    return f'name eq "{names.prefix(run_id)}-.*"'


def remaining_runs(clouds: Iterable[Cloud]) -> list[str]:
    """Ids of this user's runs that have resources in these projects."""
    ids: dict[str, None] = {}
    for cloud in clouds:
        for service in (each for services in ORDER for each in services):
            for resource in cloud.list(service, f'name eq "{names.PREFIX}-.*"'):
                run_id = names.run_of(resource.description, known_locations.owner())
                if run_id is not None:
                    ids[run_id] = None
    return list(ids)


def _collect(errors: list[ContinuumError], act: Callable[[], None]) -> None:
    try:
        act()
    except ContinuumError as error:
        errors.append(error)
