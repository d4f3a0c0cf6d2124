"""Images of workloads: what they are made of, and what stays the same when something changes."""

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from continuum.errors import DeployError
from continuum.model.workload import Workload
from continuum.software import oci
from continuum.software.oci import base, layer_cache, workload
from continuum.software.oci.archive import Archive
from continuum.software.oci.layer import from_tar

LIBC = b"\x7fELF...GNU C Library (Debian GLIBC 2.36-9+deb12u13) stable release version 2.36.\n..."


@pytest.fixture
def beneath(tmp_path: Path) -> Path:
    """The archive of an image that looks as if it had Python."""
    files: dict[str, oci.layer.Content] = {
        "/usr/bin/python3.11": b"\x7fELF",
        "/lib/x86_64-linux-gnu/libc.so.6": LIBC,
        "/lib/ld-linux.so": b"",
    }
    layer = oci.from_files(files, tmp_path / "base")
    environment = {"PATH": "/usr/bin"}
    oci.write(tmp_path / "base.tar", "base:1", [layer], oci.ImageConfig(environment=environment))
    return tmp_path / "base.tar"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place with code of ours."""
    root = tmp_path / "checkout"
    for name in ("continuum/__init__.py", "app/__init__.py", "app/worker.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("pass\n")
    monkeypatch.setattr(workload, "CHECKOUT", root)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return root


def worker(tmp_path: Path) -> Workload:
    (tmp_path / "model").write_text("a model")
    return Workload(
        "Worker-1", "cloud", ("{python}", "x"), files={"model": tmp_path / "model"}, code=("app",)
    )


def digests(image: workload.WorkloadImage) -> list[str]:
    return [layer.digest for layer in image.image.layers]


def names(image: workload.WorkloadImage, index: int) -> list[str]:
    read = Archive(image.path)
    with read.blob(read.layers[index]) as file, tarfile.open(fileobj=file) as layer:
        return layer.getnames()


def test_an_image_is_base_files_and_code(tmp_path: Path, beneath: Path, checkout: Path) -> None:
    made = workload.workload_image(worker(tmp_path), base=beneath)
    assert made.reference == f"continuum.local/worker-1:{made.image.digest[7:23]}"
    assert oci.references(made.path) == (made.reference,)
    assert len(made.image.layers) == 3
    assert "workload/model" in names(made, 1)
    assert "opt/continuum/code/app/worker.py" in names(made, 2)
    assert "opt/continuum/code/continuum/__init__.py" in names(made, 2)
    config = Archive(made.path).config["config"]
    assert config["Cmd"] == [made.python] == ["/usr/bin/python3.11"]
    assert config["WorkingDir"] == made.folder == "/workload"
    assert set(config["Env"]) >= {"PATH=/usr/bin", "PYTHONPATH=/opt/continuum/code"}


def test_nothing_is_made_twice(tmp_path: Path, beneath: Path, checkout: Path) -> None:
    first = workload.workload_image(worker(tmp_path), base=beneath)
    before = first.path.stat().st_ino
    assert workload.workload_image(worker(tmp_path), base=beneath).reference == first.reference
    assert first.path.stat().st_ino == before


def test_a_change_of_code_changes_the_last_layer_alone(tmp_path: Path, beneath: Path, checkout: Path) -> None:
    first = workload.workload_image(worker(tmp_path), base=beneath)
    (checkout / "app" / "worker.py").write_text("print()\n")
    second = workload.workload_image(worker(tmp_path), base=beneath)
    assert first.reference != second.reference
    assert digests(first)[:-1] == digests(second)[:-1]
    assert digests(first)[-1] != digests(second)[-1]


def test_a_change_of_a_file_leaves_the_code(tmp_path: Path, beneath: Path, checkout: Path) -> None:
    first = workload.workload_image(worker(tmp_path), base=beneath)
    changed = worker(tmp_path)
    (tmp_path / "model").write_text("another model")
    second = workload.workload_image(changed, base=beneath)
    assert [one == two for one, two in zip(digests(first), digests(second), strict=True)] == [
        True,
        False,
        True,
    ]


def test_what_differs_between_replicas_is_not_in_the_image(
    tmp_path: Path, beneath: Path, checkout: Path
) -> None:
    one = worker(tmp_path)
    other = replace(one, environment={"SERVER": "10.0.0.7"}, argv=("{python}", "y"), replicas_per_node=3)
    made = [workload.workload_image(each, base=beneath).reference for each in (one, other)]
    assert made[0] == made[1]


def test_only_what_is_missing_has_to_be_copied(tmp_path: Path, beneath: Path, checkout: Path) -> None:
    made = workload.workload_image(worker(tmp_path), base=beneath)
    rest = oci.thin(made.path, tmp_path / "thin.tar", digests(made)[:-1])
    with tarfile.open(rest) as archive:
        blobs = {name for name in archive.getnames() if name.startswith("blobs/")}
    last = digests(made)[-1].replace(":", "/")
    assert {f"blobs/{last}"} < blobs
    assert len(blobs) == 3
    assert oci.references(rest) == (made.reference,)


def test_old_archives_make_room(
    tmp_path: Path, beneath: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workload, "_MAX_ARCHIVES", 2)
    made = []
    for number in range(4):
        (checkout / "app" / "worker.py").write_text(f"print({number})\n")
        made.append(workload.workload_image(worker(tmp_path), base=beneath).path)
    assert [path.exists() for path in made] == [False, False, True, True]


def test_the_python_of_a_base_is_found_by_its_files(beneath: Path) -> None:
    found = base.base_in(beneath)
    assert str(found.interpreter) == "CPython 3.11 (x86_64, glibc 2.36)"
    assert found.python == "/usr/bin/python3.11"


def test_a_base_without_python_is_refused(tmp_path: Path) -> None:
    layer = oci.from_files({"/lib/x86_64-linux-gnu/libc.so.6": LIBC}, tmp_path)
    oci.write(tmp_path / "bare.tar", "bare:1", [layer], oci.ImageConfig())
    with pytest.raises(DeployError, match=r"bare\.tar: no layer has both Python 3 and a C library"):
        base.base_in(tmp_path / "bare.tar")


def test_an_archive_becomes_a_layer_without_dates_and_what_is_left_out(tmp_path: Path) -> None:
    source = tmp_path / "root.tar"
    with tarfile.open(source, "w") as archive:
        for name, kind, link in (
            ("./", tarfile.DIRTYPE, ""),
            ("./dev/null", tarfile.CHRTYPE, ""),
            ("./etc", tarfile.DIRTYPE, ""),
            ("./etc/a", tarfile.REGTYPE, ""),
            ("./etc/b", tarfile.LNKTYPE, "./etc/a"),
            ("./etc/c", tarfile.SYMTYPE, "a"),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.mtime, entry.mode = kind, link, 123, 0o4755
            entry.size = 1 if kind == tarfile.REGTYPE else 0
            archive.addfile(entry, io.BytesIO(b"x"))
    layer = from_tar(source, tmp_path / "layers", without=("dev",), extra={"/etc/new/d": "y"})
    assert layer.path is not None
    with tarfile.open(layer.path) as archive:
        found = {one.name: one for one in archive}
        assert list(found) == ["etc", "etc/a", "etc/b", "etc/c", "etc/new", "etc/new/d"]
        assert {one.mtime for one in found.values()} == {0}
        assert (found["etc/b"].linkname, found["etc/c"].linkname) == ("etc/a", "a")
        assert found["etc/a"].mode == 0o4755
        assert archive.extractfile("etc/b").read() == b"x"  # type: ignore[union-attr]


def test_what_is_kept_is_found_by_what_it_was_made_from_while_it_is_there(tmp_path: Path) -> None:
    layer = oci.from_files({"/a": "b"}, tmp_path)
    layer_cache.remember(tmp_path, "key", layer, colour="red")
    found = layer_cache.recall(tmp_path, "key")
    assert found is not None
    assert found.layer() == layer
    assert found.facts["colour"] == "red"
    assert layer_cache.recall(tmp_path, "other") is None
    assert layer.path is not None
    layer.path.unlink()
    assert found.layer() is None
