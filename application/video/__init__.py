"""The application ``video``: endpoints send frames to a neural network anywhere in the continuum."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from application.video import checks, files, placement, settings
from application.video.options import ENDPOINT, OPTIONS, PEER
from application.video.stages import PROCESS, QUEUE, STAGES
from continuum.errors import Problem
from continuum.model import events as recorded
from continuum.model.events import Event
from continuum.model.topology import Topology
from continuum.model.workload import Program, Workload
from continuum.modules.application import Application
from continuum.modules.base import Finding

if TYPE_CHECKING:
    from continuum.host.facts import Host
    from continuum.model.config import Config

__all__ = ["MODULE", "Video"]

_BROKER = Program("mosquitto", "mosquitto", "transport", "use transport = zenoh")
_REQUIREMENTS = ("numpy>=1.24", "opencv-python-headless>=4.8")
_CODE = ("application.video",)
_INFERENCE = ("onnxruntime>=1.16",)
_TRANSPORT = {"zenoh": ("eclipse-zenoh>=1.4",), "mqtt": ("paho-mqtt>=2.0",)}


def _inference(where: str) -> tuple[str, ...]:
    """Packages that endpoints require to classify frames; none if workers do it, which saves a fifth."""
    return _INFERENCE if where in (ENDPOINT, PEER) else ()


class Video(Application):
    """Frames of a video, classified on the tier that the config selects."""

    summary = "frames of a video, classified by a neural network on the tier of your choice"
    options = OPTIONS
    stages: ClassVar[tuple[str, ...]] = STAGES
    arrival = QUEUE
    processing = PROCESS
    reported_packages = ("eclipse-zenoh", "onnxruntime", "opencv-python-headless", "paho-mqtt")

    def check(self, config: Config) -> Iterable[Problem]:
        """Check tiers, resources and files."""
        return checks.check(config)

    def doctor(self, host: Host) -> Iterable[Finding]:
        """Whether ``transport = mqtt`` works on this host."""
        found = host.find_command("mosquitto")
        detail = str(found) if found else "not found; required only for transport = mqtt"
        yield Finding("MQTT broker mosquitto", found is not None, detail, "apt install mosquitto")

    def workloads(self, config: Config, topology: Topology) -> tuple[Workload, ...]:
        """Workers, unless each endpoint serves itself, and then endpoints."""
        where = self._where(config, topology)
        endpoint = self._endpoint(config, topology, where)
        return (endpoint,) if where == ENDPOINT else (self._worker(config, topology, where), endpoint)

    def duration_s(self, config: Config) -> float:
        """Warm-up, measured time, and the time-out of the last request."""
        section = config.benchmark
        return placement.warmup_s(config) + section.real("duration") + section.real("request_timeout")

    def load(self, config: Config) -> Mapping[str, Any]:
        """The load that the endpoints generate."""
        section, chosen = config.benchmark, files.choose(config)
        return {
            **{key: section.real(key) for key in ("frequency", "duration")},
            "arrival": section.text("arrival"),
            "quality": section.integer("quality"),
            "frame_size": section.maybe_text("frame_size") or "",
            "video": chosen.video.name,
            "model": chosen.model.name,
        }

    def servers(self, config: Config, topology: Topology) -> int:
        """Inference threads of all workers, or of all endpoints if these serve themselves."""
        where = self._where(config, topology)
        tier = topology.tier(placement.worker_tier(where))
        if where == ENDPOINT:
            return tier.count * placement.threads(placement.endpoint_resources(config, tier))
        replicas = config.benchmark.integer("applications_per_worker")
        return tier.count * replicas * placement.threads(placement.worker_resources(config, tier))

    def events(self, raw: Path) -> Iterator[Event]:
        """Every event that the programs recorded."""
        return recorded.read(raw)

    def _where(self, config: Config, topology: Topology) -> str:
        counts = {tier.name: tier.count for tier in topology.tiers}
        return placement.target(config.benchmark.maybe_text("offload_to"), counts)

    def _serving(
        self, config: Config, where: str, resources: placement.ProgramResources
    ) -> settings.WorkerSettings:
        section = config.benchmark
        transport = placement.transport(config, where)
        replicas = section.integer("applications_per_worker")
        return settings.WorkerSettings(
            transport=transport,
            ports=() if where == ENDPOINT else placement.ports(transport, replicas),
            threads=placement.threads(resources),
            queue_size=section.integer("queue_size"),
            normalisation=section.text("normalisation"),
        )

    def _worker(self, config: Config, topology: Topology, where: str) -> Workload:
        tier = topology.tier(placement.worker_tier(where))
        resources = placement.worker_resources(config, tier)
        serving = self._serving(config, where, resources)
        chosen = files.choose(config)
        return Workload(
            name="worker",
            tier=tier.name,
            argv=("{python}", "-m", "application.video.worker"),
            replicas_per_node=len(serving.ports),
            environment=settings.to_environment(serving),
            files={settings.MODEL_FILE: chosen.model, settings.LABELS_FILE: chosen.labels},
            requirements=(*_REQUIREMENTS, *_INFERENCE, *_TRANSPORT.get(serving.transport, ())),
            code=_CODE,
            cpu_cores=resources.cores,
            memory_mb=resources.memory_mb,
            ports=serving.ports,
            serves=True,
            programs=(_BROKER,) if serving.transport == "mqtt" else (),
            answers_http=serving.transport == settings.HTTP,
        )

    def _endpoint(self, config: Config, topology: Topology, where: str) -> Workload:
        tier = topology.tier(ENDPOINT)
        resources = placement.endpoint_resources(config, tier)
        chosen = files.choose(config)
        transport = placement.transport(config, where)
        read = {f"video{chosen.video.suffix}": chosen.video}
        if chosen.truth is not None:
            read[settings.TRUTH_FILE] = chosen.truth
        if where == ENDPOINT:
            read |= {settings.MODEL_FILE: chosen.model, settings.LABELS_FILE: chosen.labels}
        return Workload(
            name="endpoint",
            tier=tier.name,
            argv=("{python}", "-m", "application.video.endpoint"),
            environment=settings.to_environment(self._load_of(config, topology, where, resources)),
            files=read,
            requirements=(*_REQUIREMENTS, *_inference(where), *_TRANSPORT.get(transport, ())),
            code=_CODE,
            cpu_cores=resources.cores,
            memory_mb=resources.memory_mb,
        )

    def _load_of(
        self, config: Config, topology: Topology, where: str, resources: placement.ProgramResources
    ) -> settings.EndpointSettings:
        section = config.benchmark
        transport = placement.transport(config, where)
        replicas = section.integer("applications_per_worker")
        return settings.EndpointSettings(
            video=f"video{files.choose(config).video.suffix}",
            frequency=section.real("frequency"),
            duration_s=section.real("duration"),
            warmup_s=placement.warmup_s(config),
            arrival=section.text("arrival"),
            quality=section.integer("quality"),
            frame_size=placement.frame_size(section.maybe_text("frame_size")),
            timeout_s=section.real("request_timeout"),
            in_flight=section.integer("max_in_flight"),
            seed=config.run.integer("seed"),
            servers=placement.servers(where, topology, transport, replicas),
            local=self._serving(config, ENDPOINT, resources),
            transport=transport,
            camera_mb=placement.camera_mb(resources),
        )


MODULE = Video
