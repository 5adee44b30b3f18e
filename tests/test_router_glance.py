"""A glance at the positions where a whole read is too dear. Found by two Worlds of ten thousand:
the hub was mute, the reads' share of the minute was spent on cancels that nobody could explain,
and a quote had filled that the router went on waiting for, without a stop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest
from msgspec import structs

from services.order_router import words as w
from services.order_router.asking import Asker
from services.order_router.reconcile import GLANCE_NS
from shared.core import Word
from shared.events import FlattenStage, OrderType, Side
from shared.units import SECOND
from shared.venue.answers import PositionsResponse
from shared.venue.outcome import Answered, NotSent, Reserve
from tests.support.router_bench import Bench
from tests.support.router_venue import M2K, MNQ

POOR = "request budget RECONCILE: 0 left, 3 needed"


class Poor(Bench):
    """`poor`: only reads in a hurry can be paid for."""

    poor = False
    glances = 0
    hurried = 0

    def serve(self, request: Word) -> Word:
        if isinstance(request, w.ReadBooks) and self.poor:
            if not request.urgent:
                self.glances += 1
                held = self.venue.books(request).positions
                return w.Unread(read_id=request.read_id, reason=POOR, held=held)
            self.hurried += 1
        return super().serve(request)

    def unheard(self, order_id: int, size: int = 1) -> None:
        """A fill of which the hub tells nothing."""
        self.deliver()
        self.venue.fill(order_id, size)
        self.arriving.clear()


@pytest.fixture
def bench() -> Poor:
    made = Poor()
    made.start().run(1)
    return made


def test_a_fill_unheard_is_seen_by_a_glance_and_gets_its_stop(bench: Poor) -> None:
    bench.quote(Side.BUY, 19_990)
    bench.run(1)
    (row,) = bench.resting(M2K)
    bench.poor = True
    bench.unheard(row.order_id)
    bench.run(12)
    assert bench.hurried >= 1, "what was glimpsed makes the next read urgent"
    assert bench.lots(M2K) == 1
    assert [order.type for order in bench.resting(M2K)] == [OrderType.STOP]
    hurried = bench.hurried
    bench.run(12)
    assert bench.hurried == hurried, "and it is over once it is known"
    bench.check_agreed()


def test_glances_leave_the_minutes_requests_to_others(bench: Poor) -> None:
    bench.poor = True
    bench.run(60)
    assert 60 * SECOND // GLANCE_NS - 6 <= bench.glances <= 60 * SECOND // GLANCE_NS + 1
    assert bench.hurried == 0, "nothing was unknown"


def test_what_is_urgent_does_not_wait_for_the_next_glance(bench: Poor) -> None:
    bench.poor = True
    while not bench.glances:
        bench.run(0.25)
    bench.tell(w.FlattenRequested(request_id="r", cause="now", who="me"))
    bench.run(1)
    assert bench.hurried
    assert any(getattr(event, "stage", None) is FlattenStage.FLAT for event in bench.said)


def test_a_close_of_a_position_that_a_fill_unheard_had_turned_leaves_no_book(bench: Poor) -> None:
    """The stop of two had filled against one while the computer slept; the venue's close bought,
    where ours would have sold, and was taken for a hand's. Found by a World.
    """
    bench.enter()
    bench.run(1)
    stop = next(order for order in bench.resting(MNQ) if order.type is OrderType.STOP)
    bench.venue.orders[stop.order_id] = structs.replace(stop, size=2)
    bench.unheard(stop.order_id, 2)
    assert bench.venue.lots[MNQ] == -1
    bench.tell(w.FlattenRequested(request_id="r", cause="now", who="me"))
    bench.run(5)
    book = bench.router.desk.book(MNQ)
    assert (bench.venue.lots[MNQ], book.lots, book.shares) == (0, 0, {})
    mine = [fill for fill in bench.fills() if fill.sleeve == "trend"]
    assert sum(fill.side * fill.size for fill in mine) == 0, "its book was told so"
    bench.check_agreed()


# -- the port's side -------------------------------------------------------------------------------


@dataclass
class Client:
    """A client with so many requests left, that notes who pays for a look at the positions."""

    left: int
    answer: Any = None
    payer: Reserve | None = None

    def quota_left(self, reserve: Reserve) -> int:
        return self.left

    async def positions(self, account_id: int, reserve: Reserve) -> Any:
        self.payer = reserve
        return self.answer


def asked(client: Client, *, urgent: bool = False) -> w.Unread:
    asker = Asker(cast(Any, client))
    work = asker.books(w.ReadBooks(read_id=1, trades_since_ns=1, urgent=urgent))
    with pytest.raises(StopIteration) as ended:
        work.send(None)
    return cast(w.Unread, ended.value.value)


def test_a_glance_is_one_request_from_what_exits_may_use() -> None:
    client = Client(0, Answered(PositionsResponse(success=True, positions=())))
    unread = asked(client)
    assert (unread.held, unread.left, unread.reason) == ((), True, POOR)
    assert client.payer is Reserve.EXIT, "safety keeps what a flatten needs"


def test_a_glance_that_stays_at_home_shows_nothing_and_costs_nothing() -> None:
    unread = asked(Client(0, NotSent("request budget EXIT is spent")))
    assert (unread.held, unread.left) == (None, False)


def test_a_read_in_a_hurry_is_whole_or_none() -> None:
    client = Client(6)
    unread = asked(client, urgent=True)
    assert (unread.held, unread.left, client.payer) == (None, False, None)
