"""``continuum plan CONFIG``: show what a run would create."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from continuum.commands.link import describe
from continuum.commands.run import load_all
from continuum.config.planner import load_modules, make_plan
from continuum.model.config import Config
from continuum.model.topology import Link


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``continuum plan``."""
    parser.add_argument("config", type=Path, help="config file")
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")


def execute(options: argparse.Namespace) -> int:
    """Print nodes, links and workloads."""
    (config,) = load_all([options.config])
    plan = _plan(config)
    print(json.dumps(plan, indent=1) if options.json else _as_text(plan))
    return 0


def _plan(config: Config) -> dict[str, Any]:
    modules = load_modules(config)
    plan = make_plan(config, modules)
    planned, offered = plan.topology, plan.offered
    machines = modules.provider.placement(config, planned)
    return {
        "provider": config.infrastructure.text("provider"),
        "resource_manager": config.benchmark.text("resource_manager"),
        "nodes": [
            {**vars(node), "cpus": list(node.cpus), "machine": machines.get(node.name, "")}
            for node in planned.nodes
        ],
        "estimate": list(modules.provider.estimate(config, planned)),
        "links": [vars(planned.link(src, dst)) for src, dst in planned.tier_pairs()],
        "workloads": [
            {
                "name": workload.name,
                "nodes": list(workload.nodes or (node.name for node in offered.nodes_of(workload.tier))),
                "replicas_per_node": workload.replicas_per_node,
                "argv": list(workload.argv),
                "cpu_cores": workload.cpu_cores,
                "memory_mb": workload.memory_mb,
            }
            for workload in plan.workloads
        ],
    }


def _as_text(plan: dict[str, Any]) -> str:
    lines = [f"provider {plan['provider']}, resource manager {plan['resource_manager']}", "nodes:"]
    lines += [
        f"  {node['name']:<12} {node['cores']:g} cores at {node['quota']:.0%}, {node['memory_mb']} MiB"
        + (f" on {node['machine']}" if node["machine"] else "")
        for node in plan["nodes"]
    ]
    lines.append("links (one-way):")
    lines += [f"  {describe(Link(**link))}" for link in plan["links"]]
    lines += plan["estimate"]
    lines.append("workloads:" if plan["workloads"] else "no workloads")
    lines += [
        f"  {work['name']} on {', '.join(work['nodes'])}, {work['replicas_per_node']} each"
        for work in plan["workloads"]
    ]
    return "\n".join(lines)
