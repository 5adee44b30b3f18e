"""A flatten closes one at a time, and is FLAT when two reads begun after it all agree."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from services.order_router import words as w
from shared.events import OrderState, OrderType, Phase, Purpose, RiskLevel, RiskState, Side
from tests.router_stage import closes, flatten, stages
from tests.support.router_bench import Bench, ready
from tests.support.router_venue import M2K, MNQ

S = OrderState

bench = pytest.fixture(ready)


# -- one close at a time -------------------------------------------------------------------------


def test_no_second_close_while_one_is_unknown(bench: Bench) -> None:
    bench.enter()
    bench.run(0.5)
    bench.venue.slow_close = True
    flatten(bench)
    close = next(r for r in bench.requests if isinstance(r, w.CloseContract))
    bench.requests.remove(close)
    bench.deliver()
    bench.run(10)
    assert len(closes(bench)) == 1, "in flight for ten seconds"
    bench.venue.close(close)  # accepted, but the answer is lost
    bench.arriving.clear()
    bench.tell(bench.lost(close))
    bench.run(5)
    assert len(closes(bench)) == 1, "the read shows its order working"
    row = next(o for o in bench.resting() if o.type is OrderType.MARKET)
    bench.venue.slow_close = False
    bench.venue.fill(row.order_id, 1)
    bench.run(1)
    assert bench.lots() == 0
    assert stages(bench)[-1] == "FLAT"
    bench.check_agreed()


def test_an_unknown_close_that_did_nothing_is_repeated_after_a_look(bench: Bench) -> None:
    bench.enter()
    bench.run(0.5)
    flatten(bench)
    close = next(r for r in bench.requests if isinstance(r, w.CloseContract))
    bench.requests.remove(close)
    bench.tell(bench.lost(close))
    bench.deliver()
    assert len(closes(bench)) == 1, "no retry in the same breath"
    bench.run(4)
    assert len(closes(bench)) == 2
    assert bench.lots() == 0
    bench.check_agreed()


def limits_of(bench: Bench) -> list[int | None]:
    """The prices of the router's own limit orders."""
    made = bench.venue.orders.values()
    ours = [o for o in made if o.type is OrderType.LIMIT and o.tag.startswith("t1.router")]
    return [order.limit_price for order in ours]


@pytest.mark.parametrize("moved", [0, -30, 100])
def test_refused_closes_are_repeated_with_a_limit_where_the_market_is(
    bench: Bench, moved: int
) -> None:
    """Not where our last fill was: a hundred ticks later that is nowhere, or given away."""
    bench.enter()
    bench.run(0.5)
    bench.venue.prices[MNQ] += moved  # its stop stands at 40 ticks and is not set off
    bench.venue.refuse_closes = 2
    flatten(bench)
    bench.run(8)
    assert bench.lots() == 0
    assert limits_of(bench) == [80_000 + moved - 40]
    assert bench.fills()[-1].purpose is Purpose.FLATTEN
    assert bench.fills()[-1].sleeve == "trend"
    bench.check_agreed()


@pytest.mark.parametrize("silent", [False, True])
def test_a_market_whose_price_cannot_be_learnt_is_closed_at_our_last_fill(
    bench: Bench, silent: bool
) -> None:
    """The answer says so, or does not come for longer than a position may wait."""
    bench.enter()
    bench.run(0.5)
    bench.venue.no_prices = True
    bench.venue.refuse_closes = 2
    flatten(bench)
    asked: list[w.AskPrice] = []
    for _ in range(40):
        if silent:
            asked += [r for r in bench.requests if isinstance(r, w.AskPrice)]
            bench.requests[:] = [r for r in bench.requests if not isinstance(r, w.AskPrice)]
        bench.deliver()
        bench.pulse()
    assert bench.lots() == 0
    assert limits_of(bench) == [80_000 - 40]
    for late in asked:
        bench.tell(w.PriceSeen(ask_id=late.ask_id, contract=MNQ, price=1))
    assert bench.router.desk.book(MNQ).last_price == 80_000
    bench.check_agreed()


def test_a_question_for_a_price_that_died_with_its_life_is_asked_again(bench: Bench) -> None:
    bench.enter()
    bench.run(0.5)
    bench.venue.refuse_closes = 2
    flatten(bench)
    while not any(isinstance(request, w.AskPrice) for request in bench.requests):
        bench.pulse()
        while bench.requests and not isinstance(bench.requests[0], w.AskPrice):
            bench.arriving.append(bench.serve(bench.requests.pop(0)))
        while bench.arriving:
            bench.tell(bench.arriving.pop(0))
    bench.restart()
    bench.venue.prices[MNQ] += 100
    bench.run(20)
    assert bench.lots() == 0
    bench.check_agreed()


