"""The exact edge of every check: at the limit passes, one more does not.

Beside it the refusals that another rule usually makes first: each check is asked alone here, so
that none can fall out unseen because a second one stands behind it.
"""

from __future__ import annotations

from typing import Any

import pytest

from services.risk_governor import checks_market, checks_together, checks_world
from services.risk_governor.checks_conduct import order_is_new
from services.risk_governor.draft import Draft, Refusal
from services.risk_governor.habits import conduct_of
from shared.events import (
    CancelApproved,
    Flatten,
    FlattenStage,
    Gap,
    OrderState,
    OrderType,
    PeerSilent,
    Phase,
    Pulse,
    RiskLevel,
    Scope,
    Side,
    VetoRule,
)
from shared.units import DAY, MILLISECOND, MINUTE, SECOND, Nanos
from tests.governor_stage import (
    BUY,
    HOUR,
    M2K,
    MES,
    MNQ,
    OPENING,
    SELL,
    Stage,
    dollars,
    passed,
    refused,
    wide,
)

FIFTY = {"size": 50, "stop_loss_ticks": 10}
FIFTY_COST = 361  # dollars of 50 MNQ at a stop of 10: 12 ticks at 0.50 and 1.22 each


def draft_of(stage: Stage, side: Side = BUY, size: int = 1, **changed: Any) -> Draft:
    wish = stage.intent("trend", side, size, **changed)
    draft = Draft(stage.governor.mind, stage.now, wish, (wish.limit_price, wish.stop_price))
    draft.resize(size)
    return draft


def rule_of(refusal: Refusal | None) -> VetoRule | None:
    return None if refusal is None else refusal[0]


# -- money -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["trade_risk", "open_risk"])
def test_a_risk_of_exactly_the_limit_passes(limit: str) -> None:
    passed(Stage(wide(**{limit: FIFTY_COST})).opened().ask("trend", BUY, **FIFTY))
    veto = Stage(wide(**{limit: FIFTY_COST - 1})).opened().ask("trend", BUY, **FIFTY)
    assert refused(veto).value == limit.upper()


def test_a_stress_of_exactly_the_limit_passes() -> None:
    for limit, rule in ((420, None), (419, VetoRule.GROUP_STRESS)):
        stage = Stage(wide(stress_loss=limit)).opened()
        stage.quote(MNQ, 83_999)  # the ask of 84,000 is worth 42,000; 1 % of it 420
        asked = checks_together.group_bears_stress(stage.governor.mind, draft_of(stage))
        assert rule_of(asked) is rule


def test_a_slice_of_exactly_the_risk_bears_it() -> None:
    """52,444 less the floor of 50,000, divided among four sleeves: 611 each."""
    stop = {"size": 50, "stop_loss_ticks": 20}  # 611
    given = wide(allocation_share_percent=100)
    passed(Stage(given).opened(52_444).ask("trend", BUY, **stop))
    veto = Stage(given).opened(52_440).ask("trend", BUY, **stop)
    assert refused(veto) is VetoRule.SLEEVE_BUDGET


def test_kelly_of_exactly_the_risk_bears_it_and_a_trade_of_nothing_is_no_gain() -> None:
    """Nothing but gains: a quarter of the 1,444 above the floor."""
    for balance, nets, passes in (
        (49_444, [1] * 20, True),
        (49_443, [1] * 20, False),
        (49_444, [1] * 19 + [0], False),
    ):
        stage = Stage(wide(kelly=("trend",), kelly_trades=20)).opened(balance)
        conduct = conduct_of(stage.governor.mind, "trend")
        conduct.outcomes = [dollars(net) for net in nets]
        said = stage.ask("trend", BUY, **FIFTY)
        if passes:
            passed(said)
        else:
            assert refused(said) is VetoRule.KELLY, nets


# -- the market ------------------------------------------------------------------------------------


def test_a_locked_market_is_a_market_and_a_crossed_one_is_not() -> None:
    stage = Stage(wide()).opened()
    stage.quote(MNQ, 84_000, 84_000)
    passed(stage.ask("trend", BUY))
    stage.quote(MES, 24_000, 23_999)
    assert refused(stage.ask("mean_reversion", BUY, contract=MES)) is VetoRule.FEED


