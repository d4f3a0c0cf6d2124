"""Video: cameras on endpoints, a neural network somewhere in the continuum, and where the time goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from application.video import checks, files, plan, settings
from application.video.options import ENDPOINT, OPTIONS, PEER
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
    """What endpoints need to classify frames; nothing where others do it: it is a fifth of all they get."""
    return _INFERENCE if where in (ENDPOINT, PEER) else ()


class Video(Application):
    """Frames of a video, classified where the config says."""

    summary = "frames of a video, classified by a neural network wherever the config says"
    options = OPTIONS
    stages: ClassVar[tuple[str, ...]] = ("preprocess", "uplink", "queue", "process", "downlink")
    arrival = "queue"
    processing = "process"
    reported_packages = ("eclipse-zenoh", "onnxruntime", "opencv-python-headless", "paho-mqtt")

    def check(self, config: Config) -> Iterable[Problem]:
        """Tiers, resources and files that do not go together."""
        return checks.check(config)

    def doctor(self, host: Host) -> Iterable[Finding]:
        """Whether ``transport = mqtt`` would work."""
        found = host.find_command("mosquitto")
        detail = str(found) if found else "not there; only transport = mqtt needs it"
        yield Finding("MQTT broker mosquitto", found is not None, detail, "apt install mosquitto")

    def workloads(self, config: Config, topology: Topology) -> tuple[Workload, ...]:
        """Workers first, unless each endpoint serves itself, then endpoints."""
        where = self._where(config, topology)
        endpoint = self._endpoint(config, topology, where)
        return (endpoint,) if where == ENDPOINT else (self._worker(config, topology, where), endpoint)

    def duration_s(self, config: Config) -> float:
        """Warm-up, measured time, and the wait for the last answer."""
        section = config.benchmark
        return plan.warmup_s(config) + section.real("duration") + section.real("request_timeout")

    def load(self, config: Config) -> Mapping[str, Any]:
        """What the endpoints ask for."""
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
        """Inference threads of all workers; of all endpoints, where these serve themselves."""
        where = self._where(config, topology)
        tier = topology.tier(plan.worker_tier(where))
        if where == ENDPOINT:
            return tier.count * plan.threads(plan.endpoint_share(config, tier))
        replicas = config.benchmark.integer("applications_per_worker")
        return tier.count * replicas * plan.threads(plan.worker_share(config, tier))

    def events(self, raw: Path) -> Iterator[Event]:
        """Every event the programs left."""
        return recorded.read(raw)

    def _where(self, config: Config, topology: Topology) -> str:
        counts = {tier.name: tier.count for tier in topology.tiers}
        return plan.target(config.benchmark.maybe_text("offload_to"), counts)

    def _serving(self, config: Config, where: str, share: plan.Share) -> settings.WorkerSettings:
        section = config.benchmark
        transport = plan.transport(config, where)
        replicas = section.integer("applications_per_worker")
        return settings.WorkerSettings(
            transport=transport,
            ports=() if where == ENDPOINT else plan.ports(transport, replicas),
            threads=plan.threads(share),
            queue_size=section.integer("queue_size"),
            normalisation=section.text("normalisation"),
        )

    def _worker(self, config: Config, topology: Topology, where: str) -> Workload:
        tier = topology.tier(plan.worker_tier(where))
        share = plan.worker_share(config, tier)
        serving = self._serving(config, where, share)
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
            cpu_cores=share.cores,
            memory_mb=share.memory_mb,
            ports=serving.ports,
            serves=True,
            programs=(_BROKER,) if serving.transport == "mqtt" else (),
            answers_http=serving.transport == settings.HTTP,
        )

    def _endpoint(self, config: Config, topology: Topology, where: str) -> Workload:
        tier = topology.tier(ENDPOINT)
        share = plan.endpoint_share(config, tier)
        chosen = files.choose(config)
        transport = plan.transport(config, where)
        read = {f"video{chosen.video.suffix}": chosen.video}
        if chosen.truth is not None:
            read[settings.TRUTH_FILE] = chosen.truth
        if where == ENDPOINT:
            read |= {settings.MODEL_FILE: chosen.model, settings.LABELS_FILE: chosen.labels}
        return Workload(
            name="endpoint",
            tier=tier.name,
            argv=("{python}", "-m", "application.video.endpoint"),
            environment=settings.to_environment(self._load_of(config, topology, where, share)),
            files=read,
            requirements=(*_REQUIREMENTS, *_inference(where), *_TRANSPORT.get(transport, ())),
            code=_CODE,
            cpu_cores=share.cores,
            memory_mb=share.memory_mb,
        )

    def _load_of(
        self, config: Config, topology: Topology, where: str, share: plan.Share
    ) -> settings.EndpointSettings:
        section = config.benchmark
        transport = plan.transport(config, where)
        replicas = section.integer("applications_per_worker")
        return settings.EndpointSettings(
            video=f"video{files.choose(config).video.suffix}",
            frequency=section.real("frequency"),
            duration_s=section.real("duration"),
            warmup_s=plan.warmup_s(config),
            arrival=section.text("arrival"),
            quality=section.integer("quality"),
            frame_size=plan.frame_size(section.maybe_text("frame_size")),
            timeout_s=section.real("request_timeout"),
            in_flight=section.integer("max_in_flight"),
            seed=config.run.integer("seed"),
            servers=plan.servers(where, topology, transport, replicas),
            local=self._serving(config, ENDPOINT, share),
            transport=transport,
        )


MODULE = Video
