"""`tsq doctor`: which check failed, and whether it was the venue, the settings or the computer."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from scripts.console import Exit
from scripts.rehearsal import free_port
from tests.cli.stage import Tsq


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
