"""What the page and its API tell of the governor's reasons, distances and deeds; one vocabulary."""

from __future__ import annotations

import msgspec
import pytest

from services.metrics_exporter import riskview, rows
from services.metrics_exporter.state import RECENT
from services.metrics_exporter.view import snapshot
from services.risk_governor.latches import KINDS, By
from shared.domain.rules import telling
from shared.events import (
    CancelApproved,
    FirmStanding,
    Flatten,
    FlattenProgress,
    FlattenStage,
    OrderVetoed,
    RiskLatch,
    RiskLayer,
    RiskLevel,
    Room,
    Scope,
    VetoRule,
)
from shared.units import MINUTE, SECOND, USD
from tests.exporter_stage import MNQ, NOW, Watch, watching

CAP = RiskLatch(
    key="session_cap", cause="session net -201 reached -200", level=RiskLevel.FLATTENING,
    scope=Scope.ACCOUNT, owner="risk_governor", since_ns=NOW - MINUTE, clears="17:00 CT",
    until_ns=NOW + MINUTE, flattens=True,
)  # fmt: skip
RESTING = msgspec.structs.replace(CAP, level=RiskLevel.REDUCE_ONLY)
OFF = RiskLatch(
    key="sleeve:trend", cause="lost 150", level=RiskLevel.HALTED, scope=Scope.SLEEVE,
    sleeve="trend", owner="risk_governor", since_ns=NOW, clears="operator",
)  # fmt: skip
HALT = RiskLatch(
    key="operator", cause="lunch", level=RiskLevel.HALTED, scope=Scope.ACCOUNT, owner="jo",
    since_ns=NOW, clears="operator",
)  # fmt: skip


watch = pytest.fixture(watching)


# -- words -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_latch_has_a_name_and_an_end_that_people_understand(kind: str) -> None:
    row = KINDS[kind]
    latch = RiskLatch(key=kind, cause="", level=row.rests, scope=Scope.ACCOUNT,
                      owner="risk_governor", since_ns=0, clears=row.by.value)  # fmt: skip
    told = telling.held(latch)
    assert told.name != kind, "it has a row in the book"
    assert told.who in ("nobody", "a person", "17:00 CT", "by itself")
    assert ("tsq resume" in told.how) == (row.by is By.OPERATOR or kind == "difference")
    assert told.binds == (row.rests is not RiskLevel.ACTIVE)


def test_who_and_how_of_some_latches() -> None:
    assert telling.held(OFF).how == "tsq resume --sleeve trend --cause WHY"
    assert telling.held(OFF).scope == "trend"
    kill = msgspec.structs.replace(HALT, key="drawdown", level=RiskLevel.FLATTENING)
    how = "tsq resume --cause WHY, once equity is above the level again, after the proof of flat"
    assert telling.held(kill).how == how
    recalled = msgspec.structs.replace(HALT, key="recalled", clears="17:00 CT and operator")
    assert telling.held(recalled).who == "17:00 CT and a person"
    half = msgspec.structs.replace(HALT, key="recovery", level=RiskLevel.ACTIVE)
    assert (telling.held(half).does, telling.held(half).binds) == ("half size", False)


@pytest.mark.parametrize(
    ("at", "room", "used"),
    [(-200, 200, 0), (-200, 150, 25), (-200, 0, 100), (-200, -7, 100), (-200, 260, 0),
     (3_000, 1_500, 50), (0, 0, 100)],
)  # fmt: skip
def test_how_much_of_the_way_to_a_line_is_gone(at: int, room: int, used: int) -> None:
    assert telling.used_percent(RiskLayer(rule="x", at=at * USD, room=room * USD)) == used


# -- rows --------------------------------------------------------------------------------------


def test_latches_alarms_first_then_what_binds(watch: Watch) -> None:
    news = msgspec.structs.replace(HALT, key="payout", level=RiskLevel.ACTIVE)
    late = msgspec.structs.replace(CAP, key="session", alarm=True, cause="ALARM")
    watch.risk(latches=(news, OFF, late), level=RiskLevel.FLATTENING, paused=True)
    seen = riskview.risk(watch.board)
    assert [row.name for row in seen.latches] == [
        "End of the trading day", "Sleeve switched off", "Payout guidance",
    ]  # fmt: skip
    assert seen.alarms == ["ALARM"]
    assert seen.level == "flattening, paused"
    assert seen.latches[0].until == (NOW + MINUTE) / SECOND
    assert seen.latches[1].until is None
    trend = next(row for row in rows.sleeves(watch.board) if row.sleeve == "trend")
    assert trend.off == "lost 150"


def test_distances_are_the_engines_own_nearest_first(watch: Watch) -> None:
    watch.risk(
        layers=(
            RiskLayer(rule="floor", at=-2_000 * USD, room=1_900 * USD),
            RiskLayer(rule="profit_target", at=3_000 * USD, room=750 * USD, gain=True),
            RiskLayer(rule="session_cap", at=-200 * USD, room=100 * USD),
        ),
        rooms=(
            Room(contract=MNQ, rule="session_cap", ticks=200, price=98_800, contracts=4),
            Room(contract="CON.F.US.MES.Z26", rule="session_cap", ticks=0, price=0, contracts=2),
        ),
        budgets=(("trend", 500 * USD),),
    )
    seen = snapshot(watch.board).risk
    assert [(row.name, row.room, row.used) for row in seen.layers] == [
        ("Session cap", 100.0, 0.5), ("The firm's floor", 1_900.0, 0.05),
        ("Profit target reached", 750.0, 0.75),
    ]  # fmt: skip
    assert [(row.name, row.ticks, row.price, row.contracts) for row in seen.rooms] == [
        ("MNQZ6", 200, 24_700.0, 4), ("MESZ6", None, None, 2),
    ]  # fmt: skip
    found = {row.sleeve: row.budget for row in rows.sleeves(watch.board)}
    assert (found["trend"], found["tail_hedge"]) == (500.0, None)


