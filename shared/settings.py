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
from typing import Any

import msgspec
from msgspec import Struct, structs

from shared import contradictions, rulebook
from shared.domain.rules.pack import RulePack
from shared.sections import (
    MarketDataGateway,
    MetricsExporter,
    Orchestrator,
    OrderRouter,
    RiskGovernor,
    Runtime,
    Section,
    Sentinel,
    Session,
    SharingRules,
    Simulator,
    Sleeve,
    SleeveGuard,
    Swap,
    Venue,
)

REPO = Path(__file__).resolve().parent.parent
DEFAULTS = REPO / "shared" / "settings.toml"

TOPSTEPX_REST = "https://api.topstepx.com"
TOPSTEPX_HUBS = "wss://rtc.topstepx.com"


class SettingsError(Exception):
    """The settings cannot be used; the message names file, path and value."""


class CredentialsMissing(SettingsError):
    """There is no venue login; the message names where one is looked for."""


class Settings(Section, frozen=True, kw_only=True):
    venue: Venue
    session: Session
    runtime: Runtime
    simulator: Simulator
    market_data_gateway: MarketDataGateway
    sleeves: dict[str, Sleeve]
    sharing: dict[str, tuple[str, ...]]
    sharing_rules: SharingRules
    swap: Swap
    orchestrator: Orchestrator
    sleeve_guard: SleeveGuard
    risk_governor: RiskGovernor
    order_router: OrderRouter
    sentinel: Sentinel
    metrics_exporter: MetricsExporter
    packs: dict[str, RulePack] = {}  # every rule pack on board; of no file of settings

    def rules(self) -> RulePack:
        """The firm's numbers for the account we trade."""
        return self.packs[self.risk_governor.rules]

    def running_sleeves(self) -> tuple[str, ...]:
        """Names of the sleeves that are switched on, in the file's order."""
        tiers = self.orchestrator.tiers
        return tuple(n for n, own in self.sleeves.items() if own.enabled and own.tier in tiers)

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
        if "packs" in table:
            raise ValueError("rule packs come with the product - at `$.packs`")
        settings = msgspec.convert(table, Settings, strict=True)
        settings = structs.replace(settings, packs=rulebook.all_rules())
        contradictions.judge(settings)
    except ValueError as error:  # a ValidationError is one, a PackError too
        source = f"{DEFAULTS.name} + {where}" if where else DEFAULTS.name
        raise SettingsError(f"settings ({source} + environment): {error}") from None
    return settings


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
