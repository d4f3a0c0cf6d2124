"""Times of the load begin with its first request."""

from continuum.model.fidelity import Disturbance, During, Reading
from continuum.pipeline.watch.timing import since_first_request


def test_times_count_from_the_first_request() -> None:
    during = During(readings=(Reading(0.5), Reading(3.0)), disturbances=(Disturbance(1.0, "steal", "a"),))
    moved = since_first_request(during, 2.0)
    assert [one.at_s for one in moved.readings] == [-1.5, 1.0]
    assert [one.at_s for one in moved.disturbances] == [0.0]
