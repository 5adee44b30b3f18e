"""The settings as integers, checked against the firm's own walls, and never looser within a day.

What was in force when a trading day began, or was tightened since, holds until 17:00 CT: a restart
with looser settings, or another rule pack, keeps the tighter value of each, and the governor says
which. Tightening holds at once. Which way each setting is tighter, and which has no such way,
stands in `directions`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import structs

from services.risk_governor.directions import (
    PACK,
    PRETRADE,
    SESSION,
    TIGHTER,
    Values,
    tighter,
)
from shared.domain.rules.account import Own, terms_of
from shared.domain.rules.caps import smaller_cap
from shared.domain.rules.day import share_of, smaller_limit
from shared.domain.rules.inside import contradiction, daily_limit
from shared.domain.rules.pack import RulePack
from shared.events import OrderType
from shared.sections import RiskGovernor, Session
from shared.settings import Settings
from shared.units import SECOND, USD, Lots, Micros, Nanos
from shared.venue.times import time_ns

WHOLE: Final = 100
CPI: Final = "CPI"


def values_of(settings: Settings) -> Values:
    """What may only be tightened within a day, as plain values by the paths of `directions`."""
    given = settings.risk_governor
    parts = (("", given), (PRETRADE, given.pretrade), (SESSION, settings.session))
    found = {
        prefix + name: getattr(part, name)
        for prefix, part in (*parts, (PACK, settings.rules()))
        for name in part.__struct_fields__
        if prefix + name in TIGHTER
    }
    plain: Values = msgspec.json.decode(msgspec.json.encode(found))
    return plain


def _with(part: Any, prefix: str, values: Values) -> Any:
    """A section, or the pack, with these values in it."""
    own = {
        name: values[prefix + name] for name in part.__struct_fields__ if prefix + name in values
    }
    section: type[msgspec.Struct] = type(part)
    kinds = _kinds(section)
    typed = {name: msgspec.convert(value, kinds[name]) for name, value in own.items()}
    return structs.replace(part, **typed)


@lru_cache
def _kinds(section: type[msgspec.Struct]) -> dict[str, Any]:
    """The types of a section's values, by name."""
    return {field.name: field.type for field in structs.fields(section)}


class Limits:
    """The settings as integers, checked against the firm's own walls. Raises ValueError.

    `held`: what was in force before, in this trading day; `kept` names what of the settings
    therefore has to wait.
    """

    def __init__(self, settings: Settings, held: Values | None = None) -> None:
        wanted_risk, wanted_pack = settings.risk_governor, settings.rules()
        reason = contradiction(wanted_risk, wanted_pack)
        if reason:
            raise ValueError(reason)
        wanted = values_of(settings)
        self.values = tighter(wanted, held or {})
        self.kept = ", ".join(
            f"{name} stays {_shown(value)} until 17:00 CT (the settings say {_shown(wanted[name])})"
            for name, value in self.values.items()
            if value != wanted[name]
        )
        self.numbers = tuple(
            (name, value)
            for name, value in self.values.items()
            if type(value) is int and not name.startswith(PACK)
        )
        numbers = dict(self.numbers)
        self.others = tuple(
            (name, msgspec.json.encode(value).decode())
            for name, value in self.values.items()
            if name not in numbers
        )
        given: RiskGovernor = _with(wanted_risk, "", self.values)
        given = structs.replace(given, pretrade=_with(given.pretrade, PRETRADE, self.values))
        self.session: Session = _with(settings.session, SESSION, self.values)
        pack: RulePack = _with(wanted_pack, PACK, self.values)
        self.given = given
        self.pack = pack
        self.terms = terms_of(pack, given.daily_loss_limit, Own())
        self.maximum_loss, self.start = pack.maximum_loss, pack.start
        self.beside_equity = pack.size * USD - pack.start  # what an account has without a balance
        self.firm_daily = pack.day_limit(given.daily_loss_limit)
        self.session_cap = given.session_cap * USD
        self.daily_cap = given.daily_cap * USD
        self.daily_loss = daily_limit(given, pack)
        self.drawdown = given.drawdown_kill * USD
        self.running = given.drawdown_high == "running"
        self.profit_stop = given.profit_stop * USD
        self.sleeve_loss = given.sleeve_loss * USD
        self.trade_risk = given.trade_risk * USD
        self.open_risk = given.open_risk * USD
        self.quote_age_ns = int(given.quote_age_s * SECOND)
        self.window_ns = int(given.window_s * SECOND)
        self.approval_ns = int(given.approval_real_s * SECOND)
        self.unprotected_ns = int(given.unprotected_real_s * SECOND)
        self.blind_ns = int(given.blind_grace_s * SECOND)
        self.difference_ns = int(given.difference_grace_s * SECOND)
        asked = given.pretrade
        self.order_types = tuple(OrderType(name) for name in asked.order_types)
        self.repeat_ns = int(asked.repeat_s * SECOND)
        self.hold_ns = int(asked.hold_s * SECOND)
        self.skew_ns = int(asked.clock_skew_s * SECOND)
        self.jump_ns = int(asked.jump_s * SECOND)
        self.pause_ns = int(asked.jump_pause_s * SECOND)
        self.stress_loss = asked.stress_loss * USD
        self.cooldown_ns = given.cooldown_s * SECOND
        self.news = tuple(sorted(self._window(one.at, one.kind) for one in given.news))

    @property
    def effective(self) -> Micros:
        """The smallest daily limit enabled; the soft stop where there is no other."""
        return smaller_limit(self.firm_daily, self.daily_cap) or self.daily_loss

    def share(self, percent: int) -> Micros:
        """A share of the effective daily limit; 0 for none."""
        return share_of(self.effective, (percent, WHOLE))

    def position_of(self, root: str) -> Lots:
        """Contracts of one product: ours, or fewer where the firm restricts it now."""
        return smaller_cap(
            self.given.position, self.pack.product_contracts.get(root, self.given.position)
        )

    def _window(self, at: str, kind: str) -> tuple[Nanos, Nanos, Nanos, str]:
        """(instant, before, after, kind) of news and the time around it."""
        event = time_ns(at, "risk_governor.news.at")
        firms = kind.upper() == CPI
        firm = (self.pack.news_before_ns, self.pack.news_after_ns) if firms else (0, 0)
        before = max(self.given.news_before_s * SECOND, firm[0])
        after = max(self.given.news_after_s * SECOND, firm[1])
        return event, before, after, kind


def _shown(value: Any) -> str:
    """As the settings write it."""
    return msgspec.json.encode(value).decode() if isinstance(value, list | dict) else str(value)


def values_in(numbers: tuple[tuple[str, int], ...], others: tuple[tuple[str, str], ...]) -> Values:
    """What our own recorded word says was in force; an older one told whole numbers only."""
    return {**dict(numbers), **{name: msgspec.json.decode(text) for name, text in others}}
