"""Everything the router remembers.

All memory is one struct, so a snapshot is one encoding of it. Steps count the events heard: a read
*said* in step 7 or later has begun after an outcome *heard* in step 7, which is all the proof that
"begun after" needs. Real time is that of the last pulse, a quarter of a second coarse.

Nothing grows without end: finished orders, answered approvals and trades are bounded, oldest out.
"""

from __future__ import annotations

from msgspec import Struct, field

from services.order_router.words import Outcome
from shared.domain.positions import Position
from shared.events import (
    TERMINAL,
    OrderApproved,
    OrderState,
    OrderType,
    Phase,
    Purpose,
    Scope,
    Side,
    VenueState,
)
from shared.units import Lots, Micros, Nanos, Ticks
from shared.venue.translate import TradeRow

REST_S = {Outcome.DONE: 0.5, Outcome.UNKNOWN: 2.0, Outcome.REFUSED: 0.25, Outcome.NOT_SENT: 0.25}
REFUSED_MAX_S = 4.0

ROUTER = "router"
"""The sleeve part of tags of our own orders."""

CLOSE = "close"
"""`via` of an exit that is carried out by a flatten of its contract."""

HUMAN = ""
"""The owner of what was made by hand."""

DONE_MAX = 512  # finished orders kept for late trades; a busy hour of quotes
ANSWERED_MAX = 4096  # approvals; older ones are past every deadline
LIVE_MAX = 100  # the venue itself would not like more

NEVER: Nanos = 2**62

OPENERS = frozenset({Purpose.ENTRY, Purpose.QUOTE})
STOPS = frozenset({Purpose.STOP_LOSS, Purpose.NET_STOP})
RESTING = frozenset({OrderState.WORKING, OrderState.PARTIAL})


class Order(Struct):
    """One order. `key` is its tag, or `#<venue id>` when it has none.

    `seen`, `mark`: steps in which the venue last showed it, and in which a request about it last
    ended without a clear yes. `via`: an exit that has no order of its own at the venue: the key of
    the take-profit that was re-priced for it, or CLOSE.
    """

    key: str
    tag: str
    intent_id: str
    sleeve: str
    contract: str
    side: Side
    size: Lots
    type: OrderType
    purpose: Purpose
    state: OrderState = OrderState.SENT
    filled: Lots = 0
    traded: Lots = 0
    limit_price: Ticks | None = None
    stop_price: Ticks | None = None
    bracketed: bool = False
    venue_id: int = 0
    parent: str = ""
    sent_ns: Nanos = 0
    sent_real_ns: Nanos = 0
    updated_ns: Nanos = 0
    seen: int = 0
    mark: int = 0
    ended_real_ns: Nanos = 0
    cancel: str = ""
    cancelling: bool = False
    blocked: bool = False
    modifying: bool = False
    change: tuple[Lots | None, Ticks | None, Ticks | None] | None = None
    changed: bool = False
    unchangeable: str = ""
    absent_real_ns: Nanos = 0
    recorded: bool = False  # only in recovery: its request is on record
    answered: bool = False  # the same of a word about it
    said_step: int = 0  # in which it was answered SENT
    note: str = ""  # for a person, where nothing else is said of it
    via: str = ""
    undo: Ticks | None = None
    stop_ticks: Ticks = 0  # of an entry into a shared contract: where its bracket's stop would be
    asked_size: Lots = 0  # of a change whose outcome is unknown
    shared: bool = False

    @property
    def left(self) -> Lots:
        return self.size - self.filled

    @property
    def live(self) -> bool:
        return self.state not in TERMINAL

    @property
    def still(self) -> bool:
        """No request about it is on its way."""
        return not (self.cancelling or self.modifying) and self.state is not OrderState.CANCELLING


class Close(Struct):
    """The last `closeContract` of a contract. `lots`: what was held when it was said."""

    close_id: int
    lots: Lots
    sent_ns: Nanos
    outcome: Outcome | None = None
    mark: int = 0
    ended_real_ns: Nanos = 0
    refusals: int = 0  # in a row, of market closes
    order_key: str = ""
    over: bool = False  # answered, and a read begun since shows that nothing is left of it

    @property
    def rest_s(self) -> float:
        """Real seconds after its end in which no read is believed that the position is still
        there; refusals double them.
        """
        assert self.outcome is not None, "Invariant: it ended"
        rest_s = REST_S[self.outcome]
        refused = self.outcome is Outcome.REFUSED
        return min(REFUSED_MAX_S, rest_s * 2**self.refusals) if refused else rest_s


