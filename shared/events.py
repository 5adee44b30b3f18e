"""The language of the house: every event that crosses a process boundary is declared here, once.

Frozen, tagged with the class name, whole numbers with units (`shared/units.py`). A field may only
be appended, with a default; `tests/test_wire.py` pins the bytes. Market events carry the venue's
time and the time we received them: freshness and expiry derive from those, never from the clock of
the reader, so that an event caught up from a journal cannot look fresh. Events private to one room
live in that room's `words.py`.
"""

from __future__ import annotations

from enum import Enum, IntEnum

from msgspec import Struct

from shared.units import Lots, Micros, Nanos, Ticks


class Side(IntEnum):
    """Buy or sell; the value is the sign of the position it makes."""

    BUY = 1
    SELL = -1


class OrderType(Enum):
    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP = "STOP"  # stop-market
    TRAILING_STOP = "TRAILING_STOP"
    JOIN_BID = "JOIN_BID"
    JOIN_ASK = "JOIN_ASK"


class Purpose(Enum):
    """What an order is for. The governor computes it; what a sleeve claims is only a wish."""

    ENTRY = "ENTRY"  # opens or adds, carries its own bracket
    QUOTE = "QUOTE"  # one side of a two-sided quote, protected by the router's net stop
    EXIT = "EXIT"  # only reduces
    STOP_LOSS = "STOP_LOSS"  # the bracket's stop
    TAKE_PROFIT = "TAKE_PROFIT"  # the bracket's limit
    NET_STOP = "NET_STOP"  # the router's stop for a contract's net position
    FLATTEN = "FLATTEN"  # a close of the flatten saga, also the venue's own close order
    HUMAN = "HUMAN"  # made by hand in the platform


PROTECTIVE = frozenset({Purpose.STOP_LOSS, Purpose.TAKE_PROFIT, Purpose.NET_STOP})


class OrderState(Enum):
    """Where an order stands; the moves between these are the table in `shared/domain/orders.py`."""

    __hash__ = object.__hash__  # there is one object of each; its name would cost a call

    SENT = "SENT"  # journalled and handed to the venue, nothing heard yet
    UNKNOWN = "UNKNOWN"  # the outcome is not known; counts as filled at its worst
    SUSPENDED = "SUSPENDED"  # a bracket leg whose entry has not filled
    WORKING = "WORKING"
    PARTIAL = "PARTIAL"  # working, some filled
    CANCELLING = "CANCELLING"  # working, a cancel is on its way
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"  # the venue would not
    REFUSED = "REFUSED"  # the router would not; it never left
    ABSENT = "ABSENT"  # proven never to have reached the venue
    EXPIRED = "EXPIRED"


TERMINAL = frozenset(
    {
        OrderState.FILLED,
        OrderState.CANCELLED,
        OrderState.REJECTED,
        OrderState.REFUSED,
        OrderState.ABSENT,
        OrderState.EXPIRED,
    }
)


class Event(
    Struct, frozen=True, kw_only=True, tag=True, tag_field="t", omit_defaults=True, gc=False
):
    """Something that happened. Never changed, never deleted, only appended. It holds only what was
    there before it, so no circle of rubbish leads through it and the collector need not look.
    """


# -- the runtime's own (journalled as inputs; only Heartbeat is published) -----------------------


class Heartbeat(Event, frozen=True, kw_only=True):
    """I live. `seq`: last sequence number used per lane; `beat` counts my own pulses since I
    started; `places`: per lane, how far its journal reaches (day, epoch of the file's first
    record, offset).
    """

    actor: str
    epoch: int
    beat: int
    schema: str
    seq: dict[str, int]
    state: str = "READY"
    inbox: int = 0
    note: str = ""
    places: dict[str, tuple[str, int, int]] = {}


