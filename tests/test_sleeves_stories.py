"""What each sleeve does, as a trader would tell it. Prices are ticks; one line per word or fill."""

from __future__ import annotations

import pytest

from shared.events import Depth, Phase
from shared.settings import SettingsError
from shared.units import SECOND
from tests.sleeves_stage import Stage, follower, hedger, maker, reverter, settings_for

# -- market maker ----------------------------------------------------------------------------------


def test_maker_quotes_both_sides_is_hit_holds_and_works_out():
    stage = maker()
    assert stage.story() == [
        "#1 BUY 1 LIMIT at 24498 QUOTE",
        "#2 SELL 1 LIMIT at 24505 QUOTE",
    ]
    stage.now_ns += SECOND
    stage.tick(24_497)
    assert stage.story() == [
        "venue fills BUY 1 @ 24498",
        "CANCEL #2 (hold before working out)",
    ]
    stage.seconds(24_497, 24_497, 24_497, 24_497)
    assert stage.story() == [], "it holds at least five seconds"
    stage.seconds(24_497, 24_500)
    assert stage.story() == [
        "#4 SELL 1 LIMIT at 24500 EXIT",
        "venue fills SELL 1 @ 24500",
    ]


def test_maker_is_hit_on_the_other_side_and_holds_as_long():
    stage = maker()
    stage.story()
    stage.now_ns += SECOND
    stage.tick(24_505)
    assert stage.story() == [
        "venue fills SELL 1 @ 24505",
        "CANCEL #1 (hold before working out)",
    ]
    stage.seconds(24_505, 24_505, 24_505, 24_505)
    assert stage.story() == []
    stage.seconds(24_505)
    assert stage.story() == ["#4 BUY 1 LIMIT at 24503 EXIT"]


def test_maker_leaves_at_market_what_it_held_too_long():
    stage = maker()
    stage.story()
    stage.now_ns += SECOND
    stage.tick(24_497)
    stage.seconds(*[24_490] * 31)
    story = [line.split(" ", 1)[1] for line in stage.story()]
    left = story.index("SELL 1 MARKET EXIT (held long enough)")
    assert story[left + 1] == "fills SELL 1 @ 24490"
    assert stage.trades == 2


def test_maker_leans_to_the_thin_side_and_takes_sizes_from_the_book_when_quotes_have_none():
    plain = maker(half_spread_ticks=0.5)
    assert plain.story()[0] == "#1 BUY 1 LIMIT at 24501 QUOTE"
    leaning = Stage("market_maker", settings_for("market_maker", half_spread_ticks=0.5)).open()
    for price in [24_500, 24_501] * 10:
        leaning.now_ns += SECOND
        depth = Depth(
            contract=leaning.contract,
            bids=((price, 1),),
            asks=((price + 1, 99),),
            venue_ns=leaning.now_ns,
            recv_ns=leaning.now_ns,
        )
        leaning.tell(depth)
        leaning.tick(price, sizes=(0, 0))
        leaning.bar(price)
    assert leaning.story()[0] == "#1 BUY 1 LIMIT at 24500 QUOTE"


def test_maker_stands_aside_in_a_spike_and_returns():
    stage = maker()
    stage.story()
    stage.seconds(24_503, 24_499, 24_503, 24_499)
    assert stage.story()[-2:] == [
        "CANCEL #1 (the market is wild)",
        "CANCEL #2 (the market is wild)",
    ]
    stage.seconds(*[24_500, 24_501] * 2)
    assert stage.story() == []
    stage.seconds(*[24_500, 24_501] * 4)
    assert any("QUOTE" in line for line in stage.story())


def test_maker_pulls_when_the_spread_is_abnormal():
    stage = maker()
    stage.story()
    stage.now_ns += SECOND
    stage.tick(24_500, 24_520)
    assert stage.story() == [
        "CANCEL #1 (spread is 20 ticks)",
        "CANCEL #2 (spread is 20 ticks)",
    ]


