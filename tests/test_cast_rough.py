"""Three bad sleeves in one World: each is contained and seen, and the fourth trades as if alone."""

from __future__ import annotations

from collections import Counter

from services.stage_busy import BUSY
from services.stage_checks import Checks, settings_of
from services.stage_play import play
from shared.events import (
    CancelIntent,
    Event,
    ModifyIntent,
    OrderApproved,
    OrderIntent,
    OrderVetoed,
    SleeveStatus,
)
from shared.lab.accidents import Accidents

HERE = "tests.sleeves_rough"
ROUGH = {
    **BUSY,
    "TSQ__SLEEVES__TREND__IMPLEMENTATION": f"{HERE}:Flooding",
    "TSQ__SLEEVES__MEAN_REVERSION__IMPLEMENTATION": f"{HERE}:Illegal",
    "TSQ__SLEEVES__TAIL_HEDGE__IMPLEMENTATION": f"{HERE}:Raising",
}
SECONDS = 20
SAID_A_SECOND_MAX = 60  # wishes; the sleeve meant thousands


class Counted(Checks):
    def __init__(self) -> None:
        super().__init__()
        self.wishes: Counter[str] = Counter()
        self.approvals: Counter[str] = Counter()
        self.vetoes: Counter[tuple[str, str]] = Counter()
        self.reasons: dict[str, str] = {}

    def said(self, lane: str, seq: int, now_ns: int, event: Event) -> None:
        super().said(lane, seq, now_ns, event)
        if isinstance(event, OrderIntent | ModifyIntent | CancelIntent):
            self.wishes[event.sleeve] += 1
        elif isinstance(event, OrderApproved):
            self.approvals[event.sleeve] += 1
        elif isinstance(event, OrderVetoed):
            self.vetoes[event.sleeve, event.rule.value] += 1
        elif isinstance(event, SleeveStatus) and event.state == "PAUSED":
            self.reasons[event.sleeve] = event.reason


def test_bad_sleeves_are_contained_and_the_good_one_trades() -> None:
    checks = Counted()
    play(1, Accidents(), SECONDS, settings=settings_of(**ROUGH), checks=checks)
    assert checks.reasons["tail_hedge"] == "on_quote raised ZeroDivisionError: on purpose"
    assert not checks.wishes["tail_hedge"], "what it said in that event was taken back"
    assert 0 < checks.wishes["trend"] <= SECONDS * SAID_A_SECOND_MAX
    assert not checks.approvals["mean_reversion"], checks.vetoes
    assert checks.approvals["market_maker"] > 10
    assert any(fill.sleeve == "market_maker" for fill in checks.fills.values())


def test_bad_sleeves_cost_the_good_one_nothing_they_are_not_given() -> None:
    """Beside those that get nothing approved, it asks and is given exactly what it is alone."""
    quiet = dict(ROUGH, TSQ__SLEEVES__TREND__ENABLED="false")
    alone = dict(
        quiet,
        TSQ__SLEEVES__MEAN_REVERSION__ENABLED="false",
        TSQ__SLEEVES__TAIL_HEDGE__ENABLED="false",
    )
    told = []
    for environment in (quiet, alone):
        checks = Counted()
        play(1, Accidents(), 10, settings=settings_of(**environment), checks=checks)
        told.append((checks.wishes["market_maker"], checks.approvals["market_maker"]))
        assert told[-1][1] > 5
    assert told[0] == told[1]
