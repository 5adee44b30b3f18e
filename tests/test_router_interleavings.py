"""Every order in which the news of a fill can arrive around a snapshot of the venue.

A snapshot is three answers (orders, positions, trades) that the venue gave one after the other, so
each may hold the fill or not; the hub's order and trade and our own request's answer come before,
between or after. Whatever the order: the books are the venue's in the end, every fill is counted
once, and nothing false is believed on the way. Then the same with each of the four lost, with all
of them twice, and for an order that filled while its cancel was on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations_with_replacement, permutations

import pytest
from msgspec.structs import replace

from services.order_router import words as w
from shared.core import Word
from shared.events import CancelApproved, OrderState, OrderType, Side, VenueState
from tests.support.router_bench import Bench
from tests.support.router_venue import MNQ

FOUR = ("hub order", "hub trade", "answer", "snapshot")
ORDERS = tuple(permutations(FOUR))
MOMENTS = tuple(combinations_with_replacement(range(3), 3))
"""Whether orders, positions, trades were read before (0), at (1) or after (2) what happened: the
venue is asked in this order, so no part is older than the one before it.
"""

Read = tuple[w.Books, w.Books, w.Books]
News = dict[str, list[Word]]


def take(queue: list[Word], kind: type | tuple[type, ...]) -> list[Word]:
    """What of `queue` is of a kind; it is there no more."""
    found = [word for word in queue if isinstance(word, kind)]
    queue[:] = [word for word in queue if not isinstance(word, kind)]
    return found


def under_way(bench: Bench) -> w.ReadBooks:
    """The next periodic read, said and not answered."""
    while not any(isinstance(request, w.ReadBooks) for request in bench.requests):
        bench.pulse()
    (read,) = take(bench.requests, w.ReadBooks)
    assert isinstance(read, w.ReadBooks)
    return read


def a_fill(*, early: bool) -> tuple[Bench, News, Read]:
    """An entry is sent, accepted, filled; nothing of it is heard. `early`: the read was said before
    the entry was."""
    bench = Bench().start().run(1)
    read = under_way(bench) if early else None
    bench.venue.prices[MNQ] = 80_010
    bench.enter(type=OrderType.LIMIT, limit_price=80_000)
    (request,) = take(bench.requests, w.PlaceOrder)
    if read is None:
        bench.tell(w.Link(up=False, reason="dropped"))
        bench.tell(w.Link(up=True))
        read = under_way(bench)
    before = bench.venue.books(read)
    answer = bench.serve(request)
    at = bench.venue.books(read)
    bench.venue.move(MNQ, 80_000)
    after = bench.venue.books(read)
    return bench, news(bench, answer), (before, at, after)


def a_fill_beside_a_cancel(*, early: bool) -> tuple[Bench, News, Read]:
    """A resting entry is cancelled and fills before the cancel is there."""
    bench = Bench().start().run(1)
    bench.venue.prices[MNQ] = 80_010
    entry = bench.enter(type=OrderType.LIMIT, limit_price=80_000)
    bench.run(0.25)
    read = under_way(bench) if early else None
    bench.tell(
        CancelApproved(
            intent_id="trend.77.99",
            target=entry.intent_id,
            sleeve="trend",
            contract=MNQ,
            reason="x",
        )
    )
    (request,) = take(bench.requests, w.CancelOrder)
    read = read or under_way(bench)
    before = bench.venue.books(read)
    bench.venue.move(MNQ, 80_000)
    after = bench.venue.books(read)
    return bench, news(bench, bench.serve(request)), (before, before, after)


def news(bench: Bench, answer: Word) -> News:
    found: News = {
        "hub order": take(bench.arriving, w.OrderSeen),
        "hub trade": take(bench.arriving, (w.TradeSeen, w.PositionSeen)),
        "answer": [answer],
    }
    assert not bench.arriving
    assert all(found.values())
    return found


def spliced(read: Read, moments: tuple[int, ...]) -> w.Books:
    orders, positions, trades = (read[moment] for moment in moments)
    return replace(orders, positions=positions.positions, trades=trades.trades)


def lost(word: Word) -> list[Word]:
    """What is heard instead of a word that was lost: of a request always something."""
    match word:
        case w.PlaceAnswer():
            return [w.PlaceAnswer(tag=word.tag, outcome=w.Outcome.UNKNOWN, text="timeout")]
        case w.CancelAnswer():
            return [w.CancelAnswer(order_id=word.order_id, outcome=w.Outcome.UNKNOWN)]
        case w.Books():
            return [w.Unread(read_id=word.read_id, reason="timeout")]
    return []


def hear(bench: Bench, words: list[Word]) -> None:
    for word in words:
        bench.tell(word)
        bench.check()
        assert bench.lots() in (0, 1), "one lot was asked for"
        assert bench.status().state is not VenueState.QUARANTINE


def settle(bench: Bench) -> None:
    """Fair weather again: everything is as the venue has it, and the one fill is protected."""
    bench.run(4)
    bench.check_agreed()
    assert bench.venue.lots[MNQ] == 1
    assert [(fill.size, fill.price) for fill in bench.fills()] == [(1, 80_000)]
    assert [update.state for update in bench.updates("trend.77.1")][-1] is OrderState.FILLED
    assert bench.status().state is VenueState.READY
    stops = [row for row in bench.resting() if row.stop_price is not None]
    assert [row.size for row in stops] == [1]
    assert len(set(bench.venue.tag_attempts)) == len(bench.venue.tag_attempts)
    assert not any(fill.side is Side.SELL for fill in bench.fills())


STORIES = (a_fill, a_fill_beside_a_cancel)
story = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
early = pytest.mark.parametrize("early", [True, False], ids=["read before", "read after"])
Story = Callable[..., tuple[Bench, News, Read]]


@story
@early
@pytest.mark.parametrize("order", ORDERS, ids=" > ".join)
def test_every_order_of_four_around_a_snapshot(
    story: Story, early: bool, order: tuple[str, ...]
) -> None:
    for moments in MOMENTS:
        bench, found, read = story(early=early)
        found["snapshot"] = [spliced(read, moments)]
        for name in order:
            hear(bench, found[name])
        settle(bench)


@story
@early
@pytest.mark.parametrize("missing", FOUR)
def test_with_each_of_the_four_lost(story: Story, early: bool, missing: str) -> None:
    for number, order in enumerate(ORDERS):
        bench, found, read = story(early=early)
        found["snapshot"] = [spliced(read, MOMENTS[number % len(MOMENTS)])]
        for name in order:
            words = found[name]
            hear(bench, lost(words[0]) if name == missing else words)
        settle(bench)


@story
@early
def test_with_everything_the_hub_brings_twice(story: Story, early: bool) -> None:
    for number, order in enumerate(ORDERS):
        bench, found, read = story(early=early)
        found["snapshot"] = [spliced(read, MOMENTS[number % len(MOMENTS)])]
        for name in order:
            hear(bench, found[name])
        hear(bench, [*found["hub trade"], *found["hub order"]])
        settle(bench)
