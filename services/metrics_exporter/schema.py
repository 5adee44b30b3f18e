"""The JSON the page and the API see: names in base units, every row with its age.

Dollars, seconds and decimal prices leave the house here; inside, they are integers. `age_s` is in
real seconds since the value was last confirmed: for what is repeated (risk, venue) since it was
said; for what is said only on change (positions, books, orders) since its speaker last beat, with
`changed_s` beside it. `stale` is `age_s` beyond the settings' limit; nothing is shown as if fresh.
"""

from __future__ import annotations

from msgspec import Struct

from services.metrics_exporter.verdict import Verdict


class Row(Struct, kw_only=True):
    """`age_s` real seconds since confirmed (null: never), `at` market time of saying, unix."""

    age_s: float | None
    changed_s: float
    at: float
    stale: bool


class PositionView(Row, kw_only=True):
    contract: str
    name: str  # MNQZ6
    position: int
    entry: float | None
    mark: float | None
    open_dollars: float | None  # at the side it would be closed at
    protected: int
    unprotected_s: float
    quote_age_s: float | None
    sleeve: str


class OrderView(Row, kw_only=True):
    tag: str
    intent_id: str
    sleeve: str
    contract: str
    name: str
    side: str
    size: int
    filled: int
    state: str
    purpose: str
    type: str
    limit: float | None
    stop: float | None
    reason: str


class SleeveView(Row, kw_only=True):
    sleeve: str
    contract: str
    name: str
    state: str
    reason: str
    incarnation: int
    authority: bool
    position: int
    net_dollars: float | None  # realised - fees + open, of its books; None: not known
    net_stale: bool  # the governor, whose books they are, is silent
    fees_dollars: float
    intents: int
    approvals: int
    vetoes: int
    fills: int
    working: int
    budget: float | None  # dollars: its slice of the distance to the floor
    off: str  # why the governor switched it off; empty while it may trade
    regime: str  # the market it is in; empty unless its settings name regimes
    sheltered: bool  # not one it opens in
    numbers: dict[str, float]
    process_age_s: float | None


class VetoView(Row, kw_only=True):
    """`times`: how often in a row; the numbers are the newest's. `sentence`: the whole why."""

    sleeve: str
    name: str
    rule: str
    times: int
    headline: str
    sentence: str
    limit: float
    actual: float
    unit: str
    largest: int
    detail: str


class FillView(Row, kw_only=True):
    trade_id: int
    sleeve: str
    name: str
    side: str
    size: int
    price: float | None
    fee_dollars: float
    purpose: str
    voided: bool


class MarketView(Row, kw_only=True):
    contract: str
    name: str
    bid: float | None
    ask: float | None
    digits: int  # decimals of a price, as many as the tick size has
    closes: list[float]


class ProcessView(Struct, kw_only=True):
    actor: str
    state: str
    age_s: float | None
    silent: bool
    inbox: int
    restarts: int
    note: str


class FlattenView(Struct, kw_only=True):
    stage: str
    by: str
    cause: str
    detail: str
    seconds: float | None
    request_id: str


class Safety(Row, kw_only=True):
    """Money in dollars. The row's age is that of the risk numbers."""

    level: str
    cause: str
    level_since: float
    until: float
    clears: str
    halt_no: int
    paused: bool
    phase: str
    trading_day: str
    equity: float | None
    floor: float | None
    floor_distance: float | None
    floor_distance_ticks: int | None  # if everything open moves against us at once
    floor_distance_trades: int | None  # full-size losing trades
    kill_level: float | None
    session_net: float | None
    daily_loss_limit: float
    open_risk: float | None
    open_risk_limit: float
    headroom: float | None
    trades_today: int
    trades_limit: int
    flat_by: float | None
    seconds_to_flat: float | None  # market seconds
    feed_state: str
    feed_reason: str
    venue_state: str
    venue_reason: str
    unknown_orders: int
    quota_left: int


class LatchView(Struct, kw_only=True):
    """A reason the governor holds, as every surface words it. Instants in unix seconds."""

    key: str
    name: str
    does: str
    scope: str
    cause: str
    owner: str
    who: str
    how: str
    since: float
    until: float | None
    binds: bool
    alarm: bool
    rule: str  # a row of the book of rules
    numbers: str  # its limit and what was found, in words


class LayerView(Struct, kw_only=True):
    """One line of the day, dollars. `used`: share of the way to it that is gone, 0 to 1."""

    rule: str
    name: str
    at: float
    room: float
    used: float
    gain: bool


class RoomView(Struct, kw_only=True):
    """How far one contract is from the next rule, if it alone moves against us."""

    contract: str
    name: str
    rule: str
    rule_name: str
    ticks: int | None  # None: nothing is held that can lose
    price: float | None
    contracts: int  # how many more would fit


class FirmView(Struct, kw_only=True):
    """What the firm counts, dollars; None where it has no such rule."""

    rules: str
    pays: bool
    profit: float
    needed: float | None
    best_day: float
    best_percent: int
    best_percent_below: int | None
    winning_day: float | None
    winning_days: int
    winning_days_needed: int
    traded_days: int
    traded_days_needed: int
    payable: float
    floor_after: float | None
    cap_minis: float


class ActionView(Struct, kw_only=True):
    """Something done without being asked (or asked by `owner`), newest first."""

    at: float
    what: str
    why: str
    owner: str
    times: int
    rule: str  # empty where nobody needed one (a proof, an end)
    numbers: str


class RiskView(Struct, kw_only=True):
    """All that stands behind the level. `alarms`: what a person must look at now."""

    level: str  # in words
    alarms: list[str]
    latches: list[LatchView]
    layers: list[LayerView]
    rooms: list[RoomView]
    firm: FirmView | None
    next_rule: str  # its name
    recovery: bool
    worst_equity: float | None
    kept: str  # limits of the settings that wait for 17:00 CT
    actions: list[ActionView]


class TotalView(Struct, kw_only=True):
    sleeve: str
    fills: int
    contracts: int
    fees_dollars: float


class EarnedView(Struct, kw_only=True):
    """What one owner earned this trading day; averages are of its closed round trips."""

    owner: str  # a sleeve, `human`, or `account`: the sum
    net_dollars: float
    fees_dollars: float
    fills: int
    contracts: int  # sides
    trips: int
    win_percent: float | None
    expectancy_dollars: float | None
    adverse_dollars: float | None  # MAE
    favourable_dollars: float | None  # MFE
    held_s: float | None
    slip_ticks: float | None  # of a contract, bad ones positive


class SlipView(Struct, kw_only=True):
    owner: str
    type: str
    hour: int  # in Chicago; -1 outside the calendar
    fills: int
    contracts: int
    ticks: float  # of a contract
    worst: int


class AttributionView(Struct, kw_only=True):
    trading_day: str
    earned: list[EarnedView]
    slips: list[SlipView]
    unexplained_dollars: float | None  # what the balance moved without a trade; None while open


class Snapshot(Struct, kw_only=True):
    now: float  # market time, unix seconds
    speed: float
    environment: str
    account: str
    balance: float | None
    verdict: Verdict
    unready: list[str]
    safety: Safety
    risk: RiskView
    flatten: FlattenView | None
    router_silent: bool  # positions, orders and balance are its last word, if any
    positions: list[PositionView]
    orders: list[OrderView]
    sleeves: list[SleeveView]
    vetoes: list[VetoView]
    fills: list[FillView]
    market: list[MarketView]
    processes: list[ProcessView]
    totals: list[TotalView]
    attribution: AttributionView
