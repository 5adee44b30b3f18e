"""One scene for each deed the governor does unasked, with the rule, limit and number it must say.

Together they show every kind of latch and every row of the book's deeds; the numbers stand here by
hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from services.risk_governor.state import FAR
from services.risk_governor.words import DiskSpace, Verb
from shared.events import (
    ClockJump,
    FeedState,
    FeedStatus,
    OrderApproved,
    OrderState,
    OrderType,
    PeerSilent,
    Phase,
    RiskLevel,
    RiskState,
    Started,
)
from shared.sections import News
from shared.units import MINUTE, SECOND, USD
from tests.governor_account import STANDARD, Account
from tests.governor_seats import swapped
from tests.governor_stage import (
    BUY,
    HOUR,
    M2K,
    MES,
    MNQ,
    OPENING,
    SELL,
    Stage,
    dollars,
    passed,
    wide,
)

S = SECOND
FLATTEN_AT = OPENING + 5 * HOUR + 30 * MINUTE  # 15:05 CT


def loses(amount: int, **risk: object) -> Stage:
    """The venue's balance is smaller by so much than what we know explains."""
    stage = Stage(wide(**risk)).opened()
    stage.reconcile(balance=50_000 - amount)
    return stage


def wins(amount: int, **risk: object) -> Stage:
    """So much is won on a contract that is still held, and leaves for 0.61."""
    stage = Stage(wide(**risk)).opened()
    stage.trade_of(1, 84_000, fee=-amount * USD)
    return stage


def resting(stage: Stage) -> OrderApproved:
    order = passed(stage.quote_order(BUY, 23_990))
    stage.update(order, OrderState.WORKING)
    return order


def floor() -> Stage:
    return loses(2_500, daily_loss=50_000, beyond_firm_daily_loss=True, daily_loss_limit=False)


def payout() -> Stage:
    return Account(STANDARD).opened(0).days("300", "300", "300", "300", "300")


def cooldown() -> Stage:
    stage = Stage(wide(loss_streak=1, cooldown_s=900)).opened()
    stage.filled(stage.ask("trend", BUY), 84_001)
    stage.filled(stage.ask_exit("trend", SELL), 83_901)
    return stage


def news() -> Stage:
    window = (News(at="2026-11-18T10:00:00-06:00", kind="FOMC"),)
    stage = Stage(wide(news=window, news_before_s=60, news_after_s=120)).opened()
    stage.at(OPENING + 24 * MINUTE + 30 * S)
    return stage


def session() -> Stage:
    stage = Stage(wide()).opened()
    stage.at(FLATTEN_AT + 2 * S)
    return stage


def new_day() -> Stage:
    stage = Stage(wide()).opened()
    stage.at(1_795_042_800 * S)
    return stage


