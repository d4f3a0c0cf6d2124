"""``continuum list``: list the runs of this user."""

from __future__ import annotations

import argparse
import json

from continuum.errors import printable
from continuum.rundir import run as runs
from continuum.rundir.run import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``continuum list``."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def execute(options: argparse.Namespace) -> int:
    """Print one line a run: id, status, number of running nodes, folder."""
    rows = []
    for run_id, directory in runs.all_runs():
        state = Run(directory).state()
        status = str(state.get("status", "unknown"))
        up = len(state["nodes"]) if status == "up" and "nodes" in state else 0
        rows.append({"run_id": run_id, "status": status, "nodes": up, "directory": str(directory)})
    if options.json:
        print(json.dumps(rows, indent=1))
        return 0
    width = max((len(str(row["run_id"])) for row in rows), default=0)
    for row in rows:
        line = f"{row['run_id']:<{width}}  {row['status']:<10} {row['nodes']:>5} nodes  {row['directory']}"
        print(printable(line))
    return 0
