"""Orders that rest before the governor, and the ways a sleeve asks to change them."""

from __future__ import annotations

from typing import Any

from shared.events import Event, OrderState
from tests.governor_stage import BUY, Stage, passed, wide

QUOTED, MOVED = 24_000, 23_999


def resting(**limits: Any) -> tuple[Stage, str]:
    """A maker's bid rests at 24,000."""
    stage = Stage(wide(**limits)).opened()
    return stage, rest(stage, BUY, QUOTED)


def rest(stage: Stage, side: Any, price: int) -> str:
    order = passed(stage.quote_order(side, price))
    stage.update(order, OrderState.WORKING)
    return order.intent_id


def held(**limits: Any) -> tuple[Stage, str]:
    """Two MNQ bought at 84,001 under a stop 40 ticks away: 40 dollars and what leaving costs."""
    stage = Stage(wide(**limits)).opened()
    entry = stage.bought("trend", 2)
    stage.wait(0.25)
    return stage, entry.intent_id + "-SL"


def loosened(stage: Stage, leg: str, ticks: int = 60) -> Event | None:
    """The stop moved to so many ticks below the entry."""
    return stage.modify("trend", leg, stop_price=84_001 - ticks)
