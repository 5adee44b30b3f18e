"""A venue that cannot be asked: no network, or the minute's requests are spent. Every request comes
back at once and unsent, so nothing but the router's own patience keeps it from asking again at
once, ten thousand times a second, each time with a record in its journal.
"""

from __future__ import annotations

from typing import Any, cast

import pytest

from services.order_router import words as w
from services.order_router.asking import Asker
from shared.core import Word
from shared.events import FlattenStage, OrderState, OrderType, Side
from shared.venue.outcome import Reserve
from tests.support.router_bench import Bench
from tests.support.router_venue import M2K

PER_SECOND_MAX = 24
"""Requests a second that may be tried in vain: six kinds of wish, four pulses."""


class Starved(Bench):
    """`hungry`: no byte of any request leaves."""

    hungry = False
    tried = 0

    def serve(self, request: Word) -> Word:
        if not self.hungry:
            return super().serve(request)
        self.tried += 1
        unsent, why = w.Outcome.NOT_SENT, "request budget SAFETY is spent"
        match request:
            case w.PlaceOrder():
                return w.PlaceAnswer(tag=request.tag, outcome=unsent, text=why)
            case w.CancelOrder():
                return w.CancelAnswer(order_id=request.order_id, outcome=unsent, text=why)
            case w.ModifyOrder():
                return w.ModifyAnswer(order_id=request.order_id, outcome=unsent, text=why)
            case w.CloseContract():
                return w.CloseAnswer(
                    close_id=request.close_id, contract=request.contract, outcome=unsent, text=why
                )
            case w.ReadBooks():
                return w.Unread(read_id=request.read_id, reason=why)
        raise AssertionError(request)

    def starve(self, seconds: float) -> None:
        """So long without the venue; the router must be patient."""
        self.hungry = True
        before = self.tried
        self.run(seconds)
        tried = self.tried - before
        assert 0 < tried <= seconds * PER_SECOND_MAX, f"{tried} requests in {seconds:g} s"
        self.hungry = False


@pytest.fixture
def bench() -> Starved:
    made = Starved()
    made.start().run(1)
    return made


def flat_is_proven(bench: Bench) -> bool:
    return any(getattr(e, "stage", None) is FlattenStage.FLAT for e in bench.said)


@pytest.mark.parametrize("full", [False, True])
def test_a_flatten_waits_without_haste_and_is_proven_when_the_venue_is_back(
    bench: Starved, full: bool
) -> None:
    if full:
        bench.enter()
        bench.quote(Side.BUY, 19_990)
        bench.run(1)
        assert bench.lots()
    bench.hungry = True
    bench.tell(w.FlattenRequested(request_id="r", cause="hunger", who="me"))
    bench.starve(20)
    assert not flat_is_proven(bench), "a read that failed proves nothing"
    bench.run(10)
    assert flat_is_proven(bench)
    assert not bench.lots()
    bench.check_agreed()


def test_while_closes_are_refused_no_read_spends_the_requests_of_the_next(bench: Starved) -> None:
    """Found by a World: twenty reads in four seconds, and no request was left to close with."""
    bench.enter()
    bench.run(1)
    bench.venue.refuse_closes = 3
    asked: list[Word] = []
    serve = bench.serve
    bench.serve = lambda request: asked.append(request) or serve(request)  # type: ignore[func-returns-value, method-assign]
    bench.tell(w.FlattenRequested(request_id="r", cause="now", who="me"))
    bench.run(8)
    assert not bench.lots()
    reads = [request for request in asked if isinstance(request, w.ReadBooks)]
    assert len(reads) <= 8, f"{len(reads)} reads"
    bench.check_agreed()


def test_an_unknown_order_is_looked_for_without_haste(bench: Starved) -> None:
    quote = bench.quote(Side.BUY, 19_990)
    request = bench.requests.pop(0)
    bench.serve(request)
    bench.arriving.clear()
    bench.tell(bench.lost(request))
    bench.starve(20)
    assert bench.state(quote.intent_id) is OrderState.UNKNOWN
    bench.run(3)
    assert bench.state(quote.intent_id) is OrderState.WORKING
    bench.check_agreed()


def test_a_stop_that_cannot_leave_is_tried_without_haste(bench: Starved) -> None:
    bench.quote(Side.BUY, 19_990)
    bench.run(1)
    (row,) = bench.resting(M2K)
    bench.venue.fill(row.order_id, 1)
    bench.starve(10)
    assert bench.lots(M2K) == 1
    bench.run(10)
    covered = [order for order in bench.resting(M2K) if order.type is OrderType.STOP]
    assert covered or not bench.lots(M2K), "protected, or closed because it was not in time"
    bench.check_agreed()


def test_a_periodic_read_that_fails_comes_again_within_a_second_or_so(bench: Starved) -> None:
    bench.run(9)
    bench.hungry = True
    before = bench.tried
    bench.run(20)
    assert 8 <= bench.tried - before <= 40


class Frugal:
    """A client of which only the budget is asked; everything else would be a request."""

    def quota_left(self, reserve: Reserve) -> int:
        return 6


@pytest.mark.parametrize(("urgent", "begins"), [(True, False), (False, True)])
def test_a_read_begins_only_if_it_can_end_and_leaves_room_for_a_close(
    urgent: bool, begins: bool
) -> None:
    """Reads that ran out of requests halfway once ate every one that a close was waiting for. Found
    by a World whose flatten stood still for half a minute.
    """
    asker = Asker(cast(Any, Frugal()))
    work = asker.books(w.ReadBooks(read_id=1, trades_since_ns=1, urgent=urgent))
    if begins:
        with pytest.raises(AttributeError, match="query_orders"):
            work.send(None)
        return
    with pytest.raises(StopIteration) as ended:
        work.send(None)
    assert ended.value.value.reason == "request budget SAFETY: 6 left, 7 needed"


class Named(Frugal):
    """A client that tells by its exception whose requests it was given."""

    def _tell(self, request: object, reserve: Reserve, gate: object) -> None:
        raise AssertionError(reserve.value)

    place = modify = _tell


@pytest.mark.parametrize(
    ("place", "modify", "deadline_ns", "reserve"),
    [
        (w.PlaceOrder, w.ModifyOrder, 9, Reserve.TRADING),
        (w.PlaceReducing, w.ModifyProtection, 9, Reserve.EXIT),
        (w.PlaceReducing, w.ModifyProtection, 0, Reserve.SAFETY),
    ],
)
def test_only_what_the_router_does_by_itself_uses_safetys_requests(
    place: type[w.PlaceOrder], modify: type[w.ModifyOrder], deadline_ns: int, reserve: Reserve
) -> None:
    asker = Asker(cast(Any, Named()))
    order = place(
        tag="t", contract=M2K, side=Side.SELL, size=1, type=OrderType.MARKET,
        deadline_real_ns=deadline_ns,
    )  # fmt: skip
    change = modify(order_id=1, contract=M2K, size=1, deadline_real_ns=deadline_ns)
    for work in (asker.place(order, lambda: None), asker.modify(change, lambda: None)):
        with pytest.raises(AssertionError, match=reserve.value):
            work.send(None)


def test_no_life_gives_a_name_of_one_before() -> None:
    """On a full disk a stop may be sent that the next life does not remember. Found by a World."""
    tags = []
    for epoch in (1, 2):
        bench = Bench()
        bench.epoch = epoch
        bench.start().run(1)
        bench.quote(Side.BUY, 20_000, 1)
        bench.run(1)
        tags += [tag for tag in bench.venue.tags if tag.startswith("t1.router.")]
    assert len(tags) == len(set(tags)) == 2, tags
