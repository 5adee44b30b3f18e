"""The governor under other packs: caps that follow the balance, and products the firm restricts."""

from __future__ import annotations

import msgspec
import pytest

from services.risk_governor.limits import Limits
from shared.events import VetoRule
from shared.settings import Settings
from shared.units import MINUTE, SECOND
from tests.governor_stage import BUY, MNQ, Stage, passed, refused, settings, wide

EXPRESS = "topstep-50k-express-standard@2026-09"


def with_fact(given: Settings, **facts: object) -> Settings:
    """The settings with the pack in force changed."""
    name = given.risk_governor.rules
    pack = msgspec.structs.replace(given.packs[name], **facts)
    return msgspec.structs.replace(given, packs=given.packs | {name: pack})


@pytest.mark.parametrize(
    ("balance", "tenths"),
    [(0, 20), (1_499, 20), (1_500, 30), (2_000, 30), (2_001, 50), (9_000, 50)],
)
def test_an_express_account_may_hold_what_the_plan_allows(balance: int, tenths: int) -> None:
    stage = Stage(wide(rules=EXPRESS, net_stop_ticks=1)).opened(balance)
    veto = stage.ask("trend", BUY, tenths + 1, contract=MNQ, stop_loss_ticks=1)
    assert refused(veto) is VetoRule.ACCOUNT_POSITION
    assert (veto.limit, veto.largest) == (tenths, tenths)
    passed(stage.ask("trend", BUY, tenths, contract=MNQ, stop_loss_ticks=1))


def test_our_own_cap_holds_where_the_plan_allows_more() -> None:
    stage = Stage(wide(rules=EXPRESS, account_position_tenths=10)).opened(9_000)
    veto = stage.ask("trend", BUY, 11, contract=MNQ, stop_loss_ticks=1)
    assert (refused(veto), veto.limit) == (VetoRule.ACCOUNT_POSITION, 10)


def test_a_product_the_firm_restricts_has_its_own_cap() -> None:
    stage = Stage(with_fact(wide(), product_contracts={"MNQ": 2})).opened()
    veto = stage.ask("trend", BUY, 3, contract=MNQ, stop_loss_ticks=1)
    assert refused(veto) is VetoRule.POSITION
    assert (veto.limit, veto.actual, veto.largest) == (2, 3, 2)
    passed(stage.ask("trend", BUY, 2, contract=MNQ, stop_loss_ticks=1))


def test_the_firms_window_around_a_price_report_is_the_packs() -> None:
    news = [{"at": "2026-12-10T07:30:00-06:00", "kind": "CPI"},
            {"at": "2026-12-11T07:30:00-06:00", "kind": "PPI"}]  # fmt: skip
    given = settings(news_before_s=60, news_after_s=30)
    risk = msgspec.convert(
        msgspec.to_builtins(given.risk_governor) | {"news": news}, type(given.risk_governor)
    )
    given = msgspec.structs.replace(given, risk_governor=risk)
    report, other = Limits(given).news
    assert report[1:3] == (5 * MINUTE, 5 * MINUTE)
    assert other[1:3] == (60 * SECOND, 30 * SECOND)
    wider = with_fact(given, news_before_ns=9 * MINUTE)
    assert Limits(wider).news[0][1] == 9 * MINUTE
