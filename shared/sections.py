"""The tables of `shared/settings.toml` as types: every key, its range and its unit.

Apart from `shared/settings.py`, which reads and merges them, so that a room's table can grow
without the reading growing with it. Money is whole dollars here. Names end in `_s` (market seconds,
scaled by the simulator's speed) or `_real_s` (seconds of the wall).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Positive = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]
Percent = Annotated[int, Meta(ge=0, le=100)]
Seconds = Annotated[float, Meta(gt=0, le=1_000_000)]  # eleven days; no setting is endless
Port = Annotated[int, Meta(ge=0, le=65535)]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file; an unknown key in it is an error."""


class Venue(Section, frozen=True, kw_only=True):
    environment: Literal["SIM", "DEMO", "LIVE"]
    rest_url: str  # empty: the simulator's own address, or TopstepX
    hub_url: str
    account: str  # by name, never "the first one"
    request_timeout_real_s: Seconds
    login_before_expiry: Annotated[float, Meta(gt=0, lt=1)]  # share of a token's life used


class Session(Section, frozen=True, kw_only=True):
    """Offsets before the firm's flat-by time (15:10 CT; earlier on early closes)."""

    no_entries_before_s: Positive
    flatten_before_s: Positive
    flat_before_s: Positive


class Runtime(Section, frozen=True, kw_only=True):
    snapshot_every_real_s: Seconds
    inbox_limit: Positive
    behind_limit_real_s: Seconds
    journal_frame_limit: Positive
    keep_days: Annotated[int, Meta(ge=5)]
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class SimulatorWire(Section, frozen=True, kw_only=True):
    """How the simulated venue speaks where the real one is unknown, changed, or hard on clients."""

    profile: Literal["current", "classic"]
    user_events: Literal["profile", "wrapped", "flat"]
    members: Literal["profile", "all", "documented"]
    quotes: Literal["profile", "sparse", "full"]
    rows: Literal["arrays", "objects"]
    null_rows: bool
    missing_members: Literal["absent", "null"]
    hub_ids: Literal["lenient", "strict"]
    method_aliases: bool
    text_account_ids: bool
    user_snapshot: Literal["none", "account", "all"]
    token_end: Literal["logout", "close", "keep"]
    rival_login: Literal["ignored", "logout"]
    login_app: bool
    validate_gives: Literal["new", "same"]
    logout_ends: Literal["token", "user"]
    rate_scope: Literal["token", "user"]
    rate_window: Literal["sliding", "fixed"]
    rate_counts_logins: bool
    retry_after: bool
    ping_token: bool
    current_volume: Literal["zero", "size"]
    fault_schedule: str
    request_log: Positive


class SimulatedAccount(Section, frozen=True, kw_only=True):
    """An account at the simulated firm. Money in dollars; `position_...` 0: none."""

    name: str
    stage: Literal["practice", "combine", "express"] = "combine"
    size: Literal[50_000, 100_000, 150_000] = 50_000
    path: Literal["standard", "consistency"] = "standard"  # of an express account
    edition: str = "2026-09"  # of the firm's rules
    daily_loss: bool = False  # the firm's daily loss limit, taken at the checkout
    brackets: Literal["auto_oco", "position"] = "auto_oco"
    position_stop: Natural = 0  # in Position Brackets mode: the platform's stop
    position_target: Natural = 0
    access: Literal["own", "follower", "live"] = "own"  # the gateway acts for own ones only

    def rules(self) -> str:
        """The name of its rule pack."""
        stage = f"express-{self.path}" if self.stage == "express" else self.stage
        return f"topstep-{self.size // 1_000}k-{stage}@{self.edition}"


class SimulatorFeed(Section, frozen=True, kw_only=True):
    """Which products are quoted. `recordings`: product -> files, instead of a made-up market."""

    products: tuple[str, ...]
    recordings: dict[str, tuple[str, ...]]


class SimulatorLatency(Section, frozen=True, kw_only=True):
    """How long things are under way besides the request itself, in market milliseconds."""

    shape: Literal["uniform", "tail"]  # tail: exponential, with the spread as its mean
    spread_percent: Natural  # a request takes its latency and up to so much more
    acknowledge_ms: Natural  # the engine's answer to a new order or a close
    stream_ms: Natural  # events of both hubs
    back_spread_percent: Natural  # the spread of these two


class SimulatorCustoms(Section, frozen=True, kw_only=True):
    """What nobody knows of the venue's mind, decided by switch; docs/simulator.md."""

    cancel_over: Literal[2, 3, 5]  # code for cancelling an order that is over
    modify_over: Literal[2, 3]
    leg_cancelled: Literal["alone", "pair"]  # what a cancel of one bracket leg ends
    leg_size: Literal["refused", "taken"]  # a modify of the size of an open leg
    legs_open: Literal["growing", "whole"]  # with each part of their entry, or with its last
    legs_when_flat: Literal["stay", "go"]  # when something else closed the position
    tag_length_max: Positive
    reversal_id: Literal["kept", "new"]  # of a position that one fill turns around
    over_action: Literal[1, 2]  # `action` of an event about an order that is over
    hours_text: Literal["current", "old"]  # of the refusal outside of hours
    day_bars: Literal["session", "utc"]
    second_bars: bool
    query_page: Positive  # rows of v2/query when nobody says how many
    query_page_max: Positive


