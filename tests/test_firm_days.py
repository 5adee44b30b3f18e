"""The firm never acts first: whole days against it, with hostile sleeves and every mishap.

The promises of a second (nothing opens under a halt, no exit refused or too large, no latch lost in
a restart) are asserted by the day itself; see `services/firm_day.py`.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts import firm_days
from scripts.firm_days import CASES, MISHAPS, gaps_of, main, play, settings_of
from services.firm_day import PRICES, FirmDay, Step, Window
from services.firm_sleeves import KINDS, Wish
from services.risk_governor import intents
from services.risk_governor.core import Governor
from shared.events import OrderApproved, OrderVetoed, RiskLevel, VetoRule
from shared.units import USD

WISHES = st.builds(
    Wish,
    kind=st.sampled_from(KINDS),
    sleeve=st.integers(0, 3),
    contract=st.integers(0, len(PRICES) - 1),
    side=st.sampled_from([-1, 1]),
    number=st.sampled_from([1, 2, 10, 40]),
)
SECONDS = st.tuples(
    st.integers(-1_000, 1_000),  # thousandths of the gap; every product takes them against us
    st.lists(WISHES, max_size=4),
    st.sampled_from(["", "", *MISHAPS]),
    st.integers(0, 4),
    st.integers(1, 3),
)
STORIES = st.lists(SECONDS, min_size=5, max_size=40)


def second(day: FirmDay, window: Window, told: tuple[Any, ...]) -> Step:
    """A drawn second: above 0 the thousandths go against what is held, below 0 they go up."""
    share, wishes, mishap, slip, pace = told
    moves = []
    for contract in PRICES:
        bid, lots = day.venue.prices[contract][0], day.venue.position(contract)
        side = -1 if lots > 0 and share > 0 else 1
        move = side * window.bounds[contract] * abs(share) // 1_000
        moves.append(window.moved(contract, bid + move) - bid)
    return Step(tuple(moves), tuple(wishes), mishap, slip, pace)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@settings(max_examples=25, deadline=None)
@given(story=STORIES, balance=st.integers(0, 100))
def test_the_firm_never_acts_first_within_the_declared_gap(
    case: firm_days.Case, story: list[Any], balance: int
) -> None:
    """Any path within the bound, any wishes, any loss, doubling, order, death and restart."""
    begins = case.lowest + (case.highest - case.lowest) * balance // 100
    others = [other for other in CASES if other.pack == case.pack]
    day = FirmDay(settings_of(case), begins * USD, settings_of(others[-1]), case.paid * USD)
    window = Window(gaps_of(day.settings))
    for told in story:
        day.play(second(day, window, told))
    assert day.acted is None, day.acted
    assert day.nearest > 0


@settings(max_examples=25, deadline=None)
@given(story=STORIES, cuts=st.sets(st.integers(0, 39)))
def test_a_restart_leaves_no_trace(story: list[Any], cuts: set[int]) -> None:
    """A governor restored from its snapshot, anywhere in a day, says what the first would say."""
    days = []
    for cut in (set[int](), cuts):
        day = FirmDay(settings_of(CASES[0]), 50_000 * USD)
        window = Window(gaps_of(day.settings))
        for number, told in enumerate(story):
            if number in cut:
                reborn = Governor(day.settings)
                reborn.restore(day.governor.snapshot())
                day.governor = reborn
            day.play(second(day, window, told))
        days.append(day)
    assert days[0].said == days[1].said
    assert days[0].governor.snapshot() == days[1].governor.snapshot()


def test_sixty_seeded_days_within_the_bound() -> None:
    played = [play(seed) for seed in range(1, 61)]
    assert [day for day in played if day.firm or day.failure] == []
    assert sum(day.ours for day in played) > 20, "hardly a day came near a line of ours"
    for case in CASES:
        assert sum(day.fills for day in played if day.case == case.name) > 40, case.name


def test_far_beyond_the_bound_the_firm_does_act() -> None:
    """The days can fail: else the sixty above would prove nothing."""
    played = [play(seed, factor=5.0) for seed in range(1, 13)]
    assert sum(bool(day.firm) for day in played) >= 4
    assert all(day.beyond >= 0 for day in played)
    assert not [day.failure for day in played if day.failure]


def without(rule: str) -> Any:
    return tuple(check for check in intents.SIZE_CHECKS if check.__name__ != rule)


def test_without_the_rule_of_the_gap_the_firm_would_act(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intents, "SIZE_CHECKS", without("gap_is_survivable"))
    assert any(play(seed).firm for seed in range(1, 25))


def test_equal_seeds_play_equally() -> None:
    assert play(7) == play(7)
    assert play(7) != play(11)


def test_the_day_sees_what_opens_under_a_halt() -> None:
    """The promises can fail too."""
    day = FirmDay(settings_of(CASES[0]), 50_000 * USD)
    day.level = RiskLevel.HALTED
    with pytest.raises(AssertionError, match="approved while HALTED"):
        day.play(Step((), (Wish("enter", 0, 1, number=10),)))


def test_the_day_sees_an_exit_that_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    day = FirmDay(settings_of(CASES[0]), 50_000 * USD)
    day.play(Step((), (Wish("enter", 0, 1, number=10),)))
    day.play(Step(()))
    assert day.venue.positions()

    def refuse(mind: Any, now_ns: int, intent: Any) -> None:
        intents.veto(mind, intent, (VetoRule.HALTED, 0, 0, ""))

    monkeypatch.setattr(intents, "ask_exit", refuse)
    with pytest.raises(AssertionError, match="was vetoed"):
        day.play(Step((), (Wish("exit", 0, 1),)))


def test_hostile_sleeves_do_ask_for_everything() -> None:
    """Every kind of wish is answered in the days, so none of them is a wish nobody hears."""
    asked, rules = set(), set()
    for seed in range(1, 5):
        day = firm_days.played_day(seed)
        asked |= {type(said).__name__ for said in day.said}
        rules |= {said.rule for said in day.said if isinstance(said, OrderVetoed)}
        assert any(isinstance(said, OrderApproved) for said in day.said)
    assert {"ModifyApproved", "CancelApproved", "OrderApproved", "OrderVetoed"} <= asked
    assert {VetoRule.AUTHORITY, VetoRule.STOP_REQUIRED, VetoRule.NOT_AN_EXIT, VetoRule.SIZE,
            VetoRule.GAP, VetoRule.CONTRACT_OWNED} <= rules  # fmt: skip


def test_the_command_tells_a_table_and_ends_by_what_it_found(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["--days", "4", "--within"]) == 0
    told = capsys.readouterr().out
    assert all(case.name in told for case in CASES)
    monkeypatch.setattr(intents, "SIZE_CHECKS", without("gap_is_survivable"))
    monkeypatch.setattr(firm_days, "play", lambda seed, factor: broken(seed))
    assert main(["--days", "1", "--within"]) == 2
    assert "again: python -m scripts.firm_days --days 1 --from 1" in capsys.readouterr().out


def broken(seed: int) -> firm_days.Played:
    return firm_days.Played(seed=seed, case=CASES[0].name, firm="floor")


def test_the_declared_gap_is_a_setting() -> None:
    plain = settings_of(CASES[0])
    risk = plain.risk_governor
    half = msgspec.structs.replace(
        plain,
        risk_governor=msgspec.structs.replace(
            risk, pretrade=msgspec.structs.replace(risk.pretrade, gap_percent=30)
        ),
    )
    assert [2 * ticks for ticks in gaps_of(half).values()] == list(gaps_of(plain).values())
