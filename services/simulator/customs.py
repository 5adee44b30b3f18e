"""Where the venue's ways are not known, or differ: what the core does about it, in one place.

The values come from `[simulator]` and `[simulator.customs]` (`docs/simulator.md` says what each
means and why its default is what it is). Everything here has a default, so that a small exchange in
a test needs none of them.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from shared.sections import Simulator

FOLLOWER: Final = "follower"
LIVE: Final = "live"


class Customs(Struct, frozen=True, kw_only=True):
    """`access`: accounts that are not the caller's own, by name: follower or live."""

    stop_limit: bool = False
    unsigned_ticks: bool = False
    cap_counts_working: bool = True
    cancel_over: int = 5
    modify_over: int = 3
    leg_cancelled: str = "alone"
    leg_size: str = "refused"
    legs_open: str = "growing"
    legs_when_flat: str = "stay"
    tag_length_max: int = 1_000
    reversal_id: str = "kept"
    over_action: int = 1
    hours_text: str = "current"
    day_bars: str = "session"
    second_bars: bool = True
    query_page: int = 100
    query_page_max: int = 500
    access: dict[str, str] = {}

    def is_live(self, name: str) -> bool:
        """Whether the account of that name trades real money: the interface does not serve it."""
        return self.access.get(name) == LIVE


def customs_of(wish: Simulator) -> Customs:
    asked = wish.customs
    return Customs(
        stop_limit=wish.stop_limit,
        unsigned_ticks=wish.unsigned_bracket_ticks,
        cap_counts_working=wish.cap_counts_working,
        cancel_over=asked.cancel_over,
        modify_over=asked.modify_over,
        leg_cancelled=asked.leg_cancelled,
        leg_size=asked.leg_size,
        legs_open=asked.legs_open,
        legs_when_flat=asked.legs_when_flat,
        tag_length_max=asked.tag_length_max,
        reversal_id=asked.reversal_id,
        over_action=asked.over_action,
        hours_text=asked.hours_text,
        day_bars=asked.day_bars,
        second_bars=asked.second_bars,
        query_page=asked.query_page,
        query_page_max=asked.query_page_max,
        access={one.name: one.access for one in wish.accounts if one.access != "own"},
    )
