"""`/sim/clock`: market time asked for, and moved on, over real sockets."""

from __future__ import annotations

import json

from shared.runtime.clock import ClockWriter
from shared.venue.times import time_ns
from tests.venue.test_weather import ask


def test_market_time_is_moved_on_for_the_market_and_for_every_process(venue, monkeypatch):
    leaps = []

    class Clock(ClockWriter):
        def __init__(self):
            pass

        def leap(self, to_ns):
            leaps.append(to_ns)

    monkeypatch.setattr(venue.host, "clock", Clock(), raising=False)
    before = json.loads(ask(venue, "GET", path="/sim/clock")[1])["marketNs"]
    to = "2026-11-19T08:30:00-06:00"
    status, text = ask(venue, "POST", json.dumps({"market": to}), path="/sim/clock")
    assert (status, leaps) == (200, [time_ns(to, "")]), text
    assert venue.host.core.market_ns >= time_ns(to, "") > before


def test_time_that_cannot_be_moved_is_refused_with_a_reason(venue):
    for body, reason in (
        ({"market": "tomorrow"}, "which is not an ISO time"),
        ({"market": "2020-01-01T00:00:00Z"}, "time does not go back"),
        ({"to": 5}, "clock"),
    ):
        status, text = ask(venue, "POST", json.dumps(body), path="/sim/clock")
        assert status == 400
        assert reason in text
    assert ask(venue, "POST", b"\xff\xfe", path="/sim/clock")[0] == 400
