"""TCP ports on a node that runs functions; all but one are as OpenFaaS's programs have them built in."""

from __future__ import annotations

from typing import Final

GATEWAY: Final = 8080
GATEWAY_METRICS: Final = 8082
WATCHDOG_METRICS: Final = 8081
WATCHDOG: Final = 8085
"""Of our choice: the gateway has the watchdog's usual one."""

TAKEN: Final = (GATEWAY, GATEWAY_METRICS, WATCHDOG_METRICS, WATCHDOG)
