"""The author's verbs are safe: asked once, bounded, never beyond what is held; the odd pauses."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from services.sleeves.base import Sleeve
from services.sleeves.desk import INTENTS_PER_EVENT, INTENTS_PER_SECOND, TIMERS_MAX
from shared.events import (
    CancelIntent,
    ModifyIntent,
    OrderState,
    OrderType,
    Purpose,
    Side,
    SleeveStatus,
    VetoRule,
)
from shared.runtime import paths
from shared.runtime.exits import Exit
from shared.settings import REPO
from shared.units import SECOND
from tests.sleeves_stage import Resting, Stage, settings_for

HERE = __name__


class Puppet(Sleeve):
    """Does on each bar what the test put into `script`, and notes what it was told."""

    contracts_max = 3
    script: list = []
    notes: list = []
    warmup = {60: 1}

    def on_bar(self, bar):
        while Puppet.script:
            Puppet.notes.append(Puppet.script.pop(0)(self))

    def on_timer(self, name):
        Puppet.notes.append(("timer", name, self.now_ns))

    def on_veto(self, veto):
        Puppet.notes.append(("veto", veto.rule))

    def on_stop(self, reason):
        Puppet.notes.append(("stop", reason))
        super().on_stop(reason)


@pytest.fixture
def stage():
    Puppet.script, Puppet.notes = [], []
    made = Stage("trend", settings_for("trend", f"{HERE}:Puppet")).open()
    made.history(100, 1)
    made.tick(100)
    return made


def do(stage: Stage, *acts):
    """Let the sleeve act at one bar; returns what the acts returned."""
    Puppet.script, Puppet.notes = list(acts), []
    stage.now_ns += SECOND
    stage.bar(100)
    return Puppet.notes


def test_buy_returns_a_handle_and_the_order_is_known_at_once(stage):
    stage.mute = True
    (handle,) = do(stage, lambda s: s.buy(2, limit=95, sl_ticks=8, tp_ticks=9, reason="why"))
    assert handle == "trend.100.1"
    order = stage.host.sleeve.orders[handle]
    assert (order.side, order.size, order.limit_price, order.state) == (Side.BUY, 2, 95, None)
    (intent,) = stage.intents()
    assert (intent.type, intent.purpose) == (OrderType.LIMIT, Purpose.ENTRY)
    assert (intent.stop_loss_ticks, intent.take_profit_ticks, intent.reason) == (8, 9, "why")
    assert (intent.sleeve, intent.incarnation, intent.contract) == ("trend", 100, stage.contract)


def test_handles_nobody_knows_are_ignored(stage):
    do(stage, lambda s: s.cancel("trend.100.77"), lambda s: s.cancel(""))
    assert do(stage, lambda s: s.modify("trend.100.77", limit=3)) == [""]
    assert not [word for word in stage.said if not isinstance(word, SleeveStatus)]


def test_a_cancel_is_asked_once_and_again_only_after_two_seconds(stage):
    (handle,) = do(stage, lambda s: s.buy(limit=95, sl_ticks=8))
    stage.mute = True
    for _ in range(4):
        do(stage, lambda s: s.cancel(handle))
    cancels = [word for word in stage.said if isinstance(word, CancelIntent)]
    assert [word.target for word in cancels] == [handle, handle]


def test_modify_waits_for_the_answer_to_the_last_one(stage):
    (handle,) = do(stage, lambda s: s.buy(limit=95, sl_ticks=8))
    stage.mute = True
    got = do(stage, lambda s: s.modify(handle, limit=96), lambda s: s.modify(handle, limit=97))
    assert got == ["trend.100.2", ""]
    stage.refuse("trend.100.2", VetoRule.PRICE_COLLAR)
    assert do(stage, lambda s: s.modify(handle, limit=97)) == ["trend.100.3"]
    changed = [word for word in stage.said if isinstance(word, ModifyIntent)]
    assert [(word.target, word.limit_price) for word in changed] == [(handle, 96), (handle, 97)]


def test_an_order_that_is_not_working_is_not_modified(stage):
    (handle,) = do(stage, lambda s: s.buy(limit=95, sl_ticks=8))
    order = stage.orders[handle]
    for state in (OrderState.SENT, OrderState.UNKNOWN, OrderState.CANCELLING):
        stage.update(order, state)
        assert do(stage, lambda s: s.modify(handle, limit=96)) == [""]
    stage.update(order, OrderState.WORKING)
    assert do(stage, lambda s: s.modify(handle, limit=96)) != [""]


def test_an_order_that_is_being_cancelled_is_not_modified(stage):
    (handle,) = do(stage, lambda s: s.buy(limit=95, sl_ticks=8))
    stage.mute = True
    got = do(stage, lambda s: s.cancel(handle), lambda s: s.modify(handle, limit=96))
    assert got == ["trend.100.2", ""]


def test_close_leaves_with_everything_once(stage):
    do(stage, lambda s: s.buy(2, sl_ticks=8))
    assert stage.position.lots == 2
    stage.mute = True
    got = do(stage, lambda s: s.close("enough"), lambda s: s.close("enough"))
    assert got[1] == ""
    exit_ = stage.intents()[-1]
    assert (exit_.side, exit_.size, exit_.purpose) == (Side.SELL, 2, Purpose.EXIT)
    assert do(stage, lambda s: s.close()) == [""], "still on its way"
    stage.refuse(got[0], VetoRule.NOT_AN_EXIT)
    stage.now_ns += SECOND
    assert do(stage, lambda s: s.close()) != [""]


def test_close_when_flat_says_nothing(stage):
    assert do(stage, lambda s: s.close()) == [""]
    assert not stage.intents()


def test_a_side_never_holds_more_than_the_limit(stage):
    got = do(
        stage,
        lambda s: s.buy(2, limit=95, sl_ticks=8),
        lambda s: s.buy(2, limit=94, sl_ticks=8),
        lambda s: s.buy(1, limit=94, sl_ticks=8),
        lambda s: s.sell(3, limit=110, sl_ticks=8),
    )
    assert [bool(handle) for handle in got] == [True, False, True, True]


@pytest.mark.parametrize(
    "act",
    [
        lambda s: s.buy(0),
        lambda s: s.buy(-1),
        lambda s: s.sell(limit=1, stop=2),
        lambda s: s.buy(sl_ticks=0),
        lambda s: s.buy(tp_ticks=-3),
    ],
)
def test_a_form_no_venue_knows_is_a_bug_and_pauses(stage, act):
    do(stage, act)
    assert stage.status is not None
    assert stage.status.state == "PAUSED"
    assert stage.status.reason.startswith("on_bar raised ValueError: ")
    assert not stage.intents()


def test_the_flow_of_words_is_bounded_per_event_and_per_second(stage):
    stage.mute = True
    many = [lambda s: s.buy(limit=95, sl_ticks=8), lambda s: s.sell(limit=115, sl_ticks=8)] * 4
    got = do(stage, *many)
    assert len([handle for handle in got if handle]) == INTENTS_PER_EVENT
    second = []
    for _ in range(5):
        Puppet.script = [lambda s: s.modify(s.working[0].intent_id, limit=96)]
        stage.bar(100, open_ns=stage.now_ns + len(second) * SECOND)
        for order in stage.host.memory.orders.values():
            order.state, order.change = OrderState.WORKING, ""
        second.append(1)
    assert len([w for w in stage.said if not isinstance(w, SleeveStatus)]) <= INTENTS_PER_SECOND
    stage.pulse(1)
    assert stage.status is not None
    assert "flood limit" in stage.status.reason


def test_timers_ring_once_in_market_time_and_can_be_replaced(stage):
    do(stage, lambda s: s.set_timer("a", 2.5), lambda s: s.set_timer("a", 3.0))
    Puppet.notes = []
    stage.now_ns += 2 * SECOND
    stage.pulse(1)
    assert Puppet.notes == []
    stage.now_ns += SECOND
    stage.pulse(2)
    stage.pulse(3)
    assert Puppet.notes == [("timer", "a", stage.now_ns)]


def test_timers_are_limited(stage):
    do(stage, *[lambda s, n=n: s.set_timer(str(n), 1) for n in range(TIMERS_MAX + 1)])
    assert stage.status is not None
    assert "one too many" in stage.status.reason


def test_words_and_figures_for_people_come_with_the_status(stage):
    do(stage, lambda s: s.log("watching"), lambda s: s.number("edge", 2))
    stage.pulse(1)
    assert stage.status is not None
    assert stage.status.reason == "watching"
    assert stage.status.numbers == {"edge": 2.0}


def test_conveniences_show_what_is_known(stage):
    sleeve = stage.host.sleeve
    assert (sleeve.contract, sleeve.tick_micros, sleeve.position) == (stage.contract, 500_000, 0)
    assert sleeve.quote_now == stage.quote
    assert sleeve.idle
    assert sleeve.may_enter
    do(stage, lambda s: s.buy(2, sl_ticks=8))
    assert (sleeve.position, sleeve.entry_price) == (2, 101.0)
    assert not sleeve.idle
    assert sleeve.earned == -2 * 610_000
    do(stage, lambda s: s.buy(1, limit=90, sl_ticks=8))
    assert [order.limit_price for order in sleeve.working] == [90]


def test_a_quote_places_moves_and_pulls(stage):
    do(stage, lambda s: s.quote(95, 105))
    do(stage, lambda s: s.quote(96, 105))
    do(stage, lambda s: s.quote(None, 105))
    do(stage, lambda s: s.quote(96, 105))
    assert stage.story() == [
        "#1 BUY 1 LIMIT at 95 QUOTE",
        "#2 SELL 1 LIMIT at 105 QUOTE",
        "MOVE #1 to 96 ()",
        "CANCEL #1 ()",
        "#5 BUY 1 LIMIT at 96 QUOTE",
    ]


def test_a_quote_that_reduces_is_an_exit_and_no_larger_than_what_is_held(stage):
    do(stage, lambda s: s.buy(1, sl_ticks=8))
    stage.story()
    do(stage, lambda s: s.quote(None, 108, size=3))
    assert stage.story() == ["#2 SELL 1 LIMIT at 108 EXIT"]


def test_a_quote_that_traded_and_is_not_yet_booked_is_not_replaced(stage):
    do(stage, lambda s: s.quote(95, None))
    order = stage.orders["trend.100.1"]
    stage.mute = True
    stage.update(order, OrderState.FILLED, filled=1)
    do(stage, lambda s: s.quote(95, None))
    assert len(stage.intents()) == 1
    assert not stage.host.sleeve.idle


def test_the_fill_may_come_before_the_order_knows(stage):
    """Whatever order the router's news come in, the position is counted once."""
    stage.mute = True
    (handle,) = do(stage, lambda s: s.buy(sl_ticks=8))
    order = Resting(handle, Side.BUY, 1, OrderType.MARKET, Purpose.ENTRY)
    stage.orders[handle] = order
    stage.fill(order, 101)
    assert stage.host.sleeve.position == 1
    stage.tell(stage.book())
    assert stage.host.sleeve.position == 1
    assert handle not in stage.host.sleeve.orders


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], Exit.USAGE, "usage: python -m services.sleeves NAME"),
        (["nobody"], Exit.SETTINGS, "no section sleeves.nobody"),
        (["trend"], Exit.SETTINGS, "sleeves.trend.implementation was 'no.such:Thing'"),
    ],
)
def test_a_process_that_cannot_be_says_why_and_ends_with_a_code(tmp_path, arguments, code, message):
    env = {
        **os.environ,
        "TSQ_VAR": str(tmp_path),
        "TSQ__SLEEVES__TREND__IMPLEMENTATION": "no.such:Thing",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "services.sleeves", *arguments],
        cwd=REPO,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    shutil.rmtree(paths.run_path(tmp_path), ignore_errors=True)
    assert ended.returncode == code, ended.stderr
    assert message in ended.stdout + ended.stderr


