"""Every position has its stop: where it stands, what replaces it, when the contract is closed."""

from __future__ import annotations

import pytest

from services.order_router import words as w
from shared.core import Word
from shared.events import (
    ClockJump,
    FlattenProgress,
    OrderState,
    OrderType,
    PeerSilent,
    PositionUpdate,
    Side,
    VenueState,
)
from shared.units import SECOND
from shared.venue.codes import VenueOrderStatus as Status
from tests.router_stage import cancel, net_stops
from tests.support.router_bench import Bench, ready
from tests.support.router_venue import M2K, MNQ

S = OrderState

bench = pytest.fixture(ready)


# -- protection ----------------------------------------------------------------------------------


def test_one_stop_stands_under_quotes_and_follows_the_position(bench: Bench) -> None:
    bench.quote(Side.BUY, 20_000, 1)
    bench.run(0.5)
    assert net_stops(bench) == [(1, 19_960)]
    bench.venue.move(M2K, 19_990)
    bench.quote(Side.BUY, 19_990, 1)
    bench.run(0.5)
    assert net_stops(bench) == [(2, 19_955)]
    bench.venue.move(M2K, 20_010)
    bench.quote(Side.SELL, 20_010, 2)
    bench.run(1)
    assert bench.lots(M2K) == 0
    assert net_stops(bench) == []
    bench.check_agreed()


def test_the_stop_turns_with_the_position(bench: Bench) -> None:
    bench.quote(Side.BUY, 20_000, 1)
    bench.run(0.5)
    bench.quote(Side.SELL, 20_000, 2)
    bench.run(1)
    assert bench.lots(M2K) == -1
    assert net_stops(bench) == [(1, 20_040)]
    bench.check_agreed()


def test_a_stop_that_cannot_be_changed_is_replaced(bench: Bench) -> None:
    bench.quote(Side.BUY, 20_000, 1)
    bench.run(0.5)
    bench.venue.refuse_changes = 1
    bench.quote(Side.BUY, 20_000, 1)
    bench.run(2)
    assert net_stops(bench) == [(2, 19_960)]
    bench.check_agreed()


def test_a_stop_the_venue_refuses_closes_the_contract(bench: Bench) -> None:
    bench.venue.refuse = ["", "Invalid price. Price is outside allowed range."]
    bench.quote(Side.BUY, 20_000, 1)
    bench.run(2)
    assert bench.lots(M2K) == 0
    assert bench.venue.lots[M2K] == 0
    closes = [e for e in bench.said if isinstance(e, FlattenProgress)]
    assert "the stop was refused" in closes[0].cause
    bench.check_agreed()


def test_legs_that_do_not_come_are_replaced_and_the_gap_is_measured(bench: Bench) -> None:
    bench.venue.brackets_work = False
    bench.enter()
    bench.run(0.25)
    naked = [e for e in bench.said if isinstance(e, PositionUpdate)][-1]
    assert naked.unprotected_since_ns
    bench.run(2)
    last = [e for e in bench.said if isinstance(e, PositionUpdate)][-1]
    assert (last.protected, last.unprotected_since_ns) == (1, 0)
    assert any(o.type is OrderType.STOP for o in bench.resting())


def test_a_position_naked_for_too_long_is_closed(bench: Bench) -> None:
    bench.venue.brackets_work = False
    bench.enter()
    bench.deliver()
    for _ in range(20):  # every request about it vanishes
        bench.pulse()
        bench.requests = [r for r in bench.requests if not isinstance(r, w.PlaceReducing)]
        bench.deliver()
    assert bench.venue.lots[MNQ] == 0
    assert any(isinstance(e, FlattenProgress) and "unprotected" in e.cause for e in bench.said)


def test_quotes_go_when_the_hub_goes_because_their_fills_could_not_be_protected(
    bench: Bench,
) -> None:
    quote = bench.quote(Side.BUY, 19_990)
    bench.run(0.5)
    bench.tell(w.Link(up=False, reason="hub dropped"))
    bench.run(1.5)
    assert bench.state(quote.intent_id) is S.CANCELLED, "found by reading"
    assert bench.status().state is VenueState.DOWN
    bench.tell(w.Link(up=True))
    bench.run(1)
    assert bench.status().state is VenueState.READY


def test_after_a_clock_jump_everything_is_doubted(bench: Bench) -> None:
    quote = bench.quote(Side.BUY, 19_990)
    bench.run(0.5)
    said = bench.tell(ClockJump(slept_ns=3_600 * SECOND))
    assert any(isinstance(word, w.Reconnect) for word in said)
    refused = bench.quote(Side.BUY, 19_980)
    assert bench.state(refused.intent_id) is S.REFUSED
    bench.run(1)
    assert bench.state(quote.intent_id) is S.CANCELLED
    assert bench.status().state is VenueState.READY


