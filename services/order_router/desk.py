"""The desk: what the router's parts share while one event is handled.

Memory, settings, the out tray, and the few ways of writing into memory that keep its indexes whole.
"""

from __future__ import annotations

from services.order_router.memory import (
    DONE_MAX,
    Book,
    Order,
    Saga,
    State,
)
from shared.events import Event, OrderState, OrderUpdate, Purpose, Scope
from shared.settings import Settings
from shared.units import DAY, SECOND, Lots, Nanos


class Desk:
    """What the parts of the router share while one event is handled: memory, settings, the out
    tray.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.state = State()
        self.now_ns: Nanos = 0
        self.out: list[Event] = []
        self.dirty: dict[str, None] = {}
        self.restored_step = 0  # what was said up to it is on record

    def say(self, event: Event) -> None:
        self.out.append(event)

    def number(self) -> int:
        """The next `no` of a published event."""
        self.state.no += 1
        return self.state.no

    def request_id(self) -> int:
        self.state.request += 1
        return self.state.request

    def passed_ns(self) -> Nanos:
        """An instant the venue's clock has surely passed: what it makes from now on is stamped
        later. Our own clock may be set wrong, so the venue's last stamp has the word.
        """
        return min(self.now_ns, self.state.venue_ns or max(0, self.now_ns - DAY))

    def stamped(self, venue_ns: Nanos) -> None:
        """The venue's clock has shown this."""
        self.state.venue_ns = max(self.state.venue_ns, venue_ns)

    def book(self, contract: str) -> Book:
        book = self.state.books.get(contract)
        if book is None:
            book = self.state.books[contract] = Book(contract=contract)
        return book

    def touch(self, contract: str) -> None:
        """Something about `contract` changed: protection looks at it before this step ends."""
        self.dirty[contract] = None

    def find(self, key: str) -> Order | None:
        return self.state.orders.get(key) or self.state.done.get(key)

    def by_id(self, order_id: int) -> Order | None:
        key = self.state.by_id.get(order_id)
        return None if key is None else self.find(key)

    def by_intent(self, intent_id: str) -> Order | None:
        key = self.state.by_intent.get(intent_id)
        return None if key is None else self.find(key)

    def live(self, contract: str) -> list[Order]:
        """Live orders of a contract, oldest first."""
        return [order for order in self.state.orders.values() if order.contract == contract]

    def add(self, order: Order) -> Order:
        assert order.key not in self.state.orders, "Invariant: a tag is used once"
        self.state.orders[order.key] = order
        if order.intent_id:
            self.state.by_intent[order.intent_id] = order.key
        if order.venue_id:
            self.state.by_id[order.venue_id] = order.key
        self.touch(order.contract)
        return order

    def link(self, order: Order, venue_id: int) -> None:
        """The venue's id of an order became known."""
        if venue_id and not order.venue_id:
            order.venue_id = venue_id
            self.state.by_id[venue_id] = order.key

    def shelve(self, order: Order) -> None:
        """Keep `order` where its state belongs: among the live or among the finished."""
        state = self.state
        if order.live:
            if order.key not in state.orders:
                state.done.pop(order.key, None)
                state.orders[order.key] = order
            return
        if state.orders.pop(order.key, None) is not None:
            state.done[order.key] = order
            if order.purpose is Purpose.NET_STOP and order.state is OrderState.REJECTED:
                self.book(order.contract).stop_trouble = True
            if order.purpose is Purpose.STOP_LOSS and order.state is not OrderState.FILLED:
                self.book(order.contract).leg_gone = True
        while len(state.done) > DONE_MAX:
            old = state.done.pop(next(iter(state.done)))
            state.by_id.pop(old.venue_id, None)
            state.owed.pop(old.key, None)
            if old.intent_id:
                state.by_intent.pop(old.intent_id, None)

    def tell(self, order: Order, reason: str = "") -> None:
        """Publish where `order` stands."""
        self.touch(order.contract)
        self.book(order.contract).acted = self.state.step
        self.say(
            OrderUpdate(
                no=self.number(),
                tag=order.tag or order.key,
                intent_id=order.intent_id,
                sleeve=order.sleeve,
                contract=order.contract,
                side=order.side,
                size=order.size,
                filled=order.filled,
                state=order.state,
                purpose=order.purpose,
                type=order.type,
                venue_order_id=order.venue_id,
                limit_price=order.limit_price,
                stop_price=order.stop_price,
                parent_intent_id=self._parent_intent(order),
                reason=reason or order.note,
            )
        )

    def _parent_intent(self, order: Order) -> str:
        parent = self.find(order.parent) if order.parent else None
        return parent.intent_id if parent else ""

    def saga_over(self, contract: str, sleeve: str = "") -> Saga | None:
        """The flatten that has `contract` in hand, if any. One of a sleeve that shares it has only
        what is that `sleeve`'s.
        """
        for saga in self.state.sagas.values():
            if not in_scope(saga, self.state, contract):
                continue
            part = saga.scope is Scope.SLEEVE and self.book(contract).shared
            if not part or saga.sleeve == sleeve:
                return saga
        return None

    def coming(self, contract: str, sleeve: str = "") -> Lots:
        """Signed lots that orders (of `sleeve`, if named) show as filled and whose trades have not
        come yet. The venue tells the order first; whoever acts on the position in between would act
        on one that is gone.
        """
        signed = 0
        for key in self.state.owed:
            order = self.find(key)
            if order is not None and order.contract == contract and sleeve in ("", order.sleeve):
                signed += order.side * (order.filled - order.traded)
        return signed

    def read_soon(self, within_ns: Nanos = 0, after: int | None = None) -> None:
        """A read should begin within `within_ns` of real time, unless one is under way that began
        in step `after` or later (default: only one that begins from now on will do).
        """
        state = self.state
        mark = state.step if after is None else after
        if not any(reading.begin >= mark for reading in state.reads.values()):
            state.read_due_ns = min(state.read_due_ns, state.real_ns + within_ns)

    def real_after(self, since_real_ns: Nanos, seconds: float) -> bool:
        """Whether `seconds` have passed since a real instant (0: never happened)."""
        return bool(since_real_ns) and self.state.real_ns - since_real_ns >= seconds * SECOND


def in_scope(saga: Saga, state: State, contract: str) -> bool:
    """Whether a flatten concerns `contract` at all."""
    if saga.scope is Scope.ACCOUNT:
        return True
    if saga.scope is Scope.CONTRACT:
        return contract == saga.contract
    book = state.books.get(contract)
    if book is not None and book.shares.get(saga.sleeve):
        return True
    return any(o.sleeve == saga.sleeve and o.contract == contract for o in state.orders.values())


def order_in_scope(saga: Saga, order: Order) -> bool:
    """Whether a flatten may cancel `order`."""
    if order.purpose is Purpose.HUMAN and not saga.human:
        return False
    if saga.scope is Scope.SLEEVE:
        return order.sleeve == saga.sleeve
    return saga.scope is Scope.ACCOUNT or order.contract == saga.contract
