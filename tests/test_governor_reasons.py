"""Whatever the governor does unasked says why: a rule of the book, its limit, what was found.

One table of scenes, each of which ends in a deed of its own; together they show every kind of latch
and every row of the book's deeds, and the numbers stand here by hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from scripts import cli
from scripts.console import Exit
from scripts.risk_actions import deeds
from services.risk_governor import latches
from services.risk_governor.equity import account
from services.risk_governor.state import FAR
from services.risk_governor.words import DiskSpace, Verb
from shared.domain.rules.book import BOOK
from shared.domain.rules.book_actions import ACTIONS
from shared.domain.rules.explain import deed, numbers
from shared.events import (
    AuthorityGranted,
    CancelApproved,
    ClockJump,
    Event,
    FeedState,
    FeedStatus,
    Flatten,
    Grounds,
    OrderApproved,
    OrderState,
    OrderType,
    OrderVetoed,
    PeerSilent,
    Phase,
    RiskLevel,
    RiskState,
    Scope,
    Started,
    VetoRule,
)
from shared.sections import News
from shared.units import MINUTE, SECOND, USD
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
from tests.test_governor_day import STANDARD, Account
from tests.test_governor_swap import swapped
from tests.test_risk_verb import write

S = SECOND
FLATTEN_AT = OPENING + 5 * HOUR + 30 * MINUTE  # 15:05 CT
MY_OWN = "risk_governor."


def grounds_in(event: Event) -> list[tuple[str, Grounds | None]]:
    """What of an event was done unasked: a name, and the grounds given."""
    if isinstance(event, Flatten):
        return [(f"flatten {event.sleeve or event.contract or 'account'}", event.grounds)]
    if isinstance(event, CancelApproved) and event.intent_id.startswith(MY_OWN):
        return [("cancel", event.grounds)]
    if isinstance(event, OrderApproved) and event.bound:
        return [("smaller", event.grounds)]
    if isinstance(event, AuthorityGranted) and event.cause.startswith("rolled back"):
        return [("back", event.grounds)]
    if isinstance(event, RiskState):
        return [(f"latch {one.key}", one.grounds) for one in event.latches]
    return []


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


@pytest.mark.parametrize("name", SCENES)
def test_what_is_done_unasked_carries_rule_limit_and_actual(name: str) -> None:
    scene = SCENES[name]
    found = [it for event in scene.play().heard for it in grounds_in(event)]
    assert found
    for what, grounds in found:
        assert grounds is not None, f"{what} without grounds"
        entry = BOOK[grounds.rule]
        assert bool(entry.unit) or not (grounds.limit or grounds.actual), grounds
        text = deed(grounds.rule, grounds.limit, grounds.actual, largest=grounds.largest)
        assert text.startswith(entry.name)
        assert entry.clears in text
    wanted = (scene.rule, scene.limit, scene.actual)
    told = [(it.rule, it.limit, it.actual) for what, it in found if it and what == scene.deed]
    assert wanted in told, told


def test_the_scenes_show_every_latch_and_every_deed() -> None:
    shown = {scene.rule for scene in SCENES.values()}
    assert set(latches.KINDS) <= shown
    assert {entry.rule for entry in ACTIONS} <= shown


def test_a_line_tells_what_was_known() -> None:
    stage = Stage(wide(session_cap=200)).opened()
    stage.bought("trend")
    stage.quote(MNQ, 84_001 - 400)
    (flatten,) = stage.flattens()
    now = account(stage.governor.mind)
    assert now is not None
    assert flatten.grounds is not None
    assert flatten.grounds.actual == now.session_net - now.allowance
    assert flatten.grounds.inputs == {
        "equity_usd": now.equity, "session_net_usd": now.session_net,
        "exit_allowance_usd": now.allowance, "floor_usd": 48_000 * USD,
    }  # fmt: skip


def test_what_the_day_ends_says_until_when() -> None:
    stage = loses(210, session_cap=200)
    today = stage.governor.mind.today(stage.now)
    assert today is not None
    (one,) = stage.state().latches
    assert (one.key, one.until_ns) == ("session_cap", today.next_open(stage.now))


def test_a_target_met_to_the_cent_is_met() -> None:
    """1,600 of yesterday and 1,400 of today, 0.61 for leaving paid: 3,000, and no cent short."""
    stage = Account().opened().days("1600")
    stage.trade_of(1, 84_000, fee=-dollars("1400.61"))
    assert stage.state().equity == dollars(53_000)
    assert stage.level() is RiskLevel.FLATTENING
    assert "more on another day" not in stage.cause("profit_target")


def test_the_window_of_a_rate_is_as_long_as_it_says() -> None:
    stage = Stage(wide(orders_per_window=1, window_s=10.0)).opened()
    passed(stage.ask("trend", BUY))
    stage.wait(8)
    stage.quote(MNQ)
    veto = stage.ask("trend", BUY)
    assert isinstance(veto, OrderVetoed)
    assert veto.rule is VetoRule.ORDER_RATE
    stage.wait(3)
    stage.quote(MNQ)
    passed(stage.ask("trend", BUY))


@pytest.mark.parametrize(("apart", "off"), [(8, True), (11, False)])
def test_the_window_of_fills_is_as_long_as_it_says(apart: int, off: bool) -> None:
    stage = Stage(wide(fills_per_window=1, fills_window_s=10.0)).opened()
    for _ in range(2):
        stage.quote(M2K)
        stage.filled(stage.quote_order(BUY, 24_000), 24_000)
        stage.covered(M2K)
        stage.wait(apart)
    assert any(isinstance(event, Flatten) for event in stage.heard) is off


@pytest.mark.parametrize(("later_s", "paused"), [(2.5, True), (4.0, False)])
def test_the_window_of_a_jump_is_as_long_as_it_says(later_s: float, paused: bool) -> None:
    """Two moves of 24 basis points: a jump of 40 when both lie within five seconds."""
    stage = Stage(wide(jump_bp=40, jump_s=5.0, jump_pause_s=10.0)).opened()
    stage.pulse()
    stage.wait(2)
    stage.quote(MNQ, 84_200)
    stage.wait(later_s)
    stage.quote(MNQ, 84_400)
    stage.pulse()
    stage.quote(MNQ)
    said = stage.ask("trend", BUY)
    assert isinstance(said, OrderVetoed) is paused
    assert not paused or said.rule is VetoRule.JUMP


def test_a_contract_proven_flat_and_held_bare_again_has_its_time_anew() -> None:
    stage = unprotected()
    stage.proven_flat(scope=Scope.CONTRACT, contract=MNQ)
    assert not [event for event in stage.wait(2.5) if isinstance(event, Flatten)]
    assert [event for event in stage.wait(1) if isinstance(event, Flatten)]


def test_grounds_survive_a_restart_under_other_code() -> None:
    stage = loses(210, session_cap=200)
    again = Stage(wide())
    again.governor.recall(again.now, stage.state())
    told = {one.key: one.grounds for one in again.state().latches}
    assert told == {one.key: one.grounds for one in stage.state().latches}


def test_a_latch_of_an_older_memory_says_that_its_numbers_are_gone() -> None:
    stage = Stage(wide()).opened()
    latches.latch(stage.governor.mind, stage.now, "drawdown", "as an older code told it")
    stage.governor.mind.state.latches["drawdown"].grounds = None
    stage.pulse()
    (flatten,) = [it for it in stage.heard if isinstance(it, Flatten)]
    assert flatten.grounds == Grounds(rule="recalled")


@pytest.mark.parametrize(
    ("rule", "limit", "actual", "text"),
    [
        ("session_cap", -200 * USD, -203 * USD,
         "Session cap: -203.00 dollars, it acts at -200.00 dollars."),
        ("allocation", 500 * USD, 0, "Smaller slice: 0.00 dollars, after 500.00 dollars."),
        ("payout", 750 * USD, 750 * USD, "Payout guidance: 750.00 dollars."),
        ("operator", 0, 0, "Halt by a person."),
        ("a rule of tomorrow", 1, 2, "a rule of tomorrow: 2, it acts at 1."),
    ],
)  # fmt: skip
def test_numbers_are_said_in_words(rule: str, limit: int, actual: int, text: str) -> None:
    assert numbers(rule, limit, actual) == text
    assert deed(rule, limit, actual).startswith(text)


# -- tsq -------------------------------------------------------------------------------------------


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """A sleeve switched off and a contract closed, as the governor's journal keeps them."""
    stage = sleeve_loss()
    stage.close_all()
    kinds = (RiskState, Flatten, CancelApproved, OrderApproved, OrderVetoed, AuthorityGranted)
    said = [*stage.heard, *unprotected().heard, *replaced().heard]
    kept = [(OPENING + n, event) for n, event in enumerate(said) if isinstance(event, kinds)]
    write(tmp_path, "risk_governor", kept)
    return tmp_path


