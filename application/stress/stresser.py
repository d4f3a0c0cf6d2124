"""One instance: reports that it is ready, computes from the common start on, and ends."""

import os
import time

from continuum.sdk import protocol
from continuum.sdk import session as workload

_STEPS = 10_000


def main() -> None:
    """Take part in the run as one request: due at the start, computing, done."""
    seconds = float(os.environ["SECONDS"])
    with workload.join() as session:
        request = str(session.identity)
        session.ready()
        start_ns = session.wait_go()
        session.record(request, protocol.DUE, start_ns)
        time.sleep(max(0.0, (start_ns - time.monotonic_ns()) / 1e9))
        session.record(request, "compute")
        end = time.monotonic() + seconds
        while time.monotonic() < end and not session.stopping.is_set():
            _compute()
        outcome = protocol.FAILED if session.stopping.is_set() else protocol.DONE
        session.record(request, outcome, worker=session.identity.node)


def _compute() -> None:
    """Occupy the processor for about a millisecond."""
    value = 1
    for _ in range(_STEPS):
        value = value * 48271 % 2147483647


if __name__ == "__main__":
    main()
