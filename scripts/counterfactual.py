"""What refused entries would have done: followed on the bars the gateway recorded.

Simple and honest: an entry at market is taken at the open of the first one-second bar after the
veto, a limit or stop entry when a bar reaches its price within its life; then the first bar that
reaches the stop or the target decides, the stop when one bar reaches both. What reached neither by
the last bar is valued there. One contract each, fees of both sides paid, no slippage: a hint for
judging a rule, not a backtest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from shared.contracts import product_of
from shared.runtime import journal
from shared.runtime.replay import cat
from shared.units import SECOND, Micros, Nanos, Ticks

GATEWAY: Final = "market_data_gateway"
BARS_MAX: Final = 4 * 60 * 60  # a trade is followed for so many bars at most


class Trial(Struct):
    """A refused entry under way. `price` is 0 until it is filled."""

    intent_id: str
    rule: str
    contract: str
    side: int
    type: str
    wanted: Ticks  # limit or stop price; 0: at market
    stop: Ticks
    target: Ticks  # 0: none
    from_ns: Nanos
    until_ns: Nanos
    price: Ticks = 0
    last: Ticks = 0
    bars: int = 0
    fate: str = ""
    exit: Ticks = 0

    def bar(self, bar: dict[str, Any]) -> None:
        """One bar later; `fate` is set when it is over."""
        if bar["open_ns"] < self.from_ns or self.fate:
            return
        if not self.price and not self._filled(bar):
            return
        self.bars += 1
        self.last = bar["close"]
        stop = self.price - self.side * self.stop
        worst, best = (bar["low"], bar["high"]) if self.side > 0 else (bar["high"], bar["low"])
        if (worst - stop) * self.side <= 0:
            self.fate, self.exit = "stopped", stop
        elif self.target and (best - self.price) * self.side >= self.target:
            self.fate, self.exit = "target", self.price + self.side * self.target
        elif self.bars >= BARS_MAX:
            self.fate, self.exit = "left", bar["close"]

    def _filled(self, bar: dict[str, Any]) -> bool:
        """Whether the entry trades in this bar; it expires unfilled otherwise."""
        if self.type == "MARKET":
            self.price = bar["open"]
        elif bar["low"] <= self.wanted <= bar["high"]:
            self.price = self.wanted
        elif bar["open_ns"] > self.until_ns:
            self.fate = "unfilled"
        return self.price > 0

    def row(self) -> dict[str, Any]:
        """What became of it; money in micro-dollars, one contract."""
        net: Micros = 0
        if self.price:
            kind = product_of(self.contract)
            ticks = ((self.exit if self.fate else self.last) - self.price) * self.side
            net = ticks * kind.tick_micros - 2 * kind.fee_side_micros
        return {
            "intent_id": self.intent_id, "rule": self.rule, "contract": self.contract,
            "fate": self.fate or ("open" if self.price else "unfilled"), "net": net,
        }  # fmt: skip


def ledger(root: Path, day: str | None) -> list[dict[str, Any]]:
    """Every refused directional entry of the journals, oldest first, with what it would have done.

    Of one reason said again and again by a sleeve that asks on, each refusal is a row of its own.
    """
    rows: list[dict[str, Any]] = []
    for name in journal.days(root, "risk_governor"):
        if day in (None, name):
            trials = _trials(root, name)
            _follow(root, name, trials)
            rows += [trial.row() for trial in trials]
    return rows


def _events(root: Path, lane: str, day: str, kind: str) -> list[dict[str, Any]]:
    path = journal.find(root, day, lane)
    if path is None:
        return []
    return [
        {**line.content["event"], "time_ns": line.content["time_ns"]}
        for line in cat(path)
        if line.kind == "said" and line.content["event"]["t"] == kind
    ]


def _trials(root: Path, day: str) -> list[Trial]:
    wishes: dict[str, dict[str, dict[str, Any]]] = {}
    trials = {}
    for veto in _events(root, "risk_governor", day, "OrderVetoed"):
        sleeve = veto["sleeve"]
        if sleeve not in wishes:
            asked = _events(root, f"sleeve_{sleeve}", day, "OrderIntent")
            wishes[sleeve] = {wish["intent_id"]: wish for wish in asked}
        wish = wishes[sleeve].get(veto["intent_id"])
        if wish is None or not wish.get("stop_loss_ticks") or veto["intent_id"] in trials:
            continue
        trials[veto["intent_id"]] = Trial(
            intent_id=veto["intent_id"], rule=veto["rule"], contract=wish["contract"],
            side=wish["side"], type=wish["type"],
            wanted=wish.get("limit_price") or wish.get("stop_price") or 0,
            stop=wish["stop_loss_ticks"], target=wish.get("take_profit_ticks") or 0,
            from_ns=veto["time_ns"], until_ns=max(wish["expires_ns"], veto["time_ns"] + SECOND),
        )  # fmt: skip
    return list(trials.values())


def _follow(root: Path, day: str, trials: list[Trial]) -> None:
    """Tell each trial the one-second bars of its contract, repaired ones like live ones."""
    waiting = trials
    for bar in _events(root, GATEWAY, day, "Bar") if trials else ():
        if bar["span_s"] != 1:
            continue
        for trial in waiting:
            if trial.contract == bar["contract"]:
                trial.bar(bar)
        waiting = [trial for trial in waiting if not trial.fate]
