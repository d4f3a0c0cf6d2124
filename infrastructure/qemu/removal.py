"""Deletes the resources of a run at libvirt daemons, found by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from continuum.errors import ContinuumError
from continuum.modules.resource import Resource, delete_all
from infrastructure.qemu import names, storage
from infrastructure.qemu.hypervisor import Hypervisor

T = TypeVar("T")


def remove_everywhere(uris: Iterable[str], run_id: str) -> None:
    """Delete all resources of a run at several daemons; a failure at one does not affect the others."""
    ends = [_attempt(_remove_at, uri, run_id) for uri in sorted(uris)]
    for one in ends:
        one.result()


def remove(hypervisor: Hypervisor, run_id: str) -> None:
    """Delete all resources of a run at a daemon, guests first; harmless when repeated."""
    label = names.label(run_id)
    ends = [_attempt(_delete_guests, hypervisor, run_id)]
    ends += [_attempt(storage.remove_pool, hypervisor, label), _attempt(_remove_network, hypervisor, label)]
    for one in ends:
        one.result()


def _remove_at(uri: str, run_id: str) -> None:
    with Hypervisor(uri) as hypervisor:
        remove(hypervisor, run_id)


def _attempt(act: Callable[[T, str], None], where: T, name: str) -> Future[None]:
    """Call ``act``; its error is kept in the result, so that the other resources are deleted, too."""
    done: Future[None] = Future()
    try:
        act(where, name)
        done.set_result(None)
    except ContinuumError as error:
        done.set_exception(error)
    return done


@dataclass(frozen=True)
class _Guest(Resource[None]):
    """A guest that exists, or the switch of a machine."""

    hypervisor: Hypervisor
    name: str
    kind: str = "guest"

    def create(self) -> None:
        raise NotImplementedError  # see ``guests.GuestHost.start``

    def delete(self) -> None:
        with self.hypervisor.doing(f"{self.name}: deleting the guest"), self.hypervisor.if_there():
            self.hypervisor.api.lookupByName(self.name).destroy()


def _delete_guests(hypervisor: Hypervisor, run_id: str) -> None:
    def existing() -> list[_Guest]:
        return [_Guest(hypervisor, str(domain.name())) for domain in hypervisor.domains(run_id)]

    delete_all(existing)


def _remove_network(hypervisor: Hypervisor, label: str) -> None:
    with hypervisor.doing(f"{hypervisor.uri}: deleting network {label}"), hypervisor.if_there():
        hypervisor.api.networkLookupByName(label).destroy()
