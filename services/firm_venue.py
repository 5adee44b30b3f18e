"""An honest venue and its router in one, small and fast: what comes of what a governor approves.

For proofs that need thousands of days: one call a second, no requests, no latency below a second.
Honest means what `docs/risk.md` asks of a venue: a market order or a triggered stop fills at the
book, `slip` ticks worse at most, and in a gap at the far side of it; a limit never fills worse than
its price; an entry's stop works from its fill on; a flatten cancels, closes and is proven within
`pace` seconds. While the stream is down (`deaf`) fills are told only by the next comparison, and an
answer that was lost leaves an order of unknown outcome.

The books here are the truth; what the governor is told of them lies in `told`, in its order.
"""

from __future__ import annotations

from typing import Final

from msgspec import structs

from services.firm_orders import Job, Working, order_of
from shared.contracts import product_of
from shared.domain.positions import Position
from shared.events import (
    PROTECTIVE,
    CancelApproved,
    Event,
    Fill,
    Flatten,
    FlattenProgress,
    FlattenStage,
    ModifyApproved,
    OrderApproved,
    OrderState,
    OrderType,
    OrderUpdate,
    PositionUpdate,
    Purpose,
    Reconciled,
    RiskState,
    Side,
)
from shared.units import Lots, Micros, Nanos, Ticks

CLOSING: Final = (Purpose.EXIT, Purpose.FLATTEN)
STOPS: Final = (Purpose.STOP_LOSS, Purpose.NET_STOP)


