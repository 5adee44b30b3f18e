"""`tsq` as its users meet it: words in, an exit code and a sentence out, and never a secret.

Everything here runs in this process, on a folder of its own, with nobody there to answer; what
needs a real cast is in `test_cast_real.py`, what needs a socket or a pipe is marked slow below.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from scripts import (
    cli,
    console,
    doctor,
    down,
    flatten,
    logs,
    operator_command,
    risk,
    risk_lines,
    status,
    supervise,
    up,
)
from scripts import journal as journal_verb
from scripts import replay as replay_verb
from scripts.console import Exit, read_progress
from scripts.rehearsal import free_port
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
from shared.runtime import paths, pulse, records
from shared.runtime.journal import Journal
from shared.runtime.replay import Difference, Report
from shared.settings import REPO
from shared.units import SECOND, USD

USER, KEY = "marker-user-3141", "marker-key-59265"
VERBS = tuple(cli.VERBS)


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Tsq = Callable[..., Answer]


@pytest.fixture
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A run-time folder, ports nobody has, a login that must never be seen."""
    for name in [name for name in os.environ if name.startswith("TSQ_")]:
        monkeypatch.delenv(name)
    where = tmp_path / "var"
    monkeypatch.setenv("TSQ_VAR", str(where))
    monkeypatch.setenv("TSQ__SIMULATOR__PORT", str(free_port()))
    monkeypatch.setenv("TSQ__METRICS_EXPORTER__PORT", str(free_port()))
    monkeypatch.setenv("TOPSTEPX_USERNAME", USER)
    monkeypatch.setenv("TOPSTEPX_API_KEY", KEY)
    yield where
    for name in [name for name in os.environ if name.startswith("TSQ_")]:
        del os.environ[name]  # what a command set for the processes it would start
    shutil.rmtree(paths.run_path(where), ignore_errors=True)


@pytest.fixture
def tsq(var: Path, capsys: pytest.CaptureFixture[str]) -> Tsq:
    def run(*words: str) -> Answer:
        try:
            code = cli.main(list(words))
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        for secret in (USER, KEY):
            assert secret not in said.out + said.err, f"{words} told a secret"
        return Answer(code, said.out, said.err)

    return run


# -- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(tsq: Tsq, verb: str) -> None:
    answer = tsq(verb, "--help")
    assert answer.code == 0
    assert answer.out.startswith(f"usage: tsq {verb}")
    assert "--json" in answer.out
    assert "--var" in answer.out


def test_the_list_of_verbs_is_the_one_of_the_readme(tsq: Tsq) -> None:
    listed = tsq("--help").out
    readme = (REPO / "README.md").read_text()
    for verb, (_, summary) in cli.VERBS.items():
        assert verb in listed
        assert summary[:40] in listed
        assert verb in readme


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("nonsense",),
        ("arm",),
        ("journal",),
        ("journal", "burn"),
        ("status", "--nonsense"),
        ("logs", "-n", "-3"),
        ("logs", "-n", "many"),
        ("flatten", "--wait", "long"),
        ("up", "--speed", "fast"),
    ],
)
def test_wrong_words_are_usage_and_not_a_failed_check(tsq: Tsq, words: tuple[str, ...]) -> None:
    answer = tsq(*words)
    assert answer.code == Exit.USAGE
    assert answer.out == ""
    assert answer.err.startswith("usage: tsq")
    assert "Traceback" not in answer.err


