"""An observer in a process of its own: sees the whole day, remembers it, and forgets what lies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from shared.runtime import journal, paths, records
from shared.runtime.exits import Exit
from tests.support.processes import Cast

pytestmark = pytest.mark.slow

CHAIN = ("feed", "middle", "last")


@pytest.fixture
def cast(tmp_path: Path) -> Iterator[Cast]:
    with Cast(tmp_path) as made:
        yield made


def test_an_observer_sees_all_from_the_days_beginning(cast: Cast) -> None:
    cast.environment |= {"TOY_POKES": "100"}
    for name in CHAIN:
        cast.start(name)
    cast.wait(lambda: cast.count("last") == 100, "the chain to finish")
    cast.start("board")
    caught_up = {"feed 100 Bar", "middle 100 OrderIntent"}  # of two lanes, in either order
    cast.wait(lambda: caught_up <= {*cast.diary("board")}, "the board to catch up")
    cast.wait(lambda: "last 0 Heartbeat" in cast.diary("board"), "heartbeats, also from files")
    cast.wait(lambda: "feed 0 Heartbeat" in cast.diary("board"), "heartbeats of speakers")
    bars = [line for line in cast.diary("board") if line.endswith(" Bar")]
    assert bars == [f"feed {n} Bar" for n in range(1, 101)]
    assert cast.stop("board") == Exit.CLEAN
    assert not list((cast.var / "journal").glob("*/board*"))
    cast.environment |= {"TOY_POKES": "120"}
    cast.stop("feed")
    cast.start("feed")
    cast.wait(lambda: cast.count("last") == 120, "the chain to go on")
    cast.start("board")
    rest = {"feed 120 Bar", "middle 120 OrderIntent"}
    cast.wait(lambda: rest <= {*cast.diary("board")}, "the rest")
    bars = [line for line in cast.diary("board") if line.endswith(" Bar")]
    assert bars == [f"feed {n} Bar" for n in range(1, 121)], "read on from its memory"
    cast.kill("board")
    paths.memory_path(cast.run, "board").write_bytes(b"torn")
    cast.start("board")
    cast.wait(lambda: cast.diary("board").count("feed 1 Bar") == 2, "the day to be read again")
    assert cast.stop("board") == Exit.CLEAN
    point_astray(paths.memory_path(cast.run, "board"), cast.journal("feed"))
    cast.start("board")
    assert cast.code("board") == Exit.CORRUPT
    cast.start("board")
    cast.wait(lambda: cast.diary("board").count("feed 1 Bar") == 3, "the day, for its memory lied")


def point_astray(path: Path, feed: Path) -> None:
    """Let a memory point into the middle of a frame of the feed's."""
    memory = records.memory_of(next(journal.frames(path)).record[2:])
    mark = memory.heard["feed"]
    offset = next(journal.frames(feed)).end + 3
    mark.place = msgspec.structs.replace(mark.place, offset=offset)
    paths.replace(path, journal.seal(records.pack(records.SNAPSHOT, memory)))
