"""Run Continuum from a checkout: ``python3 continuum.py CONFIG``."""

from continuum.cli import main

raise SystemExit(main())
