"""Writes variables for Ansible as unsafe data: values that it never evaluates as templates.

Values come from configs, and Ansible evaluates ``{{ ... }}`` in plain strings, on this host. The tag
``!unsafe`` makes it use a string as it is. The format is YAML in its JSON-like form, in one line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def to_yaml(value: Any) -> str:
    """A JSON value as YAML for Ansible, in which every string except keys is unsafe.

    Raises:
        TypeError: the value has another type.
    """
    if isinstance(value, str):
        return f"!unsafe {_quoted(value)}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_quoted(str(key))}: {to_yaml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(to_yaml(one) for one in value) + "]"
    return json.dumps(value, allow_nan=False)


def _quoted(text: str) -> str:
    """A double-quoted scalar; escapes what YAML does not allow as it is, such as control characters."""
    return '"' + "".join(_escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return char if " " <= char <= "~" else f"\\U{ord(char):08X}"
