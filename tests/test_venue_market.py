"""Market events: sparse quotes merged, depth folded, prints translated, garbage named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events import Side
from shared.venue.codes import DepthKind
from shared.venue.market import LEVELS_MAX, DepthBook, QuoteMerger, contract_and_rows, trades

MNQ = "CON.F.US.MNQ.Z26"
MES = "CON.F.US.MES.Z26"
STAMP = "2026-08-19T20:51:31.348+00:00"


def quote(contract=MNQ, **members):
    return [contract, {"symbol": "F.US.X", "timestamp": STAMP, **members}]


def level(kind, price, volume):
    return {"timestamp": STAMP, "type": int(kind), "price": price, "volume": volume}


# -- quotes ----------------------------------------------------------------------------------------


def test_sparse_quotes_are_merged_per_contract():
    merger = QuoteMerger()
    merger.merge(quote(MES, bestBid=10.0, bestAsk=10.25), 1)
    first = merger.merge(quote(bestBid=100.0, bestAsk=100.25), 2)
    second = merger.merge(quote(bestAsk=100.5), 3)
    third = merger.merge(quote(), 4)
    assert (first.bid, first.ask) == (400, 401)
    assert (second.bid, second.ask, second.recv_ns) == (400, 402, 3)
    assert (third.bid, third.ask) == (400, 402)
    assert third.venue_ns == 1_787_172_691_348_000_000


@pytest.mark.parametrize("nothing", [{}, {"bestBid": None}, {"bestBid": 0}, {"bestBid": 0.0}])
def test_a_missing_side_is_never_zero(nothing):
    merger = QuoteMerger()
    assert merger.merge(quote(bestAsk=100.25, **nothing), 1) is None
    assert merger.held == 1
    assert merger.merge(quote(bestBid=100.0), 2).bid == 400


def test_a_side_told_as_zero_is_gone_until_told_again():
    merger = QuoteMerger()
    assert merger.merge(quote(bestBid=100.0, bestAsk=100.25), 1)
    assert merger.merge(quote(bestBid=0), 2) is None
    assert merger.merge(quote(bestAsk=100.5), 3) is None
    assert merger.merge(quote(bestBid=100.25), 4).bid == 401


@pytest.mark.parametrize("bid", [100.25, 101.0])
def test_crossed_and_locked_quotes_are_held_back(bid):
    merger = QuoteMerger()
    assert merger.merge(quote(bestBid=bid, bestAsk=100.25), 1) is None
    assert merger.merge(quote(bestAsk=101.25), 2).ask == 405  # the other half of the update


def test_a_new_connection_forgets_old_sides():
    merger = QuoteMerger()
    merger.merge(quote(bestBid=100.0, bestAsk=100.25), 1)
    merger.reset()
    assert merger.merge(quote(bestBid=100.0), 2) is None


@pytest.mark.parametrize(
    "members",
    [
        {"bestBid": "100"}, {"bestBid": 100.1}, {"bestBid": float("nan")}, {"bestBid": -1},
        {"timestamp": "soon"}, {"bestBid": True}, {"bestBid": 1e12},
    ],
)  # fmt: skip
def test_a_quote_that_cannot_be_read_voids_both_sides(members):
    merger = QuoteMerger()
    merger.merge(quote(bestBid=100.0, bestAsk=100.25), 1)
    with pytest.raises(ValueError, match=r"MNQ|timestamp"):
        merger.merge(quote(**members), 2)
    assert merger.merge(quote(bestBid=100.0), 3) is None


def test_a_quote_without_a_time_is_as_old_as_its_arrival():
    told = QuoteMerger().merge([MNQ, {"bestBid": 100.0, "bestAsk": 100.25}], 77)
    assert told.venue_ns == 77


def test_sizes_come_from_the_book():
    book = DepthBook(MNQ)
    book.fold([MNQ, [level(DepthKind.BID, 100.0, 7), level(DepthKind.ASK, 100.25, 9)]])
    merger = QuoteMerger()
    told = merger.merge(quote(bestBid=100.0, bestAsk=100.25), 1, book)
    assert (told.bid_size, told.ask_size) == (7, 9)
    assert merger.merge(quote(bestBid=99.75), 2, book).bid_size == 0


sides = st.one_of(st.none(), st.just(0), st.integers(1, 60).map(lambda count: count * 0.25))


@given(st.lists(st.tuples(sides, sides), max_size=30))
def test_no_story_of_sparse_quotes_gives_a_crossed_or_invented_one(story):
    merger, bid, ask = QuoteMerger(), None, None
    for told_bid, told_ask in story:
        members = {"bestBid": told_bid, "bestAsk": told_ask}
        shown = merger.merge(quote(**{k: v for k, v in members.items() if v is not None}), 1)
        bid = (told_bid or None) if told_bid is not None else bid
        ask = (told_ask or None) if told_ask is not None else ask
        if bid and ask and bid < ask:
            assert (shown.bid, shown.ask) == (bid * 4, ask * 4)
        else:
            assert shown is None


# -- prints ----------------------------------------------------------------------------------------


def test_prints_keep_their_order_and_nulls_are_dropped():
    told = trades(
        [MNQ, [None, {"price": 10.0, "timestamp": STAMP, "type": 0, "volume": 2},
               {"price": 10.25, "timestamp": STAMP, "type": 1, "volume": 1}, None,
               {"price": 10.5, "timestamp": STAMP, "volume": 1},
               {"price": 10.5, "timestamp": STAMP, "volume": 0}]],
        5,
    )  # fmt: skip
    assert [(one.price, one.size, one.aggressor) for one in told] == [
        (40, 2, Side.BUY), (41, 1, Side.SELL), (42, 1, None),
    ]  # fmt: skip


def test_a_single_object_is_an_array_of_one():
    assert len(trades([MNQ, {"price": 10.0, "timestamp": STAMP, "volume": 2}], 5)) == 1


@pytest.mark.parametrize(
    "args",
    [
        None, [], [MNQ], [7, []], [MNQ, "x"], [MNQ, [1]], [MNQ, [{"price": 10.0}]],
        [MNQ, [{"price": "10", "timestamp": STAMP, "volume": 1}]],
        [MNQ, [{"price": 10.1, "timestamp": STAMP, "volume": 1}]],
        [MNQ, [{"price": 10.0, "timestamp": STAMP, "volume": -1}]],
        ["CON.F.US.XYZ.Z26", [{"price": 10.0, "timestamp": STAMP, "volume": 1}]],
    ],
)  # fmt: skip
def test_prints_that_cannot_be_read_are_named(args):
    with pytest.raises(ValueError, match=r"GatewayTrade|MNQ|XYZ|Tape"):
        trades(args, 5)


def test_an_event_of_absurd_length_is_refused():
    with pytest.raises(ValueError, match="rows"):
        contract_and_rows([MNQ, [None] * 5_001], "GatewayDepth")


# -- depth -----------------------------------------------------------------------------------------


def test_levels_are_replaced_removed_and_sorted():
    book = DepthBook(MNQ)
    assert book.fold(
        [MNQ, [level(DepthKind.BID, 100.0, 5), level(DepthKind.BID, 99.5, 4), None,
               level(DepthKind.ASK, 100.5, 6), level(DepthKind.ASK, 100.25, 3)]]
    )  # fmt: skip
    book.fold([MNQ, [level(DepthKind.BID, 100.0, 2), level(DepthKind.ASK, 100.25, 0)]])
    told = book.top(5, 9)
    assert told.bids == ((400, 2), (398, 4))
    assert told.asks == ((402, 6),)
    assert book.top(1, 9).bids == ((400, 2),)


def test_reset_clears_both_sides():
    book = DepthBook(MNQ)
    book.fold([MNQ, [level(DepthKind.BID, 100.0, 5), level(DepthKind.ASK, 100.5, 6)]])
    book.fold([MNQ, [level(DepthKind.RESET, 0.0, 0), level(DepthKind.BID, 99.0, 1)]])
    assert (book.top(5, 1).bids, book.top(5, 1).asks) == (((396, 1),), ())


def test_a_best_level_says_that_nothing_better_exists():
    book = DepthBook(MNQ)
    book.fold([MNQ, [level(DepthKind.BID, 100.0, 5), level(DepthKind.BID, 99.5, 4)]])
    book.fold([MNQ, level(DepthKind.NEW_BEST_BID, 99.75, 2)])
    assert book.top(5, 1).bids == ((399, 2), (398, 4))


def test_a_level_removes_what_it_crosses():
    book = DepthBook(MNQ)
    book.fold([MNQ, [level(DepthKind.ASK, 100.0, 5), level(DepthKind.ASK, 100.5, 4)]])
    book.fold([MNQ, [level(DepthKind.BID, 100.25, 1)]])
    assert book.top(5, 1).asks == ((402, 4),)


def test_prints_and_session_highs_change_nothing():
    book = DepthBook(MNQ)
    book.fold([MNQ, [level(DepthKind.BID, 100.0, 5)]])
    assert not book.fold([MNQ, [level(DepthKind.TRADE, 100.0, 1), level(DepthKind.HIGH, 101, 1)]])
    assert book.size_at(Side.BUY, 400) == 5


def test_a_record_that_cannot_be_read_empties_the_book():
    book = DepthBook(MNQ)
    book.fold([MNQ, [level(DepthKind.BID, 100.0, 5)]])
    with pytest.raises(ValueError, match="depth price"):
        book.fold([MNQ, [level(DepthKind.BID, 100.1, 5)]])
    assert book.top(5, 1).bids == ()


def test_the_book_is_bounded_and_keeps_the_best():
    book = DepthBook(MNQ)
    for count in range(LEVELS_MAX + 50):
        book.fold([MNQ, [level(DepthKind.BID, 1000 - count * 0.25, 1)]])
        book.fold([MNQ, [level(DepthKind.ASK, 2000 + count * 0.25, 1)]])
    told = book.top(LEVELS_MAX * 2, 1)
    assert len(told.bids) == len(told.asks) == LEVELS_MAX
    assert (told.bids[0], told.asks[0]) == ((4000, 1), (8000, 1))


depth_kinds = st.sampled_from(DepthKind)


@given(st.lists(st.tuples(depth_kinds, st.integers(1, 40), st.integers(0, 5)), max_size=40))
def test_no_story_of_levels_gives_a_crossed_or_empty_level(story):
    book = DepthBook(MNQ)
    for kind, count, volume in story:
        book.fold([MNQ, [level(kind, count * 0.25, volume)]])
        told = book.top(100, 1)
        assert all(size > 0 for _, size in told.bids + told.asks)
        assert list(told.bids) == sorted(told.bids, reverse=True)
        assert list(told.asks) == sorted(told.asks)
        if told.bids and told.asks:
            assert told.bids[0][0] < told.asks[0][0]
