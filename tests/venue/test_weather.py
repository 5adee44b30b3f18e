"""`/sim/weather`: other markets on order, over real sockets."""

from __future__ import annotations

import http.client
import json

from tests.venue.sockets import PATIENCE_S


def ask(venue, method, body=None, path="/sim/weather", **headers):
    """(status, text) of one request that carries no token."""
    line = http.client.HTTPConnection(*venue.host.port.address, timeout=PATIENCE_S)
    line.request(method, path, body, headers)
    answer = line.getresponse()
    text = answer.read().decode()
    line.close()
    return answer.status, text


def test_weather_is_asked_and_ordered_without_a_token(venue):
    status, text = ask(venue, "GET")
    told = json.loads(text)
    assert status == 200
    assert list(told["regimes"]) == ["index"]
    assert {"auto", "day", "gap", "flash", "dead", "limit"} <= set(told["settings"])
    assert ask(venue, "POST", json.dumps({"regime": "trend"}))[0] == 200
    assert venue.host.core._machines.markets.state.synthetic.weather.setting == "trend"
    assert ask(venue, "POST", json.dumps({"regime": "auto", "group": "index"}))[0] == 200


def test_weather_that_cannot_be_is_refused_with_a_reason(venue):
    for body, reason in (
        ({"regime": "sunny"}, "regime was 'sunny'"),
        ({"regime": "calm", "group": "tulips"}, "group was 'tulips'"),
        ({"regime": 5}, "Expected `str`"),
        ({"weather": "calm"}, "weather"),
    ):
        status, text = ask(venue, "POST", json.dumps(body))
        assert status == 400
        assert reason in text
    assert ask(venue, "POST", b"\xff\xfe")[0] == 400
    assert ask(venue, "POST", "{}", Origin="http://evil.example")[0] == 403