class Started(Event, frozen=True, kw_only=True):
    """The process has (re)started; `epoch` is its life's number, larger than every earlier one.

    `fresh`: no earlier memory was found. `changed`: the memory was made by other code or settings,
    so recorded words were folded in and nothing was decided again.
    """

    epoch: int
    fresh: bool
    changed: bool = False


class Pulse(Event, frozen=True, kw_only=True):
    """A quarter of a real second has passed. `real_ns` is CLOCK_MONOTONIC, equal for all on this
    host.
    """

    real_ns: Nanos


class ClockJump(Event, frozen=True, kw_only=True):
    """The computer slept or its clock was moved: nothing believed before this is fresh."""

    slept_ns: Nanos


class PeerSilent(Event, frozen=True, kw_only=True):
    """No heartbeat of `actor` for as long as the core's `watches` allows."""

    actor: str


class PeerBack(Event, frozen=True, kw_only=True):
    """`actor` beats again; `epoch` tells whether it is the same life."""

    actor: str
    epoch: int


class Stopping(Event, frozen=True, kw_only=True):
    """We were asked to stop (SIGTERM); say your last words."""

    reason: str


# -- market data gateway ---------------------------------------------------------------------------


class Quote(Event, frozen=True, kw_only=True):
    """Best bid and ask, ticks; sizes in contracts, 0 where the venue sent no depth."""

    contract: str
    bid: Ticks
    ask: Ticks
    venue_ns: Nanos
    recv_ns: Nanos
    bid_size: Lots = 0
    ask_size: Lots = 0


class Trade(Event, frozen=True, kw_only=True):
    """A print on the tape, not one of ours. `aggressor` is None where the venue did not say."""

    contract: str
    price: Ticks
    size: Lots
    venue_ns: Nanos
    recv_ns: Nanos
    aggressor: Side | None = None


class Depth(Event, frozen=True, kw_only=True):
    """The book's best levels as (price in ticks, size), best first."""

    contract: str
    bids: tuple[tuple[Ticks, Lots], ...]
    asks: tuple[tuple[Ticks, Lots], ...]
    venue_ns: Nanos
    recv_ns: Nanos


class BarOrigin(Enum):
    LIVE = "LIVE"  # built here from ticks
    HISTORY = "HISTORY"  # fetched for warm-up
    REPAIRED = "REPAIRED"  # fetched after a gap; replaces a bar built from an incomplete stream


class Bar(Event, frozen=True, kw_only=True):
    """A closed bar of `span_s` seconds opening at `open_ns` (UTC); prices in ticks, volume in
    contracts.
    """

    contract: str
    span_s: int
    open_ns: Nanos
    open: Ticks
    high: Ticks
    low: Ticks
    close: Ticks
    volume: Lots
    origin: BarOrigin = BarOrigin.LIVE

    @property
    def close_ns(self) -> Nanos:
        return self.open_ns + self.span_s * 1_000_000_000


class ContractListed(Event, frozen=True, kw_only=True):
    """`root` (MNQ) trades as `contract` (CON.F.US.MNQ.Z26) on `trading_day`; warm-up follows."""

    root: str
    contract: str
    name: str
    tick_nanos: int
    tick_micros: Micros
    trading_day: str


class WarmupDone(Event, frozen=True, kw_only=True):
    """All history bars of `contract` asked for on `trading_day` have been published before this."""

    contract: str
    trading_day: str
    bars: int


class FeedState(Enum):
    UP = "UP"  # connected, subscribed and an event was seen on every stream
    DOWN = "DOWN"
    FROZEN = "FROZEN"  # connected but silent in trading hours


class FeedStatus(Event, frozen=True, kw_only=True):
    """The market feed as a whole. Anything but UP means: no new risk."""

    state: FeedState
    since_ns: Nanos
    reason: str = ""


class Gap(Event, frozen=True, kw_only=True):
    """Ticks of `contract` between the two instants were missed; `bars_repaired` were fetched again.

    An empty `contract` means all of them (the reader itself missed ticks on the bus). `repaired` is
    false when history did not answer: bars of that time are missing for good.
    """

    contract: str
    start_ns: Nanos
    end_ns: Nanos
    bars_repaired: int = 0
    reason: str = ""
    repaired: bool = True