# -- the core as a core --------------------------------------------------------------------------


def test_late_fill_after_a_cancel_counts(bench: Bench) -> None:
    quote = bench.quote(Side.BUY, 19_990)
    bench.run(0.5)
    order_id = bench.venue.tags[quote.tag]
    cancel(bench, quote.intent_id, M2K)
    bench.venue.fill(order_id, 1)
    bench.run(2)
    assert bench.state(quote.intent_id) is S.FILLED
    assert bench.lots(M2K) == 1
    assert net_stops(bench), "and is protected"
    bench.check_agreed()


def test_partial_fills_add_up(bench: Bench) -> None:
    quote = bench.quote(Side.BUY, 19_990, 3)
    bench.run(0.5)
    order_id = bench.venue.tags[quote.tag]
    bench.venue.fill(order_id, 1)
    bench.run(0.5)
    assert bench.state(quote.intent_id) is S.PARTIAL
    assert net_stops(bench) == [(1, 19_950)]
    bench.venue.fill(order_id, 2)
    bench.run(1)
    assert bench.state(quote.intent_id) is S.FILLED
    assert net_stops(bench) == [(3, 19_950)]
    bench.check_agreed()


def test_legs_suspended_are_not_mistaken_for_missing(bench: Bench) -> None:
    entry = bench.enter(type=OrderType.STOP, stop_price=80_100)
    bench.run(25)
    assert bench.state(f"{entry.intent_id}-SL") is S.SUSPENDED
    assert {o.status for o in bench.resting()} == {Status.OPEN, Status.SUSPENDED}
    bench.check_agreed()


def spare(bench: Bench) -> int:
    """By how many contracts the stops that work at the venue cover more than the position."""
    stops = [row for row in bench.resting() if row.stop_price and row.status is Status.OPEN]
    return sum(row.size - row.filled for row in stops) - bench.venue.lots[MNQ]


@pytest.mark.parametrize("refused", [0, 1_000])
def test_after_a_partial_exit_the_stop_is_armed_anew_before_the_old_one_goes(
    bench: Bench, refused: int
) -> None:
    """Also where the venue changes no leg, so that another stop must stand in for it."""
    bench.enter(size=3)
    bench.run(1)
    assert spare(bench) == 0
    bench.venue.refuse_changes = refused
    hub, seen = bench.venue.hub, []

    def watched(word: object) -> None:
        seen.append(spare(bench))
        hub(word)

    bench.venue.hub = watched
    bench.exit(Side.SELL, 1)
    bench.run(5)
    assert bench.lots(MNQ) == 2
    assert min(seen) == 0, "at no instant less than the position"
    assert max(seen) > 0, "the old one stood for a moment"
    assert spare(bench) == 0
    bench.check_agreed()


def test_a_stop_that_cannot_be_cut_waits_until_the_other_is_known_to_stand(bench: Bench) -> None:
    """Asked for is not there: its answer may say no, and then nothing would be left."""
    bench.enter(size=3)
    bench.run(1)
    (leg,) = [row for row in bench.resting() if row.stop_price is not None]
    bench.venue.refuse_changes = 1_000
    bench.exit(Side.SELL, 1)
    waiting: list[Word] = []
    for _ in range(6):
        while bench.arriving or bench.requests:
            if bench.arriving:
                bench.tell(bench.arriving.pop(0))
                continue
            request = bench.requests.pop(0)
            if isinstance(request, w.PlaceReducing) and request.stop_price:
                waiting.append(request)
            else:
                bench.arriving.append(bench.serve(request))
        bench.pulse()
    assert waiting, "another stop was asked for"
    assert leg.order_id in [row.order_id for row in bench.resting()]
    bench.requests += waiting
    bench.run(3)
    assert spare(bench) == 0
    bench.check_agreed()


def test_what_works_only_after_the_governor_fell_silent_goes_too(bench: Bench) -> None:
    """The venue's answer came when all that could open had been cancelled already."""
    bench.enter(type=OrderType.LIMIT, limit_price=79_900)
    (request,) = [word for word in bench.requests if isinstance(word, w.PlaceOrder)]
    bench.requests.remove(request)
    bench.tell(PeerSilent(actor="risk_governor"))
    bench.run(1)
    bench.arriving.append(bench.serve(request))
    bench.run(2)
    assert not bench.resting()
