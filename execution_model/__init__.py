"""Execution models, one folder each."""
