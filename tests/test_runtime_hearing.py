"""Hearing: lost, doubled, late, garbled and misunderstood frames, against a speaker's journal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import Raw

from shared.events import TICKS, Bar, Event, Gap, Heartbeat, Quote, Trade
from shared.runtime import hearing, journal, records, wire
from shared.runtime.exits import Exit, Fatal
from shared.runtime.hearing import Hearing
from shared.runtime.journal import Corrupt, Journal
from shared.runtime.records import Mark, Place, Start
from tests.support.toys import bar, intent, quote

DAY = "2026-11-18"
HEARD = {"feed": {"Bar": Bar}, "feed.ticks": {"Quote": Quote}}


class Speaker:
    """Writes a journal and returns the frames that would be on the wire."""

    def __init__(self, root: Path, lane: str = "feed", epoch: int = 100) -> None:
        self.root = root
        self.lane = lane
        self.epoch = epoch
        self.seq = 0
        self.prevs: dict[str, int] = {}
        self.schema = wire.FORMS
        self.day = DAY
        self.file = Journal(root / DAY / f"{lane}.journal", 1 << 20)
        self.begin()

    def begin(self, **changes: int) -> None:
        start = Start(
            actor="feed",
            lane=self.lane,
            epoch=self.epoch,
            day=self.day,
            now_ns=0,
            seq=self.seq,
            schema=self.schema,
            code="c",
            settings="s",
            values=Raw(b"\x80"),
        )
        self.file.append(records.pack(records.START, start))

    def restart(self) -> None:
        self.epoch += 1
        self.begin()

    def say(self, event: Event, *, record: bool = True) -> bytes:
        self.seq += 1
        kind = type(event).__name__
        ticks = type(event) in TICKS
        topic = wire.tick_topic(kind, event.contract) if ticks else kind  # type: ignore[attr-defined]
        body = wire.body(
            (self.lane, self.epoch, self.seq, self.prevs.get(topic, 0), self.seq, "", event)
        )
        self.prevs[topic] = self.seq
        if record:
            self.file.append(records.PREFIX[records.SAID] + body)
        return wire.bundle(topic, [body]) if ticks else wire.frame(type(event), body)

    def write_late(self, frame: bytes) -> None:
        self.file.append(records.PREFIX[records.SAID] + frame.partition(b"\0")[2])

    def beat(self, **changes: object) -> bytes:
        beat = Heartbeat(
            actor="feed",
            epoch=self.epoch,
            beat=1,
            schema=wire.FINGERPRINT,
            seq={self.lane: self.seq},
            places={self.lane: (self.day, 100, self.file.size)},
        )
        beat = msgspec.structs.replace(beat, **changes)
        return wire.frame(Heartbeat, wire.body((self.lane, self.epoch, 0, 0, 0, "", beat)))


class Listener:
    """A Hearing that keeps what it was told."""

    def __init__(self, root: Path, marks: dict[str, Mark] | None = None) -> None:
        self.told: list[tuple[int, int]] = []
        self.events: list[Event] = []
        self.gaps: list[Gap] = []
        self.hearing = Hearing(root, HEARD, marks or {}, flush=self.flush, gap=self.gaps.append)

    def flush(self) -> None:
        for _, epoch, seq, _, event in self.hearing.batch:
            self.told.append((epoch, seq))
            if event is not None:
                self.events.append(event)
        self.hearing.batch.clear()

    def take(self, *frames: bytes) -> None:
        self.hearing.take(frames)
        self.flush()


def test_in_order_frames_are_taken_from_the_wire(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    deque(listener.hearing.catch_up_all(), 0)
    for n in range(1, 6):
        listener.take(speaker.say(bar(n), record=False))
    assert listener.events == [bar(n) for n in range(1, 6)]


def test_kinds_nobody_asked_for_are_counted_but_not_told(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    listener.take(speaker.say(bar(1)), speaker.say(intent(1, 1)), speaker.say(bar(2)))
    assert listener.told == [(100, 1), (100, 2), (100, 3)]
    assert listener.events == [bar(1), bar(2)]


def test_duplicates_and_old_lives_are_ignored(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    old = speaker.say(bar(1))
    listener.take(old, old)
    speaker.restart()
    new = speaker.say(bar(2))
    listener.take(new, old, new)
    assert listener.told == [(100, 1), (101, 2)]


def test_a_lost_frame_is_read_from_the_journal_before_anything_newer(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    frames = [speaker.say(bar(n)) for n in range(1, 8)]
    listener.take(frames[0], frames[4], frames[5], frames[6])
    assert listener.events == [bar(n) for n in range(1, 8)]


def test_a_lost_last_frame_is_noticed_by_the_heartbeat(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    listener.take(speaker.say(bar(1)))
    speaker.say(bar(2))
    assert listener.events == [bar(1)]
    listener.take(speaker.beat())
    assert listener.events == [bar(1), bar(2)]


def test_a_heartbeat_of_one_who_said_nothing_yet(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    listener.take(speaker.beat())
    assert listener.told == []
    assert listener.hearing.ears["feed"].mark.epoch == 100
    assert not listener.hearing.missing()


def test_a_record_not_visible_yet_is_looked_for_again(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    listener.take(speaker.say(bar(1)))
    lost = speaker.say(bar(2), record=False)
    listener.take(speaker.say(bar(3), record=False))
    assert listener.events == [bar(1)], "nothing overtakes"
    assert listener.hearing.missing()
    listener.hearing.look_again()
    assert listener.hearing.missing()
    speaker.write_late(lost)
    listener.hearing.look_again()
    listener.flush()
    assert listener.events == [bar(1), bar(2)]
    assert listener.hearing.missing(), "the third is promised too"


def test_a_new_life_is_heard_after_the_rest_of_the_old_one(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    listener.take(speaker.say(bar(1)))
    speaker.say(bar(2))
    speaker.restart()
    listener.take(speaker.say(bar(3)))
    assert listener.told == [(100, 1), (100, 2), (101, 3)]


def test_numbers_used_twice_after_a_power_cut_are_told_apart_by_the_life(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    listener.take(speaker.say(bar(1)), speaker.say(bar(2), record=False))
    speaker.seq = 1
    speaker.restart()
    listener.take(speaker.say(bar(20)))
    assert listener.told == [(100, 1), (100, 2), (101, 2)]
    assert listener.events[-1] == bar(20)


def test_a_file_begun_anew_is_heard_from_its_top(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    listener.take(*[speaker.say(bar(n)) for n in range(1, 9)], speaker.beat())
    speaker.file.close()
    journal.quarantine(tmp_path / DAY / "feed.journal")
    again = Speaker(tmp_path, epoch=200)
    listener.take(again.say(bar(50)))
    assert listener.told[-1] == (200, 1)


def test_a_hole_in_the_numbers_of_a_journal_is_damage(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    speaker.say(bar(1))
    speaker.say(bar(2), record=False)
    speaker.say(bar(3))
    with pytest.raises(Corrupt, match=r"feed\.journal.*\(100, 3\) follows \(100, 1\)"):
        deque(listener.hearing.catch_up_all(), 0)


def test_beginning_from_a_mark(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    listener.take(*[speaker.say(bar(n)) for n in range(1, 4)], speaker.beat())
    marks = msgspec.msgpack.decode(
        msgspec.msgpack.encode(listener.hearing.marks()), type=dict[str, Mark]
    )
    assert marks["feed"].place == Place(DAY, 100, speaker.file.size)
    speaker.say(bar(4))
    later = Listener(tmp_path, marks)
    deque(later.hearing.catch_up_all(), 0)
    assert later.told == [(100, 4)]


def test_several_speakers_are_merged_by_time_at_the_start(tmp_path: Path) -> None:
    feed, other = Speaker(tmp_path), Speaker(tmp_path, "other")
    for n in range(1, 4):
        feed.say(bar(n))
        other.say(bar(10 + n))
    told: list[str] = []
    kinds = {"feed": {"Bar": Bar}, "other": {"Bar": Bar}}

    def flush() -> None:
        told.extend(f"{ear.lane} {seq}" for ear, _, seq, _, _ in hearing.batch)
        hearing.batch.clear()

    hearing = Hearing(tmp_path, kinds, {}, flush=flush, gap=lambda _gap: None)
    deque(hearing.catch_up_all(), 0)
    assert told == ["feed 1", "other 1", "feed 2", "other 2", "feed 3", "other 3"]


def test_a_mark_never_runs_ahead_of_what_was_taken(tmp_path: Path) -> None:
    """Merging reads one ahead in each lane; a snapshot in between must not count that as heard."""
    feed, other = Speaker(tmp_path), Speaker(tmp_path, "other")
    for n in range(1, 2_001):
        feed.say(bar(n))
        other.say(bar(n))
    kinds = {"feed": {"Bar": Bar}, "other": {"Bar": Bar}}
    heard = {"feed": 0, "other": 0}

    def flush() -> None:
        for ear, _, seq, _, _ in hearing.batch:
            heard[ear.lane] = seq
        hearing.batch.clear()
        assert {lane: mark.seq for lane, mark in hearing.marks().items()} == heard

    hearing = Hearing(tmp_path, kinds, {}, flush=flush, gap=lambda _gap: None)
    deque(hearing.catch_up_all(), 0)
    assert heard == {"feed": 2_000, "other": 2_000}


# -- a piece a turn --------------------------------------------------------------------------------


def test_a_turn_reads_a_piece_and_the_next_ones_the_rest(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    said = 2 * hearing.TURN_EVENTS + 10
    frames = [speaker.say(bar(n)) for n in range(1, said + 1)]
    listener.take(frames[-1])
    turns = 1
    while listener.hearing.missing():
        assert len(listener.told) == turns * hearing.TURN_EVENTS
        assert listener.hearing.waiting() == said - len(listener.told)
        assert listener.hearing.unread()
        listener.hearing.look_again()
        listener.flush()
        turns += 1
    assert listener.told == [(100, n) for n in range(1, said + 1)]
    assert turns == 3
    assert not listener.hearing.unread()


def test_frames_between_two_turns_read_nothing_and_overtake_nothing(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    frames = [speaker.say(bar(n)) for n in range(1, 2 * hearing.TURN_EVENTS + 1)]
    listener.take(frames[-1], *frames[-5:], speaker.beat())
    assert len(listener.told) == hearing.TURN_EVENTS
    listener.take(frames[hearing.TURN_EVENTS])
    assert listener.told[-1] == (100, hearing.TURN_EVENTS + 1), "the next one may come by wire"
    listener.hearing.look_again()
    listener.flush()
    assert listener.told == [(100, n) for n in range(1, len(frames) + 1)]


def test_much_that_is_no_event_ends_a_turn_too(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    filler = records.PREFIX[records.HEARD] + msgspec.msgpack.encode((0, [1] * 100_000))
    while speaker.file.size < 2 * hearing.TURN_BYTES:
        speaker.file.append(filler)
    listener.take(speaker.say(bar(1)))
    assert listener.events == []
    assert listener.hearing.unread()
    place = listener.hearing.ears["feed"].mark.place
    assert hearing.TURN_BYTES <= place.offset < speaker.file.size
    while listener.hearing.missing():
        listener.hearing.look_again()
    listener.flush()
    assert listener.events == [bar(1)]


def test_a_speaker_who_outruns_us_at_the_start_does_not_hold_us_there(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    for n in range(hearing.TURN_EVENTS + 1):
        speaker.say(bar(n))
    for _ in listener.hearing.catch_up_all():
        for n in range(hearing.TURN_EVENTS + 1):
            speaker.say(bar(n))
        assert speaker.seq < 10 * hearing.TURN_EVENTS, "it would never end"
    assert hearing.TURN_EVENTS < len(listener.told) < speaker.seq
    listener.take(speaker.beat())
    while listener.hearing.missing():
        listener.hearing.look_again()
        listener.flush()
    assert listener.told == [(100, n) for n in range(1, speaker.seq + 1)]


def test_whoever_ends_between_two_pieces_remembers_what_it_was_told(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    for n in range(1, 3 * hearing.TURN_EVENTS):
        speaker.say(bar(n))
    for _ in listener.hearing.catch_up_all():
        assert listener.hearing.ears["feed"].mark.seq == len(listener.told)


def test_ten_times_the_usual_in_one_burst(tmp_path: Path) -> None:
    """Half of the frames are lost, as when a queue overflows; the rest comes in one drain."""
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    frames = [speaker.say(bar(n)) for n in range(1, 5 * hearing.TURN_EVENTS)]
    for at in range(0, len(frames), 512):
        listener.take(*frames[at : at + 512 : 2])
        listener.hearing.look_again()
        listener.flush()
    listener.take(speaker.beat())
    while listener.hearing.missing():
        listener.hearing.look_again()
    listener.flush()
    assert listener.told == [(100, n) for n in range(1, len(frames) + 1)]


# -- what is no more, or not whole -----------------------------------------------------------------


def next_day(speaker: Speaker, day: str) -> None:
    """As the owner does at the edge of a trading day."""
    speaker.file.append(records.pack(records.CONTINUED, day))
    speaker.file.close()
    speaker.day = day
    speaker.file = Journal(speaker.root / day / f"{speaker.lane}.journal", 1 << 20)
    speaker.begin()


def test_days_removed_before_they_were_heard_are_told_and_skipped(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    listener.take(speaker.say(bar(1)), speaker.beat())
    marks = listener.hearing.marks()
    speaker.say(bar(2))
    next_day(speaker, "2026-11-19")
    speaker.say(bar(3))
    next_day(speaker, "2026-11-20")
    speaker.say(bar(4))
    for day in (DAY, "2026-11-19"):
        (tmp_path / day / "feed.journal").unlink()
    late = Listener(tmp_path, marks)
    assert late.hearing.lost() == ["feed"]
    deque(late.hearing.catch_up_all(), 0)
    assert late.told == [(100, 4)]
    assert late.hearing.lost() == []
    late.take(speaker.say(bar(5)))
    assert late.told == [(100, 4), (100, 5)]


def test_a_day_that_was_set_aside_is_no_end_of_the_way(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    listener.take(speaker.say(bar(1)))
    next_day(speaker, "2026-11-19")
    listener.take(speaker.say(bar(2)))
    next_day(speaker, "2026-11-20")
    journal.quarantine(tmp_path / "2026-11-19" / "feed.journal")
    speaker.restart()
    listener.take(speaker.say(bar(3)), speaker.beat())
    assert listener.told[-1] == (101, 3)
    assert not listener.hearing.missing()


@given(st.data())
@settings(max_examples=60)
def test_a_reader_beside_a_writer_sees_whole_frames_only(data: st.DataObject) -> None:
    """The file grows by any number of bytes at a time, as a reader may find a write half done."""

    def run(root: Path) -> None:
        speaker = Speaker(root / "made")
        for n in range(1, 6):
            speaker.say(bar(n))
        speaker.file.close()
        content = speaker.file.path.read_bytes()
        torn = root / "read" / DAY / "feed.journal"
        torn.parent.mkdir(parents=True)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=8)))
        listener = Listener(root / "read")
        listener.take(speaker.beat())
        for cut in (*cuts, len(content)):
            torn.write_bytes(content[:cut])
            listener.hearing.look_again()
            listener.flush()
            assert listener.told == [(100, n) for n in range(1, len(listener.told) + 1)]
        assert len(listener.told) == 5

    with_root(run)


def test_a_speaker_killed_between_its_record_and_its_word(tmp_path: Path) -> None:
    """And one killed in the middle of a record: the next life cuts it off and uses its number."""
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    listener.take(speaker.say(bar(1)))
    speaker.say(bar(2))
    speaker.file.close()
    with speaker.file.path.open("ab") as file:
        file.write(journal.seal(b"\x92\x03" + b"x" * 100)[:50])
    listener.hearing.catch_up(listener.hearing.ears["feed"])
    speaker.file = Journal(speaker.file.path, 1 << 20)
    speaker.restart()
    listener.take(speaker.say(bar(3)), speaker.beat())
    assert listener.told == [(100, 1), (100, 2), (101, 3)]


# -- garbage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (b"", "unknown topic"),
        (b"no separator", "unknown topic"),
        (b"Invented\0\x97", "unknown topic"),
        (b"Bar\0", "malformed Bar"),
        (b"Bar\0\x93\x01\x02\x03", "malformed Bar"),
        (b"Heartbeat\0\xc0", "malformed Heartbeat"),
        (b"X" * 500, "unknown topic"),
        (wire.frame(Bar, wire.body(("stranger", 1, 1, 0, 0, "", bar(1)))), "unknown speaker"),
    ],
)
def test_garbage_is_counted_and_dropped(tmp_path: Path, frame: bytes, why: str) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    listener.take(frame, speaker.say(bar(1)), frame)
    assert listener.events == [bar(1)]
    assert listener.hearing.dropped == {why: 2}
    listener.hearing.note_alive(frame)
    assert listener.hearing.beats == {}


def test_an_event_of_a_wrong_type_inside_a_good_envelope(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    good = speaker.say(bar(1))
    body = msgspec.msgpack.decode(good.partition(b"\0")[2])
    body[6]["close"] = "a lot"
    listener.take(b"Bar\0" + msgspec.msgpack.encode(body))
    assert listener.events == []
    listener.take(speaker.beat())
    assert listener.events == [bar(1)], "the journal has it right"


@given(st.binary(max_size=60))
@example(b"\xdc\x00\x07\xa1\x80")  # text that is no UTF-8
@example(b"\x91" * 20_000)  # nested deeper than any stack
def test_no_bytes_from_nowhere_can_raise(junk: bytes) -> None:
    listener = Listener(Path("/nowhere"))
    for topic in (b"", b"Bar\0", b"Quote\0", b"Heartbeat\0"):
        listener.take(topic + junk)
    assert listener.events == []


# -- schemas ---------------------------------------------------------------------------------------


def other_forms(kind: str, field: str, spelled: str) -> dict[str, wire.Form]:
    return {**wire.FORMS, kind: {**wire.FORMS[kind], field: spelled}}


def test_a_speaker_we_would_misread_is_not_heard_at_all(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    listener.take(speaker.say(bar(1)))
    speaker.schema = other_forms("Bar", "close", "float")
    speaker.restart()
    frame = speaker.say(bar(2))
    listener.take(speaker.beat(schema="other"), frame)
    assert listener.events == [bar(1)]
    assert "feed (epoch 101): Bar.close is float" in listener.hearing.deafness()
    assert listener.hearing.dropped == {"not understood": 1}
    listener.hearing.note_alive(speaker.beat())
    assert listener.hearing.beats == {}, "and counts as silent"


def test_differences_in_kinds_we_do_not_hear_do_not_matter(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    speaker.schema = other_forms("OrderIntent", "size", "str")
    speaker.restart()
    listener.take(speaker.beat(schema="other"), speaker.say(bar(1)))
    assert listener.events == [bar(1)]
    assert not listener.hearing.deafness()


def test_a_record_we_cannot_read_is_a_schema_failure_not_a_skip(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path), Listener(tmp_path)
    body = msgspec.msgpack.decode(speaker.say(bar(1), record=False).partition(b"\0")[2])
    del body[6]["close"]
    speaker.file.append(records.PREFIX[records.SAID] + msgspec.msgpack.encode(body))
    with pytest.raises(Fatal, match="feed:100:1") as caught:
        deque(listener.hearing.catch_up_all(), 0)
    assert caught.value.code is Exit.SCHEMA


# -- ticks -----------------------------------------------------------------------------------------


def trade(n: int) -> Trade:
    return Trade(contract="C", price=n, size=1, venue_ns=n, recv_ns=n)


def test_ticks_of_other_kinds_are_no_gap(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path, "feed.ticks"), Listener(tmp_path)
    frames = [speaker.say(e) for e in (quote(1), trade(2), trade(3), quote(4))]
    listener.take(frames[0], frames[3])
    assert listener.events == [quote(1), quote(4)]
    assert listener.gaps == []
    assert listener.told == [(100, 1), (100, 4)], "exactly what was heard, for replay"


def test_missed_ticks_become_one_gap_and_are_never_caught_up(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path, "feed.ticks"), Listener(tmp_path)
    frames = [speaker.say(quote(n)) for n in range(1, 7)]
    listener.take(frames[0], frames[3], frames[4], frames[3], frames[5])
    assert listener.events == [quote(1), quote(4), quote(5), quote(6)]
    assert len(listener.gaps) == 1
    gap = listener.gaps[0]
    assert (gap.contract, gap.start_ns, gap.end_ns) == ("", 1, 4)


def test_the_first_tick_ever_is_no_gap_and_a_new_life_is_one(tmp_path: Path) -> None:
    speaker, listener = Speaker(tmp_path, "feed.ticks"), Listener(tmp_path)
    for n in range(1, 10):
        speaker.say(quote(n))
    listener.take(speaker.say(quote(10)))
    assert listener.gaps == []
    speaker.restart()
    listener.take(speaker.say(quote(11)))
    assert len(listener.gaps) == 1
    assert listener.events == [quote(10), quote(11)]


# -- any accident ----------------------------------------------------------------------------------

fates = st.lists(st.sampled_from(["ok", "lost", "twice", "late", "restart", "beat"]), max_size=40)


@given(fates)
@settings(max_examples=150, deadline=None)
def test_no_accident_on_the_wire_loses_doubles_or_reorders(story: list[str]) -> None:
    with_root(lambda root: tell(root, story))


def with_root(run: Callable[[Path], None]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder))


def tell(root: Path, story: list[str]) -> None:
    speaker, listener = Speaker(root), Listener(root)
    late: list[bytes] = []
    said = 0
    for fate in story:
        if fate == "restart":
            speaker.restart()
        elif fate == "beat":
            listener.take(speaker.beat())
        else:
            said += 1
            frame = speaker.say(bar(said))
            if fate == "late":
                late.append(frame)
            elif fate != "lost":
                listener.take(frame, *([frame] if fate == "twice" else []))
                listener.take(*late)
                late.clear()
    listener.take(speaker.beat())
    assert listener.events == [bar(n) for n in range(1, said + 1)]
    assert not listener.hearing.missing()
    speaker.file.close()
