"""Archives of images: the same bytes for the same input, and what containerd and docker look for in them."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from continuum.software import oci
from continuum.software.oci.archive import Archive, ArchiveError

REFERENCE = "registry.example:5000/team/app:v1"
CONFIG = oci.ImageConfig(("/bin/app",), ("--now",), {"A": "1"}, {"who": "me"}, "/srv", "1000")


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {one.name: archive.extractfile(one).read() for one in archive if one.isfile()}  # type: ignore[union-attr]


def program(folder: Path) -> Path:
    path = folder / "app"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o700)
    return path


def build(folder: Path, tmp_path: Path) -> oci.Image:
    layer = oci.from_files({"/bin/app": program(tmp_path), "/etc/note": "x"}, folder)
    return oci.write(folder / "app.tar", REFERENCE, [layer], CONFIG)


def test_the_same_input_makes_the_same_bytes(tmp_path: Path) -> None:
    first = build(tmp_path / "a", tmp_path)
    second = build(tmp_path / "b", tmp_path)
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.digest == second.digest


def test_every_blob_is_named_by_its_hash_and_every_name_is_there(tmp_path: Path) -> None:
    image = build(tmp_path, tmp_path)
    files = members(image.path)
    blobs = {name: data for name, data in files.items() if name.startswith("blobs/sha256/")}
    assert len(blobs) == 3
    for name, data in blobs.items():
        assert hashlib.sha256(data).hexdigest() == name.rpartition("/")[2]
    (described,) = json.loads(files["manifest.json"])
    assert {described["Config"], *described["Layers"]} <= files.keys()
    index = json.loads(files["index.json"])["manifests"][0]
    assert index["digest"] == image.digest
    assert index["annotations"]["io.containerd.image.name"] == REFERENCE
    assert described["RepoTags"] == [REFERENCE]
    assert oci.references(image.path) == (REFERENCE,)


def test_the_configuration_says_how_it_starts(tmp_path: Path) -> None:
    read = Archive(build(tmp_path, tmp_path).path)
    assert read.config["config"] == {
        "Entrypoint": ["/bin/app"],
        "Cmd": ["--now"],
        "Env": ["A=1"],
        "Labels": {"who": "me"},
        "WorkingDir": "/srv",
        "User": "1000",
    }
    assert (read.config["os"], read.config["architecture"]) == ("linux", "amd64")
    assert read.config["rootfs"]["diff_ids"] == [layer.digest for layer in read.layers]


def test_a_layer_is_roots_with_parents_and_links(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep" / "file").write_text("x")
    (tree / "link").symlink_to("deep/file")
    layer = oci.from_files({"/opt/here": tree, "/run.sh": "#!/bin/sh\n"}, tmp_path / "layers")
    assert layer.path is not None
    assert layer.digest == f"sha256:{hashlib.sha256(layer.path.read_bytes()).hexdigest()}"
    with tarfile.open(layer.path) as archive:
        found = {one.name: one for one in archive}
    assert list(found) == [
        "opt",
        "opt/here",
        "opt/here/deep",
        "opt/here/deep/file",
        "opt/here/link",
        "run.sh",
    ]
    assert found["opt/here/link"].linkname == "deep/file"
    assert (found["run.sh"].mode, found["opt/here/deep/file"].mode) == (0o755, 0o644)
    assert {(one.uid, one.gid, one.mtime) for one in found.values()} == {(0, 0, 0)}


def test_an_image_goes_on_from_a_base(tmp_path: Path) -> None:
    base = build(tmp_path, tmp_path)
    code = oci.from_files({"/code.py": "pass"}, tmp_path)
    wanted = oci.ImageConfig(environment={"B": "2"}, labels={"more": "yes"})
    image = oci.write(tmp_path / "top.tar", "example/top:1", [code], wanted, base=base.path)
    read = Archive(image.path)
    assert [layer.digest for layer in read.layers] == [base.layers[0].digest, code.digest]
    assert read.config["config"]["Entrypoint"] == ["/bin/app"]
    assert read.config["config"]["Env"] == ["A=1", "B=2"]
    assert read.config["config"]["Labels"] == {"who": "me", "more": "yes"}
    with read.blob(read.layers[0]) as file:
        assert file.read() == base.layers[0].path.read_bytes()  # type: ignore[union-attr]


def test_layers_that_are_there_already_can_be_left_out(tmp_path: Path) -> None:
    base = build(tmp_path, tmp_path)
    code = oci.from_files({"/code.py": "pass"}, tmp_path)
    arguments = ("example/top:1", [*base.layers, code], oci.ImageConfig())
    whole = oci.write(tmp_path / "whole.tar", *arguments)
    thin = oci.write(tmp_path / "thin.tar", *arguments, without=[base.layers[0].digest])
    assert (whole.digest, whole.id) == (thin.digest, thin.id)
    assert members(whole.path).keys() - members(thin.path).keys() == {
        f"blobs/{base.layers[0].digest.replace(':', '/')}"
    }


def test_what_docker_saves_serves_as_a_base(tmp_path: Path) -> None:
    """Its older form: layers in folders of their own, no index."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("file"))
    diff_id = f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"
    config = {"architecture": "arm64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
    files = {
        "manifest.json": json.dumps([{"Config": "c.json", "RepoTags": ["old:1"], "Layers": ["1/layer.tar"]}]),
        "c.json": json.dumps(config),
    }
    saved = tmp_path / "saved.tar.gz"
    with gzip.open(saved, "wb") as zipped, tarfile.open(fileobj=zipped, mode="w") as archive:
        for name, data in (*((n, t.encode()) for n, t in files.items()), ("1/layer.tar", layer.getvalue())):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    assert oci.references(saved) == ("old:1",)
    image = oci.write(tmp_path / "new.tar", "new:1", [], oci.ImageConfig(("/x",)), base=saved)
    read = Archive(image.path)
    assert [one.digest for one in read.layers] == [diff_id]
    assert read.config["architecture"] == "arm64"
    assert members(image.path)[f"blobs/{diff_id.replace(':', '/')}"] == layer.getvalue()


@pytest.mark.parametrize("content", [b"", b"not an archive", gzip.compress(b"x", mtime=0)])
def test_what_is_no_image_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.tar"
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"odd\.tar"):
        oci.references(path)


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.tar"
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("file"))
    with pytest.raises(ArchiveError, match="not an image archive"):
        Archive(path)
