"""A module's versions.yml: which release is meant, what it consists of, what is refused."""

from pathlib import Path

import pytest

from continuum.config import loader as config
from continuum.errors import UsageError
from continuum.software import artifacts
from continuum.software.artifacts import table

A, B, C = "a" * 64, "b" * 64, "c" * 64
TABLE = f"""
default: v1.33.4
artifacts:
  kubelet:
    kind: binary
    url: https://dl.example/{{version}}/{{architecture}}/kubelet
    versions:
      v1.33.4: {{amd64: {A}, arm64: {B}}}
      v1.33.10: {{amd64: {C}}}
      v1.32.8: {{amd64: {C}}}
  pause:
    kind: image
    image: registry.example/pause:{{version}}
    versions:
      3.10: {{digest: "sha256:{B}"}}
  plugins:
    kind: archive
    url: https://dl.example/plugins-{{number}}-{{architecture}}.tar.gz
    versions:
      v1.7.0: {{}}
releases:
  v1.33.4: {{pause: 3.10, plugins: v1.7.0}}
  v1.33.10: {{pause: 3.10, plugins: ""}}
  v1.32.8: {{pause: 3.10, plugins: ""}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "versions.yml").write_text(TABLE)
    return tmp_path


def test_a_release_is_what_its_row_says(folder: Path) -> None:
    kubelet, pause, plugins = artifacts.versions(folder, "v1.33.4", "arm64")
    assert kubelet.url == "https://dl.example/v1.33.4/arm64/kubelet"
    assert (kubelet.sha256, kubelet.file) == (B, "kubelet-v1.33.4-linux-arm64")
    assert (pause.version, pause.image, pause.url) == ("3.10", "registry.example/pause:3.10", "")
    assert (pause.digest, pause.file) == (f"sha256:{B}", "image-pause-3.10-linux-arm64.tar")
    assert plugins.url == "https://dl.example/plugins-1.7.0-arm64.tar.gz"
    assert (plugins.sha256, plugins.file) == ("", "plugins-v1.7.0-linux-arm64.tar.gz")


def test_what_a_release_leaves_out_is_left_out(folder: Path) -> None:
    assert [one.name for one in artifacts.versions(folder, "v1.32.8")] == ["kubelet", "pause"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (None, "v1.33.4"),
        ("v1.33.4", "v1.33.4"),
        ("1.33.4", "v1.33.4"),
        ("1.33", "v1.33.10"),
        ("v1.32", "v1.32.8"),
        (" 1 ", "v1.33.10"),
    ],
)
def test_a_release_is_known_by_short_forms(folder: Path, written: str | None, meant: str) -> None:
    assert table.release_of(folder, written) == meant


@pytest.mark.parametrize(
    ("written", "first"),
    [("v1.33.9", "v1.33.10"), ("1.33.1", "v1.33.4"), ("v1.32.99", "v1.32.8"), ("1.3", "v1.32.8")],
)
def test_a_release_that_does_not_exist_names_the_nearest(folder: Path, written: str, first: str) -> None:
    with pytest.raises(UsageError, match=f"nearest known versions are: {first}"):
        table.release_of(folder, written)


def test_the_check_of_a_config_names_file_line_and_value(folder: Path) -> None:
    nodes = "[infrastructure]\ncloud_nodes = 1\ncloud_cores = 1\ncloud_memory = 1\ninfra_only = True\n"
    section = config.parse(f"{nodes}[run]\nname = 2.0\n", "x.cfg").run
    (problem,) = artifacts.check_version(section, "name", folder)
    assert str(problem).startswith('x.cfg:7: [run] name = "2.0": unknown version; the nearest')
    assert not list(artifacts.check_version(section.with_values({"name": "1.33"}), "name", folder))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("default: v1.33.4", "default: v9", "default v9 is not a release"),
        (A, A[:-1], "is not a checksum"),
        (f"sha256:{B}", B, "is not a checksum"),
        ("amd64", "x86", "is not a checksum"),
        ("kind: binary", "kind: programme", "kind must be"),
        ("    image: registry.example/pause:{version}\n", "", "must have an image reference"),
        ("v1.32.8: {pause: 3.10", "v1.32.8: {pause: 3.9", "pause has no version 3.9"),
        ("{pause: 3.10, plugins: v1.7.0}", "{paus: 3.10}", "unknown artifact paus"),
        ("releases:", "release:", "must have"),
    ],
)
def test_a_table_with_a_mistake_is_refused(folder: Path, old: str, new: str, said: str) -> None:
    assert old in TABLE
    other = folder / "other"
    other.mkdir()
    (other / "versions.yml").write_text(TABLE.replace(old, new))
    with pytest.raises(ValueError, match=said):
        artifacts.versions(other)
