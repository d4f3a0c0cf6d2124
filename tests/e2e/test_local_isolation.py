"""What root on a node of the provider ``local`` cannot do to the host."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from continuum.config import loader as config
from continuum.host import facts
from continuum.modules import registry
from tests.e2e.local_nodes import TEXT, Nodes, nodes, shared_nodes

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

REFUSED = "refused"
ATTEMPT = """
import ctypes, os, signal, socket, stat, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)

def call(status):
    if status < 0:
        raise OSError(ctypes.get_errno(), "")

def read(path, size=4096):
    with open(path, "rb", buffering=0) as file:
        return file.read(size)

def write(path, data=b""):
    with open(path, "wb", buffering=0) as file:
        file.write(data)

def copy(path):
    write(path, read(path))

def mount(source, kind, flags=0):
    os.makedirs("/tmp/attempt", exist_ok=True)
    call(libc.mount(source, b"/tmp/attempt", kind, flags, None))

def own_folder():
    try:
        mount(b"none", b"tmpfs")
    except OSError:
        os.makedirs("/tmp/attempt", exist_ok=True)
    return "/tmp/attempt"

def make_disk():
    path = own_folder() + "/disk"
    devices = [line.split() for line in open("/proc/partitions") if line.strip() and "major" not in line]
    major, minor = (int(word) for word in devices[0][:2])
    os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(major, minor))
    return path

def memory():
    path = own_folder() + "/mem"
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 1))
    read(path)

def load_module():
    machine = os.uname().machine
    number = {"x86_64": 175, "s390x": 128, "ppc64le": 128}.get(machine, 105)
    call(libc.syscall(number, b"\\x7fELF", 4, b""))

def by_handle():
    handle = (ctypes.c_uint * 34)(128, 0)
    mount_id = ctypes.c_int()
    call(libc.name_to_handle_at(-100, b"/proc/self/fd/0", handle, ctypes.byref(mount_id), 0x400))

def within(command):
    subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", command], check=True)

def set_time():
    call(libc.settimeofday(None, (ctypes.c_int * 2)(0, 0)))

def remount(path):
    call(libc.mount(b"none", path, None, 0x1000 | 0x20, None))

def unmount(path):
    call(libc.umount2(path, 2))

try:
    exec(sys.argv[1])
except OSError as error:
    print("refused", error.errno)
else:
    print("done")
"""
FORBIDDEN = {
    "write /proc/sysrq-trigger": "write('/proc/sysrq-trigger', b'h')",
    "write a file of /proc/irq": "copy('/proc/irq/default_smp_affinity')",
    "write a kernel setting": "copy('/proc/sys/kernel/core_pattern')",
    "write the host's /sys": "write('/sys/kernel/profiling', b'0')",
    "make /sys writable": "remount(b'/sys')",
    "make /proc/sys writable": "remount(b'/proc/sys')",
    "uncover /proc/irq": "unmount(b'/proc/irq')",
    "load a module": "load_module()",
    "mount a file system": "mount(b'none', b'tmpfs')",
    "mount a device": "mount(make_disk().encode(), b'ext4')",
    "mount control groups": "mount(b'none', b'cgroup2')",
    "make a device of a disk and read it": "read(make_disk())",
    "make a device of the memory": "memory()",
    "set the clock's time zone": "set_time()",
    "change an interface": "subprocess.run(['ip', 'link', 'set', 'lo', 'mtu', '1400'], check=True)",
    "enter the keeper": "os.stat('/proc/1/root/.')",
    "change the keeper's program": "os.chmod('/proc/1/exe', 0o755)",
    "leave by the root folder of process 1": "os.listdir('/proc/1/cwd')",
    "make /sys writable, as root of a user namespace": "within('mount -o remount,bind,rw /sys')",
    "uncover /proc/irq, as root of a user namespace": "within('umount /proc/irq')",
    "mount another /proc, as root of a user namespace": "within('mount -t proc proc /tmp')",
    "read the log of the kernel": "read('/proc/kmsg', 0)",
}


@pytest.fixture(scope="module", params=["auto", "user"])
def made(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Nodes]:
    with shared_nodes(tmp_path_factory, more=f"local_isolation = {request.param}") as existing:
        yield existing


@pytest.fixture(scope="module")
def capable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Nodes in a user namespace, with all capabilities there."""
    more = "local_isolation = user\nlocal_capabilities = all"
    with shared_nodes(tmp_path_factory, more=more) as existing:
        yield existing


def attempt(made: Nodes, code: str) -> str:
    """What became of it: ``done``, or ``refused`` and the number of the error."""
    done = made["cloud0"].run([sys.executable, "-c", ATTEMPT, code], timeout=60, check=False)
    if "CalledProcessError" in done.stderr:
        return REFUSED
    assert done.status == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_reaches_the_host_is_refused(made: Nodes, name: str) -> None:
    assert attempt(made, FORBIDDEN[name]).startswith(REFUSED)


