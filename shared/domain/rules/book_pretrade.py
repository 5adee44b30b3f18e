"""The book's rows for what an order is asked beside its size and loss; see `book.py`."""

from __future__ import annotations

from typing import Final

from shared.domain.rules.book_entry import Entry

ASKED = "risk_governor.pretrade."

PRETRADE: Final = (
    Entry(
        rule="ORDER_TYPE",
        name="Order type not allowed",
        what="Refuses types of order that are not on the list.",
        why="A type nobody has tried here behaves as nobody expects.",
        clears="an order of an allowed type",
        settings=(ASKED + "order_types",),
    ),
    Entry(
        rule="REPEATED",
        name="The same entry again",
        what="Refuses a second entry of one sleeve in one contract on one side within the window.",
        why="One signal makes one order; a loop makes a hundred.",
        clears="the window moves on",
        unit="time",
        settings=(ASKED + "repeat_s",),
    ),
    Entry(
        rule="ACCOUNT_RATE",
        name="All sleeves too fast",
        what="Refuses more orders of all sleeves together in the window than allowed.",
        why="Four sleeves in a loop spend the venue's request budget as one does.",
        clears="the window moves on",
        unit="orders",
        settings=(ASKED + "account_orders_per_window", "risk_governor.window_s"),
    ),
    Entry(
        rule="MESSAGES",
        name="Much asked, little traded",
        what="Counts a sleeve's orders, changes and cancels of the day against what it traded.",
        why="Orders that are not meant to fill are spoofing; the firm forbids it.",
        clears="a trade, or 17:00 CT",
        unit="messages",
        settings=(ASKED + "messages_free", ASKED + "messages_per_contract"),
    ),
    Entry(
        rule="SLEEVE_OFF",
        name="Sleeve is switched off",
        what="Refuses entries of a sleeve that was switched off: it lost its share, was filled too"
        " often or died too often.",
        why="What a sleeve did wrong it would do again; the others go on.",
        clears="an operator resumes the sleeve",
        settings=(
            ASKED + "fills_per_window",
            ASKED + "fills_window_s",
            ASKED + "births",
            ASKED + "births_window_real_s",
        ),
    ),
    Entry(
        rule="CONTRACTS_PER_DAY",
        name="Day's contracts used up",
        what="Counts the contracts the account traded today, those that work and this order's.",
        why="The firm reviews accounts that trade in bulk.",
        clears="a smaller order, or 17:00 CT",
        unit="contracts",
        settings=(ASKED + "contracts_per_day",),
    ),
    Entry(
        rule="HOLDING",
        name="Held for seconds only",
        what="Ends a sleeve's quotes when it held its positions too briefly on average.",
        why="The firm forbids scalping in seconds and in bulk.",
        clears="17:00 CT",
        unit="time",
        settings=(ASKED + "hold_s", ASKED + "hold_trips"),
    ),
    Entry(
        rule="UNKNOWN_ORDERS",
        name="Too many unknown outcomes",
        what="Refuses entries while more orders than allowed have an unknown outcome.",
        why="Each is counted at its worst; many mean that nobody knows the venue.",
        clears="their outcomes are found",
        unit="orders",
        settings=(ASKED + "unknown_orders",),
    ),
    Entry(
        rule="UNPROTECTED",
        name="No stop under what is held",
        what="Refuses to add to a position whose stop does not work at the venue yet.",
        why="Twice as much without a stop is not twice as good.",
        clears="the stop works",
    ),
    Entry(
        rule="SELF_MATCH",
        name="Would trade with ourselves",
        what="Refuses an order that reaches a resting one of our own, or opens one month of a"
        " product against another.",
        why="Trading with oneself is forbidden at the exchange and costs fees.",
        clears="the resting order is gone",
    ),
    Entry(
        rule="QUOTE_CROSSES",
        name="A quote that would trade at once",
        what="Refuses a quote, placed or moved, that buys at or above the ask or sells at or below"
        " the bid: quotes are post-only.",
        why="A quote needs no stop and is no trade of the day; what trades at once is an entry.",
        clears="a price that rests, or an entry with a stop",
    ),
    Entry(
        rule="CLOCK_SKEW",
        name="Clocks disagree",
        what="Compares a quote's time at the venue with ours.",
        why="A wrong clock means a wrong session and a late price.",
        clears="a quote whose times agree",
        unit="time",
        settings=(ASKED + "clock_skew_s",),
    ),
    Entry(
        rule="SPREAD",
        name="Spread too wide",
        what="Refuses entries while bid and ask are farther apart than usual.",
        why="Who enters there pays the spread twice.",
        clears="a narrower quote",
        unit="ticks",
        settings=(ASKED + "spread_ticks",),
    ),
    Entry(
        rule="JUMP",
        name="Price jumped",
        what="Pauses entries in a contract after a sudden move.",
        why="Stops fill far away while a market finds its price.",
        clears="the pause ends",
        unit="time",
        settings=(ASKED + "jump_bp", ASKED + "jump_s", ASKED + "jump_pause_s"),
    ),
    Entry(
        rule="PRICE_LIMIT",
        name="Near the exchange's price limit",
        what="Refuses orders near the daily price limit, and closes what sleeves hold there.",
        why="At the limit nobody can leave; the firm forbids holding within 2 % of it.",
        clears="the price comes back",
        unit="bp",
        settings=(ASKED + "limit_bp", ASKED + "limit_zone_bp"),
    ),
    Entry(
        rule="GROUP_STRESS",
        name="A group's gap would cost too much",
        what="Adds up a group's worse side as if all of it moved against us at once, no stop"
        " filled.",
        why="Index futures fall together, and a gap takes no stops.",
        clears="smaller positions in the group",
        unit="usd",
        settings=(ASKED + "stress_bp", ASKED + "stress_loss"),
    ),
    Entry(
        rule="MARGIN",
        name="More margin than the account has",
        what="Refuses what would tie up more than the account's size and its profit or loss.",
        why="The venue tells no margin, so it is reckoned well above the exchange's.",
        clears="smaller positions, or more in the account",
        unit="usd",
        settings=(ASKED + "margin_bp",),
    ),
    Entry(
        rule="GAP",
        name="A gap could let the firm act first",
        what="Refuses what could not bear the declared gap of every contract at once, stops"
        " unfilled, between the line at which we close everything and the firm's own.",
        why="A stop fills beyond a gap; the account must be left above the firm's limits even so.",
        clears="smaller positions, or more distance to the floor",
        unit="usd",
        settings=(ASKED + "gap_percent", ASKED + "stress_bp"),
        facts=("maximum_loss", "daily_loss"),
    ),
    Entry(
        rule="CORRELATION",
        name="Two sleeves are one bet",
        what="Refuses an entry beside another sleeve on the same side whose days go alike; until"
        " enough days are known, all do.",
        why="Two sleeves that lose together are one sleeve of double size.",
        clears="the other sleeve is flat",
        unit="percent",
        settings=(ASKED + "correlation_percent", ASKED + "correlation_days"),
    ),
    Entry(
        rule="NOT_THE_BEST",
        name="In recovery the best sleeves only",
        what="Refuses what opens, in recovery mode, to every sleeve whose finished days were worse"
        " than another's that runs.",
        why="What is left of the day's limit belongs to whoever earned most with it lately.",
        clears="17:00 CT",
        unit="percent",
        settings=("risk_governor.recovery_percent", "risk_governor.allocation_days"),
    ),
    Entry(
        rule="KELLY",
        name="More than the sleeve's edge bears",
        what="Limits a trade to a quarter of Kelly on the sleeve's own trades.",
        why="Betting more than the edge bears loses in the long run; without an edge, anything.",
        clears="better trades",
        unit="usd",
        settings=(ASKED + "kelly", ASKED + "kelly_trades"),
    ),
    Entry(
        rule="SLEEVE_BUDGET",
        name="Sleeve's slice used up",
        what="Limits what a sleeve has lost today and still risks to its slice of the distance to"
        " the floor.",
        why="The distance to the floor is the capital; one sleeve must not spend all of it.",
        clears="17:00 CT",
        unit="usd",
        settings=("risk_governor.allocation_share_percent",),
    ),
    Entry(
        rule="DISK",
        name="Disk almost full",
        what="Refuses entries while little space is free; with next to none everything is closed.",
        why="What cannot be written down cannot be proven, recovered or stopped.",
        clears="space is freed",
        unit="mebibytes",
        settings=(ASKED + "disk_low_mb", ASKED + "disk_stop_mb"),
    ),
    Entry(
        rule="HEDGE",
        name="Another account is on the other side",
        what="Refuses an order against what another account of yours may hold in the same group.",
        why="The firm closes both accounts, without appeal.",
        clears="the other account is flat",
        settings=(ASKED + "accounts_dir",),
    ),
)
"""`HEDGE` names no unit: what another account holds is a fact, not an amount to shrink."""