def test_maker_does_not_follow_every_tick():
    stage = maker()
    stage.story()
    stage.seconds(24_501, 24_500, 24_501)
    assert stage.story() == [], "a tick is nearer than the threshold"
    stage.seconds(24_503, 24_503)
    assert stage.story() == [
        "MOVE #1 to 24500 ()",
        "MOVE #2 to 24507 ()",
    ]
    stage.now_ns += SECOND
    stage.tick(24_506)
    assert [line for line in stage.story() if line.startswith("MOVE")] == [], "too young to move"


def test_maker_stops_quoting_when_the_day_is_used_up_and_starts_anew_the_next():
    stage = maker(contracts_per_day=2)
    stage.now_ns += SECOND
    stage.tick(24_497)
    stage.seconds(*[24_497] * 6, 24_500)
    assert stage.position.lots == 0
    stage.story()
    stage.seconds(*[24_500] * 5)
    assert stage.story() == []
    stage.tell(stage.session(day="2026-11-19"))
    stage.seconds(24_500)
    assert len(stage.story()) == 2


@pytest.mark.parametrize("phase", [Phase.NO_ENTRIES, Phase.FLATTEN, Phase.FLAT, Phase.CLOSED])
def test_maker_pulls_at_the_end_of_the_session(phase):
    stage = maker()
    stage.story()
    stage.tell(stage.session(phase))
    assert [line.split()[0] for line in stage.story()] == ["CANCEL", "CANCEL"]
    stage.seconds(24_500, 24_501)
    assert stage.story() == []


# -- mean reversion --------------------------------------------------------------------------------


def test_reversion_fades_a_stalled_stretch_and_leaves_at_the_mean():
    stage = reverter()
    stage.seconds(27_606, 27_612, 27_615)
    assert stage.story() == [], "while it runs it is a trend"
    stage.second(27_615)
    assert stage.story() == [
        "#1 SELL 1 MARKET sl 16 tp 24 (z +2.46, 12.7 ticks from the mean, stalled)",
        "venue fills SELL 1 @ 27615",
    ]
    stage.seconds(27_610, 27_606)
    assert stage.story() == []
    stage.second(27_602)
    assert stage.story() == [
        "#2 BUY 1 MARKET EXIT (back at the mean)",
        "venue fills BUY 1 @ 27603",
    ]


def test_reversion_fades_below_as_above():
    stage = reverter()
    stage.seconds(27_594, 27_588, 27_585, 27_585)
    assert stage.story()[0].startswith("#1 BUY 1 MARKET sl 16 tp 24 (z -2.46, 12.5")


def test_reversion_is_stopped_when_the_trend_goes_on():
    stage = reverter()
    stage.seconds(27_606, 27_612, 27_615, 27_615)
    stage.story()
    stage.seconds(27_624, 27_632)
    assert stage.story() == ["venue fills BUY 1 @ 27633"]
    assert stage.position.lots == 0


def test_reversion_gives_up_after_a_while():
    stage = reverter()
    stage.seconds(27_606, 27_612, 27_615, 27_615)
    stage.story()
    stage.seconds(*[27_626] * 3, *[27_625] * 10, *[27_627] * 10)
    stage.seconds(*[27_628] * 10, *[27_629] * 10)
    assert stage.story() == []
    stage.seconds(*[27_629] * 2)
    assert stage.story()[0] == "#2 BUY 1 MARKET EXIT (time stop)"


def test_reversion_ignores_a_stretch_that_would_not_pay_and_rests_after_a_trade():
    stage = reverter()
    stage.seconds(27_603, 27_604, 27_604)
    assert stage.story() == [], "four ticks do not pay for the way back"
    stage.seconds(27_612, 27_615, 27_615, 27_615, 27_602)
    assert len(stage.story()) == 4
    stage.seconds(27_585, 27_585, 27_585)
    assert stage.story() == [], "it rests after a trade"


# -- trend -----------------------------------------------------------------------------------------


def test_trend_buys_the_break_trails_and_is_stopped_out_with_a_profit():
    stage = follower()
    stage.second(101_610)
    assert stage.story() == [], "a break without speed"
    stage.second(101_625)
    assert stage.story() == [
        "#1 BUY 1 MARKET sl 40 (broke 101610, +27)",
        "venue fills BUY 1 @ 101626",
    ]
    stage.seconds(101_640, 101_660, 101_655, 101_680, 101_690)
    assert stage.story() == [
        "MOVE #1-SL to 101616 (trail)",
        "MOVE #1-SL to 101636 (trail)",
        "MOVE #1-SL to 101656 (trail)",
        "MOVE #1-SL to 101666 (trail)",
    ]
    stage.seconds(101_670, 101_660)
    assert stage.story() == ["venue fills SELL 1 @ 101660"]
    stage.seconds(101_690, 101_720)
    assert stage.story() == [], "it rests after a trade"


