"""TCP ports on a node that runs functions; all but one are fixed in OpenFaaS's programs."""

from __future__ import annotations

from typing import Final

GATEWAY: Final = 8080
GATEWAY_METRICS: Final = 8082
WATCHDOG_METRICS: Final = 8081
WATCHDOG: Final = 8085
"""Not the watchdog's default, which the gateway uses."""

TAKEN: Final = (GATEWAY, GATEWAY_METRICS, WATCHDOG_METRICS, WATCHDOG)
