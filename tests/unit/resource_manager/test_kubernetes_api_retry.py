"""A busy API is asked again; one that refuses is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from resource_manager.kubernetes import api_retry

kubernetes = pytest.importorskip("kubernetes.client")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_retry, "_RETRY_S", 0.0)


def answering(*statuses: int) -> Callable[[], str]:
    """An API that refuses with these statuses, one call after the other, and then does what it is asked."""
    left = list(statuses)

    def call() -> str:
        if left:
            raise kubernetes.ApiException(status=left.pop(0))
        return "made"

    return call


@pytest.mark.parametrize("busy", sorted(api_retry.BUSY))
def test_a_busy_api_is_asked_again(busy: int) -> None:
    assert api_retry.retry_while_busy(answering(busy, busy), 1) == "made"


def test_what_it_did_all_the_same_counts_as_done() -> None:
    assert api_retry.retry_while_busy(answering(500, 409), 1) is None


@pytest.mark.parametrize("status", [409, 403, 422])
def test_a_refusal_is_one(status: int) -> None:
    with pytest.raises(kubernetes.ApiException) as raised:
        api_retry.retry_while_busy(answering(status), 1)
    assert raised.value.status == status


def test_it_is_believed_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_retry, "BUSY_S", 0.0)
    with pytest.raises(kubernetes.ApiException) as raised:
        api_retry.retry_while_busy(answering(503, 503, 503), 1)
    assert raised.value.status == 503
