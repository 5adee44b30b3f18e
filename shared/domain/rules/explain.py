"""A veto, or what was done unasked, in a sentence a trader understands: a pure function of the rule
and its numbers.

What the rule is and why it exists stands in the book; here its numbers are said in the book's unit,
money in dollars. Rules whose number must stay above the limit (equity over a floor, time since the
last entry) are said that way round.
"""

from __future__ import annotations

from typing import Final

from shared.domain.rules.book import BOOK
from shared.units import SECOND, Lots, dollars

FAR: Final = 1 << 59  # beyond every amount: not known
ABOVE: Final = frozenset({"FLOOR", "DRAWDOWN", "REPEATED", "HOLDING", "DISK"})
"""Rules under which the actual number must stay above the limit."""
COUNTED: Final = {
    "one_exit": "{actual} at once, of which {limit} may be in flight",
    "NOT_AN_EXIT": "an exit of {actual} was in flight, and {limit} is left to close",
}
"""Deeds whose limit is no line that acts: what was counted, in words of their own."""


def sentence(rule: str, limit: int, actual: int, *, largest: Lots = 0, detail: str = "") -> str:
    """Why an order was refused: its headline, what the rule does, why it exists, how it ends."""
    text = headline(rule, limit, actual, largest=largest, detail=detail)
    entry = BOOK.get(rule)
    if entry is None:
        return text
    return f"{text} {entry.what} {entry.why} It ends with: {entry.clears}."


def headline(rule: str, limit: int, actual: int, *, largest: Lots = 0, detail: str = "") -> str:
    """The numbers of a refusal: `Trade risks too much: 156.66 dollars, allowed is at most ...`."""
    entry = BOOK.get(rule)
    if entry is None:
        return f"{rule}: {actual} where the limit is {limit}"
    text = entry.name
    if entry.unit:
        side = "at least" if rule in ABOVE else "at most"
        if rule in ("FLOOR", "DRAWDOWN"):
            side = "more than"
        if rule == "DAILY_LOSS":
            side = "less than"
        text += f": {spoken(entry.unit, actual)}, allowed is {side} {spoken(entry.unit, limit)}"
    if detail:
        text += f" ({detail})"
    text += "."
    return f"{text} {spoken('contracts', largest)} would pass." if largest else text


def deed(rule: str, limit: int, actual: int, *, largest: Lots = 0) -> str:
    """Why something was done unasked: its numbers, what the rule does and why, how it ends."""
    text = numbers(rule, limit, actual, largest=largest)
    entry = BOOK.get(rule)
    if entry is None:
        return text
    return f"{text} {entry.what} {entry.why} It ends with: {entry.clears}."


def numbers(rule: str, limit: int, actual: int, *, largest: Lots = 0) -> str:
    """`Session cap: -203.10 dollars, it acts at -200.00 dollars.`"""
    entry = BOOK.get(rule)
    if entry is None:
        return f"{rule}: {actual}, it acts at {limit}."
    text = entry.name
    if rule in COUNTED:
        text += f": {COUNTED[rule].format(actual=actual, limit=limit)}"
    elif entry.unit and (limit or actual):
        text += f": {spoken(entry.unit, actual)}"
        if limit != actual:
            text += f", {_acts(rule)} {spoken(entry.unit, limit)}"
    return f"{text}. {spoken('contracts', largest)} would pass." if largest else f"{text}."


def _acts(rule: str) -> str:
    """What the limit is to the number found."""
    return "after" if rule == "allocation" else "it acts at"


def spoken(unit: str, number: int) -> str:
    """A number in a unit of the book, for people."""
    if abs(number) >= FAR:
        return "an unknown amount"
    if unit == "usd":
        return f"{dollars(number)} dollars"
    if unit == "time":
        return f"{number / SECOND:.3f} s"
    if unit == "tenths":
        return f"{number / 10:.1f} minis"
    if unit == "bp":
        return f"{number / 100:.2f} %"
    if number == 1:
        return f"1 {unit.removesuffix('s')}"
    return f"{number} {unit}"
