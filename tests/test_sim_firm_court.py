"""The firm before an exchange whose market is set by hand: breaches, caps, liquidations."""

from __future__ import annotations

from services.simulator import listing
from services.simulator.dice import Delay
from services.simulator.words import Answer
from shared.contracts import PRODUCTS
from shared.sections import SimulatedAccount, SimulatorFeed
from shared.units import SECOND
from shared.venue import words as venue
from tests.sim_firm_stage import Court, money
from tests.sim_stage import ACCOUNT, ES, MES, MNQ, Bench, settings_with

NQ = "CON.F.US.ENQ.Z26"


def test_v10_the_first_instant_of_a_breach() -> None:
    court = Court(daily_loss=False)
    court.state.balance = court.state.start = money("50300")
    court.state.firm.floor = money("48500")
    court.mark(ES, 6_000.0)
    assert court.place(ES, 0, 1).success
    assert court.state.balance == money("50298.11")
    seen = []
    for price in (5_990.0, 5_970.0, 5_964.25):
        court.mark(ES, price)
        seen.append(court.equity())
        assert court.state.can_trade, price
    assert seen == ["49798.11", "48798.11", "48510.61"]
    court.mark(ES, 5_964.0)
    assert (court.state.can_trade, court.state.firm.breached) == (False, True)
    court.mark(ES, 5_964.0)
    assert court.account.lots(ES) == 0, "closed at market"
    assert court.state.balance == money("48498.11") - money("1.89")
    court.mark(ES, 6_100.0)
    assert not court.state.can_trade


def test_v17_fees_and_open_profit_count_for_the_day() -> None:
    court = Court(daily_loss=True)
    court.mark(MNQ, 21_000.0)
    court.mark(ES, 6_000.0)
    assert court.place(MNQ, 0, 5).success
    court.mark(MNQ, 20_980.0)
    assert court.place(MNQ, 1, 5).success
    assert court.state.balance - court.state.start == money("-206.10")
    assert court.place(ES, 0, 1).success
    assert court.state.balance - court.state.start == money("-207.99")
    nets = []
    for price in (5_990.0, 5_984.25):
        court.mark(ES, price)
        nets.append(f"{float(court.equity()) - 50_000:.2f}")
        assert court.state.can_trade
    assert nets == ["-707.99", "-995.49"]
    court.mark(ES, 5_984.0)
    assert court.equity() == "48992.01"
    assert (court.state.firm.locked, court.state.firm.breached) == (True, False)
    court.mark(ES, 5_984.0)
    assert court.account.held() == []


def test_v35_the_cap_adds_up_products_and_lets_exits_pass() -> None:
    court = Court()
    court.mark(ES, 6_000.0)
    court.mark(NQ, 21_000.0)
    court.mark(MES, 6_000.0)
    assert court.place(ES, 0, 2).success
    assert court.place(NQ, 1, 3).success
    refused = court.place(MES, 0, 1)
    assert (refused.error_code, refused.error_message) == (2, "Not enough margin.")
    assert court.place(NQ, 0, 1).success, "closing is always allowed"
    assert court.place(MES, 0, 10).success


def test_a_restricted_product_has_a_cap_of_its_own() -> None:
    mcl, silver = (listing.front(PRODUCTS[root], "2026-11-18") for root in ("MCL", "SI"))
    bench = Bench(feed=SimulatorFeed(products=("MCL", "MES", "SI"), recordings={}), regime="calm")
    bench.run(1)
    assert bench.place(mcl, size=31).error_message == "Not enough margin."
    assert bench.place(mcl, size=30).success
    bench.run(1)
    assert bench.place(mcl, size=1).error_message == "Not enough margin."
    assert bench.place(mcl, size=30, side=1).success, "closing is always allowed"
    assert bench.place(silver, size=1).error_message == "Not enough margin.", "none at all now"
    assert bench.place(MES, size=20).success, "others have the account's cap"


def test_working_orders_count_at_their_worst_side() -> None:
    court = Court()
    court.mark(MES, 6_000.0)
    below, above = {"type": 1, "limit_price": 5_990.0}, {"type": 1, "limit_price": 6_010.0}
    assert court.place(MES, 0, 50, **below).success
    assert court.place(MES, 0, 1, **below).error_message == "Not enough margin."
    assert court.place(MES, 1, 50, **above).success, "the sides of a quote are not added"


