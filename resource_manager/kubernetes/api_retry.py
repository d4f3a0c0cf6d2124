"""Calls of the API that are repeated while a busy control plane refuses them."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from continuum.errors import DeployError

BUSY = frozenset({429, 500, 502, 503, 504})
"""HTTP statuses that may change on another try: too many requests, or a slow etcd or API server."""

BUSY_S = 30.0
"""How long such a status is retried."""

REQUEST_TIMEOUT_S = 30.0
"""Longest time for one answer."""

_CONFLICT = 409
_RETRY_S = 1.0


def retry_while_busy(call: Callable[[], Any], timeout_scale: float) -> Any:
    """Call the API, again while it reports that it is busy; returns its answer.

    A busy API may have carried out what it refused. A conflict after such a refusal therefore counts as
    success, and None is returned.

    Args:
        call: one call of the client library.
        timeout_scale: factor on time-outs, see ``continuum.model.node.Node``.

    Raises:
        ApiException, HTTPError, OSError: from the last call.
    """
    from kubernetes.client import ApiException

    deadline, refused = time.monotonic() + BUSY_S * timeout_scale, False
    while True:
        try:
            return call()
        except ApiException as error:
            if refused and error.status == _CONFLICT:
                return None
            if error.status not in BUSY or time.monotonic() > deadline:
                raise
            refused = True
        time.sleep(_RETRY_S)


def call_api(
    method: Callable[..., Any],
    *arguments: Any,
    what: str,
    timeout_scale: float = 1.0,
    exists_ok: bool = False,
    **selection: Any,
) -> Any:
    """Call a method of the client library, again while the API is busy; returns its answer.

    Args:
        method: the method.
        arguments: its positional arguments.
        what: beginning of the message of an error.
        timeout_scale: factor on time-outs.
        exists_ok: whether an object that exists already counts as created; None is returned then.
        selection: its named arguments.

    Raises:
        DeployError: the API refuses, or does not answer.
    """
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    call = partial(method, *arguments, **selection, _request_timeout=REQUEST_TIMEOUT_S * timeout_scale)
    try:
        return retry_while_busy(call, timeout_scale)
    except ApiException as error:
        if exists_ok and error.status == _CONFLICT:
            return None
        raise DeployError(f"{what}: {error.body or error}") from error
    except (HTTPError, OSError) as error:
        raise DeployError(f"{what}: {error}") from error
