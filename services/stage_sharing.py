"""Three busy sleeves in one contract, for Worlds: their settings, and what more must hold there.

They want different things at different times, so that the books of one contract lie on both sides
of the market most of the time: what the net position is, and whom its one stop protects, changes
with nearly every fill.
"""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from services.simulator.words import UserPush
from services.sleeves.base import Sleeve
from services.stage_busy import BUSY, Counted
from services.stage_checks import Checks
from shared.core import Word
from shared.domain.sharing import VIRTUAL, trade_of
from shared.events import (
    Event,
    Fill,
    Flatten,
    OrderApproved,
    OrderIntent,
    PositionUpdate,
    Purpose,
    Quote,
    SleeveBook,
)
from shared.settings import Settings, load
from shared.units import Lots
from shared.venue import words as wire
from shared.venue.codes import OrderKind, VenueSide

ROOT = "MNQ"
SHARERS = ("trend", "mean_reversion", "tail_hedge")
NEAR, FAR, TARGET = 4, 40, 3  # ticks of a stop, and of what is hoped for


class Sharer(Sleeve):
    """Enters, adds, leaves in part and whole, at market; mostly long."""

    contracts_max = 2
    every = 5
    sides = "BBSB"
    State = Counted
    state: Counted

    def on_quote(self, quote: Quote) -> None:
        self.state.count += 1
        if self.state.count % self.every:
            return
        idea = self.state.count // self.every
        if not self.position or idea % 7 in (3, 4):
            self._enter(idea)
        elif idea % 7 == 1 and abs(self.position) > 1:
            self._halve()
        elif idea % 7 == 6:
            self.close("enough")

    def _enter(self, idea: int) -> None:
        ask = self.buy if self.sides[idea % len(self.sides)] == "B" else self.sell
        stop = FAR if idea % 3 else NEAR
        ask(1 + idea % 2, sl_ticks=stop, tp_ticks=TARGET, least=1, reason="in turn")

    def _halve(self) -> None:
        ask = self.sell if self.position > 0 else self.buy
        ask(1, sl_ticks=FAR, reason="half")


class Contrary(Sharer):
    """Mostly short, and a little slower."""

    every = 7
    sides = "SSB"


class Fickle(Sharer):
    """Either way, and quicker."""

    every = 4
    sides = "BSSBSB"


HERE = "services.stage_sharing"
_names = ", ".join(f'"{name}"' for name in SHARERS)
SHARING = {
    **BUSY,
    "TSQ__SLEEVES__MARKET_MAKER__ENABLED": "false",  # the budget of requests is for these three
    "TSQ__RISK_GOVERNOR__PRETRADE__CORRELATION_PERCENT": "100",
    "TSQ__SHARING": f"{{ {ROOT} = [{_names}] }}",
    **{f"TSQ__SLEEVES__{name.upper()}__ROOT": ROOT for name in SHARERS},
    "TSQ__SLEEVES__TREND__IMPLEMENTATION": f"{HERE}:Sharer",
    "TSQ__SLEEVES__MEAN_REVERSION__IMPLEMENTATION": f"{HERE}:Contrary",
    "TSQ__SLEEVES__TAIL_HEDGE__IMPLEMENTATION": f"{HERE}:Fickle",
}


def settings_for(seed: int) -> Settings:
    """The cast of a seed; in one of three a sleeve that loses is switched off: its part goes."""
    loss = {"TSQ__RISK_GOVERNOR__SLEEVE_LOSS": "15"} if seed % 3 == 0 else {}
    return load(env={"TSQ__SIMULATOR__SEED": str(1 + seed % 1_000), **SHARING, **loss})


class Trade(Struct):
    """A trade as it is told. `nobodys`: no sleeve's own order; `before`: the books it found."""

    trade: int
    nobodys: bool
    before: dict[str, Lots]


