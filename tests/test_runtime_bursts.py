"""What comes together is stored together: one write for a burst of ticks, one record for a drain.

Both are for speed, and neither may weaken the law that a record precedes its effect or change what
a journal says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core import Word
from shared.events import Event, Gap, Quote, Trade
from shared.runtime import records, wire
from shared.runtime.ears import Ear, spans_of
from shared.runtime.journal import JournalUnwritable
from shared.runtime.mouth import Mouth
from shared.runtime.records import Mark
from tests.support.toys import CONTRACT, quote


class Act(Word, frozen=True, kw_only=True):
    """Something for the port."""

    no: int


class Relaying:
    """A core that relays, speaks and acts."""

    publishes = (Quote, Trade, Gap)
    words = (Act,)


class Witness:
    """Recorder and bus of a mouth: what was stored and what was said, in order."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, tuple[bytes, ...]]] = []
        self.full = False
        self.order: list[str] = []
        self.waiting: list[Callable[[], None]] = []

    def write(self, *recorded: bytes) -> None:
        self.order.append(f"{len(recorded)} stored")

    def handle(self, word: Act) -> None:
        self.order.append(f"act {word.no}")

    def write_ticks(self, *recorded: bytes) -> None:
        if self.full:
            raise JournalUnwritable("no space")
        self.seen.append(("stored", recorded))

    def publish(self, lane: str, *frames: bytes, urgent: bool = False) -> None:
        self.seen.append((f"said in {lane}", frames))
        if not lane.endswith(".ticks"):
            heads = [wire.head(frame.partition(b"\0")[2]) for frame in frames]
            self.order += [f"say {head.seq}" for head in heads]


def a_mouth(witness: Any) -> Mouth:
    core: Any = Relaying()
    mouth = Mouth(
        "feed",
        core,
        recorder=witness,
        port=witness,
        on_phase=lambda _: None,
        later=witness.waiting.append,
        idly=lambda tell: None,
    )
    mouth.bus, mouth.epoch = witness, 7
    return mouth


def trade(n: int) -> Trade:
    return Trade(contract=CONTRACT, price=n, size=1, venue_ns=n, recv_ns=n)


def test_a_burst_is_stored_whole_before_any_of_it_is_said() -> None:
    witness = Witness()
    mouth = a_mouth(witness)
    burst: list[Event] = [quote(1), trade(2), quote(3)]
    assert mouth.relay(50, burst) == 1
    assert mouth.relay(60, [quote(4)]) == 4
    assert [what for what, _ in witness.seen] == ["stored", "said in feed.ticks"] * 2
    (_, stored), (_, said) = witness.seen[:2]
    assert [len(stored), len(said)] == [3, 1]
    bodies = b"".join(record[2:] for record in stored)
    assert said[0] == b"Quote.MNQ\0\x93" + bodies, "the same bytes in both"
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


def gap(n: int) -> Gap:
    return Gap(contract="C", start_ns=0, end_ns=n)


def test_an_act_begins_before_its_news_and_news_keep_their_order() -> None:
    witness = Witness()
    mouth = a_mouth(witness)
    mouth.say(1, "", [gap(1)])
    mouth.say(2, "", [gap(2), Act(no=1), gap(3)])
    mouth.say(3, "", [gap(4)])
    assert witness.order == ["1 stored", "say 1", "3 stored", "act 1", "1 stored"]
    witness.order.clear()
    assert len(witness.waiting) == 1, "one look after the turn is enough"
    witness.waiting.pop()()
    assert witness.order == ["say 2", "say 3", "say 4"]
    witness.order.clear()
    mouth.say(4, "", [gap(5)])
    assert witness.order == ["1 stored", "say 5"], "nothing to wait for"
    assert witness.waiting == []


def test_what_is_held_is_said_before_a_heartbeat_promises_it() -> None:
    witness = Witness()
    mouth = a_mouth(witness)
    mouth.say(1, "", [gap(1), Act(no=1)])
    mouth.settle()
    assert witness.order[-1] == "say 1"
    witness.waiting.pop()()
    assert witness.order[-1] == "say 1", "once"
    assert witness.order.count("say 1") == 1


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
