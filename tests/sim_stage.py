"""A simulator core on a bench: no sockets, market time by hand."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from services.simulator.core import Simulator
from services.simulator.tape import Teller
from services.simulator.words import (
    Answer,
    Call,
    Fault,
    FaultKind,
    Moved,
    Step,
    Truth,
    TruthReport,
    Unanswered,
    UserPush,
)
from shared import settings as settings_module
from shared.core import Word
from shared.settings import Settings
from shared.units import MILLISECOND, SECOND
from shared.venue import words as venue
from shared.venue.times import time_ns
from shared.venue.words import BracketModel, OrderModel

ACCOUNT = 20_411_873
MES = "CON.F.US.MES.Z26"
MNQ = "CON.F.US.MNQ.Z26"
M2K = "CON.F.US.M2K.Z26"
ES = "CON.F.US.EP.Z26"
START = time_ns("2026-11-18T15:35:00Z", "start")
STEP_NS = 20 * MILLISECOND
UNAVAILABLE = "Trading is currently unavailable. The instrument is not in an active trading status."


def settings_with(**changes: Any) -> Settings:
    """The defaults, whatever the environment of the test says, with [simulator] changed."""
    defaults = settings_module.load(env={})
    simulator = msgspec.structs.replace(defaults.simulator, **changes)
    return msgspec.structs.replace(defaults, simulator=simulator)


class Bench:
    """Speaks to a core as its port does. `said` is everything it ever said but market events."""

    def __init__(self, core: Simulator | None = None, **changes: Any) -> None:
        self.core = core or Simulator(settings_with(**changes))
        self.now = self.core.market_ns
        self.calls = 0
        self.said: list[Word] = []
        self.market: deque[Word] = deque(maxlen=20_000)  # as the hub tells it
        self.teller = Teller()

    def tell(self, word: Word) -> list[Word]:
        told = list(self.core.on(self.now, word))
        for one in told:
            if isinstance(one, Answer | Unanswered | UserPush):
                self.said.append(one)
            else:
                assert isinstance(one, Moved)
                self.market += self.teller.pushes(one)
        return told  # type: ignore[return-value]

    def run(self, seconds: float) -> list[Word]:
        end = self.now + int(seconds * SECOND)
        told: list[Word] = []
        while self.now < end:
            self.now += STEP_NS
            told += self.tell(Step())
        return told

    def run_until(self, happened: Callable[[], bool], seconds: float = 300) -> None:
        end = self.now + int(seconds * SECOND)
        while not happened():
            assert self.now < end, f"did not happen within {seconds} s of market time"
            self.run(0.1)

    def ask(self, request: venue.Request) -> Any:
        """The response, waiting for one that comes only when the engine was reached."""
        self.calls += 1
        number = self.calls
        self.tell(Call(call_id=number, request=request))
        for _ in range(100):
            for word in reversed(self.said):
                if isinstance(word, Answer) and word.call_id == number:
                    return word.response
                if isinstance(word, Unanswered) and word.call_id == number:
                    return None
            self.run(0.02)
        raise AssertionError(f"no answer to {request}")

    def place(self, contract: str = MES, **wish: Any) -> Any:
        base: dict[str, Any] = {"type": 2, "side": 0, "size": 1}
        if "sl" in wish:
            wish["stop_loss_bracket"] = BracketModel(ticks=wish.pop("sl"), type=4)
        if "tp" in wish:
            wish["take_profit_bracket"] = BracketModel(ticks=wish.pop("tp"), type=1)
        return self.ask(
            venue.PlaceOrder(**{"account_id": ACCOUNT, "contract_id": contract, **base, **wish})
        )

    def order(self, order_id: int) -> OrderModel:
        found = self.ask(venue.OrderSearchById(account_id=ACCOUNT, order_id=order_id))
        assert found.success, found
        order: OrderModel = found.order
        return order

    def book(self, root: str = "MES") -> Any:
        return self.core._machines.exchange.books[root].state

    def truth(self) -> TruthReport:
        self.calls += 1
        told = self.tell(Truth(call_id=self.calls))
        report = told[-1].response  # type: ignore[attr-defined]
        assert isinstance(report, TruthReport)
        return report

    def fault(self, kind: FaultKind, amount: int = 1) -> None:
        self.calls += 1
        self.tell(Fault(call_id=self.calls, kind=kind, amount=amount))

    def pushes(self) -> list[UserPush]:
        """User events since the last time this was asked."""
        told = [word for word in self.said if isinstance(word, UserPush)]
        self.said = [word for word in self.said if not isinstance(word, UserPush)]
        return told

    def quiet(self) -> None:
        """Forget what was said so far."""
        self.said.clear()
        self.market.clear()


def price_at(ticks: int, tick: float = 0.25) -> float:
    return ticks * tick


def recording(rows: list[tuple[str, int, int, int, int, int]], tick: float = 0.25) -> str:
    """CSV text of bars given in ticks."""
    lines = ["ts,open,high,low,close,volume"]
    for ts, *prices, volume in rows:
        lines.append(",".join([ts, *(str(price * tick) for price in prices), str(volume)]))
    return "\n".join(lines) + "\n"


def begun() -> Bench:
    made = Bench()
    made.run(2)
    return made


def calm() -> Bench:
    """A market that stands still enough for prices to be known ahead."""
    made = Bench(regime="calm")
    made.run(1)
    return made


def bars(bench: Bench, **wish: Any) -> Any:
    base: dict[str, Any] = {
        "contract_id": MES,
        "start_time": "2026-11-17T00:00:00Z",
        "end_time": "2026-11-19T00:00:00Z",
        "unit": 2,
        "unit_number": 1,
        "limit": 10,
    }
    return bench.ask(venue.RetrieveBars(**{**base, **wish}))
