"""Hearing: lost, doubled, late, garbled and misunderstood frames, against a speaker's journal."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.events import Bar, Trade
from shared.runtime import journal, records, wire
from shared.runtime.exits import Exit, Fatal
from shared.runtime.hearing import Hearing
from shared.runtime.journal import Corrupt
from shared.runtime.records import Mark, Place
from tests.support.hearing import Listener, Speaker, with_root
from tests.support.processes import DAY
from tests.support.toys import bar, intent, quote


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
