"""Every kind of bad input, one test each: denied, with a reason, and the books kept.

What other tests look at more closely (`test_governor_nonsense.py`, `test_governor_follow.py`,
`tests/venue/test_bad_input.py`) stands here once more in one list, so that none is missing.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.risk_governor.core import Governor
from shared.events import (
    Fill,
    OrderIntent,
    OrderState,
    OrderVetoed,
    PositionUpdate,
    Quote,
    RiskLevel,
    VetoRule,
)
from shared.runtime import wire
from shared.settings import SettingsError, load
from tests.governor_stage import (
    BUY,
    MES,
    MNQ,
    SELL,
    Stage,
    dollars,
    passed,
    refused,
    settings,
    wide,
)


def on_the_wire(event: Any, **wrong: Any) -> bytes:
    """The bytes of an event with values its type does not have."""
    plain = {"t": type(event).__name__, **msgspec.to_builtins(event), **wrong}
    return msgspec.msgpack.encode(("speaker", 1, 2, 1, 3, "", plain))


def quote(**wrong: Any) -> bytes:
    return on_the_wire(Quote(contract=MNQ, bid=1, ask=2, venue_ns=3, recv_ns=4), **wrong)


def books(stage: Stage) -> tuple[Any, ...]:
    """Everything money depends on."""
    state = stage.governor.mind.state
    return stage.held(MNQ), stage.held(MES), state.base, state.floor, state.trades_today


def denied(stage: Stage, **wish: Any) -> OrderVetoed:
    """An entry that is refused and leaves the books as they were."""
    before = books(stage)
    veto = stage.ask("trend", BUY, **wish)
    assert isinstance(veto, OrderVetoed)
    assert books(stage) == before
    assert stage.governor.mind.state.orders == {}
    return veto


# -- numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Quote, Fill, OrderIntent])
def test_nan(kind: type[Any]) -> None:
    """A float is no price and no size: nobody hears it."""
    from tests.support.samples import sample

    price = {Quote: "bid", Fill: "price", OrderIntent: "size"}[kind]
    for wrong in (float("nan"), float("inf"), 1.5):
        with pytest.raises(msgspec.ValidationError, match=price):
            wire.opener(kind).decode(on_the_wire(sample(kind), **{price: wrong}))


def test_nan_in_the_settings() -> None:
    for value in ("nan", "inf"):
        with pytest.raises(SettingsError, match="quote_age_s"):
            load(env={"TSQ__RISK_GOVERNOR__QUOTE_AGE_S": value})


def test_none() -> None:
    with pytest.raises(msgspec.ValidationError, match="bid"):
        wire.opener(Quote).decode(quote(bid=None))
    veto = denied(Stage(wide()).opened(), stop_loss_ticks=None)
    assert (veto.rule, veto.limit) == (VetoRule.STOP_REQUIRED, 1)


@pytest.mark.parametrize(
    "wish", [{"size": -1}, {"size": 0}, {"stop_loss_ticks": -40}, {"take_profit_ticks": -1}]
)
def test_negative(wish: dict[str, int]) -> None:
    veto = denied(Stage(wide()).opened(), **wish)
    (name,) = wish
    assert veto.rule is VetoRule.MALFORMED
    assert name.partition("_")[0] in veto.detail
    stage = Stage(wide()).opened()
    stage.quote(MNQ, -84_000, -83_999)
    assert denied(stage).rule is VetoRule.FEED


@pytest.mark.parametrize("size", [2**31, 2**59, 2**63 - 1])
def test_overflow(size: int) -> None:
    veto = denied(Stage(wide()).opened(), size=size)
    assert veto.rule in (VetoRule.SIZE, VetoRule.MALFORMED)
    assert wire.body(("risk_governor", 1, 1, 0, 1, "", veto))
    stage = Stage(wide()).opened()
    stage.quote(MNQ, 2**62)
    assert denied(stage).rule is VetoRule.FEED


# -- the market ------------------------------------------------------------------------------------


def test_a_missing_mark() -> None:
    stage = Stage(wide()).opened()
    stage.governor.mind.state.marks.pop(MNQ)
    stage.governor.mind.forget("")
    veto = denied(stage)
    assert (veto.rule, veto.detail) == (VetoRule.FEED, "no usable quote")


def test_a_crossed_book() -> None:
    stage = Stage(wide()).opened()
    stage.quote(MNQ, 84_001, 84_000)
    veto = denied(stage)
    assert (veto.rule, veto.detail) == (VetoRule.FEED, "absurd quote 84001/84000")


def test_a_crossed_book_values_what_is_held_at_its_worse_side() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    stage.quote(MNQ, 84_001, 83_901)
    assert stage.state().session_net == -dollars("51.22")


def test_an_unknown_contract() -> None:
    veto = denied(Stage(wide()).opened(), contract="CON.F.US.XYZ.Z26")
    assert (veto.rule, veto.detail) == (VetoRule.MALFORMED, "unknown contract CON.F.US.XYZ.Z26")
    stage = Stage(wide()).opened()
    assert stage.quote("CON.F.US.XYZ.Z26", 1) == []


# -- the books -------------------------------------------------------------------------------------


def test_duplicate_fills() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend", 2)
    before, fills = books(stage), [event for _, event in stage.story if isinstance(event, Fill)]
    for fill in fills * 3:
        stage.tell(fill)
    assert books(stage) == before
    assert stage.held(MNQ) == 2


def test_fills_out_of_order() -> None:
    """The second before the first, and both before the order is said to be sent."""
    worth = []
    for order_of in ((0, 1), (1, 0)):
        stage = Stage(wide()).opened()
        order = passed(stage.ask("trend", BUY, 2))
        for number in order_of:
            stage.fill(order, (84_001, 84_003)[number], 1, trade_id=100 + number)
        stage.update(order, OrderState.SENT)
        stage.update(order, OrderState.FILLED, filled=2)
        assert order.intent_id not in stage.governor.mind.state.orders
        worth.append((stage.held(MNQ), stage.state().equity))
    assert worth[0] == worth[1]


def test_fills_for_unknown_orders() -> None:
    stage = Stage(wide()).opened()
    stage.trade_of(1, 84_001, tag="t1.trend.7.99.1", intent_id="trend.7.99", sleeve="trend")
    assert stage.held(MNQ) == 1
    assert refused(stage.ask("trend", BUY)) is VetoRule.UNPROTECTED
    passed(stage.ask_exit("trend", SELL))


def test_a_position_we_never_opened() -> None:
    stage = Stage(wide()).opened()
    stage.no += 1
    stage.tell(PositionUpdate(no=stage.no, contract=MES, position=3, cost=0, protected=0))
    assert stage.level() is RiskLevel.REDUCE_ONLY
    assert f"{MES}: router 3, books 0" in stage.state().cause
    assert denied(stage).rule is VetoRule.REDUCE_ONLY


def test_a_balance_that_moves_by_itself() -> None:
    """Down it is a loss at once, up it is nobody's until the day begins anew."""
    stage = Stage(wide()).opened()
    for balance, equity in ((49_900, 49_900), (50_400, 50_000), (49_700, 49_700)):
        stage.reconcile(balance=balance)
        assert stage.state().equity == dollars(equity)
        assert stage.governor.mind.state.base == dollars(50_000)
    stage.reconcile(balance=10**12)
    assert stage.level() is RiskLevel.REDUCE_ONLY
    assert "numbers nobody can have" in stage.state().cause


# -- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"daily_cap": 1_000}, "daily_cap was 1000; it must stay inside the firm's 1000"),
        ({"session_cap": 2_000}, "session_cap was 2000"),
        ({"daily_loss": 1_500}, "daily_loss was 1500"),
        ({"drawdown_kill": 2_000}, "drawdown_kill was 2000; it must stay inside the firm's 2000"),
        ({"account_position_tenths": 51}, "account_position_tenths was 51"),
        ({"limit_zone_bp": 199}, "limit_zone_bp was 199; the firm's zone"),
    ],
)
def test_settings_that_contradict(wrong: dict[str, int], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Governor(settings(**wrong))
