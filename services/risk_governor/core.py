"""The risk governor: no order without its approval, no breach while it lives.

Hears: the gateway (market, feed, phases), every sleeve (wishes), the router (what became of them),
its own port (a person's commands, the sentinel's life). Says: one answer to every wish, Flatten
when a level is reached, its own state at every change and once a second, and to each sleeve what
concerns it: its book, its orders, its fills. Sleeves hear of the router only through us, so that
what they know of their position is never ahead of what we count.

The rooms of the mind: `intents` answers wishes by the rules in `checks`, `exposure` and `equity`
are the arithmetic, `levels` decides how much is still allowed, `follow` keeps the books, `watch`
looks at the clock, `operator` listens to people. Killed anywhere it loses nothing: all memory is
`state.State`, and what was heard since the snapshot is heard again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import msgspec

from services.risk_governor import (
    authority,
    bands,
    follow,
    intents,
    latches,
    levels,
    operator,
    passes,
    sharing,
    watch,
)
from services.risk_governor.answers import follow_approved, number_of_id, remember
from services.risk_governor.directions import tighter
from services.risk_governor.exposure import exposures, ways
from services.risk_governor.limits import Limits, values_in
from services.risk_governor.sanity import is_sane
from services.risk_governor.state import (
    CLOSING,
    GATEWAY,
    ROUTER,
    SENTINEL,
    Mark,
    Mind,
    State,
    product_named,
)
from services.risk_governor.words import (
    WORDS,
    DiskSpace,
    FlattenRequested,
    KnowPatience,
    OperatorCommand,
    OthersHold,
    SentinelBack,
    SentinelSilent,
)
from shared import seats
from shared.core import Word
from shared.events import (
    AccountUpdate,
    Armed,
    AuthorityGranted,
    CancelApproved,
    CancelIntent,
    ClockJump,
    ContractListed,
    DifferenceChoice,
    Event,
    FeedStatus,
    Fill,
    Flatten,
    FlattenProgress,
    Gap,
    Grounds,
    ModifyApproved,
    ModifyIntent,
    OrderApproved,
    OrderIntent,
    OrderUpdate,
    OrderVetoed,
    ParamsTuned,
    PeerBack,
    PeerSilent,
    PositionUpdate,
    Pulse,
    Quote,
    Reconciled,
    RiskLevel,
    RiskState,
    SessionPhase,
    ShadowAdmitted,
    SleeveBook,
    SleeveStatus,
    Started,
    Stopping,
    VenueStatus,
)
from shared.settings import Settings
from shared.units import Nanos

FORGOTTEN = "no memory of the lives before: halts, losses and counts of today are not known"

NOTHING: tuple[Event, ...] = ()
_TO_MARKET = (FeedStatus, SessionPhase, ContractListed, Gap)
_TO_SLEEVE = (OrderIntent, ModifyIntent, CancelIntent, SleeveStatus)
_TO_ROUTER = (
    OrderUpdate, Fill, PositionUpdate, AccountUpdate, Reconciled, FlattenProgress, VenueStatus,
)  # fmt: skip
_COUNTED_BY_HANDLER = frozenset({ModifyIntent, Pulse})
"""Kinds whose handlers forget themselves what they changed, as those of orders and cancels; after
all others it is done here."""
_MOVES_NO_BOOK = frozenset({AccountUpdate, FeedStatus, PeerBack, SleeveStatus, VenueStatus})
"""Kinds that change nothing of what is held, works or is quoted: exposures stay as counted."""


class Governor:
    """The core; see the module's docstring. Raises ValueError for limits outside the firm's."""

    publishes: ClassVar[tuple[type[Event], ...]] = (
        OrderApproved, ModifyApproved, CancelApproved, OrderVetoed, Flatten, RiskState, SleeveBook,
        AuthorityGranted, ShadowAdmitted, ParamsTuned, Armed, DifferenceChoice, OrderUpdate, Fill,
    )  # fmt: skip
    words: ClassVar[tuple[type[Word], ...]] = WORDS

    def __init__(self, settings: Settings) -> None:
        self.mind = Mind(settings)
        self._watched: Mapping[str, float] = {}
        self._watched_for: Limits | None = None
        actors = [actor for name in settings.sleeves for actor in seats.actors(name)]
        self.subscribes: Mapping[str, tuple[type[Event], ...]] = {
            GATEWAY: _TO_MARKET,
            GATEWAY + ".ticks": (Quote,),
            **{actor: _TO_SLEEVE for actor in actors},
            ROUTER: _TO_ROUTER,
        }
        self._handlers: dict[type[Event], Callable[[Nanos, Any], None]] = {
            ModifyIntent: lambda now, event: intents.on_modify(self.mind, now, event),
            CancelIntent: lambda now, event: intents.on_cancel(self.mind, now, event),
            SleeveStatus: lambda now, event: authority.on_status(self.mind, now, event),
            OrderUpdate: lambda now, event: follow.on_order(self.mind, now, event),
            Fill: lambda now, event: follow.on_fill(self.mind, now, event),
            PositionUpdate: lambda now, event: follow.on_position(self.mind, now, event),
            AccountUpdate: lambda now, event: follow.on_account(self.mind, now, event),
            Reconciled: lambda now, event: follow.on_reconciled(self.mind, now, event),
            FlattenProgress: lambda now, event: levels.on_progress(self.mind, event),
            VenueStatus: lambda now, event: follow.on_venue(self.mind, now, event),
            FeedStatus: self._on_feed,
            SessionPhase: self._on_phase,
            ContractListed: self._on_listed,
            Gap: self._on_gap,
            Pulse: self._on_pulse,
            Started: self._on_started,
            ClockJump: self._on_jump,
            PeerSilent: self._on_silent,
            PeerBack: self._on_back,
            Stopping: lambda now, event: None,
            OperatorCommand: lambda now, event: operator.on_command(self.mind, now, event),
            FlattenRequested: lambda now, event: operator.on_request(self.mind, now, event),
            SentinelSilent: self._on_sentinel_silent,
            SentinelBack: self._on_sentinel_back,
            DiskSpace: self._on_disk,
            OthersHold: self._on_others,
        }

    def on(self, now_ns: Nanos, event: Event) -> Iterable[Event]:
        if type(event) is Quote:
            return self._on_quote(now_ns, event)
        if type(event) is OrderIntent:
            intents.on_order(self.mind, now_ns, event)
            return self._taken()  # an answer moves no level
        handler = self._handlers.get(type(event))
        if handler is None:
            return NOTHING
        kind = type(event)
        if kind is CancelIntent:
            handler(now_ns, event)
            return self._taken()
        if kind in _COUNTED_BY_HANDLER:
            handler(now_ns, event)
        else:
            self._forget(event)  # before, for what the handler itself asks
            if is_sane(event):
                handler(now_ns, event)
            else:
                follow.differ(self.mind, now_ns, f"{kind.__name__} with numbers nobody can have")
            self._forget(event)
        levels.settle(self.mind, now_ns)
        if kind not in _COUNTED_BY_HANDLER:
            ways(self.mind, exposures(self.mind))  # counted now, so that no wish has to wait for it
            passes.ask_early(self.mind, now_ns)
        return self._taken()

    def _forget(self, event: Event) -> None:
        """What an event may have changed is counted anew when it is asked for next; what the rules
        allowed always.
        """
        if type(event) in _MOVES_NO_BOOK:
            self.mind.passes, self.mind.traded = {}, None
        else:
            self.mind.forget(getattr(event, "contract", ""))

    def _said(self, now_ns: Nanos) -> tuple[Event, ...]:
        levels.settle(self.mind, now_ns)
        return self._taken()

    def _taken(self) -> tuple[Event, ...]:
        mind = self.mind
        if not mind.out:
            return NOTHING
        said, mind.out = tuple(mind.out), []
        return said

    @property
    def watches(self) -> Mapping[str, float]:
        """Whose silence is told after how long: by the limits in force, which only tighten."""
        limits = self.mind.limits
        if limits is not self._watched_for:
            self._watched_for, given = limits, limits.given
            actors = (actor for name in self.mind.settings.sleeves for actor in seats.actors(name))
            self._watched = {
                GATEWAY: given.router_silence_real_s,
                ROUTER: given.router_silence_real_s,
                **dict.fromkeys(actors, given.sleeve_silence_real_s),
            }
        return self._watched

    def snapshot(self) -> bytes:
        bands.unbox_marks(self.mind)
        return msgspec.msgpack.encode(self.mind.state)

    def restore(self, snapshot: bytes) -> None:
        mind = self.mind
        mind.state = msgspec.msgpack.decode(snapshot, type=State)
        mind.unboxed, mind.asked_ways = False, {}
        if mind.state.in_force:
            mind.hold_limits(mind.state.in_force)
        mind.forget("")

    # -- the market --------------------------------------------------------------------------------

    def _on_quote(self, now_ns: Nanos, quote: Quote) -> Iterable[Event]:
        mark = self.mind.state.marks.get(quote.contract)
        if mark is None:
            if product_named(quote.contract) is None:
                return NOTHING
            mark = self.mind.state.marks[quote.contract] = Mark(0, 0, 0)
            self.mind.forget(quote.contract)
        mark.bid = bid = quote.bid
        mark.ask = ask = quote.ask
        mark.recv_ns = quote.recv_ns
        mark.venue_ns = quote.venue_ns
        if mark.lo <= bid <= ask <= mark.hi and not self.mind.unboxed:
            return NOTHING
        levels.judge_quote(self.mind, now_ns)
        return self._said(now_ns)

    def _on_feed(self, now_ns: Nanos, status: FeedStatus) -> None:
        self.mind.state.feed = status.state

    def _on_phase(self, now_ns: Nanos, phase: SessionPhase) -> None:
        self.mind.state.gate_day, self.mind.state.gate_phase = phase.trading_day, phase.phase

    def _on_listed(self, now_ns: Nanos, listed: ContractListed) -> None:
        """A tick must be worth what we reckon with; else nobody trades the contract."""
        state, kind = self.mind.state, product_named(listed.contract)
        facts = (listed.root, listed.tick_nanos, listed.tick_micros)
        if kind is None or facts != (kind.root, kind.tick_nanos, kind.tick_micros):
            state.listed.pop(listed.root, None)
            return
        state.listed[listed.root] = listed.contract
        held = state.ledger.positions()
        kept = {*state.listed.values(), *held}
        state.marks = {name: mark for name, mark in state.marks.items() if name in kept}

    def _on_gap(self, now_ns: Nanos, gap: Gap) -> None:
        """Quotes were missed: what we hold as the last one may not be it."""
        for contract, mark in self.mind.state.marks.items():
            if gap.contract in ("", contract) and mark.recv_ns <= gap.end_ns:
                mark.recv_ns = 0

    # -- life --------------------------------------------------------------------------------------

    def _on_started(self, now_ns: Nanos, started: Started) -> None:
        """Real time may have begun anew with the computer, so nothing measured in it is kept."""
        state = self.mind.state
        state.epoch, state.real_ns, state.said_real_ns = started.epoch, 0, 0
        state.silent[SENTINEL] = 0
        state.disk_mb = state.others = None
        for conduct in state.conduct.values():
            conduct.births_real_ns.clear()  # who is born with us did not die of its own fault
        state.newborn, state.limits_due = started.fresh, True
        for contract in state.naked_real_ns:
            state.naked_real_ns[contract] = 0
        for order in state.orders.values():
            order.deadline_real_ns = order.cancel_real_ns = 0
            order.nearer = None if order.nearer is None else (order.nearer[0], 0)
        latches.sound_again(self.mind)
        patience_s = self.mind.limits.given.sentinel_silence_real_s
        if patience_s != self.mind.settings.risk_governor.sentinel_silence_real_s:
            self.mind.out.append(KnowPatience(sentinel_real_s=patience_s))
        watch.countdown(self.mind, now_ns)
        if started.changed and started.fresh:
            state.halt_no = started.epoch  # the router holds by the highest it ever heard
            latches.latch(self.mind, now_ns, latches.RECALLED, FORGOTTEN)
        if started.changed:
            latches.latch(
                self.mind, now_ns, latches.RESTART, "restarted under other code or settings"
            )
        levels.say_state(self.mind, now_ns)

    def _on_jump(self, now_ns: Nanos, jump: ClockJump) -> None:
        """The computer slept: approvals are void, nothing is fresh, reconcile before new risk."""
        state = self.mind.state
        state.halt_no += 1
        for mark in state.marks.values():
            mark.recv_ns = 0
        latches.latch(
            self.mind, now_ns, latches.CLOCK, "the computer slept or its clock was moved",
            grounds=Grounds(rule=latches.CLOCK, actual=jump.slept_ns),
        )  # fmt: skip

    def _on_silent(self, now_ns: Nanos, peer: PeerSilent) -> None:
        self.mind.state.silent.setdefault(peer.actor, self.mind.state.real_ns)
        authority.on_silence(self.mind, peer.actor)
        watch.withdraw_silent(self.mind)

    def _on_back(self, now_ns: Nanos, peer: PeerBack) -> None:
        self.mind.state.silent.pop(peer.actor, None)
        authority.on_life(self.mind, peer.actor, peer.epoch)

    def _on_pulse(self, now_ns: Nanos, pulse: Pulse) -> None:
        authority.on_pulse(self.mind)
        watch.on_pulse(self.mind, now_ns, pulse)

    def _on_sentinel_silent(self, now_ns: Nanos, word: SentinelSilent) -> None:
        self.mind.state.silent.setdefault(SENTINEL, self.mind.state.real_ns)

    def _on_sentinel_back(self, now_ns: Nanos, word: SentinelBack) -> None:
        self.mind.state.silent.pop(SENTINEL, None)

    def _on_disk(self, now_ns: Nanos, word: DiskSpace) -> None:
        self.mind.state.disk_mb = word.free_mb
        watch.watch_disk(self.mind, now_ns)

    def _on_others(self, now_ns: Nanos, word: OthersHold) -> None:
        self.mind.state.others = word

    # -- recovery under other code -----------------------------------------------------------------

    def recall(self, now_ns: Nanos, said: Event) -> None:
        """Take our own recorded word as a fact: answers, authority, exposures, halts."""
        state = self.mind.state
        if isinstance(said, AuthorityGranted | ShadowAdmitted):
            authority.recall(self.mind, said)
        elif isinstance(said, OrderApproved | ModifyApproved | CancelApproved | OrderVetoed):
            if isinstance(said, OrderApproved) and said.shared:
                sharing.recall(self.mind, said.contract)
            if isinstance(said, OrderApproved) and said.intent_id not in state.orders:
                follow_approved(self.mind, said, reducing=said.purpose in CLOSING)
            state.held_back.pop(said.intent_id, None)
            number, incarnation = number_of_id(said.intent_id)
            known = state.sleeves.get(said.sleeve)
            if known is not None and known.incarnation == incarnation:
                remember(self.mind, said.sleeve, number, said)
        elif isinstance(said, RiskState):
            self._recall_state(now_ns, said)

    def _recall_state(self, now_ns: Nanos, said: RiskState) -> None:
        """What held us, and the limits in force, hold on; a word without latches is an older
        code's."""
        mind, state = self.mind, self.mind.state
        state.halt_no = max(state.halt_no, said.halt_no)
        if said.limits and said.trading_day:
            known = state.in_force if said.trading_day == state.in_force_day else {}
            mind.hold_limits(tighter(values_in(said.limits, said.bounds), known))
            state.in_force_day = said.trading_day
        if said.latches:
            latches.recall(mind, said.latches)
        elif said.level in (RiskLevel.HALTED, RiskLevel.FLATTENING) and not state.latches:
            latches.latch(
                mind, now_ns, latches.RECALLED, said.cause, clears=said.clears,
                until_ns=said.until_ns, flatten=said.level is RiskLevel.FLATTENING,
            )  # fmt: skip
