"""Tags: the name of an order at the venue, which says by itself whose it is.

`t1.<sleeve>.<incarnation base 36>.<n>.<attempt>`; the venue appends `-SL` or `-TP` for bracket
legs. So an order found at the venue that no journal knows still tells its owner, and the tag of an
order made after every memory was lost cannot collide with an older one: the incarnation is the
epoch of that first start.
"""

from __future__ import annotations

from msgspec import Struct

PREFIX = "t1."
TAG_MAX = 60
LEGS = {"-SL": "SL", "-TP": "TP"}
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Tag(Struct, frozen=True):
    """A tag taken apart. `leg` is empty, SL or TP; `entry` is the tag without the leg."""

    sleeve: str
    intent_id: str
    entry: str
    leg: str = ""


def base36(number: int) -> str:
    """A natural number in base 36, as the tags carry it."""
    assert number >= 0, "Invariant: incarnations are natural numbers"
    text = ""
    while True:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
        if not number:
            return text


def make(sleeve: str, incarnation: int, n: int) -> str:
    """The tag of the first attempt."""
    return f"{PREFIX}{sleeve}.{base36(incarnation)}.{n}.0"


def parse(text: str) -> Tag | None:
    """None when the tag is not one of ours."""
    if not text.startswith(PREFIX) or len(text) > TAG_MAX:
        return None
    entry, leg = text, ""
    for suffix, name in LEGS.items():
        if text.endswith(suffix):
            entry, leg = text.removesuffix(suffix), name
    parts = entry.split(".")
    if len(parts) != 5 or not parts[1] or not parts[3].isdigit() or not parts[4].isdigit():
        return None
    try:
        incarnation = int(parts[2], 36)
    except ValueError:
        return None
    intent = f"{parts[1]}.{incarnation}.{int(parts[3])}"
    return Tag(parts[1], f"{intent}-{leg}" if leg else intent, entry, leg)