def test_trend_sells_a_break_down():
    stage = follower()
    stage.seconds(101_590, 101_575)
    assert stage.story()[0] == "#1 SELL 1 MARKET sl 40 (broke 101590, -23)"
    stage.seconds(101_550)
    assert stage.story() == ["MOVE #1-SL to 101574 (trail)"]


def test_trend_adopts_a_position_and_its_stop_and_goes_on_trailing():
    stage = follower()
    stage.seconds(101_610, 101_625)
    stage.story()
    stage.grant()
    stage.seconds(101_640)
    assert stage.story() == ["MOVE #1-SL to 101616 (trail)"]


def test_trend_refuses_parameters_that_contradict():
    with pytest.raises(SettingsError, match="trail_ticks_min was above"):
        follower(trail_ticks_min=50, trail_ticks_max=40)


# -- tail hedge ------------------------------------------------------------------------------------


def test_hedge_waits_on_both_sides_and_follows_the_market_slowly():
    stage = hedger()
    assert stage.story() == [
        "#1 BUY 1 STOP at 48224 sl 40 (waiting for a jump)",
        "#2 SELL 1 STOP at 48175 sl 40 (waiting for a jump)",
    ]
    stage.seconds(48_200, 48_203, 48_206, 48_207, 48_208, 48_209)
    assert stage.story() == [], "too soon to move them"
    stage.seconds(48_210, 48_211, 48_212)
    assert [line.split(" to ")[0] for line in stage.story()] == ["MOVE #1", "MOVE #2"]


def test_hedge_opens_on_a_jump_cancels_the_other_side_and_lets_profit_run_convexly():
    stage = hedger()
    stage.story()
    stage.second(48_232)
    assert stage.story() == [
        "venue fills BUY 1 @ 48233",
        "CANCEL #2 (the other side opened)",
    ]
    stage.seconds(48_240, 48_250, 48_260, 48_275, 48_290)
    stops = [int(line.split()[3]) for line in stage.story()]
    best = [48_240, 48_250, 48_260, 48_275, 48_290]
    given_back = [price - stop for price, stop in zip(best, stops, strict=True)]
    assert given_back == sorted(given_back, reverse=True), "the more it earned the closer the stop"
    assert given_back[0] > 2 * given_back[-1]
    stage.second(48_270)
    assert stage.story() == ["venue fills SELL 1 @ 48270"]
    assert stage.position.lots == 0


def test_hedge_reports_what_false_alarms_cost_and_what_alarms_earned():
    stage = hedger(cooldown_s=0.0)
    stage.second(48_232)
    stage.seconds(48_205, 48_180)
    assert stage.position.lots == 0
    stage.pulse(1_000)
    assert stage.status is not None
    paid = (48_233 - 48_180) * 0.5 + 2 * 0.61
    assert stage.status.numbers["carry_dollars"] == pytest.approx(paid)
    assert stage.status.numbers["false_alarms"] == 1
    assert stage.status.numbers["earned_dollars"] == 0


def test_hedge_does_not_arm_in_the_middle_of_a_storm():
    stage = hedger()
    for order in list(stage.orders):
        stage.cancel(order)
    stage.story()
    stage.seconds(48_215, 48_195, 48_218)
    assert stage.story() == []
    stage.seconds(*[48_218, 48_219] * 8)
    assert len(stage.story()) >= 2, "calm again: it re-arms"


def test_hedge_rests_after_an_alarm():
    stage = hedger(cooldown_s=30.0)
    stage.second(48_232)
    stage.seconds(48_205, 48_180)
    stage.story()
    stage.seconds(*[48_180, 48_181] * 14)
    assert stage.story() == []
    stage.seconds(*[48_180, 48_181] * 4)
    assert len(stage.story()) == 2
