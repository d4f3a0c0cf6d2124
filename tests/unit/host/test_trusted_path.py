"""A path is refused if another user can replace a part of it; the message has the path and the remedy."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

import pytest

from continuum.errors import HostError
from continuum.host import trusted_path

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders to other users")
STRANGER = 4242


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "outer" / "run"
    made.mkdir(parents=True)
    return made


def test_own_folders_are_accepted(folder: Path) -> None:
    assert trusted_path.require_own_folder(folder) == folder.resolve()
    assert trusted_path.resolve(folder / ".." / "run") == folder.resolve()


@pytest.mark.parametrize("mode", [0o777, 0o757])
def test_a_parent_that_all_can_write_to_is_refused_with_the_remedy(folder: Path, mode: int) -> None:
    folder.parent.chmod(mode)
    with pytest.raises(HostError, match="other users can write") as refused:
        trusted_path.require_own_folder(folder)
    assert f"chmod go-w {folder.parent}" in str(refused.value)
    assert "base_path" in str(refused.value)


def test_a_sticky_parent_is_accepted_if_the_next_part_is_ours(folder: Path) -> None:
    folder.parent.chmod(0o1777)
    assert trusted_path.require_own_folder(folder) == folder.resolve()


def test_the_folder_itself_must_not_be_writable_by_others(folder: Path) -> None:
    folder.chmod(0o1777)
    with pytest.raises(HostError, match="chmod go-w"):
        trusted_path.require_own_folder(folder)


@needs_root
def test_a_sticky_parent_is_refused_if_the_next_part_is_somebody_elses(folder: Path) -> None:
    folder.parent.chmod(0o1777)
    os.chown(folder, STRANGER, STRANGER)
    with pytest.raises(HostError, match=f"belongs to user {STRANGER}"):
        trusted_path.resolve(folder)


@needs_root
def test_a_folder_of_another_user_is_refused(folder: Path) -> None:
    os.chown(folder, STRANGER, STRANGER)
    with pytest.raises(HostError, match=f"belongs to user {STRANGER}"):
        trusted_path.require_own_folder(folder)


@needs_root
def test_a_parent_of_another_user_is_refused_whatever_its_mode(folder: Path) -> None:
    os.chown(folder.parent, STRANGER, STRANGER)
    folder.parent.chmod(0o1755)
    with pytest.raises(HostError, match="who can replace what is in it; set base_path"):
        trusted_path.require_own_folder(folder)


@needs_root
def test_the_user_who_called_sudo_is_trusted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(folder.parent, STRANGER, STRANGER)
    monkeypatch.setenv("SUDO_UID", str(STRANGER))
    assert trusted_path.require_own_folder(folder) == folder.resolve()


@needs_root
def test_a_group_with_the_name_of_its_only_member_is_private(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many distributions give each user such a group and create folders that it can write to."""
    os.chown(folder.parent, 0, STRANGER)
    folder.parent.chmod(0o775)
    with pytest.raises(HostError, match="chmod go-w"):
        trusted_path.resolve(folder)
    name = pwd.getpwuid(0).pw_name
    monkeypatch.setattr(grp, "getgrgid", lambda _id: grp.struct_group((name, "x", STRANGER, [name])))
    assert trusted_path.resolve(folder) == folder.resolve()
    monkeypatch.setattr(grp, "getgrgid", lambda _id: grp.struct_group((name, "x", STRANGER, ["other"])))
    with pytest.raises(HostError, match="chmod go-w"):
        trusted_path.resolve(folder)


def test_links_are_followed_where_nobody_else_can_change_them(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("outer")
    assert trusted_path.resolve(tmp_path / "link" / "run") == folder.resolve()
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "link").symlink_to(folder)
    (tmp_path / "shared").chmod(0o777)
    with pytest.raises(HostError, match="other users can write"):
        trusted_path.resolve(tmp_path / "shared" / "link")
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(HostError, match="too many symbolic links"):
        trusted_path.resolve(tmp_path / "round")


@needs_root
def test_a_link_of_another_user_in_a_sticky_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "link").symlink_to(folder)
    os.chown(shared / "link", STRANGER, STRANGER, follow_symlinks=False)
    with pytest.raises(HostError, match=f"belongs to user {STRANGER}"):
        trusted_path.resolve(shared / "link")
