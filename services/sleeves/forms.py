"""The form of what an author says: whole numbers, words, affordable sizes. A bad one is a bug.

An event is not checked when it is made, and one with half a contract, a NumPy integer or a list for
a reason would be caught by whoever hears it, or by the journal, far from the line that caused it.
So every verb looks at its arguments first and raises where the author sees it: the sleeve is
paused with the sentence, nothing was said.
"""

from __future__ import annotations

from typing import Final

from shared.contracts import product_of
from shared.units import USD, Lots, Micros, Ticks

TEXT_MAX: Final = 200
NUMBER_MAX: Final = 1 << 53  # beyond it not even a float knows it; the wire carries 64 bits


def whole(**values: object) -> None:
    """Raises ValueError naming the first that is neither None nor a plain whole number of a size
    that can be carried.
    """
    for name, value in values.items():
        if value is not None and type(value) is not int:
            raise ValueError(f"{name} was {value!r}, expected a whole number")
        if value is not None and not -NUMBER_MAX <= value <= NUMBER_MAX:
            raise ValueError(f"{name} was beyond {NUMBER_MAX}, which nobody can mean")


def well_formed(
    size: Lots,
    least: Lots,
    *,
    limit: Ticks | None,
    stop: Ticks | None,
    sl_ticks: int | None,
    tp_ticks: int | None,
) -> None:
    """Raises ValueError for a form no venue knows."""
    whole(size=size, least=least, limit=limit, stop=stop, sl_ticks=sl_ticks, tp_ticks=tp_ticks)
    if size < 1:
        raise ValueError(f"size was {size}, expected at least 1")
    if not 0 <= least <= size:
        raise ValueError(f"least was {least}, expected 0 to {size}")
    if limit is not None and stop is not None:
        raise ValueError("limit and stop were both given; a stop-limit order is not offered")
    for name, distance in (("sl_ticks", sl_ticks), ("tp_ticks", tp_ticks)):
        if distance is not None and distance < 1:
            raise ValueError(f"{name} was {distance}, expected at least 1")


def spoken(text: str) -> str:
    """Its beginning. Raises ValueError for what is no text."""
    if type(text) is not str:
        raise ValueError(f"a word for people was {text!r}, expected text")
    return text[:TEXT_MAX]


def finite(value: float) -> float:
    """As a float. Raises ValueError for what is not a number or without end."""
    number = float(value)
    if number - number != 0:
        raise ValueError(f"a figure for people was {number}")
    return number


def affordable(risk: float, sl_ticks: int | None, tick_micros: Micros, contract: str) -> Lots:
    """Contracts whose stop and fees of both sides lose at most `risk` dollars. Raises ValueError
    without a stop, for a risk that is no number, and for a product whose fees nobody knows.
    """
    whole(sl_ticks=sl_ticks)
    if sl_ticks is None or sl_ticks < 1:
        raise ValueError(f"sl_ticks was {sl_ticks}; a size by risk needs a stop")
    each = sl_ticks * tick_micros + 2 * product_of(contract).fee_side_micros
    return max(0, int(finite(risk) * USD // each))
