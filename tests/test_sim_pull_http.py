"""Pull replays over real sockets, the page's own thirty lines, and `tsq simulator` as a process."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.rehearsal import free_port
from shared.sections import SimulatedAccount
from tests.venue.stage import Trader, Venue, settings

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parent.parent
BASE = "/api/topstep-sim/"
PATIENCE_S = 120.0  # decides nothing: it ends what hangs
ACCOUNTS = (
    SimulatedAccount(name="SIM-50K-1", daily_loss=True),
    SimulatedAccount(name="EXPRESS-V2-1", stage="express"),
)


@pytest.fixture(scope="module")
def second_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory, second_port: int) -> Iterator[Any]:
    wish = settings(regime="calm", second_port=second_port, accounts=ACCOUNTS)
    with Venue(tmp_path_factory.mktemp("venue"), wish) as one:
        yield one


@pytest.fixture
def trader(venue: Any) -> Iterator[Any]:
    one = Trader(venue)
    yield one
    one.close()


def ask(trader: Any, path: str, **body: Any) -> Any:
    return trader.post(BASE + path, body).body


def test_the_thirty_lines_of_the_page_run(venue: Any, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "pull-replay.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(code.strip().splitlines()) <= 35
    exec(compile(code.replace("http://127.0.0.1:8087", venue.url), "page", "exec"), {})
    out = capsys.readouterr().out
    assert out.startswith("CON.F.US.MNQ.Z26 276 bars\n")
    found = re.search(r"(\d+) fills; balance ([\d.]+)", out)
    assert found
    assert int(found[1]) > 4
    assert float(found[2]) != 50_000.0


def test_login_and_strangers(trader: Any) -> None:
    assert trader.post(BASE + "Auth/login", {"username": "a", "APIKEY": "b"}).body["token"]
    assert trader.post(BASE + "Auth/login", {"userName": "a"}).status == 400
    trader.token = ""
    answer = trader.post(BASE + "Replay/start", {"instrumentSymbol": "MNQ"})
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_bodies_that_are_none(trader: Any) -> None:
    missing = trader.post(BASE + "Replay/start", {"instrumentSymbol": "MNQ"})
    assert (missing.status, list(missing.body["errors"])) == (400, ["startDate", "request"])
    wrong = trader.post(BASE + "Replay/step", {"count": "many"})
    assert (wrong.status, wrong.body["status"]) == (400, 400)
    for raw in (b"{", b"[]", b"\xff", b"[" * 10_000):
        told = {"Content-Type": "application/json", **trader.headers()}
        assert trader.send("POST", BASE + "Replay/step", raw, told).status == 400
    assert trader.post(BASE + "Replay/nonsense", {}).status == 404
    assert trader.send("GET", BASE + "Replay/status", None, trader.headers()).status == 405


def test_paths_and_names_in_any_case(trader: Any) -> None:
    told = trader.post(
        "/API/TopStep-Sim/replay/START/", {"InstrumentSymbol": "mes", "STARTDATE": "2026-11-10"}
    ).body
    assert (told["success"], told["contractId"]) == (True, "CON.F.US.MES.Z26")
    assert "kind" not in told


def test_a_story_over_http(trader: Any) -> None:
    began = ask(trader, "Replay/start", instrumentSymbol="MNQ", startDate="2026-11-10T15:00:00Z")
    account = began["accountId"]
    bar = ask(trader, "Replay/nextBar")["bar"]
    assert sorted(bar) == ["c", "h", "l", "o", "t", "v"]
    placed = ask(
        trader, "Order/place", accountId=account, contractId=began["contractId"], type=2, side=0,
        size=1, slTicks=100, tpTicks=200,
    )  # fmt: skip
    assert (placed["success"], sorted(placed)) == (
        True, ["errorCode", "errorMessage", "orderId", "success"]
    )  # fmt: skip
    assert [row["size"] for row in ask(trader, "Position/searchOpen")["positions"]] == [1]
    assert len(ask(trader, "Order/searchOpen", accountId=account)["orders"]) == 2
    assert ask(trader, "Position/closeAll")["position"] == 0
    assert len(ask(trader, "Trade/search", startTimestamp="2026-11-01T00:00:00Z")["trades"]) == 2
    query = ask(trader, "Order/v2/query", filter={"accountId": account})
    assert len(query["orders"]) == 4
    bars = ask(
        trader, "History/retrieveBars", contractId=began["contractId"], live=False, limit=5,
        startTime="2026-11-01T00:00:00Z", endTime="2026-12-01T00:00:00Z", unit=2, unitNumber=1,
        includePartialBar=True,
    )  # fmt: skip
    assert bars["bars"][0] == bar
    assert ask(trader, "Replay/end", accountId=account)["success"]
    assert ask(trader, "Replay/status", accountId=account)["errorCode"] == 1
    assert ask(trader, "Order/searchOpen", accountId=account)["errorCode"] == 1


def test_the_live_gateway_and_replays_do_not_mix(trader: Any) -> None:
    began = ask(trader, "Replay/start", instrumentSymbol="MNQ", startDate="2026-11-10")
    names = [row["id"] for row in trader.post("Account/search", {}).body["accounts"]]
    assert began["accountId"] not in names
    live = trader.post("Position/searchOpen", {"accountId": began["accountId"]})
    assert live.code == (False, 1, None)


@pytest.mark.usefixtures("venue")
def test_the_second_port_serves_the_same(second_port: int) -> None:
    url = f"http://127.0.0.1:{second_port}/api/Status/ping"
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        assert answer.read() == b"pong"


def test_a_second_port_that_is_taken_is_done_without(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wish = settings(second_port=taken.getsockname()[1])
        with Venue(tmp_path, wish) as one:
            trader = Trader(one)
            assert trader.token
            trader.close()


def test_the_firms_counter_over_http(trader: Any) -> None:
    def counter(**wish: Any) -> Any:
        return trader.post("/sim/account", wish).body

    look = trader.send("GET", "/sim/account?account=EXPRESS-V2-1").body
    assert (look["success"], look["standing"]["stage"], look["standing"]["floor"]) == (
        True, "express", -2_000_000_000
    )  # fmt: skip
    assert counter(wish="PAYOUT", account="EXPRESS-V2-1", amount=200)["success"] is False
    assert trader.post("/sim/account", {"wish": "DANCE"}).status == 400
    assert trader.post("/sim/account", {"amount": "x"}).status == 400
    before = look["accountId"]
    after = counter(wish="RESET", account="EXPRESS-V2-1")
    assert (after["success"], after["accountId"] > before) == (True, True)
    truth = trader.send("GET", "/sim/truth?account=EXPRESS-V2-1").body
    assert (truth["account"], truth["accountId"]) == ("EXPRESS-V2-1", after["accountId"])
    assert truth["accounts"] == ["SIM-50K-1", "EXPRESS-V2-1"]
    nobody = trader.send("GET", "/sim/truth?account=nobody").body
    assert nobody["success"] is False


def test_an_order_on_a_locked_account(venue: Any, trader: Any) -> None:
    """Code 4, no order, and it is told on the account."""

    def lock() -> None:
        account = venue.host.core._machines.exchange.account
        account.state.firm.locked = True
        venue.host.core._machines.bailiff.allow(account)

    def unlock() -> None:
        account = venue.host.core._machines.exchange.account
        account.state.firm.locked = False
        venue.host.core._machines.bailiff.allow(account)

    account = trader.account
    venue.do(lock)
    try:
        reply = trader.order(accountId=account)
        assert (reply.code, reply.body["orderId"]) == ((False, 4, None), None)
        (row,) = [
            one for one in trader.post("Account/search", {"onlyActiveAccounts": True}).body[
                "accounts"
            ] if one["id"] == account
        ]  # fmt: skip
        assert row["canTrade"] is False
    finally:
        venue.do(unlock)


# -- the command -----------------------------------------------------------------------------------


def simulator(tmp_path: Path, *words: str) -> subprocess.Popen[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("TSQ")}
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.cli", "simulator", "--var", str(tmp_path), *words],
        env={**env, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_serves_says_where_and_ends(tmp_path: Path) -> None:
    port, second = free_port(), free_port()
    child = simulator(
        tmp_path, "--json", "--port", str(port), "--second-port", str(second), "--profile",
        "classic", "--fresh",
    )  # fmt: skip
    try:
        assert child.stdout is not None
        told = json.loads(child.stdout.readline())
        assert told["rest"] == f"http://127.0.0.1:{port}"
        assert told["second"] == f"http://127.0.0.1:{second}"
        assert (told["accounts"], told["profile"]) == (["SIM-50K-1"], "classic")
        names = told["environments"]["project-x-py"]
        assert names["PROJECTX_API_URL"] == f"http://127.0.0.1:{port}/api"
        assert names["PROJECT_X_ACCOUNT_NAME"] == "SIM-50K-1"
        assert {"topstep-client-py", "topstepx-js", "projectx-rs"} <= set(told["calls"])
        ping = f"{told['rest']}/api/Status/ping"
        with urllib.request.urlopen(ping, timeout=PATIENCE_S) as answer:
            assert answer.read() == b"pong"
        child.send_signal(signal.SIGINT)
        assert child.wait(PATIENCE_S) == 0
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, "nothing listens any more"
        assert list(tmp_path.iterdir()) == [], "--fresh leaves the folder alone"
    finally:
        if child.poll() is None:
            child.kill()
        child.communicate()


def test_the_command_says_why_it_cannot(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        child = simulator(tmp_path, "--port", str(port), "--fresh")
        _, trouble = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 3, trouble
    assert "ended with code" in trouble
    assert "taken by another process" in trouble
    bad = simulator(tmp_path, "--regime", "hail", "--port", str(free_port()), "--fresh")
    _, trouble = bad.communicate(timeout=PATIENCE_S)
    assert bad.returncode == 3, trouble
    assert "simulator.regime was 'hail'" in trouble
    none = simulator(tmp_path, "--port", "0", "--fresh")
    _, trouble = none.communicate(timeout=PATIENCE_S)
    assert (none.returncode, "name one with --port" in trouble) == (1, True)
