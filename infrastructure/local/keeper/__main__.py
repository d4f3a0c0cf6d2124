"""``python -I -S .../keeper/__main__.py SOCKET PLAN RUN``: start the keeper of a run."""

import sys

_folder = __file__.rpartition("/")[0]
_local = _folder.rpartition("/")[0]
# Imported by the name of its folder, so that the provider and its dependencies are not loaded.
sys.path[:0] = [_local, _local.rpartition("/infrastructure/")[0]]

from keeper.main import main  # type: ignore[import-not-found] # noqa: E402

main(sys.argv[1:])
