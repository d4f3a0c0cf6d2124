"""The program on a node that runs OpenFaaS's gateway and reports its state to Continuum."""

from __future__ import annotations

import http.client
import shutil
import subprocess
import sys
import time
from pathlib import Path

from continuum.sdk import session as workload
from execution_model.openfaas import ports

PROGRAM = "gateway"
_READY_S = 60.0
_ASK_S = 0.05
_WATCH_S = 0.2
_END_S = 3.0


def start(program: Path) -> subprocess.Popen[bytes]:
    """Start the gateway so that it ends with this process, even if that is killed."""
    argv = [str(program)]
    if shutil.which("setpriv"):
        argv = ["setpriv", "--pdeathsig", "KILL", *argv]
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL)


def is_healthy() -> bool:
    """Whether the gateway answers."""
    connection = http.client.HTTPConnection("127.0.0.1", ports.GATEWAY_METRICS, timeout=1.0)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def serve(session: workload.Session, gateway: subprocess.Popen[bytes]) -> None:
    """Wait until the gateway answers, report that, and watch it until the end.

    Raises:
        OSError: it ends, or does not answer in time.
    """
    deadline = time.monotonic() + _READY_S
    while not is_healthy():
        if gateway.poll() is not None:
            raise OSError(f"OpenFaaS's gateway ended with status {gateway.returncode}")
        if time.monotonic() > deadline:
            raise OSError(f"OpenFaaS's gateway does not answer within {_READY_S:g} s")
        if session.stopping.wait(_ASK_S):
            return
    session.ready()
    while not session.stopping.wait(_WATCH_S):
        if gateway.poll() is not None:
            raise OSError(f"OpenFaaS's gateway ended with status {gateway.returncode}")


def main() -> int:
    """Serve until SIGTERM; exit status 1 if that is impossible."""
    try:
        with workload.join() as session:
            gateway = start(Path.cwd() / PROGRAM)
            try:
                serve(session, gateway)
            finally:
                gateway.terminate()
                try:
                    gateway.wait(_END_S)
                except subprocess.TimeoutExpired:
                    gateway.kill()
    except OSError as error:
        print(f"gateway: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
