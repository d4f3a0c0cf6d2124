"""Which of the host's file systems and folders a node sees."""

from __future__ import annotations

from continuum.host import mounts as mount_table
from continuum.host.mounts import Mount
from infrastructure.local import mounts

MOUNTINFO = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
23 27 0:22 / /sys rw,relatime shared:7 - sysfs sysfs rw
24 27 0:6 / /dev rw - devtmpfs devtmpfs rw,size=4k
25 24 0:23 / /dev/shm rw - tmpfs tmpfs rw
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw,discard
28 27 8:1 / /home rw - xfs /dev/sda1 rw
29 27 8:2 /sub /mnt/my\040disk,\134odd rw - ext4 /dev/sdb1 rw
30 27 0:40 / /run rw - tmpfs tmpfs rw
31 30 8:3 / /run/media/usb rw - vfat /dev/sdc1 rw
32 31 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
33 27 0:50 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw
36 27 7:1 / /snap/core/1 ro - squashfs /dev/loop1 ro
37 27 0:60 / /var/lib/docker/overlay2/ab/merged rw - overlay overlay rw
38 27 0:61 / /home/me/.cache/doc rw - fuse.portal portal rw
39 27 254:0 /c/hosts /etc/hosts rw - ext4 /dev/vda rw
34 27 0:51 / /var/lib/nfs/rpc_pipefs rw - rpc_pipefs sunrpc rw
35 27 254:0 /etc/real /etc/resolv.conf rw - ext4 /dev/vda rw
broken line
"""


def test_mounts_are_read_with_their_odd_names() -> None:
    parsed = {mount.point: mount for mount in mount_table.parse(MOUNTINFO)}
    assert len(parsed) == 17
    assert parsed["/mnt/my disk,\\odd"] == Mount(
        "/mnt/my disk,\\odd", "ext4", "/dev/sdb1", "8:2", "/sub", "rw"
    )
    assert parsed["/"].kind == "ext4"


def test_real_file_systems_get_a_private_layer_and_the_kernels_own_do_not() -> None:
    assert mounts.overlaid(mount_table.parse(MOUNTINFO)) == (
        "/",
        "/etc/resolv.conf",
        "/home",
        "/mnt/my disk,\\odd",
    )


def test_many_read_only_ones_are_only_shown() -> None:
    assert mounts.attached(mount_table.parse(MOUNTINFO)) == ("/snap/core/1",)


def test_outer_mounts_come_before_inner_ones() -> None:
    points = mounts.overlaid([Mount("/a/b", "ext4"), Mount("/a", "ext4"), Mount("/", "ext4")])
    assert points == ("/", "/a", "/a/b")


def test_user_namespace_overlays_usual_folders_without_mounts_below() -> None:
    folders = ["/etc", "/home", "/var", "/usr", "/mnt", "/boot"]
    assert mounts.overlaid_as_user(folders, mount_table.parse(MOUNTINFO)) == ("/usr",)
    assert mounts.overlaid_as_user(["/home"], [Mount("/home", "xfs")]) == ("/home",)


def test_what_lies_in_a_private_folder_is_shown_once() -> None:
    paths = ["/tmp/clone/.venv", "/usr", "/tmp/clone", "/run/python", "/tmp/clone", "/tmpfile"]
    assert mounts.shown(paths) == ("/run/python", "/tmp/clone")