def test_a_quote_without_a_price_is_no_quote() -> None:
    stage = Stage(wide()).opened()
    stage.quote(MNQ, 0, 0)
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.FEED
    assert veto.detail == "no usable quote"


def test_a_pause_after_a_jump_ends_with_its_last_nanosecond() -> None:
    stage = Stage(wide()).opened()
    mind, draft = stage.governor.mind, draft_of(stage)
    for left, rule in ((1, VetoRule.JUMP), (0, None)):
        mind.state.marks[MNQ].pause_ns = stage.now + left
        assert rule_of(checks_market.market_is_calm(mind, draft)) is rule


@pytest.mark.parametrize(
    ("side", "kind", "price", "rule"),
    [
        (BUY, "limit_price", 79_800, VetoRule.PRICE_LIMIT),  # 5 % below 84,000
        (BUY, "limit_price", 79_801, None),
        (SELL, "limit_price", 88_200, VetoRule.PRICE_LIMIT),
        (SELL, "limit_price", 88_199, None),
    ],
)
def test_a_resting_price_is_judged_on_both_sides_of_the_settlement(
    side: Side, kind: str, price: int, rule: VetoRule | None
) -> None:
    stage = Stage(wide(limit_bp=700, limit_zone_bp=200)).opened()
    draft = draft_of(stage, side, **{kind: price})
    assert rule_of(checks_market.limit_is_far(stage.governor.mind, draft)) is rule


def test_the_same_entry_passes_at_the_end_of_its_window() -> None:
    stage = Stage(wide(repeat_s=5.0)).opened()
    first = stage.now
    passed(stage.ask("trend", BUY))
    mind = stage.governor.mind
    (approved_ns,) = conduct_of(mind, "trend").entries_ns.values()
    assert approved_ns > first
    for short, rule in ((1, VetoRule.REPEATED), (0, None)):
        stage.now = approved_ns + 5 * SECOND - short
        assert rule_of(order_is_new(mind, draft_of(stage))) is rule


# -- the world -------------------------------------------------------------------------------------


def test_a_contract_that_is_being_closed_takes_no_entry() -> None:
    stage = Stage(wide(unprotected_real_s=3.0)).opened()
    stage.filled(stage.ask("trend", BUY), 84_001)
    assert [said.scope for said in stage.wait(5) if hasattr(said, "scope")] == [Scope.CONTRACT]
    asked = checks_world.level_is_active(stage.governor.mind, draft_of(stage))
    assert rule_of(asked) is VetoRule.REDUCE_ONLY
    other = checks_world.level_is_active(stage.governor.mind, draft_of(stage, contract=MES))
    assert other is None
    stage.trade_of(1, 84_000, sleeve="trend", side=SELL)
    stage.covered(MNQ)
    stage.proven_flat(scope=Scope.CONTRACT, contract=MNQ, stage=FlattenStage.FLAT)
    assert checks_world.level_is_active(stage.governor.mind, draft_of(stage)) is None


def test_outside_the_calendar_nothing_is_open() -> None:
    stage = Stage(wide()).opened()
    stage.now = OPENING + 4_000 * DAY
    asked = checks_world.session_is_open(stage.governor.mind, draft_of(stage))
    assert asked == (VetoRule.SESSION, 0, 0, "time lies outside the calendar")


def test_entries_end_at_their_instant_whatever_the_gateway_says() -> None:
    stage = Stage(wide()).opened()
    mind = stage.governor.mind
    today = mind.today(stage.now)
    assert today is not None
    for at_ns, rule in (
        (today.no_entries_ns - 1, None),
        (today.no_entries_ns, VetoRule.SESSION),
        (today.opens_ns, None),
        (today.opens_ns - 1, VetoRule.SESSION),
    ):
        stage.now = at_ns
        assert rule_of(checks_world.session_is_open(mind, draft_of(stage))) is rule
    stage.now = today.opens_ns + SECOND
    stage.phase(Phase.NO_ENTRIES)
    assert rule_of(checks_world.session_is_open(mind, draft_of(stage))) is VetoRule.SESSION


