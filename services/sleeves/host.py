"""The core around any sleeve: hears the market and the governor, keeps the books, calls handlers.

subscribes: the gateway (bars, contracts, feed, session, gaps), ticks of its own product (quotes
            always; trades and depth if the sleeve answers them), the governor (book, own orders and
            fills, vetoes, risk, authority)
publishes:  OrderIntent, ModifyIntent, CancelIntent, SleeveStatus, RegimeChanged

A life is an *incarnation*: the epoch of the first start without memory, or of a start after code or
settings changed. It asks for authority by announcing itself, says no intent before the governor has
granted it with the real book, and falls silent when another one was granted. One that is admitted
as a shadow decides on the real book and is never obeyed. A crash and a swap are so the same thing.
What the sleeve itself thinks, and what happens when it cannot, is in `mind.py`; what it hears of
the market, in `market.py`; what it may say, in `desk.py`; what is remembered, in `memory.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

from services.sleeves import targets
from services.sleeves.base import Sleeve
from services.sleeves.desk import Desk
from services.sleeves.loading import barred, bars_asked_for, prepared, section_of, sleeve_class
from services.sleeves.market import Market
from services.sleeves.mind import Mind, Skip
from services.sleeves.modules import modules_of
from services.sleeves.weather import Weather
from shared.core import Word
from shared.events import (
    AuthorityGranted,
    Bar,
    CancelIntent,
    ClockJump,
    ContractListed,
    Depth,
    Event,
    FeedStatus,
    Fill,
    Flatten,
    Gap,
    ModifyIntent,
    OrderIntent,
    OrderState,
    OrderUpdate,
    OrderVetoed,
    ParamsTuned,
    PeerBack,
    PeerSilent,
    Pulse,
    Quote,
    RegimeChanged,
    RiskLevel,
    RiskState,
    Scope,
    SessionPhase,
    ShadowAdmitted,
    SleeveBook,
    SleeveStatus,
    Started,
    Stopping,
    Trade,
    WarmupDone,
)
from shared.seats import incarnation_of
from shared.settings import Settings
from shared.units import SECOND, Nanos

GATEWAY = "market_data_gateway"
TICK_LANE = "market_data_gateway.ticks"
GOVERNOR = "risk_governor"
SILENCE: tuple[Event, ...] = ()
ANNOUNCE_REAL_NS = 5 * SECOND
OFF_UNTIL = "until a new day, other code, or a restart of its process"
OF_ONE_SLEEVE = (SleeveBook, OrderUpdate, Fill, OrderVetoed)
ON_TICKS = ("on_quote", "on_trade", "on_depth")
BOOKS_MAX = 4  # contracts of one sleeve: this month's, the next, and room to spare


class SleeveHost:
    """The core of `sleeve_<name>`."""

    publishes: ClassVar[tuple[type[Event], ...]] = (
        OrderIntent,
        ModifyIntent,
        CancelIntent,
        SleeveStatus,
        RegimeChanged,
    )
    words: ClassVar[tuple[type[Word], ...]] = ()
    watches: Mapping[str, float] = {GOVERNOR: 3.0, GATEWAY: 3.0}

    def __init__(
        self, name: str, settings: Settings, seat: str = "", skip: Skip | None = None
    ) -> None:
        """Raises SettingsError when the section, the class or its parameters are not usable."""
        section = section_of(name, settings)
        kind = sleeve_class(name, section.implementation)
        self.name, self.root = name, section.root
        self.tick_roots = (section.root,)
        self.modules = modules_of(kind)
        self.desk = Desk(name, kind.contracts_max)
        self.sleeve = prepared(name, kind, self.desk, section.params)
        bars_asked_for(name, self.sleeve, settings)
        self.mind = Mind(
            self.desk, self.sleeve, section, barred=barred(name, kind, settings), seat=seat,
            skip=skip,
        )  # fmt: skip
        self.skips = skip is not None
        self.weather = Weather(self.desk, section, settings.orchestrator)
        self.market = Market(self.mind, self.weather, section.root)
        self.memory = self.desk.memory
        self.watches_targets = targets.watched(name, settings)
        self.acts_on_ticks = self.watches_targets or any(
            getattr(kind, handler) is not getattr(Sleeve, handler) for handler in ON_TICKS
        )
        self._handlers = self._table()
        self._finer = {
            OrderState.REJECTED: self.sleeve.on_order_rejected,
            OrderState.CANCELLED: self.sleeve.on_order_cancelled,
            OrderState.UNKNOWN: self.sleeve.on_order_unknown,
        }
        self.subscribes: Mapping[str, tuple[type[Event], ...]] = {
            GATEWAY: (Bar, ContractListed, WarmupDone, FeedStatus, SessionPhase, Gap),
            TICK_LANE: (Quote, *(kind for kind in (Trade, Depth) if kind in self._handlers)),
            GOVERNOR: (
                SleeveBook, OrderUpdate, Fill, OrderVetoed, RiskState, Flatten, AuthorityGranted,
                ShadowAdmitted, ParamsTuned,
            ),
        }  # fmt: skip

    def _table(self) -> dict[type[Event], Callable[..., None]]:
        kind = type(self.sleeve)
        table: dict[type[Event], Callable[..., None]] = {
            Started: self._on_started,
            Pulse: self._on_pulse,
            ClockJump: self._on_clock_jump,
            PeerSilent: self._on_peer_silent,
            PeerBack: self._on_peer_back,
            Stopping: self._on_stopping,
            Bar: self.market.bar,
            Quote: self.market.quote,
            Gap: self.market.gap,
            ContractListed: self.market.listed,
            WarmupDone: self.market.warmup_done,
            FeedStatus: self.market.feed,
            SessionPhase: self.market.session,
            SleeveBook: self._on_book,
            OrderUpdate: self._on_order,
            Fill: self._on_fill,
            OrderVetoed: self._on_veto,
            RiskState: self._on_risk,
            Flatten: self._on_flatten,
            AuthorityGranted: self.mind.granted,
            ShadowAdmitted: self.mind.admitted,
            ParamsTuned: self.mind.tune,
        }
        if kind.on_trade is not Sleeve.on_trade:
            table[Trade] = self.market.trade
        if kind.on_depth is not Sleeve.on_depth:
            table[Depth] = self.market.depth
        return table

    # -- the core ----------------------------------------------------------------------------------

    def on(self, now_ns: Nanos, event: Event) -> Iterable[Event]:
        handler = self._handlers.get(type(event))
        if handler is None:
            return SILENCE
        desk = self.desk
        desk.begin(now_ns)
        if desk.memory.next_timer_ns and desk.memory.next_timer_ns <= now_ns:
            self.mind.ring_timers()
        handler(event)
        if desk.memory.owed and desk.memory.incarnation:
            self.mind.announce()
        if not desk.out:
            return SILENCE
        said, desk.out = desk.out, []
        return said

    def minds(self, now_ns: Nanos) -> str | None:
        """Ticks of other contracts than ours do nothing, unless they find something due."""
        m = self.desk.memory
        due = (m.owed and m.incarnation) or (m.next_timer_ns and m.next_timer_ns <= now_ns)
        return None if due else m.contract

    def heeds(self, now_ns: Nanos, event: Event) -> bool:
        """Bars of other contracts and what befalls other sleeves do nothing, unless as above."""
        if isinstance(event, Bar):
            ours = event.contract == self.memory.contract or bool(self.memory.others)
        elif isinstance(event, OF_ONE_SLEEVE):
            ours = event.sleeve == self.name
        else:
            return True
        return ours or self.minds(now_ns) is None

    def recall(self, now_ns: Nanos, said: Event) -> None:
        """Our own recorded words: the names they used are used, and the orders they asked exist."""
        if not isinstance(said, OrderIntent | ModifyIntent | CancelIntent):
            return
        m = self.memory
        if said.incarnation == m.incarnation:
            m.counter = max(m.counter, int(said.intent_id.rsplit(".", 1)[1]))
        if isinstance(said, OrderIntent) and said.intent_id not in m.orders:
            self.desk.remember(said)

    def snapshot(self) -> bytes:
        return self.mind.save()

    def restore(self, snapshot: bytes) -> None:
        """Take over all of it or nothing. Raises ValueError saying what does not fit."""
        self.mind.restore(snapshot)
        self.memory = self.desk.memory

    # -- the runtime -------------------------------------------------------------------------------

    def _on_started(self, event: Started) -> None:
        m = self.memory
        hung = self.mind.wake(event.epoch)
        if not m.incarnation or event.changed:
            m.lost = (hung if m.incarnation else "") or _what_is_lost(m.incarnation, event)
            m.note = m.lost or _how_it_began(m.incarnation)
            m.incarnation, m.counter = incarnation_of(self.mind.seat, event.epoch), 0
            m.authority = m.shadow = m.adopted = m.begun = False
            m.superseded_by, m.state = 0, "WAITING"
            m.stale_view = True
        m.fault = f"off: {hung}; {OFF_UNTIL}" if hung and m.hung_off and not event.fresh else ""
        m.stopping, m.quote = False, None
        m.feed_silent = m.governor_silent = False
        m.owed = True
        self.weather.settle()
        self.mind.settle()

    def _on_pulse(self, event: Pulse) -> None:
        m = self.memory
        m.real_ns = event.real_ns
        if m.orders and not m.governor_silent:
            m.sweep(self.desk.now_ns)
        if m.orders and (m.fault or not self.desk.market_is_well):
            self.desk.cancel_entries("the market or the sleeve is not well")
        if not 0 <= m.real_ns - m.announced_real_ns < ANNOUNCE_REAL_NS:
            m.owed = True
        if m.word_due:
            m.owed, m.word_due = True, False

    def _on_clock_jump(self, event: ClockJump) -> None:
        self.memory.quote = None
        self.desk.cancel_entries("the clock jumped")

    def _on_peer_silent(self, event: PeerSilent) -> None:
        if event.actor == GOVERNOR:
            self.memory.governor_silent = True
        elif event.actor == GATEWAY:
            self.memory.feed_silent, self.memory.quote = True, None
            self.desk.cancel_entries("the gateway is silent")

    def _on_peer_back(self, event: PeerBack) -> None:
        if event.actor == GOVERNOR:
            self.memory.governor_silent = False
        elif event.actor == GATEWAY:
            self.memory.feed_silent = False

    def _on_stopping(self, event: Stopping) -> None:
        if self.memory.adopted:
            self.mind.tell(self.sleeve.on_stop, event.reason)
        self.memory.stopping = True

    # -- the governor ------------------------------------------------------------------------------

    def _on_book(self, book: SleeveBook) -> None:
        m = self.memory
        if book.sleeve != self.name:
            return
        if book.contract != m.contract or not m.adopted:
            m.books[book.contract] = book
            while len(m.books) > BOOKS_MAX:
                del m.books[next(iter(m.books))]
        elif m.take_book(book, whole=m.shadow) and book.position != m.told_position:
            m.told_position = book.position
            self.mind.tell(self.sleeve.on_position, book)

    def _on_order(self, update: OrderUpdate) -> None:
        m = self.memory
        if update.sleeve != self.name or update.contract != m.contract or not m.adopted:
            return
        m.vetoes = 0
        m.take_update(update)
        finer = self._finer.get(update.state)
        if finer is not None:
            self.mind.tell(finer, update)
        self.mind.tell(self.sleeve.on_order, update)

    def _on_fill(self, fill: Fill) -> None:
        m = self.memory
        if fill.sleeve != self.name or fill.contract != m.contract or not m.adopted:
            return
        if self.watches_targets:
            targets.note(m, fill)
        m.take_fill(fill)
        self.mind.tell(self.sleeve.on_fill, fill)

    def _on_veto(self, veto: OrderVetoed) -> None:
        if veto.sleeve != self.name or not self.desk.said(veto.intent_id):
            return
        self.desk.vetoed(veto.intent_id, veto.rule)
        self.mind.tell(self.sleeve.on_veto, veto)

    def _on_risk(self, risk: RiskState) -> None:
        m = self.memory
        changed = (risk.level, risk.paused) != (m.risk, m.paused)
        m.risk, m.paused = risk.level, risk.paused
        if risk.level is RiskLevel.ACTIVE and self.sleeve.idle:
            m.flattening = False
        if changed and m.begun:
            self.mind.tell(self.sleeve.on_risk_state, risk)

    def _on_flatten(self, event: Flatten) -> None:
        m = self.memory
        ours = event.scope is Scope.ACCOUNT or (
            event.sleeve == self.name
            if event.scope is Scope.SLEEVE
            else event.contract == m.contract
        )
        if ours:
            m.flattening = True


def _how_it_began(before: int) -> str:
    return f"code or settings changed: a new life after incarnation {before}" if before else ""


def _what_is_lost(before: int, event: Started) -> str:
    """A first start is fresh and nothing else; one whose memory nobody could read is changed too,
    or not fresh.
    """
    if before or (event.fresh and not event.changed):
        return ""
    return "memory could not be read: started flat, with the book the governor grants"
