"""Other people's clients, unchanged, against the venue by its address alone.

Every client plays the same day (`clients/story.py`) in a process of its own, against a venue of its
own, all at the same time; the tests then compare what each of them saw with the truth that was read
at the end of every step. They need what `tests/venue/clients/install` puts outside the repository
and are skipped aloud otherwise.
"""

from __future__ import annotations

import os
import queue
import subprocess
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.venue.leash import Leash
from tests.venue.stage import Trader, Venue, settings

HERE = Path(__file__).parent / "clients"
AT_ONCE = 3
PATIENCE_S = 120
pytestmark = pytest.mark.xdist_group("clients")


class Client(NamedTuple):
    """A client: its driver, the wire it needs, and the requests it is refused by habit."""

    driver: str
    wire: dict = {}
    refused: tuple = ()


CLIENTS = {
    # It sends unsigned bracket ticks first, is refused as by the real gateway, and goes on by hand.
    "project-x-py-4": Client("project-x-py", refused=(("/api/Order/place", 2),)),
    "project-x-py-3": Client("project-x-py", wire={"profile": "classic"}),
    "projectx-sdk": Client("projectx-sdk"),
    "topstep-client-py": Client("topstep-client-py"),
    "topstep-sdk": Client("topstep-sdk"),
}


def folder():
    told = subprocess.run([HERE / "install", "where"], capture_output=True, text=True, check=True)
    return Path(told.stdout.strip())


class Story(NamedTuple):
    """What a client told by step, each with the truth of that moment, and how it ended."""

    steps: dict
    requests: list
    code: int
    errors: str

    def __getitem__(self, step):
        if step not in self.steps:
            if self.code:
                pytest.fail(f"ended before {step!r}: {self.errors[-2000:]}")
            pytest.skip("this client has no such thing")
        return self.steps[step]


def play(name, where, home):
    """Let a client play its day; the venue's books are read before it may go on."""
    client = CLIENTS[name]
    env = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPYCACHEPREFIX": str(where / "pyc")}
    steps = {}
    with Venue(home, settings(client.wire)) as venue, (home / "errors").open("w") as errors:
        witness = Trader(venue, login=False, patience_s=PATIENCE_S)
        witness.login("witness")
        driver = Leash(
            where / name / "bin" / "python", HERE / f"{client.driver}.py", venue.url,
            patience_s=PATIENCE_S, env=env, stderr=errors,
        )  # fmt: skip
        try:
            while told := driver.heard():
                steps[told["step"]] = told | {"truth": witness.truth(requests=0)}
                if told["step"] == "bars":
                    steps["bars"]["raw"] = raw_bars(witness)
                if told["step"] == "ready":
                    witness.fault("DROP_HUBS")
                driver.say("go on")
        except queue.Empty:
            errors.write("it fell silent\n")
        finally:
            code = driver.end()
        requests = witness.truth(requests=5000)["requests"]
        witness.close()
    requests = [row for row in requests if row.get("user") == "trader"]
    return Story(steps, requests, code, (home / "errors").read_text())


def raw_bars(witness):
    """The latest minutes as the wire has them: opening second to (close, volume)."""
    body = {"contractId": witness.contract("MES"), "live": False, "unit": 2, "unitNumber": 1,
            "startTime": "2020-01-01T00:00:00Z", "endTime": "2040-01-01T00:00:00Z",
            "limit": 20, "includePartialBar": False}  # fmt: skip
    rows = witness.post("History/retrieveBars", body).body["bars"]
    return {datetime.fromisoformat(row["t"]).timestamp(): [row["c"], row["v"]] for row in rows}


@pytest.fixture(scope="module")
def stories(tmp_path_factory):
    """Every installed client's day, begun together: most of it is their waiting.

    In processes, not in threads: msgspec learns a type when it is first met, and two threads that
    teach it the same one at once crash it.
    """
    where = folder()
    here = [name for name in CLIENTS if (where / name / ".complete").exists()]
    with ProcessPoolExecutor(AT_ONCE, get_context("spawn")) as pool:
        yield {name: pool.submit(play, name, where, tmp_path_factory.mktemp(name)) for name in here}


@pytest.fixture(params=CLIENTS)
def story(request, stories):
    if request.param not in stories:
        pytest.skip(f"{request.param} is not installed; run tests/venue/clients/install")
    return stories[request.param].result()


@pytest.fixture
def client(request, story):
    return CLIENTS[request.node.callspec.params["story"]]


