"""The book's rows for what the governor does by itself and no latch or veto names; see `book.py`.

A contract closed, an order withdrawn, a sleeve switched off for its conduct, a newcomer sent back:
each carries one of these rules, or that of the latch or veto behind it, as its grounds.
"""

from __future__ import annotations

from typing import Final

from shared.domain.rules.book_entry import Entry

ACTIONS: Final = (
    Entry(
        rule="unprotected",
        name="Held without a stop",
        what="Closes a contract whose stop has not worked at the venue for too long.",
        why="Nothing bounds what such a position may lose, least of all when we are gone.",
        clears="proof of flat in that contract",
        unit="time",
        settings=("risk_governor.unprotected_real_s",),
    ),
    Entry(
        rule="paused",
        name="Pause by a person",
        what="Withdraws what rests and could open risk; positions keep their stops.",
        why="Somebody wants nothing new for a while, without closing anything.",
        clears="a person starts again",
    ),
    Entry(
        rule="one_exit",
        name="One exit at a time",
        what="Withdraws the exit in flight, so that the later one takes its place.",
        why="Two exits at once could sell what is held twice.",
        clears="the fate of the earlier exit",
        unit="orders",
    ),
    Entry(
        rule="sleeve_fills",
        name="Filled without end",
        what="Closes a sleeve's risk and vetoes its entries: too many fills in a short time.",
        why="What trades without end is broken, and pays for it with every fill.",
        clears="a person",
        unit="fills",
        settings=(
            "risk_governor.pretrade.fills_per_window", "risk_governor.pretrade.fills_window_s",
        ),
    ),
    Entry(
        rule="sleeve_births",
        name="Crash loop",
        what="Closes a sleeve's risk and vetoes its entries: it keeps dying and coming back.",
        why="A program that cannot live five minutes knows nothing of what it holds.",
        clears="a person",
        unit="lives",
        settings=(
            "risk_governor.pretrade.births", "risk_governor.pretrade.births_window_real_s",
        ),
    ),
    Entry(
        rule="swap",
        name="Flat before a swap",
        what="Closes a sleeve's risk before its newcomer trades, as asked for.",
        why="A newcomer without positions inherits no mistake.",
        clears="a person",
    ),
    Entry(
        rule="removed",
        name="Sleeve removed",
        what="Closes a sleeve's risk and lets nobody speak for it, as asked for.",
        why="What nobody answers for must not hold anything.",
        clears="a person, by adding it again",
    ),
    Entry(
        rule="probation",
        name="Newcomer sent back",
        what="Gives a sleeve back to the owner before, because the newcomer failed.",
        why="Who is refused again and again, pauses, dies or falls silent is no better owner.",
        clears="another swap",
        unit="orders",
        settings=("swap.vetoes", "swap.probation_real_s"),
    ),
)  # fmt: skip
