"""Whose a trade is, in every order in which a read, an order of ours and its news can pass.

A read lists orders, then positions, then trades. An order that leaves between the first list and
the last is missing from the one and has its trade in the other: such a read does not say whose the
trade is. Taken for a hand's, the position would be nobody's to protect. So here every order of
{orders listed, positions listed, trades listed, read heard} and {the order fills, its answer heard,
its hub order heard, its hub trade heard} is played, with each piece of news lost in turn: the fill
is the sleeve's, once, and never a hand's on the way. Then the same in storms in which every read
takes its three looks at different moments.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations

import pytest
from msgspec.structs import replace

from services.order_router import tags
from services.order_router import words as w
from services.order_router.memory import HUMAN
from shared.core import Word
from shared.events import Fill, OrderState, OrderType, Purpose, Side, VenueState
from tests.support.router_bench import Bench, Storm
from tests.support.router_venue import M2K, MNQ
from tests.test_router_interleavings import hear, lost, take, under_way
from tests.test_router_storms import clear_up, trade_a_bit, trouble_a_bit

READ = ("orders", "positions", "trades", "heard")
NEWS = ("answer", "hub order", "hub trade")
Course = tuple[str, ...]


def courses() -> Iterator[Course]:
    """Every order of the read's four moments, the fill, and the fill's news after it."""
    places = len(READ) + 1 + len(NEWS)
    for at in combinations(range(places), len(READ)):
        for news in permutations(NEWS):
            read, rest = iter(READ), iter(("fills", *news))
            yield tuple(next(read) if place in at else next(rest) for place in range(places))


COURSES = tuple(courses())


class Story:
    """One order and one read of a bench that may look into history, moment by moment."""

    def __init__(self, *, history: bool, shared: bool, sent_first: bool) -> None:
        self.bench = bench = Bench().start().run(1)
        if history:
            _unexplained(bench)
        read = None if sent_first else under_way(bench)
        self.entry = bench.enter(shared=shared)
        (self.request,) = take(bench.requests, w.PlaceOrder)
        if not history and sent_first:
            bench.tell(w.Link(up=False, reason="dropped"))  # before the next one is due by itself
            bench.tell(w.Link(up=True))
        self.read = read or under_way(bench)
        assert bool(self.read.since_ns) is history
        self.books = w.Books(read_id=self.read.read_id, orders=(), positions=(), trades=())
        self.found: dict[str, list[Word]] = {}

    def play(self, course: Course, missing: str = "") -> None:
        for moment in course:
            if moment in self.found:
                words = self.found[moment]
                self._hear(lost(words[0]) if moment == missing else words)
            else:
                self._happen(moment)

    def _happen(self, moment: str) -> None:
        bench, now = self.bench, self.bench.venue.books(self.read)
        match moment:
            case "orders":
                self.books = replace(self.books, orders=now.orders)
            case "positions":
                self.books = replace(self.books, positions=now.positions)
            case "trades":
                self.books = replace(self.books, trades=now.trades)
            case "heard":
                self._hear([self.books])
            case "fills":
                answer = bench.serve(self.request)
                self.found = {
                    "answer": [answer],
                    "hub order": take(bench.arriving, w.OrderSeen),
                    "hub trade": take(bench.arriving, (w.TradeSeen, w.PositionSeen)),
                }

    def _hear(self, words: list[Word]) -> None:
        hear(self.bench, words)
        assert by_hand(self.bench) == [], "a sleeve's fill was taken for a hand's"

    def end(self) -> None:
        """Fair weather: the fill is the sleeve's, once, and a stop stands."""
        self.bench.run(4)
        self.bench.check_agreed()
        (fill,) = [fill for fill in self.bench.fills() if fill.contract == MNQ]
        assert (fill.sleeve, fill.intent_id) == ("trend", self.entry.intent_id)
        assert self.bench.state(self.entry.intent_id) is OrderState.FILLED
        assert self.bench.status().state is VenueState.READY
        stops = [row.size for row in self.bench.resting() if row.stop_price is not None]
        assert stops == [1]


