"""Nothing that a node sends gets outside the folder it is unpacked to."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from continuum.connection.unpack import unpack


def archive(*members: tuple[str, Callable[[tarfile.TarInfo], None], bytes]) -> io.BytesIO:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, change, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            change(info)
            tar.addfile(info, io.BytesIO(content))
    file.seek(0)
    return file


def plain(_info: tarfile.TarInfo) -> None:
    pass


def link_to(target: str, kind: bytes = tarfile.SYMTYPE) -> Callable[[tarfile.TarInfo], None]:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname = kind, target

    return change


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x"])
def test_names_that_lead_outside(tmp_path: Path, name: str) -> None:
    with pytest.raises(OSError, match="leads outside the folder"):
        unpack(archive((name, plain, b"bad")), tmp_path / "in")
    assert not (tmp_path / "x").exists()


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    sent = archive(("link", link_to(str(tmp_path / "outside")), b""), ("link/x", plain, b"bad"))
    with pytest.raises(OSError, match="below a file or a symbolic link"):
        unpack(sent, tmp_path / "in")
    assert not [*(tmp_path / "outside").iterdir()]


def test_a_file_takes_the_place_of_a_link_that_came_before(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("good")
    unpack(archive(("x", link_to(str(tmp_path / "victim")), b""), ("x", plain, b"new")), tmp_path / "in")
    assert (tmp_path / "victim").read_text() == "good"
    assert (tmp_path / "in" / "x").read_bytes() == b"new"


def test_hard_links_and_devices_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("good")
    sent = archive(
        ("hard", link_to(str(tmp_path / "victim"), tarfile.LNKTYPE), b""),
        ("device", link_to("", tarfile.CHRTYPE), b""),
        ("file", plain, b"x"),
    )
    unpack(sent, tmp_path / "in")
    assert [entry.name for entry in (tmp_path / "in").iterdir()] == ["file"]


def test_no_archive_at_all(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="archive from the node is damaged"):
        unpack(io.BytesIO(b"x" * 1024), tmp_path / "in")
