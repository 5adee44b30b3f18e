"""`tsq journal at, grep, diff`: across actors, days and runs, packed or torn."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from scripts import journal_at
from scripts.cli import main
from services.cast import build
from shared.events import (
    Event,
    OrderState,
    OrderType,
    OrderUpdate,
    PositionUpdate,
    Purpose,
    Quote,
    RiskLevel,
    RiskState,
    Side,
    SleeveStatus,
)
from shared.runtime import archive, history, journal, paths, records, wire
from shared.runtime.journal import Journal
from shared.runtime.ports import Host
from shared.runtime.records import Start
from tests.support.bench import SETTINGS, Bench, bench_in, settle
from tests.support.toys import CONTRACT, intent, veto

DAY = "2026-11-18"
Tsq = Callable[..., tuple[int, Any, str]]


class Lane:
    """Writes what one actor said, by hand."""

    def __init__(self, var: Path, lane: str, *, day: str = DAY, epoch: int = 1_795_000_000) -> None:
        self.lane, self.epoch, self.seq = lane, epoch, 0
        self.file = Journal(paths.journal_path(var, day, lane), 1 << 20)
        start = Start(
            actor=lane, lane=lane, epoch=epoch, day=day, now_ns=0, seq=0, schema=wire.FORMS,
            code="c", settings="s", values=Raw(b"\x80"),
        )  # fmt: skip
        self.file.append(records.pack(records.START, start))

    def say(self, time_ns: int, event: Event, cause: str = "") -> str:
        """Returns the name others give as a cause."""
        self.seq += 1
        body = wire.body((self.lane, self.epoch, self.seq, 0, time_ns, cause, event))
        self.file.append(records.PREFIX[records.SAID] + body)
        return f"{self.lane}:{self.epoch}:{self.seq}"


def quote(n: int, contract: str = CONTRACT) -> Quote:
    return Quote(contract=contract, bid=n, ask=n + 1, venue_ns=n, recv_ns=n)


def update(tag: str, state: OrderState, intent_id: str = "middle.1.1") -> OrderUpdate:
    return OrderUpdate(
        no=1, tag=tag, intent_id=intent_id, sleeve="middle", contract=CONTRACT, side=Side.BUY,
        size=1, filled=0, state=state, purpose=Purpose.ENTRY, type=OrderType.LIMIT,
    )  # fmt: skip


def risk(level: RiskLevel, halt_no: int = 1) -> RiskState:
    return RiskState(halt_no=halt_no, level=level, cause="", since_ns=0)


def position(lots: int) -> PositionUpdate:
    return PositionUpdate(no=1, contract=CONTRACT, position=lots, cost=0, protected=lots)


@pytest.fixture
def tsq(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Tsq:
    def ask(*words: str) -> tuple[int, Any, str]:
        code = main(["journal", *words, "--var", str(tmp_path)])
        said = capsys.readouterr()
        answer = json.loads(said.out) if "--json" in words and said.out else said.out
        return code, answer, said.err

    return ask


def a_day(var: Path) -> None:
    """A quote, an intent, its approval refused for another, an order that works, then fills."""
    ticks = Lane(var, "market_data_gateway.ticks")
    sleeve, governor = Lane(var, "sleeve_middle"), Lane(var, "risk_governor")
    router = Lane(var, "order_router")
    seen = ticks.say(100, quote(10))
    ticks.say(150, quote(11))
    wish = sleeve.say(110, intent(1, 1), seen)
    governor.say(105, risk(RiskLevel.ACTIVE))
    governor.say(120, veto(intent(1, 1), 1), wish)
    router.say(130, update("t1.middle.abc.1.1", OrderState.WORKING))
    router.say(131, update("t1.middle.abc.2.1", OrderState.WORKING, "middle.1.10"))
    router.say(140, update("t1.middle.abc.1.1", OrderState.FILLED))
    router.say(141, position(1))
    governor.say(160, risk(RiskLevel.HALTED, 2))


def test_at_shows_what_had_been_said_until_then(tsq: Tsq, tmp_path: Path) -> None:
    a_day(tmp_path)
    code, found, _ = tsq("at", "135", "--json")
    assert code == 0
    assert found["risk"][""]["level"] == "ACTIVE"
    assert set(found["orders"]) == {"t1.middle.abc.1.1", "t1.middle.abc.2.1"}
    assert found["positions"] == {}
    assert found["quotes"][CONTRACT]["bid"] == 10
    _, later, _ = tsq("at", "160", "--json")
    assert later["risk"][""]["level"] == "HALTED"
    assert later["risk"][""]["said_by"] == "risk_governor"
    assert set(later["orders"]) == {"t1.middle.abc.2.1"}, "a filled one works no more"
    assert later["positions"][CONTRACT]["position"] == 1
    assert later["quotes"][CONTRACT]["bid"] == 11
    text = tsq("at", "160")[1]
    assert f"{CONTRACT}: contract={CONTRACT} position=1" in text
    assert "venue: nothing said" in text


def test_packed_or_torn_is_the_same(tsq: Tsq, tmp_path: Path) -> None:
    a_day(tmp_path)
    plain, told = tsq("at", "160", "--json")[1], tsq("grep", "middle.1.1", "--json")[1]
    root = paths.journal_root(tmp_path)
    with paths.journal_path(tmp_path, DAY, "order_router").open("ab") as torn:
        torn.write(journal.seal(b"\x92\x03" + bytes(99))[:40])
    assert tsq("at", "160", "--json")[1] == plain
    for lane in ("market_data_gateway.ticks", "risk_governor", "sleeve_middle"):
        for day in ("2026-11-19", "2026-11-20"):
            Lane(tmp_path, lane, day=day)
        assert archive.compress(root, lane)
    assert tsq("at", "160", "--day", DAY, "--json")[1] == plain
    assert tsq("grep", "middle.1.1", "--day", DAY, "--json")[1] == told


def test_the_last_quote_of_a_long_day_is_found_by_halving(tmp_path: Path) -> None:
    """More ticks than are looked at before an instant."""
    ticks = Lane(tmp_path, "market_data_gateway.ticks")
    ticks.say(0, quote(7, "CON.F.US.OLD.Z26"))
    bulk = [ticks.seq + n for n in range(1, 120_001)]
    for at in range(0, len(bulk), 5_000):
        said = [
            records.PREFIX[records.SAID]
            + wire.body((ticks.lane, ticks.epoch, n, 0, n, "", quote(n)))
            for n in bulk[at : at + 5_000]
        ]
        ticks.file.append(*said)
    root, lane = paths.journal_root(tmp_path), "market_data_gateway.ticks"
    assert ticks.file.size > 12 << 20
    for at_ns in (2, 500, 60_000, 119_999, 10**9):
        seen = list(history.until(root, lane, DAY, at_ns))
        assert seen[-1].event["bid"] == min(at_ns, bulk[-1])
        assert len(seen) < 110_000


def test_grep_follows_causes_across_actors(tsq: Tsq, tmp_path: Path) -> None:
    a_day(tmp_path)
    code, found, _ = tsq("grep", "OrderVetoed", "--json")
    assert code == 0
    assert [row["kind"] for row in found["entries"]] == ["OrderIntent", "OrderVetoed"]
    _, found, _ = tsq("grep", "middle.1.1", "--json")
    kinds = [row["kind"] for row in found["entries"]]
    assert kinds == ["OrderIntent", "OrderVetoed", "OrderUpdate", "OrderUpdate"]
    assert "middle.1.10" not in json.dumps(found), "a whole word"
    _, found, _ = tsq("grep", "OrderVetoed", "--alone", "--json")
    assert [row["kind"] for row in found["entries"]] == ["OrderVetoed"]
    text = tsq("grep", "middle.1.10")[1]
    assert "order_router:1795000000:2" in text
    assert tsq("grep", "nobody")[0] == 2


def test_diff_compares_decisions_and_not_the_names_of_lives(tsq: Tsq, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for var, epoch in ((tmp_path, 1_795_000_000), (other, 1_795_111_111)):
        lane = Lane(var, "order_router", epoch=epoch)
        wished = f"middle.{epoch}.1"
        lane.say(epoch, update(f"t1.middle.{'aaaaaa' if epoch % 2 else 'bbbbbb'}.1.1",
                               OrderState.WORKING, wished))  # fmt: skip
    code, found, _ = tsq("diff", "order_router", "--with-var", str(other), "--json")
    assert (code, found["equal"], found["different"]) == (0, 1, 0)
    Lane(other, "order_router", day="2026-11-19").say(1, position(3))
    Lane(tmp_path, "order_router", day="2026-11-19").say(1, position(2))
    code, found, _ = tsq("diff", "order_router", "--with-var", str(other), "--json")
    assert (code, found["different"]) == (2, 1)
    assert found["first"][0]["ours"]["position"] == 2
    code, text, _ = tsq("diff", "order_router", "--day", DAY, "--with-day", "2026-11-19")
    assert code == 2
    assert "OrderUpdate: 1 and 0" in text
    assert "decision 1:" in text


def test_diff_takes_no_number_for_a_life_and_no_instant_for_a_decision(
    tsq: Tsq, tmp_path: Path
) -> None:
    """Six digits before a point are a price, as in a channel of 101596.0 ticks."""
    other = tmp_path / "other"
    for var, life, high in (
        (tmp_path, 1_795_000_000, 101_596.0),
        (other, 1_795_111_111, 101_597.0),
    ):
        lane = Lane(var, "sleeve_middle", epoch=life)
        status = SleeveStatus(sleeve="middle", incarnation=life, contract=CONTRACT, state="READY")
        lane.say(life, status)
        lane.say(life, msgspec.structs.replace(risk(RiskLevel.ACTIVE), since_ns=life))
        lane.say(life, msgspec.structs.replace(status, numbers={"high": high}))
    code, found, _ = tsq("diff", "sleeve_middle", "--with-var", str(other), "--json")
    assert (code, found["equal"], found["different"]) == (2, 2, 1)
    (first,) = found["first"]
    assert first["ours"]["numbers"] == {"high": 101_596.0}
    assert first["theirs"]["numbers"] == {"high": 101_597.0}
    assert first["ours"]["incarnation"] == first["theirs"]["incarnation"] == "life1"


def test_at_speaks_in_dollars_prices_and_chicagos_time(tsq: Tsq, tmp_path: Path) -> None:
    mnq, at_ns = "CON.F.US.MNQ.Z26", journal_at.instant("10:15", DAY)
    governor, router = Lane(tmp_path, "risk_governor"), Lane(tmp_path, "order_router")
    sleeve = Lane(tmp_path, "sleeve_middle")
    known = msgspec.structs.replace(risk(RiskLevel.ACTIVE), equity=49_999_930_000, since_ns=at_ns)
    governor.say(1, known)
    router.say(2, msgspec.structs.replace(position(-2), contract=mnq, cost=-203_918))
    stop = msgspec.structs.replace(
        update("t1.x", OrderState.WORKING), contract=mnq, stop_price=101_853
    )
    router.say(3, stop)
    for contract in ("", mnq):
        sleeve.say(
            4, SleeveStatus(sleeve="middle", incarnation=1, contract=contract, state="READY")
        )
    text = tsq("at", "160")[1]
    assert "equity=49,999.93" in text
    assert "since=10:15:00.000" in text
    assert "average=25489.75" in text
    assert "side=BUY" in text
    assert "stop_price=25463.25" in text
    found = tsq("at", "160", "--json")[1]
    assert found["risk"][""]["equity"] == 49_999_930_000, "for programs in the events' own units"
    assert list(found["sleeves"]) == [f"middle {mnq}"], "what it said before it was listed is over"


def test_wrong_words_name_what_is_there(tsq: Tsq, tmp_path: Path) -> None:
    assert "at wants a time" in tsq("at")[2]
    assert "no journals of any day" in tsq("at", "12:00")[2]
    a_day(tmp_path)
    assert "'noon' is no time" in tsq("at", "noon")[2]
    assert "no journal 'ghost'" in tsq("diff", "ghost")[2]
    assert "takes no 'more'" in tsq("grep", "x", "more")[2]
    assert "takes no 'more'" in tsq("ls", "more")[2]
    assert "there is: 2026-11-18" in tsq("diff", "order_router", "--with-day", "2026-11-30")[2]
    assert "beyond the year 5138" in tsq("at", "9" * 26)[2]
    assert "2026-11-18" in tsq("ls", "--day", DAY)[1]
    assert "2026-11-18" not in tsq("ls", "--day", "2026-11-30")[1]
    assert "there is: 2026-11-18" in tsq("at", "12:00", "--day", "2026-11-30")[2]
    assert "no journal of ghost" in tsq("at", "12:00", "--memory", "ghost")[2]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("10:15", "2026-11-18T10:15:00-06:00"),
        ("17:00", "2026-11-17T17:00:00-06:00"),
        ("2026-11-18T10:15:00", "2026-11-18T16:15:00+00:00"),
        ("1795018500000000000", "2026-11-18T16:15:00Z"),
        ("10:15:00.25", "2026-11-18T10:15:00.250-06:00"),
    ],
)
def test_times(text: str, same: str) -> None:
    assert journal_at.instant(text, DAY) == journal_at.instant(same, DAY)


# -- one actor's memory ----------------------------------------------------------------------------


bench = pytest.fixture(bench_in)


def test_the_memory_of_an_actor_at_an_instant(bench: Bench, tsq: Tsq) -> None:
    """With the snapshot of its end, and before it by its journal from the top."""

    async def script(host: Host) -> None:
        await settle()
        signal.raise_signal(signal.SIGTERM)

    def core() -> Any:
        return build("risk_governor", SETTINGS)

    bench.live("risk_governor", core, script)
    last = bench.frames("risk_governor")[-1]
    assert last.record[1] in (records.HEARD, records.INPUT, records.SAID, records.EFFECT)
    code, found, _ = tsq("at", str(10**19), "--memory", "risk_governor", "--json")
    assert code == 0
    assert bench.actor is not None
    whole = msgspec.msgpack.decode(bench.actor.core.snapshot())
    assert found["risk_governor"].keys() == whole.keys()
    started = bench.starts("risk_governor")[0].now_ns
    code, before, _ = tsq("at", str(started), "--memory", "risk_governor", "--json")
    assert code == 0
    assert before["risk_governor"] != found["risk_governor"]
