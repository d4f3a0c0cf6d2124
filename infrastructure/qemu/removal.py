"""Removes what a run has at libvirt daemons; by the names alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from continuum.errors import ContinuumError
from infrastructure.qemu import names, storage
from infrastructure.qemu.hypervisor import Hypervisor

T = TypeVar("T")


def remove_everywhere(uris: Iterable[str], run_id: str) -> None:
    """Remove everything that daemons have of a run; one that fails keeps nothing at the others."""
    ends = [_attempt(_remove_at, uri, run_id) for uri in sorted(uris)]
    for one in ends:
        one.result()


def remove(hypervisor: Hypervisor, run_id: str) -> None:
    """Remove everything a daemon has of a run, guests first; harmless when repeated."""
    label = names.label(run_id)

    def end(domain: object) -> None:
        with hypervisor.doing(f"{run_id}: ending a guest"), hypervisor.if_there():
            domain.destroy()  # type: ignore[attr-defined]

    domains = hypervisor.domains(run_id)
    with ThreadPoolExecutor(max(1, len(domains))) as pool:
        ends = [pool.submit(end, domain) for domain in domains]
    ends += [_attempt(storage.remove_pool, hypervisor, label), _attempt(_remove_network, hypervisor, label)]
    for one in ends:
        one.result()


def _remove_at(uri: str, run_id: str) -> None:
    with Hypervisor(uri) as hypervisor:
        remove(hypervisor, run_id)


def _attempt(act: Callable[[T, str], None], where: T, name: str) -> Future[None]:
    """Do it; what goes wrong is kept, so that it keeps nothing else from being removed."""
    done: Future[None] = Future()
    try:
        act(where, name)
        done.set_result(None)
    except ContinuumError as error:
        done.set_exception(error)
    return done


def _remove_network(hypervisor: Hypervisor, label: str) -> None:
    with hypervisor.doing(f"{hypervisor.uri}: removing network {label}"), hypervisor.if_there():
        hypervisor.api.networkLookupByName(label).destroy()
