"""Units: every number that crosses a process is an integer with one of these meanings.

Prices are counted in the contract's own ticks, sizes in contracts, money in micro-dollars (1e-6 $),
instants and durations in nanoseconds (instants since the Unix epoch, UTC). Floats lose cents over a
day of additions and differ between machines; integers do neither, so a replay is equal bit for bit.
Decimals exist at two edges only: the venue's JSON (`shared/venue/translate.py`) and the screen.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

Ticks = int  # a price, in ticks of its contract
Lots = int  # contracts; signed where a docstring says so
Micros = int  # money, 1e-6 dollars
Nanos = int  # an instant (UTC, since 1970) or a duration

USD: Final = 1_000_000
MILLISECOND: Final = 1_000_000
SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


def micros(dollars: str | int | Decimal) -> Micros:
    """Dollars to micro-dollars, exactly. Raises ValueError for floats, NaN, a seventh decimal."""
    if isinstance(dollars, float):
        raise ValueError(
            f"money was given as a float ({dollars!r}); write it as text or an integer"
        )
    try:
        scaled = Decimal(dollars) * USD
    except InvalidOperation:
        raise ValueError(f"money was {dollars!r}, which is not a number") from None
    if not scaled.is_finite() or scaled != scaled.to_integral_value():
        raise ValueError(f"money was {dollars!r}, which is not a whole number of micro-dollars")
    return int(scaled)


def dollars(amount: Micros) -> str:
    """Micro-dollars for people: `-1,234.56`; a rest below a cent is rounded half to even."""
    return f"{Decimal(amount) / USD:,.2f}"
