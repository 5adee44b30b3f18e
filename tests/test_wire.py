"""The bytes on the bus are pinned: yesterday's journals and processes must stay readable."""

from __future__ import annotations

from enum import Enum

import msgspec
import pytest
from msgspec import Struct

from shared.events import PUBLIC, Event, Fill, Heartbeat, Quote, Side
from shared.runtime import wire
from tests.support.samples import envelope, pins, sample

PINS = pins()


@pytest.mark.parametrize("kind", PUBLIC, ids=lambda kind: kind.__name__)
def test_golden_bytes_are_read_and_written_as_ever(kind: type[Event]) -> None:
    golden = bytes.fromhex(PINS[kind.__name__])
    topic, _, body = golden.partition(b"\0")
    assert topic == wire.TOPICS[kind]
    opened = wire.opener(kind).decode(body)
    assert type(opened.event) is kind
    assert (opened.source, opened.epoch, opened.seq, opened.prev) == (
        "speaker",
        1_795_000_000,
        42,
        41,
    )
    assert envelope(opened.event) == golden


def test_every_public_kind_is_pinned_and_no_other() -> None:
    assert PINS.keys() == {kind.__name__ for kind in PUBLIC}


@pytest.mark.parametrize("kind", PUBLIC, ids=lambda kind: kind.__name__)
def test_a_sample_with_every_field_survives_the_trip(kind: type[Event]) -> None:
    event = sample(kind)
    body = envelope(event).partition(b"\0")[2]
    assert wire.opener(kind).decode(body).event == event
    head = wire.head(body)
    assert wire.kind_of(head.event) == kind.__name__


def test_one_frame_in_full() -> None:
    quote = Quote(contract="C", bid=1, ask=2, venue_ns=3, recv_ns=4)
    frame = wire.frame(Quote, wire.body(("gw.ticks", 7, 2, 1, 9, "", quote)))
    assert frame == (
        b"Quote\0"
        b"\x97\xa8gw.ticks\x07\x02\x01\x09\xa0"
        b"\x86\xa1t\xa5Quote\xa8contract\xa1C\xa3bid\x01\xa3ask\x02\xa8venue_ns\x03\xa7recv_ns\x04"
    )


def test_a_decoder_of_one_kind_refuses_another() -> None:
    body = envelope(sample(Quote)).partition(b"\0")[2]
    with pytest.raises(msgspec.ValidationError, match=r"\$\[6\]"):
        wire.opener(Fill).decode(body)


@pytest.mark.parametrize("cut", range(1, 40))
def test_half_a_frame_is_never_an_event(cut: int) -> None:
    body = envelope(sample(Quote)).partition(b"\0")[2]
    with pytest.raises(msgspec.DecodeError):
        wire.opener(Quote).decode(body[:-cut])


# -- forms -----------------------------------------------------------------------------------------


def theirs(kind: str, **changes: str | None) -> dict[str, wire.Form]:
    form = dict(wire.FORMS[kind])
    for name, spelled in changes.items():
        if spelled is None:
            del form[name]
        else:
            form[name] = spelled
    return {kind: form}


def test_our_own_form_is_understood() -> None:
    for kind in PUBLIC:
        assert not wire.misunderstanding(kind.__name__, wire.FORMS)


def test_what_may_differ() -> None:
    assert not wire.misunderstanding("Quote", theirs("Quote", newer="int?"))
    assert not wire.misunderstanding("Quote", theirs("Quote", bid_size=None))
    assert not wire.misunderstanding("Quote", {})
    assert not wire.misunderstanding("Fill", theirs("Fill", side="enum:1"))


@pytest.mark.parametrize(
    ("kind", "changes", "word"),
    [
        ("Quote", {"bid": "str"}, "Quote.bid is str in their form and int in ours"),
        ("Quote", {"ask": None}, "Quote.ask is missing"),
        ("Fill", {"side": "enum:1|-1|0"}, "Fill.side"),
        ("SleeveBook", {"working": "tuple[int,Ellipsis]?"}, "SleeveBook.working"),
    ],
)
def test_what_would_be_misread(kind: str, changes: dict[str, str | None], word: str) -> None:
    assert word in wire.misunderstanding(kind, theirs(kind, **changes))


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Inner(Struct):
    n: int


class Outer(Struct):
    inner: tuple[Inner, ...]
    colour: Colour
    side: Side | None = None
    names: dict[str, float] = {}


def test_a_form_says_types_defaults_and_nested_fields() -> None:
    assert wire.form(Outer) == {
        "inner": "tuple[{n:int},Ellipsis]",
        "colour": "enum:red|blue",
        "side": "enum:1|-1 or none?",
        "names": "dict[str,float]?",
    }


def test_heartbeats_are_recognised_by_their_first_bytes() -> None:
    assert envelope(sample(Heartbeat)).startswith(wire.HEARTBEAT)
