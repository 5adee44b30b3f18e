"""Each streaming indicator against its batch formula, written out plainly with exact fractions."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import isclose, sqrt

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.indicators import (
    WINDOW_MAX,
    Atr,
    Donchian,
    Ema,
    Momentum,
    RealisedVolatility,
    VolatilityRatio,
    Vwap,
    microprice,
)

prices = st.integers(1, 200_000)
closes = st.lists(prices, min_size=1, max_size=60)
lengths = st.integers(1, 12)
bars = st.lists(
    st.tuples(prices, prices, prices).map(lambda three: (max(three), min(three), sorted(three)[1])),
    min_size=1,
    max_size=60,
)  # (high, low, close)


def near(value: float, exact: Fraction | float) -> bool:
    return isclose(value, float(exact), rel_tol=1e-9, abs_tol=1e-6)


@given(closes, lengths)
def test_ema_is_the_weighted_sum_of_all_it_saw(values, length):
    ema = Ema(length)
    for value in values:
        ema.update(value)
    assert ema.ready == (len(values) >= length)
    weight = Fraction(2, length + 1)
    exact = Fraction(values[0])
    for value in values[1:]:
        exact = weight * value + (1 - weight) * exact
    assert not ema.ready or near(ema.value, exact)


@given(bars, lengths)
def test_atr_is_wilders(rows, length):
    atr = Atr(length)
    for high, low, close in rows:
        atr.update(high, low, close)
    before = [rows[0][2], *(close for _, _, close in rows)]
    ranges = [
        max(high - low, abs(high - last), abs(low - last))
        for (high, low, _), last in zip(rows, before, strict=False)
    ]
    assert atr.ready == (len(rows) >= length)
    if atr.ready:
        exact = Fraction(sum(ranges[:length]), length)
        for true_range in ranges[length:]:
            exact = (exact * (length - 1) + true_range) / length
        assert near(atr.value, exact)


@given(st.lists(st.tuples(prices, st.integers(0, 5_000)), min_size=1, max_size=60), lengths)
def test_vwap_and_its_deviation_are_those_of_the_window_alone(rows, length):
    vwap = Vwap(length)
    for price, volume in rows:
        vwap.update(price, volume)
    assert vwap.ready == (len(rows) >= length)
    if not vwap.ready:
        return
    window = [(price, max(1, volume)) for price, volume in rows[-length:]]
    weight = sum(volume for _, volume in window)
    mean = Fraction(sum(price * volume for price, volume in window), weight)
    variance = sum(volume * (price - mean) ** 2 for price, volume in window) / weight
    assert near(vwap.value, mean)
    assert near(vwap.deviation, sqrt(variance))
    price = rows[-1][0]
    score = (price - float(mean)) / sqrt(variance) if variance else 0.0
    assert isclose(vwap.score(price), score, rel_tol=1e-6, abs_tol=1e-6)


def test_long_use_leaves_no_dust_in_the_sums():
    vwap = Vwap(3)
    for n in range(100_000):
        vwap.update(20_000 + n % 7, 1 + n % 5)
    fresh = Vwap(3)
    for row in vwap.rows:
        fresh.update(*row)
    assert fresh == vwap


@given(bars, lengths)
def test_donchian_is_the_range_of_the_window(rows, length):
    channel = Donchian(length)
    for high, low, _ in rows:
        channel.update(high, low)
    assert channel.ready == (len(rows) >= length)
    if channel.ready:
        window = rows[-length:]
        assert channel.value == (min(row[1] for row in window), max(row[0] for row in window))


@given(closes, lengths)
def test_realised_volatility_is_the_root_mean_square_of_moves(values, length):
    volatility = RealisedVolatility(length)
    for value in values:
        volatility.update(value)
    moves = [after - before for before, after in pairwise(values)]
    assert volatility.ready == (len(moves) >= length)
    if volatility.ready:
        exact = Fraction(sum(move * move for move in moves[-length:]), length)
        assert near(volatility.value, sqrt(exact))


@given(closes, lengths, lengths)
def test_a_jump_is_measured_against_the_market_before_it(values, length, usual_length):
    ratio, pace = VolatilityRatio.of(length, usual_length), RealisedVolatility(length)
    paces = []
    for value in values:
        ratio.update(value)
        pace.update(value)
        paces += [pace.value] if pace.ready else []
    assert ratio.ready == (len(paces) > usual_length)
    if ratio.ready:
        usual = Ema(usual_length)
        for one in paces[:-1]:
            usual.update(one)
        assert near(ratio.value, paces[-1] / max(1.0, usual.value))


@given(closes, lengths)
def test_momentum_is_a_difference(values, length):
    momentum = Momentum(length)
    for value in values:
        momentum.update(value)
    assert momentum.ready == (len(values) > length)
    if momentum.ready:
        assert momentum.value == values[-1] - values[-1 - length]


@given(prices, st.integers(1, 50), st.integers(1, 900), st.integers(1, 900))
def test_microprice_lies_inside_the_spread_and_leans_to_the_thin_side(bid, width, left, right):
    ask = bid + width
    fair = microprice(bid, ask, left, right)
    assert bid <= fair <= ask
    assert (fair > (bid + ask) / 2) == (left > right)
    assert near(fair, Fraction(bid * right + ask * left, left + right))


def test_microprice_without_sizes_is_the_mid():
    assert microprice(100, 102, 0, 9) == microprice(100, 102, 9, 0) == 101.0


FRESH = [Ema(2), Atr(2), Vwap(2), Donchian(2), RealisedVolatility(2), Momentum(2)]
PAIR = VolatilityRatio.of(2, 3)


@pytest.mark.parametrize("indicator", [*FRESH, PAIR], ids=lambda i: type(i).__name__)
def test_no_value_before_ready(indicator):
    assert not indicator.ready
    with pytest.raises(AssertionError, match="Invariant"):
        _ = indicator.value


@pytest.mark.parametrize("kind", [type(i) for i in FRESH])
@pytest.mark.parametrize("length", [0, -1, WINDOW_MAX + 1])
def test_an_absurd_length_is_refused_at_birth_and_on_decode(kind, length):
    with pytest.raises(ValueError, match="indicator length was"):
        kind(length)
    with pytest.raises(msgspec.ValidationError, match="indicator length was"):
        msgspec.convert({"length": length}, kind)


@given(closes, closes, lengths)
def test_a_snapshot_goes_on_where_it_was(before, after, length):
    ratio = VolatilityRatio.of(length, length)
    for indicator in (Ema(length), RealisedVolatility(length), Momentum(length), ratio):
        for value in before:
            indicator.update(value)
        twin = msgspec.msgpack.decode(msgspec.msgpack.encode(indicator), type=type(indicator))
        for value in after:
            indicator.update(value)
            twin.update(value)
        assert twin == indicator
