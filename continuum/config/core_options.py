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
    Integer,
    Latency,
    Memory,
    Name,
    Option,
    Percent,
    Share,
    Text,
    Texts,
    Throughput,
)
from continuum.options.tolerance import ToleranceKind

INFRASTRUCTURE = (
    Option(
        "infrastructure", "provider", Text(), "local", "Who creates the nodes: a folder of `infrastructure/`."
    ),
    Option(
        "infrastructure",
        "infra_only",
        Flag(),
        False,
        "Create nodes and links and stop there; `[benchmark]` is not in use then.",
    ),
    Option("infrastructure", "cpu_pin", Flag(), False, "Pin every node to host CPUs of its own."),
    Option(
        "infrastructure",
        "network_emulation",
        Flag(),
        False,
        "Shape the links. Without it every link is a plain wire, and keys that describe links have no "
        "effect. A `[link ...]` section switches it on.",
        default_text="`False`, or `True` when there is a `[link ...]` section",
    ),
    Option(
        "infrastructure",
        "wireless_network_preset",
        Choice(*PRESETS),
        "4g",
        "How endpoints reach the rest; see the table of presets.",
    ),
    Option(
        "infrastructure",
        "network_engine",
        Choice("auto", "netem", "fabric"),
        "auto",
        "What shapes the links: the kernel (`netem`), this project's own engine (`fabric`), or the better "
        "one of those that work here.",
    ),
    Option(
        "infrastructure", "netperf", Flag(), False, "Measure every link at length, beyond the usual check."
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
        "Folder in which `runs/` is made.",
        default_text="the current folder",
    ),
    Option(
        "infrastructure",
        "external_physical_machines",
        Texts(),
        (),
        "SSH addresses of further machines to create nodes on, for providers that can.",
        default_text="none",
        needs_reader=True,
    ),
    Option(
        "infrastructure",
        "artifact_dir",
        FilePath(),
        None,
        "Folder of files to install on nodes without internet: Debian packages (`*.deb`), with all they "
        "depend on that nodes lack, and what `continuum artifacts` lists.",
        default_text="none",
    ),
    Option(
        "infrastructure",
        "artifact_mirror",
        Text(),
        None,
        "Address of a mirror of the hosts that release files are downloaded from; each host is a folder "
        "there, as in `http://mirror.example/dl.k8s.io/...`.",
        default_text="the projects' own hosts",
    ),
    Option(
        "infrastructure",
        "architecture",
        Choice("amd64", "arm64"),
        None,
        "Architecture of the nodes, for files that are installed on them.",
        default_text="this machine's",
    ),
    Option(
        "infrastructure",
        "package_mirror",
        Text(),
        None,
        "Address of a mirror of the Debian archive that nodes can reach, as in "
        "`http://mirror.example/debian`.",
        default_text="what each node is set up with",
    ),
)

BENCHMARK = (
    Option(
        "benchmark",
        "resource_manager",
        Text(),
        "none",
        "What runs workloads on the nodes: a folder of `resource_manager/`.",
    ),
    Option(
        "benchmark",
        "resource_manager_only",
        Flag(),
        False,
        "Install the resource manager and stop there; the application is not in use then.",
    ),
    Option(
        "benchmark",
        "application",
        Text(),
        None,
        "What to benchmark: a folder of `application/`, or an alias of one. Must be given unless "
        "`infra_only` or `resource_manager_only` is True.",
    ),
    Option(
        "benchmark",
        "application_worker_cpu",
        Cores(minimum=0.01),
        None,
        "Cores of each copy of the application on a worker.",
        default_text="selected by the application",
    ),
    Option(
        "benchmark",
        "application_worker_memory",
        Memory(),
        None,
        "Memory of each copy of the application on a worker.",
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
        "Copies of the application on each worker.",
    ),
    Option(
        "benchmark",
        "docker_pull",
        Flag(),
        False,
        "Fetch container images anew, where images are used.",
        needs_reader=True,
    ),
    Option(
        "benchmark",
        "cache_worker",
        Flag(),
        False,
        "Put the images of workloads onto the workers during the installation, not when they are started.",
        needs_reader=True,
    ),
    Option(
        "benchmark",
        "observability",
        Flag(),
        False,
        "Install monitoring with the resource manager.",
        needs_reader=True,
    ),
)

EXECUTION_MODEL = (
    Option(
        "execution_model",
        "model",
        Text(),
        None,
        "Another way to run the application's workers, on top of the resource manager: a folder of "
        "`execution_model/`.",
        default_text="as the resource manager does it",
    ),
)

RUN = (
    Option(
        "run", "name", Name(), None, "Name of the run, part of its folder's.", default_text="the file's name"
    ),
    Option("run", "seed", Integer(0, 2**63 - 1), 0, "Start value of everything that is random."),
    Option(
        "run",
        "warmup",
        Duration(),
        None,
        "Requests of this first part of the benchmark are left out of the statistics.",
        default_text="selected by the application",
    ),
    Option(
        "run",
        "timeout",
        Duration(minimum=0.001),
        None,
        "Longest time the benchmark may take before it is ended.",
        default_text="selected by the application",
    ),
    Option(
        "run",
        "keep",
        Choice("never", "on-failure", "always"),
        "never",
        "When to leave the nodes running at the end.",
    ),
    Option(
        "run",
        "tolerance",
        ToleranceKind(),
        None,
        "How far a measured link may be from the configured one before the run is invalid: a percentage "
        "for delay and throughput, then if wanted the least difference in delay that counts.",
        default_text="delay 2 %, 0.3 ms; throughput 5 %",
    ),
)

#: Keys of a ``[tier NAME]`` section, and of ``[infrastructure]`` with the tier's name in front.
TIER = (
    Option("tier NAME", "nodes", Integer(0, 10_000), 0, "Number of nodes."),
    Option("tier NAME", "cores", Cores(), None, "Cores of each node.", required=True),
    Option("tier NAME", "memory", Memory(), None, "Memory of each node.", required=True),
    Option("tier NAME", "quota", Share(), 1.0, "Share of each core that the node may use."),
    Option("tier NAME", "read_speed", DiskRate(), 0.0, "Disk read limit of each node; 0 is unlimited."),
    Option("tier NAME", "write_speed", DiskRate(), 0.0, "Disk write limit of each node; 0 is unlimited."),
)

#: Keys of a ``[link A-B]`` section, where a value left out is the default link's.
LINK = (
    Option("link A-B", "latency", Latency(), None, "Mean one-way delay."),
    Option("link A-B", "jitter", Latency(), None, "Standard deviation of the one-way delay."),
    Option("link A-B", "bandwidth", Throughput(), None, "Rate per ordered pair of nodes."),
    Option("link A-B", "loss", Percent(), None, "Packets lost, independently of each other."),
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
    ("benchmark", "runtime", "resource managers kubecontrol and kube_kata"),
    ("benchmark", "runtime_filesystem", "resource manager kube_kata"),
    ("benchmark", "kube_version", "resource managers on Kubernetes"),
)
