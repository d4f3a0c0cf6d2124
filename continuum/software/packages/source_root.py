"""Where the code of a workload is on this host: in Continuum's own tree, or in an installed distribution."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def source_root(module: str, root: Path) -> Path:
    """The folder that a module's top-level package or file is in.

    Args:
        module: its dotted name.
        root: the folder to look in first; the path of this interpreter comes second.
    """
    top = module.partition(".")[0]
    if (root / top).is_dir() or (root / f"{top}.py").is_file():
        return root
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        return root
    return Path(spec.origin).parents[1 if spec.submodule_search_locations else 0]
