"""`tsq status` and `tsq risk show`: danger is the first line and the exit code.

What nobody answers, or nobody can read, is told as such and is never taken for well.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec
import pytest

from scripts import risk, risk_lines, status
from scripts.console import Exit
from scripts.supervise import Program
from services.metrics_exporter.verdict import Reason, Verdict
from shared.events import (
    FirmStanding,
    Heartbeat,
    RiskLatch,
    RiskLayer,
    RiskLevel,
    RiskState,
    Room,
    Scope,
)
from shared.runtime import paths, pulse
from shared.units import SECOND, USD
from tests.cli.stage import Tsq

# -- nobody there --------------------------------------------------------------------------------


def test_status_of_nothing_is_a_failed_check_and_asks_no_stranger(
    tsq: Tsq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "verdict_of", lambda _settings: {"level": "SAFE", "reasons": []})
    answer = tsq("status")
    assert answer.code == Exit.CHECK_FAILED
    assert "nothing runs here" in answer.out
    assert "safety: UNKNOWN" in answer.out
    assert "SAFE" not in answer.out
    assert tsq("status", "--json").json == {
        "processes": [], "safety": {}, "latches": [], "alarms": [],
    }  # fmt: skip


def a_state(**changes: object) -> RiskState:
    usual = RiskState(
        halt_no=1, level=RiskLevel.ACTIVE, cause="", since_ns=0, equity=50_000 * USD,
        headroom=120 * USD, session_net=-50 * USD, next_rule="session_cap",
    )  # fmt: skip
    return msgspec.structs.replace(usual, **changes)


def a_latch(**changes: object) -> RiskLatch:
    usual = RiskLatch(
        key="sleeve:trend", cause="lost its limit", level=RiskLevel.HALTED, scope=Scope.SLEEVE,
        owner="risk_governor", since_ns=1_795_016_100 * SECOND, clears="operator", sleeve="trend",
    )  # fmt: skip
    return msgspec.structs.replace(usual, **changes)


def governor_says(monkeypatch: pytest.MonkeyPatch, state: RiskState) -> None:
    told = {"done": True, "text": "", "state": msgspec.to_builtins(state)}
    for module in (risk_lines, risk):
        monkeypatch.setattr(module, "ask_governor", lambda *_args: told)


def test_status_shows_what_is_held(tsq: Tsq, monkeypatch: pytest.MonkeyPatch) -> None:
    governor_says(monkeypatch, a_state(latches=(a_latch(),)))
    answer = tsq("status")
    assert answer.out.splitlines()[2:] == [
        "risk: active; headroom $120.00 to the session cap, session -$50.00",
        "holds trend: halted - Sleeve switched off: lost its limit",
        "  rule sleeve: Sleeve switched off. More: tsq risk why sleeve:trend",
        "  since 09:35:00 CT by risk governor; ends: a person:"
        " tsq resume --sleeve trend --cause WHY",
    ]
    assert (
        tsq("status", "--json").json["latches"][0]["how"] == "tsq resume --sleeve trend --cause WHY"
    )


def test_an_alarm_is_the_first_line_and_the_exit_code(
    tsq: Tsq, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also without the page, and with every process running."""
    found = [Program("order_router", "RUNNING", 11, 0, 0, "")]
    monkeypatch.setattr(status, "programs", lambda _var: found)
    late = a_latch(
        key="session", sleeve="", scope=Scope.ACCOUNT, level=RiskLevel.FLATTENING,
        cause="ALARM: not proven flat in time; end of day", clears="17:00 CT", alarm=True,
    )  # fmt: skip
    governor_says(monkeypatch, a_state(level=RiskLevel.FLATTENING, latches=(late,)))
    answer = tsq("status")
    assert answer.code == Exit.UNSAFE
    assert answer.out.startswith("*** ALARM: not proven flat in time; end of day ***")
    assert tsq("status", "--json").json["alarms"] == [late.cause]
    governor_says(monkeypatch, a_state())
    assert tsq("status").code == Exit.OK


def test_danger_is_no_success(tsq: Tsq, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Program("metrics_exporter", "RUNNING", 11, 0, 0, "")]
    monkeypatch.setattr(status, "programs", lambda _var: found)
    for level, code in (("DANGER", Exit.UNSAFE), ("WATCH", Exit.OK), ("STALE", Exit.OK)):
        told = {"level": level, "reasons": []}
        monkeypatch.setattr(status, "verdict_of", lambda _settings, told=told: told)
        assert tsq("status").code == code


