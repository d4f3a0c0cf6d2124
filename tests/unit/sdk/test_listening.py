"""Servers on nodes listen on one address, as far as they can."""

import pytest

from continuum.sdk import listening, protocol


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (protocol.ENV_FRONT, protocol.ENV_NODE_ADDRESS):
        monkeypatch.delenv(name, raising=False)


def test_a_server_listens_on_the_address_of_its_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(protocol.ENV_NODE_ADDRESS, "127.7.7.7")
    assert listening.address() == "127.7.7.7"
    assert listening.address("127.0.0.2") == "127.0.0.2"
    monkeypatch.setenv(protocol.ENV_FRONT, "{}")
    assert listening.address() == listening.LOOPBACK


def test_in_a_pod_or_behind_address_translation_it_listens_on_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert listening.address() == listening.EVERY
    monkeypatch.setenv(protocol.ENV_NODE_ADDRESS, "203.0.113.7")
    assert listening.address() == listening.EVERY
