"""Sentinel probes: a few packets a second between tiers, whose delays are compared with the intended ones."""
