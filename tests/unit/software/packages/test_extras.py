"""Which requirements are not installed here, and the command that installs them."""

from importlib import metadata
from pathlib import Path

import pytest

from continuum.software.packages import extras

VIDEO = ["eclipse-zenoh>=1.4", "onnxruntime>=1.16"]


def test_what_is_not_installed_is_missing_once() -> None:
    asked = ["numpy>=1.24", "No_Such.Package>=1", "pytest", "No_Such.Package>=1"]
    assert extras.missing(asked) == ("No_Such.Package>=1",)


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requirements as the metadata of an installed project has them."""
    lines = ["numpy>=1.24", 'eclipse-zenoh>=1.4; extra == "video"', "onnxruntime>=1.16 ; extra == 'video'"]
    lines += ['onnxruntime>=1.16; extra == "everything"', 'Eclipse_Zenoh; extra == "everything"']
    lines += ['uv; extra == "everything"']
    monkeypatch.setattr(metadata, "requires", lambda _name: lines)


@pytest.mark.usefixtures("declared")
def test_the_smallest_extra_that_has_them_all_is_named() -> None:
    assert extras.command_for(VIDEO) == f'pip install "{extras.ROOT}[video]"'
    assert extras.command_for(["uv>=0.4"]) == f'pip install "{extras.ROOT}[everything]"'


@pytest.mark.usefixtures("declared")
def test_other_packages_are_named_one_by_one() -> None:
    assert (
        extras.command_for(["torch>=2", *VIDEO])
        == "pip install 'torch>=2' 'eclipse-zenoh>=1.4' 'onnxruntime>=1.16'"
    )


def test_a_project_that_is_not_installed_has_no_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "DISTRIBUTION", "no-such-distribution")
    assert extras.command_for(["uv"]) == "pip install uv"


def test_the_folder_it_was_installed_from_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Installed:
        def __init__(self, url: str) -> None:
            self.url = url

        def read_text(self, _name: str) -> str:
            return f'{{"url": "{self.url}"}}'

    monkeypatch.setattr(extras, "ROOT", tmp_path / "site-packages")
    source = tmp_path / "a folder"
    source.mkdir()
    (source / "pyproject.toml").touch()
    monkeypatch.setattr(metadata, "distribution", lambda _name: Installed(source.as_uri()))
    assert extras.install_command("video") == f'pip install "{source}[video]"'
    monkeypatch.setattr(metadata, "distribution", lambda _name: Installed("https://example.org/x.whl"))
    assert extras.install_command("video") == 'pip install "continuum-bench[video]"'
