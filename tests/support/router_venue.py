"""A small venue in integers, for tests of the router core.

It does what the real one is known to do: brackets with suspended legs, one-cancels-other, closes
without an order id, rejected orders with an id, tags used once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from services.order_router import words as w
from shared.events import OrderType, Side
from shared.units import SECOND
from shared.venue.codes import VenueOrderStatus as Status
from shared.venue.translate import AccountRow, OrderRow, PositionRow, TradeRow

MNQ = "CON.F.US.MNQ.Z26"

M2K = "CON.F.US.M2K.Z26"

ACCOUNT = 7001

START_NS = 1_795_000_000 * SECOND

LIVE = (Status.OPEN, Status.PENDING, Status.SUSPENDED)

Hub = Callable[[Any], None]


class Venue:
    """Orders, positions and trades of one account; `hub` hears of every change."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.now_ns = START_NS
        self.prices = {MNQ: 80_000, M2K: 20_000}
        self.no_prices = False  # asked where the market stands, it fails
        self.orders: dict[int, OrderRow] = {}
        self.trades: dict[int, TradeRow] = {}
        self.lots: dict[str, int] = {}
        self.cost: dict[str, int] = {}
        self.tags: dict[str, int] = {}
        self.next_id = 1000
        self.refuse: list[str] = []  # texts with which the next places are refused
        self.refuse_closes = 0
        self.refuse_changes = 0
        self.refuse_cancels = 0
        self.slow_close = False  # market closes rest until `fill` is called
        self.brackets_work = True
        self.partly = 0  # at most so many contracts of a resting order fill at once
        self.brackets: dict[int, tuple[int, int]] = {}
        self.tag_attempts: list[str] = []

    # -- requests ------------------------------------------------------------------------------

    def place(self, word: w.PlaceOrder) -> w.PlaceAnswer:
        self.tag_attempts.append(word.tag)
        text = self.refuse.pop(0) if self.refuse else ""
        if word.tag in self.tags:
            text = "Specified custom tag is already in use"
        row = self._new(
            contract=word.contract,
            side=word.side,
            size=word.size,
            type=word.type,
            limit_price=word.limit_price,
            stop_price=word.stop_price,
            tag=word.tag,
            status=Status.REJECTED if text else Status.PENDING,
        )
        self.tags.setdefault(word.tag, row.order_id)
        if text:
            self._show(row)
            return w.PlaceAnswer(
                tag=word.tag, outcome=w.Outcome.REFUSED, order_id=row.order_id, text=text
            )
        if word.stop_loss_ticks and self.brackets_work:
            self.brackets[row.order_id] = (word.stop_loss_ticks, word.take_profit_ticks)
            self._legs(row, word)
        self._show(row)
        self._put(row.order_id, status=Status.OPEN)
        self._match(row.contract)
        return w.PlaceAnswer(tag=word.tag, outcome=w.Outcome.DONE, order_id=row.order_id)

    def cancel(self, word: w.CancelOrder) -> w.CancelAnswer:
        row = self.orders.get(word.order_id)
        if self.refuse_cancels or row is None or row.status not in LIVE:
            self.refuse_cancels = max(0, self.refuse_cancels - 1)
            return w.CancelAnswer(order_id=word.order_id, outcome=w.Outcome.REFUSED, text="code 5")
        self._put(row.order_id, status=Status.CANCELLED, changed=True)
        for leg in self._children(row.order_id):
            if leg.status is Status.SUSPENDED:
                self._put(leg.order_id, status=Status.CANCELLED, changed=True)
        return w.CancelAnswer(order_id=word.order_id, outcome=w.Outcome.DONE)

    def modify(self, word: w.ModifyOrder) -> w.ModifyAnswer:
        row = self.orders.get(word.order_id)
        if self.refuse_changes or row is None or row.status not in LIVE:
            self.refuse_changes = max(0, self.refuse_changes - 1)
            return w.ModifyAnswer(order_id=word.order_id, outcome=w.Outcome.REFUSED, text="code 3")
        self._put(
            row.order_id,
            changed=True,
            size=word.size if word.size is not None else row.size,
            limit_price=word.limit_price if word.limit_price is not None else row.limit_price,
            stop_price=word.stop_price if word.stop_price is not None else row.stop_price,
        )
        self._match(row.contract)
        return w.ModifyAnswer(order_id=word.order_id, outcome=w.Outcome.DONE)

    def close(self, word: w.CloseContract) -> w.CloseAnswer:
        lots = self.lots.get(word.contract, 0)
        answer = w.CloseAnswer(
            close_id=word.close_id, contract=word.contract, outcome=w.Outcome.DONE
        )
        if not lots:
            return replace(answer, outcome=w.Outcome.REFUSED, text="PositionNotFound")
        if self.refuse_closes:
            self.refuse_closes -= 1
            return replace(answer, outcome=w.Outcome.REFUSED, text="OrderRejected")
        row = self._new(
            contract=word.contract,
            side=Side.SELL if lots > 0 else Side.BUY,
            size=abs(lots),
            type=OrderType.MARKET,
            status=Status.PENDING,
        )
        self._show(row)
        if not self.slow_close:
            self._fill(row.order_id, row.size, self.prices[row.contract])
        return answer

    def books(self, word: w.ReadBooks) -> w.Books:
        rows = [
            row
            for row in self.orders.values()
            if row.status in LIVE or (word.since_ns and row.created_ns >= word.since_ns)
        ]
        return w.Books(
            read_id=word.read_id,
            orders=tuple(rows),
            positions=tuple(self._position(c) for c, lots in self.lots.items() if lots),
            trades=tuple(t for t in self.trades.values() if t.venue_ns >= word.trades_since_ns),
            account=account_row() if word.account else None,
            quota_left=100,
        )

    # -- the market and other hands ------------------------------------------------------------

    def move(self, contract: str, price: int) -> None:
        self.prices[contract] = price
        self._match(contract)

    def human(self, contract: str, signed: int) -> None:
        row = self._new(
            contract=contract,
            side=Side.BUY if signed > 0 else Side.SELL,
            size=abs(signed),
            type=OrderType.MARKET,
            status=Status.PENDING,
        )
        self._show(row)
        self._fill(row.order_id, row.size, self.prices[contract])

    def void(self, trade_id: int) -> None:
        row = self.trades[trade_id] = replace(self.trades[trade_id], voided=True)
        self.lots[row.contract] = self.lots.get(row.contract, 0) - row.side * row.size
        self.hub(w.TradeSeen(row=row))

    def fill(self, order_id: int, size: int) -> None:
        row = self.orders[order_id]
        self._fill(order_id, size, row.limit_price or self.prices[row.contract])

    # -- inside --------------------------------------------------------------------------------

    def _new(self, **fields: Any) -> OrderRow:
        self.next_id += 1
        self.now_ns += 1_000
        row = OrderRow(
            order_id=self.next_id,
            account_id=ACCOUNT,
            filled=0,
            created_ns=self.now_ns,
            updated_ns=self.now_ns,
            **fields,
        )
        self.orders[row.order_id] = row
        return row

    def _legs(self, entry: OrderRow, word: w.PlaceOrder) -> None:
        sides = {"side": Side(-entry.side), "contract": entry.contract, "size": entry.size}
        for suffix, kind, wanted in (
            ("-SL", OrderType.STOP, word.stop_loss_ticks),
            ("-TP", OrderType.LIMIT, word.take_profit_ticks),
        ):
            if wanted:
                leg = self._new(
                    type=kind,
                    status=Status.SUSPENDED,
                    tag=entry.tag + suffix,
                    parent_id=entry.order_id,
                    **sides,
                )
                self._show(leg)

    def _children(self, order_id: int) -> list[OrderRow]:
        return [row for row in self.orders.values() if row.parent_id == order_id]

    def _show(self, row: OrderRow) -> None:
        self.hub(w.OrderSeen(row=row))

    def _put(self, order_id: int, *, changed: bool = False, **fields: Any) -> OrderRow:
        self.now_ns += 1_000
        if changed:
            fields["updated_ns"] = self.now_ns
        row = self.orders[order_id] = replace(self.orders[order_id], **fields)
        self._show(row)
        return row

    def _match(self, contract: str) -> None:
        price = self.prices[contract]
        for row in list(self.orders.values()):
            row = self.orders[row.order_id]
            if row.contract != contract or row.status is not Status.OPEN:
                continue
            buys = row.side is Side.BUY
            if row.type is OrderType.MARKET:
                hit = True
            elif row.type is OrderType.LIMIT:
                assert row.limit_price is not None
                hit = price <= row.limit_price if buys else price >= row.limit_price
            else:
                assert row.stop_price is not None
                hit = price >= row.stop_price if buys else price <= row.stop_price
            if hit:
                left = row.size - row.filled
                self._fill(row.order_id, min(left, self.partly or left), price)

    def _fill(self, order_id: int, size: int, price: int) -> None:
        row = self.orders[order_id]
        filled = row.filled + size
        over = filled == row.size
        self._put(order_id, filled=filled, status=Status.FILLED if over else Status.OPEN)
        self.next_id += 1
        trade = TradeRow(
            trade_id=10_000_000 + self.next_id,
            account_id=ACCOUNT,
            order_id=order_id,
            contract=row.contract,
            side=row.side,
            size=size,
            price=price,
            fee=610_000 * size,
            profit=None,
            venue_ns=self.now_ns,
        )
        self.trades[trade.trade_id] = trade
        self.hub(w.TradeSeen(row=trade))
        self.lots[row.contract] = self.lots.get(row.contract, 0) + row.side * size
        self.hub(w.PositionSeen(row=self._position(row.contract)))
        self._bracket_step(self.orders[order_id], price)

    def _bracket_step(self, row: OrderRow, price: int) -> None:
        if row.order_id in self.brackets:
            loss, profit = self.brackets[row.order_id]
            for leg in self._children(row.order_id):
                stop = leg.type is OrderType.STOP
                away = -loss if stop else profit
                level = leg.stop_price or leg.limit_price or price + row.side * away
                prices = {"stop_price" if stop else "limit_price": level}
                if leg.status in LIVE:
                    self._put(
                        leg.order_id, status=Status.OPEN, size=row.filled, changed=True, **prices
                    )
        if row.parent_id and row.status is Status.FILLED:
            for sibling in self._children(row.parent_id):
                if sibling.order_id != row.order_id and sibling.status in LIVE:
                    self._put(sibling.order_id, status=Status.CANCELLED, changed=True)

    def _position(self, contract: str) -> PositionRow:
        nanos = self.prices[contract] * 250_000_000
        return PositionRow(
            position_id=1,
            account_id=ACCOUNT,
            contract=contract,
            lots=self.lots.get(contract, 0),
            average_nanos=nanos,
            created_ns=self.now_ns,
        )


def account_row(**changes: Any) -> AccountRow:
    row = AccountRow(
        account_id=ACCOUNT,
        name="SIM-50K-1",
        balance=50_000_000_000,
        can_trade=True,
        visible=True,
        simulated=True,
    )
    return replace(row, **changes)
