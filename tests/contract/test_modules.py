"""The contract of every module, in the tree and installed; nothing is registered by hand."""

from pathlib import Path

import pytest

from continuum.config.core_options import CORE
from continuum.modules import registry
from continuum.modules.base import Module
from continuum.modules.provider import Provider
from continuum.modules.registry import KINDS
from continuum.testing.canary import canary
from continuum.testing.contract import *  # noqa: F403
from continuum.testing.contract import TEXT_TYPES, plan_with


def test_there_are_modules_of_each_kind() -> None:
    assert {found.kind for found in registry.found()} == set(KINDS)


def test_base_classes_cannot_be_instantiated() -> None:
    for _, base in KINDS.values():
        with pytest.raises(TypeError, match="abstract"):
            base()
    assert issubclass(Provider, Module)


def test_text_of_an_option_of_the_core_is_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for option in CORE.values():
        if isinstance(option.value_type, TEXT_TYPES):
            for one_line in (True, False):
                value = canary(tmp_path / "sang", one_line=one_line)
                plan_with(("infrastructure", "provider"), "local", option, value)
    assert list(tmp_path.iterdir()) == []
