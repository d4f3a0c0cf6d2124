"""Links changed by hand while the load runs."""

from typing import Any

from continuum.model.topology import Link
from continuum.pipeline.watch.link_watch import LinkWatch


def rows(*links: Link) -> list[dict[str, Any]]:
    return [vars(link) for link in links]


START = rows(Link("edge", "cloud", 7.5, 2.5, 1000.0), Link("cloud", "edge", 7.5, 2.5, 1000.0))
SLOWER = rows(Link("edge", "cloud", 50.0, 2.5, None), Link("cloud", "edge", 7.5, 2.5, 1000.0))


def test_links_that_stay_disturb_nothing() -> None:
    watch = LinkWatch(START)
    watch.note_count(0.0, 1)
    watch.note_links(0.0, START)
    watch.note_count(1.0, 1)
    assert (watch.count, watch.disturbances) == (0, [])


def test_a_change_is_told_with_the_values_that_differ() -> None:
    watch = LinkWatch(START)
    watch.note_links(3.0, SLOWER)
    watch.note_links(4.0, SLOWER)
    (found,) = watch.disturbances
    assert (found.kind, found.at_s, watch.count) == ("link_changed", 3.0, 1)
    assert (
        found.what == "link edge -> cloud was changed: delay 7.5 to 50 ms, bandwidth 1000 to unlimited Mbit/s"
    )


def test_counter_and_state_tell_of_the_same_change() -> None:
    watch = LinkWatch(START)
    watch.note_count(0.0, 1)
    watch.note_count(2.0, 2)
    watch.note_links(2.5, SLOWER)
    (found,) = watch.disturbances
    assert (found.at_s, watch.count) == (2.0, 1)
    assert "edge -> cloud" in found.what


def test_a_change_that_is_undone_between_two_looks_is_noticed() -> None:
    watch = LinkWatch(START)
    watch.note_count(0.0, 1)
    watch.note_count(2.0, 3)
    watch.note_links(2.0, START)
    (found,) = watch.disturbances
    assert found.what == "links were changed"


def test_the_link_of_one_node_is_told_with_all_values() -> None:
    watch = LinkWatch(START)
    watch.note_links(1.0, [*START, vars(Link("edge0", "cloud", 7.5, 2.5, 1000.0, 100.0))])
    (found,) = watch.disturbances
    assert "link edge0 -> cloud was changed" in found.what
    assert "loss 100 %" in found.what