class Simulator(Section, frozen=True, kw_only=True):
    host: str
    port: Port
    speed: Annotated[float, Meta(gt=0, le=1000)]
    seed: Natural
    market: Literal["synthetic", "recorded"]
    regime: str  # "auto" changes by itself, so that every sleeve finds its weather
    recorded_file: str
    recorded_root: str
    start: str  # market time of a fresh start, ISO with offset
    accounts: tuple[SimulatedAccount, ...]
    firm_rules: bool  # the firm enforces; without, accounts have nothing but their cap
    cap_counts_working: bool  # the cap on positions counts working orders at their worst
    stop_limit: bool  # take stop-limit orders; the real gateway refuses them
    unsigned_bracket_ticks: bool  # read bracket ticks as distances
    commissions_apart: bool  # tell them beside the fees, on the hub
    replay_sessions: Positive  # pull replays at once
    second_port: Port  # 0: none
    token_life_real_s: Positive
    latency_ms: Natural  # request to matching engine
    stop_slippage_ticks: Natural
    feed: SimulatorFeed
    latency: SimulatorLatency
    customs: SimulatorCustoms
    wire: SimulatorWire


class MarketDataGateway(Section, frozen=True, kw_only=True):
    roots: tuple[str, ...]
    warmup_bars_1m: Natural
    warmup_bars_5m: Natural
    silence_limit_s: Seconds
    roll_days_before_expiry: Natural
    depth_levels: Annotated[int, Meta(ge=1, le=10)]
    price_jump_limit_ticks: Positive


class Sleeve(Section, frozen=True, kw_only=True):
    """One sleeve: which class runs under this name, on which product, with which parameters."""

    implementation: str  # pkg.mod:Class
    root: str
    enabled: bool
    params: dict[str, Any] = {}
    tier: Literal[1, 2, 3] = 1  # with those of `orchestrator.tiers` it runs
    regimes: tuple[Literal["CHOP", "TREND", "WILD"], ...] = ()  # it trades in; none named: in all
    real_accounts: bool = False  # for a sleeve that asks for consent: trade off the simulator


class SleeveGuard(Section, frozen=True, kw_only=True):
    """What the process of a sleeve may not exceed: it runs code of other people."""

    stuck_real_s: Annotated[float, Meta(ge=0.1, le=600)]
    memory_mb: Annotated[int, Meta(ge=128)]


class Orchestrator(Section, frozen=True, kw_only=True):
    """Which sleeves run, and how the market's regime is judged for those that ask for some."""

    tiers: tuple[Literal[1, 2, 3], ...]
    regime_span_s: Literal[60, 300]  # of the bars it is judged by
    regime_bars: Annotated[int, Meta(ge=5, le=500)]
    regime_confirm_bars: Positive  # a change must be seen on so many in a row
    trend_percent: Percent  # distance of the way walked from which it is a trend
    wild_percent: Annotated[int, Meta(ge=100)]  # newest moves against all, from which it is wild


class News(Section, frozen=True, kw_only=True):
    """A scheduled release: an ISO instant with its offset, and a kind (CPI has the firm's own
    window)."""

    at: str
    kind: str


class PreTrade(Section, frozen=True, kw_only=True):
    """What an order that may open risk is asked beside its size and loss. Shares of a price are
    basis points, money is dollars.
    """

    order_types: tuple[Literal["MARKET", "LIMIT", "STOP"], ...]
    repeat_s: Annotated[float, Meta(ge=0, le=86_400)]  # the same sleeve, contract, side; 0: at once
    account_orders_per_window: Positive  # of all sleeves, in `window_s`
    messages_free: Natural  # of a sleeve and day: orders, changes and cancels ...
    messages_per_contract: Natural  # ... and so many more for each contract it traded
    fills_per_window: Positive  # of a sleeve; one more switches it off
    fills_window_s: Seconds
    contracts_per_day: Positive  # of the account
    hold_s: Annotated[float, Meta(ge=0, le=86_400)]  # a quoting sleeve's average; below it ...
    hold_trips: Positive  # ... quotes end, once it held so often
    births: Annotated[int, Meta(ge=2)]  # lives of a sleeve in the window that switch it off
    births_window_real_s: Seconds
    unknown_orders: Natural  # with more of unknown outcome nothing opens
    clock_skew_s: Seconds  # between a quote's time at the venue and here
    spread_ticks: Positive
    jump_bp: Positive  # a move so large within `jump_s` ...
    jump_s: Seconds
    jump_pause_s: Seconds  # ... ends entries for so long
    limit_bp: Positive  # the exchange's price limit from the last settlement
    limit_zone_bp: Natural  # nothing is held so near to it
    stress_bp: dict[str, Positive]  # product group -> its move that is feared; others do not trade
    margin_bp: dict[str, Positive]  # product group -> margin; others do not trade
    gap_percent: Percent  # of `stress_bp`: the gap the guarantee bears; 0: not asked
    stress_loss: Positive  # of a group, all of it moving so at once, without any stop
    correlation_percent: Percent  # of two sleeves on one side; 100: not asked
    correlation_days: Annotated[int, Meta(ge=2)]  # unknown before so many finished days
    kelly: tuple[str, ...]  # sleeves whose trades are bounded by a quarter of Kelly
    kelly_trades: Positive  # evidence needed before it binds
    disk_low_mb: Positive  # free space below which nothing opens
    disk_stop_mb: Positive  # below which everything is closed
    accounts_dir: str  # where governors of one person tell each other what they hold


