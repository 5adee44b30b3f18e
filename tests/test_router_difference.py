"""A difference between books and venue: when it is believed, and a person's three choices."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from services.order_router import words as w
from shared.events import Choice, DifferenceChoice, Fill, OrderState, Purpose, Side, VenueState
from shared.units import SECOND
from tests.support.router_bench import Bench
from tests.support.router_venue import ACCOUNT, M2K, MNQ


def differing(lots: int = 1) -> Bench:
    """The venue holds `lots` of MNQ that no trade explains; not noticed yet."""
    bench = Bench().start().run(1)
    bench.venue.lots[MNQ] = bench.venue.lots.get(MNQ, 0) + lots
    return bench


def quarantined(lots: int = 1) -> Bench:
    bench = differing(lots).run(16)
    assert bench.status().state is VenueState.QUARANTINE
    return bench


def choose(bench: Bench, choice: Choice, difference: str | None = None) -> None:
    shown = bench.status().reason if difference is None else difference
    bench.tell(
        DifferenceChoice(choice=choice, difference=shown, by="anna", cause="seen", wait_s=600)
    )


def inherited() -> Bench:
    """A fresh start that finds two lots of M2K."""
    bench = Bench()
    bench.venue.lots[M2K] = 2
    return bench.start().run(2)


# -- believing -------------------------------------------------------------------------------------


def test_a_busy_sleeve_elsewhere_hides_no_difference() -> None:
    """Quotes come and fill in another contract all the time; that says nothing about this one."""
    bench = differing()
    for number in range(20):
        bench.quote(Side.BUY if number % 2 else Side.SELL, 20_000)
        bench.run(0.75)
    assert bench.status().state is VenueState.QUARANTINE
    assert MNQ in bench.status().reason


def test_a_difference_that_changes_begins_the_count_anew() -> None:
    bench = differing()
    bench.pulse(40)
    for lots in range(1, 9):
        bench.venue.lots[MNQ] = lots
        bench.run(1.0)
    assert bench.status().state is VenueState.READY
    bench.run(4)
    assert bench.status().state is VenueState.QUARANTINE


def test_three_reads_in_one_breath_are_one() -> None:
    """A flatten reads four times a second; a trade that is late by less than two is no
    difference."""
    bench = differing()
    while not bench.router.desk.state.difference:
        bench.run(0.25)
    for _ in range(5):
        bench.router.desk.state.read_due_ns = 0
        bench.run(0.25)
    assert bench.status().state is VenueState.READY


# -- choosing --------------------------------------------------------------------------------------


def test_adopt_takes_the_venues_position_over_visibly_and_trading_goes_on() -> None:
    bench = quarantined()
    choose(bench, Choice.ADOPT)
    bench.run(2)
    assert bench.status().state is VenueState.READY
    (fill,) = bench.fills()
    assert (fill.sleeve, fill.side, fill.size, fill.price) == ("", Side.BUY, 1, 80_000)
    assert fill.tag.startswith("correction.")
    assert fill.purpose is Purpose.HUMAN
    assert bench.reconciled().difference == ""
    bench.check_agreed()
    bench.run(90)
    assert bench.venue.lots[MNQ] == 1, "nobody flattens what a person has taken over"
    approval = bench.quote(Side.BUY, 19_990)
    bench.run(0.5)
    assert bench.state(approval.intent_id) is OrderState.WORKING


def test_adopt_takes_from_the_sleeve_what_the_venue_does_not_hold() -> None:
    bench = Bench().start().run(1)
    bench.enter()
    bench.run(1)
    bench.venue.lots[MNQ] = 0
    bench.run(16)
    choose(bench, Choice.ADOPT)
    bench.run(2)
    assert bench.lots() == 0
    assert bench.fills()[-1].sleeve == "trend"
    assert bench.status().state is VenueState.READY
    assert not bench.resting(), "legs without a position went too"


def test_adopt_leaves_a_contract_that_moved_since_it_was_read() -> None:
    bench = quarantined()
    bench.tell(w.PositionSeen(row=replace(bench.venue._position(MNQ), lots=5)))
    choose(bench, Choice.ADOPT)
    assert bench.lots() == 0
    assert bench.status().state is VenueState.QUARANTINE


@pytest.mark.parametrize("choice", list(Choice))
def test_a_choice_about_another_difference_does_nothing(choice: Choice) -> None:
    bench = quarantined()
    choose(bench, choice, f"{MNQ}: books +0, venue +7")
    bench.run(75)
    assert bench.venue.lots[MNQ] == 0, "flattened by itself after a minute"
    assert bench.fills()[0].purpose is Purpose.FLATTEN, "and taken over only then"


def test_a_choice_without_a_quarantine_does_nothing() -> None:
    bench = Bench().start().run(1)
    choose(bench, Choice.ADOPT, "")
    bench.run(2)
    assert not bench.fills()


def test_wait_holds_the_flatten_off_and_ends() -> None:
    bench = quarantined()
    choose(bench, Choice.WAIT)
    bench.run(500)
    assert bench.venue.lots[MNQ] == 1
    assert bench.status().state is VenueState.QUARANTINE, "entries stay blocked"
    bench.run(120)
    assert bench.venue.lots[MNQ] == 0, "nobody came back to it"


def test_what_was_found_at_a_fresh_start_can_be_adopted() -> None:
    """Everybody else is told of it by a Fill only then: the books of all are the venue's."""
    bench = inherited()
    assert "M2K" in bench.status().reason
    assert not bench.fills()
    choose(bench, Choice.ADOPT)
    bench.run(1)
    (fill,) = bench.fills()
    assert (fill.sleeve, fill.contract, fill.side, fill.size) == ("", M2K, Side.BUY, 2)
    assert bench.status().state is VenueState.READY
    bench.check_agreed()


def test_adoption_survives_restarts_under_the_same_and_under_other_code() -> None:
    for changed in (False, True):
        for bench in (quarantined(), inherited()):
            choose(bench, Choice.ADOPT)
            held = dict(bench.venue.lots)
            bench.restart(changed=changed)
            bench.run(12)
            assert {c: bench.lots(c) for c in held} == held
            assert bench.status().state is VenueState.READY
            assert len([e for e in bench.said if isinstance(e, Fill)]) == 1


# -- protection after a leg went -------------------------------------------------------------------


def test_a_stop_that_the_venue_drops_with_our_exit_is_replaced_at_once() -> None:
    """Some say that a partial exit takes the whole bracket along: then nobody waits for legs."""
    bench = Bench().start().run(1)
    bench.enter(size=2)
    bench.run(1)
    bench.exit(Side.SELL, 1)
    bench.deliver()
    for row in bench.resting():
        bench.venue.cancel(w.CancelOrder(order_id=row.order_id))
    bench.deliver()
    stops = [row for row in bench.resting() if row.stop_price is not None]
    assert [(row.size, row.account_id) for row in stops] == [(1, ACCOUNT)]
    assert "-SL" not in (stops[0].tag or "")


def test_a_stop_that_went_by_itself_is_replaced_after_its_siblings_moment() -> None:
    bench = Bench().start().run(1)
    bench.enter()
    bench.run(1)
    since = bench.real_ns
    for row in bench.resting():
        bench.venue.cancel(w.CancelOrder(order_id=row.order_id))
    bench.deliver()
    assert not bench.resting(), "it may have been its sibling's fill"
    while not bench.resting():
        bench.run(0.25)
    assert bench.real_ns - since <= SECOND
