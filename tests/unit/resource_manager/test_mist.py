"""What the resource manager mist takes and what it refuses."""

from pathlib import Path

import pytest

from continuum.config import loader as config
from continuum.config import topology_builder
from continuum.errors import ConfigError

FIXTURE = Path(__file__).parents[2] / "fixtures" / "continuum-configs" / "tests_qemu_07_mist-img.cfg"


def text(**tiers: int) -> str:
    lines = ["[infrastructure]", "provider = local"]
    for tier, nodes in tiers.items():
        lines += [f"{tier}_nodes = {nodes}", f"{tier}_cores = 1", f"{tier}_memory = 1"]
    return "\n".join([*lines, "[benchmark]", "resource_manager = mist", "application = video", ""])


def refused(**tiers: int) -> str:
    with pytest.raises(ConfigError) as error:
        config.parse(text(**tiers), "x.cfg")
    return str(error.value)


def test_the_frameworks_own_config_is_taken() -> None:
    read = config.parse(FIXTURE.read_text().replace("provider = qemu", "provider = local"), FIXTURE.name)
    assert read.benchmark.text("resource_manager") == "mist"
    assert {tier.name: tier.count for tier in topology_builder.from_config(read).tiers} == {
        "edge": 2,
        "endpoint": 4,
    }
    assert [str(problem) for problem in read.warnings] == []


def test_packages_are_a_list() -> None:
    read = config.parse(text(edge=1, endpoint=1) + "mist_packages = jq, curl\n", "x.cfg")
    assert read.benchmark.texts("mist_packages") == ("jq", "curl")


def test_a_cloud_is_refused() -> None:
    said = refused(cloud=1, edge=1, endpoint=1)
    assert 'x.cfg:3: [infrastructure] cloud_nodes = "1": resource manager mist has no cloud' in said


def test_edge_nodes_and_endpoints_must_be_there() -> None:
    assert 'mist needs edge nodes to run workers on; write e.g. "edge_nodes = 1"' in refused(endpoint=1)
    assert 'mist needs endpoint nodes for edge nodes to serve; write e.g. "endpoint_nodes = 1"' in refused(
        edge=1
    )
