"""A small stage for one sleeve: a governor that agrees (or not), a venue that fills at the touch.

Tests tell it market events and read `lines`, one per word of the sleeve and per fill, as a trader
would note them. The stage answers as the real rooms do: SENT and WORKING for an approval, a book
after every change, bracket legs as children `-SL` and `-TP`, fills by trade id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from services.sleeves.host import SleeveHost
from shared.domain.positions import Position
from shared.events import (
    AuthorityGranted,
    Bar,
    BarOrigin,
    CancelIntent,
    ContractListed,
    Event,
    FeedState,
    FeedStatus,
    Fill,
    ModifyIntent,
    OrderIntent,
    OrderState,
    OrderType,
    OrderUpdate,
    OrderVetoed,
    Phase,
    Pulse,
    Purpose,
    Quote,
    RiskLevel,
    RiskState,
    SessionPhase,
    Side,
    SleeveBook,
    SleeveStatus,
    Started,
    Trade,
    VetoRule,
    WorkingOrder,
)
from shared.settings import Settings, load
from shared.units import MILLISECOND, SECOND

CONTRACTS = {
    "MES": "CON.F.US.MES.Z26",
    "MNQ": "CON.F.US.MNQ.Z26",
    "M2K": "CON.F.US.M2K.Z26",
    "MYM": "CON.F.US.MYM.Z26",
}
T0 = 1_795_015_800 * SECOND  # 2026-11-18 09:30 in Chicago
FEE = 610_000


def settings_for(name: str, implementation: str = "", **params: Any) -> Settings:
    """The default settings with one sleeve's class or parameters changed."""
    settings = load(env={})
    section = settings.sleeves[name]
    changed = msgspec.structs.replace(
        section, implementation=implementation or section.implementation, params=params
    )
    return msgspec.structs.replace(settings, sleeves={**settings.sleeves, name: changed})


@dataclass
class Resting:
    """An order at the stage's venue."""

    intent_id: str
    side: Side
    size: int
    type: OrderType
    purpose: Purpose
    limit: int | None = None
    stop: int | None = None
    sl: int | None = None
    tp: int | None = None
    parent: str = ""
    state: OrderState = OrderState.WORKING


