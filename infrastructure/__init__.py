"""Providers, one folder each."""
