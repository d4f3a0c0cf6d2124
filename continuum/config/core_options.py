"""The core's own keys: one table, from which parsing, checking and the reference derive.

Modules declare theirs themselves; ``FOREIGN_KEYS`` at the end lists keys of the Continuum
framework's files that belong to modules nobody has written for this project yet.
"""

from __future__ import annotations

from continuum.config.link_presets import BUILTIN_TIERS, PRESETS
from continuum.options import (
    Choice,
    Cores,
    DiskRate,
    Duration,
    FilePath,
    Flag,
    Fraction,
    Integer,
    Latency,
    Memory,
    Name,
    Option,
    Percent,
    QueueSize,
    Text,
    Texts,
    Throughput,
)
from continuum.options.tolerance import Tolerance, ToleranceType

INFRASTRUCTURE = (
    Option(
        "infrastructure",
        "provider",
        Text(),
        "local",
        "Provider that creates the nodes; `continuum modules` lists all.",
    ),
    Option(
        "infrastructure",
        "infra_only",
        Flag(),
        False,
        "Create nodes and links only; `[benchmark]` is ignored.",
    ),
    Option("infrastructure", "cpu_pin", Flag(), False, "Pin each node to host CPUs that no other node uses."),
    Option(
        "infrastructure",
        "network_emulation",
        Flag(),
        False,
        "Shape the links. If False, links have no delay or limit, and keys that describe links have no "
        "effect. A `[link ...]` section switches it on.",
        default_text="`False`, or `True` when there is a `[link ...]` section",
    ),
    Option(
        "infrastructure",
        "wireless_network_preset",
        Choice(*PRESETS),
        "4g",
        "Access network of the endpoints; see the table of presets.",
    ),
    Option(
        "infrastructure",
        "network_engine",
        Choice("auto", "netem", "fabric"),
        "auto",
        "What shapes the links: the kernel (`netem`), Continuum's user-space engine (`fabric`), or the first "
        "one that the provider supports and that works here (`auto`).",
    ),
    Option(
        "infrastructure",
        "netperf",
        Flag(),
        False,
        "Benchmark the network: measure delay and throughput of every link for 5 to 10 seconds each, "
        "instead of the short check that every run does.",
    ),
    Option(
        "infrastructure",
        "delete",
        Flag(),
        None,
        "Remove the nodes at the end: `True` means `keep = never`, `False` means `keep = always`.",
        default_text="see `keep`",
    ),
    Option(
        "infrastructure",
        "base_path",
        FilePath(),
        None,
        "Folder in which `runs/` is created.",
        default_text="the current folder",
    ),
    Option(
        "infrastructure",
        "external_physical_machines",
        Texts(),
        (),
        "SSH addresses of further machines to create nodes on.",
        default_text="none",
        needs_reader=True,
    ),
    Option(
        "infrastructure",
        "artifact_dir",
        FilePath(),
        None,
        "Folder of files to install on nodes without internet access: Debian packages (`*.deb`) with their "
        "dependencies, and the files that `continuum artifacts` lists.",
        default_text="none",
    ),
    Option(
        "infrastructure",
        "artifact_mirror",
        Text(),
        None,
        "URL of a mirror for release files; each original host is a folder in it, as in "
        "`http://mirror.example/dl.k8s.io/...`.",
        default_text="the projects' own hosts",
    ),
    Option(
        "infrastructure",
        "architecture",
        Choice("amd64", "arm64"),
        None,
        "Architecture of the nodes, which selects the files to install on them.",
        default_text="this machine's",
    ),
    Option(
        "infrastructure",
        "package_mirror",
        Text(),
        None,
        "URL of a mirror of the Debian archive that nodes can reach, as in `http://mirror.example/debian`.",
        default_text="the nodes' own sources",
    ),
)

