"""Libraries and bases of images in a folder of artifacts: from one cache to another, without a network."""

import hashlib
from pathlib import Path

import pytest

from continuum.errors import DeployError, HostError
from continuum.model.workload import Program, Workload
from continuum.software.artifacts import libraries
from continuum.software.artifacts.libraries import LibraryRequest
from continuum.software.oci import base, from_files, layer_cache
from continuum.software.packages import lock
from continuum.software.packages.store import Store, Wheel

NEEDS = ("tool>=1", "other")
CONTENT = b"a wheel" * 1000
LOCKED = f"tool==1.2 --hash=sha256:{hashlib.sha256(CONTENT).hexdigest()}\n"
WORKLOAD = Workload("worker", "cloud", ("x",), requirements=NEEDS, programs=(Program("ls", "coreutils"),))
REQUEST = LibraryRequest((WORKLOAD,), "amd64", in_images=True)


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheel:
    """In a cache where all was downloaded before."""
    cache = tmp_path / "one" / "continuum"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "one"))
    (tmp_path / "tool-1.2-py3-none-any.whl").write_bytes(CONTENT)
    store, interpreter = Store(cache / "wheels"), REQUEST.interpreter()
    added = store.add(tmp_path / "tool-1.2-py3-none-any.whl")
    store.remember(LOCKED, interpreter.key, [added])
    lock.remember(LOCKED, NEEDS, interpreter.key, cache)
    layer = from_files({"/bin/python": "x"}, cache / "images")
    facts = {"interpreter": interpreter.to_json(), "python": "/bin/python"}
    layer_cache.remember(cache / "images", base.debian_key("amd64", ("coreutils",)), layer, **facts)
    return added


@pytest.fixture
def folder(tmp_path: Path, wheel: Wheel, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that was filled from that cache; this user's is empty, and there is no network."""
    libraries.export(REQUEST, tmp_path / "files", lambda _line: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "two"))
    monkeypatch.setattr(lock, "_compile", lambda *_: pytest.fail("an index was asked"))
    return tmp_path / "files"


def test_what_was_exported_is_all_that_is_needed(folder: Path, wheel: Wheel, tmp_path: Path) -> None:
    libraries.adopt(folder)
    cache, interpreter = tmp_path / "two" / "continuum", REQUEST.interpreter()
    assert lock.resolve(NEEDS, interpreter, cache) == LOCKED
    store = Store(cache / "wheels")
    assert store.wheels(LOCKED, interpreter) == (wheel,)
    assert store.path(wheel).read_bytes() == CONTENT
    found = base.debian_base(cache / "images", "amd64", ("coreutils",))
    assert (found.python, found.interpreter.key) == ("/bin/python", interpreter.key)


def test_a_second_time_changes_nothing(folder: Path, tmp_path: Path) -> None:
    libraries.adopt(folder)
    before = {path: path.stat().st_ino for path in (tmp_path / "two").rglob("*.whl")}
    libraries.adopt(folder)
    assert before
    assert {path: path.stat().st_ino for path in (tmp_path / "two").rglob("*.whl")} == before


@pytest.mark.parametrize("pattern", ["wheels/*/*.whl", "images/*[0-9a-f]"])
def test_a_corrupt_file_is_named_and_not_taken(folder: Path, tmp_path: Path, pattern: str) -> None:
    (path,) = (one for one in (folder / "libraries").glob(pattern) if one.suffix != ".json")
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(data)
    with pytest.raises(HostError, match="corrupt: its sha256 is") as refused:
        libraries.adopt(folder)
    assert str(refused.value).startswith(f"{path}: ")
    assert f"remove {folder / 'libraries'} and download it again" in str(refused.value)
    assert not [one for one in (tmp_path / "two").rglob(path.name) if one.is_file()]


def test_a_file_that_is_gone_is_named(folder: Path) -> None:
    (path,) = (folder / "libraries").glob("wheels/*/*.whl")
    path.unlink()
    with pytest.raises(HostError, match=r"tool-1\.2-py3-none-any\.whl: No such file"):
        libraries.adopt(folder)


def test_a_note_that_makes_no_sense_is_refused(folder: Path) -> None:
    (path,) = (folder / "libraries").glob("sets/*.json")
    path.write_text("{}")
    with pytest.raises(HostError, match="not written by `continuum artifacts`"):
        libraries.adopt(folder)


def test_a_folder_without_libraries_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    libraries.adopt(tmp_path)
    assert not (tmp_path / "cache").exists()


def test_workloads_on_plain_nodes_need_no_base(
    wheel: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libraries, "debian_base", lambda *_: pytest.fail("a base was made"))
    libraries.export(
        LibraryRequest((WORKLOAD,), "amd64", in_images=False), tmp_path / "files", lambda _line: None
    )
    assert {path.name for path in (tmp_path / "files" / "libraries").iterdir()} == {"wheels", "sets"}


def test_a_wheel_that_changed_in_the_cache_is_not_exported(wheel: Wheel, tmp_path: Path) -> None:
    path = Store(tmp_path / "one" / "continuum" / "wheels").path(wheel)
    path.write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(DeployError) as refused:
        libraries.export(REQUEST, tmp_path / "files", lambda _line: None)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    assert str(refused.value) == (
        f"{path}: its sha256 is {found}, but {wheel.sha256} was downloaded;"
        f" delete {path.parent}, and it is downloaded again"
    )