def test_an_express_account_begins_at_nothing_over_a_floor_below_it(watch: Watch) -> None:
    firm = FirmStanding(rules="topstep-50k-express-standard@2026-09", pays=True, winning_day=150,
                        winning_days=2, winning_days_needed=5)  # fmt: skip
    watch.risk(equity=0, floor=-2_000 * USD, kill_level=-1_600 * USD, firm=firm, cap_tenths=20)
    seen = snapshot(watch.board)
    assert (seen.safety.equity, seen.safety.floor, seen.safety.floor_distance) == (0, -2000, 2000)
    assert seen.verdict.level == "SAFE"
    assert seen.risk.firm is not None
    assert (seen.risk.firm.winning_days, seen.risk.firm.cap_minis) == (2, 2.0)
    assert (seen.risk.firm.needed, seen.risk.firm.best_percent_below) == (None, None)


def test_what_is_not_known_is_absent() -> None:
    seen = snapshot(Watch().board)
    assert (seen.risk.level, seen.risk.latches, seen.risk.firm) == ("unknown", [], None)
    assert seen.risk.worst_equity is None


def test_the_limits_in_force_are_shown_not_those_of_the_settings(watch: Watch) -> None:
    watch.risk(limits=(("open_risk", 60), ("daily_loss", 500), ("trades_per_day", 4)),
               kept="open_risk stays 60", open_risk=70 * USD)  # fmt: skip
    seen = snapshot(watch.board)
    assert (seen.safety.open_risk_limit, seen.safety.daily_loss_limit) == (60, 500)
    assert seen.safety.trades_limit == 4
    assert "above its cap $60" in watch.texts()


# -- vetoes ------------------------------------------------------------------------------------


def test_a_refusal_repeated_is_one_row_with_its_sentence(watch: Watch) -> None:
    veto = OrderVetoed(intent_id="i", sleeve="trend", contract=MNQ, rule=VetoRule.TRADE_RISK,
                       limit=150 * USD, actual=156_660_000, largest=1)  # fmt: skip
    for sleeve in ("trend", "tail_hedge", "trend", "trend"):
        watch.say("risk_governor", msgspec.structs.replace(veto, sleeve=sleeve))
    found = rows.vetoes(watch.board)
    assert [(row.sleeve, row.times) for row in found] == [
        ("trend", 3), ("tail_hedge", 1),
    ]  # fmt: skip
    headline = (
        "Trade risks too much: 156.66 dollars, allowed is at most 150.00 dollars."
        " 1 contract would pass."
    )
    assert found[0].headline == headline
    assert found[0].sentence.startswith(headline)
    assert "It ends with" in found[0].sentence


# -- deeds -------------------------------------------------------------------------------------


def deeds(watch: Watch) -> list[str]:
    return [f"{one.what} x{one.times}" for one in watch.board.recent.actions]


def test_a_latch_is_told_when_it_trips_and_when_it_ends(watch: Watch) -> None:
    watch.risk(latches=(CAP,))
    watch.risk(latches=(CAP,))
    watch.risk(latches=(RESTING, OFF))
    watch.risk(latches=(OFF,))
    assert deeds(watch) == [
        "Session cap ended x1", "Sleeve switched off (trend): halted x1",
        "Session cap: flattening x1",
    ]  # fmt: skip
    tripped = riskview.risk(watch.board).actions[-1]
    assert (tripped.at, tripped.owner) == ((NOW - MINUTE) / SECOND, "risk governor")


def test_a_latch_tripped_anew_is_a_new_deed(watch: Watch) -> None:
    watch.risk(latches=(HALT,))
    watch.risk(latches=(msgspec.structs.replace(HALT, since_ns=NOW + SECOND),))
    assert deeds(watch) == [
        "Halt by a person: halted x1", "Halt by a person ended x1", "Halt by a person: halted x1",
    ]  # fmt: skip
    assert watch.board.recent.actions[0].owner == "jo"


def test_flattens_proofs_and_withdrawals(watch: Watch) -> None:
    watch.say("risk_governor", Flatten(halt_no=1, scope=Scope.CONTRACT, contract=MNQ, cause="no"))
    watch.say("risk_governor", Flatten(halt_no=1, scope=Scope.ACCOUNT, cause="told by its latch"))
    for stage in (FlattenStage.CLOSING, FlattenStage.FLAT):
        told = FlattenProgress(
            no=1, halt_no=1, scope=Scope.CONTRACT, contract=MNQ, stage=stage, cause="no"
        )
        watch.say("order_router", told)
    cancel = CancelApproved(intent_id="risk_governor.1.1", target="t", sleeve="trend",
                            contract=MNQ, reason="feed")  # fmt: skip
    for intent in ("risk_governor.1.1", "risk_governor.1.2", "trend.1.9"):
        watch.say("risk_governor", msgspec.structs.replace(cancel, intent_id=intent))
    assert deeds(watch) == [
        "Orders withdrawn: trend x2", "Proven flat: MNQZ6 x1", "Flatten MNQZ6 x1",
    ]  # fmt: skip


def test_deeds_are_the_governors_and_the_routers_word_and_bounded(watch: Watch) -> None:
    watch.say("sleeve_trend", Flatten(halt_no=1, scope=Scope.CONTRACT, contract=MNQ, cause="x"))
    assert deeds(watch) == []
    for number in range(RECENT + 5):
        watch.say("risk_governor", Flatten(
            halt_no=1, scope=Scope.CONTRACT, contract=MNQ, cause=str(number)))  # fmt: skip
    assert len(watch.board.recent.actions) == RECENT
