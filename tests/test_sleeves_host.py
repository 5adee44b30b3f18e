"""The host's promises, whoever wrote the sleeve: authority, freshness, containment, memory."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from msgspec import Struct, field

from services.sleeves.base import Sleeve
from services.sleeves.host import SleeveHost
from shared.domain.indicators import Momentum
from shared.events import (
    PUBLIC,
    AuthorityGranted,
    BarOrigin,
    CancelIntent,
    ClockJump,
    Depth,
    FeedState,
    FeedStatus,
    Fill,
    Flatten,
    Gap,
    ModifyIntent,
    OrderIntent,
    OrderState,
    OrderType,
    PeerBack,
    PeerSilent,
    Phase,
    Purpose,
    Quote,
    RiskLevel,
    Scope,
    Side,
    SleeveBook,
    SleeveStatus,
    Started,
    Stopping,
    Trade,
    VetoRule,
    WarmupDone,
    WorkingOrder,
)
from shared.units import SECOND
from tests.sleeves_stage import T0, Resting, Stage, settings_for

HERE = "tests.test_sleeves_host"


class Eager(Sleeve):
    """Wants to be long at every chance and remembers all it was told."""

    warmup = {1: 3}

    class State(Struct):
        told: list[str] = []

    class View(Struct):
        closes: list[int] = []
        drift: Momentum = field(default_factory=lambda: Momentum(1))

    def fresh_view(self):
        return self.View()

    def learn(self, bar):
        if bar.span_s == 1:
            self.view.closes.append(bar.close)
            self.view.drift.update(bar.close)

    def told(self, what):
        self.state.told.append(what)
        if self.idle:
            self.buy(limit=50, sl_ticks=8, reason=what)

    def on_adopt(self, book):
        self.told(f"adopt {book.position}")

    def on_start(self):
        self.told("start")

    def on_bar(self, bar):
        self.told(f"bar {bar.close}")

    def on_quote(self, quote):
        self.told(f"quote {quote.bid}")

    def on_trade(self, trade):
        self.told(f"trade {trade.price}")

    def on_order(self, update):
        self.state.told.append(f"order {update.state.value}")

    def on_fill(self, fill):
        self.state.told.append(f"fill {fill.price}, holds {self.position}")

    def on_veto(self, veto):
        self.state.told.append(f"veto {veto.rule.value}")

    def on_position(self, book):
        self.state.told.append(f"position {book.position}")

    def on_session(self, session):
        self.state.told.append(f"session {session.phase.value}")
        super().on_session(session)

    def on_stop(self, reason):
        self.told(f"stop {reason}")


class Clumsy(Sleeve):
    """Rests an order, then trips over the price in its parameters."""

    class Params(Struct, frozen=True):
        hole: int = 666

    def on_bar(self, bar):
        if bar.close == self.params.hole:
            self.sell(limit=900, sl_ticks=8)
            self.cancel(self.working[0].intent_id, "never said")
            raise RuntimeError("fell into the hole")
        if self.idle:
            self.buy(limit=50, sl_ticks=8)

    def learn(self, bar):
        if bar.close == -1:
            raise KeyError("learnt nothing")


class Deaf(Sleeve):
    """Keeps its orders whatever happens to the market: its author said so."""

    def on_bar(self, bar):
        if self.idle:
            self.buy(limit=50, sl_ticks=8)

    def on_data_gap(self, gap):
        pass

    def on_risk_state(self, risk):
        pass


def eager(**how) -> Stage:
    return Stage("trend", settings_for("trend", f"{HERE}:Eager"), **how)


def ready() -> Stage:
    stage = eager().open()
    stage.seconds(100, 101, 102)
    return stage


def told(stage: Stage) -> list[str]:
    return stage.host.sleeve.state.told


def words(stage: Stage) -> list:
    """What was said but statuses."""
    return [word for word in stage.said if not isinstance(word, SleeveStatus)]


# -- what it hears and says ------------------------------------------------------------------------


def test_it_hears_the_market_and_the_governor_only():
    host = eager().host
    assert set(host.subscribes) == {
        "market_data_gateway",
        "market_data_gateway.ticks",
        "risk_governor",
    }
    assert host.subscribes["market_data_gateway.ticks"] == (Quote, Trade)
    assert set(host.publishes) == {OrderIntent, ModifyIntent, CancelIntent, SleeveStatus}
    assert all(kind in PUBLIC for kinds in host.subscribes.values() for kind in kinds)
    maker = SleeveHost("market_maker", settings_for("market_maker"))
    assert maker.subscribes["market_data_gateway.ticks"] == (Quote, Depth)


def test_other_contracts_and_other_sleeves_do_not_exist():
    stage = ready()
    before = list(told(stage))
    own, stage.contract = stage.contract, "CON.F.US.MES.Z26"
    stage.second(999)
    stage.print_at(998)
    stage.contract = own
    stage.name = "mean_reversion"
    order = Resting("mean_reversion.1.1", Side.BUY, 1, OrderType.MARKET, Purpose.ENTRY)
    stage.orders[order.intent_id] = order
    stage.fill(order, 5)
    stage.refuse("mean_reversion.1.2", VetoRule.SIZE)
    assert told(stage) == before
    assert stage.host.sleeve.position == 0


def test_an_unknown_event_is_nothing():
    stage = ready()
    before = stage.host.snapshot()
    assert list(stage.host.on(stage.now_ns, msgspec.Struct())) == []
    assert stage.host.snapshot() == before


# -- authority -------------------------------------------------------------------------------------


def test_no_intent_before_authority_but_it_announces_itself():
    stage = eager().open(authority=False)
    stage.seconds(100, 101, 102, 103)
    assert words(stage) == []
    assert stage.status is not None
    assert (stage.status.state, stage.status.reason) == ("WAITING", "no authority yet")
    assert stage.status.incarnation == 100
    stage.grant()
    assert told(stage)[:2] == ["adopt 0", "start"]
    assert [word.reason for word in stage.intents()] == ["start"]


def test_a_grant_for_another_incarnation_or_sleeve_is_not_ours():
    stage = eager().open(authority=False)
    stage.seconds(100, 101, 102)
    stage.grant(incarnation=99)
    stage.tell(AuthorityGranted(sleeve="mean_reversion", incarnation=100))
    stage.second(103)
    assert words(stage) == []


@pytest.mark.parametrize("how", ["superseded", "new life"])
def test_without_authority_not_even_a_cancel_is_said(how):
    stage = ready()
    if how == "superseded":
        stage.grant(incarnation=101)
    else:
        stage.tell(Started(epoch=101, fresh=False, changed=True))
    count = len(words(stage))
    stage.tell(FeedStatus(state=FeedState.DOWN, since_ns=stage.now_ns))
    stage.tell(ClockJump(slept_ns=1))
    stage.pulse(1_000)
    assert len(words(stage)) == count
    assert stage.orders


def test_a_newer_incarnation_silences_us_for_good():
    stage = ready()
    stage.grant(incarnation=101)
    count = len(words(stage))
    stage.grant()
    for order in list(stage.orders):
        stage.cancel(order)
    stage.seconds(103, 104)
    assert len(words(stage)) == count
    assert stage.status is not None
    assert stage.status.state == "PAUSED"
    assert stage.status.reason == "superseded by incarnation 101"


def test_adoption_takes_over_position_and_orders_and_pulls_old_entries():
    stage = Stage("trend", settings_for("trend", f"{HERE}:Deaf")).open(authority=False)
    book = SleeveBook(
        sleeve="trend",
        contract=stage.contract,
        position=-1,
        cost=-120,
        realised=0,
        fees=0,
        working=(
            WorkingOrder(
                intent_id="trend.7.1-SL",
                side=Side.BUY,
                size=1,
                filled=0,
                purpose=Purpose.STOP_LOSS,
                state=OrderState.WORKING,
                stop_price=140,
            ),
            WorkingOrder(
                intent_id="trend.7.9",
                side=Side.SELL,
                size=1,
                filled=0,
                purpose=Purpose.ENTRY,
                state=OrderState.WORKING,
                limit_price=160,
            ),
        ),
        router_no=5,
    )
    stage.tell(AuthorityGranted(sleeve="trend", incarnation=100, books=(book,)))
    sleeve = stage.host.sleeve
    assert (sleeve.position, sleeve.entry_price) == (-1, 120.0)
    assert set(sleeve.orders) == {"trend.7.1-SL", "trend.7.9"}
    assert [word.target for word in words(stage)] == ["trend.7.9"]
    stage.mute = True
    stage.tick(120)
    assert stage.host.desk.trail(130) == "trend.100.2"


def test_authority_may_come_before_the_contract():
    stage = eager()
    stage.tell(Started(epoch=100, fresh=True))
    assert stage.status is not None
    assert (stage.status.state, stage.status.contract) == ("WAITING", "")
    assert stage.status.reason == "no contract listed for MNQ"
    stage.position.apply(1, 100)
    stage.grant()
    assert told(stage) == []
    stage.tell(stage.listed())
    assert told(stage) == ["adopt 1"]
    assert stage.host.sleeve.position == 1


# -- expiry: the age of an intent is the age of what caused it -------------------------------------


def test_intents_expire_with_the_event_that_caused_them():
    stage = eager().open()
    stage.mute = True
    stage.seconds(100, 101, 102)
    (intent,) = stage.intents()
    assert intent.expires_ns == stage.now_ns + 5 * SECOND


def test_a_caught_up_market_causes_only_expired_intents():
    stage = eager().open()
    late = stage.now_ns + 600 * SECOND
    for number in range(30):
        stage.now_ns = late
        stage.bar(100 + number, open_ns=T0 + number * SECOND)
        quote = Quote(
            contract=stage.contract,
            bid=100,
            ask=101,
            venue_ns=T0 + number * SECOND,
            recv_ns=T0 + (number + 1) * SECOND,
        )
        stage.quote = quote
        stage.tell(quote)
    assert stage.intents()
    assert all(word.expires_ns < late for word in stage.intents())
    assert not stage.orders
    assert set(stage.story()[1::2]) == {
        f"governor vetoes trend.100.{n + 1}: EXPIRED" for n in range(len(stage.intents()))
    }


def test_what_the_governor_says_late_makes_nothing_fresh():
    """A risk state heard now does not make the market of ten minutes ago young."""
    stage = ready()
    stage.mute = True
    stage.now_ns += 600 * SECOND
    stage.cancel(next(iter(stage.orders)))
    stage.tell(Stopping(reason="test"))
    assert all(word.expires_ns < stage.now_ns for word in stage.intents())


# -- warm-up ---------------------------------------------------------------------------------------


def test_history_warms_and_never_acts_and_live_bars_count_too():
    stage = eager().open()
    for number in (5, 4):
        stage.bar(90 + number, origin=BarOrigin.HISTORY, open_ns=T0 - number * SECOND)
    assert stage.host.memory.state == "WARMING"
    assert stage.host.memory.reason == "has 2 of 3 bars of 1 s"
    assert told(stage) == ["adopt 0"]
    assert words(stage) == []
    stage.second(100, quote=False)
    assert told(stage) == ["adopt 0", "start", "bar 100", "order SENT", "order WORKING"]
    assert stage.host.sleeve.view.closes == [95, 94, 100]


def test_a_history_bar_that_completes_the_warm_up_calls_no_on_bar():
    stage = eager().open()
    for number in (5, 4, 3):
        stage.bar(90 + number, origin=BarOrigin.HISTORY, open_ns=T0 - number * SECOND)
    assert told(stage)[:2] == ["adopt 0", "start"]
    assert "bar" not in " ".join(told(stage))


def test_a_missing_history_is_said():
    stage = eager().open()
    stage.tell(WarmupDone(contract=stage.contract, trading_day="2026-11-18", bars=0))
    assert stage.status is not None
    assert (stage.status.state, stage.status.reason) == ("WARMING", "has 0 of 3 bars of 1 s")


def test_a_repaired_bar_corrects_what_was_learnt():
    stage = ready()
    first = stage.now_ns - 2 * SECOND
    stage.bar(50, origin=BarOrigin.REPAIRED, open_ns=first - SECOND)
    stage.bar(60, origin=BarOrigin.REPAIRED, open_ns=first)
    assert stage.host.sleeve.view.closes == [100, 101, 102], "learnt again when next needed"
    calls = len(told(stage))
    stage.second(103, quote=False)
    assert stage.host.sleeve.view.closes == [50, 60, 102, 103]
    assert told(stage)[calls:] == ["bar 103"], "a correction is no new bar"


def test_a_late_bar_finds_its_place_and_a_doubled_one_changes_nothing():
    stage = ready()
    stage.now_ns += SECOND
    stage.second(104, quote=False)
    stage.bar(103, origin=BarOrigin.REPAIRED, open_ns=stage.now_ns - 2 * SECOND)
    stage.bar(999, origin=BarOrigin.HISTORY, open_ns=stage.now_ns - SECOND)
    stage.bar(999, open_ns=stage.now_ns - 3 * SECOND)
    stage.second(105, quote=False)
    assert stage.host.sleeve.view.closes == [100, 101, 102, 103, 104, 105]


def test_the_tape_of_bars_is_bounded():
    stage = ready()
    stage.seconds(*[100] * 50)
    assert len(stage.host.memory.tape.bars[1]) == 12
    for span in range(2, 40):
        stage.bar(100, span_s=span)
    assert len(stage.host.memory.tape.bars) <= 8


def test_a_new_contract_begins_anew():
    stage = ready()
    stage.contract = "CON.F.US.MNQ.H27"
    stage.orders.clear()
    stage.tell(stage.listed())
    assert stage.host.memory.state == "WARMING"
    assert stage.host.sleeve.view.closes == []
    stage.now_ns += SECOND
    stage.seconds(200, 201, 202)
    assert told(stage)[-4:-2] == ["start", "bar 202"]
    assert stage.intents()[-1].contract == "CON.F.US.MNQ.H27"


# -- the market or the governor is not well --------------------------------------------------------


def is_pulled(stage: Stage) -> bool:
    targets = [word.target for word in words(stage) if isinstance(word, CancelIntent)]
    return targets == ["trend.100.1"] and not stage.orders


@pytest.mark.parametrize("state", [FeedState.DOWN, FeedState.FROZEN])
def test_a_feed_that_is_not_up_pulls_entries_and_forbids_new_ones(state):
    stage = ready()
    stage.tell(FeedStatus(state=state, since_ns=stage.now_ns))
    assert is_pulled(stage)
    assert stage.host.sleeve.quote_now is None
    stage.seconds(103, 104)
    assert len(stage.intents()) == 1
    stage.tell(FeedStatus(state=FeedState.UP, since_ns=stage.now_ns))
    stage.second(105)
    assert len(stage.intents()) == 2


@pytest.mark.parametrize(
    "event",
    [
        Gap(contract="", start_ns=1, end_ns=2),
        Gap(contract="CON.F.US.MNQ.Z26", start_ns=1, end_ns=2),
        ClockJump(slept_ns=5 * SECOND),
        PeerSilent(actor="market_data_gateway"),
        Stopping(reason="SIGTERM"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_blindness_pulls_entries(event):
    stage = ready()
    if isinstance(event, Stopping):
        stage = Stage("trend", settings_for("trend", f"{HERE}:Deaf")).open()
        stage.second(100)
    stage.tell(event)
    assert is_pulled(stage)


def test_a_gap_of_another_contract_is_not_ours():
    stage = ready()
    stage.tell(Gap(contract="CON.F.US.MES.Z26", start_ns=1, end_ns=2))
    assert stage.orders


def test_an_author_may_say_otherwise_about_gaps_but_not_about_the_feed():
    stage = Stage("trend", settings_for("trend", f"{HERE}:Deaf")).open()
    stage.second(100)
    stage.tell(Gap(contract="", start_ns=1, end_ns=2))
    stage.tell(stage.risk(RiskLevel.REDUCE_ONLY))
    assert stage.orders
    stage.tell(FeedStatus(state=FeedState.DOWN, since_ns=1))
    assert is_pulled(stage)


def test_a_cancel_without_effect_is_asked_again_while_the_market_is_not_well():
    stage = ready()
    stage.mute = True
    stage.tell(FeedStatus(state=FeedState.DOWN, since_ns=1))
    for number in range(5):
        stage.now_ns += SECOND
        stage.pulse(100 + number)
    cancels = [word for word in words(stage) if isinstance(word, CancelIntent)]
    assert len(cancels) == 3


def test_an_operators_pause_counts_as_not_active():
    stage = ready()
    stage.tell(stage.risk(paused=True))
    assert is_pulled(stage)
    stage.second(103)
    assert len(stage.intents()) == 1


def test_nothing_is_said_to_a_silent_governor():
    stage = ready()
    stage.tell(PeerSilent(actor="risk_governor"))
    count = len(words(stage))
    for order in list(stage.orders):
        stage.cancel(order)
    stage.seconds(103, 104)
    assert len(words(stage)) == count
    stage.tell(PeerBack(actor="risk_governor", epoch=1))
    stage.second(105)
    assert len(words(stage)) == count + 1


@pytest.mark.parametrize(
    ("flatten", "ours"),
    [
        (Flatten(halt_no=1, scope=Scope.ACCOUNT, cause="x"), True),
        (Flatten(halt_no=1, scope=Scope.SLEEVE, cause="x", sleeve="trend"), True),
        (Flatten(halt_no=1, scope=Scope.SLEEVE, cause="x", sleeve="other"), False),
        (Flatten(halt_no=1, scope=Scope.CONTRACT, cause="x", contract="CON.F.US.MNQ.Z26"), True),
        (Flatten(halt_no=1, scope=Scope.CONTRACT, cause="x", contract="CON.F.US.MES.Z26"), False),
    ],
)
def test_a_flatten_in_our_scope_ends_entries_until_risk_is_active_again(flatten, ours):
    stage = ready()
    stage.tell(flatten)
    stage.cancel("trend.100.1")
    stage.second(103)
    assert len(stage.intents()) == (1 if ours else 2)
    stage.tell(stage.risk())
    stage.second(104)
    assert len(stage.intents()) == 2


# -- answers ---------------------------------------------------------------------------------------


def test_a_veto_frees_the_slot_and_the_next_wish_waits():
    stage = eager(veto=VetoRule.OPEN_RISK).open()
    stage.seconds(*range(100, 130))
    asked = [word.expires_ns // SECOND for word in stage.intents()]
    waits = [after - before for before, after in pairwise(asked)]
    assert waits == [1, 2, 4, 8]
    assert told(stage).count("veto OPEN_RISK") == len(asked)
    assert stage.host.sleeve.idle


def test_an_unanswered_intent_is_forgotten_long_after_its_deadline():
    stage = eager().open()
    stage.mute = True
    stage.seconds(100, 101, 102)
    for number in range(1, 41):
        stage.now_ns += SECOND
        stage.pulse(100 + number)
        if number < 35:
            assert stage.host.memory.orders, f"{number} s after"
    assert not stage.host.memory.orders
    stage.tick(100)
    assert len(stage.intents()) == 2


def test_an_unanswered_intent_is_kept_while_the_governor_is_silent():
    stage = eager().open()
    stage.mute = True
    stage.seconds(100, 101, 102)
    stage.tell(PeerSilent(actor="risk_governor"))
    for number in range(1, 100):
        stage.now_ns += SECOND
        stage.pulse(100 + number)
    assert stage.host.memory.orders


def test_a_filled_entry_whose_trade_is_not_yet_told_blocks_the_next_one():
    """Order news outrun trade news at the venue: flat by the book is not flat."""
    stage = ready()
    order = stage.orders.pop("trend.100.1")
    stage.update(order, OrderState.FILLED, filled=1)
    stage.tell(stage.book())
    assert stage.host.sleeve.position == 0
    stage.seconds(103, 104, 105)
    assert len(stage.intents()) == 1


def test_fill_and_book_in_either_order_count_once():
    for fill_first in (True, False):
        stage = ready()
        order = stage.orders["trend.100.1"]
        stage.mute = True
        held = []
        fill_no = stage.no + 2
        fill = Fill(
            no=fill_no,
            trade_id=1,
            venue_order_id=1,
            tag="",
            intent_id=order.intent_id,
            sleeve="trend",
            contract=stage.contract,
            side=Side.BUY,
            size=1,
            price=50,
            fee=0,
            purpose=Purpose.ENTRY,
            venue_ns=1,
        )
        book = SleeveBook(
            sleeve="trend",
            contract=stage.contract,
            position=1,
            cost=50,
            realised=0,
            fees=0,
            router_no=fill_no,
        )
        for event in (fill, book) if fill_first else (book, fill):
            stage.tell(event)
            held.append(stage.host.sleeve.position)
        assert held == [1, 1]


def test_a_book_older_than_a_fill_is_not_believed():
    stage = ready()
    old = stage.book()
    stage.fill(stage.orders["trend.100.1"], 50)
    assert stage.host.sleeve.position == 1
    stage.tell(old)
    assert stage.host.sleeve.position == 1


@pytest.mark.parametrize("fill_first", [True, False])
def test_an_exit_carried_out_through_another_order_is_over_when_nothing_is_left(fill_first):
    """The router re-prices the take-profit, or lets the venue close: the fill bears its name."""
    stage = ready()
    stage.fill(stage.orders["trend.100.1"], 50)
    desk, leg = stage.host.desk, stage.orders["trend.100.1-SL"]
    stage.mute = True
    desk.begin(stage.now_ns)
    exit_id = desk.close()
    desk.out.clear()
    way_out = Resting(exit_id, Side.SELL, 1, OrderType.MARKET, Purpose.EXIT)
    stage.update(way_out, OrderState.SENT)
    assert not stage.host.sleeve.idle
    if fill_first:
        stage.fill(leg, 60)
        stage.update(way_out, OrderState.FILLED, filled=1)
    else:
        stage.update(way_out, OrderState.FILLED, filled=1)
        assert desk.close() == "", "on its way, though the trade is not told"
        stage.fill(leg, 60)
    assert stage.host.sleeve.position == 0
    assert stage.host.sleeve.idle


def test_a_suspended_legs_price_is_a_plan_and_binds_nobody():
    """The stop of an entry that was moved is where it works, not where it was first planned."""
    stage = ready()
    entry = stage.orders["trend.100.1"]
    leg = Resting("trend.100.1-SL", Side.SELL, 1, OrderType.STOP, Purpose.STOP_LOSS, stop=90)
    stage.orders[leg.intent_id] = leg
    stage.update(leg, OrderState.SUSPENDED)
    assert stage.host.desk.stop_leg() is None
    entry.sl = None
    stage.fill(entry, 80)
    leg.stop = 72
    stage.update(leg, OrderState.WORKING)
    stage.mute = True
    stage.tick(100)
    assert stage.host.desk.trail(80) != ""
    (moved,) = [word for word in stage.host.desk.out if isinstance(word, ModifyIntent)]
    assert moved.stop_price == 80


def test_a_voided_fill_is_taken_back():
    stage = ready()
    stage.fill(stage.orders["trend.100.1"], 50)
    assert stage.host.sleeve.position == 1
    fill = next(e for _, e in stage.heard if isinstance(e, Fill))
    voided = msgspec.structs.replace(fill, no=stage.no + 1, voided=True)
    stage.tell(voided)
    assert stage.host.sleeve.position == 0


def test_an_order_the_books_no_longer_list_is_forgotten_after_a_while():
    stage = ready()
    order = stage.orders.pop("trend.100.1")
    stage.no += 1
    stage.tell(stage.book())
    assert order.intent_id in stage.host.memory.orders, "doubted, not yet forgotten"
    for number in range(1, 40):
        stage.now_ns += SECOND
        stage.pulse(100 + number)
    assert order.intent_id not in stage.host.memory.orders


def test_a_book_older_than_an_orders_own_news_raises_no_doubt():
    stage = ready()
    old = stage.book()
    stage.no += 5
    stage.update(stage.orders["trend.100.1"], OrderState.WORKING)
    stage.tell(msgspec.structs.replace(old, working=()))
    for number in range(1, 60):
        stage.now_ns += SECOND
        stage.pulse(100 + number)
    assert "trend.100.1" in stage.host.memory.orders


def test_after_the_last_words_nothing_is_said():
    stage = ready()
    stage.tell(Stopping(reason="SIGTERM"))
    count = len(words(stage))
    for order in list(stage.orders):
        stage.cancel(order)
    stage.seconds(103, 104)
    assert len(words(stage)) == count


# -- a sleeve that raises --------------------------------------------------------------------------


def clumsy(**params) -> Stage:
    stage = Stage("trend", settings_for("trend", f"{HERE}:Clumsy", **params)).open()
    stage.seconds(100)
    assert stage.story() == ["#1 BUY 1 LIMIT at 50 sl 8"]
    return stage


def test_a_raising_handler_pauses_the_sleeve_and_pulls_its_entries():
    stage = clumsy()
    stage.second(666)
    assert stage.story() == ["CANCEL #1 (the sleeve is paused)"]
    assert stage.status is not None
    assert stage.status.state == "PAUSED"
    assert stage.status.reason == "on_bar raised RuntimeError: fell into the hole"
    stage.seconds(100, 101)
    assert stage.story() == []
    assert stage.host.sleeve.idle


def test_a_pause_ends_with_a_new_process_or_a_new_day():
    stage = clumsy()
    stage.seconds(666)
    stage.tell(stage.session(day="2026-11-19"))
    assert stage.host.memory.state == "READY"
    stage.seconds(666)
    assert stage.host.memory.state == "PAUSED"
    stage.tell(Started(epoch=200, fresh=False))
    assert stage.host.memory.state == "READY"
    stage.second(100)
    assert stage.story()[-1].endswith("BUY 1 LIMIT at 50 sl 8")


def test_learning_may_fail_too():
    stage = clumsy()
    stage.second(-1)
    assert stage.status is not None
    assert stage.status.reason == "learn raised KeyError: 'learnt nothing'"


# -- memory ----------------------------------------------------------------------------------------


def test_a_plain_restart_keeps_authority_and_names():
    stage = ready()
    again = SleeveHost("trend", stage.settings)
    again.restore(stage.host.snapshot())
    stage.host = again
    stage.tell(Started(epoch=101, fresh=False))
    assert stage.host.memory.incarnation == 100
    stage.cancel("trend.100.1")
    stage.seconds(103, 104)
    assert stage.intents()[-1].intent_id == "trend.100.2"
    assert told(stage).count("start") == 1


def test_a_start_under_changed_code_is_a_new_life_with_what_was_learnt():
    stage = ready()
    stage.tell(Started(epoch=200, fresh=False, changed=True))
    assert stage.status is not None
    assert (stage.status.incarnation, stage.status.state) == (200, "WAITING")
    count = len(words(stage))
    stage.seconds(103, 104)
    assert len(words(stage)) == count, "no word before the new grant"
    stage.grant()
    assert stage.status.state == "READY"
    assert stage.status.reason.startswith("code or settings changed")
    assert told(stage)[-2:] == ["adopt 0", "start"]


def test_lost_memory_starts_flat_and_says_so():
    stage = eager()
    stage.tell(Started(epoch=300, fresh=False, changed=True))
    stage.tell(stage.listed())
    stage.tell(FeedStatus(state=FeedState.UP, since_ns=1))
    stage.tell(stage.session())
    stage.tell(stage.risk())
    stage.grant()
    stage.seconds(100, 101, 102)
    assert stage.status is not None
    assert stage.status.reason.startswith("memory could not be read: started flat")


@pytest.mark.parametrize("cut", ["", "x", "half", "other"])
def test_a_snapshot_that_does_not_fit_raises_and_changes_nothing(cut):
    stage = ready()
    snapshot = stage.host.snapshot()
    host = SleeveHost("trend", stage.settings)
    before = host.snapshot()
    broken = {
        "": b"",
        "x": b"\xc1",
        "half": snapshot[: len(snapshot) // 2],
        "other": SleeveHost("trend", settings_for("trend")).snapshot(),
    }[cut]
    with pytest.raises(ValueError, match="snapshot does not fit sleeve trend"):
        host.restore(broken)
    assert host.snapshot() == before


def test_recorded_words_are_names_used_and_orders_asked():
    stage = ready()
    (intent,) = stage.intents()
    host = SleeveHost("trend", stage.settings)
    list(host.on(T0, Started(epoch=100, fresh=True)))
    host.recall(T0, intent)
    host.recall(
        T0,
        CancelIntent(
            intent_id="trend.100.7", sleeve="trend", incarnation=100, target="?", reason=""
        ),
    )
    assert host.memory.counter == 7
    assert intent.intent_id in host.memory.orders


def test_the_status_comes_at_start_on_change_and_every_five_seconds():
    stage = ready()
    stage.tell(Started(epoch=101, fresh=False))
    stage.pulse(1_000)
    stage.said.clear()
    for quarter in range(80):
        stage.pulse(1_000 + quarter / 4)
    assert len([word for word in stage.said if isinstance(word, SleeveStatus)]) == 3


def test_a_session_that_ends_is_told_and_pulls():
    stage = ready()
    stage.tell(stage.session(Phase.NO_ENTRIES))
    assert "session NO_ENTRIES" in told(stage)
    assert is_pulled(stage)
