"""What is said to ``ssh`` and to the shell at its other end."""

import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from continuum.connection.ssh import command
from continuum.connection.ssh.command import SshTarget
from continuum.model.limits import Limits

PLAIN = SshTarget("cloud0", "run", "host")
OWN = replace(PLAIN, user="me", port=2222, key=Path("/k e%y"), known_hosts=Path("/known"))


def options(words: list[str]) -> dict[str, str]:
    return dict(words[i + 1].split("=", 1) for i, word in enumerate(words) if word == "-o")


@pytest.mark.parametrize("target", [PLAIN, OWN])
def test_host_keys_are_always_checked(target: SshTarget) -> None:
    given = options(command.ssh(target, Path("/s")))
    assert given["StrictHostKeyChecking"] == "yes"
    assert given["BatchMode"] == "yes"


def test_the_users_configuration_serves_hosts_of_their_own() -> None:
    words = command.ssh(PLAIN, Path("/s"))
    assert "-F" not in words
    assert not {"IdentityFile", "UserKnownHostsFile"} & set(options(words))
    assert words[-2:] == ["--", "host"]
    assert command.ssh(replace(PLAIN, config=Path("/c")), Path("/s"))[1:3] == ["-F", "/c"]


def test_a_runs_own_key_is_used_and_no_other() -> None:
    words = command.ssh(OWN, Path("/s%"), "-N")
    given = options(words)
    assert words[1:3] == ["-F", "none"]
    assert given["IdentityFile"] == '"/k e%%y"'
    assert given["IdentitiesOnly"] == "yes"
    assert given["GlobalKnownHostsFile"] == "none"
    assert given["ControlPath"] == "/s%%"
    assert words[-5:] == ["-p", "2222", "-N", "--", "me@host"]


def test_a_cipher_is_preferred_and_others_stay_possible() -> None:
    assert "Ciphers" not in options(command.ssh(PLAIN, Path("/s")))
    assert options(command.ssh(replace(PLAIN, cipher="aes128-ctr"), Path("/s")))["Ciphers"] == "^aes128-ctr"


def test_the_shell_gets_arguments_back_as_they_were() -> None:
    argv = ["printf", "%s|", "a b", "it's", "$HOME", "`id`", "\n", ""]
    done = subprocess.run(["sh", "-c", command.run(PLAIN, "token", argv)], capture_output=True, check=True)
    assert done.stdout.decode() == "a b|it's|$HOME|`id`|\n||"
    assert command.split_status(done.stderr, "token") == (0, b"")


def test_commands_become_root_by_sudo_where_asked() -> None:
    words = shlex.split(command.run(replace(PLAIN, sudo=True), "token", ["{python}", "x"]))
    assert words[:5] == ["exec", "sudo", "-n", "--", "sh"]
    assert words[-2:] == ["python3", "x"]


def test_variables_of_a_started_command_are_not_in_it() -> None:
    header = command.environment(PLAIN, "token", {"SECRET": "hunter2"}).encode()
    assert "hunter2" not in command.start(PLAIN, header, ["env"])
    text = command.start(PLAIN, header, ["sh", "-c", 'echo "$SECRET"; cat'])
    done = subprocess.run(["sh", "-c", text], input=header + b"rest", capture_output=True, check=True)
    assert done.stdout == b"hunter2\nrest"


@pytest.mark.parametrize(
    ("stderr", "expected"),
    [
        (b"error\n\ntoken 3\n", (3, b"error\n")),
        (b"\ntoken 0\n", (0, b"")),
        (b"\nother 0\n", (None, b"\nother 0\n")),
        (b"cut off\n\ntoken ", (None, b"cut off\n\ntoken ")),
        (b"", (None, b"")),
    ],
)
def test_status_at_the_end_of_standard_error(stderr: bytes, expected: tuple[int | None, bytes]) -> None:
    assert command.split_status(stderr, "token") == expected


def test_default_wrap_adds_nothing() -> None:
    assert [*PLAIN.wrap(Limits(1.0, 100))] == []
