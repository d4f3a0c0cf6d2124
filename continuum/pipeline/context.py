"""What is known of a run before its first node exists."""

from __future__ import annotations

from dataclasses import dataclass

from continuum.host.facts import Host
from continuum.model.config import Config
from continuum.modules.modules_in_use import Modules
from continuum.modules.plan import Plan
from continuum.rundir.run import Run


@dataclass(frozen=True)
class Context:
    """What every phase may read.

    Attributes:
        run: folder, journal and state.
        modules: the modules in use.
        plan: what the config asks for.
        host: the machine.
    """

    run: Run
    modules: Modules
    plan: Plan
    host: Host

    @property
    def config(self) -> Config:
        """The run's config."""
        return self.plan.config

    @property
    def wants_benchmark(self) -> bool:
        """Whether an application is to run."""
        return self.modules.application is not None