class Phase(Enum):
    """The part of the trading day, strictest last; the countdown of the design, section 7."""

    OPEN = "OPEN"
    NO_ENTRIES = "NO_ENTRIES"  # from 15:00 CT
    FLATTEN = "FLATTEN"  # from 15:05 CT
    FLAT = "FLAT"  # from 15:08 CT: must be proven flat
    CLOSED = "CLOSED"


class SessionPhase(Event, frozen=True, kw_only=True):
    """A phase began. `trading_day` is the CME trade date (turns at 17:00 CT), ISO."""

    trading_day: str
    phase: Phase
    flat_by_ns: Nanos
    reopens_ns: Nanos


# -- sleeves ---------------------------------------------------------------------------------------


class OrderIntent(Event, frozen=True, kw_only=True):
    """A sleeve wishes an order. Prices in ticks; bracket distances in ticks, always positive.

    `least`: the smallest size still welcome; 0: the whole size or nothing. `up_to`: as `least` 1.
    `intent_id` is `<sleeve>.<incarnation>.<n>`, unique for ever. Past
    `expires_ns` (market time) the answer is a veto.
    """

    intent_id: str
    sleeve: str
    incarnation: int
    contract: str
    side: Side
    size: Lots
    type: OrderType
    expires_ns: Nanos
    reason: str
    purpose: Purpose = Purpose.ENTRY
    limit_price: Ticks | None = None
    stop_price: Ticks | None = None
    stop_loss_ticks: int | None = None
    take_profit_ticks: int | None = None
    up_to: bool = False
    least: Lots = 0
    shadow: bool = False  # said by who does not own the sleeve: refused whatever comes


class ModifyIntent(Event, frozen=True, kw_only=True):
    """A sleeve wishes its order `target` (an intent id) changed; None means unchanged."""

    intent_id: str
    sleeve: str
    incarnation: int
    target: str
    expires_ns: Nanos
    reason: str
    limit_price: Ticks | None = None
    stop_price: Ticks | None = None
    shadow: bool = False


class CancelIntent(Event, frozen=True, kw_only=True):
    """A sleeve wishes its order `target` (an intent id) cancelled."""

    intent_id: str
    sleeve: str
    incarnation: int
    target: str
    reason: str
    shadow: bool = False


class SleeveStatus(Event, frozen=True, kw_only=True):
    """How a sleeve sees itself. `numbers` are its own indicators and costs, for people (metrics,
    page).
    """

    sleeve: str
    incarnation: int
    contract: str
    state: str  # WAITING (no contract), WARMING, READY, PAUSED
    reason: str = ""
    numbers: dict[str, float] = {}
    seat: str = ""  # which of the sleeve's two processes speaks, see `shared/seats.py`
    tuned: dict[str, int | float | bool | str] = {}  # parameters changed since its settings
    tune_no: int = 0  # the last ParamsTuned it judged ...
    untuned: str = ""  # ... and why it would not
    trouble: str = ""  # what a person should look at: its code failed, or its memory was lost


class Regime(Enum):
    """What kind of market it is, as far as a sleeve's host can tell from bars."""

    UNKNOWN = "UNKNOWN"  # not enough bars
    CHOP = "CHOP"
    TREND = "TREND"
    WILD = "WILD"


class RegimeChanged(Event, frozen=True, kw_only=True):
    """The market of a sleeve is of another kind; said by sleeves whose settings name `regimes`.

    `trades`: whether it does now. `efficiency_percent`: distance travelled of the way walked;
    `pace_percent`: newest moves against all of the window.
    """

    sleeve: str
    contract: str
    regime: Regime
    trades: bool
    efficiency_percent: int
    pace_percent: int


# -- risk governor ---------------------------------------------------------------------------------


