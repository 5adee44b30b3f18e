"""Who earned what: sums to the micro-dollar whatever happens; round trips a trader can check."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins
from msgspec.structs import replace

from scripts import cli
from services.metrics_exporter.core import Board
from services.metrics_exporter.metrics import Exposition
from services.metrics_exporter.view import snapshot
from services.stage_play import play, truth_of
from shared.domain.attribution import Attribution, Slip, Trip
from shared.domain.sessions import calendar
from shared.events import (
    AccountUpdate,
    Bar,
    Event,
    Fill,
    OrderApproved,
    OrderState,
    OrderType,
    OrderUpdate,
    Purpose,
    Side,
)
from shared.lab.accidents import Accidents
from shared.settings import load
from shared.units import HOUR, MINUTE, SECOND, USD
from tests.test_risk_verb import write

DAYS = calendar(load(env={}).session)
DAY = DAYS.named("2026-09-15")
NOON = DAY.ends_ns - 5 * HOUR  # 12:00 in Chicago
MNQ, MES = "CON.F.US.MNQ.Z26", "CON.F.US.MES.Z26"
FEE = 370_000


def a_fill(trade_id: int, sleeve: str, side: Side, size: int, price: int, **more: object) -> Fill:
    values: dict[str, object] = {
        "no": trade_id, "trade_id": trade_id, "venue_order_id": trade_id, "tag": f"t{trade_id}",
        "intent_id": "", "sleeve": sleeve, "contract": MNQ, "side": side, "size": size,
        "price": price, "fee": FEE * size, "purpose": Purpose.ENTRY, "venue_ns": NOON,
    }  # fmt: skip
    return Fill(**{**values, **more})  # type: ignore[arg-type]


def a_bar(open_ns: int, low: int, high: int, close: int, contract: str = MNQ) -> Bar:
    return Bar(
        contract=contract, span_s=1, open_ns=open_ns, open=low, high=high, low=low, close=close,
        volume=1,
    )  # fmt: skip


def told(*events: Fill | Bar | AccountUpdate | OrderApproved | OrderUpdate) -> Attribution:
    found = Attribution(day=DAY.day)
    for event in events:
        found.observe(event, DAYS)
    return found


def balance(amount: int) -> AccountUpdate:
    return AccountUpdate(
        no=1, account_id=1, name="a", balance=amount, can_trade=True, simulated=True
    )


def test_a_round_trip_with_its_excursions() -> None:
    """Bought 2 at 100, seen 90 and 130, sold at 120: 20 ticks of 50 cents, twice, less 4 fees."""
    found = told(
        a_fill(1, "trend", Side.BUY, 2, 100),
        a_bar(NOON - SECOND, 50, 60, 55),  # began before the trip did: nobody knows its order
        a_bar(NOON, 90, 130, 110),
        a_fill(2, "trend", Side.SELL, 2, 120, venue_ns=NOON + MINUTE),
        a_bar(NOON + MINUTE, 10, 500, 20),  # after it
    )
    [trip] = found.trips
    assert (trip.side, trip.size, trip.lots) == (1, 2, 0)
    assert trip.gross() == 2 * 20 * USD // 2
    assert trip.fees == 4 * FEE
    assert trip.excursions() == (-2 * 10 * USD // 2, 2 * 30 * USD // 2)
    assert trip.closed_ns - trip.opened_ns == MINUTE
    tally = found.tallies["trend"]
    assert (tally.trips, tally.wins, tally.losses) == (1, 1, 0)
    assert tally.expectancy() == tally.won == tally.best == 20 * USD - 4 * FEE


def test_a_fill_through_flat_ends_one_trip_and_begins_another() -> None:
    found = told(
        a_fill(1, "trend", Side.BUY, 1, 100),
        a_fill(2, "trend", Side.SELL, 3, 90),
        a_fill(3, "trend", Side.BUY, 2, 95),
    )
    first, second = found.trips
    assert (first.side, first.gross(), first.fees) == (1, -5 * USD, 2 * FEE)
    assert (second.side, second.size, second.gross(), second.fees) == (-1, 2, -5 * USD, 4 * FEE)
    assert found.tallies["trend"].losses == 2
    assert found.of("trend").net == -10 * USD - 6 * FEE


def test_a_loser_has_a_negative_expectancy_and_a_scratch_is_neither() -> None:
    found = told(
        a_fill(1, "trend", Side.BUY, 1, 100, fee=0),
        a_fill(2, "trend", Side.SELL, 1, 100, fee=0),
        a_fill(3, "trend", Side.BUY, 1, 100, fee=0),
        a_fill(4, "trend", Side.SELL, 1, 97, fee=0),
    )
    tally = found.tallies["trend"]
    assert (tally.trips, tally.wins, tally.losses) == (2, 0, 1)
    assert tally.expectancy() == -750_000  # half of 3 ticks of 50 cents


def test_what_a_person_does_is_his_own_and_what_he_closes_is_its_owners() -> None:
    found = told(
        a_fill(1, "trend", Side.BUY, 1, 100),
        a_fill(2, "", Side.SELL, 2, 110),  # by hand: closes trend's, and goes short one
        a_fill(3, "", Side.BUY, 1, 108),
    )
    assert [trip.owner for trip in found.trips] == ["trend", "human"]
    assert found.owners() == ["human", "trend"]
    assert found.of("trend").net == 5 * USD - 3 * FEE  # the fee of a shared fill is the first's
    assert found.of("human").net == 1 * USD - FEE


def test_a_fill_taken_back_takes_back_its_money() -> None:
    found = told(
        a_fill(1, "trend", Side.BUY, 1, 100),
        a_fill(1, "trend", Side.BUY, 1, 100, voided=True),
    )
    money = found.of("trend")
    assert (money.net, money.fees, money.fills, money.lots) == (0, 0, 0, 0)
    assert found.ledger.flat()


def test_sums_to_what_the_balance_moved() -> None:
    sold = a_fill(2, "trend", Side.SELL, 1, 110)
    found = told(
        balance(50_000 * USD), a_fill(1, "trend", Side.BUY, 1, 100), sold,
        balance(50_005 * USD - 2 * FEE),
    )  # fmt: skip
    assert found.unexplained() == 0
    found.observe(balance(49_005 * USD - 2 * FEE), DAYS)
    assert found.unexplained() == -1_000 * USD  # a payout, not a trade


def test_nothing_is_told_of_the_balance_while_something_is_held() -> None:
    found = told(balance(50_000 * USD), a_fill(1, "trend", Side.BUY, 1, 100))
    assert found.unexplained() is None
    assert told(a_fill(1, "trend", Side.BUY, 1, 100)).unexplained() is None


def test_an_open_position_counts_at_the_last_bar() -> None:
    found = told(a_fill(1, "trend", Side.SELL, 2, 100, fee=0))
    assert found.of("trend").net == 0
    found.observe(a_bar(NOON, 80, 101, 90), DAYS)
    assert found.of("trend").net == found.account().net == 2 * 10 * USD // 2


def an_update(tag: str, kind: OrderType, **prices: int) -> OrderUpdate:
    return OrderUpdate(
        no=1, tag=tag, intent_id="", sleeve="trend", contract=MNQ, side=Side.SELL, size=1,
        filled=0, state=OrderState.WORKING, purpose=Purpose.STOP_LOSS, type=kind, **prices,
    )  # fmt: skip


def an_approval(tag: str, touch: int) -> OrderApproved:
    return OrderApproved(
        intent_id="trend.1.1", sleeve="trend", incarnation=1, contract=MNQ, side=Side.BUY, size=2,
        type=OrderType.MARKET, purpose=Purpose.ENTRY, tag=tag, halt_no=0, deadline_real_ns=0,
        touch=touch,
    )  # fmt: skip


def test_slippage_by_type_and_hour() -> None:
    """A market order against the side it met, a stop against its stop as last changed, a limit
    that did better, and a close of a flatten against the last bar.
    """
    found = told(
        an_approval("t1", 100),
        a_fill(1, "trend", Side.BUY, 2, 101),
        an_update("t2", OrderType.STOP, stop_price=80),
        an_update("t2", OrderType.STOP, stop_price=95),
        a_fill(2, "trend", Side.SELL, 1, 92, purpose=Purpose.STOP_LOSS),
        an_update("t3", OrderType.LIMIT, limit_price=110),
        a_fill(3, "trend", Side.SELL, 1, 111, venue_ns=NOON + HOUR),
        a_bar(NOON, 100, 104, 103),
        a_fill(4, "trend", Side.SELL, 1, 101, purpose=Purpose.FLATTEN, tag=""),
        a_fill(5, "trend", Side.BUY, 1, 101, tag="nobody heard of it"),
    )
    assert found.slips == {
        ("trend", "MARKET", 12): Slip(1, 2, 2, 1),
        ("trend", "STOP", 12): Slip(1, 1, 3, 3),
        ("trend", "LIMIT", 13): Slip(1, 1, -1, 0),
        ("trend", "FLATTEN", 12): Slip(1, 1, 2, 2),
    }


def test_a_take_profit_put_through_the_market_is_the_exit_it_stands_for() -> None:
    """The sleeve leaves at 105; the router moves the leg to 85 so that it trades now, at 103."""
    leg = replace(an_update("t2", OrderType.LIMIT, limit_price=130), purpose=Purpose.TAKE_PROFIT)
    exit_ = replace(an_approval("t3", 105), side=Side.SELL, purpose=Purpose.EXIT)
    sold = a_fill(2, "trend", Side.SELL, 1, 103, purpose=Purpose.TAKE_PROFIT)
    bought = a_fill(1, "trend", Side.BUY, 1, 100)
    found = told(bought, leg, exit_, replace(leg, limit_price=85), sold)
    assert found.slips == {("trend", "MARKET", 12): Slip(1, 1, 2, 2)}
    assert found.leaving == {}
    assert told(bought, leg, sold).slips == {("trend", "LIMIT", 12): Slip(1, 1, 27, 27)}


def test_a_new_day_begins_at_zero_but_never_with_something_held() -> None:
    found = told(balance(USD), a_fill(1, "trend", Side.BUY, 1, 100))
    assert found.turn(DAY.day) is found
    assert found.turn("2026-09-16") is found
    found.observe(a_fill(2, "trend", Side.SELL, 1, 100), DAYS)
    later = found.turn("2026-09-16")
    assert (later.day, later.start, later.owners()) == ("2026-09-16", USD, [])


def test_a_contract_nobody_knows_is_left_out() -> None:
    assert told(a_fill(1, "trend", Side.BUY, 1, 100, contract="CON.F.US.XX.Z26")).owners() == []


FILLS = st.lists(
    st.tuples(
        st.sampled_from(["trend", "market_maker", ""]),
        st.sampled_from([MNQ, MES]),
        st.sampled_from([Side.BUY, Side.SELL]),
        st.integers(1, 4),
        st.integers(90, 110),
        st.booleans(),  # said twice
        st.booleans(),  # taken back at the end
    ),
    max_size=30,
)


@given(FILLS)
def test_whatever_trades_every_sum_is_the_accounts(
    story: list[tuple[str, str, Side, int, int, bool, bool]],
) -> None:
    """Owners sum to cash less fees; and once all is closed, so do the round trips."""
    found, cash, fees = Attribution(day=DAY.day), 0, 0
    worth = {MNQ: USD // 2, MES: 5 * USD // 4}
    lots = {MNQ: 0, MES: 0}
    for number, (owner, contract, side, size, price, twice, void) in enumerate(story, 1):
        fill = a_fill(number, owner, side, size, price, contract=contract)
        for _ in range(1 + twice):
            found.observe(fill, DAYS)
        if void:
            found.observe(a_fill(
                number, owner, side, size, price, contract=contract, voided=True
            ), DAYS)  # fmt: skip
            continue
        lots[contract] += side * size
        cash -= side * size * price * worth[contract]
        fees += FEE * size
    at = {MNQ: 100, MES: 97}
    for contract, price in at.items():
        found.observe(a_bar(NOON, price, price, price, contract), DAYS)
    marked = cash + sum(lots[c] * at[c] * worth[c] for c in at)
    assert found.account().net == marked - fees == sum(found.of(o).net for o in found.owners())
    number = len(story)
    for owner in list(found.owners()):  # close all, so that every cent is in a trip
        for contract, price in at.items():
            held = found.ledger.held(owner, contract)
            if held:
                number += 1
                side = Side.SELL if held > 0 else Side.BUY
                found.observe(a_fill(
                    number, "" if owner == "human" else owner, side, abs(held), price,
                    contract=contract, fee=0,
                ), DAYS)  # fmt: skip
    if found.ledger.flat():
        closed: list[Trip] = found.trips
        assert sum(trip.gross() - trip.fees for trip in closed) == found.account().net
        for owner in found.owners():
            tally = found.tallies.get(owner)
            assert (tally.won + tally.lost if tally else 0) == found.of(owner).net


@pytest.mark.parametrize("seed", [0, 11])
def test_a_world_with_accidents_is_attributed_to_the_micro_dollar(seed: int) -> None:
    """Every fill the router told sums to what the venue's own books moved, by owner and by trip."""
    checks = play(seed, Accidents.swarm(seed) if seed else Accidents(), 40)
    assert checks.world is not None
    found = Attribution(day=DAY.day)
    for fill in checks.fills.values():
        found.observe(fill, DAYS)
    truth = truth_of(checks.world)
    assert checks.fills, "somebody traded"
    assert found.account().net == truth.balance_micros - truth.start_micros
    assert found.account().fees == truth.fees_micros
    assert sum(tally.won + tally.lost for tally in found.tallies.values()) == found.account().net