def test_settings_that_cannot_be_used_are_named_by_their_path(
    tsq: Tsq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text("[simulator]\nspeeed = 2\n")
    monkeypatch.setenv("TSQ_SETTINGS", str(mine))
    for words in (("status",), ("up",), ("replay",), ("arm", "SIM-50K-1")):
        answer = tsq(*words)
        assert answer.code == Exit.USAGE, words
        assert str(mine) in answer.err
        assert "speeed" in answer.err
    answer = tsq("up", "--settings", str(tmp_path / "absent.toml"))
    assert (answer.code, "absent.toml" in answer.err) == (Exit.USAGE, True)
    assert tsq("up", "--speed", "0").code == Exit.USAGE


def test_no_setting_stands_between_a_person_and_a_stop(
    tsq: Tsq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TSQ__NONSENSE__KEY", "1")
    assert tsq("flatten", "--wait", "0.1").code == Exit.UNSAFE
    assert tsq("halt").code == Exit.UNSAFE


# -- nobody there --------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["halt", "resume"])
def test_a_silent_governor_is_never_taken_for_consent(tsq: Tsq, verb: str) -> None:
    answer = tsq(verb)
    assert answer.code == Exit.UNSAFE
    assert "did not answer" in answer.err


@pytest.mark.parametrize(
    ("words", "verb"),
    [((), "resume"), (("--adopt",), "adopt"), (("--wait",), "wait"), (("--sleeve", "x"), "resume")],
)
def test_resume_says_what_is_to_become_of_a_quarantine(
    tsq: Tsq, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], verb: str
) -> None:
    asked: list[str] = []

    def answers(_var: Path, verb: str, _arguments: dict[str, str]) -> dict[str, object]:
        asked.append(verb)
        return {"done": True, "text": "so it is"}

    monkeypatch.setattr(operator_command, "ask_governor", answers)
    assert tsq("resume", *words).code == Exit.OK
    assert asked == [verb]
    assert tsq("resume", "--adopt", "--wait").code == Exit.USAGE


def test_only_the_account_of_the_settings_can_be_armed(tsq: Tsq) -> None:
    other = tsq("arm", "SOMEBODY-ELSES")
    assert other.code == Exit.REFUSED
    assert "SIM-50K-1" in other.err
    assert "SOMEBODY-ELSES" in other.err
    assert tsq("arm", "SIM-50K-1").code == Exit.UNSAFE
    assert tsq("arm", "SIM-50K-1", "--off").code == Exit.UNSAFE


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
        "  since 09:35:00 CT by risk governor; ends: a person: tsq resume --sleeve trend",
    ]
    assert tsq("status", "--json").json["latches"][0]["how"] == "tsq resume --sleeve trend"


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


def test_down_of_nothing_is_done_already(tsq: Tsq) -> None:
    assert tsq("down", "--json").json == {"running": False}
    assert tsq("down").code == Exit.OK


def test_an_error_is_told_to_people_and_to_programs(tsq: Tsq) -> None:
    answer = tsq("replay", "--json")
    assert answer.code == Exit.USAGE
    assert answer.json["exit"] == Exit.USAGE
    assert answer.json["error"] in answer.err


def test_a_command_cut_short_has_not_succeeded(tsq: Tsq, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(_args: argparse.Namespace) -> Exit:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "run", cut)
    monkeypatch.setattr(logs, "run", cut)
    assert tsq("doctor").code == cli.INTERRUPTED
    assert tsq("logs").code == Exit.OK


# -- flatten -------------------------------------------------------------------------------------


def test_flatten_with_nobody_there_leaves_the_wish_and_says_that_it_is_not_flat(
    tsq: Tsq, var: Path
) -> None:
    answer = tsq("flatten", "--wait", "0.3", "--cause", "rain")
    assert answer.code == Exit.UNSAFE
    assert "NOT PROVEN FLAT" in answer.out
    wish = json.loads(paths.flatten_request_path(paths.run_path(var)).read_text())
    assert wish["cause"] == "rain"
    assert wish["who"]
    told = tsq("flatten", "--wait", "0.1", "--json").json
    assert (told["flat"], told["stage"], told["governor"]) == (False, "", False)
    newer = json.loads(paths.flatten_request_path(paths.run_path(var)).read_text())
    assert newer["id"] == told["request"] == wish["id"], "the wish that stands is the one followed"


def answering(monkeypatch: pytest.MonkeyPatch, var: Path, *stages: str) -> None:
    """Somebody serves the request that comes, one stage further at each look."""
    run, left = paths.run_dir(var), list(enumerate(stages))

    def look(where: Path) -> dict[str, Any]:
        asked = json.loads(paths.flatten_request_path(run).read_text())["id"]
        if left:
            beat, stage = left.pop(0)
            told = {"id": asked, "stage": stage, "by": "sentinel", "beat": beat, "detail": "so"}
            paths.replace(paths.flatten_progress_path(run), json.dumps(told).encode())
        return read_progress(where)

    monkeypatch.setattr(flatten, "read_progress", look)
    monkeypatch.setattr(flatten, "POLL_S", 0.001)


