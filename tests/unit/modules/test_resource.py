"""What is the same for all resources that providers create."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from continuum.errors import ProvisionError
from continuum.modules.resource import Resource, create_all, delete_all
from continuum.rundir.run import Run


@dataclass(frozen=True)
class Volume(Resource[int]):
    """A resource in the store of a test."""

    store: Store
    name: str
    kind: str = "volume"

    def create(self) -> int:
        assert (self.kind, self.name) in self.store.run.owned()
        if self.name == self.store.refused:
            raise ProvisionError(f"{self.name}: refused")
        self.store.there.add(self.name)
        return len(self.name)

    def delete(self) -> None:
        self.store.deletions += 1
        if self.name != self.store.refused:
            self.store.there.discard(self.name)


class Store:
    """What exists; what is `late` appears when the store is looked at again."""

    def __init__(self, run: Run) -> None:
        self.run, self.there, self.late = run, set[str](), list[str]()
        self.refused, self.deletions = "", 0

    def existing(self) -> list[Volume]:
        found = [Volume(self, name) for name in sorted(self.there)]
        self.there.update(self.late)
        self.late.clear()
        return found


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(Run(tmp_path))


def test_resources_are_journalled_before_they_are_created(store: Store, tmp_path: Path) -> None:
    assert create_all([Volume(store, "a"), Volume(store, "bb")], store.run) == [1, 2]
    assert store.there == {"a", "bb"}
    assert "created 2 x volume" in (tmp_path / "logs" / "provision.log").read_text()


def test_all_are_created_before_a_failure_is_raised(store: Store) -> None:
    store.refused = "a"
    with pytest.raises(ProvisionError, match="a: refused"):
        create_all([Volume(store, "a"), Volume(store, "b")], store.run)
    assert store.there == {"b"}
    assert store.run.owned() == (("volume", "a"), ("volume", "b"))


def test_a_resource_that_appears_late_is_deleted_too(store: Store) -> None:
    store.there, store.late = {"a", "b"}, ["c"]
    delete_all(store.existing, [Volume(store, "journalled")], poll_s=0)
    assert not store.there
    assert store.deletions == 4


def test_deletion_has_a_time_limit(store: Store) -> None:
    store.there, store.refused = {"a", "b"}, "a"
    with pytest.raises(ProvisionError, match=r"volume a: still there 0\.05 s after deletion began"):
        delete_all(store.existing, timeout_s=0.05, poll_s=0.01)
    assert store.there == {"a"}
