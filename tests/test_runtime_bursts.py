"""What comes together is stored together: one write for a burst of ticks, one record for a drain.

Both are for speed, and neither may weaken the law that a record precedes its effect or change what
a journal says.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events import Event, Quote, Trade
from shared.runtime import records, wire
from shared.runtime.hearing import Ear, spans_of
from shared.runtime.journal import JournalUnwritable
from shared.runtime.mouth import Mouth
from shared.runtime.records import Mark
from tests.support.toys import quote


class Relaying:
    """A core that only relays."""

    publishes = (Quote, Trade)
    words = ()


class Witness:
    """Recorder and bus of a mouth: what was stored and what was said, in order."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, tuple[bytes, ...]]] = []
        self.full = False

    def write_ticks(self, *recorded: bytes) -> None:
        if self.full:
            raise JournalUnwritable("no space")
        self.seen.append(("stored", recorded))

    def publish(self, lane: str, *frames: bytes) -> None:
        self.seen.append((f"said in {lane}", frames))


def a_mouth(witness: Any) -> Mouth:
    core: Any = Relaying()
    mouth = Mouth("feed", core, recorder=witness, port=None, on_phase=lambda _: None)
    mouth.bus, mouth.epoch = witness, 7
    return mouth


def trade(n: int) -> Trade:
    return Trade(contract="C", price=n, size=1, venue_ns=n, recv_ns=n)


def test_a_burst_is_stored_whole_before_any_of_it_is_said() -> None:
    witness = Witness()
    mouth = a_mouth(witness)
    burst: list[Event] = [quote(1), trade(2), quote(3)]
    assert mouth.relay(50, burst) == 1
    assert mouth.relay(60, [quote(4)]) == 4
    assert [what for what, _ in witness.seen] == ["stored", "said in feed.ticks"] * 2
    (_, stored), (_, said) = witness.seen[:2]
    assert [len(stored), len(said)] == [3, 3]
    for record, frame in zip(stored, said, strict=True):
        assert record[2:] == frame.partition(b"\0")[2], "the same bytes in both"
    heads = [wire.head(record[2:]) for record in stored]
    assert [(it.epoch, it.seq, it.prev, it.time_ns) for it in heads] == [
        (7, 1, 0, 50), (7, 2, 0, 50), (7, 3, 1, 50),
    ]  # fmt: skip
    assert all(record[1] == records.SAID for record in stored)


def test_nothing_of_a_burst_is_said_that_could_not_be_stored() -> None:
    witness = Witness()
    witness.full = True
    with pytest.raises(JournalUnwritable):
        a_mouth(witness).relay(50, [quote(1), quote(2)])
    assert witness.seen == []


EARS = [Ear(lane, number, {}, Mark()) for number, lane in enumerate(("a", "b", "c.ticks"))]


@given(st.lists(st.tuples(st.sampled_from(EARS), st.integers(1, 2), st.integers(1, 4)), min_size=1))
def test_spans_name_exactly_what_was_heard_in_its_order(rows: list[tuple[Ear, int, int]]) -> None:
    """And a row without a hole is one span."""
    items = [(ear, epoch, seq, 0, None) for ear, epoch, seq in rows]
    spans = spans_of(items)
    named: list[tuple[int, int, int]] = []
    ends: list[tuple[int, int, int]] = []
    for at in range(0, len(spans), 4):
        number, epoch, first, last = spans[at : at + 4]
        assert (number, epoch, first) not in ends, "it would have continued the span before"
        ends = [(number, epoch, last + 1)]
        named += [(number, epoch, seq) for seq in range(first, last + 1)]
    assert named == [(ear.number, epoch, seq) for ear, epoch, seq in rows]