BENCHMARK = (
    Option(
        "benchmark",
        "resource_manager",
        Text(),
        "none",
        "Resource manager that runs workloads on the nodes; `continuum modules` lists all.",
    ),
    Option(
        "benchmark",
        "resource_manager_only",
        Flag(),
        False,
        "Install the resource manager only; the application is ignored.",
    ),
    Option(
        "benchmark",
        "application",
        Text(),
        None,
        "Application to benchmark, by name or alias; `continuum modules` lists all. Required unless "
        "`infra_only` or `resource_manager_only` is True.",
    ),
    Option(
        "benchmark",
        "application_worker_cpu",
        Cores(minimum=0.01),
        None,
        "Cores of each worker of the application.",
        default_text="selected by the application",
    ),
    Option(
        "benchmark",
        "application_worker_memory",
        Memory(),
        None,
        "Memory of each worker of the application.",
        default_text="selected by the application",
    ),
    Option(
        "benchmark",
        "application_endpoint_cpu",
        Cores(minimum=0.01),
        None,
        "Cores of the application on each endpoint.",
        default_text="selected by the application",
    ),
    Option(
        "benchmark",
        "application_endpoint_memory",
        Memory(),
        None,
        "Memory of the application on each endpoint.",
        default_text="selected by the application",
    ),
    Option(
        "benchmark",
        "applications_per_worker",
        Integer(1, 10_000),
        1,
        "Workers of the application on each node that has any.",
    ),
    Option(
        "benchmark",
        "docker_pull",
        Flag(),
        False,
        "Pull container images even if nodes have them.",
        needs_reader=True,
    ),
    Option(
        "benchmark",
        "cache_worker",
        Flag(),
        False,
        "Load the images of workloads during the installation instead of when they start.",
        needs_reader=True,
    ),
    Option(
        "benchmark",
        "observability",
        Flag(),
        False,
        "Install monitoring together with the resource manager.",
        needs_reader=True,
    ),
)

EXECUTION_MODEL = (
    Option(
        "execution_model",
        "model",
        Text(),
        None,
        "Execution model that runs the application's workers; `continuum modules` lists all.",
        default_text="the resource manager runs them",
    ),
)

RUN = (
    Option(
        "run",
        "name",
        Name(),
        None,
        "Name of the run; part of its folder's name.",
        default_text="the file's name",
    ),
    Option("run", "seed", Integer(0, 2**63 - 1), 0, "Seed of all random numbers."),
    Option(
        "run",
        "repeats",
        Integer(1, 1000),
        1,
        "Number of runs, each with its own seed. With several configs, their repeats take turns. A claim "
        "about two configs requires at least five runs of each.",
    ),
    Option(
        "run",
        "warmup",
        Duration(),
        None,
        "Length of the warm-up; its requests are excluded from the statistics.",
        default_text="selected by the application",
    ),
    Option(
        "run",
        "timeout",
        Duration(minimum=0.001),
        None,
        "Time after which the benchmark is aborted.",
        default_text="selected by the application",
    ),
    Option(
        "run",
        "keep",
        Choice("never", "on-failure", "always"),
        "never",
        "When to keep the nodes after the run.",
    ),
    Option(
        "run",
        "tolerance",
        ToleranceType(),
        None,
        "Largest deviation of a measured link before the run is invalid: a percentage of delay and "
        "throughput, optionally followed by the smallest difference in delay that counts.",
        default_text="delay 2 %, 0.3 ms; throughput 5 %",
    ),
    Option(
        "run",
        "tolerated_loss",
        Percent(),
        1.0,
        "Share of requests that may be lost or fail; above it, the run is invalid.",
    ),
    Option(
        "run",
        "tolerated_stall",
        Latency(),
        200.0,
        "Time for which the network engine may stall while the load runs; above it, the run is invalid.",
    ),
    Option(
        "run",
        "tolerated_delay",
        ToleranceType(),
        Tolerance(2.0, 1.0, 2.0),
        "Difference between the delay of a packet and the delay that the link gives it, while the load "
        "runs: a percentage, optionally followed by a floor. If more than 1 % of the sentinel probes on a "
        "link exceed it, the run is invalid.",
    ),
    Option(
        "run",
        "tolerated_foreign_cpu",
        Percent(),
        5.0,
        "Share of this host's CPU time that processes of others, or other virtual machines (steal), may use "
        "while the load runs; above it for more than a second, the run is invalid.",
    ),
)

