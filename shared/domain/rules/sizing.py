"""What a position or an order may cost at its worst, and how large it may be, on plain integers.

Money is micro-dollars, prices and distances are ticks, sizes contracts. A working order counts as
filled whenever that is worse: the exposures below are what could be held, not what is.
"""

from __future__ import annotations

from typing import Final

from shared.units import Lots, Micros, Ticks

WHOLE: Final = 10_000  # basis points


def exposure(position: Lots, buys: Lots, sells: Lots) -> tuple[Lots, Lots]:
    """(long, short) contracts at worst: every working buy fills and no sell, and the reverse.

    Both are counts, never negative. Protective legs do not belong in `buys` and `sells`.
    """
    long, short = position + buys, sells - position
    return (long if long > 0 else 0), (short if short > 0 else 0)


def entry_cost(stop: Ticks, slippage: Ticks, tick_micros: Micros, fee_side: Micros) -> Micros:
    """Loss of one contract entered and stopped out: distance, slippage, both fees."""
    return (stop + slippage) * tick_micros + 2 * fee_side


def gap_ticks(price: Ticks, stress: int, percent: int) -> Ticks:
    """A gap of `percent` of a stress (basis points of the price); rounded up."""
    return -(-price * stress * percent // (WHOLE * 100))


def held_cost(distance: Ticks, slippage: Ticks, tick_micros: Micros, fee_side: Micros) -> Micros:
    """Loss of one held contract from the mark to its stop: distance, slippage, the exit's fee.

    A stop beyond the mark (negative distance) costs no distance; its profit is not counted.
    """
    return ((distance if distance > 0 else 0) + slippage) * tick_micros + fee_side


def largest_size(budget: Micros, cost: Micros) -> Lots:
    """How many contracts of `cost` each a budget bears; 0 when it bears none."""
    assert cost > 0, "Invariant: a contract at risk costs something"
    return budget // cost if budget > 0 else 0


def price_distance(price: Ticks, bid: Ticks, ask: Ticks) -> Ticks:
    """How far a price lies outside the spread; 0 inside it."""
    if price < bid:
        return bid - price
    return price - ask if price > ask else 0


def resting_price(price: Ticks, side: int, bid: Ticks, ask: Ticks) -> Ticks:
    """Where an order on `side` (+1 buy) meant for `price` rests: there, or at the nearest price at
    which it does not trade at once."""
    if side > 0:
        return price if price < ask else ask - 1
    return price if price > bid else bid + 1


def exit_room(position: Lots, side: int, closing: Lots) -> Lots:
    """How many contracts on `side` (+1 buy) still only reduce `position`.

    `closing`: contracts of exits already working or of unknown outcome.
    """
    if position * side >= 0:
        return 0
    room = abs(position) - closing
    return room if room > 0 else 0


def group_loss(long: Micros, short: Micros, move: int) -> Micros:
    """What a group loses when all of it moves by `move` basis points at once, no stop filled: the
    worse of its sides, each stated as what it is worth."""
    return (long if long > short else short) * move // WHOLE


def margin(lots: Lots, price: Ticks, tick_micros: Micros, share: int) -> Micros:
    """What so many contracts tie up: `share` basis points of what they are worth."""
    return lots * price * tick_micros * share // WHOLE


def halved(limit: Lots) -> Lots:
    """A size in recovery: half of it, and always one."""
    return limit // 2 if limit > 1 else 1
