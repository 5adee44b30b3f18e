"""The router's side of the stage: what its port would do, at the venue's own words."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from services.order_router import words
from services.simulator.words import UserPush
from shared.core import Word
from shared.lab.world import Errand
from shared.units import MILLISECOND, SECOND, Nanos
from shared.venue import answers, codes, translate
from shared.venue import words as wire
from shared.venue.answers import AnyResponse

if TYPE_CHECKING:
    from services.stage import VenueStage

ACTOR = "order_router"


class RouterSide:
    """Link state, halt number and deadlines of the port; requests in flight live in the stage."""

    def __init__(self, stage: VenueStage) -> None:
        self.stage = stage
        self.epoch = 0
        self.attempt = 0  # the connection that is being made; answers to older ones are void
        self.account_id = 0
        self.halt_no = -1
        self.linked_ns = -1  # the hub delivers from then on; -1: not joined
        self.pipe_ns = 0  # a hub never reorders within a connection
        self.mute_ns: Nanos = 0
        self.last: deque[Word] = deque(maxlen=3)  # what an old connection may bring once more
        self.start_ns = 0
        self.progress: list[words.ReportProgress] = []

    def started(self, epoch: int, now_ns: Nanos) -> Iterable[Errand]:
        if not self.start_ns:
            self.start_ns = now_ns - SECOND
        self.epoch, self.halt_no, self.account_id = epoch, -1, 0
        return self.connect(now_ns)

    def connect(self, now_ns: Nanos) -> Iterable[Errand]:
        """Log in and look for accounts, as after every loss of the connection."""
        if not self.epoch:
            return ()
        self.linked_ns = -1
        self.attempt += 1
        seen = self._log_in(self.attempt)
        return (self._errand(words.Link(up=False, reason="connecting")), *seen)

    def carry(self, word: Word, now_ns: Nanos) -> Iterable[Errand]:
        match word:
            case words.PlaceOrder():
                return self._place(word, now_ns)
            case words.ModifyOrder():
                return self._modify(word, now_ns)
            case words.CancelOrder(order_id=order_id):
                request = wire.CancelOrder(account_id=self.account_id, order_id=order_id)
                return self.stage.ask(request, partial(self._cancelled, order_id))
            case words.CloseContract(contract=contract):
                close = wire.PositionClose(account_id=self.account_id, contract_id=contract)
                return self.stage.ask(close, partial(self._closed, word))
            case words.ReadBooks():
                return Reading(self, word).begin()
            case words.Join(account_id=account_id):
                self.account_id = account_id
                return self._link(now_ns, self.stage.delay())
            case words.Reconnect():
                return self.connect(now_ns)
            case words.KnowHalt(halt_no=halt_no):
                self.halt_no = max(self.halt_no, halt_no)
            case words.ReportProgress():
                self.progress.append(word)
        return ()

    def pushed(self, word: UserPush, now_ns: Nanos) -> Iterable[Errand]:
        """A user hub event: lost, doubled or late, never out of order on one connection."""
        if self.linked_ns < 0 or now_ns < self.linked_ns:
            return
        if self.stage.breaks():
            yield self._errand(words.Link(up=False, reason="hub dropped"))
            down_ns = self.stage.dice.randint(SECOND // 4, 2 * SECOND)
            if self.stage.overlaps():
                self.pipe_ns = 0
                for seen in self.last:
                    yield self._errand(seen, down_ns + self.stage.delay())
            yield from self._link(now_ns, down_ns)
            return
        self.mute_ns = max(self.mute_ns, self.stage.muted_until(now_ns))
        if now_ns < self.mute_ns:
            return
        self.pipe_ns = max(self.pipe_ns, now_ns + self.stage.delay())
        self.last.append(_seen(word))
        for _ in range(self.stage.copies()):
            yield self._errand(_seen(word), self.pipe_ns - now_ns)

    def _link(self, now_ns: Nanos, delay_ns: Nanos) -> Iterable[Errand]:
        self.linked_ns = now_ns + delay_ns
        return (self._errand(words.Link(up=True), delay_ns),)

    def _errand(self, word: Word, delay_ns: Nanos = 0) -> Errand:
        return Errand(ACTOR, word, delay_ns, self.epoch)

    def _log_in(self, attempt: int) -> Iterable[Errand]:
        request = wire.AccountSearch(only_active_accounts=True)
        return self.stage.ask(request, partial(self._accounts, attempt))

    def _accounts(self, attempt: int, response: AnyResponse | None) -> Iterable[Errand]:
        if attempt != self.attempt:
            return ()
        if not isinstance(response, answers.AccountsResponse):
            down = words.Link(up=False, reason="login failed")
            return (self._errand(down), *self._log_in(attempt))
        rows = tuple(translate.account_row(row) for row in answers.rows(response.accounts))
        return (self._errand(words.AccountsSeen(accounts=rows)),)

    # -- requests -------------------------------------------------------------------------------

    def _too_late(self, word: words.PlaceOrder | words.ModifyOrder, now_ns: Nanos) -> str:
        """The last look as the bytes leave."""
        if word.deadline_real_ns and now_ns - self.start_ns > word.deadline_real_ns:
            return "deadline"
        return "halted" if 0 <= word.halt_no < self.halt_no else ""

    def _place(self, word: words.PlaceOrder, now_ns: Nanos) -> Iterable[Errand]:
        if why := self._too_late(word, now_ns):
            answer = words.PlaceAnswer(tag=word.tag, outcome=words.Outcome.NOT_SENT, text=why)
            return (self._errand(answer),)
        request = translate.place_order(
            self.account_id,
            word.contract,
            side=word.side,
            size=word.size,
            type=word.type,
            tag=word.tag,
            limit_price=word.limit_price,
            stop_price=word.stop_price,
            stop_loss_ticks=word.stop_loss_ticks,
            take_profit_ticks=word.take_profit_ticks,
        )
        return self.stage.ask(request, partial(self._placed, word.tag))

    def _placed(self, tag: str, response: AnyResponse | None) -> Iterable[Errand]:
        outcome, text = outcome_of(wire.PlaceOrder, response)
        order_id = response.order_id if isinstance(response, answers.PlaceResponse) else None
        answer = words.PlaceAnswer(tag=tag, outcome=outcome, order_id=order_id or 0, text=text)
        return (self._errand(answer),)

    def _modify(self, word: words.ModifyOrder, now_ns: Nanos) -> Iterable[Errand]:
        if why := self._too_late(word, now_ns):
            answer = words.ModifyAnswer(
                order_id=word.order_id, outcome=words.Outcome.NOT_SENT, text=why
            )
            return (self._errand(answer),)
        request = translate.modify_order(
            self.account_id,
            word.order_id,
            word.contract,
            size=word.size,
            limit_price=word.limit_price,
            stop_price=word.stop_price,
        )
        return self.stage.ask(request, partial(self._modified, word.order_id))

    def _modified(self, order_id: int, response: AnyResponse | None) -> Iterable[Errand]:
        outcome, text = outcome_of(wire.ModifyOrder, response)
        return (self._errand(words.ModifyAnswer(order_id=order_id, outcome=outcome, text=text)),)

    def _cancelled(self, order_id: int, response: AnyResponse | None) -> Iterable[Errand]:
        outcome, text = outcome_of(wire.CancelOrder, response)
        return (self._errand(words.CancelAnswer(order_id=order_id, outcome=outcome, text=text)),)

    def _closed(self, word: words.CloseContract, response: AnyResponse | None) -> Iterable[Errand]:
        outcome, text = outcome_of(wire.PositionClose, response)
        answer = words.CloseAnswer(
            close_id=word.close_id, contract=word.contract, outcome=outcome, text=text
        )
        return (self._errand(answer),)


class Reading:
    """One ReadBooks: orders, then positions, then trades, then the account if asked for."""

    def __init__(self, side: RouterSide, word: words.ReadBooks) -> None:
        self.side, self.word = side, word
        self.orders: dict[int, translate.OrderRow] = {}
        self.positions: tuple[translate.PositionRow, ...] = ()
        self.trades: tuple[translate.TradeRow, ...] = ()

    def begin(self) -> Iterable[Errand]:
        statuses = tuple(int(status) for status in codes.LIVE_STATUSES)
        query = wire.QueryFilter(account_id=self.side.account_id, statuses=statuses)
        return self._ask(wire.OrderQuery(filter=query, page_size=500), self._live)

    def _ask(self, request: wire.Request, then) -> Iterable[Errand]:  # type: ignore[no-untyped-def]
        def checked(response: AnyResponse | None) -> Iterable[Errand]:
            if not isinstance(response, answers.Response) or not response.success:
                unread = words.Unread(read_id=self.word.read_id, reason="no answer")
                return (self.side._errand(unread),)
            found: Iterable[Errand] = then(response)
            return found

        return self.side.stage.ask(request, checked)

    def _live(self, response: answers.QueryResponse) -> Iterable[Errand]:
        self._keep(response.orders)
        if not self.word.since_ns:
            return self._next()
        start, _ = translate.window(self.word.since_ns)
        search = wire.OrderSearch(account_id=self.side.account_id, start_timestamp=start)
        return self._ask(search, self._since)

    def _since(self, response: answers.OrdersResponse) -> Iterable[Errand]:
        self._keep(response.orders)
        return self._next()

    def _keep(self, rows: tuple[wire.OrderModel | None, ...] | None) -> None:
        """An order read twice counts as last read."""
        self.orders |= {row.id: translate.order_row(row) for row in answers.rows(rows)}

    def _next(self) -> Iterable[Errand]:
        request = wire.PositionSearchOpen(account_id=self.side.account_id)
        return self._ask(request, self._held)

    def _held(self, response: answers.PositionsResponse) -> Iterable[Errand]:
        self.positions = tuple(
            translate.position_row(row) for row in answers.rows(response.positions)
        )
        start, _ = translate.window(self.word.trades_since_ns)
        request = wire.TradeSearch(account_id=self.side.account_id, start_timestamp=start)
        return self._ask(request, self._traded)

    def _traded(self, response: answers.TradesResponse) -> Iterable[Errand]:
        self.trades = tuple(translate.trade_row(row) for row in answers.rows(response.trades))
        if not self.word.account:
            return self._done(None)
        return self._ask(wire.AccountSearch(), self._accounted)

    def _accounted(self, response: answers.AccountsResponse) -> Iterable[Errand]:
        rows = (translate.account_row(row) for row in answers.rows(response.accounts))
        mine = [row for row in rows if row.account_id == self.side.account_id]
        return self._done(mine[0] if mine else None)

    def _done(self, account: translate.AccountRow | None) -> Iterable[Errand]:
        books = words.Books(
            read_id=self.word.read_id,
            orders=tuple(self.orders.values()),
            positions=self.positions,
            trades=self.trades,
            account=account,
            quota_left=200,
        )
        return (self.side._errand(books, MILLISECOND),)


def outcome_of(request: type[wire.Body], response: AnyResponse | None) -> tuple[words.Outcome, str]:
    """A mutating request's end: no answer, or one by which the venue itself does not know."""
    if not isinstance(response, answers.Response):
        return words.Outcome.UNKNOWN, "no answer"
    text = response.error_message or (f"code {response.error_code}" if response.error_code else "")
    if response.success:
        return words.Outcome.DONE, text
    uncertain = answers.ENDPOINT_OF[request].uncertain
    unknown = response.error_code in uncertain
    return (words.Outcome.UNKNOWN if unknown else words.Outcome.REFUSED), text


def _seen(word: UserPush) -> Word:
    match word.payload:
        case wire.OrderModel() as order:
            return words.OrderSeen(row=translate.order_row(order))
        case wire.TradeModel() as trade:
            return words.TradeSeen(row=translate.trade_row(trade))
        case wire.PositionModel() as position:
            return words.PositionSeen(row=translate.position_row(position))
        case wire.AccountModel() as account:
            return words.AccountSeen(row=translate.account_row(account))
