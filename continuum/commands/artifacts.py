"""``continuum artifacts CONFIG``: list, check or download the files that it installs on nodes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from continuum.commands.run import load_all
from continuum.config.planner import load_modules, make_plan
from continuum.errors import UsageError
from continuum.model.config import Config
from continuum.modules.modules_in_use import Modules
from continuum.modules.plan import Plan
from continuum.software.artifacts import Artifact, architecture_of, folder
from continuum.software.artifacts.resolve import cache


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``continuum artifacts``."""
    parser.add_argument("config", type=Path, help="config file")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--check", type=Path, metavar="FOLDER", help="report missing and damaged files of a folder"
    )
    what.add_argument("--download", type=Path, metavar="FOLDER", help="download missing files into a folder")
    parser.add_argument(
        "--mirror", metavar="URL", help="mirror with one folder for each host that artifacts come from"
    )
    parser.add_argument("--json", action="store_true", help="print the list as JSON")


def execute(options: argparse.Namespace) -> int:
    """Check or download the artifacts of a config if requested, then list them."""
    (config,) = load_all([options.config])
    modules = load_modules(config)
    plan = make_plan(config, modules)
    needed = plan.artifacts
    where = options.check or options.download or config.infrastructure.path("artifact_dir")
    if options.download:
        _download(options, config, needed)
        _download_libraries(options.download, modules, plan)
    if options.check:
        _check(options, needed)
        _note_libraries(options.check, modules, plan)
    rows = [_row(artifact, _entries(where)) for artifact in needed]
    if options.json:
        print(json.dumps({"artifacts": rows, "packages": plan.packages}, indent=1))
    elif not where or where == config.infrastructure.path("artifact_dir"):
        print(_as_text(rows, plan.packages))
    return 0


def _check(options: argparse.Namespace, needed: Sequence[Artifact]) -> None:
    """Check a folder of artifacts.

    Raises:
        UsageError: files are missing or damaged; names each of them.
    """
    if faults := folder.check(options.check, needed):
        remedy = f"continuum artifacts {options.config} --download {options.check}"
        lines = [fault.message for fault in faults]
        raise UsageError("\n".join([*lines, f"to fix this on a machine with network access, run: {remedy}"]))
    for name in folder.rebuilt(options.check, needed):
        print(
            f"{options.check / name}: not the released file, but a rebuilt one",
            file=sys.stderr,
        )
    print(f"{options.check}: all {len(needed)} files are complete", file=sys.stderr)


def _download(options: argparse.Namespace, config: Config, needed: Sequence[Artifact]) -> None:
    from continuum.software.artifacts.download import Source
    from continuum.software.artifacts.fill import fill

    mirror = options.mirror or config.infrastructure.maybe_text("artifact_mirror") or ""
    added = fill(
        options.download,
        needed,
        Source(cache(), mirror),
        lambda line: print(f"{line}\n", end="", file=sys.stderr),
    )
    for artifact in added:
        if not artifact.sha256 and not artifact.digest:
            print(f"{artifact.file}: not verified: no checksum is known", file=sys.stderr)
    kept = len(needed) - len(added)
    print(f"{options.download}: {len(added)} files downloaded, {kept} already present", file=sys.stderr)


def _download_libraries(to: Path, modules: Modules, plan: Plan) -> None:
    """Export the Python libraries that workloads import, unless nodes share those of the host."""
    from continuum.software.artifacts import libraries

    if modules.provider.shares_host:
        return
    request = libraries.LibraryRequest(
        workloads=plan.workloads,
        architecture=architecture_of(plan.config),
        in_images=modules.resource_manager.runs_containers,
        mirror=plan.config.infrastructure.maybe_text("package_mirror"),
    )
    libraries.export(request, to, lambda line: print(line, file=sys.stderr))


def _note_libraries(there: Path, modules: Modules, plan: Plan) -> None:
    """Warn if the libraries of workloads are not in the folder."""
    from continuum.software.artifacts.libraries import FOLDER

    if not modules.provider.shares_host and plan.workloads and not (there / FOLDER).is_dir():
        print(
            f"{there}: contains no libraries of workloads; they will come from a package index",
            file=sys.stderr,
        )


def _entries(where: Path | None) -> Sequence[folder.Entry]:
    return folder.read(where) if where else ()


def _row(artifact: Artifact, entries: Sequence[folder.Entry]) -> dict[str, Any]:
    """An artifact as a row of the list; its size is None if the file is not in the folder."""
    entry = folder.find(artifact, entries)
    return {
        **vars(artifact),
        "file": entry.file if entry else artifact.file,
        "size_bytes": entry.size_bytes if entry else None,
    }


def _as_text(rows: Sequence[dict[str, Any]], packages: Sequence[str]) -> str:
    lines = []
    for row in rows:
        size = f", {row['size_bytes'] / 2**20:.1f} MiB" if row["size_bytes"] is not None else ""
        lines.append(f"{row['name']} {row['version']} ({row['kind']}, {row['architecture']}{size})")
        lines.append(f"  file    {row['file']}")
        lines.append(f"  from    {row['url'] or row['image'] or 'no download known; build it'}")
        known = (
            f"sha256  {row['sha256']}"
            if row["sha256"]
            else f"digest  {row['digest']}"
            if row["digest"]
            else ""
        )
        lines.append(f"  {known or 'sha256  unknown'}")
    if packages:
        lines.append(f"Debian packages, plus their dependencies: {', '.join(packages)}")
    return "\n".join(lines or ["this config installs no files on nodes"])