def test_the_bracket_of_a_full_position_is_no_exposure() -> None:
    court = Court()
    court.mark(MES, 6_000.0)
    stop, target = venue.BracketModel(ticks=-40, type=4), venue.BracketModel(ticks=40, type=1)
    assert court.place(MES, 0, 50, stop_loss_bracket=stop, take_profit_bracket=target).success
    assert court.place(MES, 1, 50).success, "the way out stays free beside the legs"


def test_liquidation_cancels_everything_first_and_refuses_more() -> None:
    court = Court(daily_loss=False)
    court.mark(MES, 6_000.0)
    court.place(MES, 0, 40, stop_loss_bracket=venue.BracketModel(ticks=-900, type=4))
    resting = court.place(MES, 0, 1, type=1, limit_price=5_700.0).order_id
    court.mark(MES, 5_995.0)
    assert court.state.can_trade
    court.state.firm.floor = money("49000")
    court.mark(MES, 5_995.0)
    assert not court.state.can_trade
    refused = court.place(MES, 0, 1)
    assert (refused.success, refused.error_code, refused.order_id) == (False, 4, None)
    court.mark(MES, 5_980.0)
    assert court.account.held() == []
    assert court.state.live == {}
    assert court.account.find(resting).state.name == "CANCELLED"  # type: ignore[union-attr]
    closing = court.state.done[max(court.state.done)]
    assert (closing.kind, closing.tag, closing.forced) == (2, None, True)


def test_no_second_close_while_the_firm_closes() -> None:
    court = Court(daily_loss=False)
    court.mark(MES, 6_000.0)
    court.place(MES, 0, 2)
    court.state.firm.floor = money("60000")
    court.exchange._latency = Delay(SECOND, 0)
    court.bailiff.look(court.now)
    assert [order.forced for order in court.state.live.values()] == [True]
    (closing,) = court.state.live
    court.desk.close(court.now, 77, venue.PositionClose(account_id=ACCOUNT, contract_id=MES))
    court.desk.cancel(court.now, 78, venue.CancelOrder(account_id=ACCOUNT, order_id=closing))
    told = {
        word.call_id: word.response.error_code  # type: ignore[union-attr]
        for word in court.exchange.said
        if isinstance(word, Answer)
    }
    assert (told[77], told[78]) == (5, 5)
    court.bailiff.look(court.now)
    assert len(court.state.live) == 1, "and the firm closes once"
    for _ in range(3):
        court.mark(MES, 6_000.0)
    assert court.account.held() == []


def test_two_accounts_do_not_touch_each_other() -> None:
    settings = settings_with(
        accounts=(
            SimulatedAccount(name="50KTC-V2-1"),
            SimulatedAccount(name="EXPRESS-V2-2", stage="express", size=150_000),
        )
    )
    bench = Bench(accounts=settings.simulator.accounts)
    bench.run(1)
    rows = bench.ask(venue.AccountSearch()).accounts
    assert [(row.name, row.balance) for row in rows] == [
        ("50KTC-V2-1", 50_000.0), ("EXPRESS-V2-2", 0.0)
    ]  # fmt: skip
    second = rows[1].id
    first = bench.place(custom_tag="t")
    other = bench.place(custom_tag="t", account_id=second, side=1, size=2)
    assert first.success, "a tag is the account's"
    assert other.success
    assert first.order_id != other.order_id
    bench.run(1)
    assert [row.lots for row in bench.truth().positions] == [1]
    (position,) = bench.ask(venue.PositionSearchOpen(account_id=second)).positions
    assert (position.account_id, position.type, position.size) == (second, 2, 2)
    wrong = bench.ask(venue.OrderSearchById(account_id=ACCOUNT, order_id=other.order_id))
    assert wrong.error_code == 1, "another account's order is not found"
    told = {(push.account_id, push.payload.account_id) for push in bench.pushes()
            if push.target == "GatewayUserOrder"}  # fmt: skip
    assert told == {(ACCOUNT, ACCOUNT), (second, second)}
    again = type(bench.core)(settings)
    again.restore(bench.core.snapshot())
    assert again.snapshot() == bench.core.snapshot()
