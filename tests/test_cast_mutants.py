"""The checks of the World can fail: each broken promise here is caught by one of them.

A promise is broken in the cores on purpose, and a World whose seed brings that part into danger is
played. What does not fail here would not fail in a campaign either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from services.order_router import (
    core,
    exits,
    life,
    outbox,
    protection,
    reconcile,
    trades,
)
from services.order_router.desk import Desk
from services.order_router.words import Outcome, PlaceAnswer, PlaceOrder
from services.risk_governor import intents
from services.risk_governor.state import Mind
from services.sleeves import desk as sleeves
from services.sleeves.base import Sleeve
from services.stage_checks import settings_of
from services.stage_play import play
from shared.domain.orders import Happening
from shared.events import Bar, OrderApproved
from shared.lab.accidents import Accidents
from shared.venue.translate import TradeRow

Patch = pytest.MonkeyPatch

UNKNOWNS = Accidents(answer_lost=0.3, venue_delay_ns_max=50_000_000)
DOUBLES = Accidents(hub_duplicate=0.3)
FAIR = Accidents()
HALTS = Accidents(operator=0.5)
DEATHS = Accidents(kill_acting=0.03)


def resend_on_unknown(patch: Patch, *, new_tag: bool) -> None:
    """Law 9 broken: what may have been carried out is asked for again."""
    sent: dict[str, PlaceOrder] = {}
    say, answered = Desk.say, outbox.on_place_answer

    def remember(desk: Desk, word: Any) -> None:
        if isinstance(word, PlaceOrder):
            sent[word.tag] = word
        say(desk, word)

    def resend(desk: Desk, answer: PlaceAnswer) -> None:
        word = sent.get(answer.tag)  # kept, so that a replay from a snapshot does the same
        if word is not None and answer.outcome is Outcome.UNKNOWN:
            tag = word.tag[:-1] + "2" if new_tag else word.tag
            desk.say(msgspec.structs.replace(word, tag=tag))
        answered(desk, answer)

    patch.setattr(Desk, "say", remember)
    patch.setattr(outbox, "on_place_answer", resend)


def same_tag(patch: Patch) -> None:
    resend_on_unknown(patch, new_tag=False)


def next_tag(patch: Patch) -> None:
    resend_on_unknown(patch, new_tag=True)


def count_trades_twice(patch: Patch) -> None:
    see = trades.see_trade

    def forgetful(desk: Desk, row: TradeRow) -> None:
        desk.state.trades.pop(row.trade_id, None)
        see(desk, row)

    for module in (core, reconcile):
        patch.setattr(module, "see_trade", forgetful)


def no_net_stop(patch: Patch) -> None:
    patch.setattr(protection, "_keep_net_stop", lambda *_: None)


def forget_exits_in_flight(patch: Patch) -> None:
    def at_once(desk: Desk, approval: OrderApproved) -> None:
        outbox.send_approved(desk, approval, approval.size)

    patch.setattr(Mind, "closing_lots", lambda *_: 0)
    patch.setattr(exits, "wish", at_once)


def approve_under_a_halt(patch: Patch) -> None:
    """Sleeves ask on, and the governor forgets that it is halted."""
    patch.setattr(sleeves.Desk, "may_enter", True)
    left = tuple(check for check in intents.KIND_CHECKS if check.__name__ != "level_is_active")
    patch.setattr(intents, "KIND_CHECKS", left)


def forget_what_was_under_way(patch: Patch) -> None:
    happen = life.happen

    def never_lost(desk: Desk, order: Any, happening: Happening, why: str = "") -> bool:
        return happening is not Happening.LOST and happen(desk, order, happening, why)

    for module in (life, outbox):
        patch.setattr(module, "happen", never_lost)


class Impatient(Sleeve):
    """Asks for one exit after the other and withdraws none."""

    contracts_max = 2

    def on_bar(self, bar: Bar) -> None:
        if bar.span_s != 1:
            return
        if self.idle:
            self.buy(2, sl_ticks=60, tp_ticks=60, reason="to have something to leave")
        elif self.position > 0:
            self.sell(1, limit=bar.close + 40, reason="out, out")


IMPATIENT = {"TSQ__SLEEVES__TREND__IMPLEMENTATION": "tests.test_cast_mutants:Impatient"}
CASES: list[tuple[Callable[[Patch], None], Accidents, str]] = [
    (same_tag, UNKNOWNS, "asked for twice"),
    (next_tag, UNKNOWNS, "work for|nobody approved"),
    (count_trades_twice, FAIR, "booked twice"),
    (no_net_stop, FAIR, "unprotected"),
    (approve_under_a_halt, HALTS, "approved while"),
    (forget_exits_in_flight, FAIR, "beside"),
    (forget_what_was_under_way, DEATHS, "never ended"),
]


@pytest.mark.parametrize(
    ("broken", "accidents", "caught"), CASES, ids=lambda it: getattr(it, "__name__", "")
)
def test_a_broken_promise_is_caught(
    monkeypatch: Patch, broken: Callable[[Patch], None], accidents: Accidents, caught: str
) -> None:
    broken(monkeypatch)
    with pytest.raises(AssertionError, match=caught):
        play_some(accidents)


def play_some(accidents: Accidents) -> None:
    settings = settings_of(**IMPATIENT)
    for seed in range(4):
        play(seed, accidents, 40, settings=settings)


def test_nothing_is_caught_where_nothing_is_broken() -> None:
    for accidents in (FAIR, HALTS, DEATHS):
        play(1, accidents, 40, settings=settings_of(**IMPATIENT))
