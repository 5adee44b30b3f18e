"""What a sleeve's conduct is told, and what only a person may forgive it.

Fills without end and lives without end switch the sleeve off: its entries are vetoed, its risk is
closed, the other sleeves go on.
"""

from __future__ import annotations

from typing import Final

from services.risk_governor.conduct import Conduct
from services.risk_governor.latches import switch_off, switched_off
from services.risk_governor.state import Mind, product
from shared.events import Fill, Grounds, Purpose
from shared.units import SECOND, Lots, Micros, Nanos

UNTRIED: Final = Conduct()
"""Of a sleeve that did nothing today; never changed."""


def conduct_of(mind: Mind, sleeve: str) -> Conduct:
    """A sleeve's conduct, its counts those of today."""
    state = mind.state
    found = state.conduct.get(sleeve)
    if found is None:
        found = state.conduct[sleeve] = Conduct()
    return found if found.day == state.day else found.on(state.day)


def seen_of(mind: Mind, sleeve: str) -> Conduct:
    """A sleeve's counts of today for one who only looks, and begins no day by that."""
    found = mind.state.conduct.get(sleeve)
    return UNTRIED if found is None or found.day != mind.state.day else found


def on_birth(mind: Mind, now_ns: Nanos, sleeve: str) -> None:
    """A sleeve came up again; the third time within the window it stays down."""
    given, real_ns = mind.limits.given.pretrade, mind.state.real_ns
    window_ns = int(given.births_window_real_s * SECOND)
    conduct = conduct_of(mind, sleeve)
    lives = conduct.born(real_ns, window_ns)
    if lives >= given.births and switched_off(mind, sleeve) is None:
        conduct.births_real_ns.clear()
        span = f"{given.births_window_real_s:.0f} s"
        switch_off(
            mind, now_ns, sleeve, f"{sleeve} came up {lives} times within {span}",
            grounds=Grounds(rule="sleeve_births", limit=given.births, actual=lives),
        )  # fmt: skip


def on_part(mind: Mind, now_ns: Nanos, fill: Fill, part: tuple[str, Lots]) -> None:
    """One owner's part of a fill was booked: its counts, its trade, its pace. Of a hand, and of a
    sleeve that is gone, the contracts count alone: the firm counts the account's."""
    owner, lots = part
    if fill.voided:
        return
    conduct, contract = conduct_of(mind, owner), fill.contract
    conduct.traded += lots if lots > 0 else -lots
    if owner not in mind.settings.sleeves:
        return
    held = mind.state.ledger.held(owner, contract)
    worth, before = worth_of(mind, owner, contract), held - lots
    if before * held <= 0 and before:
        conduct.closed(contract, fill.venue_ns, worth)
    if before * held <= 0 and held:
        conduct.opened(contract, fill.venue_ns, worth if before else worth + fill.fee)
    if fill.purpose is not Purpose.ENTRY and fill.purpose is not Purpose.QUOTE:
        return
    given = mind.limits.given.pretrade
    count = conduct.filled(now_ns, int(given.fills_window_s * SECOND))
    if count > given.fills_per_window and switched_off(mind, owner) is None:
        conduct.fills_ns.clear()
        span = f"{given.fills_window_s:.0f} s"
        switch_off(
            mind, now_ns, owner, f"{owner} was filled {count} times within {span}",
            grounds=Grounds(rule="sleeve_fills", limit=given.fills_per_window, actual=count),
        )  # fmt: skip


def worth_of(mind: Mind, owner: str, contract: str) -> Micros:
    """What a book has realised, fees paid."""
    book = mind.state.ledger.book(owner, contract)
    return book.position.realised * product(contract).tick_micros - book.fees
