"""How the router's port lives: a hub that goes and comes, flatten files, the way it stops."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import msgspec
import pytest

from services.order_router import words as w
from services.order_router.life import STOP_REQUEST
from services.simulator.words import UserPush
from shared.runtime import flatten_files, paths
from shared.runtime.exits import Exit, Fatal
from shared.runtime.flatten_files import Progress
from shared.units import SECOND
from shared.venue import words as wire
from tests.router_port_stage import ACCOUNT, MNQ, PortHost, a_place, an_order, routing, run
from tests.venue_stage import StageHost

pytestmark = pytest.mark.slow


# -- the hub -------------------------------------------------------------------------------------


def test_the_hub_is_up_and_its_events_are_told(tmp_path: Path) -> None:
    async def story(venue: StageHost, host: PortHost) -> None:
        await host.until(lambda word: word == w.Link(up=True))
        assert venue.port is not None
        for target, payload in (
            (wire.USER_ORDER, an_order()),
            (wire.USER_ORDER, an_order(status=77)),  # garbage is dropped, the rest goes on
            (wire.USER_POSITION, venue.answers[wire.PositionSearchOpen].positions[0]),  # type: ignore[union-attr]
            (wire.USER_TRADE, venue.answers[wire.TradeSearch].trades[0]),  # type: ignore[union-attr]
        ):
            venue.port.handle(
                UserPush(target=target, account_id=ACCOUNT, action=1, payload=payload)
            )
        await host.first(w.TradeSeen)
        seen = [word for word in host.told if isinstance(word, w.OrderSeen)]
        assert [word.row.order_id for word in seen] == [7]
        position = await host.first(w.PositionSeen)
        assert position.row.lots == 1

    run(story, tmp_path)


def test_a_reconnect_on_demand_drops_what_waits_and_comes_back(tmp_path: Path) -> None:
    async def story(venue: StageHost, host: PortHost) -> None:
        await host.until(lambda word: word == w.Link(up=True))
        host.port.handle(a_place())
        before = len(host.told)
        host.port.handle(w.Reconnect(reason="the clock jumped"))
        answer = await host.first(w.PlaceAnswer)
        assert answer.outcome in (w.Outcome.NOT_SENT, w.Outcome.UNKNOWN)

        def links() -> list[bool]:
            return [word.up for word in host.told[before:] if isinstance(word, w.Link)]

        await host.until(lambda _: True in links())
        assert links()[0] is False, "first it is lost"

    run(story, tmp_path)


def test_an_approval_from_before_a_sleep_stays_here(tmp_path: Path) -> None:
    """At waking it may be handed over before the core is told that the computer slept."""

    async def story(venue: StageHost, host: PortHost) -> None:
        await host.until(lambda word: word == w.Link(up=True))
        jumps = [5 * SECOND]
        host.port._sleep.slept_ns = lambda: jumps.pop() if jumps else 0  # type: ignore[method-assign]
        host.port.handle(a_place(deadline_real_ns=time.monotonic_ns() + SECOND))
        answer = await host.first(w.PlaceAnswer)
        assert answer.outcome is w.Outcome.NOT_SENT
        assert "slept" in answer.text
        host.port.handle(a_place(tag="t1.router.1.9.0"))
        own = await host.until(
            lambda word: isinstance(word, w.PlaceAnswer) and word.tag.endswith(".9.0")
        )
        assert own.outcome is not w.Outcome.NOT_SENT, "a stop of our own has no deadline"

    run(story, tmp_path)


def test_an_absent_venue_is_said_once_and_waited_for(tmp_path: Path) -> None:
    async def story() -> None:
        async with routing("http://127.0.0.1:9", tmp_path, 0.5) as host:
            link = await host.first(w.Link)
            assert not link.up
            assert link.reason
            await asyncio.sleep(2.5)
            assert len(host.told) == 1, "the same reason is told once"
            assert host.notes

    asyncio.run(story())


# -- the files -----------------------------------------------------------------------------------


def test_a_flatten_request_is_told_once_and_removed_when_done(tmp_path: Path) -> None:
    request = paths.flatten_request_path(tmp_path)
    progress = paths.flatten_progress_path(tmp_path)

    async def story(venue: StageHost, host: PortHost) -> None:
        request.write_text(json.dumps({"id": "r1", "cause": "enough", "who": "me"}))
        told = await host.first(w.FlattenRequested)
        assert told == w.FlattenRequested(request_id="r1", cause="enough", who="me")
        report = w.ReportProgress(request_id="r1", stage="CLOSING", beat=1, detail="d")
        host.port.handle(report)
        assert json.loads(progress.read_text()) == {
            "id": "r1", "stage": "CLOSING", "by": "order_router", "beat": 1, "detail": "d",
        }  # fmt: skip
        assert request.exists()
        await asyncio.sleep(0.3)
        assert sum(isinstance(word, w.FlattenRequested) for word in host.told) == 1
        done = msgspec.structs.replace(report, stage="FLAT", beat=2, done=True)
        host.port.handle(done)
        assert not request.exists()
        assert json.loads(progress.read_text())["stage"] == "FLAT"

    run(story, tmp_path)


@pytest.mark.parametrize(
    ("who", "closed", "told"),
    [("sentinel", ((MNQ, 2),), 1), ("sentinel", (), 0), ("order_router", ((MNQ, 2),), 0)],
)
def test_what_the_sentinel_closed_for_a_dead_router_is_told_first(
    tmp_path: Path, who: str, closed: tuple[tuple[str, int], ...], told: int
) -> None:
    flatten_files.report(tmp_path, Progress("r7", "PROVING", who, 9, "", closed))

    async def story(venue: StageHost, host: PortHost) -> None:
        await host.first(w.AccountsSeen)
        words = [word for word in host.told if isinstance(word, w.SentinelClosed)]
        assert words == [w.SentinelClosed(request_id="r7", beat=9, closed=closed)] * told
        assert not told or host.told[0] == words[0]

    run(story, tmp_path)


def test_a_request_that_came_meanwhile_stays(tmp_path: Path) -> None:
    request = paths.flatten_request_path(tmp_path)

    async def story(venue: StageHost, host: PortHost) -> None:
        request.write_text(json.dumps({"id": "r2"}))
        await host.first(w.FlattenRequested)
        host.port.handle(
            w.ReportProgress(request_id="r1", stage="FLAT", beat=2, detail="", done=True)
        )
        assert request.exists()

    run(story, tmp_path)


def test_a_request_that_cannot_be_read_is_still_a_wish_to_be_flat(tmp_path: Path) -> None:
    async def story(venue: StageHost, host: PortHost) -> None:
        paths.flatten_request_path(tmp_path).write_text("{broken")
        told = await host.first(w.FlattenRequested)
        assert told.request_id == "unreadable"

    run(story, tmp_path)


# -- stopping ------------------------------------------------------------------------------------


def test_it_stops_when_the_core_has_proven_flat(tmp_path: Path) -> None:
    async def story(venue: StageHost, host: PortHost) -> None:
        stopping = asyncio.create_task(host.port.stop())
        await asyncio.sleep(0.05)
        assert not stopping.done()
        host.port.handle(
            w.ReportProgress(request_id=STOP_REQUEST, stage="FLAT", beat=1, detail="", done=True)
        )
        await asyncio.wait_for(stopping, 60)
        assert not paths.flatten_progress_path(tmp_path).exists()

    run(story, tmp_path)


def test_without_a_proof_it_ends_with_a_code_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.order_router.port.STOP_S", 0.2)

    async def story(venue: StageHost, host: PortHost) -> None:
        with pytest.raises(Fatal) as caught:
            await host.port.stop()
        assert caught.value.code is Exit.NOT_FLAT

    run(story, tmp_path)
