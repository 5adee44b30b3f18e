"""What the host of a sleeve remembers: its orders, its book, the state of the world, its bars.

Plain structs, so that a snapshot is one encode and a restart leaves no trace. The governor's book
is the truth about the position; between two books a fill is counted at once, by the router's
numbering, so that neither order of arrival counts it twice.
"""

from __future__ import annotations

from msgspec import Struct, field

from shared.domain.indicators import Terrain
from shared.domain.positions import Position
from shared.events import (
    PROTECTIVE,
    TERMINAL,
    Bar,
    BarOrigin,
    FeedState,
    Fill,
    OrderState,
    OrderUpdate,
    Phase,
    Purpose,
    Quote,
    Regime,
    RiskLevel,
    Side,
    SleeveBook,
    WorkingOrder,
)
from shared.units import SECOND, Lots, Micros, Nanos, Ticks

Handle = str
"""What a verb returns: the intent's id, or "" when nothing was asked. It survives in a `State`."""

NOBODY: Handle = ""
DOUBT_REAL_NS = 30 * SECOND  # three of the router's reconciliations; then a lost order is forgotten
TAPE_DEPTH = 4  # bars kept, in multiples of the declared warm-up: an EMA has forgotten the rest
SPANS_MAX = 8

REPLACEABLE = frozenset({OrderState.WORKING, OrderState.PARTIAL})
"""States in which a change of price is worth asking for."""


class Order(Struct):
    """One of the sleeve's orders, as far as it knows. Prices in ticks, None where not set.

    `state` None: asked, not answered. `filled` by the order's own events, `booked` by fills: an
    order that is over stays in the table until both agree, or a new entry could double it.
    """

    intent_id: Handle
    side: Side
    size: Lots
    purpose: Purpose
    state: OrderState | None = None
    limit_price: Ticks | None = None
    stop_price: Ticks | None = None
    filled: Lots = 0
    booked: Lots = 0
    asked_ns: Nanos = 0  # event time of the last wish about its price
    expires_ns: Nanos = 0
    cancel_ns: Nanos = 0  # event time of the last cancel asked, 0: none
    change: Handle = NOBODY  # the modify on its way
    tightest: Ticks | None = None  # of a stop: the closest price ever seen or asked
    doubt_real_ns: Nanos = 0  # since when we suspect it is gone, 0: not
    no: int = 0  # the router event that told us last
    target_ticks: int = 0  # of an entry: how far from its fill a target was wished

    @property
    def over(self) -> bool:
        return self.state in TERMINAL

    @property
    def live(self) -> bool:
        """May still trade, as far as we know; an unanswered wish is live."""
        return self.state not in TERMINAL

    @property
    def open_lots(self) -> Lots:
        """Contracts it may still add to the position beyond what is booked."""
        return max(0, (self.filled if self.over else self.size) - self.booked)

    @property
    def entry(self) -> bool:
        """Rests in the market by the sleeve's own wish: an entry, a quote, a limit to get out."""
        resting_exit = self.purpose is Purpose.EXIT and self.limit_price is not None
        return self.purpose in (Purpose.ENTRY, Purpose.QUOTE) or resting_exit

    @property
    def protective(self) -> bool:
        return self.purpose in PROTECTIVE


class Tape(Struct):
    """Recent bars by span, oldest first: what a view is learnt from, again after a correction."""

    depth: dict[int, int] = {}
    bars: dict[int, list[Bar]] = {}

    def add(self, bar: Bar) -> str:
        """NEW (newest of its span), CHANGED (an older one came or was corrected) or SAME."""
        rows = self.bars.get(bar.span_s)
        if rows is None:
            if len(self.bars) >= SPANS_MAX:
                return "SAME"
            rows = self.bars[bar.span_s] = []
        if not rows or bar.open_ns > rows[-1].open_ns:
            rows.append(bar)
            if len(rows) > self.depth.get(bar.span_s, 1):
                del rows[0]
            return "NEW"
        at = next(i for i, row in enumerate(rows) if row.open_ns >= bar.open_ns)
        if rows[at].open_ns == bar.open_ns:
            if bar.origin is not BarOrigin.REPAIRED or rows[at] == bar:
                return "SAME"
            rows[at] = bar
            return "CHANGED"
        if len(rows) >= self.depth.get(bar.span_s, 1) and at == 0:
            return "SAME"
        rows.insert(at, bar)
        if len(rows) > self.depth.get(bar.span_s, 1):
            del rows[0]
        return "CHANGED"

    def all(self) -> list[Bar]:
        """Every bar kept, span by span."""
        return [bar for span in self.bars.values() for bar in span]