def test_risk_show_tells_every_distance(tsq: Tsq, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = (
        RiskLayer(rule="floor", at=-2_000 * USD, room=1_950 * USD),
        RiskLayer(rule="profit_target", at=3_000 * USD, room=3_050 * USD, gain=True),
        RiskLayer(rule="session_cap", at=-200 * USD, room=120 * USD),
    )
    room = Room(contract="CON.F.US.MNQ.Z26", rule="session_cap", ticks=240, price=99_000,
                contracts=5)  # fmt: skip
    firm = FirmStanding(rules="topstep-50k-express-standard@2026-09", pays=True, winning_days=3,
                        winning_days_needed=5)  # fmt: skip
    state = a_state(layers=layers, rooms=(room,), firm=firm, budgets=(("trend", 500 * USD),))
    capped = a_latch(key="session_cap", sleeve="", scope=Scope.ACCOUNT, clears="17:00 CT")
    governor_says(monkeypatch, msgspec.structs.replace(state, latches=(capped,)))
    told = tsq("risk", "show").out
    assert "[########............]        held, at -$200.00" in told, "no room that counts"
    assert "ends: 17:00 CT, with proof of flat" in told
    governor_says(monkeypatch, state)
    answer = tsq("risk", "show")
    assert answer.code == Exit.OK
    lines = answer.out.splitlines()
    gauges = lines[lines.index("distance to each rule:") + 1 :][:3]
    assert [line.split("[")[0].strip() for line in gauges] == [
        "Session cap", "The firm's floor", "Profit target reached",
    ]  # fmt: skip
    assert "[########............]     $120.00 left, at -$200.00" in gauges[0]
    assert "240 ticks, session cap at 24750.00; 5 more would fit" in answer.out
    assert "trend $500.00" in answer.out
    assert "winning days 3 of 5" in answer.out
    governor_says(monkeypatch, a_state(level=RiskLevel.HALTED))
    assert tsq("risk", "show").code == Exit.REFUSED
    monkeypatch.setattr(risk, "ask_governor", lambda *_args: {"done": True, "state": {}})
    assert tsq("risk", "show").code == Exit.UNSAFE


# -- status --------------------------------------------------------------------------------------


def test_a_process_is_told_as_supervisord_and_its_heartbeat_see_it(
    tsq: Tsq, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = paths.run_dir(var)
    for actor in ("order_router", "sentinel"):
        beat = Heartbeat(actor=actor, epoch=1, beat=1, schema="", seq={}, note="hub down")
        pulse.write_beat(run, beat)
    now = time.time()  # which stands still, however slow the computer is
    monkeypatch.setattr(time, "time", lambda: now)
    for actor, age in (("order_router", 0), ("sentinel", 60)):
        os.utime(paths.heartbeat_path(run, actor), (now - age, now - age))
    found = [
        Program("order_router", "RUNNING", 11, 0, 0, ""),
        Program("sentinel", "RUNNING", 12, 0, 0, ""),
        Program("risk_governor", "RUNNING", 13, 0, 0, ""),
        Program("simulator", "BACKOFF", 0, 0, 20, "Exited too quickly"),
    ]
    monkeypatch.setattr(status, "programs", lambda _var: found)
    answer = tsq("status")
    lines = answer.out.splitlines()
    assert answer.code == Exit.CHECK_FAILED, "one is not running"
    assert "READY, beat 0." in lines[0]
    assert lines[0].endswith("hub down")
    assert "READY STALE, beat 60." in lines[1]
    assert "no heartbeat yet" in lines[2]
    assert "Exited too quickly" in lines[3]
    assert [row["pid"] for row in tsq("status", "--json").json["processes"]] == [11, 12, 13, 0]
    monkeypatch.setattr(status, "programs", lambda _var: found[:2])
    assert tsq("status").code == Exit.OK


def test_the_exporters_verdict_is_told_with_every_reason(
    tsq: Tsq, monkeypatch: pytest.MonkeyPatch
) -> None:
    reasons = [Reason("DANGER", "MNQ: 1 of 1 without a stop"), Reason("WATCH", "halted: by hand")]
    told = msgspec.to_builtins(Verdict("DANGER", reasons))
    found = [Program("metrics_exporter", "RUNNING", 11, 0, 0, "")]
    monkeypatch.setattr(status, "programs", lambda _var: found)
    monkeypatch.setattr(status, "verdict_of", lambda _settings: told)
    lines = tsq("status").out.splitlines()
    assert lines[1:] == [
        "safety: DANGER",
        "  DANGER  MNQ: 1 of 1 without a stop",
        "  WATCH   halted: by hand",
    ]
    assert tsq("status", "--json").json["safety"] == told
    monkeypatch.setattr(status, "verdict_of", lambda _settings: {"level": "SAFE", "reasons": []})
    assert tsq("status").out.splitlines()[1:] == ["safety: SAFE"]


@pytest.mark.parametrize("garbage", [b"", b"\xc1", b"\x93\x01\x02\x03", b"{}", bytes(4096)])
def test_a_garbled_heartbeat_is_no_heartbeat(var: Path, garbage: bytes) -> None:
    paths.heartbeat_path(paths.run_dir(var), "order_router").write_bytes(garbage)
    assert status.ages(var) == {}
