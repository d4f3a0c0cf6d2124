"""Shares of nodes: wait for nodes that the API lists late, and read its quantities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from continuum.errors import DeployError
from resource_manager.kubernetes import node_share
from resource_manager.kubernetes.api_client import Api
from resource_manager.kubernetes.node_share import Allocatable, allocatable, wait_listed

pytest.importorskip("kubernetes")


def node(**reported: str) -> Any:
    return SimpleNamespace(status=SimpleNamespace(allocatable=reported))


def listing(monkeypatch: pytest.MonkeyPatch, *answers: Mapping[str, Any]) -> None:
    """Let the API list these nodes, one answer after the other."""

    def states(*_: Any, **__: Any) -> Iterator[Mapping[str, Any]]:
        yield from answers

    monkeypatch.setattr(node_share, "states", states)


API = Api(SimpleNamespace(list_node=None), None, None)


@pytest.mark.parametrize(
    ("cpu", "memory", "expected"),
    [
        ("1", "2Gi", Allocatable(1000, 2048)),
        ("500m", "1048576Ki", Allocatable(500, 1024)),
        ("1.5", "1073741824", Allocatable(1500, 1024)),
        ("2", "1G", Allocatable(2000, 953)),
    ],
)
def test_quantities_are_read_as_kubernetes_writes_them(cpu: str, memory: str, expected: Allocatable) -> None:
    assert allocatable(node(cpu=cpu, memory=memory)) == expected


@pytest.mark.parametrize("reported", [{}, {"cpu": "1"}, {"cpu": "much", "memory": "1Gi"}])
def test_a_node_without_readable_quantities_is_not_known_yet(reported: dict[str, str]) -> None:
    assert allocatable(node(**reported)) is None


def test_a_node_that_is_listed_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = node(cpu="1", memory="1Gi"), node(cpu="2", memory="2Gi")
    listing(
        monkeypatch,
        {"cloud1": first},
        {"cloud1": first, "cloud2": node()},
        {"cloud1": first, "cloud2": second},
    )
    found = wait_listed(API, ["cloud1", "cloud2"])
    assert found == {"cloud1": Allocatable(1000, 1024), "cloud2": Allocatable(2000, 2048)}


def test_a_node_that_is_never_listed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    listing(monkeypatch, {"cloud1": node(cpu="1", memory="1Gi")})
    with pytest.raises(DeployError, match=r"does not list cloud2 with a tier .* within 30 s"):
        wait_listed(API, ["cloud1", "cloud2"])
