"""Converts times since the start of watching to times since the first request. Pure."""

from __future__ import annotations

from dataclasses import replace

from continuum.model.fidelity import During


def since_first_request(during: During, first_after_s: float) -> During:
    """The same observations with other times.

    Args:
        during: observations with times since the start of watching.
        first_after_s: intended time of the first request since the start of watching.
    """
    return replace(
        during,
        readings=tuple(replace(one, at_s=one.at_s - first_after_s) for one in during.readings),
        disturbances=tuple(
            replace(one, at_s=max(0.0, one.at_s - first_after_s)) for one in during.disturbances
        ),
    )
