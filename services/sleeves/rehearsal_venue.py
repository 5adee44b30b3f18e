"""The venue and the governor of a rehearsal: they agree (or not), fill at the touch, and answer.

They answer as the real rooms do: SENT and WORKING for an approval, a book after every change,
bracket legs as children `-SL` and `-TP`, fills by trade id. Simplified: everything fills whole, at
the quote it reaches, at once; one contract, one sleeve.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from services.sleeves.host import SleeveHost
from shared.contracts import PRODUCTS, contract_id
from shared.domain.positions import Position
from shared.events import (
    CancelIntent,
    Event,
    Fill,
    Flatten,
    ModifyIntent,
    OrderIntent,
    OrderState,
    OrderType,
    OrderUpdate,
    OrderVetoed,
    Purpose,
    Quote,
    Scope,
    Side,
    SleeveBook,
    SleeveStatus,
    VetoRule,
    WorkingOrder,
)
from shared.settings import Settings
from shared.units import SECOND

T0 = 1_795_015_800 * SECOND  # 2026-11-18 09:30 in Chicago


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
class Venue:
    """A sleeve's host and who answers it. `veto` refuses every intent; `mute` answers none."""

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
        self.product = PRODUCTS[self.root]
        self.contract = contract_id(self.product, 2026, 12)

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
            realised=self.position.realised * self.product.tick_micros,
            fees=self.fees,
            working=live,
            router_no=self.no,
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
        self.fees += self.product.fee_side_micros * order.size
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
                fee=self.product.fee_side_micros,
                purpose=order.purpose,
                venue_ns=self.now_ns,
            )
        )
        self.tell(self.book())
        self._legs(order, price)
        if not self.position.lots:
            for leg in [one for one in self.orders.values() if one.parent]:
                self.cancel(leg.intent_id)

    def flatten(self) -> None:
        """The governor's flatten, carried out: everything is cancelled, what is held is closed."""
        self.tell(Flatten(halt_no=2, scope=Scope.ACCOUNT, cause="the day ends"))
        for order in list(self.orders.values()):
            self.cancel(order.intent_id)
        held = self.position.lots
        if held:
            side = Side.SELL if held > 0 else Side.BUY
            close = Resting("flatten", side, abs(held), OrderType.MARKET, Purpose.EXIT)
            self.orders[close.intent_id] = close
            self.match()

    def _legs(self, order: Resting, price: int) -> None:
        away = Side(-order.side)
        legs: list[tuple[str, OrderType, Purpose, int | None, int | None]] = []
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
