"""An account's books: orders, trades, positions, tags, money. No market, no protocol.

Conservation, asserted at every fill: balance = start + profit of all trades - their fees - payouts,
and a position is the sum of its fills. An order that is over moves from `live` to `done`; a tag is
used for ever, also by an order that was rejected.

Limits: `ORDERS_KEPT` finished orders and `TRADES_KEPT` trades stay visible to searches (several
busy sessions); sums are over all time. Tags are kept as 64-bit digests in one sorted array, eight
bytes each; half a million of them (a month of quoting) have a chance below 1e-8 to confuse one
with a stranger, which would then be refused.

Ids of orders, trades and positions are the venue's: one row of numbers for all accounts (`Ids`).
What the firm allows an account stands in `firm` (`firm.py`); `bailiff.py` carries it out.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from hashlib import blake2b
from typing import Final

from msgspec import Struct, field

from services.simulator.firm import Standing
from shared.contracts import Product, product_of
from shared.domain.orders import Happening, move
from shared.domain.positions import Position
from shared.domain.rules.account import Terms
from shared.events import TERMINAL, OrderState
from shared.units import USD, Lots, Micros, Nanos, Ticks

ORDERS_KEPT: Final = 5_000
TRADES_KEPT: Final = 5_000
SLACK: Final = 512  # trimmed in lumps

ACCOUNT_ID: Final = 20_411_873
FIRST_ORDER: Final = 3_511_002_001
FIRST_TRADE: Final = 3_019_000_101
FIRST_POSITION: Final = 825_300_111


class Order(Struct, kw_only=True):
    """One order. `kind` is the venue's number (codes.OrderKind), `side` 1 buys, -1 sells.

    `state` moves by the house's table; SENT is the venue's "pending". `value` is the sum of price x
    lots filled. Brackets: `stop_loss`, `take_profit` are the signed tick distances wished for, on
    the entry; `trail` on a leg that is suspended is its distance, on a trailing stop its trail.
    """

    id: int
    account: int = ACCOUNT_ID
    contract: str
    kind: int
    side: int
    size: Lots
    created_ns: Nanos
    updated_ns: Nanos
    state: OrderState = OrderState.SENT
    filled: Lots = 0
    value: int = 0
    limit: Ticks | None = None
    stop: Ticks | None = None
    trail: int | None = None
    tag: str | None = None
    parent: int = 0
    stop_leg: int = 0  # on an entry: its stop-loss order
    profit_leg: int = 0  # on an entry: its take-profit order
    sibling: int = 0  # on a leg: the other one
    forced: bool = False  # the firm's own: a liquidation, a settlement

    @property
    def left(self) -> Lots:
        return self.size - self.filled

    @property
    def over(self) -> bool:
        return self.state in TERMINAL

    def happen(self, happening: Happening, now_ns: Nanos, *, touch: bool = True) -> None:
        """Move by the table. A fill does not touch the update time, as at the venue."""
        self.state = move(self.state, happening)
        if touch:
            self.updated_ns = now_ns


class Deal(Struct, kw_only=True):
    """One fill of ours. `profit` is None where it only opened. `commission` is told apart from
    `fee` where the venue does so, else it is in it.
    """

    id: int
    account: int = ACCOUNT_ID
    order_id: int
    contract: str
    side: int
    lots: Lots
    price: Ticks
    fee: Micros
    commission: Micros = 0
    profit: Micros | None
    at_ns: Nanos


class Holding(Struct, kw_only=True):
    """The net position in a contract; `id` and `since_ns` are of the present position."""

    id: int = 0
    since_ns: Nanos = 0
    position: Position = field(default_factory=Position)


class Ids(Struct, kw_only=True):
    """The next number of each kind; shared by every account of the venue."""

    order: int = FIRST_ORDER
    deal: int = FIRST_TRADE
    position: int = FIRST_POSITION

    def next_order(self) -> int:
        self.order += 1
        return self.order - 1

    def next_deal(self) -> int:
        self.deal += 1
        return self.deal - 1

    def next_position(self) -> int:
        self.position += 1
        return self.position - 1


class AccountState(Struct, kw_only=True):
    """`auto_oco` False: the account is in Position Brackets mode, with its dollar distances (0:
    none); `guards` are then the orders that protect a contract's position (stop, target).
    """

    id: int = ACCOUNT_ID
    name: str
    start: Micros
    balance: Micros
    can_trade: bool = True
    profit: Micros = 0
    fees: Micros = 0
    paid_out: Micros = 0
    fills: int = 0
    volume: Lots = 0
    live: dict[int, Order] = {}
    done: dict[int, Order] = {}
    deals: list[Deal] = []
    holdings: dict[str, Holding] = {}
    tags: bytes = b""
    tags_refused: int = 0
    terms: Terms  # the firm's, as they were when the account was opened
    firm: Standing
    restricted: dict[str, Lots] = {}  # product -> contracts, where the firm allows fewer now
    auto_oco: bool = True
    guard_stop: Micros = 0
    guard_target: Micros = 0
    guards: dict[str, tuple[int, int]] = {}


class Account:
    """One account. `ids`: the venue's, when it shares them with others. `apart`: commissions are
    told beside the fees.
    """

    def __init__(self, state: AccountState, ids: Ids | None = None, *, apart: bool = False) -> None:
        self.state = state
        self._apart = apart
        self._ids = ids or Ids()
        self._tags = array("Q", state.tags)

    def freeze(self) -> AccountState:
        """The state with everything in it, for a snapshot."""
        self.state.tags = self._tags.tobytes()
        return self.state

    # -- orders ------------------------------------------------------------------------------------

    def use_tag(self, tag: str) -> bool:
        """Take a tag for ever; False if it was used before."""
        digest = int.from_bytes(blake2b(tag.encode(), digest_size=8).digest(), "big")
        place = bisect_left(self._tags, digest)
        if place < len(self._tags) and self._tags[place] == digest:
            self.state.tags_refused += 1
            return False
        self._tags.insert(place, digest)
        return True

    @property
    def tags_used(self) -> int:
        return len(self._tags)

    def next_id(self) -> int:
        return self._ids.next_order()

    def add(self, order: Order) -> Order:
        assert order.id not in self.state.live, "Invariant: order ids are new"
        self.state.live[order.id] = order
        return order

    def find(self, order_id: int) -> Order | None:
        return self.state.live.get(order_id) or self.state.done.get(order_id)

    def live(self, order_id: int) -> Order:
        return self.state.live[order_id]

    def close_file(self, order: Order) -> None:
        """An order that is over leaves the live ones; the oldest finished are forgotten."""
        assert order.over, f"Invariant: {order.id} is over, but it was {order.state}"
        del self.state.live[order.id]
        done = self.state.done
        done[order.id] = order
        if len(done) > ORDERS_KEPT + SLACK:
            for order_id in list(done)[:SLACK]:
                del done[order_id]

    # -- fills -------------------------------------------------------------------------------------

    def book(self, order: Order, price: Ticks, lots: Lots, now_ns: Nanos) -> Deal:
        """Count a fill: order, position, money. Returns the trade."""
        state = self.state
        product = product_of(order.contract)
        order.filled += lots
        order.value += price * lots
        assert 0 < order.filled <= order.size, "Invariant: filled stays within the order"
        realised = self._hold(order, price, lots, now_ns)
        commission = _commission_side(product) * lots if self._apart else 0
        deal = Deal(
            id=self._ids.next_deal(),
            account=state.id,
            order_id=order.id,
            contract=order.contract,
            side=order.side,
            lots=lots,
            price=price,
            fee=product.fee_side_micros * lots - commission,
            commission=commission,
            profit=None if realised is None else realised * product.tick_micros,
            at_ns=now_ns,
        )
        state.profit += deal.profit or 0
        state.fees += deal.fee + commission
        state.fills += 1
        state.firm.traded = True
        state.volume += lots
        state.balance += (deal.profit or 0) - deal.fee - commission
        state.deals.append(deal)
        if len(state.deals) > TRADES_KEPT + SLACK:
            del state.deals[:SLACK]
        self.check()
        return deal

    def _hold(self, order: Order, price: Ticks, lots: Lots, now_ns: Nanos) -> int | None:
        """Move the position; what it realised in tick-lots, None if nothing was closed."""
        state = self.state
        holding = state.holdings.setdefault(order.contract, Holding())
        before = holding.position.lots
        if not before:
            holding.id, holding.since_ns = self._ids.next_position(), now_ns
        signed = order.side * lots
        realised = holding.position.apply(signed, price)
        return realised if before * signed < 0 else None

    def check(self) -> None:
        state = self.state
        assert state.balance == state.start + state.profit - state.fees - state.paid_out, (
            "Invariant: balance = start + profit - fees - payouts"
        )

    def pay(self, amount: Micros) -> None:
        """Book a payout, gross."""
        self.state.balance -= amount
        self.state.paid_out += amount
        self.check()

    # -- positions ---------------------------------------------------------------------------------

    def lots(self, contract: str) -> Lots:
        """Signed size held in a contract."""
        holding = self.state.holdings.get(contract)
        return holding.position.lots if holding else 0

    def held(self) -> list[tuple[str, Position]]:
        """Every open position with its contract."""
        return [
            (contract, row.position)
            for contract, row in self.state.holdings.items()
            if row.position.lots
        ]

    def working(self, contract: str) -> tuple[Lots, Lots]:
        """(buys, sells) that could still fill and are no protective legs."""
        buys = sells = 0
        for order in self.state.live.values():
            if order.contract == contract and not order.parent:
                if order.side > 0:
                    buys += order.left
                else:
                    sells += order.left
        return buys, sells


def _commission_side(product: Product) -> Micros:
    """The firm's commission in a product's fee, per contract and side: 0.50 $ for minis, 0.25 $ for
    micros (cheaper products than a mini's commission are micros, whatever they weigh).
    """
    half = USD // 2
    return half if product.mini_tenths >= 10 and product.fee_side_micros > half else half // 2
