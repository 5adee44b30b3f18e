"""The host's promises, whoever wrote the sleeve: authority, freshness, containment, memory."""

from __future__ import annotations

import msgspec
import pytest

from services.sleeves.host import SleeveHost
from shared.events import (
    PUBLIC,
    AuthorityGranted,
    CancelIntent,
    ClockJump,
    Depth,
    FeedState,
    FeedStatus,
    ModifyIntent,
    OrderIntent,
    OrderState,
    OrderType,
    Phase,
    Purpose,
    Quote,
    RegimeChanged,
    Side,
    SleeveBook,
    SleeveStatus,
    Started,
    Stopping,
    Trade,
    VetoRule,
    WorkingOrder,
)
from shared.units import SECOND
from tests.sleeves_stage import T0, Resting, Stage, settings_for
from tests.sleeves_toys import HERE, clumsy, eager, is_pulled, ready, told, words

# -- what it hears and says ------------------------------------------------------------------------


def test_it_hears_the_market_and_the_governor_only():
    host = eager().host
    assert set(host.subscribes) == {
        "market_data_gateway",
        "market_data_gateway.ticks",
        "risk_governor",
    }
    assert host.subscribes["market_data_gateway.ticks"] == (Quote, Trade)
    assert set(host.publishes) == {
        OrderIntent, ModifyIntent, CancelIntent, SleeveStatus, RegimeChanged,
    }  # fmt: skip
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


# -- a sleeve that raises --------------------------------------------------------------------------


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


@pytest.mark.parametrize("fresh", [False, True])
def test_lost_memory_starts_flat_and_says_so_until_a_new_day_or_a_swap(fresh):
    stage = eager()
    stage.tell(Started(epoch=300, fresh=fresh, changed=True))
    stage.tell(stage.listed())
    stage.tell(FeedStatus(state=FeedState.UP, since_ns=1))
    stage.tell(stage.session())
    stage.tell(stage.risk())
    stage.grant()
    stage.seconds(100, 101, 102)
    assert stage.status is not None
    assert stage.status.reason.startswith("memory could not be read: started flat")
    assert stage.status.trouble == stage.status.reason, "a person is told"
    again = SleeveHost("trend", stage.settings)
    again.restore(stage.host.snapshot())
    stage.host = again
    stage.tell(Started(epoch=301, fresh=False))
    stage.pulse(100)
    assert stage.status.trouble, "a restart does not make up for it"
    stage.tell(
        AuthorityGranted(sleeve="trend", incarnation=stage.host.memory.incarnation, cause="swap")
    )
    assert not stage.status.trouble, "who takes over by a person's word has lost nothing"


def test_trouble_of_a_day_ends_with_it_and_a_first_start_has_none():
    stage = ready()
    assert stage.status is not None
    assert not stage.status.trouble
    stage.host.sleeve.on_bar = fails  # type: ignore[method-assign]
    stage.seconds(100)
    assert stage.status.trouble == stage.host.memory.fault != ""
    stage.tell(stage.session(day="2026-11-19"))
    stage.pulse(100)
    assert not stage.status.trouble


def fails(bar):
    raise ZeroDivisionError("of the author's")


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