class RiskGovernor(Section, frozen=True, kw_only=True):
    """Limits, strictest inside. Money in dollars."""

    rules: str  # the firm's rule pack for the account: `tsq rules list`
    daily_loss_limit: bool  # the account has the firm's daily loss limit
    beyond_firm_daily_loss: bool  # let our own daily loss reach beyond the firm's amount
    quote_age_s: Seconds
    price_collar_ticks: Positive
    orders_per_window: Positive
    window_s: Seconds
    order_size: Positive
    position: Positive  # contracts in one product, working orders counted
    account_position_tenths: Positive  # tenths of a mini over all products
    trade_risk: Positive
    open_risk: Positive
    slippage_ticks: Natural
    session_cap: Natural  # session's loss that flattens and ends the entries of the day; 0: none
    daily_cap: Natural  # flatten and halt; the effective limit, of which two shares act; 0: none
    recovery_percent: Percent  # of the effective limit: half size; 0: never
    emergency_percent: Percent  # of the effective limit: flatten and halt; 0: never
    daily_loss: Positive  # soft stop: flatten and halt, before the firm's own 1,000
    exit_allowance_ticks: Natural  # what leaving costs beyond the mark
    exit_allowance_products: dict[str, Natural]  # product -> ticks, where it costs more
    thin_hours_ct: tuple[Annotated[int, Meta(ge=0, le=23)], ...]  # hours poor in volume
    thin_percent: Annotated[int, Meta(ge=100)]  # of the allowance in those
    drawdown_kill: Positive  # below the high
    drawdown_high: Literal["end_of_day", "running"]  # the high: of balances at 17:00 CT, of equity
    approach_percent: Annotated[int, Meta(ge=1, lt=100)]  # of the maximum loss left: flatten
    floor_at_least: int  # of an account found in mid-life; below 0: express, never paid
    bank_target: bool  # at the profit target flatten and halt; else tell only
    profit_stop: Natural  # session's profit that flattens and ends the day; 0: none
    consistency: Literal["notify", "stop"]  # when today is too large a share of the profit
    loss_streak: Natural  # directional trades lost in a row that end in a rest; 0: none
    cooldown_s: Positive
    news: tuple[News, ...]
    news_before_s: Natural
    news_after_s: Natural
    sleeve_loss: Natural  # a sleeve's loss of the day that switches it off; 0: none
    allocation_days: Positive  # how many finished days count as evidence
    allocation_share_percent: Percent  # largest slice of the distance to the floor; 0: no slices
    trades_per_day: Positive
    quoted_per_day: Positive
    approval_real_s: Seconds
    unprotected_real_s: Seconds
    net_stop_ticks: Positive  # the router's stop under quotes
    blind_grace_s: Seconds  # a position without a fresh quote for so long is flattened
    difference_grace_s: Seconds  # books and router disagree for so long: flatten
    router_silence_real_s: Seconds
    sentinel_silence_real_s: Seconds
    sleeve_silence_real_s: Seconds  # then its working entries are cancelled
    pretrade: PreTrade


class OrderRouter(Section, frozen=True, kw_only=True):
    governor_silence_real_s: Seconds
    reconcile_every_real_s: Seconds
    absence_queries_apart_real_s: Seconds
    flatten_on_stop: bool
    quota_per_minute: Positive
    safety_reserve: Natural


class Sentinel(Section, frozen=True, kw_only=True):
    router_patience_real_s: Seconds
    governor_patience_real_s: Seconds
    request_patience_real_s: Seconds
    flatten_on_stop: bool


class MetricsExporter(Section, frozen=True, kw_only=True):
    host: str
    port: Port
    stale_after_real_s: Seconds


class SharingRules(Section, frozen=True, kw_only=True):
    """How those that share a contract trade with each other. Market seconds; 0: never inside."""

    cross_wait_s: Annotated[float, Meta(ge=0, le=4)]  # an intent of a sleeve lives for five


class Swap(Section, frozen=True, kw_only=True):
    """How long a sleeve's new owner is watched, and what sends it back (`tsq swap`)."""

    probation_real_s: Positive
    vetoes: Positive  # in a row while the account is ACTIVE
