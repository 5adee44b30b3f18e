"""All the governor remembers, its limits in integers, and the desk where both lie.

`State` is what a snapshot is made of: everything a decision may depend on, and nothing else. `Mind`
is the desk: every module of this room is functions over it. Nothing here grows without end: orders
leave when they end, answers are kept per sleeve for a window, marks for contracts listed or held.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from services.risk_governor.conduct import Conduct
from services.risk_governor.directions import Values
from services.risk_governor.limits import Limits
from services.risk_governor.members import UP
from services.risk_governor.sanity import TICKS_MAX
from services.risk_governor.words import Holding, OthersHold
from shared.contracts import Product, product_of
from shared.domain.ledger import Ledger
from shared.domain.sessions import Calendar, OutsideCalendar, TradingDay, calendar
from shared.events import (
    CancelApproved,
    Event,
    FeedState,
    Grounds,
    ModifyApproved,
    OrderApproved,
    OrderIntent,
    OrderState,
    OrderType,
    OrderVetoed,
    Phase,
    Purpose,
    RiskLevel,
    Side,
    VenueState,
)
from shared.settings import Settings
from shared.units import Lots, Micros, Nanos, Ticks

if TYPE_CHECKING:
    from services.risk_governor.draft import Pass, Way
    from services.risk_governor.equity import Walls
    from services.risk_governor.exposure import Exposure, Ways
    from services.risk_governor.others import Others
    from services.risk_governor.rates import Rates

FAR: Final = 1 << 60  # beyond every price and every sum of money
ANSWERS_REMEMBERED: Final = 128  # per sleeve; an older intent repeated is vetoed as a duplicate
PHASES: Final = {phase: index for index, phase in enumerate(Phase)}  # strictest last
CLOSING: Final = frozenset({Purpose.EXIT, Purpose.FLATTEN})
ROUTER: Final = "order_router"
GATEWAY: Final = "market_data_gateway"
SENTINEL: Final = "sentinel"
GOVERNOR: Final = "risk_governor"
ROUTER_OWN: Final = "router"  # the sleeve of orders that are nobody's: the net stop where many hold

Answer = OrderApproved | OrderVetoed | ModifyApproved | CancelApproved
STRANGE: Final = Product(
    root="", symbol="", name="not in the table", tick_nanos=1, tick_micros=0, fee_side_micros=0,
    months="", mini_tenths=10, expiry="", group="", front_months="",
)  # fmt: skip
"""Stands for a product nobody knows: worth nothing here (the venue's balance tells what it did) and
a risk without bound in `exposure`, so that nothing is opened beside it."""


@lru_cache(maxsize=256)
def product(contract: str) -> Product:
    """The product behind a contract id, STRANGE when we do not know it."""
    try:
        return product_of(contract)
    except ValueError:
        return STRANGE


class Mark(Struct):
    """The last quote of a contract, and the band in which no level of the account can be reached:
    a quote with `lo <= bid <= ask <= hi` needs no thought; see `bands.rebox`.
    """

    bid: Ticks
    ask: Ticks
    recv_ns: Nanos
    lo: Ticks = FAR
    hi: Ticks = -FAR
    venue_ns: Nanos = 0
    was: Ticks = 0  # the bid at `was_ns`, to see a jump by
    was_ns: Nanos = 0
    pause_ns: Nanos = 0  # until when a jump is waited out
    settle: Ticks = 0  # the bid when `day` began
    day: str = ""

    def usable(self) -> bool:
        return 0 < self.bid < TICKS_MAX and 0 < self.ask < TICKS_MAX


class Order(Struct):
    """An order that may still fill, or has filled and is not yet booked.

    `state` is None from the approval to the router's answer. `filled` is the router's count,
    `booked` that of the fills heard: only those are in the ledger, the rest still counts here.
    """

    intent_id: str
    sleeve: str
    contract: str
    side: int
    size: Lots
    purpose: Purpose
    type: OrderType
    state: OrderState | None = None
    done: bool = False
    filled: Lots = 0
    booked: Lots = 0
    limit_price: Ticks | None = None
    stop_price: Ticks | None = None
    stop_loss_ticks: Ticks | None = None
    protects: bool = False  # a leg or the net stop
    reducing: bool = False  # approved as an exit; it must never open anything
    deadline_real_ns: Nanos = 0
    lapsed_ns: Nanos = 0  # market time at which the deadline was seen to have passed unanswered
    cancel_real_ns: Nanos = 0  # when we last asked for its cancel
    worst_price: Ticks | None = None  # where it may have filled, while nobody knows whether
    nearer: tuple[Ticks, Nanos] | None = None  # limit it may come to; real time of that approval
    asked: str = ""  # "change" or "cancel": approved, and the router has not told of it since

    def leaves(self) -> Lots:
        """Contracts that may still come to the books."""
        left = (self.filled if self.done else self.size) - self.booked
        return left if left > 0 else 0

    def opens(self) -> bool:
        """Whether we asked for it and it may open risk: what a halt withdraws."""
        return not (self.reducing or self.done or self.protects) and bool(self.sleeve)


class Line(Struct, frozen=True):
    """A session net at which a rule acts, and the latch it trips. `leaving`: the cost of leaving
    is counted before it is asked. `gain`: it is reached from below."""

    key: str
    at: Micros
    leaving: bool = False
    gain: bool = False


class Latch(Struct):
    """One reason not to be ACTIVE. It rests at `rests`; while `flattening` flat is not proven."""

    rests: RiskLevel
    cause: str
    since_ns: Nanos
    clears: str
    until_ns: Nanos = 0
    flattens: bool = False
    flattening: bool = False
    flatten_no: int = 0  # the halt_no its Flatten carried
    request_id: str = ""
    owner: str = GOVERNOR  # or the person
    sleeve: str = ""  # whom it binds; the account when empty
    alarm: bool = False  # a person must look at once
    grounds: Grounds | None = None  # None: of an older memory


class Tally(Struct):
    """What the firm counts over the days since the last payout, or since the account was opened;
    see `shared/domain/rules/account.py`."""

    traded: bool = False  # today
    asked: bool = False  # a payout was booked today
    paid: bool = False
    basis: Micros = 0
    best: Micros = 0
    winning: int = 0
    trading: int = 0
    idle: int = 0


class Agreed(Struct, frozen=True):
    """A comparison that found everything flat: its balance, the fills booked by then, and a smaller
    balance seen once since."""

    balance: Micros
    fills: int
    lower: Micros | None = None


class Sleeve(Struct):
    """Who speaks for a sleeve, or would (a shadow); what it was answered lately and how often it
    was approved lately.
    """

    incarnation: int
    answers: dict[int, Answer] = {}
    forgotten: int = -1  # every intent number up to here is out of the window
    approved_ns: list[Nanos] = []
    seat: str = ""
    state: str = ""  # its own word: WAITING, WARMING, READY, PAUSED
    reason: str = ""
    cause: str = ""  # of the swap that made it the owner
    tuned: dict[str, int | float | bool | str] = {}  # as it says itself
    asked_no: int = 0  # of the last ParamsTuned we said, and of the last it judged
    tune_no: int = 0
    untuned: str = ""


class Shared(Struct):
    """A contract that several sleeves may hold at once. `sleeves`: who may open there (nobody any
    more when the settings changed and it is not flat yet); `stops`: where each one's part ends.
    """

    sleeves: tuple[str, ...]
    stops: dict[str, Ticks] = {}


class Probation(Struct):
    """A new owner is watched: `pulses` to go, and how many vetoes it had in a row."""

    pulses: int
    vetoes: int = 0


class State(Struct, kw_only=True):
    """Everything remembered. Money in micro-dollars."""

    epoch: int = 0
    real_ns: Nanos = 0  # of the last pulse
    said_real_ns: Nanos = 0  # when RiskState was last said
    # account
    day: str = ""  # the trading day the numbers below belong to
    base: Micros | None = None  # balance at the day's start; None until first reconciled
    drift: Micros = 0  # venue's balance minus ours when last compared; only a loss counts
    high: Micros = 0  # of balances at a day's end
    peak: Micros = 0  # of equity at any time
    floor: Micros = 0
    cap_tenths: Lots = 0  # the firm's cap on positions today
    tally: Tally = field(default_factory=Tally)
    agreed: Agreed | None = None
    fills: int = 0  # ever booked
    trades_today: int = 0
    trips: dict[str, Micros] = {}  # directional trade under way (its book) -> worth when it began
    streak: int = 0  # directional trades lost in a row
    thin: bool = False  # an hour poor in volume, in which leaving costs more
    in_force: Values = {}  # the limits of a day, never looser than when it began
    in_force_day: str = ""
    limits_due: bool = True  # those that are no whole numbers are to be told
    records: dict[str, list[Micros]] = {}  # sleeve -> its nets of the last finished days
    budgets: dict[str, Micros] = {}  # sleeve -> its slice of the distance to the floor
    banked: bool = False  # the profit target was reached, and a person resumed after it
    ledger: Ledger
    orders: dict[str, Order] = {}
    early: dict[str, Lots] = {}  # fills heard before their order
    waiting: dict[str, OrderIntent] = {}  # contract -> the exit to approve when the last one ended
    marks: dict[str, Mark] = {}
    # levels
    halt_no: int = 0
    level: RiskLevel = RiskLevel.ACTIVE
    cause: str = ""
    since_ns: Nanos = 0
    latches: dict[str, Latch] = {}
    latched: int = 0  # grows with every change of a latch
    said_latched: int = 0  # `latched` when RiskState was last said
    paused: bool = False
    # world
    sleeves: dict[str, Sleeve] = {}
    shadows: dict[str, Sleeve] = {}  # who decides beside the owner and does not act
    probation: dict[str, Probation] = {}
    lives: dict[str, int] = {}  # of each sleeve's processes, the epoch it last beat with
    listed: dict[str, str] = {}  # root -> contract
    feed: FeedState | None = None
    gate_day: str = ""
    gate_phase: Phase | None = None
    venue: VenueState | None = None
    venue_reason: str = ""
    can_trade: bool = True
    simulated: bool = True
    account_id: int = 0  # whose floor and books these are
    stranger: str = ""  # another account, as the router names it; empty: it is that one
    router_no: int = 0
    silent: dict[str, Nanos] = field(default_factory=lambda: {SENTINEL: 0})  # peer -> real time
    naked_real_ns: dict[str, Nanos] = {}  # contract -> real time since when it lacks a stop
    closing: dict[str, int] = {}  # contract -> halt_no of its own Flatten
    blind_ns: Nanos = 0  # market time since when equity with a position is not known
    cancels: int = 0
    request_id: str = ""  # the last flatten request obeyed
    quoted_today: Lots = 0  # contracts traded by quotes
    newborn: bool = False  # this life began without any memory
    approved_ns: list[Nanos] = []  # of all sleeves, lately
    conduct: dict[str, Conduct] = {}
    disk_mb: int | None = None  # free, as last told in this life
    others: OthersHold | None = None  # as last told in this life
    difference_until_ns: Nanos = 0  # a person looks at it: no flatten before
    we_hold: tuple[Holding, ...] = ()  # as last told to the other governors
    shared: dict[str, Shared] = {}  # by contract
    held_back: dict[str, tuple[OrderIntent, Nanos]] = {}  # entries that wait, until when


class Mind:
    """Limits, calendar and state on one desk; `out` collects what is said about one event."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.limits = Limits(settings)
        self.walls: Walls | None = None  # drawn by `equity` ...
        self.drawn: tuple[object, ...] = ()  # ... for these numbers
        self.calendar: Calendar = calendar(settings.session)
        self.state = State(ledger=Ledger())
        self.out: list[Event] = []
        self.exposed: dict[str, Exposure] | None = None  # see `exposure.exposures`
        self.exposed_for: tuple[bool, Limits] = (False, self.limits)
        self.rates: dict[str, Rates] = {}  # by root, of the products asked about
        self.stale: dict[str, None] = {}
        self.moving: list[tuple[Exposure, Mark]] = []  # of them those that hang on their quote
        self.ways: Ways | None = None  # see `exposure.ways`
        self.others: dict[str, Others] = {}  # see `others.others_of`
        self.alike: dict[str, tuple[str, ...]] = {}  # sleeve -> others; see `checks_together`
        self.passes: dict[Way, Pass] = {}  # see `passes`, also the next
        self.asked_ways: dict[Way, None] = {}
        self.traded: Lots | None = None  # see `checks_together.traded_today`
        self.unboxed = False  # see `bands.unbox`
        self.sharing, self.alone = settings.sharing, settings.simulated()
        self._today: TradingDay | None = None

    def forget(self, contract: str) -> None:
        """What was counted of a contract's exposure no longer holds; of all, when none is named."""
        self.passes, self.traded = {}, None
        if contract:
            self.stale[contract] = None
        else:
            self.exposed = None

    def hold_limits(self, held: Values) -> None:
        """Take over what was in force before in this trading day, unless ours is tighter."""
        self.limits = Limits(self.settings, held)
        self.state.in_force = self.limits.values
        self.calendar, self._today = calendar(self.limits.session), None
        self.forget("")

    def today(self, now_ns: Nanos) -> TradingDay | None:
        """The trading day of an instant; None outside the calendar, where nothing may open."""
        day = self._today
        if day is None or not day.begins_ns <= now_ns < day.ends_ns:
            try:
                day = self.calendar.at(now_ns)
            except OutsideCalendar:
                day = None
            self._today = day
        return day

    def phase(self, now_ns: Nanos) -> Phase:
        """Our own clock's phase or the gateway's for the same day, the stricter; CLOSED outside."""
        day = self.today(now_ns)
        if day is None:
            return Phase.CLOSED
        own, state = day.phase(now_ns), self.state
        theirs = state.gate_phase
        if theirs is own or theirs is None or state.gate_day != day.day:
            return own
        if PHASES[theirs] <= PHASES[own]:
            return own
        return theirs

    def feed_is_up(self) -> bool:
        """Whether the gateway lives and has proven that its streams do."""
        return self.state.feed is UP and GATEWAY not in self.state.silent

    def live(self, contract: str) -> list[Order]:
        """The orders of a contract that may still come to the books."""
        orders = self.state.orders.values()
        return [order for order in orders if order.contract == contract and order.leaves()]

    def ended(self, contract: str) -> list[Order]:
        """The orders of a contract that ended and of which fills may still be owed."""
        orders = self.state.orders.values()
        return [order for order in orders if order.done and order.contract == contract]

    def closing_lots(self, sleeve: str, contract: str, side: int) -> Lots:
        """Contracts of a sleeve's exits already working or of unknown outcome."""
        return sum(
            order.leaves()
            for order in self.state.orders.values()
            if order.reducing
            and order.contract == contract
            and order.side == side
            and order.sleeve == sleeve
        )


def side_of(sign: int) -> Side:
    return Side.BUY if sign > 0 else Side.SELL


def product_named(contract: str) -> Product | None:
    """The product behind a contract id; None when we do not know it."""
    kind = product(contract)
    return None if kind is STRANGE else kind
