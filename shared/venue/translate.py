"""Between the venue's words and ours: decimals to ticks, dollars to micro-dollars, text to time.

Everything the venue says is doubted here once, so that nobody behind this file has to: a price off
its grid, a NaN, a null where a number belongs, an enum nobody knows raise ValueError naming field
and value. Rows come out as small frozen structs of whole numbers. Averages are not prices (they
need not lie on the grid), so they stay in 1e-9 points. A contract whose product is not in our table
can still be counted, cancelled and closed: its rows carry no prices and say `foreign`.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct, UnsetType

from shared.contracts import product_of
from shared.events import OrderType, Side
from shared.units import Lots, Micros, Nanos, Ticks
from shared.venue import words
from shared.venue.codes import OrderKind, PositionKind, VenueOrderStatus
from shared.venue.numbers import (
    is_known,
    lots_of,
    micros_of,
    nanos_of,
    price_of,
    side_of,
    ticks_of,
    venue_side,
)
from shared.venue.times import time_ns, time_text

TYPE_TO_VENUE: Final = {
    OrderType.LIMIT: OrderKind.LIMIT,
    OrderType.MARKET: OrderKind.MARKET,
    OrderType.STOP: OrderKind.STOP,
    OrderType.TRAILING_STOP: OrderKind.TRAILING_STOP,
    OrderType.JOIN_BID: OrderKind.JOIN_BID,
    OrderType.JOIN_ASK: OrderKind.JOIN_ASK,
}
TYPE_FROM_VENUE: Final = {kind: ours for ours, kind in TYPE_TO_VENUE.items()}


class OrderRow(Struct, frozen=True, kw_only=True):
    """An order as the venue tells it. `type` is None for kinds we never send (stop-limit).

    `tag` and `parent_id` are empty and 0 where the venue gave none; `trail_ticks`: signed offset
    from the entry's fill of a leg that waits for it; `foreign`: product unknown, no prices.
    """

    order_id: int
    account_id: int
    contract: str
    side: Side
    size: Lots
    filled: Lots
    status: VenueOrderStatus
    type: OrderType | None
    created_ns: Nanos
    limit_price: Ticks | None = None
    stop_price: Ticks | None = None
    average_nanos: int | None = None  # average fill price in 1e-9 points
    tag: str = ""
    parent_id: int = 0
    linked_id: int = 0
    trail_ticks: Ticks = 0
    updated_ns: Nanos = 0
    foreign: bool = False


class TradeRow(Struct, frozen=True, kw_only=True):
    """One fill of ours. `fee`: all that this side cost; `profit` is None on an opening fill."""

    trade_id: int
    account_id: int
    order_id: int
    contract: str
    side: Side
    size: Lots
    price: Ticks
    fee: Micros
    profit: Micros | None
    venue_ns: Nanos
    voided: bool = False


class PositionRow(Struct, frozen=True, kw_only=True):
    """A net position: `lots` signed, 0 when it went flat; average price in 1e-9 points."""

    position_id: int
    account_id: int
    contract: str
    lots: Lots
    average_nanos: int
    created_ns: Nanos


class AccountRow(Struct, frozen=True, kw_only=True):
    """`simulated` is false when the venue did not say so: what is not known is refused."""

    account_id: int
    name: str
    balance: Micros
    can_trade: bool
    visible: bool
    simulated: bool


class ContractRow(Struct, frozen=True, kw_only=True):
    """A listed contract with the venue's own idea of its tick."""

    contract: str
    name: str
    description: str
    tick_nanos: int
    tick_micros: Micros
    active: bool


class BarRow(Struct, frozen=True, kw_only=True):
    open_ns: Nanos
    open: Ticks
    high: Ticks
    low: Ticks
    close: Ticks
    volume: Lots


class UserEvent(Struct, frozen=True, kw_only=True):
    """A user hub event, unwrapped. `action` is None when the venue sent the payload flat."""

    target: str
    action: int | None
    row: OrderRow | TradeRow | PositionRow | AccountRow


# -- rows ------------------------------------------------------------------------------------------