def test_actions_are_listed_and_each_has_its_why(
    told: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["risk", "actions", "--json", "--var", str(told)]) == Exit.OK
    rows = json.loads(capsys.readouterr().out)
    assert {row["rule"] for row in rows} >= {"sleeve", "unprotected", "one_exit"}
    for row in rows:
        assert cli.main(["risk", "why", row["ref"], "--json", "--var", str(told)]) == Exit.OK
        found = json.loads(capsys.readouterr().out)
        assert found["sentence"] in found["text"]
        assert found["rule"] == row["rule"]
    assert cli.main(["risk", "why", "sleeve:trend", "--var", str(told)]) == Exit.OK
    out = capsys.readouterr().out
    assert "-151.22 dollars, it acts at -150.00 dollars" in out
    assert "It ends with: a person" in out
    assert cli.main(["risk", "actions", "--var", str(told)]) == Exit.OK
    assert "flatten." in capsys.readouterr().out


def test_a_size_that_was_cut_is_explained_with_its_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = [(OPENING, it) for it in smaller().heard if isinstance(it, OrderApproved)]
    write(tmp_path, "risk_governor", said)
    assert cli.main(["risk", "why", "trend.7.1", "--var", str(tmp_path)]) == Exit.OK
    assert "5 contracts, allowed is at most 3 contracts" in capsys.readouterr().out


def test_a_journal_without_grounds_has_no_deeds() -> None:
    old = {"t": "Flatten", "halt_no": 1, "scope": "ACCOUNT", "cause": "x", "time_ns": 1}
    assert list(deeds([old])) == []
