"""Whether others used the CPUs that the run needs. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from continuum.model.fidelity import Disturbance, Reading
from continuum.pipeline.watch.host_times import HostTimes

LONGEST_S = 1.0
"""CPU time of others above the threshold is tolerated for so long."""


@dataclass
class _Excess:
    """How long a share has been above the threshold without interruption.

    Attributes:
        seconds: length of the current episode.
        weighted: integral of the share over it.
        reported: index of the current episode's disturbance; None if it has none yet.
    """

    seconds: float = 0.0
    weighted: float = 0.0
    reported: int | None = None


@dataclass
class CpuWatch:
    """Judges how busy this host is with other work.

    Attributes:
        tolerated_percent: share of the host's CPU time that others may use for more than a second.
        most_episodes: later ones are not listed.
        readings: one for each interval.
        disturbances: episodes above the threshold.
    """

    tolerated_percent: float
    most_episodes: int = 5
    readings: list[Reading] = field(default_factory=list)
    disturbances: list[Disturbance] = field(default_factory=list)
    _last: tuple[HostTimes, float | None] | None = None
    _foreign: _Excess = field(default_factory=_Excess)
    _steal: _Excess = field(default_factory=_Excess)

    def note(self, at_s: float, times: HostTimes, run_cpu_s: float | None, delay_ms: float | None) -> None:
        """Compare with the last times.

        Args:
            at_s: now, in seconds since the start of the load.
            times: times of the host's CPUs.
            run_cpu_s: CPU time that the run has used so far; None if unknown.
            delay_ms: longest time of the network engine since the last call; None if it did not answer.
        """
        last, self._last = self._last, (times, run_cpu_s)
        if last is None or times.at_s <= last[0].at_s:
            return
        before, run_before_s = last
        seconds = times.at_s - before.at_s
        capacity_s = seconds * times.cpus
        stolen_s = times.stolen_s - before.stolen_s
        foreign = None
        if run_cpu_s is not None and run_before_s is not None:
            used_s = capacity_s - (times.unused_s - before.unused_s) - stolen_s
            foreign = 100 * max(0.0, used_s - (run_cpu_s - run_before_s)) / capacity_s
        steal = 100 * max(0.0, stolen_s) / capacity_s
        pressure = None
        if times.waited_s is not None and before.waited_s is not None:
            pressure = 100 * (times.waited_s - before.waited_s) / seconds
        self.readings.append(Reading(at_s, delay_ms, foreign, steal, times.running, pressure))
        what = "processes that are not part of the run used"
        self._judge(self._foreign, "foreign_cpu", what, foreign, at_s, seconds)
        self._judge(self._steal, "steal", "the hypervisor took", steal, at_s, seconds)

    def _judge(
        self, excess: _Excess, kind: str, what: str, percent: float | None, at_s: float, seconds: float
    ) -> None:
        if percent is None or percent <= self.tolerated_percent:
            excess.seconds, excess.weighted, excess.reported = 0.0, 0.0, None
            return
        excess.seconds += seconds
        excess.weighted += percent * seconds
        if excess.seconds <= LONGEST_S:
            return
        mean = excess.weighted / excess.seconds
        text = (
            f"{what} {mean:.0f} % of this host's CPU time for {excess.seconds:.1f} s "
            f"(tolerated: {self.tolerated_percent:g} %)"
        )
        found = Disturbance(max(0.0, at_s - excess.seconds), kind, text)
        if excess.reported is not None:
            self.disturbances[excess.reported] = found
        elif sum(one.kind == kind for one in self.disturbances) < self.most_episodes:
            excess.reported = len(self.disturbances)
            self.disturbances.append(found)
