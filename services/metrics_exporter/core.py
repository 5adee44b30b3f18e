"""The board: everything the processes say, folded into one picture of now.

It decides nothing and asks no clock: its host tells it the time (`advance`) and what was heard
(`observe`). Orders and fills are believed from the router alone, because the governor repeats them;
books and risk from the governor alone. The picture is read by `view.py`, `verdict.py` and
`metrics.py`; each fill is also handed on once for the trades table.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from services.metrics_exporter import actions, memory
from services.metrics_exporter.state import (
    BARS,
    FILLS_WAITING_MAX,
    ORDERS_MAX,
    Card,
    Counts,
    FlattenFile,
    Life,
    Recent,
    Seen,
    Total,
    TradeRow,
    take_regime,
)
from shared.domain.attribution import SAID_BY, Attribution
from shared.domain.sessions import OutsideCalendar, calendar
from shared.events import (
    TERMINAL,
    AccountUpdate,
    Armed,
    AuthorityGranted,
    Bar,
    CancelApproved,
    ContractListed,
    Event,
    FeedStatus,
    Fill,
    Flatten,
    FlattenProgress,
    FlattenStage,
    Gap,
    Heartbeat,
    OrderApproved,
    OrderIntent,
    OrderUpdate,
    OrderVetoed,
    PositionUpdate,
    Quote,
    Reconciled,
    RegimeChanged,
    RiskState,
    SessionPhase,
    SleeveBook,
    SleeveStatus,
    VenueStatus,
    VetoRule,
)
from shared.seats import second
from shared.settings import Settings
from shared.units import SECOND, Nanos

GATEWAY: Final = "market_data_gateway"
GOVERNOR: Final = "risk_governor"
ROUTER: Final = "order_router"
SENTINEL: Final = "sentinel"
SIMULATOR: Final = "simulator"
SLEEVE: Final = "sleeve_"


FROM_SLEEVES: Final = (OrderIntent, SleeveStatus, RegimeChanged)
SPEAKERS: Final[dict[str, tuple[type[Event], ...]]] = {
    GATEWAY: (SessionPhase, FeedStatus, ContractListed, Bar, Gap, Quote),
    GOVERNOR: (
        RiskState, Armed, OrderApproved, OrderVetoed, SleeveBook, AuthorityGranted, Flatten,
        CancelApproved,
    ),
    ROUTER: (
        VenueStatus, AccountUpdate, Reconciled, FlattenProgress, PositionUpdate, OrderUpdate, Fill,
    ),
}  # fmt: skip


def subscriptions(settings: Settings) -> Mapping[str, tuple[type[Event], ...]]:
    """Who is heard, and what of it."""
    running = settings.running_sleeves()
    seats = (*(SLEEVE + name for name in running), *map(second, settings.sleeves))
    return {**SPEAKERS, **dict.fromkeys(seats, FROM_SLEEVES)}


class Board:
    """Everything is public to its readers in this room; only its host changes it, by `observe`,
    `observe_files` and `advance`. `subscribes` and `watches` are what the host must bring.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.subscribes = subscriptions(settings)
        limit = settings.metrics_exporter.stale_after_real_s
        by_file = (SENTINEL, SIMULATOR) if settings.simulated() else (SENTINEL,)
        self.watches: Mapping[str, float] = dict.fromkeys(by_file, limit)
        self.speed = settings.simulator.speed if settings.simulated() else 1.0
        account = (settings.venue.environment, settings.venue.account)
        self.pins = f"{account} {list(self.subscribes)} {self.speed} {settings.session}"
        self.real_ns: Nanos = 0
        self.now_ns: Nanos = 0
        self.risk: Seen[RiskState] | None = None
        self.phase: Seen[SessionPhase] | None = None
        self.feed: Seen[FeedStatus] | None = None
        self.venue: Seen[VenueStatus] | None = None
        self.account: Seen[AccountUpdate] | None = None
        self.reconciled: Seen[Reconciled] | None = None
        self.flatten: Seen[FlattenProgress] | None = None
        self.armed: Seen[Armed] | None = None
        self.flatten_file = FlattenFile()
        self.flatten_began_ns: Nanos = 0  # market time; 0: none in progress
        self.flatten_seconds = 0.0  # how long the last finished one took
        self.lives: dict[str, Life] = {}
        self.contracts: dict[str, Seen[ContractListed]] = {}
        self.quotes: dict[str, Seen[Quote]] = {}
        self.bars: dict[str, deque[Seen[Bar]]] = {}
        self.positions: dict[str, Seen[PositionUpdate]] = {}
        self.orders: dict[str, Seen[OrderUpdate]] = {}
        self.cards: dict[str, Card] = {name: Card() for name in settings.sleeves}
        self.recent = Recent()
        self.counts = Counts()
        self.totals: dict[str, Total] = {}
        self.attribution = Attribution()
        self.fills_waiting: deque[TradeRow] = deque(maxlen=FILLS_WAITING_MAX)
        self._calendar = calendar(settings.session)
        self._handlers: dict[type[Event], Callable[[str, Seen[Any]], None]] = {
            Heartbeat: self._on_heartbeat,
            RiskState: self._on_risk,
            Flatten: self._on_flatten,
            CancelApproved: self._on_cancel,
            Armed: self._from(GOVERNOR, "armed"),
            SessionPhase: self._on_phase,
            FeedStatus: self._from(GATEWAY, "feed"),
            VenueStatus: self._from(ROUTER, "venue"),
            AccountUpdate: self._from(ROUTER, "account"),
            Reconciled: self._on_reconciled,
            FlattenProgress: self._on_flatten_progress,
            ContractListed: self._on_contract_listed,
            Quote: self._on_quote,
            Bar: self._on_bar,
            Gap: self._on_gap,
            PositionUpdate: self._on_position,
            OrderUpdate: self._on_order,
            Fill: self._on_fill,
            OrderIntent: self._on_intent,
            OrderApproved: self._on_approved,
            OrderVetoed: self._on_vetoed,
            SleeveStatus: self._on_sleeve_status,
            RegimeChanged: lambda source, seen: take_regime(self.cards, source, seen.value),
            SleeveBook: self._on_sleeve_book,
            AuthorityGranted: self._on_authority,
        }

    # -- what the host says ------------------------------------------------------------------------

    def advance(self, real_ns: Nanos, now_ns: Nanos) -> None:
        """It is `real_ns` (CLOCK_MONOTONIC) and market time `now_ns`; neither goes back."""
        self.real_ns = max(self.real_ns, real_ns)
        self.now_ns = max(self.now_ns, now_ns)

    def observe(self, source: str, epoch: int, seq: int, time_ns: Nanos, event: Event) -> None:
        """`source` said `event` at market time `time_ns`. Kinds we do not show cost a lookup."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(source, Seen(event, self._said_ns(time_ns), time_ns))
        if isinstance(event, SAID_BY.get(source, ())):
            self.attribution.observe(event, self._calendar)

    def snapshot(self) -> bytes:
        """What a next life of ours must not have to read again."""
        return memory.snapshot(self)

    def restore(self, content: bytes) -> None:
        """Become what we were. Raises msgspec.MsgspecError, and then changes nothing."""
        memory.restore(self, content)

    def observe_files(self, found: FlattenFile) -> None:
        self.flatten_file = found

    def _said_ns(self, time_ns: Nanos) -> Nanos:
        """When something of market time `time_ns` was said, on CLOCK_MONOTONIC; 0 before we know
        the time ourselves (a journal is read before the first tick).
        """
        if not self.now_ns:
            return 0
        return self.real_ns - int(max(0, self.now_ns - time_ns) / self.speed)

    def age_s(self, seen: Seen[Any] | Life) -> float:
        """Real seconds since it was said."""
        said_ns = seen.said_ns or self._said_ns(seen.source_ns)
        return max(0, self.real_ns - said_ns) / SECOND

    def life_age_s(self, actor: str) -> float | None:
        """Real seconds since `actor` last beat; None when it never did."""
        life = self.lives.get(actor)
        return None if life is None else self.age_s(life)

    def silent(self, actor: str) -> bool:
        """No heartbeat of `actor` for as long as the settings allow, or never one."""
        age = self.life_age_s(actor)
        return age is None or age > self.settings.metrics_exporter.stale_after_real_s

    def stale(self, seen: Seen[Any] | None) -> bool:
        """For values that are said at least once a second: unsaid for too long, or never."""
        limit = self.settings.metrics_exporter.stale_after_real_s
        return seen is None or self.age_s(seen) > limit

    def trading_day(self) -> str:
        """The trading day it is now, ISO; empty outside the calendar."""
        return self._day_of(self.now_ns)

    # -- handlers ----------------------------------------------------------------------------------

    def _from(self, speaker: str, name: str) -> Callable[[str, Seen[Any]], None]:
        """Keep the last value of a kind in the attribute `name`, if `speaker` said it."""

        def keep(source: str, seen: Seen[Any]) -> None:
            if source == speaker:
                setattr(self, name, seen)

        return keep

    def _on_heartbeat(self, source: str, seen: Seen[Heartbeat]) -> None:
        beat, known = seen.value, self.lives.get(seen.value.actor)
        restarts = 0
        if known is not None:
            if (known.epoch, known.beat) >= (beat.epoch, beat.beat):
                return
            restarts = known.restarts + (beat.epoch != known.epoch)
        self.lives[beat.actor] = Life(
            beat.epoch,
            beat.beat,
            beat.state,
            beat.inbox,
            beat.note,
            seen.said_ns,
            seen.source_ns,
            restarts,
        )

    def _on_phase(self, source: str, seen: Seen[SessionPhase]) -> None:
        self.phase = seen
        self.attribution = self.attribution.turn(seen.value.trading_day)

    def _on_reconciled(self, source: str, seen: Seen[Reconciled]) -> None:
        """Complete: a live order that is not listed does not exist."""
        if source != ROUTER:
            return
        if seen.value.difference:
            self.counts.mismatches += 1
        self.reconciled = seen
        listed = dict.fromkeys(seen.value.live)
        for name in [
            name
            for name, order in self.orders.items()
            if name not in listed and order.value.intent_id not in listed
        ]:
            del self.orders[name]

    def _on_risk(self, source: str, seen: Seen[RiskState]) -> None:
        if source == GOVERNOR:
            self.risk = seen
            actions.on_risk(self.recent, seen)

    def _on_flatten(self, source: str, seen: Seen[Flatten]) -> None:
        if source == GOVERNOR:
            actions.on_flatten(self.recent, seen)

    def _on_cancel(self, source: str, seen: Seen[CancelApproved]) -> None:
        if source == GOVERNOR:
            actions.on_cancel(self.recent, seen)

    def _on_flatten_progress(self, source: str, seen: Seen[FlattenProgress]) -> None:
        if source != ROUTER:
            return
        self.flatten = seen
        if seen.value.stage is not FlattenStage.FLAT:
            self.flatten_began_ns = self.flatten_began_ns or seen.source_ns
        elif self.flatten_began_ns:
            took = (seen.source_ns - self.flatten_began_ns) / self.speed
            self.flatten_seconds = max(0.0, took / SECOND)
            self.flatten_began_ns = 0
            self.counts.flattens += 1
            actions.on_proof(self.recent, seen)

    def _on_contract_listed(self, source: str, seen: Seen[ContractListed]) -> None:
        listed = seen.value
        for contract in [c for c, old in self.contracts.items() if old.value.root == listed.root]:
            if contract != listed.contract:
                del self.contracts[contract]
                self.quotes.pop(contract, None)
                self.bars.pop(contract, None)
        self.contracts[listed.contract] = seen

    def _on_quote(self, source: str, seen: Seen[Quote]) -> None:
        self.quotes[seen.value.contract] = seen

    def _on_bar(self, source: str, seen: Seen[Bar]) -> None:
        if seen.value.span_s == 60:
            bars = self.bars.setdefault(seen.value.contract, deque(maxlen=BARS))
            if not bars or bars[-1].value.open_ns < seen.value.open_ns:
                bars.append(seen)

    def _on_gap(self, source: str, seen: Seen[Gap]) -> None:
        contract = seen.value.contract or "all"
        self.counts.gaps[contract] = self.counts.gaps.get(contract, 0) + 1

    def _on_position(self, source: str, seen: Seen[PositionUpdate]) -> None:
        if source == ROUTER:
            self.positions[seen.value.contract] = seen

    def _on_order(self, source: str, seen: Seen[OrderUpdate]) -> None:
        if source != ROUTER:
            return
        order = seen.value
        key = (order.sleeve, order.state.value)
        name = order.tag or f"#{order.venue_order_id}"
        known = self.orders.get(name)
        if known is None or known.value.state is not order.state:
            self.counts.orders[key] = self.counts.orders.get(key, 0) + 1
        if order.state in TERMINAL:
            self.orders.pop(name, None)
            self.recent.orders.appendleft(seen)
            return
        if len(self.orders) < ORDERS_MAX or known is not None:
            self.orders[name] = seen

    def _on_fill(self, source: str, seen: Seen[Fill]) -> None:
        if source != ROUTER:
            return
        fill, day = seen.value, self._day_of(seen.value.venue_ns)
        self.fills_waiting.append(TradeRow(day, fill))
        self.attribution = self.attribution.turn(day)
        if any(known.value.trade_id == fill.trade_id for known in self.recent.fills):
            return
        self.recent.fills.appendleft(seen)
        if fill.voided:
            return
        counts, key = self.counts, (fill.sleeve, fill.contract)
        counts.fills[key] = counts.fills.get(key, 0) + 1
        counts.contracts[key] = counts.contracts.get(key, 0) + fill.size
        counts.fees[fill.sleeve] = counts.fees.get(fill.sleeve, 0) + fill.fee

    def _day_of(self, now_ns: Nanos) -> str:
        try:
            return self._calendar.at(now_ns).day
        except OutsideCalendar:
            return ""

    def _on_intent(self, source: str, seen: Seen[OrderIntent]) -> None:
        if not seen.value.shadow:
            self._card(seen.value.sleeve).intents += 1

    def _on_approved(self, source: str, seen: Seen[OrderApproved]) -> None:
        self._card(seen.value.sleeve).approvals += 1

    def _on_vetoed(self, source: str, seen: Seen[OrderVetoed]) -> None:
        veto = seen.value
        if veto.rule is VetoRule.SHADOW:
            return  # a newcomer on trial: `tsq swap` shows what it would have done
        self.recent.vetoes.appendleft(seen)
        key = (veto.sleeve, veto.rule.value)
        self.counts.vetoes[key] = self.counts.vetoes.get(key, 0) + 1

    def _on_sleeve_status(self, source: str, seen: Seen[SleeveStatus]) -> None:
        card = self._card(seen.value.sleeve)
        if seen.value.seat == card.seat:
            card.status = seen

    def _on_sleeve_book(self, source: str, seen: Seen[SleeveBook]) -> None:
        if source == GOVERNOR:
            self._card(seen.value.sleeve).books[seen.value.contract] = seen

    def _on_authority(self, source: str, seen: Seen[AuthorityGranted]) -> None:
        if source != GOVERNOR:
            return
        card = self._card(seen.value.sleeve)
        card.incarnation = seen.value.incarnation
        if card.seat != seen.value.seat:
            card.seat, card.status = seen.value.seat, None  # the newcomer's own is on its way
        for book in seen.value.books:
            card.books[book.contract] = Seen(book, seen.said_ns, seen.source_ns)

    def _card(self, sleeve: str) -> Card:
        """The card of a sleeve; strangers share one, so that a babbler cannot fill our memory."""
        card = self.cards.get(sleeve)
        if card is None:
            name = sleeve if len(self.cards) < 32 else "other"
            card = self.cards.setdefault(name, Card())
        return card
