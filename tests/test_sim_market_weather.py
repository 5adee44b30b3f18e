"""Every product's market: families, groups, hours, price limits, and weather on order."""

from __future__ import annotations

import hashlib
from functools import cache
from itertools import pairwise

import msgspec
import pytest

from services.simulator.history import Past, synthetic_close
from services.simulator.market import LEVELS, Hours, Update
from services.simulator.market_characters import (
    CHARACTERS,
    FAMILIES,
    WINDOWS,
    character,
    convert,
    limits,
)
from services.simulator.market_synthetic import Synthetic, SyntheticState
from services.simulator.weather import SETTINGS, news, tide
from shared import settings as settings_module
from shared.contracts import PRODUCTS
from shared.domain.sessions import calendar
from shared.units import HOUR, MINUTE, SECOND
from shared.venue.times import time_ns

HOURS = Hours(calendar(settings_module.load(env={}).session))
START = time_ns("2026-11-18T09:35:00-06:00", "start")
OPEN = time_ns("2026-11-17T17:00:00-06:00", "open")
FOUR = tuple(CHARACTERS)


def market(
    roots: tuple[str, ...] = FOUR, regime: str = "auto", start: int = START, seed: int = 7
) -> Synthetic:
    first = {root: Past(start, HOURS, seed=seed, root=root).last() for root in roots}
    return Synthetic.fresh(seed, regime, start, first, hours=HOURS)


def played(feed: Synthetic, until: float, start: int = START) -> list[Update]:
    out: list[Update] = []
    feed.advance(start + int(until * SECOND), out)
    return out


@cache
def everything() -> list[Update]:
    return played(market(tuple(PRODUCTS)), 40)


def fingerprint(updates: list[Update]) -> str:
    digest = hashlib.sha256()
    for one in updates:
        prints, rows = list(map(tuple, one.prints)), list(map(tuple, one.rows))
        book = (one.bid, one.ask, tuple(one.bids), tuple(one.asks))
        digest.update(
            repr((one.root, one.at_ns, prints, rows, one.quote, *book, one.full)).encode()
        )
    return digest.hexdigest()


def test_the_four_of_seed_seven_are_pinned() -> None:
    """Strategies were rehearsed on this market: change it knowingly or not at all."""
    updates = played(market(), 300)
    assert len(updates) == 24_000
    assert fingerprint(updates).startswith("d1d0943fb6648a18")


def test_what_else_is_quoted_changes_nothing_for_the_four() -> None:
    four = [one for one in everything() if one.root in FOUR]
    assert fingerprint(four) == fingerprint(played(market(), 40)[: len(four)])
    some = [one for one in played(market((*FOUR, "CL", "ZN")), 40) if one.root == "CL"]
    assert fingerprint(some) == fingerprint([one for one in everything() if one.root == "CL"])