def test_a_fill_after_a_finished_close_is_closed_at_once_without_a_read(bench: Bench) -> None:
    """A cancel lost the race. The close before it is history, and the request budget may be spent:
    a read is not what stands between a naked position and its end.
    """
    bench.enter()
    quote = bench.quote(Side.SELL, 81_000, contract=MNQ, sleeve="trend")
    bench.run(0.5)
    flatten(bench)
    held: list[w.CancelOrder] = []
    for _ in range(12):
        cancels = [r for r in bench.requests if isinstance(r, w.CancelOrder)]
        held += [r for r in cancels if bench.venue.orders[r.order_id].tag == quote.tag]
        bench.requests[:] = [r for r in bench.requests if r not in held]
        bench.deliver()
        bench.pulse()
    assert bench.lots() == 0
    assert len(closes(bench)) == 1
    bench.venue.move(MNQ, 81_000)
    while bench.arriving:
        bench.tell(bench.arriving.pop(0))
    assert bench.lots() == -1
    assert len(closes(bench)) == 2, "said with the fill"
    bench.run(15)
    assert bench.lots() == 0
    bench.check_agreed()


def test_an_order_whose_absence_takes_ten_seconds_is_not_looked_for_four_times_a_second(
    bench: Bench,
) -> None:
    entry = bench.enter()
    request = next(r for r in bench.requests if isinstance(r, w.PlaceOrder))
    bench.requests.remove(request)
    bench.tell(bench.lost(request))
    flatten(bench)
    before = len(bench.tape)
    bench.run(15)
    said = [word for _, _, words in bench.tape[before:] for word in words]
    assert bench.state(entry.intent_id) is S.ABSENT
    assert stages(bench)[-1] == "FLAT"
    assert len([word for word in said if isinstance(word, w.ReadBooks)]) <= 15


def test_an_exit_under_way_is_waited_for(bench: Bench) -> None:
    bench.quote(Side.BUY, 20_000)
    bench.run(0.5)
    bench.exit(Side.SELL, contract=M2K, sleeve="market_maker")
    flatten(bench)
    assert not closes(bench), "a close beside it could sell twice"
    bench.run(1)
    assert bench.lots(M2K) == 0
    bench.check_agreed()


def test_an_entry_that_fills_late_is_closed_too(bench: Bench) -> None:
    entry = bench.enter(type=OrderType.STOP, stop_price=80_050)
    bench.run(0.5)
    flatten(bench)
    cancel = next(r for r in bench.requests if isinstance(r, w.CancelOrder))
    bench.requests.remove(cancel)
    bench.venue.move(MNQ, 80_050)  # it fills before the cancel arrives
    bench.arriving.append(bench.serve(cancel))
    bench.run(2)
    assert bench.state(entry.intent_id) is S.FILLED
    assert bench.lots() == 0
    assert stages(bench)[-1] == "FLAT"
    bench.check_agreed()


# -- proof ---------------------------------------------------------------------------------------


def test_flat_needs_two_reads_begun_after_the_last_happening(bench: Bench) -> None:
    bench.enter()
    bench.run(0.5)
    flatten(bench)
    reads = 0
    while stages(bench)[-1] != "FLAT":
        if bench.arriving:
            bench.tell(bench.arriving.pop(0))
            continue
        request = bench.requests.pop(0)
        reads = reads + 1 if isinstance(request, w.ReadBooks) else 0
        bench.arriving.append(bench.serve(request))
    assert reads >= 2


def test_a_position_that_appears_between_the_reads_spoils_the_proof(bench: Bench) -> None:
    flatten(bench)
    first = next(r for r in bench.requests if isinstance(r, w.ReadBooks))
    bench.requests.remove(first)
    bench.tell(bench.venue.books(first))
    assert stages(bench)[-1] == "PROVING"
    bench.venue.human(MNQ, 1)
    bench.run(2)
    assert bench.lots() == 0
    assert stages(bench)[-1] == "FLAT"
    bench.check_agreed()


def test_an_unknown_order_holds_the_proof_until_its_absence_is_proven(bench: Bench) -> None:
    quote = bench.quote(Side.BUY, 19_990)
    bench.requests.clear()
    bench.tell(w.PlaceAnswer(tag=quote.tag, outcome=w.Outcome.UNKNOWN, text="timeout"))
    flatten(bench)
    bench.run(5)
    assert stages(bench)[-1] != "FLAT"
    bench.run(15)
    assert bench.state(quote.intent_id) is S.ABSENT
    assert stages(bench)[-1] == "FLAT"


def test_it_waits_for_a_venue_that_is_away_and_survives_restarts(bench: Bench) -> None:
    bench.enter()
    bench.run(0.5)
    flatten(bench)
    bench.requests.clear()
    bench.restart()
    assert bench.router.desk.state.sagas
    bench.restart()
    bench.run(6)
    assert bench.lots() == 0
    assert stages(bench)[-1] == "FLAT"
    bench.check_agreed()


def test_after_the_flat_by_time_it_waits_to_see_whether_the_firm_has_closed(bench: Bench) -> None:
    bench.enter()
    bench.run(0.5)
    state = RiskState(
        halt_no=bench.halt_no, level=RiskLevel.ACTIVE, cause="", since_ns=0, phase=Phase.FLAT
    )
    bench.tell(state)
    bench.tell(replace(state, phase=Phase.CLOSED))
    flatten(bench)
    bench.run(4)
    assert not closes(bench)
    bench.run(4)
    assert len(closes(bench)) == 1
    assert bench.lots() == 0
