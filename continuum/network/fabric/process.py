"""The fabric process: one loop that waits for packets, due times and requests."""

from __future__ import annotations

import gc
import os
import resource
import select
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic, process_time, sleep

from .control import Control, Peer, close_all
from .state import Node
from .switch import Switch
from .wire import pieces

CLOSING_THREADS = 64
"""Threads that close TUN devices: the kernel takes 36 ms for each, in parallel."""

TURNS_PER_REST = 256
"""Iterations of the loop between two checks of the CPU time used."""

MOST_CPU_SHARE = 0.9
"""Largest share of a core to use; above 0.95 the kernel stops real-time processes for 50 ms at a time."""

_READABLE = select.EPOLLIN
_GONE = select.EPOLLERR | select.EPOLLHUP


def main(argv: Sequence[str]) -> None:
    """Run the fabric of run ``argv[1]`` with seed ``argv[2]``; descriptor 0 is the listening socket."""
    _prepare()
    listener = socket.socket(fileno=os.dup(0))
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 (pathlib is not worth its import here)
        os.dup2(nothing.fileno(), 0)
    Loop(listener, int(argv[2])).run()


def _prepare() -> None:
    """Request what makes timers precise; continue without what is refused."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    _ask_for_priority()
    with suppress(OSError):
        slack = os.open("/proc/self/timerslack_ns", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(slack, b"1")  # by default, timers fire up to 50 us late
        finally:
            os.close(slack)
    # Objects of the datapath form no cycles; a garbage collection would stall all packets.
    gc.collect()
    gc.freeze()
    gc.disable()


def _ask_for_priority() -> None:
    """Request priority over the nodes' own processes, whose load would otherwise delay packets.

    With the lowest real-time priority, round trips deviate by less than 0.3 ms while all cores are busy; with
    a nice value of -20, by 5 ms and more. The kernel reserves a share of each core for other processes.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, -20)


class Loop:
    """The event loop.

    Args:
        listener: the control socket.
        seed: seed of the random numbers for jitter and loss.
    """

    def __init__(self, listener: socket.socket, seed: int) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._switch = Switch(seed)
        self._control = Control(self._switch, self._watch, self._forget)
        self._epoll = select.epoll()
        self._nodes: dict[int, Node] = {}
        self._peers: dict[int, Peer] = {}
        self._signalled, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        self._epoll.register(listener.fileno(), _READABLE)
        self._epoll.register(self._signalled, _READABLE)
        self._ended = False
        self._used, self._looked_at = process_time(), monotonic()

    def run(self) -> None:
        """Serve until told to close; then close all devices and answer."""
        switch, nodes = self._switch, self._nodes
        wait, poll, watched = select.select, self._epoll.poll, [self._epoll.fileno()]
        turns = 0
        while not self._ended and self._control.closing is None:
            due = switch.release()
            if due is None:
                wait(watched, (), ())
                switch.woke_by_packet()
            elif (timeout := due - monotonic() - switch.wake_s) > 0.0:
                # select() supports microseconds, whereas the time-out of epoll is rounded up to milliseconds.
                if wait(watched, (), (), timeout)[0]:
                    switch.woke_by_packet()
                else:
                    switch.woke_by_timer(due)
            for fd, events in poll(0):
                node = nodes.get(fd)
                if node is None:
                    self._handle(fd, events)
                elif events & _GONE:
                    self._drop(node)
                else:
                    try:
                        switch.receive(node)
                    except OSError:
                        self._drop(node)
                switch.release()
            turns += 1
            if turns == TURNS_PER_REST:
                turns = 0
                self._rest()
        self._close()

    def _rest(self) -> None:
        """Sleep briefly if the CPU time used exceeds the allowed share."""
        used, now = process_time(), monotonic()
        owed = (used - self._used) / MOST_CPU_SHARE - (now - self._looked_at)
        if owed > 0.0:
            sleep(min(owed, 0.005))
        self._used, self._looked_at = used, monotonic()

    def _handle(self, fd: int, events: int) -> None:
        """Handle signals, new connections and requests."""
        if fd == self._signalled:
            print("ended by a signal", flush=True)
            self._ended = True
        elif fd == self._listener.fileno():
            self._accept()
        elif (peer := self._peers.get(fd)) and not self._serve(peer, events):
            self._epoll.unregister(fd)
            del self._peers[fd]
            peer.socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            connection, _ = self._listener.accept()
            self._peers[connection.fileno()] = Peer(connection)
            self._epoll.register(connection.fileno(), _READABLE)

    def _serve(self, peer: Peer, events: int) -> bool:
        if events & select.EPOLLOUT:
            try:
                peer.flush()
            except OSError:
                return False
        if events & (_READABLE | _GONE) and not self._control.serve(peer):
            return False
        self._epoll.modify(peer.socket.fileno(), _READABLE | (select.EPOLLOUT if peer.pending else 0))
        return True

    def _watch(self, node: Node) -> None:
        self._nodes[node.fd] = node
        self._epoll.register(node.fd, _READABLE)

    def _forget(self, fds: Sequence[int]) -> None:
        for fd in fds:
            self._epoll.unregister(fd)
            del self._nodes[fd]
        close_in_parallel(fds)

    def _drop(self, node: Node) -> None:
        """Detach a node whose device has vanished, such as after the removal of its namespace."""
        print(f"{node.name}: its interface is gone", flush=True)
        self._forget([self._switch.detach(node.name)])

    def _close(self) -> None:
        close_in_parallel(list(self._nodes))
        if peer := self._control.closing:
            with suppress(OSError):
                peer.socket.setblocking(True)
                peer.socket.settimeout(1.0)
                for piece in [*peer.pending, *pieces({"ok": True, "pid": os.getpid()})]:
                    peer.socket.send(piece, socket.MSG_NOSIGNAL)
        sys.stdout.flush()
        os._exit(0)  # nothing is left to clean up, and the caller is waiting


def close_in_parallel(fds: Sequence[int]) -> None:
    """Close TUN devices in parallel."""
    if len(fds) == 1:
        close_all(fds)
        return
    count = min(CLOSING_THREADS, len(fds))
    threads = [threading.Thread(target=close_all, args=(fds[start::count],)) for start in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