class Book(Struct):
    """A contract's position and its parts. `shares`: owner -> signed lots; they add up to the
    position.

    `stream`: the position as the hub last told it. `since_real_ns`: since when it has been flat
    (its legs may still be on their way out). `naked_ns`: since when it has not been covered by
    stops (market time); `bare_real_ns`: since when our own part of it has not.
    """

    contract: str
    position: Position = field(default_factory=Position)
    shares: dict[str, Lots] = {}
    owner: str = ROUTER
    bracketed: bool = False
    last_price: Ticks = 0
    acted: int = 0  # step of the last thing that happened to it
    stream: Lots | None = None
    stream_step: int = 0
    differs_real_ns: Nanos = 0
    flat_real_ns: Nanos = 0
    moved_by: Purpose | None = None  # what the last fill was for
    excess_real_ns: Nanos = 0
    naked_ns: Nanos = 0
    bare_real_ns: Nanos = 0
    told: tuple[Lots, int, Lots, Nanos] = (0, 0, 0, 0)
    stop_trouble: bool = False  # the venue refused our stop: the market is beyond it
    close: Close | None = None
    news: int = 0  # step of the last thing heard that bears on the position
    inherited: tuple[Lots, Ticks] = (0, 0)  # (lots, price) taken over without a Fill
    leg_gone: bool = False  # a stop of a bracket went away without filling
    asked: int = 0  # the question for its price under way
    asked_real_ns: Nanos = 0
    priced: int = 0  # step of its answer
    shared: bool = False  # several sleeves may hold parts of it: `shared/domain/sharing.py`
    stood_in: list[Lots] = []  # held when the sentinel closed it, of closes not explained yet
    stops: dict[str, Ticks] = {}  # of those that share it: where each one's part is to end

    @property
    def lots(self) -> Lots:
        return self.position.lots


class Booked(Struct):
    """A trade that was counted: (owner, signed lots, fee) of each part."""

    key: str
    contract: str
    price: Ticks
    venue_ns: Nanos
    parts: tuple[tuple[str, Lots, Micros], ...] = ()
    voided: bool = False


class Reading(Struct):
    """A read on its way. `begin`: the step it was said in. `waiting`: trades that then waited for
    their order; it looks far enough back to show the orders of these.
    """

    begin: int
    begin_real_ns: Nanos
    begin_ns: Nanos
    since_ns: Nanos
    periodic: bool
    waiting: tuple[int, ...] = ()


class ReadDone(Struct):
    """What the last complete read showed. `averages`: entry prices of its positions."""

    begin: int
    begin_real_ns: Nanos
    positions: dict[str, Lots]
    live: dict[str, int]  # keys of live orders listed
    averages: dict[str, Ticks] = {}


class Saga(Struct):
    """A flatten under way. `human`: what was made by hand is in scope too."""

    scope: Scope
    halt_no: int
    cause: str
    sleeve: str = ""
    contract: str = ""
    human: bool = False
    requests: list[str] = []
    stage: str = ""
    beat: int = 0
    began_real_ns: Nanos = 0
    told_real_ns: Nanos = 0
    mark: int = 0  # step of the last thing that happened in scope; a proof begins after it
    proofs: int = 0
    proof_begin: int = 0


class Spent(Struct, array_like=True):
    """Requests that left shortly before this market time."""

    until_ns: Nanos
    requests: int


class State(Struct):
    """All memory of the router."""

    incarnation: int = 0
    step: int = 0
    real_ns: Nanos = 0
    no: int = 0
    own: int = 0  # our own orders, counted for their tags
    request: int = 0  # reads and closes
    orders: dict[str, Order] = {}
    done: dict[str, Order] = {}
    by_id: dict[int, str] = {}
    by_intent: dict[str, str] = {}
    answered: dict[str, int] = {}
    exits: dict[str, OrderApproved] = {}  # the latest wish to leave a contract, waiting its turn
    trades: dict[int, Booked] = {}
    floor_ns: Nanos = 0  # trades before this instant are none of ours or were counted long ago
    waiting: dict[int, TradeRow] = {}
    waiting_step: int = 0
    owed: dict[str, tuple[Nanos, int]] = {}  # filled without the trades: last looked, how often
    books: dict[str, Book] = {}
    sagas: dict[str, Saga] = {}
    account_id: int = 0
    balance: Micros = 0
    can_trade: bool = True
    account_told: tuple[int, Micros, bool] | None = None
    up: bool = False
    reason: str = "not connected yet"
    refused: str = ""  # why the account may not be traded at all
    quota_left: int = 0
    halt_no: int = 0
    halt_floor: int = -1  # approvals up to this number are void for ever
    phase: Phase | None = None
    closed_real_ns: Nanos = 0  # since when the session is over, as far as the governor said
    silent: bool = False
    armed_until_ns: Nanos = 0
    reads: dict[int, Reading] = {}
    read: ReadDone | None = None
    read_due_ns: Nanos = NEVER  # real time
    round_due_ns: Nanos = 0  # real time, of the next periodic read
    read_rest_ns: Nanos = 0  # real time, before which no read begins: the last one failed
    glimpsed: bool = False  # a glance showed a position that we do not know so
    glance_due_ns: Nanos = 0  # real time, before which only an urgent read begins
    rounds: int = 0
    trades_read_ns: Nanos = 0  # by the venue's clock: what is older has been read
    venue_ns: Nanos = 0  # the latest stamp of the venue's that we know
    based: bool = False
    reconciled: bool = False
    user_step: int = 0
    difference: str = ""
    differences: int = 0
    difference_step: int = 0  # in which the last read that showed it was said
    difference_real_ns: Nanos = 0  # when the last read that counted was said
    inherited: bool = False
    quarantine_real_ns: Nanos = 0
    attended_real_ns: Nanos = 0  # until then a person looks after the quarantine
    stopping: bool = False
    status: tuple[VenueState, int, str] | None = None
    status_real_ns: Nanos = 0
    spent: list[Spent] = []  # of the last minute
    stood_in: tuple[str, int, tuple[tuple[str, Lots], ...]] = ("", 0, ())
    stood_in_step: int = 0  # in which this report of the sentinel's was heard; 0: it is explained
    told_from: int = 0  # only while the past is told by other code: the step of the memory it had
