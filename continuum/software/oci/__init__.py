"""Container images as archives, built without a registry, a daemon or a container.

``layer`` builds layers, ``image`` assembles them into an archive for ``ctr images import`` and ``docker
load``, and ``archive`` reads such archives. Builds are reproducible: the same input gives the same bytes.
"""

from continuum.software.oci.archive import Archive, ArchiveError, references
from continuum.software.oci.extract_file import extract, program
from continuum.software.oci.image import Image, ImageConfig, thin, write
from continuum.software.oci.layer import Layer, from_files, from_tar
from continuum.software.oci.merge import merge

__all__ = [
    "Archive",
    "ArchiveError",
    "Image",
    "ImageConfig",
    "Layer",
    "from_files",
    "from_tar",
    "merge",
    "program",
    "references",
    "extract",
    "thin",
    "write",
]
