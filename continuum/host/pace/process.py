"""The process that slows nodes down: one loop that waits for used slices and for the ends of pauses."""

from __future__ import annotations

import gc
import heapq
import os
import resource
import select
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic_ns

from . import overhead
from .debt import Debt
from .kernel import Alarm, SliceCounter
from .pace_plan import READY, SLICE_NS, PacedNode, PacePlan, from_json

_STOP, _RELEASE = b"FROZEN", b"THAWED"
_STATE_FILE = "freezer.state"


def main() -> None:
    """Slow down the nodes of the plan on standard input until a signal; writes ``ready`` or an error."""
    plan = from_json(sys.stdin.read())
    _prepare()
    try:
        hold(plan.hold)
        loop = Loop(plan.nodes, plan.cpus, _stop_ns(plan))
    except OSError as error:
        _answer(f"{error.strerror or error}")
        os._exit(1)
    _answer(READY)
    try:
        loop.run()
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        loop.release_all()


def hold(group: str) -> None:
    """Create a group and keep it stopped."""
    with suppress(FileExistsError):
        os.mkdir(group)  # noqa: PTH102
    with open(os.path.join(group, _STATE_FILE), "wb", buffering=0) as state:  # noqa: PTH118, PTH123
        state.write(_STOP)


def _stop_ns(plan: PacePlan) -> int:
    """CPU time that each stop costs a node, found out by stopping a child of this process."""
    for group in plan.trial:
        with suppress(FileExistsError):
            os.mkdir(group)  # noqa: PTH102
    loop = Loop((PacedNode("trial", *plan.trial, _TRIAL_SPEED, 1),), plan.cpus, 0)
    reader = overhead.start_trial(plan.trial)
    loop.run(until=reader)
    loop.close()
    stop_ns = overhead.ns_per_stop(reader, SLICE_NS)
    for group in plan.trial:
        with suppress(OSError):
            os.rmdir(group)  # noqa: PTH106
    print(f"each stop costs a node {stop_ns / 1000:.0f} us", file=sys.stderr, flush=True)
    return stop_ns


_TRIAL_SPEED = 0.5


def _answer(text: str) -> None:
    """Tell the caller; after that, standard output is the log, as standard error is."""
    os.write(1, f"{text}\n".encode())
    os.dup2(2, 1)


def _prepare() -> None:
    """Request what makes timers precise; continue without what is refused."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, -20)
    gc.freeze()
    gc.disable()


class _Node:
    """A node with its counters.

    Attributes:
        debt: what it owes.
        counters: one for each CPU.
        touched: whether it is in the list of nodes to charge.
    """

    __slots__ = ("_state", "counters", "debt", "touched")

    def __init__(self, plan: PacedNode, cpus: Sequence[int], stop_ns: int) -> None:
        self.debt = Debt(plan.speed, plan.cores, stop_ns)
        self.touched = False
        self._state = os.open(os.path.join(plan.stopped, _STATE_FILE), os.O_WRONLY | os.O_CLOEXEC)  # noqa: PTH118
        group = os.open(plan.counted, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.counters = [SliceCounter(group, cpu, SLICE_NS) for cpu in cpus]
        finally:
            os.close(group)

    def stop(self) -> None:
        """Stop its programs."""
        os.write(self._state, _STOP)
        self.debt.stop()

    def release(self) -> None:
        """Let its programs compute."""
        os.write(self._state, _RELEASE)
        self.debt.release(monotonic_ns())

    def close(self) -> None:
        """Stop counting."""
        os.close(self._state)
        for counter in self.counters:
            counter.close()


class Loop:
    """The event loop.

    Args:
        nodes: the nodes.
        cpus: CPUs of the host that they may use.
        stop_ns: CPU time that each stop costs a node.

    Raises:
        OSError: the kernel refuses to count CPU time or to stop a group.
    """

    def __init__(self, nodes: Sequence[PacedNode], cpus: Sequence[int], stop_ns: int) -> None:
        self._nodes = [_Node(node, cpus, stop_ns) for node in nodes]
        self._by_fd = {counter.fd: node for node in self._nodes for counter in node.counters}
        self._pauses: list[tuple[int, int, _Node]] = []
        self._alarm = Alarm()
        self._signalled, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        self._epoll = select.epoll()
        for fd in (*self._by_fd, self._alarm.fd, self._signalled):
            self._epoll.register(fd, select.EPOLLIN)

    def run(self, until: int | None = None) -> None:
        """Stop and release nodes until a signal, or until a descriptor can be read."""
        if until is not None:
            self._epoll.register(until, select.EPOLLIN)
        poll, by_fd, alarm = self._epoll.poll, self._by_fd, self._alarm
        while True:
            touched = []
            for fd, _ in poll():
                node = by_fd.get(fd)
                if node is not None:
                    if not node.touched:
                        node.touched = True
                        touched.append(node)
                elif fd == alarm.fd:
                    with suppress(BlockingIOError):
                        os.read(fd, 8)
                else:
                    return
            for node in touched:
                node.touched = False
                self._charge(node)
            self._release_due()

    def _charge(self, node: _Node) -> None:
        ran_ns = [counter.slices_ns() for counter in node.counters]
        if not any(ran_ns):
            return
        was_stopped, now_ns = node.debt.is_stopped, monotonic_ns()
        due_ns = node.debt.charge(ran_ns, now_ns)
        if due_ns > now_ns and not was_stopped:
            node.stop()
            heapq.heappush(self._pauses, (due_ns, id(node), node))

    def _release_due(self) -> None:
        """Release the nodes whose pauses are over, and set the alarm for the next one."""
        pauses = self._pauses
        while pauses and pauses[0][0] <= monotonic_ns():
            due_ns, _, node = heapq.heappop(pauses)
            if node.debt.due_ns > due_ns:  # more has been charged meanwhile
                heapq.heappush(pauses, (node.debt.due_ns, id(node), node))
            else:
                node.release()
        if pauses:
            self._alarm.set(pauses[0][0])

    def close(self) -> None:
        """Release the nodes and stop counting."""
        self.release_all()
        self._epoll.close()
        os.close(self._alarm.fd)
        for node in self._nodes:
            node.close()

    def release_all(self) -> None:
        """Let all nodes compute."""
        for node in self._nodes:
            with suppress(OSError):
                node.release()
