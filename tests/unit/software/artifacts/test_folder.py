"""A folder of artifacts against what is required: every file that is wrong is named, each in its way."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from continuum.config import loader as config
from continuum.errors import HostError, UsageError
from continuum.software import artifacts, oci
from continuum.software.artifacts import Artifact, folder, verified

KUBELET = Artifact("kubelet", "v1.33.4", "binary", url="https://dl.example/kubelet", sha256="f" * 64)
ENTRY = folder.Entry("x", "1", "x", "binary", "amd64", "", 1)
PAUSE = Artifact("pause", "3.10", "image", image="registry.example/pause:3.10")


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """A folder that has both."""
    made = tmp_path / "files"
    made.mkdir()
    (made / KUBELET.file).write_bytes(b"kubelet" * 1000)
    image(made / PAUSE.file, PAUSE.image)
    folder.write(made, [folder.entry_of(one, made / one.file) for one in (KUBELET, PAUSE)])
    return made


def image(to: Path, reference: str) -> None:
    layer = oci.from_files({"/pause": "x" * 5000}, to.parent.parent / "layers")
    oci.write(to, reference, [layer], oci.ImageConfig(("/pause",)))


def faults(there: Path) -> list[tuple[str, str]]:
    return [(fault.artifact.name, fault.what) for fault in folder.check(there, [KUBELET, PAUSE])]


def test_a_folder_that_has_all_is_well(there: Path) -> None:
    assert faults(there) == []
    listed = json.loads((there / "manifest.json").read_text())
    assert listed["schema"] == 1
    assert [one["file"] for one in listed["artifacts"]] == [PAUSE.file, KUBELET.file]


def test_a_file_that_is_gone_is_missing(there: Path) -> None:
    (there / KUBELET.file).unlink()
    assert faults(there) == [("kubelet", "missing")]


def test_one_changed_byte_is_found_and_the_file_named(there: Path) -> None:
    data = bytearray((there / PAUSE.file).read_bytes())
    data[700] ^= 1
    (there / PAUSE.file).write_bytes(data)
    (fault,) = folder.check(there, [KUBELET, PAUSE])
    assert fault.what == "corrupt"
    assert str(there / PAUSE.file) in fault.message
    assert "sha256" in fault.message


def test_a_file_cut_short_is_corrupt(there: Path) -> None:
    (there / KUBELET.file).write_bytes(b"kubelet")
    (fault,) = folder.check(there, [KUBELET])
    assert "7 bytes instead of 7000" in fault.message


def test_an_image_under_another_name_is_not_the_one(there: Path) -> None:
    """A cluster would look for it in vain."""
    image(there / PAUSE.file, "registry.example/pause-amd64:3.10")
    folder.write(there, [folder.entry_of(PAUSE, there / PAUSE.file)])
    (fault,) = folder.check(there, [PAUSE])
    assert fault.what == "wrong version"
    assert "it contains registry.example/pause-amd64:3.10, not registry.example/pause:3.10" in fault.message


def test_what_is_no_image_is_said(there: Path) -> None:
    (there / PAUSE.file).write_bytes(b"pause")
    folder.write(there, [folder.entry_of(PAUSE, there / PAUSE.file)])
    (fault,) = folder.check(there, [PAUSE])
    assert fault.message == f"{there / PAUSE.file}: not an image archive"


def test_another_version_or_architecture_is_told_from_none(there: Path) -> None:
    newer = Artifact("kubelet", "v1.33.5", "binary")
    arm = Artifact("pause", "3.10", "image", "arm64", image="x")
    found = folder.check(there, [newer, arm, Artifact("etcd", "3.5", "image", image="x")])
    assert [fault.what for fault in found] == ["wrong version", "wrong version", "missing"]
    assert "kubelet v1.33.5 for amd64 is required" in found[0].message
    assert f"{KUBELET.file} (v1.33.4, amd64)" in found[0].message


def test_a_file_without_a_line_in_the_manifest_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / KUBELET.file).write_bytes(b"x")
    (fault,) = folder.check(tmp_path, [KUBELET])
    assert "not listed in manifest.json" in fault.message


def test_files_that_others_built_are_told_apart(there: Path) -> None:
    assert folder.rebuilt(there, [KUBELET, PAUSE]) == (KUBELET.file,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"schema": 2, "artifacts": []}',
        '{"schema": 1, "artifacts": [{}]}',
        json.dumps({"schema": 1, "artifacts": [{**vars(ENTRY), "file": "../x"}]}),
        json.dumps({"schema": 1, "artifacts": [{**vars(ENTRY), "kind": "odd"}]}),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(UsageError, match=r"manifest\.json"):
        folder.check(tmp_path, [KUBELET])


def test_a_run_gets_the_paths_in_its_folder(there: Path) -> None:
    assert artifacts.resolve([KUBELET, PAUSE], using(there)) == {
        "kubelet": there / KUBELET.file,
        "pause": there / PAUSE.file,
    }


def test_a_run_is_refused_for_every_file_at_once(there: Path) -> None:
    (there / PAUSE.file).unlink()
    (there / KUBELET.file).write_bytes(b"")
    with pytest.raises(HostError) as refused:
        artifacts.resolve([KUBELET, PAUSE], using(there))
    first, second = map(str, refused.value.problems)
    assert first.startswith(
        f'x.cfg:6: [infrastructure] artifact_dir = "{there}": {there / KUBELET.file}: corrupt'
    )
    assert f"{PAUSE.file}: missing" in second
    assert "continuum artifacts x.cfg --download FOLDER" in second


def test_a_folder_outlives_what_is_not_asked_for(there: Path) -> None:
    (there / PAUSE.file).unlink()
    assert artifacts.resolve([KUBELET], using(there)) == {"kubelet": there / KUBELET.file}


def using(there: Path) -> config.Config:
    text = "[infrastructure]\ncloud_nodes = 1\ncloud_cores = 1\ncloud_memory = 1\ninfra_only = True\n"
    return config.parse(f"{text}artifact_dir = {there}\n", "x.cfg")


def test_a_file_is_read_once_until_it_changes(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def counted(path: Path) -> str:
        read.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(verified, "sha256_of", counted)
    path = there / KUBELET.file
    assert not folder.check(there, [KUBELET])
    assert not folder.check(there, [KUBELET])
    assert read == [path]
    os.utime(path, ns=(1, 1))
    assert not folder.check(there, [KUBELET])
    assert read == [path, path]
