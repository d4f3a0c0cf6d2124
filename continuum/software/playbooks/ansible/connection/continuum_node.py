"""Ansible's connection plugin for nodes: sends every command and file through the orchestrator's Connection.

Ansible loads it in the process of each task; the server is ``continuum.software.playbooks.broker``. It may
import only the standard library and Ansible.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleFileNotFound
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: continuum_node
short_description: use the connection of the orchestrator
description:
  - Sends commands and file names to the orchestrator over a Unix socket in the run's folder.
author: Continuum
options:
  folder:
    description: Folder of the socket.
    required: true
    vars:
      - name: continuum_broker_folder
  node:
    description: Name of the node.
    required: true
    vars:
      - name: inventory_hostname
extends_documentation_fragment:
  - connection_pipelining
"""

SOCKET_NAME = "broker.sock"
_LENGTH = struct.Struct(">Q")


class Connection(ConnectionBase):  # type: ignore[misc]
    """A socket to the orchestrator for one node."""

    transport = "continuum_node"
    has_pipelining = True
    has_tty = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._socket: socket.socket | None = None

    def _connect(self) -> Connection:
        if self._socket is None:
            folder = os.open(self.get_option("folder"), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                # By descriptor: a socket's address is limited to 108 bytes, but paths of run folders are not.
                self._socket.connect(f"/proc/self/fd/{folder}/{SOCKET_NAME}")
            except OSError as error:
                self.close()
                raise AnsibleConnectionFailure(
                    f"the orchestrator has closed the connection: {error}"
                ) from error
            finally:
                os.close(folder)
            self._connected = True
        return self

    def exec_command(
        self, cmd: str, in_data: bytes | None = None, sudoable: bool = True
    ) -> tuple[int, bytes, bytes]:
        """Run a shell command on the node."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        return self._ask({"verb": "run", "command": cmd, "has_stdin": in_data is not None}, in_data or b"")

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file to the node."""
        super().put_file(in_path, out_path)
        if not os.path.isfile(in_path):  # noqa: PTH113
            raise AnsibleFileNotFound(f"file not found: {in_path}")
        self._ask({"verb": "put", "here": in_path, "there": out_path})

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file from the node."""
        super().fetch_file(in_path, out_path)
        self._ask({"verb": "get", "here": out_path, "there": in_path})

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._connected = False

    def _ask(self, request: dict[str, Any], stdin: bytes = b"") -> tuple[int, bytes, bytes]:
        """Send a request and return the response: status, standard output, standard error."""
        self._connect()
        assert self._socket is not None
        header = json.dumps({**request, "node": self.get_option("node")}).encode()
        try:
            for part in (header, stdin):
                self._socket.sendall(_LENGTH.pack(len(part)) + part)
            answer, stdout, stderr = json.loads(self._frame()), self._frame(), self._frame()
        except (OSError, EOFError) as error:
            self.close()
            raise AnsibleConnectionFailure(f"the orchestrator has closed the connection: {error}") from error
        if answer.get("error"):
            raise AnsibleConnectionFailure(answer["error"])
        return int(answer["status"]), stdout, stderr

    def _frame(self) -> bytes:
        return self._exactly(_LENGTH.unpack(self._exactly(_LENGTH.size))[0])

    def _exactly(self, count: int) -> bytes:
        assert self._socket is not None
        data = bytearray()
        while len(data) < count:
            piece = self._socket.recv(min(count - len(data), 1 << 20))
            if not piece:
                raise EOFError("connection closed")
            data += piece
        return bytes(data)