def by_hand(bench: Bench, contract: str = MNQ) -> list[Fill]:
    return [f for f in bench.fills() if f.contract == contract and f.sleeve == HUMAN]


def _unexplained(bench: Bench) -> None:
    """A trade by hand in another contract, whose order the hub lost: the next read looks back."""
    bench.venue.human(M2K, 1)
    take(bench.arriving, w.OrderSeen)
    hear(bench, take(bench.arriving, (w.TradeSeen, w.PositionSeen)))


CAST = pytest.mark.parametrize(
    ("history", "shared", "sent_first"),
    [(True, True, False), (True, False, True), (False, True, True), (False, False, False)],
    ids=["looks back, shared", "looks back, sent before", "sent before", "live only"],
)


@CAST
def test_a_fill_that_passes_a_read_is_the_sleeve_s(
    history: bool, shared: bool, sent_first: bool
) -> None:
    for course in COURSES:
        story = Story(history=history, shared=shared, sent_first=sent_first)
        story.play(course)
        story.end()


@CAST
@pytest.mark.parametrize("missing", NEWS)
def test_so_it_is_with_each_piece_of_news_lost(
    history: bool, shared: bool, sent_first: bool, missing: str
) -> None:
    for course in COURSES:
        if course[-1] == missing:  # when nothing is heard, it does not matter when
            story = Story(history=history, shared=shared, sent_first=sent_first)
            story.play(course, missing)
            story.end()


def test_a_hand_s_trade_that_only_reads_show_is_counted_with_the_second() -> None:
    bench = Bench().start().run(1)
    bench.venue.human(MNQ, 2)
    bench.arriving.clear()
    hear(bench, [bench.venue.books(under_way(bench))])
    assert by_hand(bench) == [], "the order may be one of ours that left while it was read"
    bench.run(0.5)
    assert [(fill.size, fill.purpose) for fill in by_hand(bench)] == [(2, Purpose.HUMAN)]
    assert bench.status().state is VenueState.READY
    bench.check_agreed()


def test_a_trade_told_after_a_read_was_said_waits_for_the_next() -> None:
    bench = Bench().start().run(1)
    _unexplained(bench)
    read = under_way(bench)
    before = bench.venue.books(read)
    bench.venue.human(MNQ, 2)
    take(bench.arriving, w.OrderSeen)
    hear(bench, take(bench.arriving, (w.TradeSeen, w.PositionSeen)))
    hear(bench, [before])
    assert [fill.contract for fill in bench.fills()] == [M2K]
    bench.run(0.5)
    assert [fill.size for fill in by_hand(bench)] == [2]
    bench.check_agreed()


def test_a_trade_that_may_be_of_an_order_without_an_id_is_nobody_s_until_that_is_known() -> None:
    """The venue's lists lag: they show the trade, and neither the order's tag nor its id."""
    bench = Bench().start().run(1)
    entry = bench.enter(shared=True)
    (request,) = take(bench.requests, w.PlaceOrder)
    bench.serve(request)
    take(bench.arriving, w.OrderSeen)
    hear(bench, take(bench.arriving, (w.TradeSeen, w.PositionSeen)))
    hear(bench, [lost(w.PlaceAnswer(tag=entry.tag, outcome=w.Outcome.DONE))[0]])
    for _ in range(3):
        read = under_way(bench)
        assert read.since_ns
        hear(bench, [replace(bench.venue.books(read), orders=(), positions=())])
    assert bench.fills() == []
    bench.run(1)
    assert [fill.sleeve for fill in bench.fills()] == ["trend"]
    assert [row.size for row in bench.resting()] == [1], "a stop stands"
    bench.check_agreed()


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
@pytest.mark.parametrize("lags", [True, False], ids=["lists lag", "lists are whole"])
def test_a_hand_s_trade_beside_an_unknown_order_waits_only_while_it_could_be_its(
    side: Side, lags: bool
) -> None:
    bench = Bench().start().run(1)
    entry = bench.enter(shared=True)
    (request,) = take(bench.requests, w.PlaceOrder)
    hear(bench, [bench.lost(request)])
    bench.venue.human(MNQ, side)
    take(bench.arriving, w.OrderSeen)
    for _ in range(3):
        read = bench.venue.books(under_way(bench))
        bench.tell(replace(read, orders=()) if lags else read)
    held = lags and side is Side.BUY
    assert bool(by_hand(bench)) is not held, "an order to buy has no trade that sells"
    bench.run(25)
    assert [(fill.side, fill.size) for fill in by_hand(bench)] == [(side, 1)]
    assert bench.state(entry.intent_id) is OrderState.ABSENT
    assert bench.status().state is VenueState.READY
    bench.check_agreed()