def test_every_product_quotes_and_trades_at_its_level() -> None:
    by_root: dict[str, list[Update]] = {}
    for one in everything():
        by_root.setdefault(one.root, []).append(one)
    assert set(by_root) == set(PRODUCTS)
    for root, updates in by_root.items():
        home = character(root).home
        assert sum(len(one.prints) for one in updates) >= 10, root
        assert len({one.bid for one in updates}) > 1, root
        assert all(abs(one.bid - home) < home // 20 for one in updates)
        assert all(1 <= one.ask - one.bid <= 2 for one in updates)
        assert all(len(one.bids) == len(one.asks) == LEVELS for one in updates)
        assert [one.at_ns for one in updates] == sorted(one.at_ns for one in updates)
    instants = [one.at_ns for one in everything()]
    assert instants == sorted(instants)


def test_families_share_their_price() -> None:
    last: dict[str, Update] = {}
    for one in everything():
        last[one.root] = one
        lead = FAMILIES.get(one.root)
        if lead in last and lead is not None:
            wanted = convert(last[lead].bid, lead, one.root)
            assert abs(one.bid - wanted) <= 4, (one.root, one.bid, wanted)


def test_families_share_their_past() -> None:
    for root, lead in FAMILIES.items():
        for minute in range(START // MINUTE - 300, START // MINUTE, 50):
            ours = synthetic_close(7, root, minute)
            wanted = convert(synthetic_close(7, lead, minute), lead, root)
            assert abs(ours - wanted) <= 3 + wanted // 1_000


def agreement(one: str, other: str) -> float:
    """How often second-long moves of two fair prices have one sign, in calm."""
    feed = market((one, other), "calm")
    fairs = []
    for second in range(1, 300):
        played(feed, second)
        fairs.append(tuple(feed.state.lines[root].fair for root in (one, other)))
    moves = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(fairs)]
    return sum(x * y > 0 for x, y in moves) / len(moves)


def test_groups_move_together_and_strangers_do_not() -> None:
    assert agreement("ZN", "ZB") > 0.65
    assert agreement("GC", "SI") > 0.65
    assert 0.38 < agreement("ZN", "LE") < 0.62


@pytest.mark.parametrize("regime", SETTINGS)
def test_how_time_passes_and_restarts_change_nothing_in_any_weather(regime: str) -> None:
    roots = ("MES", "ES", "CL", "QM", "ZC")
    whole = played(market(roots, regime), 36)
    feed, out = market(roots, regime), []
    for step in (0.013, 1.9, 7.77, 7.78, 12, 19.99, 26.5, 30.01, 36):
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(feed.state), type=SyntheticState)
        feed = Synthetic(state, HOURS)
        out += played(feed, step)
    assert msgspec.msgpack.encode(out) == msgspec.msgpack.encode(whole)


# -- weather on order ------------------------------------------------------------------------------


def test_a_gap_leaps_over_prices_that_never_trade() -> None:
    updates = [one for one in played(market(regime="gap"), 90) if one.root == "MES"]
    jumps = [(a, b) for a, b in pairwise(updates) if abs(b.bid - a.bid) > 40]
    assert len(jumps) >= 2
    for _, after in jumps:
        assert not after.prints, "nothing trades between"
        assert after.full, "the whole book is told anew"


def test_a_flash_move_comes_back() -> None:
    updates = [one for one in played(market(regime="flash"), 24) if one.root == "MES"]
    start = updates[0].bid
    far = max(updates, key=lambda one: abs(one.bid - start))
    assert abs(far.bid - start) > 90
    assert far.at_ns < START + 5 * SECOND
    assert abs(updates[-1].bid - start) < 25


def test_a_dead_feed_trades_on_unheard() -> None:
    feed = market(regime="calm")
    assert not any(one.silent for one in played(feed, 5))
    feed.order("dead")
    dead = played(feed, 10)
    assert dead
    assert all(one.silent for one in dead)
    assert any(one.prints for one in dead)
    feed.order("calm")
    assert not any(one.silent for one in played(feed, 15))


def test_locked_at_the_limit_nothing_trades_beyond_and_one_side_is_empty() -> None:
    seen = set()
    for seed in range(4):
        for one in played(market(("MES", "ES", "ZN", "LE"), "limit", seed=seed), 60):
            low, high = one.low, one.high
            assert 0 < low < high
            assert all(low <= price <= high for price, _, _ in one.prints)
            assert all(low <= price <= high for _, price, size in one.rows if size)
            assert len(one.bids) <= LEVELS
            assert not one.bids or low <= one.bid <= high
            assert not one.asks or low <= one.ask <= high
            assert one.bids or one.asks
            if not one.asks:
                assert one.bid == high
                seen.add((one.root, "up"))
            if not one.bids:
                assert one.ask == low
                seen.add((one.root, "down"))
    assert {root for root, _ in seen} == {"MES", "ES", "ZN", "LE"}
    assert {way for _, way in seen} == {"up", "down"}


def test_a_lock_ends_with_its_weather() -> None:
    feed = market(regime="limit")
    played(feed, 40)
    assert any(not line.book.bids[0] or not line.book.asks[0] for line in feed.state.lines.values())
    feed.order("calm")
    after = played(feed, 400)[-4:]
    assert all(len(one.bids) == len(one.asks) == LEVELS for one in after)


