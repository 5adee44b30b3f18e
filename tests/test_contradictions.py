"""Settings that contradict each other, the firm or this computer: nothing starts, and why is said.

Asked where settings are read, so that `tsq up` and every process refuse alike; before, the cast
came up and the governor, alone, did not.
"""

from __future__ import annotations

import pytest

from services.risk_governor.core import Governor
from shared.settings import SettingsError, load

RISK = "RISK_GOVERNOR__"
ASKED = RISK + "PRETRADE__"
EXPRESS = "topstep-50k-express-standard@2026-09"
EXPRESS_ACCOUNT = '[{ name = "SIM-50K-1", stage = "express", daily_loss = true }]'


def env(**changes: str) -> dict[str, str]:
    return {f"TSQ__{key}": value for key, value in changes.items()}


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("SESSION__FLAT_BEFORE_S", "400", "flat_before_s must hold, but they were 600, 300, 400"),
        (ASKED + "DISK_STOP_MB", "501", "disk_stop_mb was 501"),
        (ASKED + "LIMIT_BP", "200", "every price lies in the zone"),
        (RISK + "FLOOR_AT_LEAST", "50001", "never rises above 50000"),
        (ASKED + "KELLY", '["nobody"]', "no 'nobody'; there are market_maker"),
        (RISK + "EXIT_ALLOWANCE_PRODUCTS", "{ XX = 3 }", "no 'XX'; there are ES"),
        (ASKED + "STRESS_BP", "{ indices = 100 }", "no 'indices'; there are index"),
        (ASKED + "MARGIN_BP", "{ indices = 100 }", "`$.risk_governor.pretrade.margin_bp`"),
        (RISK + "RULES", EXPRESS, "account SIM-50K-1 is under topstep-50k-combine@2026-09"),
        (RISK + "DAILY_LOSS_LIMIT", "false", "SIM-50K-1 has the firm's daily loss limit"),
    ],
)
def test_what_contradicts_is_refused_with_the_path(key: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        load(env=env(**{key: value}))
    assert says in str(refusal.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"SESSION__FLAT_BEFORE_S": "299"},
        {ASKED + "DISK_STOP_MB": "500"},
        {ASKED + "LIMIT_BP": "201"},
        {RISK + "FLOOR_AT_LEAST": "50000"},
        {ASKED + "KELLY": '["trend"]'},
        {RISK + "EXIT_ALLOWANCE_PRODUCTS": "{ CL = 8 }"},
        {ASKED + "STRESS_BP": "{ index = 100 }"},
        {RISK + "RULES": EXPRESS, "SIMULATOR__ACCOUNTS": EXPRESS_ACCOUNT},
        {RISK + "RULES": EXPRESS, "VENUE__ENVIRONMENT": "DEMO"},
        {RISK + "RULES": EXPRESS, "VENUE__ACCOUNT": "ANOTHER"},
    ],
)
def test_what_only_looks_like_it_starts(changes: dict[str, str]) -> None:
    Governor(load(env=env(**changes)))


@pytest.mark.parametrize(
    ("at", "says"),
    [
        ("tomorrow", "not an ISO time"),
        ("2026-13-10T07:30:00Z", "risk_governor.news[0].at"),
        ("2026-12-10T07:30:00", "in which zone"),
        ("2026-12-10", "risk_governor.news[0].at"),
    ],
)
def test_news_at_an_hour_nobody_can_tell_are_refused(at: str, says: str) -> None:
    """A time without its zone would be taken for Greenwich's: six hours from where it is meant."""
    with pytest.raises(SettingsError) as refusal:
        load(env=env(**{RISK + "NEWS": f'[{{ at = "{at}", kind = "CPI" }}]'}))
    assert says in str(refusal.value)


@pytest.mark.parametrize("at", ["2026-12-10T13:30:00Z", "2026-12-10T07:30:00-06:00"])
def test_news_at_a_known_hour_are_taken(at: str) -> None:
    news = load(env=env(**{RISK + "NEWS": f'[{{ at = "{at}", kind = "CPI" }}]'}))
    assert [one.at for one in news.risk_governor.news] == [at]


@pytest.mark.parametrize(("kind", "least_s"), [("CPI", 300), ("cpi", 300), ("FOMC", 60)])
def test_consumer_prices_are_known_however_they_are_written(kind: str, least_s: int) -> None:
    news = f'[{{ at = "2026-12-10T07:30:00-06:00", kind = "{kind}" }}]'
    windows = {RISK + "NEWS_BEFORE_S": "60", RISK + "NEWS_AFTER_S": "60", RISK + "NEWS": news}
    found = Governor(load(env=env(**windows))).mind.limits.news
    assert [(before, after) for _, before, after, _ in found] == [(least_s * 10**9,) * 2]
