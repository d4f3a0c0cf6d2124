"""Calls of the API that a busy control plane refuses for the moment: asked again, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

BUSY = frozenset({429, 500, 502, 503, 504})
"""Answers that another try may change: too many requests, and an etcd or an API server behind its time."""

BUSY_S = 30.0
"""How long it may be answered so before that is believed."""

_TAKEN = 409
_AGAIN_S = 1.0


def patiently(call: Callable[[], Any], timeout_scale: float) -> Any:
    """Call the API, and again while it says that it is busy; returns its answer.

    What a busy API refused it may have done all the same. When it says, asked again, that the object is there
    already, that is taken for success, and None returned.

    Args:
        call: one call of the client library.
        timeout_scale: factor on time-outs, see ``continuum.model.node.Node``.

    Raises:
        ApiException, HTTPError, OSError: as the last call did.
    """
    from kubernetes.client import ApiException

    deadline, refused = time.monotonic() + BUSY_S * timeout_scale, False
    while True:
        try:
            return call()
        except ApiException as error:
            if refused and error.status == _TAKEN:
                return None
            if error.status not in BUSY or time.monotonic() > deadline:
                raise
            refused = True
        time.sleep(_AGAIN_S)
