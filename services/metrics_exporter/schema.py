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
    numbers: dict[str, float]
    process_age_s: float | None


class VetoView(Row, kw_only=True):
    sleeve: str
    name: str
    rule: str
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


class TotalView(Struct, kw_only=True):
    sleeve: str
    fills: int
    contracts: int
    fees_dollars: float


class Snapshot(Struct, kw_only=True):
    now: float  # market time, unix seconds
    speed: float
    environment: str
    account: str
    balance: float | None
    verdict: Verdict
    unready: list[str]
    safety: Safety
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
