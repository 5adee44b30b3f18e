"""The governor beside the engine: the same file of events, and never a later word.

The files of `tests/golden/rules` are the engine's, the compiled engine's and the simulated firm's
own (`test_rules_account.py`). Here each is lived by a governor, as trades, quotes and comparisons:
whatever the engine finds at an event, the governor holds by then, because its measure of equity is
never above the firm's. The floor, which is no measure, is equal. The dashboard beside it shows what
the governor holds, and the distances of the same lines: it reckons nothing of its own.
"""

from __future__ import annotations

import pytest

from services.metrics_exporter.figures import money
from services.metrics_exporter.riskview import risk
from shared.domain.rules.account import VERDICTS
from shared.domain.rules.book import BOOK
from shared.events import RiskLevel
from shared.units import Micros
from tests.exporter_stage import Watch
from tests.governor_account import Account, closed
from tests.governor_stage import MNQ, SELL, dollars
from tests.test_rules_account import FILES, Row, rows_of

AT = 84_000
TICK = 500_000  # MNQ
LAYERS = {
    "combine-50k.events": {
        "daily_loss_limit": True, "beyond_firm_daily_loss": False, "daily_loss": 900,
        "daily_cap": 400, "session_cap": 200, "recovery_percent": 50, "emergency_percent": 90,
        "drawdown_kill": 1_600,
    },
    "express-100k.events": {"drawdown_kill": 1_600},
}  # fmt: skip


def ticks_and_fee(amount: Micros) -> tuple[int, Micros]:
    """A move of one contract and a fee that make an amount to the cent."""
    ticks = -(-amount // TICK)
    return ticks, ticks * TICK - amount


def live(stage: Account, row: Row) -> list[str]:
    """One event as the governor meets it; what it held while it lasted."""
    amount = dollars(row.amount)
    if row.what == "day":
        stage.day(str(row.balance / 1_000_000), trade=False)
    elif row.what == "pay":
        closed(stage, str((row.balance + amount) / 1_000_000))
        closed(stage, str(row.balance / 1_000_000))
    else:
        ticks, fee = ticks_and_fee(amount)
        stage.trade_of(1, AT, fee=fee)
        opened = stage.trade
        stage.quote(MNQ, AT + ticks)
        held = stage.names()
        if row.what == "trade":
            stage.trade_of(1, AT + ticks, fee=0, side=SELL)
        else:
            stage.trade_of(1, AT, fee=fee, trade_id=opened, voided=True)
        stage.quote(MNQ, AT)
        return [*held, *stage.names()]
    return stage.names()


@pytest.mark.parametrize("file", FILES)
def test_the_governor_is_never_later_than_the_engine(file: str) -> None:
    rules, _, _ = FILES[file]
    rows = rows_of(file)
    stage = Account(rules, **LAYERS[file])
    stage.opened(stage.governor.mind.limits.start // 1_000_000)
    seen: dict[str, None] = {}
    found = 0
    for number, row in enumerate(rows):
        if row.what == "day":
            seen.clear()
        seen |= dict.fromkeys(live(stage, row))
        for bit, rule in VERDICTS.items():
            if row.new & bit:
                found += 1
                assert rule in seen, f"row {number}, {row}: {rule} is not held, {list(seen)}"
        state = stage.state()
        assert state.floor == row.floor, f"row {number}, {row}"
        assert row.what == "mark" or state.equity <= row.equity, f"row {number}, {row}"
    assert found > 2
    assert stage.level() is not RiskLevel.ACTIVE


@pytest.mark.parametrize("file", FILES)
def test_the_dashboard_shows_the_governors_verdicts_of_the_same_file(file: str) -> None:
    rules, _, _ = FILES[file]
    stage, watch = Account(rules, **LAYERS[file]), Watch()
    stage.opened(stage.governor.mind.limits.start // 1_000_000)
    for number, row in enumerate(rows_of(file)):
        live(stage, row)
        state = stage.state()
        watch.say("risk_governor", state)
        shown = risk(watch.board)
        assert sorted(one.key for one in shown.latches) == sorted(stage.names()), f"row {number}"
        assert {one.rule: (one.at, one.room) for one in shown.layers} == {
            one.rule: (money(one.at), money(one.room)) for one in state.layers
        }, f"row {number}, {row}"
        told = {one.rule for one in shown.latches}
        assert told <= set(BOOK), "each with a rule of the book"


def test_a_cent_before_a_line_of_loss_the_governor_may_already_act_and_a_lot_before_not() -> None:
    """Earlier by what leaving costs, and no more: four ticks and a fee of one contract."""
    for short, names in ((0, ["session_cap"]), (3, ["session_cap"]), (10, [])):
        stage = Account(session_cap=200).opened()
        stage.trade_of(1, AT, fee=0)
        stage.quote(MNQ, AT - 400 + short)
        assert stage.names() == names, short
