"""The tick filter: what the venue may send, what gets through, that nothing makes it stumble."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.market_data_gateway.ticks import (
    AHEAD_NS,
    CONFIRM,
    CONFIRM_NS,
    MOMENT_MAX,
    TickFilter,
    side_by_side,
)
from shared import settings as settings_file
from shared.events import Depth, Event, Quote, Side, Trade
from shared.units import MILLISECOND, SECOND
from shared.venue.times import time_text

SETTINGS = settings_file.load(env={}).market_data_gateway
LIMIT = SETTINGS.price_jump_limit_ticks
MNQ = "CON.F.US.MNQ.Z26"
M2K = "CON.F.US.M2K.Z26"
T0 = 1_795_016_100 * SECOND  # 2026-11-18T15:35:00Z


def a_filter() -> TickFilter:
    made = TickFilter(SETTINGS)
    made.allow((MNQ, M2K))
    return made


def quote(bid: float, ask: float, at_ns: int = T0) -> list[Any]:
    return [MNQ, {"symbol": "F.US.MNQ", "bestBid": bid, "bestAsk": ask, "timestamp": text(at_ns)}]


def trade(price: float, size: int = 1, at_ns: int = T0) -> dict[str, Any]:
    return {"symbolId": "F.US.MNQ", "price": price, "timestamp": text(at_ns), "type": 0,
            "volume": size}  # fmt: skip


def level(kind: int, price: float, size: int) -> dict[str, Any]:
    return {"timestamp": text(T0), "type": kind, "price": price, "volume": size, "currentVolume": 0}


def text(at_ns: int) -> str:
    return time_text(at_ns, digits=7)


def ticks(made: TickFilter, target: str, args: object, recv_ns: int = T0) -> list[Event]:
    found, rejects = made.take(target, args, recv_ns)
    assert not rejects
    return found


def refusal(made: TickFilter, target: str, args: object, recv_ns: int = T0) -> str:
    found, rejects = made.take(target, args, recv_ns)
    assert not found
    (reject,) = rejects
    return reject.why


def test_a_full_quote_then_sparse_ones_are_merged() -> None:
    made = a_filter()
    assert ticks(made, "GatewayQuote", quote(20_000.25, 20_000.75)) == [
        Quote(contract=MNQ, bid=80_001, ask=80_003, venue_ns=T0, recv_ns=T0)
    ]
    sparse = [MNQ, {"symbol": "F.US.MNQ", "bestBid": 20_000.5, "timestamp": text(T0 + 1_000)}]
    (merged,) = ticks(made, "GatewayQuote", sparse, T0 + 5_000)
    assert merged == Quote(
        contract=MNQ, bid=80_002, ask=80_003, venue_ns=T0 + 1_000, recv_ns=T0 + 5_000
    )


def test_sizes_come_from_the_depth_that_agrees() -> None:
    made = a_filter()
    ladder = [MNQ, [level(2, 20_000.25, 7), None, level(1, 20_001.0, 4), level(2, 20_000.0, 9)]]
    (depth,) = ticks(made, "GatewayDepth", ladder)
    assert isinstance(depth, Depth)
    assert (depth.bids, depth.asks) == (((80_001, 7), (80_000, 9)), ((80_004, 4),))
    (merged,) = ticks(made, "GatewayQuote", quote(20_000.25, 20_000.75))
    assert isinstance(merged, Quote)
    assert (merged.bid_size, merged.ask_size) == (7, 0)  # nobody told what rests at the ask


def test_trades_come_in_arrays_with_holes() -> None:
    tape = [MNQ, [trade(20_000.5), None, trade(20_000.75, 3)]]
    first, second = ticks(a_filter(), "GatewayTrade", tape)
    assert isinstance(first, Trade)
    assert isinstance(second, Trade)
    assert (first.price, first.size, first.aggressor) == (80_002, 1, Side.BUY)
    assert (second.price, second.size) == (80_003, 3)


def test_depth_shows_the_best_levels_only() -> None:
    levels = [level(2, 20_000 - n * 0.25, n + 1) for n in range(30)]
    (depth,) = ticks(a_filter(), "GatewayDepth", [MNQ, levels])
    assert isinstance(depth, Depth)
    assert len(depth.bids) == SETTINGS.depth_levels


@pytest.mark.parametrize(
    ("target", "args"),
    [
        ("GatewayQuote", [MNQ, {"bestBid": "20000.25", "bestAsk": 20_000.75}]),  # text for a number
        ("GatewayQuote", [MNQ, {"bestBid": float("nan"), "bestAsk": 20_000.75}]),
        ("GatewayQuote", [MNQ, {"bestBid": 20_000.3, "bestAsk": 20_000.75}]),  # off the grid
        ("GatewayQuote", [MNQ, {"bestBid": -1.0, "bestAsk": 20_000.75}]),
        ("GatewayQuote", [MNQ, {"bestBid": 1e300, "bestAsk": 20_000.75}]),
        ("GatewayQuote", [MNQ, {"bestBid": True, "bestAsk": 20_000.75}]),
        ("GatewayQuote", [MNQ, {"bestBid": 1.0, "bestAsk": 2.0, "timestamp": "yesterday"}]),
        ("GatewayQuote", [MNQ, "text"]),
        ("GatewayQuote", [MNQ]),
        ("GatewayQuote", []),
        ("GatewayQuote", None),
        ("GatewayQuote", ["CON.F.US.ENQ.Z26", {"bestBid": 1.0, "bestAsk": 2.0}]),  # not asked for
        ("GatewayQuote", [7, {"bestBid": 1.0, "bestAsk": 2.0}]),
        ("GatewayTrade", [MNQ, [{"price": 20_000.5, "volume": 1}]]),  # no time
        ("GatewayTrade", [MNQ, [{"price": 20_000.5, "volume": -1, "timestamp": text(T0)}]]),
        ("GatewayTrade", [MNQ, [{"price": None, "volume": 1, "timestamp": text(T0)}]]),
        ("GatewayDepth", [MNQ, [{"price": 20_000.5, "volume": 1e9, "timestamp": text(T0)}]]),
        ("GatewayLogout", [MNQ]),
    ],
)
def test_garbage_is_named_and_dropped(target: str, args: object) -> None:
    assert refusal(a_filter(), target, args)


def test_crossed_and_one_sided_quotes_are_held_back() -> None:
    made = a_filter()
    assert ticks(made, "GatewayQuote", quote(20_001.0, 20_000.75)) == []
    assert ticks(made, "GatewayQuote", [M2K, {"bestBid": 2_400.1, "timestamp": text(T0)}]) == []


def test_a_quote_from_the_future_is_refused() -> None:
    why = refusal(a_filter(), "GatewayQuote", quote(20_000, 20_000.25, T0 + AHEAD_NS + SECOND))
    assert "ahead" in why
    assert ticks(a_filter(), "GatewayQuote", quote(20_000, 20_000.25, T0 + AHEAD_NS))


def test_an_old_snapshot_is_told_with_its_own_time() -> None:
    (old,) = ticks(a_filter(), "GatewayQuote", quote(20_000, 20_000.25, T0 - 3_600 * SECOND))
    assert isinstance(old, Quote)
    assert old.venue_ns == T0 - 3_600 * SECOND  # whoever asks for freshness will see it


def test_one_absurd_price_moves_nothing() -> None:
    made = a_filter()
    ticks(made, "GatewayQuote", quote(20_000, 20_000.25))
    assert "jump" in refusal(made, "GatewayQuote", quote(2_000, 2_000.25))
    assert "market at" in refusal(made, "GatewayTrade", [MNQ, trade(2_000)])
    assert "depth" in refusal(made, "GatewayDepth", [MNQ, [level(2, 2_000, 5)]])
    assert ticks(made, "GatewayQuote", quote(20_000.25, 20_000.5))
    assert ticks(made, "GatewayTrade", [MNQ, trade(20_000.25)])


def test_a_leap_is_believed_once_the_market_repeats_it() -> None:
    made = a_filter()
    ticks(made, "GatewayQuote", quote(20_000, 20_000.25))
    far = 20_000 + LIMIT
    for number in range(CONFIRM):
        assert refusal(made, "GatewayQuote", quote(far + number, far + number + 0.25))
    assert ticks(made, "GatewayQuote", quote(far, far + 0.25))
    assert ticks(made, "GatewayTrade", [MNQ, trade(far)])


def test_a_leap_is_believed_once_it_has_lasted() -> None:
    made = a_filter()
    ticks(made, "GatewayQuote", quote(20_000, 20_000.25))
    assert refusal(made, "GatewayQuote", quote(10_000, 10_000.25), T0)
    assert ticks(made, "GatewayQuote", quote(10_000, 10_000.25), T0 + CONFIRM_NS)


def test_scattered_absurd_prices_confirm_nothing() -> None:
    made = a_filter()
    ticks(made, "GatewayQuote", quote(20_000, 20_000.25))
    for number in range(1, 20):
        wild = 1_000 * number if number % 2 else 90_000 - 1_000 * number
        assert refusal(made, "GatewayQuote", quote(wild, wild + 0.25), T0 + number * SECOND)


def test_an_absurd_spread_is_no_market() -> None:
    assert "spread" in refusal(a_filter(), "GatewayQuote", quote(19_000, 20_000))


def test_a_new_connection_voids_what_was_merged() -> None:
    made = a_filter()
    ticks(made, "GatewayQuote", quote(20_000, 20_000.25))
    made.reset()
    sparse = [MNQ, {"bestBid": 20_000.0, "timestamp": text(T0)}]
    assert ticks(made, "GatewayQuote", sparse) == []  # the ask of the old connection is gone


def test_contracts_no_longer_wanted_are_refused() -> None:
    made = a_filter()
    made.allow((M2K,))
    assert "not one of ours" not in refusal(made, "GatewayQuote", quote(1, 2))
    assert "our contracts" in refusal(made, "GatewayQuote", quote(20_000, 20_000.25))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from([MNQ, M2K, text(T0), "F.US.MNQ", 20_000.25, 80_000, -1, 0, 1e308]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from([
            "bestBid", "bestAsk", "timestamp", "lastUpdated", "price", "volume", "type", "symbol",
            "currentVolume", "contractId", "x",
        ]),
        inner,
        max_size=7,
    ),
    max_leaves=12,
)  # fmt: skip
targets = st.sampled_from(["GatewayQuote", "GatewayTrade", "GatewayDepth", "GatewayLogout", ""])
arguments = json_values | st.tuples(st.sampled_from([MNQ, M2K]), json_values).map(list)


@given(st.lists(st.tuples(targets, arguments, st.integers(0, 10)), max_size=12))
def test_nothing_the_venue_can_send_makes_it_stumble(story: list[tuple[str, object, int]]) -> None:
    made = a_filter()
    now_ns = T0
    for target, args, seconds in story:
        now_ns += seconds * SECOND
        found, _ = made.take(target, args, now_ns)
        for tick in found:
            assert_sane(tick, now_ns)


def assert_sane(tick: Event, now_ns: int) -> None:
    assert isinstance(tick, Quote | Trade | Depth)
    assert tick.contract in (MNQ, M2K)
    assert tick.recv_ns == now_ns
    assert tick.venue_ns <= now_ns + AHEAD_NS
    msgspec.msgpack.encode(tick)
    match tick:
        case Quote():
            assert 0 < tick.bid < tick.ask <= tick.bid + LIMIT
            assert tick.bid_size >= 0 <= tick.ask_size
        case Trade():
            assert tick.price > 0 < tick.size
        case Depth():
            assert [p for p, _ in tick.bids] == sorted({p for p, _ in tick.bids}, reverse=True)
            assert [p for p, _ in tick.asks] == sorted({p for p, _ in tick.asks})
            assert not tick.bids or not tick.asks or tick.bids[0][0] < tick.asks[0][0]
            assert len(tick.bids) <= SETTINGS.depth_levels >= len(tick.asks)


@given(st.integers(1, 60), st.integers(1, 4 * LIMIT))
def test_what_is_accepted_never_leaps_unconfirmed(count: int, stride: int) -> None:
    """Quotes 50 ms apart, every one `stride` away from the last: either all pass or none does."""
    made = a_filter()
    passed = 0
    for number in range(count):
        price = (80_000 + number * stride) / 4
        found, _ = made.take(
            "GatewayQuote", quote(price, price + 0.25), T0 + number * 50 * MILLISECOND
        )
        passed += len(found)
    assert passed == (count if stride <= LIMIT else 1)


def test_recorded_shapes_pass() -> None:
    """Frames as the venue writes them: nine digits, short forms, extra members."""
    frames = """[
      ["GatewayQuote", ["CON.F.US.MNQ.Z26", {"symbol": "F.US.MNQ", "symbolName": "/MNQ",
        "lastPrice": 20000.25, "bestBid": 20000.000000000, "bestAsk": 20000.25, "change": 1.5,
        "changePercent": 0.01, "open": 1, "high": 2, "low": 1, "volume": 12000,
        "lastUpdated": "2026-11-18T15:35:00.4347534+00:00",
        "timestamp": "2026-11-18T15:35:00+00:00", "contract": "CON.F.US.MNQ.Z26"}]],
      ["GatewayTrade", ["CON.F.US.MNQ.Z26", {"symbolId": "F.US.MNQ", "price": 20000.25,
        "timestamp": "2026-11-18T15:35:00Z", "type": 1, "volume": 2, "novel": {}}]],
      ["GatewayDepth", ["CON.F.US.MNQ.Z26", [{"timestamp": "2026-11-18T15:35:00.1+00:00",
        "type": 4, "price": 20000, "volume": 3, "currentVolume": 0}, null]]]]"""
    made = a_filter()
    for target, args in json.loads(frames):
        assert ticks(made, target, args, T0 + SECOND), target


def a_tick(kind: type[Event], contract: str, n: int) -> Event:
    if kind is Quote:
        return Quote(contract=contract, bid=n, ask=n + 1, venue_ns=n, recv_ns=n)
    return Depth(contract=contract, bids=((n, 1),), asks=(), venue_ns=n, recv_ns=n)


kinds_of = st.tuples(st.sampled_from([Quote, Depth]), st.sampled_from([MNQ, M2K]))


@given(st.lists(kinds_of, max_size=MOMENT_MAX + 6))
def test_a_moment_is_told_contract_by_contract(burst: list[tuple[type[Event], str]]) -> None:
    """Nothing is lost and each contract keeps its order; after a stall the whole is left alone."""
    ticks = [a_tick(kind, contract, n) for n, (kind, contract) in enumerate(burst)]
    told = side_by_side(ticks)
    if len(ticks) > MOMENT_MAX:
        assert told == ticks
        return
    contracts = [tick.contract for tick in told]  # type: ignore[attr-defined]
    turns = sum(one != other for one, other in pairwise(contracts))
    assert turns == max(0, len(set(contracts)) - 1)
    for contract in (MNQ, M2K):
        its = [tick for tick in ticks if tick.contract == contract]  # type: ignore[attr-defined]
        assert [it for it in told if it.contract == contract] == its  # type: ignore[attr-defined]
    assert contracts[:1] == [contract for _, contract in burst[:1]]
