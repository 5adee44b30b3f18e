"""Asking the venue: each of the core's requests becomes one exchange and exactly one answer.

What the client reports (answered, not sent, unknown) is said in our own words and nothing is added:
a refusal is a refusal only when the venue said so. A read is complete or it is `Unread`; a row that
cannot be understood makes it so, because a list with a hole proves nothing. The one exception are
trades of products we have no ticks for: nothing of ours can have made them, and the position they
leave shows.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from services.order_router.words import (
    AccountSeen,
    AccountsSeen,
    AskPrice,
    Books,
    CancelAnswer,
    CancelOrder,
    CloseAnswer,
    CloseContract,
    Link,
    ModifyAnswer,
    ModifyOrder,
    ModifyProtection,
    OrderSeen,
    Outcome,
    PlaceAnswer,
    PlaceOrder,
    PlaceReducing,
    PositionSeen,
    PriceSeen,
    ReadBooks,
    TradeSeen,
    Unread,
)
from shared.contracts import UnknownContract
from shared.core import Word
from shared.events import OrderType
from shared.units import HOUR, MINUTE, Nanos
from shared.venue import answers, translate
from shared.venue import outcome as venue
from shared.venue import words as wire
from shared.venue.client import VenueClient
from shared.venue.codes import LIVE_STATUSES, BarUnit
from shared.venue.outcome import Reserve

PAGE: Final = 500
PAGES_MAX: Final = 10  # five thousand live orders are not ours
PRICE_OF_NS: Final[Nanos] = 4 * HOUR  # the newest bar may be as old as a break
ACTS_KEPT: Final = 4  # requests that a read in a hurry leaves for closes, stops and cancels

Gate = Callable[[], str | None]


class Unusable(Exception):
    """A read that proves nothing; the message says why."""


class Unsent(Unusable):
    """The request never left this computer."""


class Asker:
    """The venue's side of the port: requests of one account through one client."""

    def __init__(self, client: VenueClient) -> None:
        self.client = client
        self.account_id = 0

    def answer(
        self, word: Word, gate: Callable[[PlaceOrder | ModifyOrder], Gate]
    ) -> Coroutine[Any, Any, Word] | None:
        """The exchange that answers a word of the core; None where it asks the venue nothing.

        `gate` makes the last look of a request that may yet be void when its bytes leave.
        """
        match word:
            case PlaceOrder():
                return self.place(word, gate(word))
            case ModifyOrder():
                return self.modify(word, gate(word))
            case CancelOrder():
                return self.cancel(word)
            case CloseContract():
                return self.close(word)
            case ReadBooks():
                return self.books(word)
            case AskPrice():
                return self.price(word)
        return None

    # -- acts ----------------------------------------------------------------------------------

    async def place(self, word: PlaceOrder, gate: Gate) -> PlaceAnswer:
        trailing = word.type is OrderType.TRAILING_STOP
        request = translate.place_order(
            self.account_id,
            word.contract,
            side=word.side,
            size=word.size,
            type=word.type,
            tag=word.tag,
            limit_price=word.limit_price,
            stop_price=None if trailing else word.stop_price,
            trail_price=word.stop_price if trailing else None,
            stop_loss_ticks=word.stop_loss_ticks,
            take_profit_ticks=word.take_profit_ticks,
        )
        reserve = _reserve_of(word)
        found = await self.client.place(request, reserve, gate)
        outcome, text = told(found)
        order_id = getattr(found, "order_id", 0)
        if isinstance(found, venue.Answered):
            order_id = found.response.order_id or 0
            if found.ok and not order_id:
                outcome, text = Outcome.UNKNOWN, "success without an order id"
        return PlaceAnswer(tag=word.tag, outcome=outcome, order_id=order_id, text=text)

    async def modify(self, word: ModifyOrder, gate: Gate) -> ModifyAnswer:
        request = translate.modify_order(
            self.account_id,
            word.order_id,
            word.contract,
            size=word.size,
            limit_price=word.limit_price,
            stop_price=word.stop_price,
        )
        outcome, text = told(await self.client.modify(request, _reserve_of(word), gate))
        return ModifyAnswer(order_id=word.order_id, outcome=outcome, text=text)

    async def cancel(self, word: CancelOrder) -> CancelAnswer:
        request = wire.CancelOrder(account_id=self.account_id, order_id=word.order_id)
        outcome, text = told(await self.client.cancel(request))
        return CancelAnswer(order_id=word.order_id, outcome=outcome, text=text)

    async def close(self, word: CloseContract) -> CloseAnswer:
        request = wire.PositionClose(account_id=self.account_id, contract_id=word.contract)
        outcome, text = told(await self.client.close_position(request))
        return CloseAnswer(
            close_id=word.close_id, contract=word.contract, outcome=outcome, text=text
        )

    async def price(self, word: AskPrice) -> PriceSeen:
        """The close of the newest bar, however old: while a market stands still that is where."""
        start, end = translate.window(word.now_ns - PRICE_OF_NS, word.now_ns + MINUTE)
        assert end is not None, "Invariant: a window with an end has an end"
        request = wire.RetrieveBars(
            contract_id=word.contract,
            start_time=start,
            end_time=end,
            unit=int(BarUnit.MINUTE),
            unit_number=1,
            limit=2,
            include_partial_bar=True,
        )
        try:
            found = usable(await self.client.bars(request), "bars")
            rows = [translate.bar_row(row, word.contract) for row in answers.rows(found.bars)]
        except (Unusable, ValueError) as error:
            return PriceSeen(ask_id=word.ask_id, contract=word.contract, reason=str(error)[:200])
        newest = max(rows, key=lambda row: row.open_ns, default=None)
        price = newest.close if newest is not None else 0
        return PriceSeen(ask_id=word.ask_id, contract=word.contract, price=price)

    # -- reads ---------------------------------------------------------------------------------

    async def accounts(self) -> AccountsSeen | Link:
        """The accounts, or a Link that says why there are none to see."""
        try:
            found = usable(await self.client.accounts(), "accounts")
            rows = tuple(translate.account_row(row) for row in answers.rows(found.accounts))
        except (Unusable, ValueError) as error:
            return Link(up=False, reason=str(error))
        return AccountsSeen(accounts=rows)

    async def books(self, word: ReadBooks) -> Books | Unread:
        """Orders, then positions, then trades, then the account: all of it or nothing."""
        reserve = Reserve.SAFETY if word.urgent else Reserve.RECONCILE
        if why := self._too_dear(word, reserve):
            return await self._glance(word, why)
        try:
            orders = await self._orders(word, reserve)
            held = usable(await self.client.positions(self.account_id, reserve), "positions")
            positions = tuple(translate.position_row(row) for row in answers.rows(held.positions))
            trades = await self._trades(word, reserve)
            account = await self._account(reserve) if word.account else None
        except (Unusable, ValueError) as error:
            left = not isinstance(error, Unsent)
            return Unread(read_id=word.read_id, reason=str(error)[:200], left=left)
        return Books(
            read_id=word.read_id,
            orders=orders,
            positions=positions,
            trades=trades,
            account=account,
            quota_left=self.client.quota_left(),
        )

    def _too_dear(self, word: ReadBooks, reserve: Reserve) -> str:
        """A read that runs out of requests halfway proves nothing and has eaten those of the next
        close: it begins only if there are enough for all of it, and for some acts besides.
        """
        needs = 3 + bool(word.since_ns) + word.account + (ACTS_KEPT if word.urgent else 0)
        left = self.client.quota_left(reserve)
        enough = left >= needs
        return "" if enough else f"request budget {reserve.value}: {left} left, {needs} needed"

    async def _glance(self, word: ReadBooks, why: str) -> Unread:
        """What is held, for a single request, when a whole read is too dear: enough to see that
        something was filled unheard. It leaves safety what every exit leaves it.
        """
        if word.urgent:
            return Unread(read_id=word.read_id, reason=why, left=False)
        try:
            found = await self.client.positions(self.account_id, Reserve.EXIT)
            rows = answers.rows(usable(found, "positions").positions)
            held = tuple(translate.position_row(row) for row in rows)
        except (Unusable, ValueError) as error:
            left = not isinstance(error, Unsent)
            return Unread(read_id=word.read_id, reason=why, left=left)
        return Unread(read_id=word.read_id, reason=why, held=held)

    async def _orders(self, word: ReadBooks, reserve: Reserve) -> tuple[translate.OrderRow, ...]:
        """Live orders page by page (the query shows suspended legs), then history where asked."""
        rows: dict[int, translate.OrderRow] = {}
        statuses = tuple(int(status) for status in LIVE_STATUSES)
        for page in range(PAGES_MAX):
            request = wire.OrderQuery(
                filter=wire.QueryFilter(account_id=self.account_id, statuses=statuses),
                page_size=PAGE,
                page_offset=page * PAGE,
                sort_by=1,
                sort_direction=0,
            )
            found = usable(await self.client.query_orders(request, reserve), "orders")
            listed = answers.rows(found.orders)
            rows |= {row.id: translate.order_row(row) for row in listed}
            if len(listed) < PAGE:
                break
        else:
            raise Unusable(f"more than {PAGE * PAGES_MAX} live orders")
        if word.since_ns:
            start, _ = translate.window(word.since_ns)
            search = wire.OrderSearch(account_id=self.account_id, start_timestamp=start)
            history = usable(await self.client.orders(search, reserve), "order history")
            rows |= {row.id: translate.order_row(row) for row in answers.rows(history.orders)}
        return tuple(rows.values())

    async def _trades(self, word: ReadBooks, reserve: Reserve) -> tuple[translate.TradeRow, ...]:
        start, _ = translate.window(word.trades_since_ns)
        search = wire.TradeSearch(account_id=self.account_id, start_timestamp=start)
        found = usable(await self.client.trades(search, reserve), "trades")
        rows = []
        for row in answers.rows(found.trades):
            try:
                rows.append(translate.trade_row(row))
            except UnknownContract:
                continue
        return tuple(rows)

    async def _account(self, reserve: Reserve) -> translate.AccountRow | None:
        found = usable(await self.client.accounts(reserve=reserve), "account")
        for row in answers.rows(found.accounts):
            if row.id == self.account_id:
                return translate.account_row(row)
        raise Unusable(f"account {self.account_id} is not listed any more")


