"""Members of enums under plain names, for what is asked at every order and every quote.

CPython 3.11 finds a member through its class in a fifth of a microsecond, which is as long as a
rule takes; a name of a module it finds at once. An order meets some forty of them.
"""

from __future__ import annotations

from typing import Final

from shared.events import (
    FeedState,
    OrderState,
    OrderType,
    Phase,
    Purpose,
    RiskLevel,
    VenueState,
)

ENTRY: Final = Purpose.ENTRY
QUOTE: Final = Purpose.QUOTE
EXIT: Final = Purpose.EXIT
MARKET: Final = OrderType.MARKET
LIMIT: Final = OrderType.LIMIT
STOP: Final = OrderType.STOP
UNKNOWN: Final = OrderState.UNKNOWN
SUSPENDED: Final = OrderState.SUSPENDED
ACTIVE: Final = RiskLevel.ACTIVE
REDUCE_ONLY: Final = RiskLevel.REDUCE_ONLY
FLATTENING: Final = RiskLevel.FLATTENING
OPEN: Final = Phase.OPEN
UP: Final = FeedState.UP
READY: Final = VenueState.READY
