"""What makes a run invalid besides incidents: lost requests, disturbances; and what is only noted."""

import pytest

from continuum.model.benchmark import Benchmark, RequestCounts
from continuum.model.fidelity import During, NodeStrain
from continuum.model.result import NodeUse
from continuum.pipeline import result_builder
from continuum.pipeline.watch.tolerated import Tolerated


def counted(lost: int, failed: int) -> Benchmark:
    counts = RequestCounts(sent=200, completed=200 - lost - failed, lost=lost, failed=failed)
    return Benchmark(application="video", requests=counts)


@pytest.mark.parametrize(
    ("lost", "failed", "percent"), [(0, 0, 1.0), (1, 1, 1.0), (20, 0, 10.0), (0, 1, 0.5)]
)
def test_losses_up_to_the_threshold_are_tolerated(lost: int, failed: int, percent: float) -> None:
    assert result_builder._losses(counted(lost, failed), Tolerated(loss_percent=percent)) == []


def test_more_losses_are_a_reason_with_figures() -> None:
    (reason,) = result_builder._losses(counted(2, 1), Tolerated())
    assert reason == "1.5 % of 200 requests were not answered: 2 lost, 1 failed (tolerated: 1 %)"
    assert result_builder._losses(counted(1, 0), Tolerated(loss_percent=0.0))
    assert result_builder._losses(None, Tolerated()) == []


def test_a_node_with_whole_cores_that_was_throttled_is_noted() -> None:
    nodes = [
        NodeUse("edge0", "edge", 2, 512),
        NodeUse("edge1", "edge", 2, 512),
        NodeUse("endpoint0", "endpoint", 1, 512, quota=0.5),
    ]
    strain = (NodeStrain("edge0", 1.0), NodeStrain("edge1", 0.1), NodeStrain("endpoint0", 5.0))
    (note,) = result_builder._throttling(During(seconds=10.0, nodes=strain), nodes)
    assert "edge0" in note
    assert "10 % of the load" in note
