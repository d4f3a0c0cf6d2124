"""Applications name their own stages where the core asks for one."""

import pytest

from continuum.modules import registry


@pytest.mark.parametrize("name", registry.names("application"))
def test_arrival_and_processing_are_stages_of_the_application(name: str) -> None:
    application = registry.application(name)
    assert {application.arrival, application.processing} <= {"", *application.stages}
