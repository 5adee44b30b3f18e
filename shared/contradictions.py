"""Settings that contradict each other, the firm or this computer: asked before anything starts.

What a single type can say stands in `sections`. Everything else is here, so that one place refuses
with the path and the reason, and `tsq up`, `tsq doctor` and every process refuse alike: a cast of
which only some processes cannot begin trades without whoever is missing. A name that nothing knows
is refused too, for its setting would do nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from shared.contracts import GROUPS, PRODUCTS
from shared.domain.rules.inside import contradiction
from shared.domain.rules.pack import PackError
from shared.domain.sessions import calendar
from shared.sections import SimulatedAccount
from shared.venue.times import time_ns

if TYPE_CHECKING:
    from shared.settings import Settings

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_ZONE: Final = re.compile(r"([Zz]|[+-]\d\d:?\d\d)$", re.ASCII)


def judge(settings: Settings) -> None:
    """Raises ValueError naming the path."""
    _judge_venue(settings)
    _judge_sharing(settings)
    _judge_rules(settings)
    _judge_account(settings)
    _judge_risk(settings)
    _judge_names(settings)
    calendar(settings.session)


def _judge_venue(settings: Settings) -> None:
    """Under SIM nothing needs arming, so a venue elsewhere would be traded without anybody's
    word."""
    for name in ("rest_url", "hub_url"):
        url = str(getattr(settings.venue, name))
        if settings.simulated() and url and urlsplit(url).hostname not in LOOPBACK:
            raise ValueError(
                f"{url!r} is no address of this computer, which environment SIM demands"
                f" - at `$.venue.{name}`"
            )


def _judge_sharing(settings: Settings) -> None:
    """Those that share a product are there and trade it."""
    for root, names in settings.sharing.items():
        at = f"at `$.sharing.{root}`"
        if root not in settings.market_data_gateway.roots:
            known = ", ".join(settings.market_data_gateway.roots)
            raise ValueError(f"no product {root!r} is heard, only {known} - {at}")
        if len(names) < 2 or len(set(names)) < len(names):
            raise ValueError(f"{list(names)} are not two or more different sleeves - {at}")
        for name in names:
            own = settings.sleeves.get(name)
            if own is None:
                raise ValueError(
                    f"no sleeve {name!r}; there are {', '.join(settings.sleeves)} - {at}"
                )
            if own.root != root:
                raise ValueError(f"sleeve {name!r} trades {own.root}, not {root} - {at}")


def _judge_rules(settings: Settings) -> None:
    """The packs named exist and allow what is set."""
    risk, packs = settings.risk_governor, settings.packs
    wanted = {"risk_governor.rules": risk.rules}
    for account in settings.simulator.accounts:
        wanted[f"simulator.accounts, {account.name}"] = account.rules()
    for path, name in wanted.items():
        if name not in packs:
            known = ", ".join(packs)
            raise PackError(f"no rule pack {name!r}; there are {known} - at `$.{path}`")
    reason = contradiction(risk, settings.rules())
    if reason:
        raise ValueError(reason)


def _judge_account(settings: Settings) -> None:
    """The governor goes by the rules of the simulated account it trades: under those of another
    its floor is not the firm's, and the firm acts first."""
    for account in settings.simulator.accounts if settings.simulated() else ():
        if account.name == settings.venue.account:
            _judge_same(settings, account)


def _judge_same(settings: Settings, account: SimulatedAccount) -> None:
    risk = settings.risk_governor
    if account.rules() != risk.rules:
        raise ValueError(
            f"risk_governor.rules was {risk.rules}, but the simulated account {account.name}"
            f" is under {account.rules()}"
        )
    if account.daily_loss and not risk.daily_loss_limit:
        raise ValueError(
            "risk_governor.daily_loss_limit was false, but the simulated account"
            f" {account.name} has the firm's daily loss limit"
        )


def _judge_risk(settings: Settings) -> None:
    """Limits of which one would undo another, and news at an hour that nobody can tell."""
    risk = settings.risk_governor
    asked = risk.pretrade
    if asked.disk_stop_mb > asked.disk_low_mb:
        raise ValueError(
            f"risk_governor.pretrade.disk_stop_mb was {asked.disk_stop_mb}; it closes everything"
            f" and cannot come before disk_low_mb ({asked.disk_low_mb}), which ends entries"
        )
    if asked.limit_zone_bp >= asked.limit_bp:
        raise ValueError(
            f"risk_governor.pretrade.limit_zone_bp was {asked.limit_zone_bp}: every price lies"
            f" in the zone when it is not smaller than limit_bp ({asked.limit_bp})"
        )
    for place, news in enumerate(risk.news):
        at = f"risk_governor.news[{place}].at"
        time_ns(news.at, at)
        if _ZONE.search(news.at) is None:
            raise ValueError(
                f"{at} was {news.at!r}, which does not say in which zone: it ends with -06:00,"
                " -05:00 or Z"
            )


def _judge_names(settings: Settings) -> None:
    """Whoever is named in a limit is there."""
    risk = settings.risk_governor
    for path, names, known in (
        ("pretrade.kelly", risk.pretrade.kelly, tuple(settings.sleeves)),
        ("exit_allowance_products", tuple(risk.exit_allowance_products), tuple(PRODUCTS)),
        ("pretrade.stress_bp", tuple(risk.pretrade.stress_bp), tuple(GROUPS.values())),
        ("pretrade.margin_bp", tuple(risk.pretrade.margin_bp), tuple(GROUPS.values())),
    ):
        for name in names:
            if name not in known:
                listed = ", ".join(dict.fromkeys(known))
                raise ValueError(f"no {name!r}; there are {listed} - at `$.risk_governor.{path}`")
