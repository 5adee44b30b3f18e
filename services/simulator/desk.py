"""What changes something: place and close. Checks in the venue's order, with its own texts.

Modify and cancel are in `desk_changes.py`, prices in `desk_prices.py`. A request is judged when it
comes in, against the book and the position as they are then, and carried out after the latency;
what changed in between is the caller's risk, as at the venue. Two closes in flight therefore both
go out at the size seen when each was asked, and together may turn the position around.

Order of checks for a new order: account, contract, tag, type, size, side, trading hours, quote,
trail, prices, brackets, size of position. A refused order exists (status 5), has an id and keeps
its tag. New orders are refused from the firm's flat-by time to the next opening; cancels always
work, modifies and closes until the exchange closes. An account the firm has locked is refused with
code 4 (account violation), without an order; while the firm itself closes a contract, no other
close is taken.

The cap counts what could be held: per contract the worse of position with working buys and working
sells against it, bracket legs left out, summed over contracts in tenths of a mini. An order that
adds to that sum beyond the cap is refused; `cap_counts_working` off counts positions alone.
"""

from __future__ import annotations

from typing import Final

from services.simulator import brackets, listing
from services.simulator.accounts import Account, Order
from services.simulator.bailiff import closing_order
from services.simulator.desk_changes import Changes
from services.simulator.desk_prices import (
    BAD_SIZE,
    OUT_OF_RANGE,
    Refused,
    aligned,
    in_reach,
    quoted,
    trades_now,
    trail_distance,
)
from services.simulator.dice import Delay, Dice, seed_of
from services.simulator.exchange import Exchange
from services.simulator.exchange_state import UNAVAILABLE
from services.simulator.market import Hours
from services.simulator.words import Unanswered
from shared.contracts import product_of
from shared.domain.orders import Happening
from shared.domain.rules.caps import fits, weight
from shared.domain.rules.sizing import exposure
from shared.units import Lots, Nanos
from shared.venue import words as venue
from shared.venue.answers import Acknowledged, AnyResponse, PlaceResponse
from shared.venue.codes import (
    CloseError,
    OrderKind,
    PartialCloseError,
    PlaceError,
    VenueSide,
)

TAG_USED: Final = "Specified custom tag is already in use"
TAG_TOO_LONG: Final = "Specified custom tag is too long"
OUT_OF_HOURS: Final = "Outside of trading hours."  # the wording of 2025
TRAIL_MAX: Final = 1_000
PLACEABLE: Final = (
    OrderKind.LIMIT,
    OrderKind.MARKET,
    OrderKind.STOP,
    OrderKind.TRAILING_STOP,
    OrderKind.JOIN_BID,
    OrderKind.JOIN_ASK,
)
TOO_LARGE: Final = "Not enough margin."