def order_row(model: words.OrderModel) -> OrderRow:
    """Raises ValueError naming the order and the field."""
    where = f"order {model.id}"
    try:
        status = VenueOrderStatus(model.status)
        kind = OrderKind(model.type)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    size, filled = lots_of(model.size, f"{where} size"), model.fill_volume or 0
    if not 0 <= filled <= size:
        raise ValueError(f"{where} fillVolume was {filled} of size {size}")
    foreign = not is_known(model.contract_id)
    average, updated = model.filled_price, model.update_timestamp
    return OrderRow(
        order_id=model.id,
        account_id=model.account_id,
        contract=model.contract_id,
        side=side_of(model.side, f"{where} side"),
        size=size,
        filled=filled,
        status=status,
        type=TYPE_FROM_VENUE.get(kind),
        created_ns=time_ns(model.creation_timestamp, f"{where} creationTimestamp"),
        limit_price=None if foreign else _level(model, "limit_price", "limitPrice"),
        stop_price=None if foreign else _level(model, "stop_price", "stopPrice"),
        average_nanos=nanos_of(average, f"{where} filledPrice") if average else None,
        tag=model.custom_tag or "",
        parent_id=_given(model.parent_order_id) or 0,
        linked_id=_given(model.linked_order_id) or 0,
        trail_ticks=_given(model.trail_distance) or 0,
        updated_ns=time_ns(updated, f"{where} updateTimestamp") if updated else 0,
        foreign=foreign,
    )


def _level(model: words.OrderModel, member: str, field: str) -> Ticks | None:
    value = getattr(model, member)
    return ticks_of(value, model.contract_id, f"order {model.id} {field}") if value else None


def trade_row(model: words.TradeModel) -> TradeRow:
    """Raises ValueError; UnknownContract (a ValueError too) for a product we have no ticks for.

    The hub tells fees and commissions, REST often the fees alone: where commissions are missing,
    the published all-in fee of the product is taken if it is more.
    """
    where = f"trade {model.id}"
    product = product_of(model.contract_id)
    size = lots_of(model.size, f"{where} size")
    fee = micros_of(model.fees, f"{where} fees")
    commissions = _given(model.commissions)
    if commissions is None:
        fee = max(fee, product.fee_side_micros * size)
    else:
        fee += micros_of(commissions, f"{where} commissions")
    profit = model.profit_and_loss
    return TradeRow(
        trade_id=model.id,
        account_id=model.account_id,
        order_id=model.order_id,
        contract=model.contract_id,
        side=side_of(model.side, f"{where} side"),
        size=size,
        price=ticks_of(model.price, model.contract_id, f"{where} price"),
        fee=fee,
        profit=None if profit is None else micros_of(profit, f"{where} profitAndLoss"),
        venue_ns=time_ns(model.creation_timestamp, f"{where} creationTimestamp"),
        voided=model.voided,
    )


def position_row(model: words.PositionModel) -> PositionRow:
    """Raises ValueError when size and direction contradict each other."""
    where = f"position {model.id} of {model.contract_id}"
    size = lots_of(model.size, f"{where} size")
    signs = {PositionKind.LONG: 1, PositionKind.SHORT: -1}
    if size and model.type not in (PositionKind.LONG, PositionKind.SHORT):
        raise ValueError(f"{where} type was {model.type!r} with size {size}")
    return PositionRow(
        position_id=model.id,
        account_id=model.account_id,
        contract=model.contract_id,
        lots=size * signs[PositionKind(model.type)] if size else 0,
        average_nanos=nanos_of(model.average_price, f"{where} averagePrice"),
        created_ns=time_ns(model.creation_timestamp, f"{where} creationTimestamp"),
    )


def account_row(model: words.AccountModel) -> AccountRow:
    return AccountRow(
        account_id=model.id,
        name=model.name,
        balance=micros_of(model.balance, f"account {model.id} balance"),
        can_trade=model.can_trade,
        visible=model.is_visible,
        simulated=model.simulated is True,
    )


def contract_row(model: words.ContractModel) -> ContractRow:
    return ContractRow(
        contract=model.id,
        name=model.name,
        description=model.description,
        tick_nanos=nanos_of(model.tick_size, f"{model.id} tickSize"),
        tick_micros=micros_of(model.tick_value, f"{model.id} tickValue"),
        active=model.active_contract,
    )


def bar_row(model: words.BarModel, contract: str) -> BarRow:
    """Raises ValueError when the four prices contradict each other."""
    row = BarRow(
        open_ns=time_ns(model.t, f"{contract} bar t"),
        open=ticks_of(model.o, contract, "bar o"),
        high=ticks_of(model.h, contract, "bar h"),
        low=ticks_of(model.l, contract, "bar l"),
        close=ticks_of(model.c, contract, "bar c"),
        volume=model.v,
    )
    inside = row.low <= row.open <= row.high and row.low <= row.close <= row.high
    if row.volume < 0 or not inside:
        raise ValueError(f"{contract} bar {model.t} contradicts itself: {model}")
    return row