def test_the_page_and_the_report_tell_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One story, once heard by the board and once read from the journals."""
    router = [
        (NOON, balance(50_000 * USD)),
        (NOON + 1, a_fill(1, "trend", Side.BUY, 2, 101)),
        (NOON + 5 * SECOND, a_fill(2, "trend", Side.SELL, 2, 121, venue_ns=NOON + 5 * SECOND)),
        (NOON + 6 * SECOND, balance(50_020 * USD - 4 * FEE)),
    ]
    governor = [(NOON, an_approval("t1", 100))]
    gateway = [(NOON + 3 * SECOND, a_bar(NOON + 2 * SECOND, 90, 130, 110))]
    lanes: dict[str, list[tuple[int, Event]]] = {
        "order_router": [*router], "risk_governor": [*governor], "market_data_gateway": [*gateway],
    }  # fmt: skip
    for lane, events in lanes.items():
        write(tmp_path, lane, events)
    assert cli.main(["report", "--var", str(tmp_path), "--json", "--trips"]) == 0
    [day] = json.loads(capsys.readouterr().out)["days"]
    board = Board(load(env={}))
    for at, lane, event in sorted(
        ((at, lane, event) for lane, events in lanes.items() for at, event in events),
        key=lambda it: it[0],
    ):
        board.advance(at, at)
        board.observe(lane, 1, 1, at, event)
    board.restore(board.snapshot())
    shown = to_builtins(snapshot(board).attribution)
    assert day["earned"] == shown["earned"]
    assert day["slips"] == shown["slips"]
    assert day["unexplained_dollars"] == shown["unexplained_dollars"] == 0
    [trend, account] = day["earned"]
    assert (trend["owner"], account["owner"]) == ("trend", "account")
    assert trend["net_dollars"] == account["net_dollars"] == 18.52
    assert (trend["adverse_dollars"], trend["favourable_dollars"]) == (-11.0, 29.0)
    assert trend["slip_ticks"] == 1.0
    assert [trip["net_dollars"] for trip in day["round_trips"]] == [18.52]
    text = Exposition(board).text().decode()
    assert 'topstepquant_expectancy_dollars{sleeve="trend"} 18.52' in text
    assert 'topstepquant_slippage_ticks_today{reason="MARKET",sleeve="trend"} 2.0' in text
    assert cli.main(["report", "--var", str(tmp_path), "--trips"]) == 0
    told_lines = capsys.readouterr().out
    assert "sums to the venue's balance" in told_lines
    assert "net    +18.52" in told_lines


def test_a_report_without_journals_is_a_usage_error(tmp_path: Path) -> None:
    assert cli.main(["report", "--var", str(tmp_path)]) == 1