def prices(rows):
    return {row["id"]: row["limitPrice"] or row["stopPrice"] for row in rows}


def fills(truth):
    """Newest first, as the gateway tells trades; the books have them as they came."""
    rows = reversed(truth["trades"])
    return [[row["orderId"], row["side"], row["size"], row["price"]] for row in rows]


def final(truth, order):
    return next(row["status"] for row in truth["orders"] if row["id"] == order)


def test_it_plays_its_day_to_the_end(story):
    assert story["end"]
    assert story.code == 0, story.errors


def test_its_account_is_the_venue_s(story):
    told = story["accounts"]
    truth = told["truth"]
    balance = truth["balanceMicros"] / 1e6
    assert told["rows"] == [[truth["accountId"], truth["account"], balance]]


def test_it_finds_the_front_contract_first(story):
    assert story["contracts"]["rows"][0] == "CON.F.US.MES.Z26"


def test_its_bars_are_the_venue_s_newest_first(story):
    told = story["bars"]
    rows = told["rows"]
    assert [row[1:] for row in rows] == [told["raw"][row[0]] for row in rows]
    assert [row[0] for row in rows] == sorted((row[0] for row in rows), reverse=True)
    assert len(rows) == 10


@pytest.mark.parametrize("kind", ["quote", "print", "depth"])
def test_the_market_hub_is_heard(story, kind):
    told = story["market"]
    contract, price = told["first"][kind]
    assert contract == told["contract"]
    last = story["bars"]["rows"][0][1]
    assert abs(price - last) < 50 or (kind, price) == ("depth", 0), "a book begins with a reset"


@pytest.mark.parametrize("step", ["resting", "modified"])
def test_a_limit_order_rests_where_it_was_put(story, step):
    told = story[step]
    assert prices(told["truth"]["openOrders"]) == {told["order"]: told["price"]}
    assert told["row"] == [told["order"], told["price"]]


def test_a_cancelled_order_is_gone(story):
    told = story["cancelled"]
    assert told["rows"] == told["truth"]["openOrders"] == []
    assert final(told["truth"], told["order"]) == 3


def test_a_market_order_makes_the_position_it_sees(story):
    told = story["bought"]
    (held,) = told["truth"]["positions"]
    assert final(told["truth"], told["order"]) == 2
    price = held["cost"] * 0.25
    assert told["positions"] == [[held["contract"], 1, held["lots"], price]]
    assert told["fills"] in (None, fills(told["truth"]))


def test_closing_leaves_nothing_and_two_fills(story):
    told = story["sold"]
    assert [row["lots"] for row in told["truth"]["positions"]] in ([], [0])
    assert len(fills(told["truth"])) == 2
    assert told["fills"] in (None, fills(told["truth"]))


def test_both_legs_of_a_bracket_work(story):
    told = story["bracket"]
    truth = told["truth"]
    assert dict(told["legs"]) == prices(truth["openOrders"])
    assert sorted(row["type"] for row in truth["openOrders"]) == [1, 4]
    assert final(truth, told["order"]) == 2
    entry = fills(truth)[0]
    assert entry[0] == told["order"]
    stop, target = sorted(dict(told["legs"]).values())
    assert stop < entry[3] < target


def test_the_user_hub_told_every_order_fill_position_and_balance(story):
    told = story["heard"]
    truth = told["truth"]
    heard = dict(told["order"])
    assert heard == {row["id"]: row["status"] for row in truth["orders"]}
    assert told["fill"] == [[row[0], row[3]] for row in reversed(fills(truth))]
    assert told["position"][-1][1] == 0
    assert told["account"][-1] == [truth["accountId"], truth["balanceMicros"] / 1e6]


def test_it_hears_both_hubs_again_after_its_sockets_broke(story):
    told = story["back"]
    assert told["quotes"] > 20
    assert {order for order, _ in told["heard"]} <= set(told["orders"])
    assert told["heard"][-1][1] == final(told["truth"], told["heard"][-1][0]) == 3


def test_a_new_token_serves(story):
    told = story["refreshed"]
    before, after = told["tokens"]
    assert before != after
    assert told["rows"][0][0] == told["truth"]["accountId"]


def test_nothing_it_asked_was_refused(story, client):
    odd = {
        (row["path"], row.get("errorCode", 0) or row["status"])
        for row in story.requests
        if row["status"] not in (101, 200) or row.get("errorCode")
    }
    assert odd == set(client.refused)
