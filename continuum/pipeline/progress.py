"""Progress of a run on standard error: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from continuum.errors import printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

PLAIN_INTERVAL_S = 2.0


class Progress:
    """Shows nothing; the base class of the visible ones."""

    def start(self, title: str) -> None:
        """Called when a run begins."""

    def phase_started(self, name: str) -> None:
        """Called when a phase begins."""

    def phase_ended(self, name: str, ok: bool, seconds: float) -> None:
        """Called when a phase has ended."""

    def counters(self, numbers: Mapping[str, float], total: float | None = None) -> None:
        """Show numbers of the current phase, such as completed requests."""

    def message(self, text: str) -> None:
        """Show a line to the user, above the live display."""

    def stop(self) -> None:
        """Called when the run has ended."""


class PlainProgress(Progress):
    """Prints one line for each phase, and the numbers of the current phase every two seconds."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._last = 0.0

    def start(self, title: str) -> None:
        self._print(title)

    def phase_ended(self, name: str, ok: bool, seconds: float) -> None:
        self._print(f"  {name:<10} {'ok' if ok else 'FAILED':<6} {seconds:7.2f} s")

    def counters(self, numbers: Mapping[str, float], total: float | None = None) -> None:
        if numbers and time.monotonic() - self._last >= PLAIN_INTERVAL_S:
            self._last = time.monotonic()
            self._print(f"  {describe(numbers)}")

    def message(self, text: str) -> None:
        self._print(text)

    def _print(self, text: str) -> None:
        print(printable(text), file=self._stream, flush=True)


class LiveProgress(Progress):
    """Shows one line for each phase, with a spinner and live numbers for the current one."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TextColumn
        from rich.progress import Progress as Bar

        class Seconds(ProgressColumn):
            """Shows the elapsed time of a phase."""

            def render(self, task: Task) -> str:
                elapsed = task.finished_time if task.finished else task.elapsed
                return f"{elapsed or 0.0:6.2f} s"

        self._bar: Bar = Bar(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=24),
            Seconds(),
            TextColumn("{task.fields[detail]}"),
            console=Console(stderr=True),
        )
        self._task: TaskID | None = None

    def start(self, title: str) -> None:
        self._bar.console.print(printable(title), style="bold", highlight=False, markup=False)
        self._bar.start()

    def phase_started(self, name: str) -> None:
        self._task = self._bar.add_task(name, total=None, detail="")

    def phase_ended(self, name: str, ok: bool, seconds: float) -> None:
        if self._task is None:
            return
        if ok:
            self._bar.update(self._task, total=1, completed=1)
        else:
            self._bar.update(self._task, description=f"[red]{name} failed[/]")
            self._bar.stop_task(self._task)

    def counters(self, numbers: Mapping[str, float], total: float | None = None) -> None:
        if self._task is not None:
            done = numbers.get("completed", 0.0) if total else None
            self._bar.update(self._task, total=total, completed=done, detail=describe(numbers))

    def message(self, text: str) -> None:
        self._bar.console.print(printable(text), highlight=False, markup=False)

    def stop(self) -> None:
        self._bar.stop()


def choose(quiet: bool = False) -> Progress:
    """The progress display that fits standard error."""
    if quiet:
        return Progress()
    return LiveProgress() if sys.stderr.isatty() else PlainProgress()


def describe(numbers: Mapping[str, float]) -> str:
    """Format numbers as ``sent 10, completed 9, p50 12.3 ms``."""
    return ", ".join(
        f"{name.removesuffix('_ms')} {value:.1f} ms" if name.endswith("_ms") else f"{name} {value:g}"
        for name, value in numbers.items()
    )
