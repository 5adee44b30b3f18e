"""Who is woken by what: products of a tick lane, bundles of ticks, and what is worked off first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from services.cast import build
from shared.events import TICKS, Bar, Depth, Event, Gap, OrderIntent, Quote, Trade
from shared.runtime import bus as the_bus
from shared.runtime import lanes, wire
from shared.runtime.bus import Bus
from shared.runtime.hearing import Hearing
from shared.settings import load

LANE = "feed.ticks"
MNQ, MES = "CON.F.US.MNQ.Z26", "CON.F.US.MES.Z26"


def a_quote(contract: str, n: int) -> Quote:
    return Quote(contract=contract, bid=n, ask=n + 1, venue_ns=n, recv_ns=n)


def a_trade(contract: str, n: int) -> Trade:
    return Trade(contract=contract, price=n, size=1, venue_ns=n, recv_ns=n)


def a_depth(contract: str, n: int) -> Depth:
    return Depth(contract=contract, bids=((n, 1),), asks=((n + 1, 1),), venue_ns=n, recv_ns=n)


MAKE: dict[type[Event], Callable[[str, int], Event]] = {
    Quote: a_quote, Trade: a_trade, Depth: a_depth,
}  # fmt: skip

Burst = list[tuple[type[Event], str]]
bursts = st.lists(st.tuples(st.sampled_from(TICKS), st.sampled_from([MNQ, MES])), max_size=150)


class Speaker:
    """Numbers ticks as a mouth does."""

    def __init__(self) -> None:
        self.seq = 0
        self.prevs: dict[str, int] = {}

    def say(self, burst: Burst) -> tuple[list[Event], list[bytes]]:
        """The ticks of a burst, and its frames."""
        ticks: list[Event] = []
        bodies: list[bytes] = []
        for kind, contract in burst:
            self.seq += 1
            tick = MAKE[kind](contract, self.seq)
            topic = wire.tick_topic(kind.__name__, contract)
            said = (LANE, 100, self.seq, self.prevs.get(topic, 0), self.seq, "", tick)
            self.prevs[topic] = self.seq
            ticks.append(tick)
            bodies.append(wire.body(said))
        return ticks, wire.bundles(ticks, bodies)


class Listener:
    """Takes only frames whose beginning it subscribed to, as ZeroMQ would give them to it."""

    def __init__(self, kinds: tuple[type[Event], ...], roots: tuple[str, ...] = ()) -> None:
        self.told: list[Event] = []
        self.gaps: list[Gap] = []
        self.topics = lanes.topics(LANE, kinds, roots)
        heard = {LANE: {kind.__name__: kind for kind in kinds}}
        self.hearing = Hearing(
            Path("/nowhere"), heard, {}, flush=lambda: None, gap=self.gaps.append
        )

    def take(self, frames: list[bytes]) -> None:
        self.hearing.take([it for it in frames if it.startswith(tuple(self.topics))])
        self.told += [event for *_, event in self.hearing.batch if event is not None]
        self.hearing.batch.clear()


@given(bursts, st.sets(st.sampled_from(TICKS), min_size=1), st.sampled_from([(), ("MNQ",)]))
def test_whoever_wants_some_kinds_of_some_products_hears_all_of_those_in_order(
    burst: Burst, kinds: set[type[Event]], roots: tuple[str, ...]
) -> None:
    listener = Listener(tuple(kind for kind in TICKS if kind in kinds), roots)
    ticks, frames = Speaker().say(burst)
    listener.take(frames)
    wanted = [it for it in ticks if type(it) in kinds]
    if roots:
        wanted = [it for it in wanted if getattr(it, "contract", "") == MNQ]
    assert listener.told == wanted
    assert not listener.gaps
    assert not listener.hearing.dropped


def test_a_burst_is_one_frame_a_product() -> None:
    burst: Burst = [(Trade, MES), (Depth, MES), (Quote, MES), (Depth, MNQ), (Trade, MNQ)]
    _, frames = Speaker().say(burst)
    assert [frame.partition(b"\0")[0] for frame in frames] == [b"Quote.MES", b"Trade.MNQ"]
    _, frames = Speaker().say([(Quote, MES)] * (wire.BUNDLE_MAX + 1))
    assert len(frames) == 2, "and none is longer than a limit"


def test_a_lost_bundle_is_a_gap_for_those_only_who_hear_its_product() -> None:
    speaker = Speaker()
    both, other = Listener((Quote,)), Listener((Quote,), ("MES",))
    lost: list[bytes] = []
    for number in range(4):
        _, frames = speaker.say([(Quote, MES), (Quote, MNQ)])
        if number == 2:
            lost.append(frames.pop())
        both.take(frames)
        other.take(frames)
    assert [len(both.gaps), len(other.gaps)] == [1, 0]
    assert len(other.told) == 4
    assert len(both.told) == 7
    both.take(lost)
    assert len(both.told) == 7, "an old tick is worse than none"


def test_a_kind_that_only_a_younger_speaker_knows_costs_nothing_else() -> None:
    ticks, frames = Speaker().say([(Quote, MNQ), (Trade, MNQ), (Quote, MNQ)])
    bundle = msgspec.msgpack.decode(frames[0].partition(b"\0")[2])
    bundle[1][6] = {"t": "Auction", "contract": MNQ, "price": 7}
    listener = Listener((Quote,), ("MNQ",))
    listener.take([b"Quote.MNQ\0" + msgspec.msgpack.encode(bundle)])
    assert listener.told == [ticks[0], ticks[2]]


@given(st.binary(max_size=60))
def test_no_bundle_from_nowhere_can_raise(junk: bytes) -> None:
    listener = Listener((Quote,))
    listener.hearing.take(
        [topic + b"\0" + junk for topic in (b"Quote.MNQ", b"Depth.", b"Trade.\xff")]
    )
    assert listener.told == []


def test_strange_products_do_not_fill_the_memory() -> None:
    listener = Listener((Quote,))
    listener.hearing.take([b"Quote.%d\0\x90" % n for n in range(3_000)])
    assert listener.hearing.dropped["unknown topic"] > 1_000


def test_in_our_cast_only_who_acts_is_prompt() -> None:
    settings = load()
    cores: dict[str, Any] = {name: build(name, settings) for name in (
        "sleeve_trend", "sleeve_market_maker", "risk_governor", "order_router",
    )}  # fmt: skip
    prompt = {
        (name, lane)
        for name, core in cores.items()
        for lane, kinds in lanes.heard_by(name, core).items()
        if lanes.is_prompt(core, lane, kinds.values())
    }
    assert ("sleeve_market_maker", "market_data_gateway.ticks") in prompt
    assert ("sleeve_trend", "market_data_gateway.ticks") not in prompt, "it acts on bars alone"
    assert ("order_router", "risk_governor") in prompt
    assert ("risk_governor", "sleeve_trend") in prompt
    assert ("risk_governor", "market_data_gateway.ticks") not in prompt
    assert ("sleeve_trend", "risk_governor") not in prompt
    root = settings.sleeves["trend"].root
    assert lanes.roots_of(cores["sleeve_trend"]) == (root,)
    assert lanes.roots_of(cores["risk_governor"]) == ()


def test_who_watches_targets_acts_on_ticks() -> None:
    """The host closes at a target where the venue keeps none: in a contract that is shared."""
    shared = load(
        env={
            "TSQ__SHARING": '{ MNQ = ["trend", "mean_reversion"] }',
            "TSQ__SLEEVES__MEAN_REVERSION__ROOT": "MNQ",
        }
    )
    core: Any = build("sleeve_trend", shared)
    assert lanes.is_prompt(core, lanes.ticks_lane("market_data_gateway"), (Quote,))


def test_a_core_that_says_nothing_of_it_is_taken_to_act_on_ticks() -> None:
    class Unsaid:
        publishes = (OrderIntent,)

    class Watching:
        publishes = (Bar,)

    assert lanes.is_prompt(Unsaid(), LANE, (Quote,))  # type: ignore[arg-type]
    assert not lanes.is_prompt(Watching(), LANE, (Quote,))  # type: ignore[arg-type]


class Named(str):
    """Stands for a socket that speaks."""

    def close(self, _linger_ms: int) -> None:
        pass


def test_a_bar_does_not_leave_before_its_ticks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second socket of the ticks waits a moment; a bar made of them ends the moment."""
    said: list[tuple[str, bytes]] = []
    monkeypatch.setattr(
        the_bus, "_send", lambda socket, frame, _flags: said.append((socket, frame))
    )
    monkeypatch.setattr(Bus, "_bound", lambda _, lane, path: Named(path.name))

    async def speak() -> None:
        speaker = Bus(tmp_path, frame_limit=1 << 20)
        speaker.bind("feed")
        speaker.bind(LANE)
        speaker.listen(lambda _: None, lambda _: None, lambda: None)
        speaker.publish(LANE, b"tick", urgent=True)
        assert len(said) == 1
        speaker.publish("feed", b"bar")
        speaker.close()

    asyncio.run(speak())
    assert [frame for socket, frame in said if "later" in socket] == [b"tick", b"bar"]


