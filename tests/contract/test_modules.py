"""The contract of every module, in the tree and installed; nothing is registered by hand."""

import pytest

from continuum.modules import registry
from continuum.modules.base import Module
from continuum.modules.provider import Provider
from continuum.modules.registry import KINDS
from continuum.testing.contract import *  # noqa: F403


def test_there_are_modules_of_each_kind() -> None:
    assert {found.kind for found in registry.found()} == set(KINDS)


def test_base_classes_cannot_be_instantiated() -> None:
    for _, base in KINDS.values():
        with pytest.raises(TypeError, match="abstract"):
            base()
    assert issubclass(Provider, Module)
