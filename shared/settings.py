"""Settings: one TOML file of defaults, an optional file of the trader's, the environment on top.

`shared/settings.toml` < `--settings FILE` or `TSQ_SETTINGS` < `TSQ__SECTION__KEY`. An unknown key,
a wrong type or a value out of its range refuses to start, with the path in the message: a setting
that does nothing is worse than none. Money is whole dollars here, micro-dollars everywhere else.
Names end in `_s` (market seconds, scaled by the simulator's speed) or `_real_s` (seconds of the
wall).

Secrets are no settings. They come from the environment or `.env` and never reach a log, a journal,
a command line or the hash of the settings.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

REPO = Path(__file__).resolve().parent.parent
DEFAULTS = REPO / "shared" / "settings.toml"

TOPSTEPX_REST = "https://api.topstepx.com"
TOPSTEPX_HUBS = "wss://rtc.topstepx.com"
LOOPBACK = ("localhost", "127.0.0.1", "::1")

Positive = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(gt=0)]
Port = Annotated[int, Meta(ge=0, le=65535)]


class SettingsError(Exception):
    """The settings cannot be used; the message names file, path and value."""


class CredentialsMissing(SettingsError):
    """There is no venue login; the message names where one is looked for."""


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
    fault_schedule: str
    request_log: Positive


class SimulatedAccount(Section, frozen=True, kw_only=True):
    """An account at the simulated firm. Money in dollars; `position_...` 0: none."""

    name: str
    stage: Literal["practice", "combine", "express"] = "combine"
    size: Literal[50_000, 100_000, 150_000] = 50_000
    daily_loss: bool = False  # the firm's daily loss limit, taken at the checkout
    brackets: Literal["auto_oco", "position"] = "auto_oco"
    position_stop: Natural = 0  # in Position Brackets mode: the platform's stop
    position_target: Natural = 0


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


class RiskGovernor(Section, frozen=True, kw_only=True):
    """Limits, strictest inside. Money in dollars."""

    account_size: Literal[50_000, 100_000, 150_000]
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
    daily_loss: Positive  # soft stop: flatten and halt, before the firm's own 1,000
    exit_allowance_ticks: Natural
    drawdown_kill: Positive  # below the end-of-day high
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


class Settings(Section, frozen=True, kw_only=True):
    venue: Venue
    session: Session
    runtime: Runtime
    simulator: Simulator
    market_data_gateway: MarketDataGateway
    sleeves: dict[str, Sleeve]
    risk_governor: RiskGovernor
    order_router: OrderRouter
    sentinel: Sentinel
    metrics_exporter: MetricsExporter

    def simulated(self) -> bool:
        return self.venue.environment == "SIM"

    def pace(self) -> float:
        """How much faster than the wall a rehearsal runs: request budgets shrink their windows."""
        return max(1.0, self.simulator.speed) if self.simulated() else 1.0

    def rest_url(self) -> str:
        """Where requests go: the address set, else the simulator's own, or TopstepX."""
        own = f"http://{self.simulator.host}:{self.simulator.port}"
        return self.venue.rest_url or (own if self.simulated() else TOPSTEPX_REST)

    def hub_url(self) -> str:
        own = f"ws://{self.simulator.host}:{self.simulator.port}"
        return self.venue.hub_url or (own if self.simulated() else TOPSTEPX_HUBS)

    def fingerprint(self) -> str:
        """Changes whenever a decision could: journal headers carry it."""
        encoded = msgspec.json.encode(self, order="sorted")
        return hashlib.blake2s(encoded, digest_size=8).hexdigest()


def load(file: str | Path | None = None, env: Mapping[str, str] | None = None) -> Settings:
    """Defaults, then `file` (or TSQ_SETTINGS), then TSQ__SECTION__KEY. Raises SettingsError."""
    env = os.environ if env is None else env
    table = _read(DEFAULTS)
    where = file or env.get("TSQ_SETTINGS")
    if where:
        _merge(table, _read(Path(where)))
    for key in sorted(env):
        if key.startswith("TSQ__"):
            _override(table, key, env[key])
    try:
        settings = msgspec.convert(table, Settings, strict=True)
        _judge(settings)
    except ValueError as error:  # a ValidationError is one
        source = f"{DEFAULTS.name} + {where}" if where else DEFAULTS.name
        raise SettingsError(f"settings ({source} + environment): {error}") from None
    return settings


def _judge(settings: Settings) -> None:
    """What no single type can say. Raises ValueError naming the path.

    Under SIM nothing needs arming, so a venue elsewhere would be traded without anybody's word.
    """
    venue = settings.venue
    for name in ("rest_url", "hub_url"):
        url = str(getattr(venue, name))
        if settings.simulated() and url and urlsplit(url).hostname not in LOOPBACK:
            raise ValueError(
                f"{url!r} is no address of this computer, which environment SIM demands"
                f" - at `$.venue.{name}`"
            )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise SettingsError(f"settings file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings file {path}: {error}") from None


def _merge(base: dict[str, Any], over: dict[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value


def _override(table: dict[str, Any], key: str, text: str) -> None:
    """TSQ__SIMULATOR__PORT=9000: a number, truth value, list or table of TOML, else the text."""
    *path, last = key.removeprefix("TSQ__").lower().split("__")
    try:
        value = tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        value = text
    if not isinstance(value, bool | int | float | list | dict):
        value = text
    for part in path:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise SettingsError(f"environment {key}: {part} is not a section")
    table[last] = value


def var_dir(env: Mapping[str, str] | None = None) -> Path:
    """Where run-time files live: TSQ_VAR, else `var` beside the sources."""
    env = os.environ if env is None else env
    return Path(env.get("TSQ_VAR") or REPO / "var").resolve()


class Credentials(Struct, frozen=True):
    """A login. Its `repr` shows nothing."""

    username: str
    api_key: str

    def __repr__(self) -> str:
        return "Credentials(***)"


_ALIASES = (
    ("TOPSTEPX_USERNAME", "TOPSTEPX_API_KEY"),
    ("PROJECT_X_USERNAME", "PROJECT_X_API_KEY"),
    ("TOPSTEP_API_USER", "TOPSTEP_API_PASS"),
)


def credentials(settings: Settings, env: Mapping[str, str] | None = None) -> Credentials:
    """The venue login; the simulator takes any. Raises CredentialsMissing."""
    env = {**_dotenv(REPO / ".env"), **(os.environ if env is None else env)}
    for user, key in _ALIASES:
        if env.get(user) and env.get(key):
            return Credentials(env[user], env[key])
    if settings.simulated():
        return Credentials("simulated", "simulated")
    raise CredentialsMissing(
        "no credentials: set TOPSTEPX_USERNAME and TOPSTEPX_API_KEY, or use .env"
    )


def _dotenv(path: Path) -> dict[str, str]:
    """KEY=value lines; blank lines, comments, `export` and matching quotes are understood."""
    found: dict[str, str] = {}
    if not path.is_file():
        return found
    for line in path.read_text().splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            value = value.strip()
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
            found[name.strip()] = value[1:-1] if quoted else value
    return found
