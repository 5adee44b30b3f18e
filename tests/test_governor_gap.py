"""The gap an approval must survive: stops unfilled, from our line to the firm's."""

from __future__ import annotations

import pytest

from services.risk_governor import checks_gap
from services.risk_governor.checks_gap import gap_room
from services.risk_governor.equity import account, walls
from services.risk_governor.exposure import exposures, nothing_of, value
from services.risk_governor.rates import UNQUOTED
from services.risk_governor.state import FAR, Mind
from shared.domain.rules.sizing import gap_ticks
from shared.events import OrderState, OrderVetoed, VetoRule
from tests.governor_stage import BUY, M2K, MES, MNQ, SELL, Stage, dollars, passed, refused, wide

GAP = {"gap_percent": 60, "net_stop_ticks": 1}
# A gap of 0.6 % of MNQ at 21,000.25: 505 ticks at 0.50, 4 ticks allowance, 1.22 fees.
MNQ_EACH = dollars("255.72")


def room_of(stage: Stage) -> int:
    mind = stage.governor.mind
    now = account(mind)
    assert now is not None
    assert mind.state.base is not None
    return gap_room(walls(mind, mind.state.base), now)


def test_a_gap_is_rounded_up() -> None:
    assert gap_ticks(84_001, 100, 60) == 505
    assert gap_ticks(100, 100, 100) == 1
    assert gap_ticks(100, 100, 1) == 1


@pytest.mark.parametrize(
    ("layers", "balance", "room"),
    [
        ({"session_cap": 200}, 50_000, 800),  # -200 closes, the firm locks at -1,000
        ({"daily_cap": 400, "emergency_percent": 90}, 50_000, 640),  # -360 closes
        ({"daily_loss_limit": False}, 50_000, 1_100),  # -900 closes, the floor is 2,000 away
        ({"session_cap": 200}, 48_500, 400),  # the kill closes at 48,400, the floor is 48,000
        ({"session_cap": 200}, 49_000, 800),
    ],
)
def test_the_room_lies_between_our_first_line_and_the_firms(
    layers: dict[str, int], balance: int, room: int
) -> None:
    assert room_of(Stage(wide(**layers)).opened(balance)) == dollars(room)


def test_what_could_not_bear_the_gap_is_refused_with_the_size_that_could() -> None:
    stage = Stage(wide(**GAP, session_cap=200)).opened()
    veto = stage.ask("trend", BUY, 4, stop_loss_ticks=1)
    assert isinstance(veto, OrderVetoed)
    assert (veto.rule, veto.limit, veto.actual) == (VetoRule.GAP, dollars(800), 4 * MNQ_EACH)
    assert veto.largest == 3
    passed(stage.ask("trend", BUY, 3, stop_loss_ticks=1))


def test_a_gap_that_takes_all_the_room_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for room, rule in ((MNQ_EACH, VetoRule.GAP), (MNQ_EACH + 1, None)):
        stage = Stage(wide(**GAP)).opened()
        monkeypatch.setattr(checks_gap, "gap_room", lambda *_, room=room: room)
        said = stage.ask("trend", BUY, 1, stop_loss_ticks=1)
        assert (refused(said) is rule) if rule else passed(said)


def test_every_contract_gaps_against_us_at_once() -> None:
    stage = Stage(wide(**GAP, session_cap=200, contracts_per_day=1_000)).opened()
    passed(stage.ask("trend", BUY, 2, stop_loss_ticks=1))
    veto = stage.ask("mean_reversion", SELL, 2, contract=MES, stop_loss_ticks=1)
    assert refused(veto) is VetoRule.GAP  # 511.44 of MNQ and 372.96 of MES, sold beside it


def test_working_orders_count_and_leave_the_count_with_their_end() -> None:
    stage = Stage(wide(**GAP, session_cap=200)).opened()
    first = passed(stage.quote_order(BUY, 23_999, 10))  # 75.72 each
    assert refused(stage.quote_order(BUY, 23_998, 1)) is VetoRule.GAP
    stage.update(first, OrderState.CANCELLED)
    passed(stage.quote_order(BUY, 23_998, 1))


def test_the_day_s_first_price_counts_where_the_market_fell_since() -> None:
    stage = Stage(wide(**GAP, session_cap=200)).opened()
    stage.pulse()
    stage.quote(MNQ, 60_000)
    assert refused(stage.ask("trend", BUY, 4, stop_loss_ticks=1)) is VetoRule.GAP


def test_nothing_is_asked_where_no_gap_is_assumed() -> None:
    passed(Stage(wide(session_cap=200)).opened().ask("trend", BUY, 40, stop_loss_ticks=1))


def test_what_nobody_quotes_or_declares_a_gap_for_bears_none() -> None:
    mind = Stage(wide(**GAP, session_cap=200)).opened().governor.mind
    assert gap_of(mind, M2K, 2) == 2 * dollars("75.72")  # 145 ticks, 4 of allowance, fees
    assert gap_of(mind, "CON.F.US.MCL.Z26", 2) == FAR
    strange = Stage(wide(**GAP, stress_bp={"energy": 300})).opened().governor.mind
    assert gap_of(strange, M2K, 2) == FAR
    unasked = Stage(wide()).opened().governor.mind
    assert gap_of(unasked, M2K, 2) == 0


def gap_of(mind: Mind, contract: str, lots: int) -> int:
    """What the gap costs lots of a contract nobody trades."""
    exposures(mind)
    one = nothing_of(mind, contract)
    value(one, mind.state.marks.get(contract, UNQUOTED))
    return one.gap_of(lots)