@dataclass
class Stage:
    """One sleeve, its governor and its venue. `veto` refuses every intent; `mute` answers none."""

    name: str
    settings: Settings
    now_ns: int = T0
    veto: VetoRule | None = None
    mute: bool = False
    lines: list[str] = field(default_factory=list)
    said: list[Event] = field(default_factory=list)
    status: SleeveStatus | None = None
    orders: dict[str, Resting] = field(default_factory=dict)
    position: Position = field(default_factory=Position)
    fees: int = 0
    no: int = 0
    trades: int = 0
    quote: Quote | None = None
    epoch: int = 100
    ticks: int = 0
    heard: list[tuple[int, Event]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.host = SleeveHost(self.name, self.settings)
        self.root = self.settings.sleeves[self.name].root
        self.contract = CONTRACTS[self.root]

    # -- beginnings ----------------------------------------------------------------------------

    def open(self, *, authority: bool = True) -> Stage:
        """Everything a sleeve needs to hear before it may act, but for warm-up bars."""
        self.tell(Started(epoch=self.epoch, fresh=True))
        self.tell(self.listed())
        self.tell(FeedStatus(state=FeedState.UP, since_ns=self.now_ns))
        self.tell(self.session())
        self.tell(self.risk())
        if authority:
            self.grant()
        return self

    def listed(self) -> ContractListed:
        return ContractListed(
            root=self.root,
            contract=self.contract,
            name=self.root,
            tick_nanos=250_000_000,
            tick_micros=500_000,
            trading_day="2026-11-18",
        )

    def session(self, phase: Phase = Phase.OPEN, day: str = "2026-11-18") -> SessionPhase:
        return SessionPhase(trading_day=day, phase=phase, flat_by_ns=0, reopens_ns=0)

    def risk(self, level: RiskLevel = RiskLevel.ACTIVE, *, paused: bool = False) -> RiskState:
        return RiskState(halt_no=1, level=level, cause="", since_ns=0, paused=paused)

    def grant(self, incarnation: int | None = None) -> None:
        number = self.host.memory.incarnation if incarnation is None else incarnation
        self.tell(AuthorityGranted(sleeve=self.name, incarnation=number, books=(self.book(),)))

    def book(self) -> SleeveBook:
        live = tuple(
            WorkingOrder(
                intent_id=order.intent_id,
                side=order.side,
                size=order.size,
                filled=0,
                purpose=order.purpose,
                state=order.state,
                limit_price=order.limit,
                stop_price=order.stop,
            )
            for order in self.orders.values()
        )
        return SleeveBook(
            sleeve=self.name,
            contract=self.contract,
            position=self.position.lots,
            cost=self.position.cost,
            realised=self.position.realised * 500_000,
            fees=self.fees,
            working=live,
            router_no=self.no,
        )

    # -- telling -------------------------------------------------------------------------------

    def tell(self, event: Event) -> list[Event]:
        """Tell the host one event; what it says is noted and answered. Returns what it said."""
        self.heard.append((self.now_ns, event))
        said = list(self.host.on(self.now_ns, event))
        for word in said:
            self.said.append(word)
            self._note(word)
        for word in said:
            if not self.mute:
                self._answer(word)
        return said

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
    ) -> list[Event]:
        """A bar that closes now (or opened at `open_ns`)."""
        bar = Bar(
            contract=self.contract,
            span_s=span_s,
            open_ns=self.now_ns - span_s * SECOND if open_ns is None else open_ns,
            open=close,
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

    # -- the governor and the venue ------------------------------------------------------------

    def _answer(self, word: Event) -> None:
        if isinstance(word, OrderIntent):
            self._place(word)
        elif isinstance(word, CancelIntent) and word.target in self.orders:
            self.cancel(word.target)
        elif isinstance(word, ModifyIntent) and word.target in self.orders:
            order = self.orders[word.target]
            order.limit = order.limit if word.limit_price is None else word.limit_price
            order.stop = order.stop if word.stop_price is None else word.stop_price
            self.update(order, order.state)

    def _place(self, word: OrderIntent) -> None:
        rule = VetoRule.EXPIRED if word.expires_ns < self.now_ns else self.veto
        if rule is not None:
            self.refuse(word.intent_id, rule)
            return
        order = Resting(
            word.intent_id,
            word.side,
            word.size,
            word.type,
            word.purpose,
            limit=word.limit_price,
            stop=word.stop_price,
            sl=word.stop_loss_ticks,
            tp=word.take_profit_ticks,
        )
        self.orders[word.intent_id] = order
        self.update(order, OrderState.SENT)
        self.update(order, OrderState.WORKING)
        self.tell(self.book())
        if order.type is OrderType.MARKET:
            self.match()

    def refuse(self, intent_id: str, rule: VetoRule) -> None:
        self.lines.append(f"governor vetoes {intent_id}: {rule.value}")
        self.tell(
            OrderVetoed(
                intent_id=intent_id,
                sleeve=self.name,
                contract=self.contract,
                rule=rule,
                limit=0,
                actual=1,
            )
        )

    def update(self, order: Resting, state: OrderState, filled: int = 0) -> None:
        self.no += 1
        order.state = state
        self.tell(
            OrderUpdate(
                no=self.no,
                tag=f"t1.{order.intent_id}",
                intent_id=order.intent_id,
                sleeve=self.name,
                contract=self.contract,
                side=order.side,
                size=order.size,
                filled=filled,
                state=state,
                purpose=order.purpose,
                type=order.type,
                limit_price=order.limit,
                stop_price=order.stop,
                parent_intent_id=order.parent,
            )
        )

    def cancel(self, intent_id: str) -> None:
        order = self.orders.pop(intent_id)
        self.update(order, OrderState.CANCELLED)
        self.tell(self.book())

    def match(self, traded: int | None = None) -> None:
        """Fill what the quote, or a print at `traded`, reaches."""
        for order in list(self.orders.values()):
            price = self._reached(order, traded)
            if price is not None and order.intent_id in self.orders:
                self.fill(order, price)

    def _reached(self, order: Resting, traded: int | None) -> int | None:
        quote = self.quote
        assert quote is not None, "a market needs a quote before an order"
        touch = quote.ask if order.side is Side.BUY else quote.bid
        sign = int(order.side)
        if order.stop is not None:
            return touch if (touch - order.stop) * sign >= 0 else None
        if order.limit is not None:
            through = traded is not None and (order.limit - traded) * sign > 0
            return order.limit if through or (order.limit - touch) * sign >= 0 else None
        return touch

    def fill(self, order: Resting, price: int) -> None:
        """Trade an order whole: update, fill, book, then its legs or its brother's end."""
        del self.orders[order.intent_id]
        self.update(order, OrderState.FILLED, filled=order.size)
        self.no += 1
        self.trades += 1
        self.position.apply(order.size * order.side, price)
        self.fees += FEE * order.size
        self.lines.append(f"venue fills {order.side.name} {order.size} @ {price}")
        self.tell(
            Fill(
                no=self.no,
                trade_id=self.trades,
                venue_order_id=self.trades,
                tag=f"t1.{order.intent_id}",
                intent_id=order.intent_id,
                sleeve=self.name,
                contract=self.contract,
                side=order.side,
                size=order.size,
                price=price,
                fee=FEE,
                purpose=order.purpose,
                venue_ns=self.now_ns,
            )
        )
        self.tell(self.book())
        self._legs(order, price)
        if not self.position.lots:
            for leg in [one for one in self.orders.values() if one.parent]:
                self.cancel(leg.intent_id)

    def _legs(self, order: Resting, price: int) -> None:
        away = Side(-order.side)
        legs = []
        if order.sl is not None and self.position.lots:
            legs.append(
                ("-SL", OrderType.STOP, Purpose.STOP_LOSS, None, price - order.sl * order.side)
            )
        if order.tp is not None and self.position.lots:
            legs.append(
                ("-TP", OrderType.LIMIT, Purpose.TAKE_PROFIT, price + order.tp * order.side, None)
            )
        for suffix, kind, purpose, limit, stop in legs:
            leg = Resting(
                order.intent_id + suffix,
                away,
                order.size,
                kind,
                purpose,
                limit=limit,
                stop=stop,
                parent=order.intent_id,
            )
            self.orders[leg.intent_id] = leg
            self.update(leg, OrderState.WORKING)
        if legs:
            self.tell(self.book())

    # -- the notebook --------------------------------------------------------------------------

    def _note(self, word: Event) -> None:
        if isinstance(word, SleeveStatus):
            self.status = word
        elif isinstance(word, OrderIntent):
            self.lines.append(_wish(word))
        elif isinstance(word, CancelIntent):
            self.lines.append(f"CANCEL {_short(word.target)} ({word.reason})")
        elif isinstance(word, ModifyIntent):
            price = word.stop_price if word.limit_price is None else word.limit_price
            self.lines.append(f"MOVE {_short(word.target)} to {price} ({word.reason})")

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


def _short(intent_id: str) -> str:
    return "#" + intent_id.rsplit(".", 1)[1]


def _wish(word: OrderIntent) -> str:
    parts = [word.side.name, str(word.size), word.type.value]
    parts += [f"at {p}" for p in (word.limit_price, word.stop_price) if p is not None]
    parts += [f"sl {word.stop_loss_ticks}"] if word.stop_loss_ticks else []
    parts += [f"tp {word.take_profit_ticks}"] if word.take_profit_ticks else []
    kind = "" if word.purpose is Purpose.ENTRY else f" {word.purpose.value}"
    return f"{_short(word.intent_id)} {' '.join(parts)}{kind}" + (
        f" ({word.reason})" if word.reason else ""
    )
