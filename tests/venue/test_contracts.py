"""Contracts and bars."""

from __future__ import annotations

import re

import pytest

from tests.venue.stage import wait_for

BARS = {"live": False, "startTime": "2026-11-18T13:00:00Z", "endTime": "2026-11-18T15:34:59Z",
        "unit": 2, "unitNumber": 1, "limit": 10, "includePartialBar": False}  # fmt: skip


def search(trader, text, live=False):
    body = {"searchText": text, "live": live}
    return trader.post("Contract/search", body).body["contracts"]


def bars(trader, **wish):
    body = {"contractId": trader.contract(), **BARS, **wish}
    return trader.post("History/retrieveBars", body)


def rows(trader, **wish):
    reply = bars(trader, **wish)
    assert reply.code == (True, 0, None), reply.body
    return reply.body["bars"]


def test_a_contract_has_exactly_seven_members(trader):
    for row in search(trader, "MES"):
        assert row.keys() == {
            "id", "name", "description", "tickSize", "tickValue", "activeContract", "symbolId",
        }  # fmt: skip


def test_ids_names_and_symbols_have_their_grammar(trader):
    row = search(trader, "MES")[0]
    assert re.fullmatch(r"CON\.F\.US\.MES\.[HMUZ]\d\d", row["id"])
    assert re.fullmatch(r"MES[HMUZ]\d", row["name"])
    assert row["symbolId"] == "F.US.MES"
    assert re.fullmatch(r".+: [A-Z][a-z]+ 20\d\d", row["description"])


def test_the_mini_s_symbols_are_the_platform_s_own(trader):
    assert search(trader, "NQ")[0]["symbolId"] == "F.US.ENQ"
    assert search(trader, "ES")[0]["symbolId"] == "F.US.EP"


def test_tick_sizes_and_values_are_exact(trader):
    row = search(trader, "MNQ")[0]
    assert (row["tickSize"], row["tickValue"]) == (0.25, 0.5)


def test_a_search_puts_the_exact_root_first(trader):
    assert [search(trader, root)[0]["name"][:-2] for root in ("NQ", "ES", "YM")] == [
        "NQ",
        "ES",
        "YM",
    ]


def test_a_search_matches_in_any_case_and_in_the_middle(trader):
    assert search(trader, "mnq")[0]["symbolId"] == "F.US.MNQ"
    assert {"F.US.ENQ", "F.US.MNQ"} <= {row["symbolId"] for row in search(trader, "nq")}


def test_a_search_finds_at_most_twenty(trader):
    assert len(search(trader, "CON.F.US")) <= 20


def test_no_match_is_success_and_empty(trader):
    reply = trader.post("Contract/search", {"searchText": "ZZZZ", "live": False})
    assert (reply.code, reply.body["contracts"]) == ((True, 0, None), [])


def test_live_data_is_an_empty_list(trader):
    assert search(trader, "MES", live=True) == []
    assert trader.post("Contract/available", {"live": True}).body["contracts"] == []


def test_available_has_one_active_front_per_symbol_by_id(trader):
    found = trader.post("Contract/available", {"live": False}).body["contracts"]
    symbols = [row["symbolId"] for row in found]
    assert len(set(symbols)) == len(symbols)
    assert all(row["activeContract"] for row in found)
    assert [row["id"] for row in found] == sorted(row["id"] for row in found)


def test_a_contract_by_id_is_one_object(trader):
    reply = trader.post("Contract/searchById", {"contractId": trader.contract()})
    assert reply.body["contract"]["symbolId"] == "F.US.MES"


def test_an_unknown_contract_is_code_1_and_null(trader):
    reply = trader.post("Contract/searchById", {"contractId": "CON.F.US.NOPE.Z26"})
    assert (reply.code, reply.body["contract"]) == ((False, 1, None), None)


def test_an_expired_contract_is_found_and_inactive(trader):
    reply = trader.post("Contract/searchById", {"contractId": "CON.F.US.MES.U26"})
    assert reply.body["contract"]["activeContract"] is False


# -- bars ------------------------------------------------------------------------------------------


def test_bars_are_newest_first(trader):
    times = [bar["t"] for bar in rows(trader)]
    assert times == sorted(times, reverse=True)
    assert len(times) == 10


def test_a_bar_has_six_members_and_whole_seconds(trader):
    for bar in rows(trader):
        assert bar.keys() == set("tohlcv")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:00\+00:00", bar["t"])
        assert bar["l"] <= min(bar["o"], bar["c"]) <= max(bar["o"], bar["c"]) <= bar["h"]


def test_the_limit_keeps_the_most_recent(trader):
    many, few = rows(trader, limit=10), rows(trader, limit=3)
    assert few == many[:3]


def test_the_window_bounds_the_openings(trader):
    found = rows(trader, startTime="2026-11-18T15:00:00Z", endTime="2026-11-18T15:05:00Z")
    assert [bar["t"][14:16] for bar in found] == ["05", "04", "03", "02", "01", "00"]


def test_five_minutes_are_made_of_one(trader):
    window = {"startTime": "2026-11-18T15:00:00Z", "endTime": "2026-11-18T15:04:59Z"}
    [whole] = rows(trader, **window, unitNumber=5)
    parts = rows(trader, **window)
    assert whole["v"] == sum(bar["v"] for bar in parts)
    assert (whole["h"], whole["o"]) == (max(bar["h"] for bar in parts), parts[-1]["o"])


def test_the_forming_bar_comes_only_on_request(trader):
    wide = {"endTime": "2027-01-01T00:00:00Z"}
    wait_for(
        lambda: rows(trader, **wide, includePartialBar=True)[0]["t"] > rows(trader, **wide)[0]["t"]
    )


@pytest.mark.parametrize("unit", [1, 2, 3, 4, 5, 6])
def test_seconds_to_months_have_bars(trader, unit):
    wide = {"startTime": "2026-10-20T00:00:00Z", "endTime": "2026-11-18T15:34:00Z"}
    found = rows(trader, **wide, unit=unit, limit=5, includePartialBar=True)
    assert found
    times = [bar["t"] for bar in found]
    assert times == sorted(set(times), reverse=True)


def test_hours_are_aligned_to_utc(trader):
    assert all(bar["t"][14:] == "00:00+00:00" for bar in rows(trader, unit=3))


def test_an_unknown_contract_has_code_1(trader):
    reply = bars(trader, contractId="CON.F.US.NOPE.Z26")
    assert reply.code == (False, 1, None)
    assert not reply.body["bars"]


@pytest.mark.parametrize("unit", [0, 7, 99, -1])
def test_a_bad_unit_has_code_2(trader, unit):
    assert bars(trader, unit=unit).code == (False, 2, None)


@pytest.mark.parametrize("number", [0, -5])
def test_a_bad_unit_number_has_code_3(trader, number):
    assert bars(trader, unitNumber=number).code == (False, 3, None)


@pytest.mark.parametrize("limit", [0, -1, 20_001])
def test_a_bad_limit_has_code_4(trader, limit):
    assert bars(trader, limit=limit).code == (False, 4, None)


def test_an_account_id_in_the_request_is_ignored(trader):
    assert rows(trader, accountId=5)


def test_live_bars_are_empty(trader):
    assert rows(trader, live=True) == []


def test_a_window_before_time_began_is_empty(trader):
    wide = {"startTime": "2001-01-01T00:00:00Z", "endTime": "2001-02-01T00:00:00Z"}
    assert rows(trader, **wide) == []
