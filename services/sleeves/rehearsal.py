"""A rehearsal: one sleeve told a market by hand, its words noted as a trader would note them.

For authors of sleeves and for our own tests alike. Tell it seconds and quotes, read `story()`: one
line per word of the sleeve and per fill. `rehearse(MySleeve, stop_ticks=20)` begins one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from services.sleeves.base import Sleeve
from services.sleeves.rehearsal_venue import T0, Venue
from shared.contracts import PRODUCTS, contract_id
from shared.events import (
    AuthorityGranted,
    Bar,
    BarOrigin,
    ContractListed,
    Event,
    FeedState,
    FeedStatus,
    OrderIntent,
    Phase,
    Pulse,
    Quote,
    RiskLevel,
    RiskState,
    SessionPhase,
    Started,
    Trade,
)
from shared.settings import Settings, load
from shared.units import MILLISECOND, SECOND


def settings_for(name: str, implementation: str = "", **params: Any) -> Settings:
    """The default settings with one sleeve's class or parameters changed."""
    settings = load(env={})
    section = settings.sleeves[name]
    changed = msgspec.structs.replace(
        section, implementation=implementation or section.implementation, params=params
    )
    return msgspec.structs.replace(settings, sleeves={**settings.sleeves, name: changed})


def rehearse(kind: type[Sleeve], root: str = "MNQ", **params: Any) -> Stage:
    """A stage for any sleeve on any product, open for business but for its warm-up bars.

    `kind` must be found by its name, as in the settings: a class of a module, not of a function.
    """
    settings = settings_for("trend", f"{kind.__module__}:{kind.__qualname__}", **params)
    section = msgspec.structs.replace(settings.sleeves["trend"], root=root)
    settings = msgspec.structs.replace(settings, sleeves={**settings.sleeves, "trend": section})
    return Stage("trend", settings).open()


@dataclass
class Stage(Venue):
    """The sleeve's world, told step by step."""

    # -- beginnings ----------------------------------------------------------------------------

    def open(self, *, authority: bool = True) -> Stage:
        """Everything a sleeve needs to hear before it may act, but for warm-up bars."""
        self.tell(Started(epoch=self.epoch, fresh=True))
        for root in ("", *self.host.sleeve.listens):
            self.tell(self.listed(root))
        self.tell(FeedStatus(state=FeedState.UP, since_ns=self.now_ns))
        self.tell(self.session())
        self.tell(self.risk())
        if authority:
            self.grant()
        return self

    def listed(self, root: str = "") -> ContractListed:
        """Our product, or another one, listed as its December contract."""
        product = PRODUCTS[root or self.root]
        return ContractListed(
            root=product.root,
            contract=contract_id(product, 2026, 12) if root else self.contract,
            name=product.root,
            tick_nanos=product.tick_nanos,
            tick_micros=product.tick_micros,
            trading_day="2026-11-18",
        )

    def session(self, phase: Phase = Phase.OPEN, day: str = "2026-11-18") -> SessionPhase:
        return SessionPhase(trading_day=day, phase=phase, flat_by_ns=0, reopens_ns=0)

    def risk(self, level: RiskLevel = RiskLevel.ACTIVE, *, paused: bool = False) -> RiskState:
        return RiskState(halt_no=1, level=level, cause="", since_ns=0, paused=paused)

    def grant(self, incarnation: int | None = None) -> None:
        number = self.host.memory.incarnation if incarnation is None else incarnation
        self.tell(AuthorityGranted(sleeve=self.name, incarnation=number, books=(self.book(),)))

    # -- telling -------------------------------------------------------------------------------

    def pulse(self, real_s: float) -> list[Event]:
        return self.tell(Pulse(real_ns=round(real_s * SECOND)))

    def bar(
        self,
        close: int,
        *,
        span_s: int = 1,
        high: int | None = None,
        low: int | None = None,
        origin: BarOrigin = BarOrigin.LIVE,
        open_ns: int | None = None,
        volume: int = 10,
        opened: int | None = None,
        contract: str = "",
    ) -> list[Event]:
        """A bar that closes now (or opened at `open_ns`); of another `contract` if named."""
        bar = Bar(
            contract=contract or self.contract,
            span_s=span_s,
            open_ns=self.now_ns - span_s * SECOND if open_ns is None else open_ns,
            open=close if opened is None else opened,
            high=close if high is None else high,
            low=close if low is None else low,
            close=close,
            volume=volume,
            origin=origin,
        )
        return self.tell(bar)

    def tick(self, bid: int, ask: int | None = None, sizes: tuple[int, int] = (10, 10)) -> None:
        """A quote now; the venue fills what it reaches."""
        quote = Quote(
            contract=self.contract,
            bid=bid,
            ask=bid + 1 if ask is None else ask,
            venue_ns=self.now_ns,
            recv_ns=self.now_ns,
            bid_size=sizes[0],
            ask_size=sizes[1],
        )
        self.quote = quote
        self.tell(quote)
        self.match()

    def second(self, price: int, *, quote: bool = True) -> None:
        """A second in which the market traded at `price`: quote, then the bar, then a pulse."""
        self.now_ns += SECOND
        self.ticks += 1
        if quote:
            self.tick(price)
        self.bar(price)
        self.pulse(self.ticks)

    def seconds(self, *prices: int) -> None:
        for price in prices:
            self.second(price)

    def history(self, price: int, bars: int, span_s: int = 60) -> None:
        for number in range(bars, 0, -1):
            self.bar(
                price,
                span_s=span_s,
                high=price + 8,
                low=price - 8,
                origin=BarOrigin.HISTORY,
                open_ns=T0 - number * span_s * SECOND,
            )

    # -- the notebook --------------------------------------------------------------------------

    def story(self) -> list[str]:
        """The lines since the last call."""
        told, self.lines = self.lines, []
        return told

    def intents(self) -> list[OrderIntent]:
        return [word for word in self.said if isinstance(word, OrderIntent)]

    def print_at(self, price: int) -> None:
        """A trade on the tape, which also fills quotes it goes through."""
        trade = Trade(
            contract=self.contract,
            price=price,
            size=1,
            venue_ns=self.now_ns,
            recv_ns=self.now_ns - MILLISECOND,
        )
        self.tell(trade)
        self.match(price)