@pytest.mark.parametrize("path", ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/latency_stats"])
def test_files_of_the_kernel_read_as_empty(made: Nodes, path: str) -> None:
    said = made["cloud0"].run(["sh", "-c", f"head -c 10 {path} 2>/dev/null | wc -c"], timeout=60).stdout
    assert said.strip() == "0"


@pytest.mark.parametrize("path", ["/sys/firmware", "/proc/acpi", "/proc/scsi"])
def test_folders_of_the_kernel_are_empty(made: Nodes, path: str) -> None:
    said = made["cloud0"].run(["sh", "-c", f"ls -A {path} 2>/dev/null | wc -l"], timeout=60).stdout
    assert said.strip() == "0"


def test_processes_of_the_host_are_out_of_reach(made: Nodes) -> None:
    script = "kill -0 $1 2>/dev/null && echo reached; ls /proc | grep -c '^[0-9]'; kill -9 -1; sleep 0.1"
    done = made["endpoint0"].run(["sh", "-c", script, "sh", str(os.getppid())], timeout=60, check=False)
    assert "reached" not in done.stdout
    assert int(done.stdout.split()[0]) < 10
    assert made["endpoint0"].run(["echo", "alive"], timeout=60).stdout == "alive\n"


def test_the_program_that_enters_a_node_is_no_file_of_the_host(made: Nodes, tmp_path: Path) -> None:
    """A script whose interpreter is /proc/self/exe runs the program that entered the node."""
    script = tmp_path / "script"
    script.write_text("#!/proc/self/exe\nimport os\nprint('file', os.stat('/proc/self/exe').st_ino)\n")
    script.chmod(0o755)
    made["cloud0"].put(script, PurePosixPath("/root/script"))
    done = made["cloud0"].run(["/root/script"], timeout=60, check=False)
    assert done.stdout or done.stderr
    assert f"file {Path(sys.executable).stat().st_ino}\n" != done.stdout


def test_a_command_has_no_open_files_but_its_streams(made: Nodes) -> None:
    done = made["cloud0"].run(
        [sys.executable, "-c", "import os; print(os.listdir('/proc/self/fd'))"], timeout=60
    )
    assert done.stdout == "['0', '1', '2', '3']\n"  # the last one is the listed folder


def test_what_servers_need_is_allowed(made: Nodes) -> None:
    code = """
os.makedirs("/srv/x", exist_ok=True)
os.chown("/srv/x", 1000, 1000)
write("/srv/x/file", b"data")
socket.socket(socket.AF_INET, socket.SOCK_STREAM).bind(("0.0.0.0", 80))
socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
write("/proc/sys/net/core/somaxconn", b"4096")
os.chroot("/")
os.setgroups([])
os.setgid(1000)
os.setuid(1000)
"""
    assert attempt(made, code) == "done"


def test_an_option_brings_all_capabilities_back(tmp_path: Path) -> None:
    with nodes(tmp_path, more="local_capabilities = all") as made:
        assert attempt(made, "mount(b'none', b'tmpfs')") == "done"
        assert attempt(made, FORBIDDEN["change an interface"]) == "done"
        assert attempt(made, "write('/proc/sys/net/ipv4/ip_forward', b'1')") == "done"


OF_THE_HOST = (
    "write a kernel setting",
    "write the host's /sys",
    "load a module",
    "mount a device",
    "make a device of a disk and read it",
    "make a device of the memory",
    "set the clock's time zone",
    "read the log of the kernel",
)


@pytest.mark.parametrize("name", OF_THE_HOST)
def test_capabilities_in_a_user_namespace_are_none_on_the_host(capable: Nodes, name: str) -> None:
    assert attempt(capable, FORBIDDEN[name]).startswith(REFUSED)


def test_capabilities_in_a_user_namespace_are_those_of_the_node(capable: Nodes) -> None:
    assert attempt(capable, "mount(b'none', b'tmpfs')") == "done"
    assert attempt(capable, FORBIDDEN["change an interface"]) == "done"


def test_that_much_is_not_promised_to_root(tmp_path: Path) -> None:
    """Who can mount can make the host's files writable, which belong to root's user id there, too."""
    text = TEXT.format(
        base=tmp_path, endpoints=1, memory=64, more="local_isolation = user\nlocal_capabilities = all"
    )
    found = registry.provider("local").probe(config.parse(text, "x.cfg"), facts.read())
    (line,) = [str(problem) for problem in found if problem.severity == "error"]
    assert 'local_capabilities = "all": root on a node could change files of the host; leave out' in line


def test_files_keep_their_owners_in_a_user_namespace(capable: Nodes, tmp_path: Path) -> None:
    script = (
        "stat -c %u:%g /etc/passwd; echo x >> /etc/passwd; chown 1:2 /etc/passwd; stat -c %u:%g /etc/passwd"
    )
    assert capable["cloud0"].run(["sh", "-c", script], timeout=60).stdout.split() == ["0:0", "1:2"]
    assert Path("/etc/passwd").stat().st_uid == 0


def test_with_auto_root_makes_no_user_namespace(tmp_path: Path) -> None:
    script = ["readlink", "/proc/self/ns/user"]
    here = str(Path("/proc/self/ns/user").readlink())
    with nodes(tmp_path / "auto") as made:
        assert made["cloud0"].run(script, timeout=60).stdout.strip() == here
    with nodes(tmp_path / "user", more="local_isolation = user") as made:
        assert made["cloud0"].run(script, timeout=60).stdout.strip() != here
