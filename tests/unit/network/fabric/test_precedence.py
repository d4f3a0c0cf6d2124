"""The link of a node overrides that of its tier."""

from continuum.network.fabric.precedence import applicable

SRC, DST = ("edge0", "edge"), ("cloud1", "cloud")
BY_SPECIFICITY = [("edge0", "cloud1"), ("edge0", "cloud"), ("edge", "cloud1"), ("edge", "cloud")]


def test_the_most_specific_link_applies() -> None:
    links = {pair: number for number, pair in enumerate(BY_SPECIFICITY)}
    for number, pair in enumerate(BY_SPECIFICITY):
        assert applicable(links, SRC, DST) == number
        del links[pair]
    assert applicable(links, SRC, DST) is None


def test_the_opposite_direction_does_not_apply() -> None:
    assert applicable({("cloud", "edge"): 1, ("cloud1", "edge0"): 2}, SRC, DST) is None
