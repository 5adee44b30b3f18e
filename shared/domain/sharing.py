"""A contract that several sleeves trade at once: whose a trade is, and where the one stop stands.

The venue knows one net position. Inside, every sleeve has a book of its own; the books add up to
the net after every trade, because a trade of a sleeve's own order is that sleeve's alone, and every
other trade (the net stop, a flatten, a hand) is handed out by `allocate`, which sums to the trade
by construction. Both the router (which books) and the governor (which judges) use this file, so
that neither can hold another opinion.

Used only where sleeves share; a contract with one owner comes here for `is_whole` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shared.events import Fill, Purpose
from shared.units import Lots, Ticks

HAND: Final = ""  # the owner of what was made by hand, in the router's books
PARTS: Final = 10**13  # ids of a trade's parts lie so far apart; the venue's own are far smaller
VIRTUAL: Final = 10**15  # ids below minus this are of no venue's trade: made up by the router
WHOLE: Final = "inherited."  # begins the tag of a fill that is all there is of its contract
INSIDE: Final = frozenset({Purpose.ENTRY, Purpose.EXIT})  # of made-up trades: a crossing's


def allocate(
    shares: Mapping[str, Lots], signed: Lots, rest_to: str
) -> tuple[tuple[str, Lots], ...]:
    """(owner, signed lots) of a trade that was no sleeve's own order; the lots add up to `signed`.

    A trade that leaves nothing at the venue leaves nothing in any book: whoever was on its other
    side is closed against the rest at its price. Otherwise it closes what lies against it, in the
    order in which the owners came, what was made by hand last; what is left is `rest_to`'s.
    """
    net = sum(shares.values())
    if net and net + signed == 0:
        return tuple((owner, -lots) for owner, lots in _hand_last(shares) if lots)
    parts: list[tuple[str, Lots]] = []
    left = signed
    for owner, lots in _hand_last(shares):
        if lots * left < 0:
            size = min(abs(lots), abs(left))
            parts.append((owner, size if left > 0 else -size))
            left -= parts[-1][1]
    if left:
        had = dict(parts)
        had[rest_to] = had.get(rest_to, 0) + left
        parts = list(had.items())
    return tuple(parts)


def _hand_last(shares: Mapping[str, Lots]) -> list[tuple[str, Lots]]:
    hands = [(owner, lots) for owner, lots in shares.items() if owner == HAND]
    return [(owner, lots) for owner, lots in shares.items() if owner != HAND] + hands


def stop_after(
    stop: Ticks | None, before: Lots, signed: Lots, *, price: Ticks, distance: Ticks
) -> Ticks | None:
    """Where a book's stop stands after a fill: `distance` from the fill's price, or where it stood
    if that is nearer to the market; an exit moves nothing; None for a flat book.
    """
    after = before + signed
    if not after:
        return None
    if before * after > 0 and abs(after) <= abs(before):
        return stop
    sign = 1 if after > 0 else -1
    wished = max(1, price - sign * distance)
    if stop is None or before * after <= 0:
        return wished
    return max(stop, wished) if sign > 0 else min(stop, wished)


def net_stop(shares: Mapping[str, Lots], stops: Mapping[str, Ticks]) -> Ticks | None:
    """The tightest stop of those on the net position's side; None when none of them has one."""
    net = sum(shares.values())
    held = [stops[owner] for owner, lots in shares.items() if lots * net > 0 and owner in stops]
    if not held:
        return None
    return max(held) if net > 0 else min(held)


def part_id(trade_id: int, index: int) -> int:
    """The id of a trade's part: its own, the negative one, then such as no venue gives."""
    if index == 0:
        return trade_id
    return (-trade_id if trade_id > 0 else trade_id - 1) - (index - 1) * PARTS


def trade_of(part: int) -> int:
    """The venue's trade behind a part's id. Raises ValueError for a made-up trade's."""
    if part <= -VIRTUAL:
        raise ValueError(f"{part} is of no venue's trade")
    return part if part > 0 else -part % PARTS


def is_whole(fill: Fill) -> bool:
    """Whether a fill is all there is of its contract: made up for a position that a router without
    a memory found and a person adopted. Whatever books hold of it beside is void.
    """
    return fill.trade_id <= -VIRTUAL and fill.tag.startswith(WHOLE)


def is_first_half(fill: Fill) -> bool:
    """Whether a fill is the first of the two of a crossing: until the second, which the router says
    with it, the books do not add up to the venue's net position.
    """
    inside = fill.trade_id <= -VIRTUAL and fill.purpose in INSIDE
    return inside and (-fill.trade_id - VIRTUAL) % 2 == 0


def midpoint(bid: Ticks, ask: Ticks, exit_side: int) -> Ticks:
    """The price of a crossing: the middle of the quote; between two ticks the one better for the
    exit, which did not choose to wait.
    """
    return (bid + ask + (1 if exit_side < 0 else 0)) // 2


def index_of(part: int) -> int:
    """Which part of its trade an id is; 0 for a trade's first part."""
    return 0 if part > 0 else 1 + -part // PARTS
