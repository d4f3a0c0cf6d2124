"""Turns the events of a run into statistics."""
