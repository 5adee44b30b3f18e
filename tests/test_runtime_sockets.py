"""The two sockets of a lane: the same said twice, where ticks stand, and a death in between."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest

from shared.events import Bar, Quote
from shared.runtime import paths
from shared.runtime.bus import Bus
from shared.runtime.ears import Ear
from shared.runtime.records import Mark, Place


@pytest.mark.slow
def test_the_second_socket_says_the_same_a_moment_later(tmp_path: Path) -> None:
    """Real sockets: an urgent word reaches the prompt one first, and nobody hears it out of
    order, twice or not at all.
    """
    asyncio.run(two_sockets(tmp_path))


async def two_sockets(run: Path) -> None:
    speaker, prompt, patient = (Bus(run, frame_limit=1 << 20) for _ in range(3))
    heard: dict[str, list[bytes]] = {"prompt": [], "patient": []}
    try:
        speaker.bind("it")
        for bus, name in ((prompt, "prompt"), (patient, "patient")):
            bus.connect("it", second=name == "patient")
            bus.listen(heard[name].append, heard[name].append, lambda: None, paced=name != "prompt")
        speaker.listen(heard["prompt"].append, heard["prompt"].append, lambda: None)
        while not all(heard.values()):
            speaker.publish("it", b"hello")
            await asyncio.sleep(0.01)
        speaker.publish("it", b"1", b"2", urgent=True)
        speaker.publish("it", b"3", urgent=True)
        speaker.publish("it", b"4")
        speaker.publish("it", b"5", urgent=True)
        while not all(told[-1] == b"5" for told in heard.values()):  # noqa: ASYNC110 - frames
            await asyncio.sleep(0.01)
        for told in heard.values():
            assert [word for word in told if word != b"hello"] == [b"1", b"2", b"3", b"4", b"5"]
    finally:
        for bus in (speaker, prompt, patient):
            bus.close()


def test_a_hearer_of_one_product_knows_where_its_ticks_stand() -> None:
    """Others' ticks are most of the lane, so its last number is hardly ever the speaker's last; a
    re-run must not begin at the top of the day for that, nor behind a tick that is on its way.
    """
    ear = Ear("feed.ticks", 0, {"Quote": Quote}, Mark(epoch=1, seq=10))
    ear.find_place((1, 17), Place("2026-11-18", 1, 1_700))
    assert ear.mark.place.offset == 0, "12 may still come"
    ear.find_place((1, 25), Place("2026-11-18", 1, 2_500))
    assert ear.mark.place.offset == 0
    ear.mark.seq = 26  # one of ours: whatever was said before 25 was heard, or never will be
    ear.find_place((1, 31), Place("2026-11-18", 1, 3_100))
    assert ear.mark.place.offset == 2_500
    ear.mark.seq = 31
    ear.find_place((1, 31), Place("2026-11-18", 1, 3_100))
    assert ear.mark.place.offset == 3_100
    whole = Ear("feed", 0, {"Bar": Bar}, Mark(epoch=1, seq=10))
    whole.find_place((1, 9), Place("2026-11-18", 1, 900))
    whole.find_place((1, 12), Place("2026-11-18", 1, 1_200))
    assert whole.mark.place.offset == 0, "a main lane is heard whole: only equal numbers tell"


GREETING = b"\xff" + bytes(8) + b"\x7f" + bytes((3, 0)) + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB"


def half_a_speaker(path: Path, whole: bytes, torn: bytes) -> None:
    """Speak ZMTP by hand: one whole frame, then the beginning of another, and die in it."""
    with socket.socket(socket.AF_UNIX) as listener:
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(30)
        with listener.accept()[0] as link:
            link.settimeout(30)
            link.sendall(GREETING + bytes((4, len(READY))) + READY)
            heard = b""
            while b"SUB" not in heard[len(GREETING) :]:
                heard += link.recv(4096)
            time.sleep(0.2)  # its subscription needs no answer
            link.sendall(bytes((0, len(whole))) + whole + bytes((0, 200)) + torn)
            time.sleep(0.2)


@pytest.mark.slow
def test_a_publisher_killed_mid_frame_leaves_no_half_a_frame(tmp_path: Path) -> None:
    asyncio.run(torn_speaker(tmp_path))


async def torn_speaker(run: Path) -> None:
    """What came whole is heard once, what did not is never heard; the next life is heard again."""
    hearer, next_life = Bus(run, frame_limit=1 << 20), Bus(run, frame_limit=1 << 20)
    heard: list[bytes] = []
    try:
        path = paths.socket_path(run, "it")
        dying = asyncio.create_task(
            asyncio.to_thread(half_a_speaker, path, b"whole", b"torn " + bytes(50))
        )
        hearer.connect("it")
        hearer.listen(heard.append, heard.append, lambda: None)
        await dying
        next_life.bind("it")
        while b"again" not in heard:
            next_life.publish("it", b"again")
            await asyncio.sleep(0.01)
        assert heard[0] == b"whole"
        assert set(heard[1:]) == {b"again"}
    finally:
        hearer.close()
        next_life.close()
