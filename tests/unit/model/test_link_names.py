"""How links are written."""

import pytest

from continuum.model.link_names import LinkName, names_of


def test_an_arrow_is_one_direction_and_a_dash_both() -> None:
    assert LinkName.parse("edge -> cloud0").directions == (("edge", "cloud0"),)
    assert LinkName.parse("edge-cloud0").directions == (("edge", "cloud0"), ("cloud0", "edge"))
    assert LinkName.parse("edge-edge").directions == (("edge", "edge"),)


@pytest.mark.parametrize("text", ["", "edge", "edge-", "->cloud", "edge-cloud-fog", "a->b->c", "a->b-c->d"])
def test_anything_else_is_no_link(text: str) -> None:
    with pytest.raises(ValueError, match="write A-B for both directions"):
        LinkName.parse(text)


@pytest.mark.parametrize("text", ["edge-cloud", "edge->cloud"])
def test_a_name_is_written_as_it_was_read(text: str) -> None:
    assert str(LinkName.parse(text)) == text


def test_one_direction_overrides_both() -> None:
    assert names_of("edge", "cloud") == ("edge-cloud", "cloud-edge", "edge->cloud")
