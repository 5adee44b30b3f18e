"""The indicators a chart, a tape and a pair need, each against its batch formula in NumPy.

Nothing here is shared with the code under test: the references look at the whole history at once.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.indicators import (
    Bollinger,
    Engulfing,
    OrderFlowImbalance,
    RollingBeta,
    RollingSpread,
    Rsi,
    SessionVwap,
    Sma,
    Swings,
    VolumeProfile,
    ZScore,
)

prices = st.integers(1, 60_000)
near_prices = st.integers(20_000, 20_012)
lengths = st.integers(1, 12)
closes = st.lists(prices, min_size=1, max_size=60)
pairs = st.lists(st.tuples(near_prices, near_prices), min_size=2, max_size=40)


def fed(indicator, rows):
    for row in rows:
        indicator.update(*row) if isinstance(row, tuple) else indicator.update(row)
    return indicator


@given(closes, lengths)
def test_sma_bollinger_and_z_score_are_those_of_the_window(values, length):
    window = np.array(values[-length:], dtype=np.float64)
    mean, bands, score = Sma(length), Bollinger(length, width=2.5), ZScore(length)
    for indicator in (mean, bands, score):
        fed(indicator, values)
        assert indicator.ready == (len(values) >= length)
    if len(values) < length:
        return
    centre, deviation = window.mean(), window.std()
    assert mean.value == pytest.approx(centre)
    expected = (centre - 2.5 * deviation, centre, centre + 2.5 * deviation)
    assert bands.value == pytest.approx(expected, rel=1e-9, abs=1e-6)
    standing = np.ptp(window) == 0
    expected = 0.0 if standing else (window[-1] - centre) / deviation
    assert score.value == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(closes, lengths)
def test_rsi_is_wilders(values, length):
    rsi = fed(Rsi(length), values)
    moves = np.diff(np.array(values, dtype=np.float64))
    assert rsi.ready == (len(moves) >= length)
    if not rsi.ready:
        return
    gains, losses = np.clip(moves, 0, None), np.clip(-moves, 0, None)
    gain, loss = gains[:length].mean(), losses[:length].mean()
    for up, down in zip(gains[length:], losses[length:], strict=True):
        gain, loss = (gain * (length - 1) + up) / length, (loss * (length - 1) + down) / length
    if gain + loss == 0:
        assert rsi.value == 50.0
    else:
        strength = np.inf if loss == 0 else gain / loss
        assert rsi.value == pytest.approx(100 - 100 / (1 + strength), rel=1e-6, abs=1e-9)


def test_rsi_of_a_worked_example():
    """Closes of a published fourteen-bar example, in hundredths: 70.46 after the first window."""
    values = [4434, 4409, 4415, 4361, 4433, 4483, 4510, 4542, 4584, 4608, 4589, 4603, 4561, 4628]
    rsi = fed(Rsi(14), [*values, 4628])
    assert rsi.value == pytest.approx(70.46, abs=0.01)


@given(
    st.lists(st.tuples(near_prices, st.integers(0, 50), st.integers(1, 3)), min_size=1, max_size=40)
)
def test_the_sessions_vwap_forgets_yesterday(rows):
    rows = sorted(rows, key=lambda row: row[2])
    vwap = fed(SessionVwap(3), rows)
    today = [(price, max(1, volume)) for price, volume, day in rows if day == rows[-1][2]]
    assert vwap.ready == (len(today) >= 3)
    if vwap.ready:
        price, volume = (np.array(column, dtype=np.float64) for column in zip(*today, strict=True))
        mean = np.average(price, weights=volume)
        assert vwap.value == pytest.approx(mean)
        deviation = np.sqrt(np.average((price - mean) ** 2, weights=volume))
        assert vwap.deviation == pytest.approx(deviation, abs=1e-4)


@given(
    st.lists(
        st.tuples(near_prices, st.integers(0, 9), near_prices, st.integers(0, 9)),
        min_size=1,
        max_size=40,
    ),
    lengths,
)
def test_order_flow_imbalance_is_cont_kukanov_stoikovs(tops, length):
    flow = fed(OrderFlowImbalance(length), tops)
    rows = np.array(tops, dtype=np.int64)
    bid, bid_size, ask, ask_size = rows.T
    push = (
        (bid[1:] >= bid[:-1]) * bid_size[1:]
        - (bid[1:] <= bid[:-1]) * bid_size[:-1]
        - (ask[1:] <= ask[:-1]) * ask_size[1:]
        + (ask[1:] >= ask[:-1]) * ask_size[:-1]
    )
    assert flow.ready == (len(push) >= length)
    if flow.ready:
        assert flow.value == push[-length:].sum()


@given(
    st.lists(st.tuples(near_prices, st.integers(0, 9)), min_size=1, max_size=60),
    lengths,
    st.integers(1, 3),
    st.integers(1, 100),
)
def test_the_value_area_is_the_narrowest_growth_around_the_peak(rows, length, bucket, share):
    profile = fed(VolumeProfile(length, bucket_ticks=bucket, share_percent=share), rows)
    assert profile.ready == (len(rows) >= length)
    if not profile.ready:
        return
    low, peak, high = profile.value
    price, volume = np.array(rows[-length:], dtype=np.int64).T
    floors = price // bucket * bucket
    held = {int(p): int(volume[floors == p].sum()) for p in np.unique(floors)}
    held = {p: v for p, v in held.items() if v}
    if not held:
        assert low == peak == high == floors[-1]
        return
    assert held[peak] == max(held.values())
    assert peak == min(p for p, v in held.items() if v == held[peak])
    inside = [v for p, v in held.items() if low <= p <= high]
    total = sum(held.values())
    assert low <= peak <= high
    assert sum(inside) * 100 >= share * total
    if len(inside) > 1:  # without the last side taken it would not have been enough
        ends = [held[edge] for edge in (low, high) if edge != peak]
        assert any((sum(inside) - end) * 100 < share * total for end in ends)


@given(pairs, st.integers(2, 12))
def test_beta_and_correlation_are_those_of_the_moves(rows, length):
    beta = fed(RollingBeta(length), rows)
    x, y = np.diff(np.array(rows, dtype=np.float64), axis=0)[-length:].T
    assert beta.ready == (len(rows) > length)
    if not beta.ready:
        return
    if np.ptp(x) == 0:
        assert beta.value == 0.0
        return
    assert beta.value == pytest.approx(np.polyfit(x, y, 1)[0], rel=1e-6, abs=1e-9)
    expected = 0.0 if np.ptp(y) == 0 else np.corrcoef(x, y)[0, 1]
    assert beta.correlation == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(pairs, st.integers(2, 12))
def test_the_spread_is_the_newest_residual_of_the_regression(rows, length):
    spread = fed(RollingSpread(length), rows)
    assert spread.ready == (len(rows) >= length)
    if not spread.ready:
        return
    x, y = np.array(rows[-length:], dtype=np.float64).T
    if np.ptp(x) == 0:
        residuals = y - y.mean()
    else:
        slope, intercept = np.polyfit(x - x.mean(), y, 1)
        residuals = y - intercept - slope * (x - x.mean())
    assert spread.value == pytest.approx(residuals[-1], rel=1e-6, abs=1e-6)
    if residuals.std() > 1e-9:
        assert spread.score == pytest.approx(residuals[-1] / residuals.std(), rel=1e-5, abs=1e-5)
    else:
        assert spread.score == 0.0


@given(
    st.lists(st.tuples(near_prices, near_prices), min_size=1, max_size=60),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_a_swing_is_what_the_bars_around_it_do_not_exceed(bodies, wing, keep):
    rows = [(max(pair), min(pair)) for pair in bodies]
    swings = fed(Swings(wing, keep=keep), rows)
    high, low = np.array(rows, dtype=np.int64).T
    tops, bottoms = [], []
    for middle in range(wing, len(rows) - wing):
        around = slice(middle - wing, middle + wing + 1)
        if np.argmax(high[around]) == wing:
            tops.append(int(high[middle]))
        if np.argmin(low[around]) == wing:
            bottoms.append(int(low[middle]))
    assert swings.ready == (len(rows) > 2 * wing)
    assert swings.resistance == tops[-keep:]
    assert swings.support == bottoms[-keep:]
    below = [level for level in swings.support if level <= 20_006]
    assert swings.support_below(20_006) == (max(below) if below else None)
    above = [level for level in swings.resistance if level >= 20_006]
    assert swings.resistance_above(20_006) == (min(above) if above else None)


@pytest.mark.parametrize(
    ("before", "bar", "expected"),
    [
        ((110, 100), (99, 111), 1),
        ((110, 100), (100, 111), 1),
        ((110, 100), (99, 110), 1),
        ((110, 100), (100, 110), 0),
        ((110, 100), (101, 111), 0),
        ((100, 110), (99, 111), 0),
        ((100, 110), (111, 99), -1),
        ((100, 110), (110, 99), -1),
        ((100, 110), (110, 100), 0),
        ((100, 100), (99, 111), 0),
        ((100, 110), (105, 105), 0),
    ],
)
def test_a_bar_engulfs_the_opposite_body_before_it(before, bar, expected):
    pattern = Engulfing()
    pattern.update(*before)
    assert not pattern.ready
    pattern.update(*bar)
    assert pattern.ready
    assert pattern.value == expected


EXAMPLES = [
    (Sma(3), st.tuples(prices)),
    (Bollinger(3), st.tuples(prices)),
    (ZScore(3), st.tuples(prices)),
    (Rsi(3), st.tuples(prices)),
    (SessionVwap(3), st.tuples(prices, st.integers(0, 9), st.integers(0, 2))),
    (OrderFlowImbalance(3), st.tuples(prices, st.integers(0, 9), prices, st.integers(0, 9))),
    (VolumeProfile(3), st.tuples(near_prices, st.integers(0, 9))),
    (RollingBeta(3), st.tuples(prices, prices)),
    (RollingSpread(3), st.tuples(prices, prices)),
    (Swings(2), st.tuples(prices, prices)),
    (Engulfing(), st.tuples(prices, prices)),
]


@pytest.mark.parametrize(("fresh", "row"), EXAMPLES, ids=lambda one: type(one).__name__)
@given(data=st.data())
def test_a_snapshot_goes_on_where_it_was(fresh, row, data):
    indicator = msgspec.convert(msgspec.to_builtins(fresh), type(fresh))
    assert not indicator.ready
    with pytest.raises(AssertionError, match="Invariant"):
        _ = indicator.value
    fed(indicator, data.draw(st.lists(row, max_size=20)))
    twin = msgspec.msgpack.decode(msgspec.msgpack.encode(indicator), type=type(indicator))
    later = data.draw(st.lists(row, max_size=20))
    assert fed(twin, later) == fed(indicator, later)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Sma(0),
        lambda: VolumeProfile(5, bucket_ticks=0),
        lambda: VolumeProfile(5, share_percent=101),
        lambda: Swings(3, keep=0),
    ],
)
def test_absurd_parameters_are_refused(make):
    with pytest.raises(ValueError, match=r"was|were|with"):
        make()
