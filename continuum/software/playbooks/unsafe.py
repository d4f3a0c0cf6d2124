"""Writes variables for Ansible as unsafe data: values that it never evaluates as templates.

Values come from configs, and Ansible evaluates ``{{ ... }}`` in plain strings, on this host. It uses a string
as it is if an object with the key ``__ansible_unsafe`` is in its place. The YAML tag ``!unsafe`` is no help:
Ansible turns an empty string with that tag into null, and ``"3"`` into a number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

KEY = "__ansible_unsafe"


def to_json(value: Any) -> str:
    """A JSON value for Ansible, in which every string except keys is unsafe.

    Raises:
        TypeError: the value has another type.
    """
    return json.dumps(_wrapped(value), allow_nan=False)


def _wrapped(value: Any) -> Any:
    if isinstance(value, str):
        return {KEY: value}
    if isinstance(value, Mapping):
        return {str(key): _wrapped(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_wrapped(one) for one in value]
    return value
