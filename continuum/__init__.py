"""Continuum: deploy, emulate and benchmark the compute continuum from one config file."""

from __future__ import annotations

__version__ = "0.1.0"
