"""The order router: the only one who talks to the venue about orders, and never without approval.

Subscribes to the governor: OrderApproved, ModifyApproved, CancelApproved, Flatten, RiskState,
Armed, DifferenceChoice. Its port brings the venue's answers, hub events and reads. Publishes what
became of every approval and of every order, fill and position; the venue's word makes them, nothing
else.

Each event is handled in two halves. First it is *folded*: memory is brought up to date with what is
now known. Then the desk is *settled*: exits, flattens, protection and reads look at the memory and
do what is missing. The second half never asks what the event was, so it does the right thing after
any crash, gap or reordering. Parts: fold and trades (what the venue shows), outbox (what we ask),
exits, protection, flatten, reconcile, difference.

Without approval, and with the cause in the journal, it sends exactly three things: protective
stops, closes of a flatten, cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import msgspec

from services.order_router import (
    difference,
    exits,
    flatten,
    outbox,
    protection,
    reconcile,
    spent,
    stand_in,
)
from services.order_router.desk import Desk
from services.order_router.fold import see_order
from services.order_router.life import GOVERNOR, Life
from services.order_router.memory import State
from services.order_router.recall import recall
from services.order_router.requests import Requests
from services.order_router.status import Status
from services.order_router.trades import retry_waiting, see_position, see_trade
from services.order_router.words import (
    WORDS,
    AccountSeen,
    AccountsSeen,
    Books,
    CancelAnswer,
    CloseAnswer,
    FlattenRequested,
    KnowHalt,
    Link,
    ModifyAnswer,
    OrderSeen,
    PlaceAnswer,
    PositionSeen,
    PriceSeen,
    SentinelClosed,
    TradeSeen,
    Unread,
)
from shared.core import Word
from shared.events import (
    AccountUpdate,
    Armed,
    CancelApproved,
    ClockJump,
    DifferenceChoice,
    Event,
    Fill,
    Flatten,
    FlattenProgress,
    ModifyApproved,
    OrderApproved,
    OrderUpdate,
    PeerBack,
    PeerSilent,
    Phase,
    PositionUpdate,
    Pulse,
    Reconciled,
    RiskState,
    Scope,
    Started,
    Stopping,
    VenueStatus,
)
from shared.settings import Settings

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(State).decode


class Router:
    """The core. One instance per account."""

    publishes: ClassVar[tuple[type[Event], ...]] = (
        OrderUpdate,
        Fill,
        PositionUpdate,
        AccountUpdate,
        Reconciled,
        FlattenProgress,
        VenueStatus,
    )
    words: ClassVar[tuple[type[Word], ...]] = WORDS

    def __init__(self, settings: Settings) -> None:
        self.subscribes: Mapping[str, tuple[type[Event], ...]] = {
            GOVERNOR: (
                OrderApproved,
                ModifyApproved,
                CancelApproved,
                Flatten,
                RiskState,
                Armed,
                DifferenceChoice,
            )
        }
        self.watches: Mapping[str, float] = {
            GOVERNOR: settings.order_router.governor_silence_real_s
        }
        self.settings = settings
        self.desk = Desk(settings)
        self.status = Status(self.desk)
        self.requests = Requests(self.desk, self.status)
        self.life = Life(self.desk, self.status)
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            OrderApproved: self.requests.on_order,
            ModifyApproved: self.requests.on_modify,
            CancelApproved: self.requests.on_cancel,
            Flatten: self._on_flatten,
            RiskState: self._on_risk_state,
            Armed: self._on_armed,
            DifferenceChoice: self._on_choice,
            Started: self.life.on_started,
            Pulse: self.life.on_pulse,
            ClockJump: self.life.on_clock_jump,
            PeerSilent: self.life.on_peer_silent,
            PeerBack: self.life.on_peer_back,
            Stopping: self.life.on_stopping,
            AccountsSeen: self.life.on_accounts,
            Link: self.life.on_link,
            OrderSeen: self._on_order_seen,
            TradeSeen: self._on_trade_seen,
            PositionSeen: self._on_position_seen,
            AccountSeen: self._on_account_seen,
            PlaceAnswer: self._on_place_answer,
            CancelAnswer: self._on_cancel_answer,
            ModifyAnswer: self._on_modify_answer,
            CloseAnswer: self._on_close_answer,
            PriceSeen: self._on_price,
            Books: self._on_books,
            Unread: self._on_unread,
            FlattenRequested: self._on_flatten_requested,
            SentinelClosed: self._on_sentinel_closed,
        }

    # -- the contract of a core ----------------------------------------------------------------

    def on(self, now_ns: int, event: Event) -> Iterable[Event]:
        handler = self._handlers.get(type(event))
        if handler is None:
            return ()
        desk = self.desk
        desk.now_ns, desk.out = now_ns, []
        desk.state.step += 1
        if type(event) in spent.ANSWERS:
            spent.note(desk.state, now_ns, event)
        handler(event)
        self._settle()
        return desk.out

    def recall(self, now_ns: int, said: Event) -> None:
        self.desk.now_ns, self.desk.out = now_ns, []
        self.desk.state.step += 1
        self.desk.state.told_from = self.desk.restored_step or 1
        recall(self.desk, said)
        self.desk.out = []

    def snapshot(self) -> bytes:
        return _encode(self.desk.state)

    def restore(self, snapshot: bytes) -> None:
        self.desk.state = _decode(snapshot)
        state = self.desk.state
        self.desk.dirty, self.desk.restored_step = {}, state.told_from or state.step

    def may_stop(self) -> bool:
        """Whether the process may end without leaving a position behind."""
        state = self.desk.state
        return not state.sagas and not any(book.lots for book in state.books.values())

    # -- settling ------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Do what is missing, whatever has just been heard."""
        desk = self.desk
        exits.watch(desk)
        flatten.advance(desk)
        while desk.dirty:
            contract = next(iter(desk.dirty))
            protection.guard(desk, desk.book(contract))
            del desk.dirty[contract]
        for order in list(desk.state.orders.values()):
            if order.cancel:
                outbox.push_cancel(desk, order)
        desk.dirty.clear()
        reconcile.begin(desk)
        self.status.tell_if_changed()

    # -- governor ------------------------------------------------------------------------------

    def _on_flatten(self, event: Flatten) -> None:
        self._know_halt(event.halt_no)
        flatten.start(
            self.desk,
            event.scope,
            event.cause,
            sleeve=event.sleeve,
            contract=event.contract,
            human=event.scope is Scope.ACCOUNT,
        )

    def _on_risk_state(self, event: RiskState) -> None:
        state = self.desk.state
        self._know_halt(event.halt_no)
        if event.phase is not state.phase:
            began = event.phase is Phase.CLOSED and state.phase is not None
            state.closed_real_ns = (state.real_ns or 1) if began else 0
            state.phase = event.phase

    def _know_halt(self, halt_no: int) -> None:
        state = self.desk.state
        if halt_no > state.halt_no:
            state.halt_no = halt_no
            self.desk.say(KnowHalt(halt_no=halt_no))

    def _on_armed(self, event: Armed) -> None:
        if event.account == self.settings.venue.account:
            self.desk.state.armed_until_ns = event.until_ns

    def _on_choice(self, event: DifferenceChoice) -> None:
        difference.choose(self.desk, event)

    def _on_sentinel_closed(self, word: SentinelClosed) -> None:
        stand_in.on_closed(self.desk, word)

    def _on_flatten_requested(self, word: FlattenRequested) -> None:
        """By hand, perhaps with the governor dead: from here on only newer approvals count."""
        state = self.desk.state
        key = f"{Scope.ACCOUNT.value}::"
        saga = state.sagas.get(key)
        if saga is not None and word.request_id in saga.requests:
            return
        state.halt_floor = max(state.halt_floor, state.halt_no)
        cause = f"{word.cause} ({word.who})"
        flatten.start(self.desk, Scope.ACCOUNT, cause, human=True, request=word.request_id)

    # -- port: the venue -----------------------------------------------------------------------

    def _on_order_seen(self, word: OrderSeen) -> None:
        self.desk.state.user_step = self.desk.state.step
        see_order(self.desk, word.row)
        self._after_orders()

    def _after_orders(self) -> None:
        if self.desk.state.waiting:
            retry_waiting(self.desk)

    def _on_trade_seen(self, word: TradeSeen) -> None:
        self.desk.state.user_step = self.desk.state.step
        see_trade(self.desk, word.row)

    def _on_position_seen(self, word: PositionSeen) -> None:
        self.desk.state.user_step = self.desk.state.step
        see_position(self.desk, word.row)

    def _on_account_seen(self, word: AccountSeen) -> None:
        reconcile.see_account(self.desk, word.row)

    def _on_place_answer(self, word: PlaceAnswer) -> None:
        outbox.on_place_answer(self.desk, word)
        self._after_orders()

    def _on_cancel_answer(self, word: CancelAnswer) -> None:
        outbox.on_cancel_answer(self.desk, word)

    def _on_modify_answer(self, word: ModifyAnswer) -> None:
        outbox.on_modify_answer(self.desk, word)

    def _on_close_answer(self, word: CloseAnswer) -> None:
        flatten.on_close_answer(self.desk, word)

    def _on_price(self, word: PriceSeen) -> None:
        flatten.on_price(self.desk, word)

    def _on_books(self, word: Books) -> None:
        reconcile.on_books(self.desk, word)

    def _on_unread(self, word: Unread) -> None:
        reconcile.on_unread(self.desk, word)