def _reserve_of(word: PlaceOrder | ModifyOrder) -> Reserve:
    """Whose requests an order or its change uses. What the router does by itself (stops, the
    limits of a flatten) has no deadline; what a sleeve asked for has that of its approval.
    """
    if not isinstance(word, (PlaceReducing, ModifyProtection)):
        return Reserve.TRADING
    return Reserve.EXIT if word.deadline_real_ns else Reserve.SAFETY


def told(found: venue.Outcome[Any]) -> tuple[Outcome, str]:
    """What became of a mutating request, and the venue's own text."""
    if isinstance(found, venue.NotSent):
        return Outcome.NOT_SENT, found.why
    if isinstance(found, venue.Unknown):
        return Outcome.UNKNOWN, found.why
    response = found.response
    if found.ok:
        return Outcome.DONE, response.error_message or ""
    return Outcome.REFUSED, response.error_message or f"code {response.error_code}"


def usable(found: venue.Outcome[Any], what: str) -> Any:
    """The response of a read. Raises Unusable, Unsent."""
    if isinstance(found, venue.NotSent):
        raise Unsent(f"{what}: {found.why}")
    if not isinstance(found, venue.Answered):
        raise Unusable(f"{what}: {found.why}")
    if not found.ok:
        response = found.response
        raise Unusable(f"{what}: code {response.error_code} {response.error_message or ''}".strip())
    return found.response


def seen(row: object) -> Word:
    """A row of a user event in our own words."""
    match row:
        case translate.OrderRow():
            return OrderSeen(row=row)
        case translate.TradeRow():
            return TradeSeen(row=row)
        case translate.PositionRow():
            return PositionSeen(row=row)
        case translate.AccountRow():
            return AccountSeen(row=row)
    raise AssertionError(f"no user event has a row like {row!r}")
