"""The synthetic market, its weather, its past, and the dice behind them."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services.simulator.dice import Dice, bell, mix, seed_of
from services.simulator.history import (
    BLOCK,
    LAYERS,
    SECONDS_KEPT,
    Past,
    Series,
    grouped,
    synthetic_close,
    synthetic_minute,
)
from services.simulator.market import LEVELS, Hours, Update
from services.simulator.market_characters import FAMILIES, character
from services.simulator.market_synthetic import STEP_NS, Synthetic, SyntheticState
from services.simulator.weather import CHARACTERS, REGIMES
from shared import settings as settings_module
from shared.domain.sessions import calendar
from shared.units import HOUR, MINUTE, SECOND
from shared.venue.times import time_ns

HOURS = Hours(calendar(settings_module.load(env={}).session))
START = time_ns("2026-11-18T09:35:00-06:00", "start")
HOMES = {root: character.home for root, character in CHARACTERS.items()}


def market(seed: int = 7, regime: str = "auto", start: int = START) -> Synthetic:
    return Synthetic.fresh(seed, regime, start, dict(HOMES), hours=HOURS)


def played(feed: Synthetic, seconds: float, start: int = START) -> list[Update]:
    out: list[Update] = []
    feed.advance(start + int(seconds * SECOND), out)
    return out


def test_dice_are_splitmix64() -> None:
    """First outputs for state 1234567 as published with the algorithm."""
    dice = Dice(1234567)
    assert [dice.bits() for _ in range(2)] == [6457827717110365317, 3203168211198807973]
    assert 0 <= dice.below(10) < 10
    assert all(3 <= dice.between(3, 5) <= 5 for _ in range(50))


def test_bell_is_centred_and_as_wide_as_it_says() -> None:
    dice = Dice(3)
    drawn = [bell(dice.bits()) for _ in range(20_000)]
    mean = sum(drawn) / len(drawn)
    deviation = (sum((x - mean) ** 2 for x in drawn) / len(drawn)) ** 0.5
    assert abs(mean) < 25
    assert 990 < deviation < 1_060


def test_seeds_differ_by_name_and_number() -> None:
    seeds = {seed_of(7, name, number) for name in ("a", "b", "ab") for number in range(50)}
    assert len(seeds) == 150
    assert mix(1) != mix(2)


def test_same_seed_same_market_other_seed_other_market() -> None:
    one, same, other = (played(market(seed), 20) for seed in (7, 7, 8))
    encoded = [msgspec.msgpack.encode(updates) for updates in (one, same, other)]
    assert encoded[0] == encoded[1]
    assert encoded[0] != encoded[2]


@hypothesis_settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 900), min_size=1, max_size=30), st.integers(0, 29))
def test_how_time_passes_and_restarts_change_nothing(pieces: list[int], cut: int) -> None:
    """In whatever pieces time is told, and through a snapshot at any of them."""
    whole = played(market(), sum(pieces) / 1000)
    feed, out, now = market(), [], START
    for number, piece in enumerate(pieces):
        if number == cut:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(feed.state), type=SyntheticState)
            feed = Synthetic(state, HOURS)
        now += piece * 1_000_000
        feed.advance(now, out)
    assert msgspec.msgpack.encode(out) == msgspec.msgpack.encode(whole)


def test_updates_come_in_time_order_and_never_from_the_future() -> None:
    feed = market()
    last = START
    for tenth in range(1, 200):
        out: list[Update] = []
        until = START + tenth * SECOND // 10
        feed.advance(until, out)
        assert out
        for update in out:
            assert last <= update.at_ns <= until
            last = update.at_ns
        assert feed.horizon() > last


def test_book_is_never_crossed_and_every_level_is_there() -> None:
    for update in played(market(), 120):
        assert 1 <= update.ask - update.bid <= 2
        assert len(update.bids) == len(update.asks) == LEVELS
        assert min(*update.bids, *update.asks) >= 1


def test_rows_rebuild_the_displayed_book() -> None:
    """Who folds the changed levels (after a full one) has exactly the book."""
    folded: dict[str, dict[tuple[int, int], int]] = {}
    for update in played(market(3), 120):
        book = folded.setdefault(update.root, {})
        if update.full:
            book.clear()
        for side, price, size in update.rows:
            book.pop((side, price), None)
            if size:
                book[side, price] = size
        wanted = {(1, update.bid - depth): size for depth, size in enumerate(update.bids)}
        wanted |= {(-1, update.ask + depth): size for depth, size in enumerate(update.asks)}
        assert book == wanted


def test_prints_are_at_prices_that_were_quoted() -> None:
    """At the touch, or through levels the best price has just left."""
    before: dict[str, Update] = {}
    for update in played(market(5), 120):
        last = before.get(update.root)
        for price, size, aggressor in update.prints:
            assert last is not None
            assert size >= 1
            reach = price - last.ask if aggressor > 0 else last.bid - price
            assert 0 <= reach < LEVELS
        before[update.root] = update


def test_within_a_minute_and_a_half_each_product_meets_its_weather() -> None:
    """What the four strategies need: excursions and returns, a breakout, a jump, crossings."""
    for seed in range(5):
        feed = market(seed)
        seen: dict[str, list[tuple[str, int]]] = {root: [] for root in HOMES}
        prints = dict.fromkeys(HOMES, 0)
        for second in range(90):
            for update in played(feed, second + 1):
                prints[update.root] += len(update.prints)
                seen[update.root].append((feed.regime(), update.bid))
        assert {regime for regime, _ in seen["MES"]} == set(REGIMES)
        chop = [bid for regime, bid in seen["MES"] if regime == "chop"]
        assert max(chop) - min(chop) >= 20
        trend = [bid for regime, bid in seen["MNQ"] if regime == "trend"]
        assert abs(trend[-1] - trend[0]) >= 40
        spike = [bid for regime, bid in seen["MYM"] if regime == "spike"]
        assert max(spike) - min(spike) >= 50
        assert prints["M2K"] >= 300


@pytest.mark.parametrize("regime", REGIMES)
def test_a_fixed_regime_stays(regime: str) -> None:
    feed = market(regime=regime)
    for second in range(1, 60):
        played(feed, second)
        assert feed.regime() == regime


def test_products_move_together() -> None:
    """Half-second changes of MES and MNQ agree in sign far more often than not."""
    feed = market(11, "calm")
    mids: dict[str, list[int]] = {root: [] for root in HOMES}
    for half in range(1, 600):
        played(feed, half / 2)
        for root, line in feed.state.lines.items():
            mids[root].append(line.fair)
    pairs = zip(mids["MES"], mids["MES"][1:], mids["MNQ"], mids["MNQ"][1:], strict=False)
    agree = [(b - a) * (d - c) > 0 for a, b, c, d in pairs]
    assert sum(agree) > 0.65 * len(agree)


def test_unknown_regime_is_named() -> None:
    with pytest.raises(ValueError, match=r"simulator\.regime was 'sunny'"):
        market(regime="sunny")


def test_closed_hours_are_silent_and_cost_nothing() -> None:
    """From just before Friday's close to just after Sunday's open."""
    friday = time_ns("2026-11-20T15:59:59-06:00", "friday")
    sunday = time_ns("2026-11-22T17:00:01-06:00", "sunday")
    feed = market(start=friday)
    out: list[Update] = []
    feed.advance(sunday, out)
    instants = [update.at_ns for update in out]
    assert instants
    assert all(HOURS.open(at) for at in instants)
    assert min(instants) < friday + SECOND
    assert max(instants) > sunday - SECOND
    assert len(out) < 4 * 50


def test_start_in_closed_hours_waits_for_the_open() -> None:
    saturday = time_ns("2026-11-21T12:00:00-06:00", "saturday")
    feed = market(start=saturday)
    out: list[Update] = []
    feed.advance(saturday + HOUR, out)
    assert out == []
    assert feed.horizon() == time_ns("2026-11-22T17:00:00-06:00", "open")


def test_wanders_but_comes_home() -> None:
    """Half an hour at a glance: price stays within what `wander` and a jump allow."""
    feed = market(2, "trend")
    for minute in range(1, 31):
        out = played(feed, minute * 60)
        for update in out[:: STEP_NS // 1_000_000]:
            character = CHARACTERS[update.root]
            assert abs(update.bid - character.home) < character.wander * 2


# -- history ---------------------------------------------------------------------------------------


def test_past_bars_join_are_sane_and_end_where_the_market_starts() -> None:
    for root in HOMES:
        past = Past(START, HOURS, seed=7, root=root)
        bars = [bar for bar, _ in zip(past.minutes(), range(500), strict=False)]
        assert bars[0][0] == START - MINUTE
        assert bars[0][4] == past.last() == synthetic_close(7, root, START // MINUTE - 1)
        for newer, older in pairwise(bars):
            assert newer[0] - older[0] == MINUTE or not HOURS.open(newer[0] - MINUTE)
            if newer[0] - older[0] == MINUTE:
                assert newer[1] == older[4]
            opened_ns, opened, high, low, close, volume = newer
            assert low <= min(opened, close) <= max(opened, close) <= high
            assert volume >= 1
            assert HOURS.open(opened_ns)


def test_bars_of_a_block_are_those_of_minutes_reckoned_alone() -> None:
    first = START // MINUTE // BLOCK * BLOCK
    for minute in range(first - 2, first + 3):
        opened = synthetic_close(7, "MES", minute - 1)
        closed = synthetic_close(7, "MES", minute)
        draw, wick = mix(seed_of(7, "MES wick", minute)), character("MES").noise // 90
        high = max(opened, closed) + 1 + draw % (wick + 1)
        low = min(opened, closed) - 1 - (draw >> 16) % (wick + 1)
        volume = 40 + (draw >> 32) % 400 + 12 * (high - low)
        bar = (minute * MINUTE, opened, high, low, closed, volume)
        assert synthetic_minute(7, "MES", minute) == bar


def test_past_can_be_asked_in_any_order() -> None:
    minute = START // MINUTE - 77
    assert synthetic_minute(7, "MES", minute) == synthetic_minute(7, "MES", minute)
    assert synthetic_minute(7, "MES", minute) != synthetic_minute(8, "MES", minute)


@given(st.integers(-200, 200_000), st.sampled_from(["MES", "ES", "CL"]))
def test_the_past_is_layers_between_knots(since: int, root: str) -> None:
    """As reckoned for one minute alone, without its neighbours."""
    minute, total = START // MINUTE - since, 0
    for number, (period, height) in enumerate(LAYERS):
        knot, along = divmod(minute, period)
        before, after = (
            mix(seed_of(7, FAMILIES.get(root, root), number) ^ place) % 2_049 - 1_024
            for place in (knot, knot + 1)
        )
        total += height * (before * (period - along) + after * along) // period
    nature = character(root)
    price = nature.home + total * nature.noise // (230 * 1_024)
    assert synthetic_close(7, root, minute) == price


def test_past_seconds_rebuild_their_minutes() -> None:
    past = Past(START, HOURS, seed=7, root="MNQ")
    minutes = [bar for bar, _ in zip(past.minutes(), range(5), strict=False)]
    joined = grouped(past.seconds(), lambda at: at - at % MINUTE)
    for minute, (_, rebuilt) in zip(minutes, joined, strict=False):
        assert rebuilt == minute


def test_series_are_bounded_and_right() -> None:
    series = Series()
    for second in range(3 * SECONDS_KEPT):
        series.add(START + second * SECOND, (100 + second % 7, 2, 1))
    assert len(series.seconds) <= SECONDS_KEPT * 9 // 8 + 1
    assert len(series.minutes) == 3 * SECONDS_KEPT // 60 - 1
    newest = next(series.backwards(MINUTE))
    assert newest[5] == 120
    assert newest[2] == 106
    assert newest[3] == 100


def test_series_refuse_prints_from_the_past() -> None:
    series = Series()
    series.add(START + MINUTE, (100, 1, 1))
    with pytest.raises(AssertionError):
        series.add(START, (100, 1, 1))