# -- storms ----------------------------------------------------------------------------------------


class SlowReads(Storm):
    """A storm in which much happens between the three looks of a read."""

    def __init__(self, bench: Bench, seed: int) -> None:
        super().__init__(bench, seed)
        self.looking: list[tuple[w.ReadBooks, list[w.Books]]] = []

    def step(self) -> None:
        lives = self.bench.restarts
        if self.looking and self.dice.random() < 0.3:
            self.look()
        else:
            super().step()
        if self.bench.restarts > lives:
            self.looking.clear()  # who asked is no more

    def look(self) -> None:
        read, looks = self.looking[0]
        looks.append(self.bench.venue.books(read))
        if len(looks) == len(READ) - 1:
            del self.looking[0]
            orders, positions, trades = looks
            whole = replace(orders, positions=positions.positions, trades=trades.trades)
            self.bench.arriving.append(whole)

    def _serve(self, word: Word) -> None:
        if isinstance(word, w.ReadBooks):
            self.looking.append((word, []))
        else:
            super()._serve(word)


def taken_for_a_hand_s(bench: Bench) -> list[Fill]:
    """Fills by hand of orders that bear our tag."""
    rows = bench.venue.orders
    found = [f for f in bench.fills() if f.purpose is Purpose.HUMAN and f.venue_order_id]
    return [fill for fill in found if tags.parse(rows[fill.venue_order_id].tag)]


@pytest.mark.parametrize("seed", range(30))
def test_no_storm_makes_an_order_of_ours_a_hand_s(seed: int) -> None:
    bench = Bench().start().run(1)
    storm = SlowReads(bench, seed)
    for _ in range(400):
        storm.step()
        trade_a_bit(bench, storm)
        trouble_a_bit(bench, storm)
        assert taken_for_a_hand_s(bench) == []
    while storm.looking:
        storm.look()
    bench.check()
    clear_up(bench)
    bench.run(45)
    bench.check_agreed()
    assert taken_for_a_hand_s(bench) == []


def test_a_leg_of_which_we_know_an_old_size_is_not_taken_for_filled() -> None:
    """Its entry filled in two parts and the second resizing of the stop is lost: half of the stop
    trades, the other half stands at the venue and is ours to manage.
    """
    bench = Bench().start().run(1)
    bench.venue.prices[MNQ] = 80_010
    entry = bench.enter(size=2, type=OrderType.LIMIT, limit_price=80_000)
    bench.run(0.5)
    order_id = bench.venue.tags[entry.tag]
    bench.venue.fill(order_id, 1)
    bench.run(0.5)
    leg = next(row for row in bench.resting() if row.type is OrderType.STOP)
    assert (leg.size, leg.filled) == (1, 0)
    bench.venue.fill(order_id, 1)
    resized = [it for it in bench.arriving if isinstance(it, w.OrderSeen) and it.row.size == 2]
    for word in resized:
        if word.row.order_id == leg.order_id:
            bench.arriving.remove(word)
    bench.deliver()
    bench.venue.fill(leg.order_id, 1)
    bench.arriving[:] = [it for it in bench.arriving if not isinstance(it, w.OrderSeen)]
    bench.deliver()
    ours = bench.router.desk.by_id(leg.order_id)
    assert ours is not None
    assert ours.state is OrderState.PARTIAL
    bench.run(2)
    assert (ours.size, ours.filled) == (2, 1)
    bench.check_agreed()