class FirmVenue:
    """One account. `prices`: contract -> (bid, ask). Money in micro-dollars, prices in ticks."""

    def __init__(self, start: Micros, prices: dict[str, tuple[Ticks, Ticks]], net_stop: Ticks):
        self.start = start
        self.prices = prices
        self.net_stop = net_stop
        self.slip: Ticks = 0
        self.pace = 1
        self.deaf = False
        self.swapped = False  # an order's end is told before its fill
        self.doubled = False  # fills and updates are told twice
        self.now_ns: Nanos = 0
        self.told: list[Event] = []
        self.books: dict[tuple[str, str], Position] = {}  # (sleeve, contract)
        self.fees: Micros = 0
        self.orders: dict[str, Working] = {}
        self.queue: list[OrderApproved] = []
        self.changes: list[CancelApproved | ModifyApproved] = []
        self.jobs: list[Job] = []
        self.halt_no = 0
        self.fills: list[Fill] = []
        self._known: dict[str, None] = {}  # approvals, each carried out once
        self._late: list[Event] = []
        self._no = 0
        self._trade = 0

    # -- what it is worth --------------------------------------------------------------------------

    def position(self, contract: str) -> Lots:
        return sum(book.lots for key, book in self.books.items() if key[1] == contract)

    def held(self, sleeve: str, contract: str) -> Lots:
        book = self.books.get((sleeve, contract))
        return 0 if book is None else book.lots

    def positions(self) -> dict[str, Lots]:
        found: dict[str, Lots] = {}
        for (_, contract), book in self.books.items():
            found[contract] = found.get(contract, 0) + book.lots
        return {contract: lots for contract, lots in found.items() if lots}

    def balance(self) -> Micros:
        """Cash of what is closed, net of fees."""
        made = sum(
            book.realised * product_of(contract).tick_micros
            for (_, contract), book in self.books.items()
        )
        return self.start + made - self.fees

    def equity(self) -> Micros:
        """The firm's measure: balance and open profit, longs at the bid and shorts at the ask."""
        total = self.balance()
        for (_, contract), book in self.books.items():
            if book.lots:
                bid, ask = self.prices[contract]
                mark = bid if book.lots > 0 else ask
                total += book.unrealised(mark) * product_of(contract).tick_micros
        return total

    # -- what it is asked --------------------------------------------------------------------------

    def hear(self, said: Event) -> None:
        """Take a word of the governor; it is acted upon with the next `work`."""
        if isinstance(said, OrderApproved):
            if said.intent_id not in self._known:
                self._known[said.intent_id] = None
                self.queue.append(said)
        elif isinstance(said, CancelApproved | ModifyApproved):
            self.changes.append(said)
        elif isinstance(said, Flatten):
            self.halt_no = max(self.halt_no, said.halt_no)
            self.jobs.append(Job(said))
        elif isinstance(said, RiskState):
            self.halt_no = max(self.halt_no, said.halt_no)

    def move(self, contract: str, bid: Ticks, ask: Ticks) -> None:
        """The book of a contract is another one: stops trigger, limits fill."""
        self.prices[contract] = bid, ask
        for order in [one for one in self.orders.values() if one.contract == contract]:
            if order.intent_id not in self.orders:
                continue  # an earlier fill of this move ended it
            if order.type is OrderType.STOP:
                assert order.stop is not None
                if (ask >= order.stop) if order.side > 0 else (bid <= order.stop):
                    self._trade_all(order, self._market(order))
            elif order.limit is not None:
                touched = ask <= order.limit if order.side > 0 else bid >= order.limit
                if touched:
                    self._trade_all(order, order.limit)

    def work(self, real_ns: Nanos) -> None:
        """A second of the router's life: changes, flattens, new orders, missing stops."""
        changes, self.changes = self.changes, []
        for change in changes:
            self._change(change)
        for job in list(self.jobs):
            self._flatten(job)
        queue, self.queue = self.queue, []
        for approved in queue:
            self._place(approved, real_ns)
        if not self.deaf:
            for contract in self.positions():
                self._protect(contract)

    def withdraw(self) -> None:
        """The governor is silent: everything that can open goes, protection stays."""
        for order in list(self.orders.values()):
            if order.purpose not in PROTECTIVE and order.purpose not in CLOSING:
                self._end(order, OrderState.CANCELLED)

    def reconcile(self) -> None:
        """Compare everything by reads: what the stream lost is told, then the comparison."""
        self.deaf = False
        for event in self._late:
            self._tell(event)
        self._late.clear()
        self._say(
            Reconciled(
                no=0, as_of_ns=self.now_ns, live=tuple(self.orders),
                positions=tuple(self.positions().items()), balance=self.balance(),
            )
        )  # fmt: skip

    def taken(self) -> list[Event]:
        """What is to be told to the governor, once."""
        told, self.told = self.told, []
        return told

    # -- orders ------------------------------------------------------------------------------------

    def _place(self, approved: OrderApproved, real_ns: Nanos) -> None:
        order = order_of(approved)
        held = self.held(order.sleeve, order.contract)
        void = approved.halt_no < self.halt_no or real_ns > approved.deadline_real_ns
        if order.purpose in CLOSING:
            order.size = order.left = min(order.size, abs(held)) if held * order.side < 0 else 0
        covered = any(job.covers(order.sleeve, order.contract) for job in self.jobs)
        if void or covered or not order.left:
            order.size = approved.size
            self._say(self._update(order, OrderState.REFUSED))
            return
        if self.deaf:
            self._tell(self._update(order, OrderState.UNKNOWN))
        self.orders[order.intent_id] = order
        self._say(self._update(order, OrderState.WORKING))
        bid, ask = self.prices[order.contract]
        if order.type is OrderType.MARKET:
            self._trade_all(order, self._market(order))
        else:
            self.move(order.contract, bid, ask)

    def _market(self, order: Working) -> Ticks:
        bid, ask = self.prices[order.contract]
        return ask + self.slip if order.side > 0 else bid - self.slip

    def _trade_all(self, order: Working, price: Ticks) -> None:
        """An order fills in full, its bracket appears, what protects too much goes."""
        lots, order.left = order.left, 0
        self._trade += 1
        kind = product_of(order.contract)
        fill = Fill(
            no=0, trade_id=self._trade, venue_order_id=self._trade, tag=order.tag,
            intent_id=order.intent_id, sleeve=order.sleeve, contract=order.contract,
            side=Side(order.side), size=lots, price=price, fee=lots * kind.fee_side_micros,
            purpose=order.purpose, venue_ns=self.now_ns,
        )  # fmt: skip
        book = self.books.setdefault((order.sleeve, order.contract), Position())
        book.apply(lots * order.side, price)
        self.fees += fill.fee
        self.fills.append(fill)
        self.orders.pop(order.intent_id, None)
        parts: list[Event] = [fill, self._update(order, OrderState.FILLED)]
        for event in reversed(parts) if self.swapped else parts:
            for _ in range(2 if self.doubled else 1):
                self._say(event)
        if order.purpose is Purpose.ENTRY and order.stop_loss is not None:
            self._rest(order, Purpose.STOP_LOSS, lots, price - order.side * order.stop_loss)
        self._trim(order.contract)
        self._say_position(order.contract)

    def _rest(self, owner: Working, purpose: Purpose, lots: Lots, stop: Ticks) -> None:
        """A protective stop against a position of `owner`'s side begins to work."""
        suffix = "-SL" if purpose is Purpose.STOP_LOSS else f"-NS{self._trade}"
        leg = Working(
            intent_id=owner.intent_id + suffix, tag=owner.tag + suffix, sleeve=owner.sleeve,
            contract=owner.contract, side=-owner.side, size=lots, left=lots, purpose=purpose,
            type=OrderType.STOP, stop=stop, parent=owner.intent_id,
        )  # fmt: skip
        self.orders[leg.intent_id] = leg
        self._say(self._update(leg, OrderState.WORKING))

    def _trim(self, contract: str) -> None:
        """Stops cover what is held and no more."""
        lots = self.position(contract)
        room = abs(lots)
        for leg in [o for o in self.orders.values() if o.contract == contract]:
            if leg.purpose not in STOPS:
                continue
            left = min(leg.left, room) if leg.side * lots < 0 else 0
            room -= left
            if not left:
                self._end(leg, OrderState.CANCELLED)
            elif left != leg.left:
                leg.size = leg.left = left
                self._say(self._update(leg, OrderState.WORKING))

    def _protect(self, contract: str) -> None:
        """The router's own stop under what has none."""
        for (sleeve, name), book in self.books.items():
            naked = abs(book.lots) - self._covered(contract) if name == contract else 0
            if naked > 0:
                side = 1 if book.lots > 0 else -1
                self._trade += 1
                owner = Working(
                    intent_id=f"{sleeve}.net", tag=f"{sleeve}.net", sleeve=sleeve,
                    contract=contract, side=side, size=naked, left=0, purpose=Purpose.QUOTE,
                    type=OrderType.LIMIT,
                )  # fmt: skip
                stop = book.cost // book.lots - side * self.net_stop
                self._rest(owner, Purpose.NET_STOP, naked, stop)
                self._say_position(contract)
                self.move(contract, *self.prices[contract])

    def _covered(self, contract: str) -> Lots:
        return sum(
            one.left
            for one in self.orders.values()
            if one.contract == contract and one.purpose in STOPS
        )

    def _change(self, change: CancelApproved | ModifyApproved) -> None:
        order = self.orders.get(change.target)
        if isinstance(change, CancelApproved):
            for approved in [one for one in self.queue if one.intent_id == change.target]:
                self.queue.remove(approved)
                self._say(self._update(order_of(approved), OrderState.REFUSED))
            if order is not None:
                self._end(order, OrderState.CANCELLED)
        elif order is not None and change.halt_no >= self.halt_no:
            order.limit = order.limit if change.limit_price is None else change.limit_price
            order.stop = order.stop if change.stop_price is None else change.stop_price
            self._say(self._update(order, OrderState.WORKING))
            self.move(order.contract, *self.prices[order.contract])

    def _end(self, order: Working, state: OrderState) -> None:
        del self.orders[order.intent_id]
        self._say(self._update(order, state))

    # -- flattening --------------------------------------------------------------------------------

    def _flatten(self, job: Job) -> None:
        """Openers first, then closes, protection last; then the proof."""
        job.age += 1
        for order in self._of(job):
            if order.purpose not in PROTECTIVE and order.intent_id in self.orders:
                self._end(order, OrderState.CANCELLED)
        if job.age < self.pace:
            return
        for (sleeve, contract), book in list(self.books.items()):
            if book.lots and job.covers(sleeve, contract):
                side = -1 if book.lots > 0 else 1
                lots, self._trade = abs(book.lots), self._trade + 1
                name = f"close.{self._trade}"
                close = Working(
                    intent_id="", tag=name, sleeve=sleeve, contract=contract, side=side,
                    size=lots, left=lots, purpose=Purpose.FLATTEN, type=OrderType.MARKET,
                )  # fmt: skip
                self._trade_all(close, self._market(close))
        for order in self._of(job):
            if order.intent_id in self.orders:
                self._end(order, OrderState.CANCELLED)
        self.jobs.remove(job)
        self.reconcile()
        asked = job.order
        self._say(
            FlattenProgress(
                no=0, halt_no=asked.halt_no, scope=asked.scope, stage=FlattenStage.FLAT, cause="",
                contract=asked.contract, sleeve=asked.sleeve,
            )
        )  # fmt: skip

    def _of(self, job: Job) -> list[Working]:
        return [one for one in self.orders.values() if job.covers(one.sleeve, one.contract)]

    # -- telling -----------------------------------------------------------------------------------

    def _update(self, order: Working, state: OrderState) -> OrderUpdate:
        return OrderUpdate(
            no=0, tag=order.tag, intent_id=order.intent_id, sleeve=order.sleeve,
            contract=order.contract, side=Side(order.side), size=order.size,
            filled=order.size - order.left, state=state, purpose=order.purpose, type=order.type,
            limit_price=order.limit, stop_price=order.stop, parent_intent_id=order.parent,
        )  # fmt: skip

    def _say_position(self, contract: str) -> None:
        lots = self.position(contract)
        self._say(
            PositionUpdate(
                no=0, contract=contract, position=lots, cost=0,
                protected=min(abs(lots), self._covered(contract)),
            )
        )  # fmt: skip

    def _say(self, event: Event) -> None:
        if self.deaf:
            self._late.append(event)
        else:
            self._tell(event)

    def _tell(self, event: Event) -> None:
        """The router numbers what it says."""
        self._no += 1
        self.told.append(structs.replace(event, no=self._no))