#: Keys of a ``[tier NAME]`` section, and of ``[infrastructure]`` with the tier's name in front.
TIER = (
    Option("tier NAME", "nodes", Integer(0, 10_000), 0, "Number of nodes."),
    Option("tier NAME", "cores", Cores(), None, "Cores of each node.", required=True),
    Option("tier NAME", "memory", Memory(), None, "Memory of each node.", required=True),
    Option("tier NAME", "quota", Fraction(), 1.0, "Share of each core that the node may use."),
    Option("tier NAME", "read_speed", DiskRate(), 0.0, "Disk read limit of each node; 0 is unlimited."),
    Option("tier NAME", "write_speed", DiskRate(), 0.0, "Disk write limit of each node; 0 is unlimited."),
)

#: Keys of a ``[link A-B]`` section, where a value left out is the default link's.
LINK = (
    Option("link A-B", "latency", Latency(), None, "Mean one-way delay."),
    Option("link A-B", "jitter", Latency(), None, "Standard deviation of the one-way delay."),
    Option(
        "link A-B",
        "jitter_correlation",
        Latency(),
        None,
        "Time between two packets from which on their delays are independent; delays of closer packets "
        "change smoothly. Three times the jitter if no link gives it. Only for the engine `fabric`.",
    ),
    Option(
        "link A-B", "bandwidth", Throughput(), None, "Rate of each ordered pair of nodes, at the IP layer."
    ),
    Option(
        "link A-B",
        "queue",
        QueueSize(),
        None,
        "IP packets that may wait for the link or be in transmission, in bytes; further ones are dropped. "
        "If no link gives it: 1.5 times the bandwidth times twice the latency, and at least 48 kB and what "
        "the link sends in 25 ms.",
    ),
    Option("link A-B", "loss", Percent(), None, "Share of packets lost, independently of each other."),
)

#: What the flat keys of ``[infrastructure]`` call a link's keys.
FLAT_LINK_KEYS = {"latency_avg": "latency", "latency_var": "jitter", "throughput": "bandwidth"}
FLAT_LINKS = {
    "cloud": "cloud-cloud",
    "edge": "edge-edge",
    "cloud_edge": "cloud-edge",
    "cloud_endpoint": "cloud-endpoint",
    "edge_endpoint": "edge-endpoint",
}

#: Core keys by section and key. Tier and link sections have ``TIER`` and ``LINK``.
CORE = {option.name: option for option in (*INFRASTRUCTURE, *BENCHMARK, *EXECUTION_MODEL, *RUN)}

#: Flat keys of ``[infrastructure]``: the section and key that each stands for, and its option.
FLAT: dict[str, tuple[str, Option]] = {
    **{f"{tier}_{option.key}": (f"tier {tier}", option) for tier in BUILTIN_TIERS for option in TIER},
    **{
        f"{flat}_{flat_key}": (f"link {link}", option)
        for flat, link in FLAT_LINKS.items()
        for flat_key, key in FLAT_LINK_KEYS.items()
        for option in LINK
        if option.key == key
    },
}

#: Keys of the framework's files that no module here declares: where they stand, how they begin, whose
#: they are. A module that declares such a key takes it over.
FOREIGN_KEYS = (
    ("infrastructure", "prefixip", "providers of virtual machines"),
    ("infrastructure", "middleip", "providers of virtual machines"),
    ("infrastructure", "middleip_base", "providers of virtual machines"),
    ("infrastructure", "aws_*", "provider aws"),
    ("benchmark", "runtime", "resource managers kubernetes and kubecontrol"),
    ("benchmark", "runtime_filesystem", "resource managers kubernetes and kubecontrol"),
    ("benchmark", "kube_version", "resource managers on Kubernetes"),
)
