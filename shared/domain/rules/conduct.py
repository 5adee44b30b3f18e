"""How much and how fast one may trade without looking like abuse, on plain integers.

The firm names the conduct (bulk trading in seconds, orders that are never meant to fill) and few
numbers; what counts as much is therefore the caller's. Durations are nanoseconds. A ratio is not
judged before there is enough to judge.
"""

from __future__ import annotations

from typing import Final

from shared.units import Lots, Nanos

QUIET: Final = 0
NOTIFY: Final = 1
VETO: Final = 2


def contracts_verdict(traded: Lots, notify: Lots, veto: Lots) -> int:
    """QUIET, NOTIFY or VETO for the contracts traded in a day, the next order's counted.

    At `notify` a person is told; at `veto` still passes, one contract more does not.
    """
    if traded > veto:
        return VETO
    return NOTIFY if traded >= notify else QUIET


def holds_too_briefly(held: Nanos, trades: int, least: Nanos, judged: int) -> bool:
    """Whether `trades` round trips held `held` in all, on average less than `least`.

    Never for fewer than `judged` trades.
    """
    return trades >= judged and held < trades * least


def messages_allowed(free: int, each: int, traded: Lots) -> int:
    """Orders, changes and cancels that a day bears: some for nothing, more with what is traded."""
    return free + each * traded
