"""``continuum image build --provider NAME``: build the base image that nodes of a provider start from."""

from __future__ import annotations

import argparse
import sys
import time

from continuum.host import facts
from continuum.modules import registry
from continuum.software import debian_image
from continuum.software.debian_image import ImageRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``continuum image``."""
    parser.add_argument("action", choices=("build",), help="what to do")
    parser.add_argument("--provider", required=True, help="provider that uses the image")
    parser.add_argument(
        "--name", help="name or path of the image (default: the one that nodes use by default)"
    )
    parser.add_argument(
        "--suite", default=debian_image.SUITE, help="release of Debian (default: %(default)s)"
    )
    parser.add_argument("--mirror", help="Debian mirror")
    parser.add_argument(
        "--package", action="append", default=[], metavar="NAME", help="additional Debian package"
    )


def execute(options: argparse.Namespace) -> int:
    """Build the image; prints its name on standard output."""
    begin = time.monotonic()
    request = ImageRequest(
        host=facts.read(),
        name=options.name,
        suite=options.suite,
        mirror=options.mirror,
        packages=tuple(options.package),
        say=lambda text: print(text, file=sys.stderr),
    )
    name = registry.provider(options.provider).build_image(request)
    print(f"image built in {time.monotonic() - begin:.0f} s", file=sys.stderr)
    print(name)
    return 0
