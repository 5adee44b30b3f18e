"""Hearing a journal a piece a turn, and one that is no more, not whole, or being written."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.runtime import hearing, journal, records
from shared.runtime.journal import Journal
from tests.support.hearing import Listener, Speaker, next_day, with_root
from tests.support.processes import DAY
from tests.support.toys import bar

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
