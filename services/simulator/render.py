"""Books and books' events as the venue writes them: decimals, ISO text, numbers of enums.

Whole numbers become floats here and nowhere else in the room; each is an exact quotient rounded
once, so it prints in the short form the venue uses.
"""

from __future__ import annotations

from typing import Final

from msgspec import UNSET

from services.simulator.accounts import AccountState, Deal, Holding, Order
from services.simulator.history import RawBar
from services.simulator.listing import display_name
from shared.contracts import NANOS_PER_POINT, Product, price, product_of
from shared.events import OrderState
from shared.units import SECOND, USD, Nanos
from shared.venue import words as venue
from shared.venue.codes import OrderKind, PositionKind, VenueOrderStatus, VenueSide
from shared.venue.times import time_text

HUB_DIGITS: Final = 7

STATUS: Final = {
    OrderState.SENT: VenueOrderStatus.PENDING,
    OrderState.SUSPENDED: VenueOrderStatus.SUSPENDED,
    OrderState.WORKING: VenueOrderStatus.OPEN,
    OrderState.PARTIAL: VenueOrderStatus.OPEN,
    OrderState.FILLED: VenueOrderStatus.FILLED,
    OrderState.CANCELLED: VenueOrderStatus.CANCELLED,
    OrderState.EXPIRED: VenueOrderStatus.EXPIRED,
    OrderState.REJECTED: VenueOrderStatus.REJECTED,
}


def side_code(side: int) -> int:
    return VenueSide.BID.value if side > 0 else VenueSide.ASK.value


def account(state: AccountState, simulated: bool = True) -> venue.AccountModel:
    return venue.AccountModel(
        id=state.id,
        name=state.name,
        balance=state.balance / USD,
        can_trade=state.can_trade,
        is_visible=True,
        simulated=simulated,
    )


def order(row: Order, digits: int = 6) -> venue.OrderModel:
    """`digits` of a second: REST cuts at six, the hub shows seven."""
    product = product_of(row.contract)
    trails = row.trail is not None and (
        row.kind == OrderKind.TRAILING_STOP or row.state is OrderState.SUSPENDED
    )
    distance = row.trail if trails and row.trail is not None else 0
    return venue.OrderModel(
        id=row.id,
        account_id=row.account,
        contract_id=row.contract,
        symbol_id=f"F.US.{product.symbol}",
        creation_timestamp=time_text(row.created_ns, digits),
        update_timestamp=time_text(row.updated_ns, digits),
        status=STATUS[row.state].value,
        type=row.kind,
        side=side_code(row.side),
        size=row.size,
        limit_price=None if row.limit is None else price(row.limit, product),
        stop_price=None if row.stop is None else price(row.stop, product),
        fill_volume=row.filled,
        filled_price=_average(row.value, row.filled, product) if row.filled else None,
        custom_tag=row.tag,
        trail_distance=distance if trails else UNSET,
        trail_price=price(distance, product) if trails else UNSET,
        parent_order_id=row.parent or UNSET,
        linked_order_id=row.sibling if row.sibling and row.kind == OrderKind.LIMIT else UNSET,
    )


def _average(value: int, lots: int, product: Product) -> float:
    return value * product.tick_nanos / (lots * NANOS_PER_POINT)


def position(
    account_id: int,
    contract: str,
    row: Holding,
    *,
    digits: int = 6,
    average: float | None = None,
) -> venue.PositionModel:
    """A holding; `average` overrides it for one that has just gone flat."""
    lots = row.position.lots
    if average is None:
        average = _average(row.position.cost, lots, product_of(contract)) if lots else 0.0
    kind = PositionKind.LONG if lots > 0 else PositionKind.SHORT if lots else PositionKind.UNDEFINED
    return venue.PositionModel(
        id=row.id,
        account_id=account_id,
        contract_id=contract,
        contract_display_name=display_name(contract),
        creation_timestamp=time_text(row.since_ns, digits),
        type=kind.value,
        size=abs(lots),
        average_price=average,
    )


def deal(row: Deal, digits: int = 6) -> venue.TradeModel:
    """Commissions told apart are the hub's; REST leaves them out."""
    hub = digits == HUB_DIGITS
    return venue.TradeModel(
        id=row.id,
        account_id=row.account,
        contract_id=row.contract,
        creation_timestamp=time_text(row.at_ns, digits),
        price=price(row.price, product_of(row.contract)),
        profit_and_loss=None if row.profit is None else row.profit / USD,
        fees=row.fee / USD,
        commissions=row.commission / USD if hub and row.commission else UNSET,
        side=side_code(row.side),
        size=row.lots,
        voided=False,
        order_id=row.order_id,
    )


def bar(row: RawBar, product: Product) -> venue.BarModel:
    opened_ns, opened, high, low, close, volume = row
    return venue.BarModel(
        t=time_text(opened_ns),
        o=price(opened, product),
        h=price(high, product),
        l=price(low, product),
        c=price(close, product),
        v=volume,
    )


class Stamp:
    """Market times as text, fast: the calendar part is kept for as long as its second lasts."""

    def __init__(self) -> None:
        self._second = -1
        self._prefix = ""

    def text(self, instant: Nanos) -> str:
        """Milliseconds always written, as the market hub does."""
        second, rest = divmod(instant, SECOND)
        if second != self._second:
            self._second = second
            self._prefix = time_text(second * SECOND).removesuffix("+00:00")
        return f"{self._prefix}.{rest // 1_000_000:03d}+00:00"