def test_flatten_ends_with_the_proof_and_says_who_gave_it(
    tsq: Tsq, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, var, "CANCELLING", "CLOSING", "FLAT")
    answer = tsq("flatten", "--wait", "20")
    assert answer.code == Exit.OK
    assert "closing by sentinel" in answer.out
    assert "proven flat after" in answer.out
    assert "the governor is silent" in answer.out


def test_flatten_in_json_is_one_object(
    tsq: Tsq, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, var, "CLOSING", "FLAT")
    told = tsq("flatten", "--wait", "20", "--json").json
    assert (told["flat"], told["by"], told["governor"]) == (True, "sentinel", False)


def test_another_requests_proof_is_no_proof(tsq: Tsq, var: Path) -> None:
    done = {"id": "an-older-one", "stage": "FLAT", "by": "order_router", "beat": 9, "detail": ""}
    where = paths.flatten_progress_path(paths.run_dir(var))
    paths.replace(where, json.dumps(done).encode())
    assert tsq("flatten", "--wait", "0.2").code == Exit.UNSAFE


def test_a_stuck_flatten_is_named(tsq: Tsq, var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, var, "CLOSING", "STUCK")
    answer = tsq("flatten", "--wait", "0.8")
    assert answer.code == Exit.UNSAFE
    assert "stage: STUCK" in answer.out


@pytest.mark.parametrize("garbage", [b"", b"\xff\xfe", b"[1]", b'{"id": 3}', b"{"])
def test_a_garbled_progress_file_is_no_proof(tsq: Tsq, var: Path, garbage: bytes) -> None:
    paths.replace(paths.flatten_progress_path(paths.run_dir(var)), garbage)
    assert tsq("flatten", "--wait", "0.1").code == Exit.UNSAFE


def test_flatten_without_a_file_and_without_a_governor_says_both(tsq: Tsq, var: Path) -> None:
    paths.flatten_request_path(paths.run_dir(var)).mkdir()  # renaming onto it must fail
    answer = tsq("flatten", "--wait", "0.1")
    assert answer.code == Exit.UNSAFE
    assert "could not be written" in answer.err
    assert "did not answer" in answer.err
    assert "close by hand" in answer.err


