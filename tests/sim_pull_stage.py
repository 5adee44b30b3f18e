"""A notebook that plays a day back bar by bar, without HTTP."""

from __future__ import annotations

from typing import Any

from services.simulator.pull_replay import FIRST_ACCOUNT
from services.simulator.pull_words import ReplayStart, ReplayStep
from services.simulator.words import Answer, PullCall
from shared.venue import words as venue
from tests.sim_stage import Bench

NINE = "2026-11-10T15:00:00Z"


class Notebook:
    """A person at a notebook, in front of a core."""

    def __init__(self, bench: Bench | None = None, user: str = "ann", **changes: Any) -> None:
        self.bench = bench or Bench(regime="calm", **changes)
        self.user = user
        self.told: list[Any] = []

    def ask(self, request: Any) -> Any:
        self.bench.calls += 1
        call = PullCall(call_id=self.bench.calls, request=request, user=self.user)
        self.told = list(self.bench.core.on(self.bench.now, call))
        (answer,) = [word for word in self.told if isinstance(word, Answer)]
        return answer.response

    def start(self, **wish: Any) -> Any:
        base = {"instrument_symbol": "MNQ", "start_date": NINE}
        return self.ask(ReplayStart(**{**base, **wish}))

    def step(self, count: int = 1) -> Any:
        return self.ask(ReplayStep(count=count))


def at_nine() -> Notebook:
    made = Notebook()
    assert made.start().success
    return made


def trades(notebook: Notebook) -> list[Any]:
    return list(notebook.ask(venue.TradeSearch(account_id=FIRST_ACCOUNT)).trades)
