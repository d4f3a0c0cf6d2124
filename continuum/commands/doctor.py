"""``continuum doctor``: check what this machine can do; shows the command that fixes each failed check."""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import asdict

from continuum.host import facts
from continuum.modules import registry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``continuum doctor``."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def execute(options: argparse.Namespace) -> int:
    """Print the checks of all modules. The exit status is 0, since not every config needs every check."""
    here = facts.read()
    findings = {
        f"{kind.replace('_', ' ')} {name}": list(module.doctor(here))
        for kind, name, module in registry.all_modules()
    }
    if options.json:
        print(
            json.dumps({name: [asdict(one) for one in found] for name, found in findings.items()}, indent=1)
        )
        return 0
    print(
        f"{platform.node()}: Linux {here.kernel} {here.machine}, {len(here.cpus)} CPUs, "
        f"{here.memory_mb} MiB, {'root' if here.is_root else f'user {here.user_id}'}"
    )
    for name, found in findings.items():
        if found:
            print(name)
        for one in found:
            print(f"  {'ok  ' if one.ok else 'FAIL'} {one.name}: {one.detail}")
            if one.remedy and not one.ok:
                print(f"       fix: {one.remedy}")
    return 0