class SharedChecks(Checks):
    """Beside what holds everywhere: every trade is handed out whole, and no order of a sleeve rests
    in the contract that is shared. `seen` counts what a World came by.
    """

    def __init__(self) -> None:
        super().__init__()
        self.parts: dict[int, Lots] = {}  # venue's trade -> signed lots handed out
        self.trades: dict[int, Lots] = {}  # the same as the venue made it
        self.held: dict[str, dict[str, Lots]] = {}  # contract -> books, by the fills
        self.under_way: dict[str, Trade] = {}  # contract -> what is being told, part by part
        self.seen: Counter[str] = Counter()
        self.watch.position_max *= 2  # the stop and an exit on its way may both fill

    def said(self, lane: str, seq: int, now_ns: int, event: Event) -> None:
        super().said(lane, seq, now_ns, event)
        if isinstance(event, OrderApproved) and event.shared:
            self.seen["approved"] += 1
        elif isinstance(event, Fill) and lane == "order_router":
            self._handed_out(event)
        elif isinstance(event, OrderIntent):
            self.seen["target"] += event.reason == "target"
        elif isinstance(event, Flatten):
            self.seen[event.scope.value] += 1
        elif isinstance(event, PositionUpdate):
            self._whole(event.contract)
        elif isinstance(event, SleeveBook) and lane == "risk_governor":
            held = [n for (_, name), n in self.books.items() if name == event.contract and n]
            self.seen["opposed"] += bool(held) and min(held) < 0 < max(held)
            self.seen["matched"] += bool(held) and not sum(held)

    def _handed_out(self, fill: Fill) -> None:
        contract, signed = fill.contract, fill.side * (-fill.size if fill.voided else fill.size)
        held = self.held.setdefault(contract, {})
        made_up = fill.trade_id <= -VIRTUAL
        trade = 0 if made_up else trade_of(fill.trade_id)
        under_way = self.under_way.get(contract)
        if under_way is not None and under_way.trade != trade:
            self._whole(contract)
        if contract not in self.under_way:
            venues = fill.purpose is Purpose.FLATTEN and fill.tag.startswith("#")
            nobodys = venues or fill.purpose is Purpose.NET_STOP
            self.under_way[contract] = Trade(trade, nobodys, dict(held))
        held[fill.sleeve] = held.get(fill.sleeve, 0) + signed
        if made_up:
            self.seen["virtual"] += 1
            return
        self.seen["split"] += trade in self.parts
        self.parts[trade] = self.parts.get(trade, 0) + signed

    def _whole(self, contract: str) -> None:
        """Every part of a trade was told: a stop or a close that was not too large opened no book,
        and one that left nothing at the venue left nothing in any.
        """
        done = self.under_way.pop(contract, None)
        if done is None or not done.nobodys:
            return
        before, after = done.before, self.held[contract]
        net, now = sum(before.values()), sum(after.values())
        if net * (now - net) >= 0 or net * now < 0:
            return
        for owner, lots in after.items():
            had = before.get(owner, 0)
            shrank = had * lots >= 0 and abs(lots) <= abs(had)
            assert shrank, f"{owner} {had:+d} became {lots:+d}"
            assert not lots or now, f"{owner} holds {lots:+d} of nothing"

    def overheard(self, actor: str, now_ns: int, word: Word) -> None:
        super().overheard(actor, now_ns, word)
        if actor != "simulator" or not isinstance(word, UserPush):
            return
        if isinstance(word.payload, wire.TradeModel):
            trade = word.payload
            self.trades[trade.id] = trade.size if trade.side == VenueSide.BID else -trade.size
        elif isinstance(word.payload, wire.OrderModel):
            self._rests(word.payload)

    def _rests(self, order: wire.OrderModel) -> None:
        tag = order.custom_tag or ""
        theirs = tag.startswith("t1.") and not tag.startswith("t1.router.")
        limit = order.type in (OrderKind.LIMIT, OrderKind.STOP)
        shared = f".{ROOT}." in order.contract_id
        assert not (theirs and limit and shared), f"a sleeve's order rests: {order}"

    def judge(self) -> None:
        super().judge()
        assert self.parts == self.trades, "a trade was not handed out whole"
