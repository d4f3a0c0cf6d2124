"""The names shared by the orchestrator and the programs on nodes; standard library only.

Environment variables, the files of a workload's folder, the message prefix, the keys of event records, and
the names of stages are spelled here and nowhere else.
"""

from __future__ import annotations

ENV_RUN = "CONTINUUM_RUN"
"""Id of the run; set in every process of a run, on nodes and outside them."""

ENV_RUN_DIRECTORY = "CONTINUUM_RUN_DIRECTORY"
"""Folder of the run; set in processes of the run outside nodes, such as the fabric."""

ENV_KEEPER = "CONTINUUM_KEEPER"
"""Folder of the run; set in the processes that hold the namespaces of nodes."""

ENV_ORIGIN = "CONTINUUM_ORIGIN"
"""Mount and PID namespace of the orchestrator, see ``host.namespaces``; set with either folder of the run."""

ENV_NODE = "CONTINUUM_NODE"
"""Name of the node; set in every process started on a node."""

ENV_NODE_ADDRESS = "CONTINUUM_NODE_ADDRESS"
"""Address of the node on the emulated network, for servers to listen on; set where a program runs directly on
the node's network, but not in a pod, which has a network of its own."""

ENV_WORKLOAD = "CONTINUUM_WORKLOAD"
"""Name of the workload."""

ENV_REPLICA = "CONTINUUM_REPLICA"
"""Number of the replica on its node, from 0."""

ENV_FOLDER = "CONTINUUM_FOLDER"
"""Folder for the start signal and the events, where it is not the working directory."""

ENV_WALL_OFFSETS = "CONTINUUM_WALL_OFFSETS"
"""JSON: CLOCK_REALTIME minus CLOCK_MONOTONIC of nodes in ns, by their names; set where a program has a
CLOCK_MONOTONIC that is not its node's, as in a gVisor sandbox or a virtual machine."""

ENV_POD = "CONTINUUM_POD"
"""Name of the pod; set where one workload has many pods on a node."""

ENV_PROCESS = "CONTINUUM_PROCESS"
"""Random token that marks one command and its children on a node."""

ENV_ADDRESS = "CONTINUUM_ADDRESS"
"""URL template for requests; set in clients, see ``http_front``."""

ENV_FRONT = "CONTINUUM_FRONT"
"""JSON about the proxy in front of a worker; set in workers, see ``http_front``."""

ENV_REEXECUTED = "CONTINUUM_REEXECUTED"
"""Set by the command line when it has restarted itself in the project's virtual environment."""

PREFIX = "continuum: "
"""Start of a line on standard output that carries a JSON message to the orchestrator."""

EVENTS_FILE = "events.jsonl"
"""File of event records, one JSON object a line."""

GO_FILE = "go"
"""File whose appearance starts the work."""

KEY_REQUEST, KEY_STAGE, KEY_NODE, KEY_CLOCK, KEY_DETAIL = "r", "s", "n", "t", "d"
"""Keys of an event record: request id, stage, node, CLOCK_MONOTONIC in ns, details."""

DUE = "due"
"""Stage of a request: its intended time on the open-loop schedule."""

DONE = "done"
"""Stage of a request: answered."""

LOST = "lost"
"""Stage of a request: not answered in time."""

FAILED = "failed"
"""Stage of a request: refused, or answered with an error."""

HELD = "held"
"""Mark of a request that its sender delayed because too many were unanswered; not a stage of its own."""

STARTED = "started"
"""Stage of an instance: its program runs."""

READY = "ready"
"""Stage of an instance: it can serve or begin."""

FINISHED = "finished"
"""Stage of an instance: it has ended."""

KEY_READY, KEY_PROGRESS, KEY_INSTANCE_STAGES = "ready", "progress", "life"
"""Keys of a message: readiness, progress numbers, clock readings by stage of the instance."""