def test_limits_hang_on_the_last_session() -> None:
    """Across a close: the settlement is the last price, and only then the band moves."""
    start = time_ns("2026-11-18T15:55:00-06:00", "start")
    feed = market(start=start)
    before = {root: (line.low, line.high) for root, line in feed.state.lines.items()}
    played(feed, 4 * 60, start)
    assert {root: (line.low, line.high) for root, line in feed.state.lines.items()} == before
    feed.advance(start + 65 * MINUTE + SECOND, [])
    for root, line in feed.state.lines.items():
        assert (line.low, line.high) != before[root]
        assert abs((line.low + line.high) // 2 - line.book.last) < 200
    assert limits("ES", 27_600) == (25_668, 29_532)
    assert limits("ZT", 26_664) == (25_865, 27_463)


def test_weather_for_one_group_begins_at_once_and_outlives_a_restart() -> None:
    feed = market((*FOUR, "CL", "ZN"), "calm")
    played(feed, 5)
    feed.order("spike", "energy")
    played(feed, 5.1)
    assert feed.regimes() == {"index": "calm", "energy": "spike", "rates": "calm"}
    again = Synthetic(
        msgspec.msgpack.decode(msgspec.msgpack.encode(feed.state), type=SyntheticState), HOURS
    )
    again.wish("calm")
    played(again, 30)
    assert again.regimes()["energy"] == "spike", "the setting has not changed"
    again.wish("trend")
    played(again, 31)
    assert set(again.regimes().values()) == {"trend"}
    with pytest.raises(ValueError, match="group was 'metals'"):
        feed.order("calm", "metals")
    with pytest.raises(ValueError, match="regime was 'sunny'"):
        feed.order("sunny")


# -- a day -----------------------------------------------------------------------------------------


def test_volume_is_high_at_the_open_and_the_close_and_low_at_night_and_noon() -> None:
    def busy(hour: float, root: str) -> int:
        start = OPEN + int(hour * HOUR)
        return sum(len(one.prints) for one in played(market((root,), "day", start), 90, start))

    for root in ("MES", "CL"):
        night, opening, noon, close = (busy(hour, root) for hour in (4, 15.6, 19.1, 21.6))
        assert night < noon < opening, root
        assert noon < close, root
    assert tide(-1) == tide(0)
    assert tide(30 * HOUR) == tide(22 * HOUR + 59 * MINUTE)


def test_news_breaks_when_it_is_due() -> None:
    found = {at - OPEN for seed in range(40) for at in news(seed, "index", OPEN)}
    assert {14 * HOUR + 30 * MINUTE, 16 * HOUR, 20 * HOUR} <= found
    assert all(0 <= offset <= 22 * HOUR for offset in found)
    seed = next(s for s in range(40) if OPEN + 16 * HOUR in news(s, "index", OPEN))
    start = OPEN + 16 * HOUR - 20 * SECOND
    feed = market(("MES",), "day", start, seed)
    played(feed, 19, start)
    before = feed.regime()
    played(feed, 22, start)
    assert (before, feed.regime()) != ("spike", "calm")
    assert feed.regime() == "spike"


def test_grains_and_meats_keep_their_hours() -> None:
    """An update that withdraws the quotes, silence, and quotes again."""
    close = time_ns("2026-11-18T13:20:00-06:00", "close")
    feed = market(("MES", "ZC"), start=close - 2 * SECOND)
    updates = played(feed, 5, close - 2 * SECOND)
    corn = [one for one in updates if one.root == "ZC"]
    assert corn[-1].bid == 0
    assert all(size == 0 for _, _, size in corn[-1].rows)
    assert corn[-1].at_ns - close < SECOND
    assert any(one.root == "MES" and one.at_ns > close + 2 * SECOND for one in updates)
    opening = time_ns("2026-11-18T19:00:00-06:00", "open")
    feed = market(("MES", "ZC"), start=opening - SECOND)
    first = next(one for one in played(feed, 3, opening - SECOND) if one.root == "ZC")
    assert first.at_ns >= opening
    assert first.bid > 0
    assert set(WINDOWS) == {"grains", "livestock"}
    for text, meat in (("08:29:59", False), ("08:30:00", True), ("13:05:00", False)):
        assert HOURS.trades("livestock", time_ns(f"2026-11-18T{text}-06:00", "t")) is meat
    assert not HOURS.trades("index", time_ns("2026-11-18T16:30:00-06:00", "t"))
