"""Objects of the API as plain JSON, many at a time; the client library's own take much longer to make."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from continuum.errors import DeployError

TIMEOUT_S = 60.0


def listed(method: Callable[..., Any], *arguments: Any, **selection: Any) -> list[dict[str, Any]]:
    """What one of the client's methods lists.

    Args:
        method: the method, as in ``list_node``.
        arguments: its own.
        selection: the same, by name.

    Raises:
        DeployError: the API does not answer, or refuses.
    """
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    try:
        answer = method(*arguments, **selection, _preload_content=False, _request_timeout=TIMEOUT_S)
        try:
            found: list[dict[str, Any]] = json.loads(answer.data)["items"]
        finally:
            answer.release_conn()
    except (ApiException, HTTPError, OSError) as error:
        raise DeployError(f"the API of Kubernetes does not answer: {error}") from error
    return found
