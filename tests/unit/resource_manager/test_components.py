"""What is built for tests is what the product installs, and pinned: no Go needed to see that."""

from __future__ import annotations

import re

import pytest

from continuum.software import artifacts
from resource_manager.kubernetes import kube_version
from tests.e2e import components
from tests.e2e.components import go
from tests.e2e.components.catalogue import COMPONENTS, GROUPS, PROGRAMS, SOURCES, version_of


@pytest.mark.parametrize("wanted", artifacts.versions(kube_version.HERE), ids=lambda artifact: artifact.name)
def test_a_cluster_of_the_default_release_can_be_built(wanted: artifacts.Artifact) -> None:
    built = components.known(wanted.name)
    assert (built.version, built.kind, built.image) == (wanted.version, wanted.kind, wanted.image)
    assert wanted.name in GROUPS["cluster"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_is_pinned(name: str) -> None:
    program = PROGRAMS[name]
    assert re.fullmatch(r"v?\d+\.\d+.*", version_of(program))
    if "require" in (program.folder / "go.mod").read_text():
        assert program.source in (program.folder / "go.sum").read_text()


def test_no_module_is_without_a_program() -> None:
    modules = {path.name for path in SOURCES.iterdir() if path.is_dir()}
    assert modules == {program.module for program in PROGRAMS.values()}


def test_modules_that_share_versions_are_there() -> None:
    assert go.workspace()
    assert go.workspace() <= {program.module for program in PROGRAMS.values()}


def test_components_are_made_of_programs_there_are() -> None:
    assert {name for component in COMPONENTS.values() for name in component.programs()} <= set(PROGRAMS)
    assert {name for group in GROUPS.values() for name in group} <= set(COMPONENTS)


def test_an_unknown_name_is_told_with_those_there_are() -> None:
    with pytest.raises(components.ComponentError, match=r"nothing is called kubelot; there are .*kubelet"):
        components.names(["kubelot"])