def test_an_author_says_how_small_an_order_is_still_welcome(stage):
    do(stage, lambda it: it.buy(3, sl_ticks=8, least=2))
    (intent,) = stage.intents()
    assert (intent.size, intent.least) == (3, 2)


@pytest.mark.parametrize("least", [-1, 4])
def test_a_least_size_outside_the_order_is_the_authors_mistake(stage, least):
    with pytest.raises(ValueError, match="least"):
        stage.host.desk.order(Side.BUY, 3, least=least)


@pytest.mark.parametrize(
    ("say", "why"),
    [
        (lambda it: it.buy(1, limit=2**70, sl_ticks=8), "limit was beyond"),
        (lambda it: it.buy(2**70, sl_ticks=8), "size was beyond"),
        (lambda it: it.buy(1, sl_ticks=2**64), "sl_ticks was beyond"),
        (lambda it: it.quote(-(2**64), None), "bid was beyond"),
        (lambda it: it.set_timer("t", 1e300), "expected 0 to 604800"),
        (lambda it: it.set_timer("t", -1), "expected 0 to 604800"),
        (lambda it: it.set_timer("t", float("nan")), "figure for people was nan"),
        (lambda it: it.set_timer(7, 1.0), "expected text"),
    ],
)
def test_a_number_that_no_wire_carries_pauses_the_sleeve_and_ends_nobody(stage, say, why):
    do(stage, say)
    assert stage.status is not None
    assert (stage.status.state, why in stage.status.reason) == ("PAUSED", True)
    assert not stage.intents()
    assert stage.host.snapshot()
