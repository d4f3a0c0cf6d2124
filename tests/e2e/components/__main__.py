"""``python -m tests.e2e.components FOLDER [NAME...]``: build artifacts for tests."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from tests.e2e.components import build, go
from tests.e2e.components.catalogue import COMPONENTS, GROUPS, PROGRAMS, SOURCES


def main() -> int:
    """Build what is asked for; 1 if something cannot be."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # compilers end with it
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.components", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="folder of artifacts to fill")
    parser.add_argument("names", nargs="*", help=f"{', '.join((*GROUPS, *COMPONENTS))}; default: cluster")
    parser.add_argument("--refresh", action="store_true", help="write go.mod and go.sum of all modules anew")
    chosen = parser.parse_args()
    try:
        if chosen.refresh:
            for module in sorted(path for path in SOURCES.iterdir() if path.is_dir()):
                go.refresh(module)
                print(f"{module}: go.mod and go.sum are up to date")
            go.refresh_workspace(PROGRAMS.values())
        if chosen.folder is None:
            return 0 if chosen.refresh else parser.error("name a folder to fill")
        started = time.monotonic()
        build.provide(chosen.folder, chosen.names)
    except go.ComponentError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{chosen.folder}: {', '.join(build.names(chosen.names))} after {time.monotonic() - started:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