class Memory(Struct):
    """The host's memory. Nothing here is the sleeve's own; that is its `State` and its `View`."""

    incarnation: int = 0
    counter: int = 0
    authority: bool = False
    tuned: dict[str, int | float | bool | str] = {}  # parameters other than the settings'
    tuning: dict[str, int | float | bool | str] = {}  # from the next bar on
    tune_no: int = 0
    untuned: str = ""
    shadow: bool = False  # decides beside the owner; what it says is never obeyed
    superseded_by: int = 0
    note: str = ""  # how this life began, for people
    lost: str = ""  # the same, where something was lost; until a new day
    contract: str = ""
    tick_micros: Micros = 0
    trading_day: str = ""
    tape: Tape = field(default_factory=Tape)
    stale_view: bool = False
    others: dict[str, str] = {}  # product listened to -> its contract
    other_tapes: dict[str, Tape] = {}
    terrain: Terrain = field(default_factory=lambda: Terrain(1))
    regime: Regime = Regime.UNKNOWN
    regime_seen: int = 0  # bars in a row that were judged otherwise
    sheltered: bool = False  # the regime is not one the settings want
    cold: dict[int, int] = {}  # by span: live bars that must close before the next entry
    position: Position = field(default_factory=Position)
    realised: Micros = 0
    fees: Micros = 0
    router_no: int = 0
    told_position: Lots = 0
    orders: dict[Handle, Order] = {}
    books: dict[str, SleeveBook] = {}
    quote: Quote | None = None
    target: Ticks = 0  # where the host closes what is held; 0: the venue's brackets do, or nobody
    feed: FeedState = FeedState.DOWN
    feed_silent: bool = False
    risk: RiskLevel = RiskLevel.HALTED
    paused: bool = False
    governor_silent: bool = False
    flattening: bool = False
    stopping: bool = False
    phase: Phase = Phase.CLOSED
    seen_ns: Nanos = 0  # own time of the newest market event
    real_ns: Nanos = 0  # CLOCK_MONOTONIC at the last pulse
    timers: dict[str, Nanos] = {}
    next_timer_ns: Nanos = 0
    vetoes: int = 0  # in a row
    quiet_until_ns: Nanos = 0
    exit_quiet_until_ns: Nanos = 0
    flood_second: int = 0
    flood_count: int = 0
    flooded: int = 0
    state: str = "WAITING"
    reason: str = ""
    fault: str = ""
    hung: str = ""  # why the past was taken over without the author's code; told once
    hung_off: bool = False  # and it is not to be called again today
    adopted: bool = False
    begun: bool = False
    numbers: dict[str, float] = {}
    logged: str = ""
    word_due: bool = False
    announced_real_ns: Nanos = 0
    owed: bool = True  # a status is due

    # -- the book ------------------------------------------------------------------------------

    def reset_contract(self) -> None:
        """Another contract: what was known of the old one means nothing."""
        self.position, self.orders, self.quote = Position(), {}, None
        self.realised = self.fees = self.router_no = self.told_position = self.seen_ns = 0
        self.tape.bars.clear()
        self.terrain, self.regime = Terrain(self.terrain.length), Regime.UNKNOWN
        self.cold.clear()

    def warm_by(self, span_s: int) -> None:
        """A live bar closed: one less of those that a gap has cost."""
        if span_s in self.cold:
            self.cold[span_s] -= 1
            if not self.cold[span_s]:
                del self.cold[span_s]

    def take_book(self, book: SleeveBook, *, whole: bool) -> bool:
        """Believe a book unless fills already counted are newer. `whole`: forget other orders."""
        if book.router_no and book.router_no < self.router_no and not whole:
            return False
        self.router_no = book.router_no
        self.position = Position(lots=book.position, cost=book.cost, cash=-book.cost)
        self.realised, self.fees = book.realised, book.fees
        if whole:
            self.orders = {}
        self._finish_exits()
        listed = {row.intent_id: row for row in book.working}
        for row in book.working:
            self._take_row(row)
        for order in self.orders.values():
            if order.intent_id not in listed and order.state is not None and not order.over:
                self._doubt(order, book.router_no)
        return True

    def take_asked(
        self, now_ns: Nanos, changing: tuple[Handle, ...], leaving: tuple[Handle, ...]
    ) -> None:
        """A change or a cancel of these orders is on its way, asked by the owner before us."""
        for handle in changing:
            if order := self.orders.get(handle):
                order.change, order.asked_ns = handle, now_ns
        for handle in leaving:
            if order := self.orders.get(handle):
                order.cancel_ns = max(1, now_ns)

    def _take_row(self, row: WorkingOrder) -> None:
        order = self.orders.get(row.intent_id)
        if order is None:
            order = Order(row.intent_id, row.side, row.size, row.purpose, booked=row.filled)
            self.orders[row.intent_id] = order
        if not order.over:
            order.state, order.doubt_real_ns = row.state, 0
            order.filled = max(order.filled, row.filled)
            _price(order, row.limit_price, row.stop_price)

    def _doubt(self, order: Order, router_no: int) -> None:
        if order.no <= router_no and not order.doubt_real_ns:
            order.doubt_real_ns = max(1, self.real_ns)

    # -- orders and fills ----------------------------------------------------------------------

    def take_update(self, update: OrderUpdate) -> None:
        """Fold what an order came to; one we did not know (a bracket leg, an older life) is ours
        too.
        """
        order = self.orders.get(update.intent_id)
        if order is None:
            if update.state in TERMINAL:
                return
            order = Order(update.intent_id, update.side, update.size, update.purpose)
            self.orders[update.intent_id] = order
        order.state, order.size, order.no = update.state, update.size, update.no
        order.filled = max(order.filled, update.filled)
        order.change, order.doubt_real_ns = NOBODY, 0
        _price(order, update.limit_price, update.stop_price)
        self._finish(order)

    def take_fill(self, fill: Fill) -> None:
        """Count a fill, once: a book that already holds it says so by its number."""
        signed = fill.size * (-1 if fill.voided else 1)
        if fill.no > self.router_no:
            self.router_no = fill.no
            self.position.apply(signed * fill.side, fill.price)
        order = self.orders.get(fill.intent_id)
        if order is not None:
            order.booked += signed
            self._finish(order)
        self._finish_exits()

    def _finish_exits(self) -> None:
        """The router may carry out an exit through a leg of the bracket or the venue's own close:
        then its fills bear another name, and it is accounted for when nothing is left to close.
        """
        for order in list(self.orders.values()):
            if order.purpose is Purpose.EXIT and order.over:
                self._finish(order)

    def _finish(self, order: Order) -> None:
        if not order.over:
            return
        closed = order.purpose is Purpose.EXIT and self.position.lots * order.side >= 0
        if closed or order.booked >= order.filled:
            del self.orders[order.intent_id]
        elif not order.doubt_real_ns:
            order.doubt_real_ns = max(1, self.real_ns)  # its fills should follow

    def sweep(self, now_ns: Nanos) -> None:
        """Forget what stayed doubtful for long: nobody waits for ever for an answer."""
        for order in list(self.orders.values()):
            asked_in_vain = order.state is None and now_ns > order.expires_ns
            if asked_in_vain and not order.doubt_real_ns:
                order.doubt_real_ns = max(1, self.real_ns)
            if order.doubt_real_ns > self.real_ns:  # the computer was restarted
                order.doubt_real_ns = max(1, self.real_ns)
            if order.doubt_real_ns and self.real_ns - order.doubt_real_ns >= DOUBT_REAL_NS:
                del self.orders[order.intent_id]

    def side_lots(self, side: Side) -> Lots:
        """The worst position on `side`: held, asked, working or filled and not yet booked."""
        open_lots = sum(
            order.open_lots
            for order in self.orders.values()
            if order.side is side and not order.protective
        )
        return max(0, self.position.lots * side) + open_lots


def _price(order: Order, limit_price: Ticks | None, stop_price: Ticks | None) -> None:
    if limit_price is not None:
        order.limit_price = limit_price
    if stop_price is not None:
        order.stop_price = stop_price
        if order.protective and order.state in REPLACEABLE:  # a suspended leg's price is a plan
            tighter = max if order.side is Side.SELL else min
            seen = stop_price if order.tightest is None else order.tightest
            order.tightest = tighter(seen, stop_price)
