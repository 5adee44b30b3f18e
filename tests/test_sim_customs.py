"""The switches of [simulator.customs]: each changes what the venue does, and its default does not.

Where a question is open the test shows both answers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services.simulator.core import Simulator
from services.simulator.words import FaultKind
from shared import settings as house
from shared.sections import SimulatedAccount
from shared.venue import words as venue
from tests.sim_lives import ACTS, assert_books_balance, words_of
from tests.sim_stage import ACCOUNT, MES, MNQ, Bench, recording, settings_with
from tests.test_sim_brackets import cancel, live


def bench_of(**customs: Any) -> Bench:
    made = Bench(regime="calm", customs=with_customs(**customs))
    made.run(1)
    return made


def with_customs(**changes: Any) -> Any:
    return msgspec.structs.replace(house.load(env={}).simulator.customs, **changes)


def last(bench: Bench) -> float:
    return float(bench.book().last * 0.25)


def resting(bench: Bench, **wish: Any) -> int:
    """A limit order far below the market."""
    placed = bench.place(type=1, limit_price=last(bench) - 100, **wish)
    assert placed.success
    bench.run(0.3)
    return int(placed.order_id)


def filled(bench: Bench, **wish: Any) -> int:
    placed = bench.place(**wish)
    assert placed.success, placed
    bench.run(0.5)
    return int(placed.order_id)


# -- orders that are over --------------------------------------------------------------------------


@pytest.mark.parametrize("code", [2, 3, 5])
def test_code_for_cancelling_what_is_over(code: int) -> None:
    bench = bench_of(cancel_over=code)
    placed = resting(bench)
    assert cancel(bench, placed).success
    assert cancel(bench, placed).error_code == code


@pytest.mark.parametrize("code", [2, 3])
def test_code_for_modifying_what_is_over(code: int) -> None:
    bench = bench_of(modify_over=code)
    placed = filled(bench)
    asked = venue.ModifyOrder(account_id=ACCOUNT, order_id=placed, size=2)
    assert bench.ask(asked).error_code == code


@pytest.mark.parametrize("action", [1, 2])
def test_action_of_an_order_that_is_over(action: int) -> None:
    bench = bench_of(over_action=action)
    cancel(bench, resting(bench))
    told = [push for push in bench.pushes() if push.target == venue.USER_ORDER]
    assert [(push.payload.status, push.action) for push in told] == [(6, 1), (1, 1), (3, action)]  # type: ignore[union-attr]


# -- legs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("switch", "left"), [("alone", {"TP"}), ("pair", set())])
def test_cancelling_one_leg(switch: str, left: set[str]) -> None:
    bench = bench_of(leg_cancelled=switch)
    filled(bench, sl=-60, tp=60, custom_tag="p")
    assert cancel(bench, live(bench)["SL"].id).success
    assert set(live(bench)) == left


@pytest.mark.parametrize("switch", ["refused", "taken"])
def test_the_size_of_a_leg(switch: str) -> None:
    bench = bench_of(leg_size=switch)
    filled(bench, size=3, sl=-60, tp=60, custom_tag="p")
    leg = live(bench)["SL"].id
    asked = venue.ModifyOrder(account_id=ACCOUNT, order_id=leg, size=2)
    assert bench.ask(asked).success is (switch == "taken")
    assert bench.order(leg).size == (2 if switch == "taken" else 3)


def test_the_size_of_a_suspended_leg_is_never_taken() -> None:
    bench = bench_of(leg_size="taken")
    resting(bench, sl=-60, custom_tag="p")
    leg = live(bench)["SL"].id
    assert bench.ask(venue.ModifyOrder(account_id=ACCOUNT, order_id=leg, size=2)).error_code == 3


@pytest.mark.parametrize("switch", ["stay", "go"])
def test_legs_when_something_else_closes_the_position(switch: str) -> None:
    bench = bench_of(legs_when_flat=switch)
    filled(bench, sl=-60, tp=60, custom_tag="p")
    assert bench.ask(venue.PositionClose(account_id=ACCOUNT, contract_id=MES)).success
    bench.run(0.5)
    assert [row.lots for row in bench.truth().positions] == [0]
    assert set(live(bench)) == ({"SL", "TP"} if switch == "stay" else set())


def test_legs_of_a_waiting_entry_never_go() -> None:
    bench = bench_of(legs_when_flat="go")
    resting(bench, sl=-60, custom_tag="p")
    filled(bench)
    filled(bench, side=1)
    assert sorted(order.status for order in bench.truth().open_orders) == [1, 8]


def thin(tmp_path: Path, switch: str) -> Bench:
    """Prints are small, so that entries fill in parts."""
    path = tmp_path / "thin.csv"
    rows = [
        (f"2026-11-18T15:{minute}:00Z", 100_000, 100_010, 99_990, 100_000, 150)
        for minute in (34, 35, 36, 37)
    ]
    path.write_text(recording(rows))
    recorded = {"market": "recorded", "recorded_file": str(path), "recorded_root": "MNQ"}
    made = Bench(customs=with_customs(legs_open=switch), **recorded)
    made.run(1)
    return made


def partly_filled(bench: Bench, size: int) -> int:
    price = (bench.book("MNQ").bid - 2) * 0.25
    wish = {"type": 1, "limit_price": price, "size": size, "custom_tag": "p"}
    placed = bench.place(MNQ, sl=-200, tp=200, **wish).order_id
    bench.run_until(lambda: bool(bench.truth().fills))
    assert bench.truth().positions[0].lots < size
    return int(placed)


def test_legs_may_wait_for_the_whole_entry(tmp_path: Path) -> None:
    bench = thin(tmp_path, "whole")
    entry = partly_filled(bench, 20)
    assert {leg.status for tag, leg in live(bench).items() if tag in ("SL", "TP")} == {8}
    bench.run_until(lambda: bench.order(entry).status == 2)
    legs = live(bench)
    assert {tag: (leg.status, leg.size) for tag, leg in legs.items()} == {
        "SL": (1, 20),
        "TP": (1, 20),
    }
    assert legs["TP"].limit_price == bench.order(entry).filled_price + 50


def test_an_entry_that_never_fills_whole_takes_waiting_legs_along(tmp_path: Path) -> None:
    bench = thin(tmp_path, "whole")
    entry = partly_filled(bench, 45)
    assert cancel(bench, entry).success
    assert bench.truth().open_orders == ()


# -- tags, positions, hours ------------------------------------------------------------------------


def test_tags_have_a_longest_length() -> None:
    bench = bench_of(tag_length_max=10)
    assert bench.place(custom_tag="x" * 10).success
    answer = bench.place(custom_tag="y" * 11)
    assert (answer.success, answer.error_code) == (False, 2)
    assert bench.order(answer.order_id).status == 5


@pytest.mark.parametrize("switch", ["kept", "new"])
def test_the_id_of_a_position_that_turns(switch: str) -> None:
    bench = bench_of(reversal_id=switch)

    def row() -> Any:
        return bench.ask(venue.PositionSearchOpen(account_id=ACCOUNT)).positions[0]

    filled(bench, side=0)
    before = row()
    filled(bench, side=1, size=2)
    after = row()
    assert (before.type, after.type, after.size) == (1, 2, 1)
    assert (after.id == before.id) is (switch == "kept")


@pytest.mark.parametrize(
    ("switch", "text"),
    [
        ("old", "Outside of trading hours."),
        (
            "current",
            "Trading is currently unavailable. The instrument is not in an active trading status.",
        ),
    ],
)
def test_the_wording_of_hours(switch: str, text: str) -> None:
    bench = Bench(start="2026-11-18T15:20:00-06:00", customs=with_customs(hours_text=switch))
    bench.run(1)
    assert bench.place().error_message == text


# -- bars, queries ---------------------------------------------------------------------------------


def bars(bench: Bench, **wish: Any) -> Any:
    window = {"start_time": "2026-11-09T00:00:00Z", "end_time": "2026-11-30T00:00:00Z"}
    base = {"contract_id": MES, "live": False, "unit_number": 1, "limit": 5}
    return bench.ask(venue.RetrieveBars(**{**base, **window, **wish}))


@pytest.mark.parametrize(("switch", "opens"), [("session", "T23:00"), ("utc", "T00:00")])
def test_where_days_begin(switch: str, opens: str) -> None:
    bench = bench_of(day_bars=switch)
    for unit in (4, 5):
        found = bars(bench, unit=unit, include_partial_bar=True).bars
        assert {bar.t[10:16] for bar in found} == {opens}, found
    minutes = bars(bench, unit=2, limit=20_000).bars
    monday = [bar for bar in minutes if bar.t[:10] == "2026-11-16"]
    day = next(bar for bar in bars(bench, unit=4).bars if bar.t[:10] == "2026-11-16")
    if switch == "utc":
        assert day.v == sum(bar.v for bar in monday)
    else:
        assert day.v != sum(bar.v for bar in monday)


@pytest.mark.parametrize("switch", [True, False])
def test_bars_of_seconds(switch: bool) -> None:
    answer = bars(bench_of(second_bars=switch), unit=1)
    assert answer.error_code == (0 if switch else 2)


def test_pages_of_a_query() -> None:
    bench = bench_of(query_page=2, query_page_max=3)
    for _ in range(4):
        filled(bench)

    def page(size: int | None = None) -> Any:
        wish = venue.OrderQuery(filter=venue.QueryFilter(account_id=ACCOUNT), page_size=size)
        return bench.ask(wish)

    assert len(page().orders) == 2
    assert len(page(3).orders) == 3
    assert page(4).status == 400


# -- accounts that are not one's own ---------------------------------------------------------------


def strange(access: str) -> Bench:
    account = SimulatedAccount(name="SIM-50K-1", access=access)  # type: ignore[arg-type]
    made = Bench(regime="calm", accounts=(account,))
    made.run(1)
    return made


@pytest.mark.parametrize(
    ("access", "text"),
    [
        ("follower", "Follower accounts cannot cancel orders"),
        ("live", "Live accounts not supported"),
    ],
)
def test_accounts_that_follow_or_are_live_are_looked_at_only(access: str, text: str) -> None:
    bench = strange(access)
    placed = bench.place()
    assert (placed.success, placed.error_code, placed.order_id) == (False, 10, None)
    refused = cancel(bench, 1)
    assert (refused.error_code, refused.error_message) == (6, text)
    wish = {"account_id": ACCOUNT, "contract_id": MES}
    assert bench.ask(venue.ModifyOrder(account_id=ACCOUNT, order_id=1)).error_code == 6
    assert bench.ask(venue.PositionClose(**wish)).error_code == 8
    assert bench.ask(venue.PositionPartialClose(**wish, size=1)).error_code == 9
    (row,) = bench.ask(venue.AccountSearch()).accounts
    assert row.simulated is (access != "live")


def test_trades_of_a_live_account_are_not_shown() -> None:
    """Seen by one author; they are there, the interface keeps them."""
    bench = bench_of()
    filled(bench)
    again = strange("live")
    again.core.restore(bench.core.snapshot())
    asked = venue.TradeSearch(account_id=ACCOUNT)
    assert len(bench.ask(asked).trades) == 1
    assert again.ask(asked).trades == ()
    assert again.truth().fills == 1


# -- pending ---------------------------------------------------------------------------------------


def test_pending_means_that_the_order_may_live() -> None:
    bench = bench_of()
    bench.fault(FaultKind.PENDING_ANSWER, 1)
    answer = bench.place(custom_tag="p")
    assert (answer.success, answer.error_code, answer.order_id) == (False, 6, None)
    bench.run(0.5)
    assert [order.custom_tag for order in bench.truth().orders if order.status == 2] == ["p"]
    assert bench.place().success, "once"


def test_pending_changes_and_closes_are_carried_out() -> None:
    bench = bench_of()
    placed = resting(bench)
    bench.fault(FaultKind.PENDING_ANSWER, 2)
    asked = venue.ModifyOrder(account_id=ACCOUNT, order_id=placed, size=2)
    assert bench.ask(asked).error_code == 4
    bench.run(0.3)
    assert bench.order(placed).size == 2
    assert cancel(bench, placed).error_code == 4
    bench.run(0.3)
    assert bench.order(placed).status == 3
    filled(bench, size=2)
    bench.fault(FaultKind.PENDING_ANSWER, 2)
    wish = {"account_id": ACCOUNT, "contract_id": MES}
    assert bench.ask(venue.PositionPartialClose(**wish, size=1)).error_code == 7
    bench.run(0.3)
    assert bench.ask(venue.PositionClose(**wish)).error_code == 6
    bench.run(0.3)
    assert [row.lots for row in bench.truth().positions] == [0]


# -- all of them at once ---------------------------------------------------------------------------

ANY = st.fixed_dictionaries(
    {
        "leg_cancelled": st.sampled_from(["alone", "pair"]),
        "leg_size": st.sampled_from(["refused", "taken"]),
        "legs_open": st.sampled_from(["growing", "whole"]),
        "legs_when_flat": st.sampled_from(["stay", "go"]),
        "reversal_id": st.sampled_from(["kept", "new"]),
    }
)


@hypothesis_settings(max_examples=hypothesis_settings.default.max_examples // 4)
@given(ANY, st.lists(ACTS, max_size=20))
def test_books_balance_under_any_customs(switches: dict[str, str], acts: list[Any]) -> None:
    core = Simulator(settings_with(seed=4, customs=with_customs(**switches)))
    for now, word in words_of(acts):
        said = list(core.on(now, word))
    assert_books_balance(said[-1].response)  # type: ignore[attr-defined]
