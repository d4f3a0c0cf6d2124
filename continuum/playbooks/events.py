"""What Ansible says while a playbook goes on, made into a log, progress lines and reasons of failure."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TextIO

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])|\r")
_TASK_STARTS = frozenset({"playbook_on_task_start", "playbook_on_handler_task_start"})
_RESULTS = frozenset({"runner_on_ok", "runner_on_failed", "runner_on_unreachable"})
_TAIL_LINES = 8
_NAMED_NODES = 8
_OUTPUTS = ("stderr", "stdout", "module_stderr", "module_stdout", "exception")


@dataclass(frozen=True)
class Failure:
    """A task that did not succeed on a node.

    Attributes:
        node: the node's name.
        task: the task's name.
        message: what the task said.
        output: the end of what its command wrote.
    """

    node: str
    task: str
    message: str
    output: tuple[str, ...] = ()

    def __str__(self) -> str:
        said = f": {self.message}" if self.message else ""
        end = "".join(f"\n  {line}" for line in self.output)
        return f'task "{self.task}" failed{said}{end}'


def describe(failures: Iterable[Failure]) -> list[str]:
    """The failures in words, each once, with the nodes that it happened on."""
    nodes: dict[str, list[str]] = {}
    for one in failures:
        nodes.setdefault(str(one), []).append(one.node)
    shown = [
        (", ".join(names[:_NAMED_NODES]), len(names) - _NAMED_NODES, text) for text, names in nodes.items()
    ]
    return [f"{names}{f' and {more} more' if more > 0 else ''}: {text}" for names, more, text in shown]


@dataclass
class _Task:
    """The task that is under way: its name, its beginning, and on how many nodes it was done so far."""

    name: str
    start_s: float
    nodes: int = 0
    changed: int = 0
    failed: int = 0

    def __str__(self) -> str:
        outcome = [f"{self.nodes} node{'s' if self.nodes != 1 else ''}"]
        outcome += [f"{self.changed} changed"] if self.changed else []
        outcome += [f"{self.failed} FAILED"] if self.failed else []
        return f"{self.name}: {', '.join(outcome)}, {time.monotonic() - self.start_s:.1f} s"


class Follower:
    """Takes the events of one playbook, in their order.

    Args:
        log: where Ansible's output goes, free of escape codes.
        tell: takes a line for the user after every task.

    Attributes:
        failures: what failed, in the order it did; some may have been rescued by the playbook.
        failed_s: when the first of these did, by the monotonic clock; infinite as long as none has.
        changed: tasks that changed something, by node; complete once the playbook has ended.
        last_lines: the end of the output.
        task_s: how long each task took, by its name and node.
    """

    def __init__(self, log: TextIO, tell: Callable[[str], None]) -> None:
        self._log, self._tell = log, tell
        self._task: _Task | None = None
        self.failures: list[Failure] = []
        self.failed_s = math.inf
        self.changed: Counter[str] = Counter()
        self.last_lines: list[str] = []
        self.task_s: dict[str, dict[str, float]] = {}

    def __call__(self, event: Mapping[str, Any]) -> bool:
        """Take an event; False keeps the runner from writing it to a file of its own."""
        kind, data = event.get("event", ""), event.get("event_data", {})
        self._write(event.get("stdout", ""))
        if kind in _TASK_STARTS:
            self._end_task()
            self._task = _Task(str(data.get("name") or data.get("task") or "?"), time.monotonic())
        elif kind == "playbook_on_stats":
            self._end_task()
        elif kind in _RESULTS and "include_" not in str(data.get("task_action", "")):
            self._result(kind, data)
        return False

    def _result(self, kind: str, data: Mapping[str, Any]) -> None:
        node, result = str(data.get("host", "?")), data.get("res") or {}
        failed = kind != "runner_on_ok" and not data.get("ignore_errors")
        self.task_s.setdefault(str(data.get("task", "?")), {})[node] = float(data.get("duration") or 0.0)
        changed = bool(result.get("changed")) and not failed
        if failed:
            self.failed_s = min(self.failed_s, time.monotonic())
            self.failures.append(failure(node, str(data.get("task", "?")), result))
        if changed:
            self.changed[node] += 1
        if self._task is not None:
            self._task.nodes += 1
            self._task.changed += changed
            self._task.failed += failed

    def _end_task(self) -> None:
        if self._task is not None and self._task.nodes:
            self._tell(str(self._task))
        self._task = None

    def _write(self, text: str) -> None:
        lines = plain(text).splitlines()
        if lines:
            self._log.write("\n".join(lines) + "\n")
            self._log.flush()
            self.last_lines = [*self.last_lines, *filter(str.strip, lines)][-_TAIL_LINES:]


def plain(text: str) -> str:
    """The text without colours, cursor movements and carriage returns."""
    return _ESCAPES.sub("", text)


def failure(node: str, task: str, result: Mapping[str, Any]) -> Failure:
    """A failure from what a task's module returned; of a loop, its first failed item."""
    bad = [item for item in result.get("results") or () if item.get("failed") or item.get("unreachable")]
    if bad:
        return failure(node, task, bad[0])
    message = plain(str(result.get("msg", ""))).strip()
    return Failure(node, task, message.splitlines()[0] if message else "", tuple(_output(result, message)))


def _output(result: Mapping[str, Any], message: str) -> Iterator[str]:
    """The last lines of what the command wrote; where there was none, the rest of the message."""
    texts = (result.get(name) for name in _OUTPUTS)
    text = next((text for text in texts if isinstance(text, str) and text.strip()), "")
    lines = plain(text).strip().splitlines() or message.splitlines()[1:]
    yield from (line.rstrip() for line in lines[-_TAIL_LINES:])