def test_flatten_interrupted_is_not_flat(
    tsq: Tsq, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> dict[str, Any]:
        raise KeyboardInterrupt

    monkeypatch.setattr(flatten, "follow", interrupt)
    answer = tsq("flatten")
    assert answer.code == Exit.UNSAFE
    assert "interrupted" in answer.out


def test_a_run_directory_open_to_others_is_not_used(tsq: Tsq, var: Path) -> None:
    paths.run_dir(var).chmod(0o755)
    for words in (("flatten", "--wait", "0.1"), ("halt",)):
        answer = tsq(*words)
        assert answer.code == Exit.UNSAFE
        assert "others may enter" in answer.err
    assert "others may enter" in tsq("doctor", "--offline").out


def test_a_user_without_a_name_can_stop_too(tsq: Tsq, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert console.who() == f"user {os.getuid()}"
    assert tsq("flatten", "--wait", "0.1").code == Exit.UNSAFE


# -- up ------------------------------------------------------------------------------------------


@pytest.fixture
def no_supervisord(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing may be started here")

    monkeypatch.setattr(up.subprocess, "Popen", refuse)


@pytest.mark.usefixtures("no_supervisord")
def test_up_on_a_folder_that_cannot_be_written_says_so(tsq: Tsq, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for where in (tmp_path / "file", tmp_path / "file" / "below"):
        answer = tsq("up", "--var", str(where))
        assert answer.code == Exit.USAGE
        assert f"{where} cannot be written" in answer.err


@pytest.mark.usefixtures("no_supervisord")
def test_up_too_deep_for_a_socket_says_so(tsq: Tsq, tmp_path: Path) -> None:
    answer = tsq("up", "--var", str(tmp_path / ("deep" * 30)))
    assert answer.code == Exit.USAGE
    assert "too deep" in answer.err


@pytest.mark.usefixtures("no_supervisord")
def test_up_twice_is_refused_also_while_the_first_is_stopping(
    tsq: Tsq, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopping(*_: object) -> None:
        raise supervise.xmlrpc.client.Fault(6, "SHUTDOWN_STATE")

    monkeypatch.setattr(supervise, "call", stopping)
    answer = tsq("up")
    assert answer.code == Exit.USAGE
    assert "already running" in answer.err
    assert not var.exists(), "nothing may be touched"
    assert supervise.programs(var) == []


@pytest.mark.usefixtures("no_supervisord")
def test_fresh_forgets_on_the_simulator_only(
    tsq: Tsq, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (var / "journal").mkdir(parents=True)
    monkeypatch.setenv("TSQ__VENUE__ENVIRONMENT", "DEMO")
    answer = tsq("up", "--fresh")
    assert answer.code == Exit.REFUSED
    assert "simulator only" in answer.err
    assert (var / "journal").is_dir(), "nothing may be moved"


def test_fresh_keeps_the_session_before(var: Path) -> None:
    settings = up.load()
    for number in ("first", "second"):
        var.mkdir(parents=True)
        (var / number).write_text("")
        up.put_aside(var, settings)
        assert not var.exists()
    assert [path.name for path in var.with_name("var.previous").iterdir()] == ["second"]
    up.put_aside(var, settings)  # nothing there: nothing to do


def test_a_settings_file_is_named_by_its_full_path(
    var: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.toml").write_text("[simulator]\nspeed = 4\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TSQ__SIMULATOR__SPEED", "1")
    for option in (None, "mine.toml"):
        monkeypatch.setenv("TSQ_SETTINGS", "mine.toml")
        args = argparse.Namespace(settings=option, speed=None)
        up.environment_of(args)
        assert os.environ["TSQ_SETTINGS"] == str(tmp_path / "mine.toml")
    settings = up.environment_of(argparse.Namespace(settings=None, speed=2.5))
    assert settings.simulator.speed == 2.5


@pytest.mark.parametrize(
    ("said", "end"),
    [
        ("INFO stopped: order_router (exit status 0)", ""),
        ("WARN stopped: order_router (exit status 24)", "exit status 24"),
        ("WARN stopped: order_router (terminated by SIGKILL)", "terminated by SIGKILL"),
        ("WARN exited: order_router (exit status 24; not expected)", "exit status 24"),
        ("INFO stopped: sentinel (exit status 0)", "it was not running"),
        ("", "it was not running"),
    ],
)
def test_a_stop_without_the_routers_word_is_not_called_safe(
    var: Path, capsys: pytest.CaptureFixture[str], said: str, end: str
) -> None:
    log = var / "log" / "supervisord.log"
    log.parent.mkdir(parents=True)
    log.write_text("INFO stopped: order_router (exit status 0)\n")
    since = supervise.log_size(var)
    with log.open("a") as file:
        file.write(f"2026-11-20 11:31:12,142 {said}\n")
    assert supervise.router_end(var, since) == end
    code = down.told_end(argparse.Namespace(json=False, var=str(var)), end)
    assert code == (Exit.UNSAFE if end else Exit.OK)
    assert ("look at the platform" in capsys.readouterr().out) == bool(end)


def test_without_supervisords_log_nobody_knows(var: Path) -> None:
    assert "could not be read" in supervise.router_end(var, 0)


# -- status --------------------------------------------------------------------------------------


def test_a_process_is_told_as_supervisord_and_its_heartbeat_see_it(
    tsq: Tsq, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = paths.run_dir(var)
    for actor in ("order_router", "sentinel"):
        beat = Heartbeat(actor=actor, epoch=1, beat=1, schema="", seq={}, note="hub down")
        pulse.write_beat(run, beat)
    old = time.time() - 60
    os.utime(paths.heartbeat_path(run, "sentinel"), (old, old))
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


# -- doctor --------------------------------------------------------------------------------------


def test_the_doctor_offline_needs_nobody(tsq: Tsq) -> None:
    answer = tsq("doctor", "--offline")
    assert answer.code == Exit.OK, answer.out
    assert "all is well" in answer.out
    found = {row["name"]: row for row in tsq("doctor", "--offline", "--json").json["findings"]}
    assert found["cast"]["grade"] == "warning"
    assert {row["grade"] for name, row in found.items() if name != "cast"} <= {"ok", "warning"}


def test_the_doctor_tells_an_absent_venue_from_a_failed_check(
    tsq: Tsq, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = tsq("doctor")
    assert answer.code == Exit.VENUE
    assert "127.0.0.1" in answer.out
    monkeypatch.setenv("TSQ__VENUE__ENVIRONMENT", "DEMO")
    monkeypatch.setenv("TSQ__VENUE__REST_URL", f"http://127.0.0.1:{free_port()}")
    assert tsq("doctor").code == Exit.VENUE, "the login is tried, and not told"
    monkeypatch.delenv("TOPSTEPX_API_KEY")
    without = tsq("doctor")
    assert without.code == Exit.CHECK_FAILED
    assert "TOPSTEPX_API_KEY" in without.out


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TSQ__SESSION__NO_ENTRIES_BEFORE_S", "1", "no_entries_before_s"),
        ("TSQ__SIMULATOR__SPEEED", "1", "speeed"),
        ("TSQ__VENUE__ENVIRONMENT", "MARS", "venue.environment"),
    ],
)
def test_the_doctor_names_settings_that_cannot_be_used(
    tsq: Tsq, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    answer = tsq("doctor", "--offline")
    assert answer.code == Exit.CHECK_FAILED
    assert said in answer.out
    assert "Traceback" not in answer.err


def test_the_doctor_finds_a_sleeve_without_a_market(
    tsq: Tsq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TSQ__SLEEVES__TREND__ROOT", "MGC")
    answer = tsq("doctor", "--offline")
    assert answer.code == Exit.CHECK_FAILED
    assert "sleeve trend waits for MGC" in answer.out
    monkeypatch.setenv("TSQ__SLEEVES__TREND__ENABLED", "false")
    assert tsq("doctor", "--offline").code == Exit.OK


def test_the_doctor_sees_what_stands_in_the_way(
    tsq: Tsq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    answer = tsq("doctor", "--offline", "--var", str(tmp_path / "file"))
    assert answer.code == Exit.CHECK_FAILED
    assert "choose another with --var" in answer.out
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("TSQ__METRICS_EXPORTER__PORT", str(port))
        answer = tsq("doctor", "--offline")
    assert answer.code == Exit.CHECK_FAILED
    assert f"127.0.0.1:{port} of metrics_exporter: Address already in use" in answer.out


# -- logs ----------------------------------------------------------------------------------------


def write_logs(var: Path) -> Path:
    folder = var / "log"
    folder.mkdir(parents=True)
    row = {"level": "INFO", "actor": "order_router"}
    lines = [
        row | {"time": "2026-11-20T10:00:01.000000+0000", "message": "one", "code": "7"},
        row | {"time": "2026-11-20T10:00:03.000000+0000", "message": "three", "traceback": "T\nU"},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "order_router.log").write_text(text)
    (folder / "supervisord.log").write_text("2026-11-20 10:00:02,000 INFO two\nno time at all\n")
    return folder


def test_logs_are_told_in_the_order_of_time(tsq: Tsq, var: Path) -> None:
    write_logs(var)
    lines = tsq("logs").out.splitlines()
    assert [line.split()[-1] for line in lines] == ["code=7", "two", "all", "three", "T", "U"]
    assert lines[0] == "2026-11-20T10:00:01.000000+0000 INFO     order_router           one code=7"
    assert len(tsq("logs", "order_router", "-n", "1").out.splitlines()) == 3
    assert tsq("logs", "-n", "0").out == ""


def test_logs_in_json_are_json_whatever_was_written(tsq: Tsq, var: Path) -> None:
    write_logs(var)
    rows = tsq("logs", "--json").rows
    told = [row["message"] for row in rows]
    assert told == ["one", "2026-11-20 10:00:02,000 INFO two", "no time at all", "three"]


@pytest.mark.parametrize("name", ["nobody", "/etc/passwd", "*", "../log/order_router", ""])
def test_logs_of_an_unknown_process_names_those_there_are(tsq: Tsq, var: Path, name: str) -> None:
    write_logs(var)
    answer = tsq("logs", name)
    assert answer.code == Exit.USAGE
    assert "order_router, supervisord" in answer.err
    assert answer.out == ""


def test_a_long_log_begins_with_a_whole_line(tsq: Tsq, var: Path) -> None:
    folder = write_logs(var)
    (folder / "long.log").write_text("".join(f"{n:099d}\n" for n in range(2_000)))
    lines = tsq("logs", "long", "-n", "5000").out.splitlines()
    assert len(lines) == logs.TAIL_BYTES // 100
    assert all(len(line.split()[1]) == 99 for line in lines)


def test_a_followed_log_is_read_through_its_rotation(
    tsq: Tsq, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_logs(var) / "supervisord.log"
    steps = iter(["more\nhalf", "a line\n", "rotated\n"])

    def write(_s: float) -> None:
        step = next(steps, None)
        if step is None:
            raise KeyboardInterrupt
        with path.open("w" if step == "rotated\n" else "a") as file:
            file.write(step)

    monkeypatch.setattr(logs.time, "sleep", write)
    answer = tsq("logs", "supervisord", "-f", "-n", "0")
    assert answer.code == Exit.OK
    told = [line.split(maxsplit=1)[1] for line in answer.out.splitlines()]
    assert told == ["more", "halfa line", "rotated"]


# -- journal -------------------------------------------------------------------------------------


def write_journal(
    var: Path, *texts: str, lane: str = "order_router", day: str = "2026-11-18"
) -> Path:
    path = paths.journal_path(var, day, lane)
    file = Journal(path, 1 << 16)
    for n, text in enumerate(texts):
        file.append(records.pack(records.INPUT, (n, {"t": "Pulse", "said": text})))
    file.close()
    return path


def test_a_journal_is_listed_read_and_verified(tsq: Tsq, var: Path) -> None:
    path = write_journal(var, "one", "two", "three")
    size = path.stat().st_size
    row = {"day": "2026-11-18", "lane": "order_router", "bytes": size}
    assert tsq("journal", "ls", "--json").json == {"journals": [row]}
    assert f"{size:,}" in tsq("journal", "ls").out
    rows = tsq("journal", "cat", "order_router", "--json").rows
    assert [row["content"][1]["said"] for row in rows] == ["one", "two", "three"]
    assert "one" in tsq("journal", "cat", "order_router", "--day", "2026-11-18").out
    assert "sound; 3 input" in tsq("journal", "verify").out
    assert tsq("journal", "verify", "order_router", "--json").rows[0]["trouble"] == ""


def test_a_journal_that_is_not_there_is_no_sound_journal(tsq: Tsq, var: Path) -> None:
    assert tsq("journal", "ls", "--json").json == {"journals": []}
    assert "nothing under" in tsq("journal", "ls").out
    assert tsq("journal", "verify").code == Exit.USAGE, "of nothing nothing is verified"
    write_journal(var, "one")
    for words in (
        ("cat", "nobody"),
        ("cat",),
        ("cat", "order_router", "--day", "2026-11-19"),
        ("tail", "nobody"),
        ("verify", "nobody"),
        ("verify", "--day", "2026-11-19"),
    ):
        answer = tsq("journal", *words)
        assert answer.code == Exit.USAGE, words
        assert "order_router" in answer.err, words


def test_a_torn_end_is_told_and_damage_in_the_middle_fails(tsq: Tsq, var: Path) -> None:
    path = write_journal(var, "one", "two", "three")
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    answer = tsq("journal", "verify")
    assert answer.code == Exit.OK
    assert "bytes of an unfinished frame" in answer.out
    path.write_bytes(whole.replace(b"one", b"xxx"))
    answer = tsq("journal", "verify", "order_router")
    assert answer.code == Exit.CHECK_FAILED
    assert "CORRUPT" in answer.out
    assert "a damaged frame" in answer.out
    for verb in ("cat", "tail"):
        assert tsq("journal", verb, "order_router").code == Exit.CHECK_FAILED


def test_tail_begins_with_the_last_and_goes_on_into_the_next_day(
    tsq: Tsq, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_journal(var, "one", "two", "three")
    steps = iter(["2026-11-18", "2026-11-19", ""])

    def write(_s: float) -> None:
        step = next(steps, None)
        if step is None:
            raise KeyboardInterrupt
        if step:
            write_journal(var, f"of {step}", day=step)

    monkeypatch.setattr(journal_verb.time, "sleep", write)
    answer = tsq("journal", "tail", "order_router", "-n", "2", "--json")
    assert answer.code == Exit.OK
    said = [row["content"][1]["said"] for row in answer.rows]
    assert said == ["two", "three", "of 2026-11-18", "of 2026-11-19"]


# -- replay --------------------------------------------------------------------------------------


def a_report(**changes: Any) -> Report:
    told = {"actor": "order_router", "days": ("2026-11-18",), "starts": 1, "told": 9}
    told |= {"decisions": 5, "compared": 5, "skipped": 0, "unsaid": 0, "decision_hash": "beef"}
    return Report(**(told | changes))


def test_replay_of_nothing_is_not_a_passed_replay(tsq: Tsq, var: Path) -> None:
    assert tsq("replay").code == Exit.USAGE
    assert "nothing recorded" in tsq("replay").err
    answer = tsq("replay", "order_router", "--day", "2026-11-18")
    assert answer.code == Exit.USAGE
    assert "order_router" in answer.err
    assert tsq("replay", "nobody").code == Exit.USAGE


def test_replay_fails_when_one_decision_differs(tsq: Tsq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_verb, "replay", lambda *_, **__: a_report(skipped=2))
    answer = tsq("replay", "order_router")
    assert answer.code == Exit.OK
    assert "equal" in answer.out
    assert "2 by other code" in answer.out
    difference = Difference(where="offset 7", expected="BUY 1", got="BUY 2")
    monkeypatch.setattr(replay_verb, "replay", lambda *_, **__: a_report(difference=difference))
    answer = tsq("replay")
    assert answer.code == Exit.CHECK_FAILED
    assert "DIFFERS" in answer.out
    assert "BUY 2" in answer.out
    assert not tsq("replay", "--json").json["reports"][0]["equal"]


# -- with a socket, with a pipe --------------------------------------------------------------------


def governor(var: Path, answer: bytes) -> threading.Thread:
    """Somebody at the governor's socket who says `answer` to whatever comes."""
    where = paths.governor_socket_path(paths.run_dir(var))
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(where))
    server.listen()

    def serve() -> None:
        with server, server.accept()[0] as visitor:
            visitor.recv(65536)
            visitor.sendall(answer)
        where.unlink()

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verb", "answer", "code"),
    [
        (("halt",), b'{"done": true, "text": "halted"}\n', Exit.OK),
        (("resume", "--json"), b'{"done": true, "text": "resumed"}\n', Exit.OK),
        (("resume",), b'{"done": false, "text": "clears at 17:00 CT"}\n', Exit.REFUSED),
        (("arm", "SIM-50K-1"), b'{"done": false, "text": "no arming"}\n', Exit.REFUSED),
        (("halt",), b"nonsense\n", Exit.UNSAFE),
        (("halt",), b"", Exit.UNSAFE),
        (("halt",), b"[1]\n", Exit.UNSAFE),
        (("halt",), b'{"done": tr', Exit.UNSAFE),
    ],
)
def test_the_governors_word_is_the_exit_code(
    tsq: Tsq, var: Path, verb: tuple[str, ...], answer: bytes, code: Exit
) -> None:
    helper = governor(var, answer)
    said = tsq(*verb)
    helper.join()
    assert said.code == code, said
    if code in (Exit.OK, Exit.REFUSED):
        assert json.loads(answer)["text"] in said.out


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_is_no_failure(var: Path) -> None:
    folder = write_logs(var)
    (folder / "long.log").write_text("".join(f"{n:0200d}\n" for n in range(2_000)))
    words = [sys.executable, "-m", "scripts.cli", "logs", "long", "-n", "100000"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=REPO, stdout=pipe, stderr=pipe) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.read(10)
        child.stdout.close()
        trouble = child.stderr.read()
        assert child.wait(20) == Exit.OK
    assert trouble == b""
