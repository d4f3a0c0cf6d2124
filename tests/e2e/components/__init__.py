"""Kubernetes and what goes with it, built from published Go modules for tests on machines without internet.

``catalogue`` says what there is, ``go`` builds programs, ``images`` packs them, ``build`` keeps the results
and puts them into a folder of artifacts.
"""

from tests.e2e.components.build import known, names, provide
from tests.e2e.components.go import ComponentError, LackError

__all__ = ["ComponentError", "LackError", "known", "names", "provide"]