def test_an_account_that_may_not_trade_or_is_not_reconciled_takes_nothing() -> None:
    stage = Stage(wide()).opened()
    mind, draft = stage.governor.mind, draft_of(stage)
    assert checks_world.account_is_known(mind, draft) is None
    for changed in ({"can_trade": False}, {"simulated": False}):
        stage.account(**changed)
        assert rule_of(checks_world.account_is_known(mind, draft)) is VetoRule.NOT_RECONCILED
        stage.account()
    base, day = mind.state.base, mind.state.day
    mind.state.base = None
    assert rule_of(checks_world.account_is_known(mind, draft)) is VetoRule.NOT_RECONCILED
    mind.state.base, mind.state.day = base, "2026-11-17"
    assert rule_of(checks_world.account_is_known(mind, draft)) is VetoRule.NOT_RECONCILED
    mind.state.day = day
    mind.state.venue = None
    assert checks_world.account_is_known(mind, draft) == (
        VetoRule.NOT_RECONCILED, 0, 0, "venue not heard of",
    )  # fmt: skip


def test_a_group_with_a_product_nobody_quotes_is_not_added_to() -> None:
    stage = Stage(wide()).opened()
    passed(stage.quote_order(BUY, 24_000))
    mind = stage.governor.mind
    del mind.state.marks[M2K]
    mind.forget(M2K)
    asked = checks_together.group_bears_stress(mind, draft_of(stage))
    assert rule_of(asked) is VetoRule.GROUP_STRESS
    assert asked is not None
    assert M2K in asked[3]


# -- unasked ---------------------------------------------------------------------------------------


def resting(stage: Stage) -> str:
    """An entry of trend that rests far from the market; its intent id."""
    order = passed(stage.ask("trend", BUY, type=OrderType.LIMIT, limit_price=83_980))
    stage.update(order, OrderState.WORKING)
    return order.intent_id


def pulse_at(stage: Stage, real_ns: Nanos) -> None:
    stage.tell(Pulse(real_ns=real_ns))


def test_what_rests_beyond_the_calendar_is_withdrawn_as_past_no_known_instant() -> None:
    stage = Stage(wide()).opened()
    rests = resting(stage)
    stage.now = OPENING + 3 * 365 * DAY
    stage.pulse()
    (cancel,) = [event for event in stage.said if isinstance(event, CancelApproved)]
    assert (cancel.target, cancel.reason) == (rests, "session phase CLOSED")
    assert cancel.grounds is not None
    assert (cancel.grounds.rule, cancel.grounds.actual) == (VetoRule.SESSION.value, 0)


def test_a_cancel_without_effect_is_asked_for_again_after_five_seconds_and_not_before() -> None:
    stage = Stage(wide()).opened()
    rests = resting(stage)
    stage.tell(PeerSilent(actor="sleeve_trend"))
    assert stage.cancelled() == [rests]
    asked = stage.governor.mind.state.real_ns
    pulse_at(stage, asked + 5 * SECOND - 1)
    assert stage.cancelled() == []
    pulse_at(stage, asked + 5 * SECOND)
    assert stage.cancelled() == [rests]


def test_a_position_held_over_the_day_s_end_is_late_since_the_day_began() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    stage.at(OPENING + 7 * HOUR + 26 * MINUTE)  # 17:01 CT
    (flatten,) = [event for event in stage.heard if isinstance(event, Flatten)]
    assert flatten.grounds is not None
    assert flatten.grounds.actual == MINUTE, "not since 15:05 of a day that is still to come"


def test_a_position_whose_last_quote_may_not_be_the_last_is_one_without_market_data() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    stage.tell(Gap(contract=MNQ, start_ns=stage.now - SECOND, end_ns=stage.now))
    stage.wait(10)
    assert stage.level() is RiskLevel.ACTIVE
    stage.wait(0.5)
    assert stage.level() is RiskLevel.FLATTENING
    assert "without market data" in stage.state().cause


def test_a_position_may_lack_its_stop_for_exactly_as_long_as_allowed() -> None:
    stage = Stage(wide()).opened()
    stage.pulse()
    stage.filled(stage.ask("trend", BUY), 84_001)
    since = stage.governor.mind.state.real_ns
    allowed = round(stage.settings.risk_governor.unprotected_real_s * SECOND)
    pulse_at(stage, since + allowed)
    assert not stage.flattens()
    pulse_at(stage, since + allowed + MILLISECOND)
    assert [flatten.contract for flatten in stage.flattens()] == [MNQ]