def _given(value: Any) -> Any:
    """None for what is unset: hubs leave members out where REST writes null."""
    return None if isinstance(value, UnsetType) else value


# -- user hub --------------------------------------------------------------------------------------


def unwrap(payload: object, field: str) -> tuple[int | None, dict[str, Any]]:
    """(action, data) of a user payload: wrapped `{action, data}` or flat. Raises ValueError."""
    if not isinstance(payload, dict):
        raise ValueError(f"{field} was {payload!r:.60}, which is not an object")
    if "data" not in payload:
        return None, payload
    data, action = payload["data"], payload.get("action")
    if not isinstance(data, dict):
        raise ValueError(f"{field} data was {data!r:.60}, which is not an object")
    return action if isinstance(action, int) and not isinstance(action, bool) else None, data


def user_event(target: str, args: object) -> UserEvent:
    """A user hub event from its argument list. Raises ValueError naming what was wrong."""
    if not isinstance(args, (list, tuple)) or not args:
        raise ValueError(f"{target} arguments were {args!r:.60}")
    action, data = unwrap(args[0], target)
    model_type = words.USER_TARGETS.get(target)
    if model_type is None:
        raise ValueError(f"{target!r} is no user event")
    try:
        model = msgspec.convert(data, model_type)
    except msgspec.ValidationError as error:
        raise ValueError(f"{target}: {error}") from None
    return UserEvent(target=target, action=action, row=row_of(model))


def row_of(model: words.UserPayload) -> OrderRow | TradeRow | PositionRow | AccountRow:
    match model:
        case words.OrderModel():
            return order_row(model)
        case words.TradeModel():
            return trade_row(model)
        case words.PositionModel():
            return position_row(model)
        case words.AccountModel():
            return account_row(model)


# -- requests --------------------------------------------------------------------------------------


def bracket_ticks(side: Side, stop_ticks: Ticks, target_ticks: Ticks) -> tuple[Ticks, Ticks]:
    """Positive distances as the venue's signed offsets from the fill: (stop-loss, take-profit)."""
    if stop_ticks < 0 or target_ticks < 0:
        raise ValueError(f"bracket distances were {stop_ticks} and {target_ticks}; they are >= 0")
    return -side.value * stop_ticks, side.value * target_ticks


def place_order(
    account_id: int,
    contract: str,
    *,
    side: Side,
    size: Lots,
    type: OrderType,
    tag: str,
    limit_price: Ticks | None = None,
    stop_price: Ticks | None = None,
    trail_price: Ticks | None = None,
    stop_loss_ticks: Ticks = 0,
    take_profit_ticks: Ticks = 0,
) -> words.PlaceOrder:
    """An order for the wire. Prices in ticks, bracket distances positive ticks (0: no leg)."""
    loss, profit = bracket_ticks(side, stop_loss_ticks, take_profit_ticks)
    return words.PlaceOrder(
        account_id=account_id,
        contract_id=contract,
        type=TYPE_TO_VENUE[type],
        side=venue_side(side),
        size=size,
        limit_price=_wire_price(limit_price, contract),
        stop_price=_wire_price(stop_price, contract),
        trail_price=_wire_price(trail_price, contract),
        custom_tag=tag or None,
        stop_loss_bracket=words.BracketModel(ticks=loss, type=OrderKind.STOP) if loss else None,
        take_profit_bracket=(
            words.BracketModel(ticks=profit, type=OrderKind.LIMIT) if profit else None
        ),
    )


def modify_order(
    account_id: int,
    order_id: int,
    contract: str,
    *,
    size: Lots | None = None,
    limit_price: Ticks | None = None,
    stop_price: Ticks | None = None,
) -> words.ModifyOrder:
    """A change for the wire; None leaves a member as it is."""
    return words.ModifyOrder(
        account_id=account_id,
        order_id=order_id,
        size=size,
        limit_price=_wire_price(limit_price, contract),
        stop_price=_wire_price(stop_price, contract),
    )


def _wire_price(count: Ticks | None, contract: str) -> float | None:
    return None if count is None else price_of(count, contract)


def window(start_ns: Nanos, end_ns: Nanos | None = None) -> tuple[str, str | None]:
    """Start and end of a search as the venue reads them."""
    return time_text(start_ns), None if end_ns is None else time_text(end_ns)
