"""Frozen data that every other room uses."""
