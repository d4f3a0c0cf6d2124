"""Turns Ansible's events during a playbook into a log, progress lines and reasons for failure."""

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
        message: the task's error message.
        output: the last lines of its command's output.
    """

    node: str
    task: str
    message: str
    output: tuple[str, ...] = ()

    def __str__(self) -> str:
        reason = f": {self.message}" if self.message else ""
        end = "".join(f"\n  {line}" for line in self.output)
        return f'task "{self.task}" failed{reason}{end}'


def describe(failures: Iterable[Failure]) -> list[str]:
    """One text for each distinct failure, preceded by the nodes on which it occurred."""
    nodes: dict[str, list[str]] = {}
    for one in failures:
        nodes.setdefault(str(one), []).append(one.node)
    shown = [
        (", ".join(names[:_NAMED_NODES]), len(names) - _NAMED_NODES, text) for text, names in nodes.items()
    ]
    return [f"{names}{f' and {more} more' if more > 0 else ''}: {text}" for names, more, text in shown]


@dataclass
class _Task:
    """A task that is not reported yet: the number of nodes it ran on, and its longest duration."""

    name: str
    nodes: int = 0
    changed: int = 0
    failed: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        outcome = [f"{self.nodes} node{'s' if self.nodes != 1 else ''}"]
        outcome += [f"{self.changed} changed"] if self.changed else []
        outcome += [f"{self.failed} FAILED"] if self.failed else []
        return f"{self.name}: {', '.join(outcome)}, {self.seconds:.1f} s"


class Follower:
    """Processes the events of one playbook in order.

    Args:
        log: receives Ansible's output without escape codes.
        tell: receives a progress line after every task; several per task if nodes do not run in lockstep.

    Attributes:
        failures: failed tasks in order, including those that the playbook rescued.
        failed_s: time of the first failure on the monotonic clock; infinite if there is none.
        changed: number of tasks that changed something, by node; complete once the playbook has ended.
        last_lines: the last lines of the output.
        task_s: how long each task took, by its name and node.
    """

    def __init__(self, log: TextIO, tell: Callable[[str], None]) -> None:
        self._log, self._tell = log, tell
        self._names: dict[str, str] = {}
        self._unreported: dict[str, _Task] = {}
        self.failures: list[Failure] = []
        self.failed_s = math.inf
        self.changed: Counter[str] = Counter()
        self.last_lines: list[str] = []
        self.task_s: dict[str, dict[str, float]] = {}

    def __call__(self, event: Mapping[str, Any]) -> bool:
        """Process an event; returns False so that ansible-runner does not write it to a file."""
        if self._log.closed:
            return False  # the playbook was abandoned, but Ansible still sends events
        kind, data = event.get("event", ""), event.get("event_data", {})
        self._write(event.get("stdout", ""))
        if kind in _TASK_STARTS:
            self._report()
            self._names[_task_of(data)] = str(data.get("name") or data.get("task") or "?")
        elif kind == "playbook_on_stats":
            self._report()
        elif kind in _RESULTS and "include_" not in str(data.get("task_action", "")):
            self._result(kind, data)
        return False

    def _result(self, kind: str, data: Mapping[str, Any]) -> None:
        node, result, name = str(data.get("host", "?")), data.get("res") or {}, str(data.get("task", "?"))
        failed = kind != "runner_on_ok" and not data.get("ignore_errors")
        changed = bool(result.get("changed")) and not failed
        seconds = float(data.get("duration") or 0.0)
        self.task_s.setdefault(name, {})[node] = seconds
        if failed:
            self.failed_s = min(self.failed_s, time.monotonic())
            self.failures.append(failure(node, name, result))
        if changed:
            self.changed[node] += 1
        key = _task_of(data)
        task = self._unreported.setdefault(key, _Task(self._names.get(key, name)))
        task.nodes += 1
        task.changed += changed
        task.failed += failed
        task.seconds = max(task.seconds, seconds)

    def _report(self) -> None:
        for task in self._unreported.values():
            self._tell(str(task))
        self._unreported.clear()

    def _write(self, text: str) -> None:
        lines = plain(text).splitlines()
        if lines:
            self._log.write("\n".join(lines) + "\n")
            self._log.flush()
            self.last_lines = [*self.last_lines, *filter(str.strip, lines)][-_TAIL_LINES:]


def _task_of(data: Mapping[str, Any]) -> str:
    """The key of a task; tasks may overlap, since nodes do not wait for each other."""
    return str(data.get("task_uuid") or data.get("task") or data.get("name"))


def plain(text: str) -> str:
    """The text without colours, cursor movements and carriage returns."""
    return _ESCAPES.sub("", text)


def failure(node: str, task: str, result: Mapping[str, Any]) -> Failure:
    """A failure made from the result of a task; for a loop, from its first failed item."""
    bad = [item for item in result.get("results") or () if item.get("failed") or item.get("unreachable")]
    if bad:
        return failure(node, task, bad[0])
    message = plain(str(result.get("msg", ""))).strip()
    return Failure(node, task, message.splitlines()[0] if message else "", tuple(_output(result, message)))


def _output(result: Mapping[str, Any], message: str) -> Iterator[str]:
    """The last lines of the command's output; without output, the rest of the message."""
    texts = (result.get(name) for name in _OUTPUTS)
    text = next((text for text in texts if isinstance(text, str) and text.strip()), "")
    lines = plain(text).strip().splitlines() or message.splitlines()[1:]
    yield from (line.rstrip() for line in lines[-_TAIL_LINES:])