def test_what_is_said_together_leaves_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one message of a main lane; a hearer of ticks chooses each frame by its topic."""
    flags: list[tuple[bytes, bool]] = []
    more = int(zmq.SNDMORE)
    monkeypatch.setattr(
        the_bus, "_send", lambda _, frame, how: flags.append((frame, bool(how & more)))
    )
    monkeypatch.setattr(Bus, "_bound", lambda _, lane, path: Named(path.name))
    speaker = Bus(tmp_path, frame_limit=1 << 20)
    for lane in ("feed", LANE):
        speaker.bind(lane)
        flags.clear()
        speaker.publish(lane, b"1", b"2", b"3")
        speaker.publish(lane, b"4")
        whole = lane == "feed"
        said = [(b"1", whole), (b"2", whole), (b"3", False)]
        assert flags == [*said, *said, (b"4", False), (b"4", False)], "both sockets of the lane"
    speaker.close()


class Pipe:
    """A socket that holds these frames."""

    def __init__(self, *frames: bytes) -> None:
        self.frames = list(frames)

    def recv(self, _flags: int) -> bytes:
        if not self.frames:
            raise zmq.Again
        return self.frames.pop(0)


def test_the_first_frame_is_worked_off_before_the_next_is_asked_for(tmp_path: Path) -> None:
    """And what it began (an order's request) has its turn of the loop before the rest is read."""
    story: list[str] = []

    def begin(frame: bytes) -> None:
        story.append(frame.decode())
        asyncio.get_running_loop().call_soon(story.append, f"what {frame.decode()} began")

    async def hear() -> None:
        hearer = Bus(tmp_path, frame_limit=1 << 20)
        hearer.listen(begin, begin, lambda: story.append("worked off"))
        pipe = Pipe(b"1", b"2", b"3")
        hearer._first(pipe, ticks=False)
        hearer._first(Pipe(), ticks=False)
        for _ in range(5):
            await asyncio.sleep(0)
        hearer.close()

    asyncio.run(hear())
    assert story == [
        "1", "worked off", "what 1 began", "2", "3", "worked off", "what 2 began", "what 3 began",
    ]  # fmt: skip


def test_in_a_stream_frames_are_worked_off_in_a_row(tmp_path: Path) -> None:
    """A record of what was heard for each of them would cost more than they do."""
    rows: list[int] = []
    heard: list[bytes] = []

    def worked_off() -> None:
        rows.append(len(heard))
        heard.clear()

    async def hear() -> None:
        hearer = Bus(tmp_path, frame_limit=1 << 20)
        hearer.listen(heard.append, heard.append, worked_off)
        pipe = Pipe(*[b"x"] * (the_bus.STREAM + 2))
        for more in (2, 9, 2, 0):
            hearer._first(pipe, ticks=False)
            await asyncio.sleep(0)
            pipe.frames += [b"x"] * more
        hearer.close()

    asyncio.run(hear())
    assert rows == [1, the_bus.STREAM + 1, 2, 1, 8, 2], "a stream ends with its few last frames"
