"""What a sleeve says it does not heed, it hears without a word and without a trace.

A World leaves such events out (`shared/core.py`, `Choosy`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

from shared.events import Bar, Event, Fill, OrderUpdate, SleeveBook
from shared.units import SECOND
from tests.sleeves_stage import Stage, follower, hedger, maker, reverter

Heard = list[tuple[int, Event]]


def what_a_maker_hears(monkeypatch: pytest.MonkeyPatch) -> Heard:
    """Quotes, bars, orders, fills and books of a few trades."""
    stage, heard = maker(), Heard()
    on = stage.host.on

    def noted(now_ns: int, event: Event) -> Iterable[Event]:
        heard.append((now_ns, event))
        return on(now_ns, event)

    monkeypatch.setattr(stage.host, "on", noted)
    for _ in range(3):
        stage.now_ns += SECOND
        stage.tick(24_497)
        stage.seconds(*[24_497] * 5, 24_500, 24_500, 24_501, 24_500)
    return heard


@pytest.mark.parametrize("other", [follower, reverter, hedger])
def test_what_is_not_heeded_leaves_no_trace(other, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = what_a_maker_hears(monkeypatch)
    stage: Stage = other()
    host, left_out = stage.host, Counter[type[Event]]()
    for now_ns, event in heard:
        if not host.heeds(now_ns, event):
            before = host.snapshot()
            assert not tuple(host.on(now_ns, event))
            assert host.snapshot() == before
            left_out[type(event)] += 1
    assert min(left_out[kind] for kind in (Fill, OrderUpdate, SleeveBook)) >= 2, left_out


def test_ones_own_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = what_a_maker_hears(monkeypatch)
    host = maker().host
    own = [event for _, event in heard if isinstance(event, Bar | Fill | OrderUpdate | SleeveBook)]
    assert own
    assert all(host.heeds(0, event) for event in own)