class VetoRule(Enum):
    """Why the governor would not. Codes are an audit surface: never renamed, never reused.

    The comment is the unit of `limit` and `actual`.
    """

    AUTHORITY = "AUTHORITY"  # incarnations
    MALFORMED = "MALFORMED"  # 0; `detail` says what
    EXPIRED = "EXPIRED"  # ns
    DUPLICATE = "DUPLICATE"  # intents
    HALTED = "HALTED"  # halt number
    REDUCE_ONLY = "REDUCE_ONLY"  # halt number
    NOT_RECONCILED = "NOT_RECONCILED"  # 0
    PEER_SILENT = "PEER_SILENT"  # ns of silence; `detail` names the peer
    SESSION = "SESSION"  # ns past the last entry
    FEED = "FEED"  # ns of age of the quote
    PRICE_COLLAR = "PRICE_COLLAR"  # ticks from the market
    ORDER_RATE = "ORDER_RATE"  # orders in the window
    SIZE = "SIZE"  # contracts in one order
    POSITION = "POSITION"  # contracts, position with working orders
    ACCOUNT_POSITION = "ACCOUNT_POSITION"  # tenths of a mini, all contracts
    CONTRACT_OWNED = "CONTRACT_OWNED"  # 0; `detail` names the owner
    STOP_REQUIRED = "STOP_REQUIRED"  # ticks of stop distance
    TRADE_RISK = "TRADE_RISK"  # micro-dollars
    OPEN_RISK = "OPEN_RISK"  # micro-dollars
    DAILY_LOSS = "DAILY_LOSS"  # micro-dollars of session loss
    DRAWDOWN = "DRAWDOWN"  # micro-dollars of equity
    FLOOR = "FLOOR"  # micro-dollars, equity if every stop filled at its worst
    TRADES_PER_DAY = "TRADES_PER_DAY"  # directional entries
    NOT_AN_EXIT = "NOT_AN_EXIT"  # contracts that may still be closed
    NO_SUCH_ORDER = "NO_SUCH_ORDER"  # 0
    SHADOW = "SHADOW"  # 0; the newcomer of a swap decides but does not act
    QUOTED_PER_DAY = "QUOTED_PER_DAY"  # contracts traded by quotes, this one's size counted
    ORDER_TYPE = "ORDER_TYPE"  # 0; `detail` names the type
    REPEATED = "REPEATED"  # ns since the last entry of this sleeve, contract and side
    ACCOUNT_RATE = "ACCOUNT_RATE"  # orders of all sleeves in the window
    MESSAGES = "MESSAGES"  # orders, changes and cancels of the sleeve today
    SLEEVE_OFF = "SLEEVE_OFF"  # 0; `detail` says why
    CONTRACTS_PER_DAY = "CONTRACTS_PER_DAY"  # contracts traded today, this order's counted
    HOLDING = "HOLDING"  # ns that positions are held on average
    UNKNOWN_ORDERS = "UNKNOWN_ORDERS"  # orders
    UNPROTECTED = "UNPROTECTED"  # 0; what is held lacks its stop
    SELF_MATCH = "SELF_MATCH"  # price of our own resting order, price this one reaches
    CLOCK_SKEW = "CLOCK_SKEW"  # ns between the venue's time and ours
    SPREAD = "SPREAD"  # ticks
    JUMP = "JUMP"  # ns that are left of the pause
    PRICE_LIMIT = "PRICE_LIMIT"  # basis points from the settlement
    GROUP_STRESS = "GROUP_STRESS"  # micro-dollars
    CORRELATION = "CORRELATION"  # hundredths; `detail` names the other sleeve
    NOT_THE_BEST = "NOT_THE_BEST"  # weight of the sleeve's days; `detail` names a better one
    KELLY = "KELLY"  # micro-dollars
    SLEEVE_BUDGET = "SLEEVE_BUDGET"  # micro-dollars
    DISK = "DISK"  # mebibytes free
    HEDGE = "HEDGE"  # contracts another account may hold on the other side
    MARGIN = "MARGIN"  # micro-dollars of margin against what the account has
    GAP = "GAP"  # micro-dollars of a gap against everything that could be held
    QUOTE_CROSSES = "QUOTE_CROSSES"  # ticks: the best price that rests, the price asked


