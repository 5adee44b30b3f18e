"""What is heard of whom: an ear for each lane, items as they come out of it, and their short form.

Apart from `hearing.py`, which moves the marks, because the journal's record of what was heard is
made of these alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from shared.events import Event
from shared.runtime import lanes, wire
from shared.runtime.lanes import Kinds
from shared.runtime.records import Mark, Place


class Ear:
    """One lane we hear. `number` stands for its name in journals."""

    __slots__ = (
        "behind", "deaf", "kinds", "lane", "mark", "more", "number", "passing", "schema", "speaker",
        "target", "ticks", "time_ns", "wanted",
    )  # fmt: skip

    def __init__(self, lane: str, number: int, kinds: Kinds, mark: Mark) -> None:
        self.lane = lane
        self.speaker = lanes.speaker_of(lane)
        self.number = number
        self.kinds = kinds
        self.wanted = frozenset(kinds.values())
        self.mark = mark
        self.ticks = lanes.is_ticks(lane)
        self.behind = False
        self.more = False  # the last turn ended before its journal did
        self.target = (0, 0)  # what its journal is known to hold, as (epoch, seq)
        self.deaf = ""  # why we could misunderstand it
        self.schema = wire.FINGERPRINT  # of the speaker, as far as compared
        self.time_ns = 0
        self.passing: tuple[tuple[int, int], Place] | None = None

    def find_place(self, said: tuple[int, int], place: Place) -> None:
        """Its speaker had said up to `said` (epoch, seq) when its journal ended at `place`.

        A re-run reads on from the mark's place, so that must not lie behind what may still come.
        Of ticks we hear a part, in a pipe of their own: a place is known to lie before all that is
        to come once one of ours with a higher number was heard.
        """
        mark = self.mark
        at = (mark.epoch, mark.seq)
        if said == at:
            mark.place = place
        if not self.ticks:
            return
        if self.passing is not None and self.passing[0] <= at:
            mark.place = max(mark.place, self.passing[1], key=lambda it: (it.day, it.offset))
        self.passing = (said, place)


Item = tuple[Ear, int, int, int, Event | None]
"""An event taken from a lane: ear, epoch, seq, time, and the event or, of a kind that the core does
not hear, None. A bare tuple, because there is one for each event of the market and a class with
names takes four times as long to make.
"""


def spans_of(items: Iterable[Item]) -> list[int]:
    """What a HEARD record holds of them: lane number, epoch, first, last, for each unbroken row."""
    spans: list[int] = []
    ear_now: Ear | None = None
    epoch_now = due = 0
    for ear, epoch, seq, _, _ in items:
        if seq == due and ear is ear_now and epoch == epoch_now:
            spans[-1] = seq
        else:
            ear_now, epoch_now = ear, epoch
            spans += (ear.number, epoch, seq, seq)
        due = seq + 1
    return spans
