"""The book's rows for latches: why the governor is not ACTIVE, and what ends it; see `book.py`."""

from __future__ import annotations

from typing import Final

from shared.domain.rules.book_entry import Entry

_DAY: Final = "17:00 CT, with proof of flat and a reconciled balance"

LATCHES: Final = (
    Entry(
        rule="floor",
        name="The firm's floor",
        what="Flattens and halts for good: equity touched the maximum-loss floor.",
        why="The firm ends the account there; nothing may be traded on it any more.",
        clears="a new account",
        unit="usd",
        facts=("maximum_loss",),
    ),
    Entry(
        rule="drawdown",
        name="Drawdown kill",
        what="Flattens and halts: equity fell the set distance below the best end of day.",
        why="It acts before the firm's floor can.",
        clears="a person, once equity is above the level again",
        unit="usd",
        settings=("risk_governor.drawdown_kill",),
        facts=("maximum_loss",),
    ),
    Entry(
        rule="daily_loss",
        name="Daily loss",
        what="Flattens and halts for the day.",
        why="A lost day ends before the firm's own limit does it.",
        clears=_DAY,
        unit="usd",
        settings=("risk_governor.daily_loss", "risk_governor.exit_allowance_ticks"),
        facts=("daily_loss",),
    ),
    Entry(
        rule="operator",
        name="Halt by a person",
        what="Halts, or flattens and halts, because somebody asked for it.",
        why="A person has the last word on stopping.",
        clears="a person, with who and why",
    ),
    Entry(
        rule="session",
        name="End of the trading day",
        what="Flattens from 15:05 CT, or five minutes before the flat-by time of an early close.",
        why="The firm liquidates what is held at 15:10 CT.",
        clears="the next open",
        unit="time",
        settings=("session.flatten_before_s", "session.flat_before_s"),
    ),
    Entry(
        rule="new_day",
        name="Day not begun",
        what="No entries until the new trading day has its reconciled balance.",
        why="A day measured from a wrong balance has wrong limits.",
        clears=_DAY,
    ),
    Entry(
        rule="restart",
        name="After a restart",
        what="No entries until books and venue were compared.",
        why="The world went on while nobody looked.",
        clears="the router's next complete comparison",
    ),
    Entry(
        rule="clock",
        name="The clock jumped",
        what="No entries until everything was asked for again.",
        why="The computer slept: no belief from before is fresh.",
        clears="the router's next complete comparison",
    ),
    Entry(
        rule="difference",
        name="Books and venue differ",
        what="No entries; unexplained for too long, the account is flattened.",
        why="The venue is right about positions, and a stranger's position is a risk.",
        clears="the router's next complete comparison",
        settings=("risk_governor.difference_grace_s",),
    ),
    Entry(
        rule="blind",
        name="A position without a market",
        what="Flattens what cannot be valued any more.",
        why="Nobody knows what it is losing.",
        clears="the feed is up",
        settings=("risk_governor.blind_grace_s",),
    ),
    Entry(
        rule="recalled",
        name="Halt of an earlier life",
        what="Keeps a halt that was found in the journal after code or settings changed.",
        why="A restart never loosens a halt.",
        clears="what the earlier halt said",
    ),
)
