"""Resources that a provider creates outside this process: containers, guests, cloud instances.

A provider's subclass of `Resource` creates or deletes one of them. Journal, parallelism, repetition,
existence checks, time limits and timing are the same for all of them, and are here.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from continuum.errors import ProvisionError
from continuum.host.parallel import in_parallel
from continuum.rundir.run import Run

T = TypeVar("T")

POLL_S = 0.1
DELETE_TIMEOUT_S = 120.0


class Resource(ABC, Generic[T]):
    """One resource of a run.

    Attributes:
        kind: its kind in the journal.
        name: identifies it among those of its kind, in the journal and in messages.
    """

    kind: str
    name: str

    @abstractmethod
    def create(self) -> T:
        """Create it; returns what the provider has to know of it. Raises ProvisionError if that fails."""

    @abstractmethod
    def delete(self) -> None:
        """Delete it; harmless if it does not exist."""


def create_all(resources: Sequence[Resource[T]], run: Run) -> list[T]:
    """Create resources in parallel; what each `create` returns, in their order.

    All of them are in the journal before the first is created. The time it took is written to the log of the
    phase `provision`.
    """
    run.own_all([(resource.kind, resource.name) for resource in resources])
    begin = time.monotonic()
    created = in_parallel(lambda resource: resource.create(), resources)
    kinds = ", ".join(dict.fromkeys(resource.kind for resource in resources))
    with run.log("provision").open("a", encoding="utf-8") as log:
        log.write(f"created {len(resources)} x {kinds} in {time.monotonic() - begin:.2f} s\n")
    return created


def delete_all(
    existing: Callable[[], Iterable[Resource[T]]],
    journalled: Iterable[Resource[T]] = (),
    *,
    timeout_s: float = DELETE_TIMEOUT_S,
    poll_s: float = POLL_S,
) -> None:
    """Delete resources in parallel until none exists, since one that is being created may appear late.

    Args:
        existing: looks for the run's resources.
        journalled: resources that may exist although `existing` does not show them yet.
        timeout_s: time limit.
        poll_s: pause before deletion is repeated.

    Raises:
        ProvisionError: some exist after `timeout_s`, or one cannot be deleted.
    """
    deadline = time.monotonic() + timeout_s
    found = {resource.name: resource for resource in (*journalled, *existing())}
    while found:
        in_parallel(lambda resource: resource.delete(), found.values())
        found = {resource.name: resource for resource in existing()}
        if found and time.monotonic() > deadline:
            first, *_ = found.values()
            names = ", ".join(sorted(found))
            raise ProvisionError(f"{first.kind} {names}: still there {timeout_s:g} s after deletion began")
        if found:
            time.sleep(poll_s)
