"""Measures what links really do."""