def restart() -> Stage:
    stage = Stage(wide()).opened()
    stage.tell(Started(epoch=stage.now // S + 1, fresh=False, changed=True))
    return stage


def clock() -> Stage:
    stage = Stage(wide()).opened()
    stage.tell(ClockJump(slept_ns=7 * S))
    return stage


def difference() -> Stage:
    stage = Stage(wide(difference_grace_s=60.0)).opened()
    stage.bought("trend")
    stage.reconcile(positions={MNQ: 2})
    stage.wait(61)
    return stage


def blind() -> Stage:
    stage = Stage(wide(blind_grace_s=10.0)).opened()
    stage.bought("trend")
    resting(stage)
    stage.tell(FeedStatus(state=FeedState.FROZEN, since_ns=stage.now))
    stage.wait(11)
    return stage


def disk() -> Stage:
    stage = Stage(wide(disk_stop_mb=100)).opened()
    stage.tell(DiskSpace(free_mb=99))
    return stage


def recalled() -> Stage:
    stage = Stage(wide()).opened()
    said = RiskState(halt_no=9, level=RiskLevel.HALTED, cause="an old halt", since_ns=1)
    stage.governor.recall(stage.now, said)
    stage.pulse()
    return stage


def operator() -> Stage:
    stage = Stage(wide()).opened()
    resting(stage)
    stage.operator(Verb.HALT)
    return stage


def paused() -> Stage:
    stage = Stage(wide()).opened()
    resting(stage)
    stage.operator(Verb.PAUSE)
    return stage


def late() -> Stage:
    stage = Stage(wide()).opened()
    resting(stage)
    stage.at(OPENING + 5 * HOUR + 25 * MINUTE)
    return stage


def silent() -> Stage:
    stage = Stage(wide(sleeve_silence_real_s=5.0)).opened()
    stage.update(
        passed(stage.ask("trend", BUY, type=OrderType.LIMIT, limit_price=83_980)),
        OrderState.WORKING,
    )
    stage.tell(PeerSilent(actor="sleeve_trend"))
    return stage


def trimmed() -> Stage:
    """Its stop closed the position while an exit for it rested."""
    stage = Stage(wide()).opened()
    entry = stage.bought("trend")
    exit_order = passed(stage.ask_exit("trend", SELL, type=OrderType.LIMIT, limit_price=84_020))
    stage.update(exit_order, OrderState.WORKING)
    stage.fill(entry, 83_961, side=SELL, intent_id=entry.intent_id + "-SL", tag=entry.tag + "-SL")
    return stage


def replaced() -> Stage:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    exit_order = stage.ask_exit("trend", SELL, type=OrderType.LIMIT, limit_price=84_020)
    stage.update(exit_order, OrderState.WORKING)
    stage.ask_exit("trend", SELL)
    return stage


def unprotected() -> Stage:
    stage = Stage(wide(unprotected_real_s=3.0)).opened()
    stage.filled(stage.ask("trend", BUY), 84_001)
    stage.covered(MNQ, protected=0)
    stage.wait(3.5)
    return stage


def zone() -> Stage:
    stage = Stage(wide(limit_bp=700, limit_zone_bp=200)).opened()
    stage.pulse()
    stage.bought("mean_reversion", contract=MES)
    stage.quote(MES, 25_199)
    stage.wait(1)
    return stage


def sleeve_loss() -> Stage:
    stage = Stage(wide(sleeve_loss=150)).opened()
    stage.bought("trend")
    stage.quote(MNQ, 84_001 - 300)
    return stage


def fills() -> Stage:
    stage = Stage(wide(fills_per_window=1, fills_window_s=60.0)).opened()
    for _ in range(2):
        stage.filled(stage.quote_order(BUY, 24_000), 24_000)
        stage.covered(M2K)
    return stage


def volume() -> Stage:
    stage = Stage(wide(contracts_per_day=4)).opened()
    stage.bought("trend")
    stage.pulse()
    assert "volume" not in stage.governor.mind.state.latches, "one of four is less than half"
    stage.filled(stage.ask_exit("trend", SELL), 84_000)
    stage.pulse()
    return stage


def births() -> Stage:
    stage = Stage(wide(births=2, births_window_real_s=300.0)).opened()
    stage.present("trend", 8)
    return stage


def swap() -> Stage:
    stage = swapped(vetoes=3)
    stage.operator(Verb.SWAP, sleeve="trend", seat="", flatten=True)
    return stage


def removed() -> Stage:
    stage = Stage(wide()).opened()
    stage.operator(Verb.REMOVE, sleeve="trend")
    return stage


def sent_back() -> Stage:
    stage = swapped(vetoes=1)
    stage.ask("trend", BUY, size=500, incarnation=1_007)
    stage.pulse()
    return stage


def shrunk() -> Stage:
    stage = Stage(wide(allocation_share_percent=40, allocation_days=1)).opened()
    stage.filled(stage.ask("trend", BUY), 84_001)
    stage.filled(stage.ask_exit("trend", SELL), 83_801)
    stage.at(1_795_042_800 * S)
    stage.phase(Phase.OPEN, "2026-11-19")
    stage.reconcile(balance="49898.78")
    return stage


def smaller() -> Stage:
    stage = Stage(wide(order_size=3)).opened()
    stage.ask("trend", BUY, 5, least=1)
    return stage


class Scene(NamedTuple):
    """What happens, the deed it ends in, and its rule and numbers."""

    play: Callable[[], Stage]
    deed: str
    rule: str
    limit: int
    actual: int


OFF = {"daily_loss": 50_000, "beyond_firm_daily_loss": True}

SCENES = {
    "the floor is touched": Scene(floor, "latch floor", "floor", 48_000 * USD, 47_500 * USD),
    "and everything is closed": Scene(
        floor, "flatten account", "floor", 48_000 * USD, 47_500 * USD
    ),
    "the drawdown kill": Scene(
        lambda: loses(1_700, **OFF, daily_loss_limit=False), "latch drawdown", "drawdown",
        48_400 * USD, 48_300 * USD,
    ),
    "near the floor": Scene(
        lambda: loses(1_850, **OFF, daily_loss_limit=False), "latch near_floor", "near_floor",
        -1_800 * USD, -1_850 * USD,
    ),
    "the firm's daily loss": Scene(
        lambda: loses(1_050, **OFF), "latch firm_daily_loss", "firm_daily_loss",
        -1_000 * USD, -1_050 * USD,
    ),
    "the soft stop": Scene(
        lambda: loses(950), "latch daily_loss", "daily_loss", -900 * USD, -950 * USD
    ),
    "the daily cap": Scene(
        lambda: loses(450, daily_cap=400), "latch daily_cap", "daily_cap", -400 * USD, -450 * USD
    ),
    "the emergency stop": Scene(
        lambda: loses(370, daily_cap=400, emergency_percent=90), "flatten account",
        "emergency_stop", -360 * USD, -370 * USD,
    ),
    "the session cap": Scene(
        lambda: loses(210, session_cap=200), "flatten account", "session_cap",
        -200 * USD, -210 * USD,
    ),
    "recovery": Scene(
        lambda: loses(210, daily_cap=400, recovery_percent=50), "latch recovery", "recovery",
        -200 * USD, -210 * USD,
    ),
    "the target": Scene(
        lambda: wins(3_100), "latch profit_target", "profit_target", 3_000 * USD, dollars("3099.39")
    ),
    "a profit stop": Scene(
        lambda: wins(600, profit_stop=500), "flatten account", "profit_stop",
        500 * USD, dollars("599.39"),
    ),
    "too large a share": Scene(
        lambda: wins(1_700, consistency="stop"), "flatten account", "consistency",
        1_650 * USD, dollars("1699.39"),
    ),
    "a payout may be asked for": Scene(payout, "latch payout", "payout", 750 * USD, 750 * USD),
    "half of the day's contracts": Scene(volume, "latch volume", "volume", 4, 2),
    "a losing streak": Scene(cooldown, "latch cooldown", "cooldown", 1, 1),
    "a release": Scene(news, "latch news", "news", 60 * S, 30 * S),
    "the end of the day": Scene(session, "flatten account", "session", 0, 2 * S),
    "a day without proof": Scene(new_day, "latch new_day", "new_day", 0, 0),
    "a restart under other code": Scene(restart, "latch restart", "restart", 0, 0),
    "a computer that slept": Scene(clock, "latch clock", "clock", 0, 7 * S),
    "a difference that stays": Scene(
        difference, "flatten account", "difference", 60 * S, 60_250_000_000
    ),
    "a position nobody can value": Scene(
        blind, "flatten account", "blind", 10 * S, 10_250_000_000
    ),
    "its quotes": Scene(blind, "cancel", "FEED", 3 * S, FAR),
    "a full disk": Scene(disk, "flatten account", "disk", 100, 99),
    "a halt of an earlier life": Scene(recalled, "latch recalled", "recalled", 0, 0),
    "a person's halt": Scene(operator, "latch operator", "operator", 0, 0),
    "its withdrawals": Scene(operator, "cancel", "operator", 0, 0),
    "a pause": Scene(paused, "cancel", "paused", 0, 0),
    "no entries any more": Scene(late, "cancel", "SESSION", 0, 0),
    "a silent sleeve": Scene(silent, "cancel", "PEER_SILENT", 5 * S, 5 * S),
    "an exit too large by now": Scene(trimmed, "cancel", "NOT_AN_EXIT", 0, 1),
    "an exit replaced": Scene(replaced, "cancel", "one_exit", 1, 2),
    "no stop": Scene(unprotected, f"flatten {MNQ}", "unprotected", 3 * S, 3_029_000_000),
    "near the price limit": Scene(zone, f"flatten {MES}", "PRICE_LIMIT", 500, 500),
    "a sleeve's loss": Scene(
        sleeve_loss, "flatten trend", "sleeve", -150 * USD, -dollars("151.22")
    ),
    "fills without end": Scene(fills, "flatten market_maker", "sleeve_fills", 1, 2),
    "a crash loop": Scene(births, "flatten trend", "sleeve_births", 2, 2),
    "flat before a swap": Scene(swap, "flatten trend", "swap", 0, 0),
    "a sleeve removed": Scene(removed, "flatten trend", "removed", 0, 0),
    "a newcomer sent back": Scene(sent_back, "back", "probation", 1, 1),
    "a slice that shrinks": Scene(
        shrunk, "latch allocation:trend", "allocation", 500 * USD, 0
    ),
    "a size that is cut": Scene(smaller, "smaller", "SIZE", 3, 5),
}  # fmt: skip
