"""What one row of the book of rules says; see `book.py`."""

from __future__ import annotations

from msgspec import Struct


class Entry(Struct, frozen=True, kw_only=True):
    """One rule. `unit`: of limit and actual (usd, ticks, contracts, tenths, orders, trades, time,
    bp (hundredths of a percent), percent, mebibytes, messages, fills, lives, or empty where the
    numbers say nothing).
    """

    rule: str
    name: str
    what: str
    why: str
    clears: str
    unit: str = ""
    settings: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
