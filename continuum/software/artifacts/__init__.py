"""The files that modules install on nodes: which a config needs, whether they are there, how they are got.

``table`` reads a module's ``versions.yml``, ``folder`` a folder of such files with its manifest, ``download``
fetches what is not there, ``obtain`` hands a run the path of each.
"""

from continuum.software.artifacts.artifact import Artifact, architecture_of
from continuum.software.artifacts.resolve import problems, resolve
from continuum.software.artifacts.table import check_version, known, versions

__all__ = [
    "Artifact",
    "architecture_of",
    "check_version",
    "known",
    "problems",
    "resolve",
    "versions",
]