class Desk:
    """Requests that change something."""

    def __init__(
        self,
        exchange: Exchange,
        hours: Hours,
        *,
        acknowledge: Delay,
    ) -> None:
        self._exchange = exchange
        self._accounts = exchange.accounts
        self._hours = hours
        self._acknowledge = acknowledge
        self._customs = exchange.customs
        changes = Changes(exchange, hours)
        self.modify = changes.modify
        self.cancel = changes.cancel

    def _open(self, now_ns: Nanos, contract: str) -> bool:
        return trades_now(self._exchange, self._hours, now_ns, contract)

    def _delay_of(self, now_ns: Nanos, call_id: int) -> Nanos:
        """How long the engine's word is under way to who asked; a dice throw of its own."""
        return self._acknowledge.draw(Dice(seed_of(now_ns, "acknowledge", call_id)))

    # -- place -------------------------------------------------------------------------------------

    def place(self, now_ns: Nanos, call_id: int, request: venue.PlaceOrder) -> None:
        exchange, day = self._exchange, self._hours.day(now_ns)
        account = self._accounts.get(request.account_id)
        if account is None:
            return exchange.answer(call_id, _placed(PlaceError.ACCOUNT_NOT_FOUND))
        if self._rejected(account):
            return exchange.answer(call_id, _placed(PlaceError.ACCOUNT_REJECTED))
        if listing.known(request.contract_id, day.day) is None:
            return exchange.answer(call_id, _placed(PlaceError.CONTRACT_NOT_FOUND))
        if not account.state.can_trade:
            return exchange.answer(call_id, _placed(PlaceError.ACCOUNT_VIOLATION))
        if request.contract_id != listing.front(product_of(request.contract_id), day.day):
            return exchange.answer(call_id, _placed(PlaceError.CONTRACT_NOT_ACTIVE))
        order = _order_of(account, now_ns, request)
        stop, profit = brackets.wanted(request, self._customs.unsigned_ticks)
        ids = (account.next_id() if stop else 0, account.next_id() if profit else 0)
        try:
            self._judge_form(account, order, request)
            self._judge_hours(now_ns, order.contract)
            self._judge_prices(order, request)
            complaint = brackets.refusal(order.side, stop, profit, account.state.auto_oco)
            if complaint:
                raise Refused(complaint)
            self._room_for(account, order)
        except Refused as refused:
            return self._reject(now_ns, call_id, order, str(refused))
        legs = brackets.legs(order, stop, profit, ids)
        for leg in legs:
            if leg is not None and leg.tag is not None:
                account.use_tag(leg.tag)
        exchange.accept(order, legs, now_ns)
        faults = exchange.state.faults
        if faults.lose_answers:
            faults.lose_answers -= 1
            exchange.said.append(Unanswered(call_id=call_id))
            return None
        response = PlaceResponse(success=True, order_id=order.id)
        if exchange.pending():
            response = _placed(PlaceError.ORDER_PENDING)
        return exchange.answer(call_id, response, self._delay_of(now_ns, call_id))

    def _judge_form(self, account: Account, order: Order, request: venue.PlaceOrder) -> None:
        """What can be said without clock or market; the tag is taken here. Raises Refused."""
        if order.tag is not None and len(order.tag) > self._customs.tag_length_max:
            raise Refused(TAG_TOO_LONG)
        if order.tag is not None and not account.use_tag(order.tag):
            raise Refused(TAG_USED)
        stop_limit = order.kind == OrderKind.STOP_LIMIT and self._customs.stop_limit
        if order.kind not in PLACEABLE and not stop_limit:
            raise Refused("Invalid order type specified")
        if order.size <= 0:
            raise Refused(BAD_SIZE)
        if request.side not in tuple(VenueSide):
            raise Refused("Invalid order side specified")

    def _judge_hours(self, now_ns: Nanos, contract: str) -> None:
        """Raises Refused when nothing can be opened now."""
        day = self._hours.day(now_ns)
        faults = self._exchange.state.faults
        if faults.reject_orders:
            faults.reject_orders -= 1
            raise Refused(UNAVAILABLE)
        if now_ns >= day.flat_by_ns or not self._open(now_ns, contract):
            raise Refused(OUT_OF_HOURS if self._customs.hours_text == "old" else UNAVAILABLE)

    def _judge_prices(self, order: Order, request: venue.PlaceOrder) -> None:
        """Sets the order's prices. Raises Refused."""
        book = quoted(self._exchange, order.contract)
        product = product_of(order.contract)
        if order.kind == OrderKind.TRAILING_STOP:
            order.trail = trail_distance(request.trail_price, book, product)
            if order.trail > TRAIL_MAX:  # a modify knows no such limit
                raise Refused(f"Trail Distance exceeds maximum ({TRAIL_MAX})")
            order.stop = book.state.last + order.side * order.trail
        if order.kind in (OrderKind.LIMIT, OrderKind.STOP_LIMIT):
            order.limit = aligned(request.limit_price, product, "limit")
            if order.limit is None or not in_reach(order.limit, book):
                raise Refused(OUT_OF_RANGE)
        if order.kind in (OrderKind.STOP, OrderKind.STOP_LIMIT):
            order.stop = aligned(request.stop_price, product, "stop")
            if order.stop is None or not in_reach(order.stop, book):
                raise Refused(OUT_OF_RANGE)
            if book.reached(order.side, order.stop):
                raise Refused(OUT_OF_RANGE)

    def _room_for(self, account: Account, order: Order) -> None:
        """The account's largest position, and that of a product the firm restricts. Raises Refused
        for an order that would pass one of them.
        """
        if not fits(
            self._exposed(account, None), self._exposed(account, order), account.state.firm.cap
        ):
            raise Refused(TOO_LARGE)
        product = product_of(order.contract)
        most = account.state.restricted.get(product.root)
        if most is not None and not fits(
            self._exposed(account, None, product.root),
            self._exposed(account, order, product.root),
            weight(most, product.mini_tenths),
        ):
            raise Refused(TOO_LARGE)

    def _exposed(self, account: Account, more: Order | None, root: str = "") -> Lots:
        """What could be held at worst, in tenths of a mini, with one order more; of one product
        when it is named.
        """
        contracts = dict.fromkeys(contract for contract, _ in account.held())
        if self._customs.cap_counts_working:
            contracts |= dict.fromkeys(order.contract for order in account.state.live.values())
        if more is not None:
            contracts[more.contract] = None
        total = 0
        for contract in contracts:
            if root not in ("", product_of(contract).root):
                continue
            buys = sells = 0
            if self._customs.cap_counts_working:
                buys, sells = account.working(contract)
            if more is not None and more.contract == contract:
                buys += more.size if more.side > 0 else 0
                sells += more.size if more.side < 0 else 0
            worst = max(exposure(account.lots(contract), buys, sells))
            total += weight(worst, product_of(contract).mini_tenths)
        return total

    def _reject(self, now_ns: Nanos, call_id: int, order: Order, text: str) -> None:
        order.limit = order.stop = order.trail = None
        account = self._exchange.of(order)
        account.add(order)
        order.happen(Happening.REJECTED, now_ns)
        account.close_file(order)
        self._exchange.tell_order(order)
        answer = PlaceResponse(
            success=False,
            error_code=PlaceError.ORDER_REJECTED.value,
            error_message=text,
            order_id=order.id,
        )
        self._exchange.answer(call_id, answer)

    # -- close -------------------------------------------------------------------------------------

    def close(self, now_ns: Nanos, call_id: int, request: venue.PositionClose) -> None:
        account, contract = self._accounts.get(request.account_id), request.contract_id
        code = CloseError(self._closable(now_ns, account, contract))
        if account is not None and self._rejected(account):
            code = CloseError.ACCOUNT_REJECTED
        elif code is CloseError.SUCCESS and account is not None:
            if not self._tradable(now_ns, account, contract):
                code = CloseError.ORDER_REJECTED
            else:
                self._close(now_ns, account, contract)
                if self._exchange.pending():
                    code = CloseError.ORDER_PENDING
        self._exchange.answer(call_id, _done(code), self._delay_of(now_ns, call_id))

    def partial_close(
        self, now_ns: Nanos, call_id: int, request: venue.PositionPartialClose
    ) -> None:
        account, contract = self._accounts.get(request.account_id), request.contract_id
        code = PartialCloseError(self._closable(now_ns, account, contract))
        if account is not None and self._rejected(account):
            code = PartialCloseError.ACCOUNT_REJECTED
        elif code is PartialCloseError.SUCCESS and account is not None:
            if not 0 < request.size <= abs(account.lots(contract)):
                code = PartialCloseError.INVALID_CLOSE_SIZE
            elif not self._tradable(now_ns, account, contract):
                code = PartialCloseError.ORDER_REJECTED
            else:
                self._close(now_ns, account, contract, request.size)
                if self._exchange.pending():
                    code = PartialCloseError.ORDER_PENDING
        self._exchange.answer(call_id, _done(code), self._delay_of(now_ns, call_id))

    def _rejected(self, account: Account) -> bool:
        """Whether the interface does not act for this account: it follows another or is live."""
        return account.state.name in self._customs.access

    def _closable(self, now_ns: Nanos, account: Account | None, contract: str) -> int:
        """What both closes check first; their codes 0 to 4 agree."""
        day = self._hours.day(now_ns).day
        if account is None:
            return CloseError.ACCOUNT_NOT_FOUND.value
        product = listing.known(contract, day)
        if product is None:
            return CloseError.CONTRACT_NOT_FOUND.value
        if listing.ended(contract, day):
            return CloseError.CONTRACT_NOT_ACTIVE.value
        held = account.lots(contract)
        return (CloseError.SUCCESS if held else CloseError.POSITION_NOT_FOUND).value

    def _tradable(self, now_ns: Nanos, account: Account | None, contract: str) -> bool:
        """Whether a close can go out: open, quoted, and not already being closed by the firm."""
        book = self._exchange.books.get(product_of(contract).root)
        quoted = self._open(now_ns, contract) and book is not None and bool(book.state.bid)
        live = account.state.live.values() if account else ()
        return quoted and not any(row.forced and row.contract == contract for row in live)

    def _close(
        self, now_ns: Nanos, account: Account, contract: str, lots: Lots | None = None
    ) -> None:
        """The venue's own market order: untagged, resting orders stay."""
        order = closing_order(account, contract, now_ns)
        order.size = lots or order.size
        self._exchange.accept(order, (None, None), now_ns)


def _order_of(account: Account, now_ns: Nanos, request: venue.PlaceOrder) -> Order:
    return Order(
        id=account.next_id(),
        account=account.state.id,
        contract=request.contract_id,
        kind=request.type,
        side=-1 if request.side == VenueSide.ASK else 1,
        size=request.size,
        created_ns=now_ns,
        updated_ns=now_ns,
        tag=request.custom_tag or None,
    )


def _placed(code: PlaceError) -> PlaceResponse:
    return PlaceResponse(success=False, error_code=code.value)


def _done(code: CloseError | PartialCloseError) -> AnyResponse:
    return Acknowledged(success=code.value == 0, error_code=code.value)