class Grounds(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why the governor did something nobody asked for, in numbers.

    `rule`: a row of the book (`shared/domain/rules/book.py`); `limit` and `actual` in its unit, 0
    where it has none. `largest`: contracts that may stay or go; 0: none. `inputs`: what was known,
    by name (`..._usd`: micro-dollars).
    """

    rule: str
    limit: int = 0
    actual: int = 0
    largest: Lots = 0
    inputs: dict[str, int] = {}


class Cross(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The other half of a crossing inside: whose wish, by which names, and the price in ticks.
    `stop_loss_ticks`: of an entry.
    """

    price: Ticks
    intent_id: str
    sleeve: str
    incarnation: int
    tag: str
    stop_loss_ticks: int | None = None


class OrderApproved(Event, frozen=True, kw_only=True):
    """The governor agrees to exactly this order, once, until `deadline_real_ns` (CLOCK_MONOTONIC).

    The only event from which the router may make a sleeve's order. `tag` is its name at the venue.
    `bound`: the rule (a `VetoRule`) that made it smaller than asked, empty when none did;
    `grounds`: its numbers, for the size that was asked.
    `shared`: other sleeves trade the contract too, so it carries no bracket at the venue; where its
    stop would be (`stop_loss_ticks`) bounds the router's one stop for the net position.
    `cross`: it trades with another sleeve's, inside. The exit's word alone is what the router acts
    on, for both; the entry's is its sleeve's answer.
    """

    intent_id: str
    sleeve: str
    incarnation: int
    contract: str
    side: Side
    size: Lots
    type: OrderType
    purpose: Purpose
    tag: str
    halt_no: int
    deadline_real_ns: Nanos
    limit_price: Ticks | None = None
    stop_price: Ticks | None = None
    stop_loss_ticks: int | None = None
    take_profit_ticks: int | None = None
    bound: str = ""
    touch: Ticks | None = None  # what it would have traded with when approved; None: it rests
    grounds: Grounds | None = None
    shared: bool = False
    cross: Cross | None = None


class ModifyApproved(Event, frozen=True, kw_only=True):
    """The governor agrees to change the order of intent `target`; None means unchanged."""

    intent_id: str
    target: str
    sleeve: str
    contract: str
    halt_no: int
    deadline_real_ns: Nanos
    limit_price: Ticks | None = None
    stop_price: Ticks | None = None


class CancelApproved(Event, frozen=True, kw_only=True):
    """Cancel the order of intent `target`: its sleeve wishes it, or the governor does (then it has
    `grounds`).
    """

    intent_id: str
    target: str
    sleeve: str
    contract: str
    reason: str
    grounds: Grounds | None = None


class OrderVetoed(Event, frozen=True, kw_only=True):
    """The governor will not: which rule, its limit, what the intent would have made of it.

    `largest`: the largest size that would pass every rule now (0: none). `inputs`: what was known
    of the order, by name (`..._usd`: micro-dollars); empty where only its form was judged.
    """

    intent_id: str
    sleeve: str
    contract: str
    rule: VetoRule
    limit: int
    actual: int
    largest: Lots = 0
    detail: str = ""
    inputs: dict[str, int] = {}


class Scope(Enum):
    ACCOUNT = "ACCOUNT"  # everything, also what was made by hand
    SLEEVE = "SLEEVE"  # what one sleeve owns
    CONTRACT = "CONTRACT"


class Flatten(Event, frozen=True, kw_only=True):
    """Close everything in scope and prove it. Latched in the router until proven flat."""

    halt_no: int
    scope: Scope
    cause: str
    sleeve: str = ""
    contract: str = ""
    grounds: Grounds | None = None


class RiskLevel(Enum):
    ACTIVE = "ACTIVE"
    REDUCE_ONLY = "REDUCE_ONLY"
    FLATTENING = "FLATTENING"
    HALTED = "HALTED"


class RiskLatch(Struct, frozen=True, kw_only=True):
    """One reason behind the governor's level: what, whom it binds, who tripped it, what ends it.

    `level` is what it alone would make of its scope; ACTIVE: it is news and forbids nothing.
    `alarm`: a person must look at once.
    """

    key: str
    cause: str
    level: RiskLevel
    scope: Scope
    owner: str  # risk_governor, or the person
    since_ns: Nanos
    clears: str
    until_ns: Nanos = 0
    sleeve: str = ""
    flattens: bool = False
    alarm: bool = False
    grounds: Grounds | None = None


class Room(Struct, frozen=True, kw_only=True):
    """How far one contract is from the next rule, if it alone moves against us.

    `ticks` and `price` are 0 while nothing is held that can lose; `contracts`: how many more, each
    stopped at the router's own distance, the headroom bears.
    """

    contract: str
    rule: str
    ticks: Ticks
    price: Ticks
    contracts: Lots


class RiskLayer(Struct, frozen=True, kw_only=True):
    """How far the account is from one line of the day, micro-dollars.

    `at`: the session's net at which the rule acts, what leaving costs counted where the rule counts
    it. `room`: what may still be lost (for a line of profit: won) until then.
    """

    rule: str
    at: Micros
    room: Micros
    gain: bool = False


class FirmStanding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the firm counts of the account's finished days, micro-dollars; 0: there is no such rule.

    Days are those since the last payout. `best_percent`: the best day's share of the profit.
    """

    rules: str  # the pack
    profit: Micros = 0
    needed: Micros = 0  # profit that passes the account, the best day's share met
    best_day: Micros = 0
    best_percent: int = 0
    best_percent_below: int = 0  # where the firm wants that share
    winning_day: Micros = 0  # net from which on a day is a winning one
    winning_days: int = 0
    winning_days_needed: int = 0
    traded_days: int = 0
    traded_days_needed: int = 0
    payable: Micros = 0
    floor_after: Micros = 0  # the floor once a payout is booked
    pays: bool = False  # whether this account has payouts


class RiskState(Event, frozen=True, kw_only=True):
    """The governor's state and the numbers behind it (micro-dollars unless said).

    `halt_no` grows with every change of level; an approval of an older number is void. `clears`:
    who or what ends this level (`17:00 CT`, `operator`, `reconcile`).
    """

    halt_no: int
    level: RiskLevel
    cause: str
    since_ns: Nanos
    until_ns: Nanos = 0
    clears: str = ""
    trading_day: str = ""
    phase: Phase = Phase.CLOSED
    equity: Micros = 0  # conservative: longs at bid, shorts at ask, exit fees paid
    session_net: Micros = 0
    floor: Micros = 0  # the firm's maximum loss limit
    kill_level: Micros = 0  # equity at which our own drawdown kill acts
    open_risk: Micros = 0
    headroom: Micros = 0  # down to the nearest level that acts
    trades_today: int = 0
    paused: bool = False
    latches: tuple[RiskLatch, ...] = ()
    next_rule: str = ""  # the level that `headroom` leads to
    worst_equity: Micros = 0  # every working order filled, every position left, at their worst
    rooms: tuple[Room, ...] = ()
    recovery: bool = False  # half size until 17:00 CT
    limits: tuple[tuple[str, int], ...] = ()  # in force, as in the settings' units
    kept: str = ""  # limits of the settings that wait for 17:00 CT because they are looser
    cap_tenths: Lots = 0  # the firm's cap on positions today, tenths of a mini
    budgets: tuple[tuple[str, Micros], ...] = ()  # each sleeve's slice of the distance to the floor
    payable: Micros = 0  # what a payout may be asked for; 0: none
    winning_days: int = 0  # since the last payout
    layers: tuple[RiskLayer, ...] = ()  # every line of the day, gravest first
    firm: FirmStanding | None = None  # None until a balance is known
    bounds: tuple[tuple[str, str], ...] = ()  # limits that are no whole numbers, as JSON: at a
    # life's beginning, and when they change


class WorkingOrder(Struct, frozen=True, kw_only=True):
    """One live order inside a SleeveBook."""

    intent_id: str
    side: Side
    size: Lots
    filled: Lots
    purpose: Purpose
    state: OrderState
    limit_price: Ticks | None = None
    stop_price: Ticks | None = None


class SleeveBook(Event, frozen=True, kw_only=True):
    """What a sleeve holds in a contract. `position` is signed; `cost` = sum of price x lots,
    tick-lots.

    `router_no` is the `no` of the last router event counted in.
    """

    sleeve: str
    contract: str
    position: Lots
    cost: int
    realised: Micros
    fees: Micros
    working: tuple[WorkingOrder, ...] = ()
    router_no: int = 0


class AuthorityGranted(Event, frozen=True, kw_only=True):
    """From here on `incarnation` alone speaks for `sleeve`; intents of any other are refused."""

    sleeve: str
    incarnation: int
    books: tuple[SleeveBook, ...] = ()
    seat: str = ""
    cause: str = ""  # of a swap or its roll-back; empty for a process that came (again)
    grounds: Grounds | None = None  # of a roll-back
    changing: tuple[str, ...] = ()  # intents of working orders whose change is on its way ...
    leaving: tuple[str, ...] = ()  # ... or whose cancel is: not to be asked for again


class ShadowAdmitted(Event, frozen=True, kw_only=True):
    """`incarnation` may decide beside the owner of `sleeve`: it is shown the same books, and its
    intents are answered SHADOW.
    """

    sleeve: str
    incarnation: int
    seat: str
    books: tuple[SleeveBook, ...] = ()


class ParamsTuned(Event, frozen=True, kw_only=True):
    """A person wishes other parameters of the owner `incarnation` from its next bar on; the sleeve
    judges them by its own ranges. `no` grows with every such word.
    """

    no: int
    sleeve: str
    incarnation: int
    values: dict[str, int | float | bool | str]
    by: str
    cause: str


class Armed(Event, frozen=True, kw_only=True):
    """Off the simulator, the named account may be traded until `until_ns` (17:00 CT); 0 disarms."""

    account: str
    until_ns: Nanos
    by: str


class Choice(Enum):
    ADOPT = "ADOPT"  # the venue is right: book what differs, as made by hand where nobody owns it
    WAIT = "WAIT"  # a person is looking: for a while nothing is flattened by itself


class DifferenceChoice(Event, frozen=True, kw_only=True):
    """What a person wants done about a quarantine (the third choice is a flatten).

    `difference`: what differed when they were asked; a router that sees another one by now does
    nothing. `wait_s`: real seconds, for WAIT.
    """

    choice: Choice
    difference: str
    by: str
    cause: str
    wait_s: int = 0


# -- order router ----------------------------------------------------------------------------------


class OrderUpdate(Event, frozen=True, kw_only=True):
    """An order's state changed. SENT or REFUSED is the one answer to an approval.

    `no` counts all events of the router's core for ever. `intent_id` and `sleeve` are empty for
    orders made by hand. `size` original, `filled` so far.
    """

    no: int
    tag: str
    intent_id: str
    sleeve: str
    contract: str
    side: Side
    size: Lots
    filled: Lots
    state: OrderState
    purpose: Purpose
    type: OrderType
    venue_order_id: int = 0
    limit_price: Ticks | None = None
    stop_price: Ticks | None = None
    parent_intent_id: str = ""  # of a bracket leg: the entry
    reason: str = ""


class Fill(Event, frozen=True, kw_only=True):
    """Part or all of an order traded; applied once, by `trade_id`. `voided` takes one back."""

    no: int
    trade_id: int
    venue_order_id: int
    tag: str
    intent_id: str
    sleeve: str
    contract: str
    side: Side
    size: Lots
    price: Ticks
    fee: Micros
    purpose: Purpose
    venue_ns: Nanos
    voided: bool = False


class PositionUpdate(Event, frozen=True, kw_only=True):
    """A contract's net position as the router knows it from fills, and how it is protected.

    `protected`: contracts covered by working stops at the venue. `unprotected_since_ns`: 0 when
    covered.
    """

    no: int
    contract: str
    position: Lots
    cost: int  # sum of price x lots, tick-lots
    protected: Lots
    unprotected_since_ns: Nanos = 0


class AccountUpdate(Event, frozen=True, kw_only=True):
    """The venue's account record; `balance` is realised, net of fees."""

    no: int
    account_id: int
    name: str
    balance: Micros
    can_trade: bool
    simulated: bool


class Reconciled(Event, frozen=True, kw_only=True):
    """Books and venue were compared at `as_of_ns`. Complete: what is not listed here does not
    exist.

    `live`: intent ids (or tags of orders without one) that may still fill. `difference` is empty
    when they agree; otherwise the router is in QUARANTINE and says here what differs.
    """

    no: int
    as_of_ns: Nanos
    live: tuple[str, ...]
    positions: tuple[tuple[str, Lots], ...]
    balance: Micros
    difference: str = ""


class FlattenStage(Enum):
    CANCELLING = "CANCELLING"
    CLOSING = "CLOSING"
    PROVING = "PROVING"
    FLAT = "FLAT"
    STUCK = "STUCK"  # still trying; a person should look


class FlattenProgress(Event, frozen=True, kw_only=True):
    """How far a flatten is. `request_id` names a `flatten.request`, empty when governor asked."""

    no: int
    halt_no: int
    scope: Scope
    stage: FlattenStage
    cause: str
    request_id: str = ""
    contract: str = ""
    detail: str = ""
    sleeve: str = ""


class VenueState(Enum):
    CONNECTING = "CONNECTING"
    RECONCILING = "RECONCILING"
    DISARMED = "DISARMED"  # connected, decides and shows, sends nothing
    READY = "READY"
    QUARANTINE = "QUARANTINE"  # books and venue disagree: exits only
    DOWN = "DOWN"


class VenueStatus(Event, frozen=True, kw_only=True):
    """The router's connection to the venue. Entries need READY."""

    no: int
    state: VenueState
    account: str = ""
    environment: str = "SIM"
    unknown_orders: int = 0
    quota_left: int = 0
    reason: str = ""


TICKS: tuple[type[Event], ...] = (Quote, Trade, Depth)
"""Kinds that travel in the gateway's fast lane: stored once, never caught up; a miss becomes a Gap.
"""

PUBLIC: tuple[type[Event], ...] = (
    Heartbeat, Quote, Trade, Depth, Bar, ContractListed, WarmupDone, FeedStatus, Gap, SessionPhase,
    OrderIntent, ModifyIntent, CancelIntent, SleeveStatus, RegimeChanged,
    OrderApproved, ModifyApproved, CancelApproved, OrderVetoed, Flatten, RiskState, SleeveBook,
    AuthorityGranted, ShadowAdmitted, ParamsTuned, Armed, DifferenceChoice,
    OrderUpdate, Fill, PositionUpdate, AccountUpdate, Reconciled, FlattenProgress, VenueStatus,
)  # fmt: skip
"""Everything that may cross the bus."""

RUNTIME: tuple[type[Event], ...] = (
    Started, Pulse, ClockJump, PeerSilent, PeerBack, Stopping,
)  # fmt: skip
"""What the runtime itself tells a core."""
