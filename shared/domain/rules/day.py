"""The layers of a day's loss, strictest inside, on plain integers.

Money is micro-dollars. A session net is the balance less the balance the session began with, plus
open profit, fees paid; whoever wants to act earlier subtracts its cost of leaving before asking. A
limit of 0 is one that is not enabled. Touching a limit counts as reaching it, as the firm counts.

The shares (half, nine tenths) hold for the *effective* limit: the smallest daily limit enabled. The
session cap is none of them: it ends a segment, not the day.
"""

from __future__ import annotations

from typing import Final

from shared.units import Micros

HALF: Final = (1, 2)  # recovery mode begins
NINE_TENTHS: Final = (9, 10)  # soft stop of the firm's limit; emergency stop of the effective one
APPROACH_TENTHS: Final = 1  # of the maximum loss left above the floor: scale down


def smaller_limit(first: Micros, second: Micros) -> Micros:
    """The smaller of two limits of which 0 means none; 0 when neither is enabled."""
    if first <= 0:
        return second if second > 0 else 0
    return first if second <= 0 or first < second else second


def limit_is_reached(net: Micros, limit: Micros) -> bool:
    """Whether a net loss is at or beyond an enabled limit; never for 0."""
    return limit > 0 and net <= -limit


def share_is_lost(net: Micros, limit: Micros, share: tuple[int, int]) -> bool:
    """Whether a net loss reached a share (numerator, denominator) of an enabled limit."""
    return limit > 0 and net * share[1] <= -limit * share[0]


def needs_recovery(net: Micros, effective: Micros) -> bool:
    """Half of the effective limit is lost: half size, only the best sleeves, to the day's end."""
    return share_is_lost(net, effective, HALF)


def is_emergency(net: Micros, effective: Micros) -> bool:
    """Nine tenths of the effective limit are lost: flatten and halt to the day's end."""
    return share_is_lost(net, effective, NINE_TENTHS)


def share_of(limit: Micros, share: tuple[int, int]) -> Micros:
    """The loss at which a share of a limit is reached; rounded so that it acts no later."""
    return limit * share[0] // share[1]


def approaches_floor(equity: Micros, floor: Micros, maximum_loss: Micros) -> bool:
    """Whether a tenth of the maximum loss, or less, lies between equity and floor."""
    return (equity - floor) * 10 <= maximum_loss * APPROACH_TENTHS


def session_net(equity: Micros, opened: Micros) -> Micros:
    """Net of a session, or of a segment of it, that began with the balance `opened`."""
    return equity - opened
