"""Reconciliation: unknown orders, lost events, strangers, differences, fresh starts."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from services.order_router import tags
from services.order_router import words as w
from shared.events import (
    Fill,
    Flatten,
    OrderState,
    OrderType,
    PeerSilent,
    Purpose,
    Reconciled,
    Scope,
    Side,
    VenueState,
)
from shared.venue.codes import VenueOrderStatus as Status
from tests.support.router_bench import Bench, ready
from tests.support.router_venue import ACCOUNT, M2K, MNQ

S = OrderState

bench = pytest.fixture(ready)


def lose_answer(bench: Bench, *, arrives: bool) -> None:
    """The next request reaches the venue or not; nobody is told."""
    request = bench.requests.pop(0)
    if arrives:
        bench.serve(request)
    bench.arriving.clear()
    bench.tell(bench.lost(request))


# -- the unknown ---------------------------------------------------------------------------------


def test_a_lost_answer_is_not_a_rejection(bench: Bench) -> None:
    quote = bench.quote(Side.BUY, 19_990)
    lose_answer(bench, arrives=True)
    assert bench.state(quote.intent_id) is S.UNKNOWN
    assert bench.status().unknown_orders == 1
    bench.run(2)
    assert bench.state(quote.intent_id) is S.WORKING, "found by its tag"
    assert len(bench.venue.tag_attempts) == 1
    bench.check_agreed()


def test_absence_needs_two_reads_far_enough_apart(bench: Bench) -> None:
    quote = bench.quote(Side.BUY, 19_990)
    lose_answer(bench, arrives=False)
    bench.run(9)
    assert bench.state(quote.intent_id) is S.UNKNOWN
    bench.run(6)
    assert bench.state(quote.intent_id) is S.ABSENT
    bench.check_agreed()


def test_a_late_apparition_is_cancelled_at_once(bench: Bench) -> None:
    quote = bench.quote(Side.BUY, 19_990)
    request = bench.requests.pop(0)
    bench.tell(bench.lost(request))
    bench.run(15)
    assert bench.state(quote.intent_id) is S.ABSENT
    bench.venue.place(request)  # the venue had it in a queue all the time
    bench.run(1)
    assert bench.state(quote.intent_id) is S.CANCELLED
    bench.check_agreed()


def test_a_late_apparition_that_filled_is_protected_like_any_position(bench: Bench) -> None:
    bench.quote(Side.BUY, 20_000)
    request = bench.requests.pop(0)
    bench.tell(bench.lost(request))
    bench.run(15)
    bench.venue.place(request)
    bench.run(1)
    assert bench.lots(M2K) == 1
    assert any(o.type is OrderType.STOP for o in bench.resting(M2K))
    bench.check_agreed()


def test_after_a_restart_what_had_no_answer_is_unknown_and_never_sent_again(bench: Bench) -> None:
    quote = bench.quote(Side.BUY, 19_990)
    bench.restart(unsent=False)
    assert bench.state(quote.intent_id) is S.UNKNOWN
    bench.run(2)
    assert bench.state(quote.intent_id) is S.WORKING
    assert len(bench.venue.tag_attempts) == 1
    bench.check_agreed()


def test_a_lost_cancel_is_repeated_only_after_a_read_shows_the_order(bench: Bench) -> None:
    quote = bench.quote(Side.BUY, 19_990)
    bench.run(0.5)
    bench.halt_no += 1
    bench.tell(Flatten(halt_no=2, scope=Scope.ACCOUNT, cause="x"))
    cancels = [r for r in bench.requests if isinstance(r, w.CancelOrder)]
    bench.requests.remove(cancels[0])
    bench.tell(bench.lost(cancels[0]))
    assert not any(isinstance(r, w.CancelOrder) for r in bench.requests)
    bench.run(3)
    assert bench.state(quote.intent_id) is S.CANCELLED
    bench.check_agreed()


def test_a_refused_cancel_is_repeated_only_after_a_read_shows_the_order(bench: Bench) -> None:
    quote = bench.quote(Side.BUY, 19_990)
    bench.run(0.5)
    bench.venue.refuse_cancels = 2
    bench.tell(PeerSilent(actor="risk_governor"))
    bench.deliver()
    assert bench.state(quote.intent_id) is S.WORKING
    assert bench.venue.refuse_cancels == 1, "not in the same breath"
    bench.run(5)
    assert bench.state(quote.intent_id) is S.CANCELLED
    bench.check_agreed()


# -- lost events ---------------------------------------------------------------------------------


def test_an_order_that_vanished_silently_is_found_in_the_history(bench: Bench) -> None:
    quote = bench.quote(Side.BUY, 19_990)
    bench.run(0.5)
    bench.venue.cancel(w.CancelOrder(order_id=bench.venue.tags[quote.tag]))
    bench.arriving.clear()
    bench.run(11)
    assert bench.state(quote.intent_id) is S.CANCELLED
    bench.check_agreed()


def test_a_fill_nobody_told_is_found_and_protected(bench: Bench) -> None:
    quote = bench.quote(Side.BUY, 19_990)
    bench.run(0.5)
    bench.venue.move(M2K, 19_990)
    bench.arriving.clear()
    bench.run(11)
    assert bench.state(quote.intent_id) is S.FILLED
    assert bench.lots(M2K) == 1
    assert any(o.type is OrderType.STOP for o in bench.resting(M2K))
    bench.check_agreed()


def test_a_trade_that_does_not_come_is_asked_for(bench: Bench) -> None:
    bench.quote(Side.BUY, 20_000)
    bench.arriving.append(bench.serve(bench.requests.pop(0)))
    bench.arriving[:] = [x for x in bench.arriving if not isinstance(x, w.TradeSeen)]
    bench.run(2)
    assert bench.lots(M2K) == 1
    bench.check_agreed()


def test_hub_events_twice_and_backwards_change_nothing(bench: Bench) -> None:
    bench.enter()
    request = bench.requests.pop(0)
    answer = bench.serve(request)
    events = list(bench.arriving)
    bench.arriving.clear()
    for word in (*reversed(events), answer, *events, *events):
        bench.tell(word)
    bench.run(1)
    assert len(bench.fills()) == 1
    bench.check_agreed()


def test_garbage_of_another_account_is_not_ours(bench: Bench) -> None:
    bench.venue.human(M2K, 1)
    strange = [_of_account(word, ACCOUNT + 1) for word in bench.arriving]
    bench.arriving.clear()
    bench.venue.lots.clear()
    bench.venue.trades.clear()
    for word in strange:
        bench.tell(word)
    assert bench.fills() == []
    assert bench.lots(M2K) == 0


def _of_account(word, account_id):  # type: ignore[no-untyped-def]
    from msgspec.structs import replace

    return replace(word, row=replace(word.row, account_id=account_id))


# -- strangers and fresh starts ------------------------------------------------------------------


def test_an_order_with_our_prefix_that_no_journal_knows_is_adopted_and_cancelled() -> None:
    bench = Bench()
    tag = tags.make("trend", 99, 7)
    bench.venue.place(
        w.PlaceOrder(
            tag=tag,
            contract=MNQ,
            side=Side.BUY,
            size=1,
            type=OrderType.LIMIT,
            limit_price=79_000,
        )
    )
    bench.arriving.clear()
    bench.start().run(2)
    update = bench.updates("trend.99.7")[0]
    assert (update.sleeve, update.tag) == ("trend", tag)
    assert bench.state("trend.99.7") is S.CANCELLED
    bench.check_agreed()


def test_positions_found_at_a_fresh_start_are_taken_for_made_by_hand_and_said() -> None:
    bench = Bench()
    bench.venue.human(MNQ, 2)
    bench.arriving.clear()
    bench.start().run(2)
    assert bench.lots() == 2
    assert bench.fills() == [], "nobody's fill"
    assert "inherited" in bench.reconciled().difference
    assert f"{MNQ} +2" in bench.reconciled().difference
    assert bench.status().state is VenueState.QUARANTINE
    refused = bench.enter(contract=M2K)
    assert bench.state(refused.intent_id) is S.REFUSED
    bench.run(70)
    assert bench.venue.lots[MNQ] == 2, "left until somebody says so"
    bench.halt_no += 1
    bench.tell(Flatten(halt_no=bench.halt_no, scope=Scope.ACCOUNT, cause="by hand"))
    bench.run(12)
    assert bench.venue.lots[MNQ] == 0
    assert bench.reconciled().difference == ""
    assert bench.status().state is VenueState.READY


def test_a_position_moving_while_the_base_is_taken_is_read_again() -> None:
    bench = Bench().start()
    read = next(r for r in bench.requests if isinstance(r, w.ReadBooks))
    bench.requests.remove(read)
    books = bench.venue.books(read)
    bench.venue.human(MNQ, 1)
    bench.tell(bench.arriving.pop())
    bench.tell(books)
    assert not bench.router.desk.state.based
    bench.run(2)
    assert bench.lots() == 1


def test_unexpected_legs_are_adopted_by_their_parent(bench: Bench) -> None:
    """The user's own default brackets attach to an entry that brought none."""
    entry = bench.enter(stop_loss_ticks=None, take_profit_ticks=None)
    bench.arriving.append(bench.serve(bench.requests.pop(0)))
    parent = bench.venue.orders[bench.venue.tags[entry.tag]]
    row = bench.venue._new(
        contract=MNQ,
        side=Side.SELL,
        size=1,
        type=OrderType.STOP,
        status=Status.OPEN,
        stop_price=79_900,
        parent_id=parent.order_id,
    )
    bench.venue._show(row)
    bench.run(1)
    leg = bench.updates(f"{entry.intent_id}-SL")[-1]
    assert (leg.purpose, leg.sleeve) == (Purpose.STOP_LOSS, "trend")
    bench.check_agreed()


def test_tags_describe_themselves() -> None:
    tag = tags.parse("t1.trend.zz.12.0-SL")
    assert tag is not None
    assert (tag.sleeve, tag.intent_id, tag.leg) == ("trend", f"trend.{35 * 36 + 35}.12-SL", "SL")
    assert tag.entry == "t1.trend.zz.12.0"
    for garbage in ("", "x1.trend.1.1.0", "t1.trend.1.1", "t1..1.1.0", "t1.a.?.1.0", "t1.a.1.x.0"):
        assert tags.parse(garbage) is None
    for number in (0, 35, 36, 1_795_000_000):
        assert int(tags.base36(number), 36) == number


# -- differences ---------------------------------------------------------------------------------


def differ(bench: Bench, lots: int) -> None:
    """The venue holds something no trade explains."""
    bench.venue.lots[MNQ] = bench.venue.lots.get(MNQ, 0) + lots


def test_a_difference_is_believed_only_when_it_stays(bench: Bench) -> None:
    differ(bench, 1)
    bench.run(10.5)
    assert bench.status().state is VenueState.READY, "one read proves nothing"
    bench.run(4)
    status = bench.status()
    assert status.state is VenueState.QUARANTINE
    assert f"{MNQ}: books +0, venue +1" in status.reason
    assert bench.reconciled().difference == status.reason
    bench.enter()
    assert bench.state("trend.77.1") is S.REFUSED


def test_a_user_event_between_the_reads_begins_the_count_anew(bench: Bench) -> None:
    differ(bench, 1)
    bench.run(10.5)
    for number in range(8):
        row = replace(bench.venue._position(MNQ), lots=number % 2)
        bench.tell(w.PositionSeen(row=row))
        bench.run(0.75)
    assert bench.status().state is VenueState.READY


def test_a_difference_that_goes_away_ends_the_quarantine(bench: Bench) -> None:
    differ(bench, 1)
    bench.run(16)
    assert bench.status().state is VenueState.QUARANTINE
    differ(bench, -1)
    bench.run(2)
    assert bench.status().state is VenueState.READY
    assert bench.reconciled().difference == ""


def test_agreement_is_never_said_while_a_difference_is_looked_at(bench: Bench) -> None:
    differ(bench, 1)
    bench.run(16)
    said = [e for e in bench.said if isinstance(e, Reconciled)]
    for event in said[-2:]:
        assert event.difference or not event.positions


def test_left_alone_for_a_minute_a_quarantine_ends_flat(bench: Bench) -> None:
    bench.enter()
    bench.run(1)
    differ(bench, 1)
    bench.run(90)
    assert bench.venue.lots[MNQ] == 0
    assert bench.lots() == 0
    assert bench.status().state is VenueState.READY


def test_a_position_only_our_books_have_is_corrected_in_the_open(bench: Bench) -> None:
    bench.enter()
    bench.run(1)
    bench.venue.lots[MNQ] = 0
    for row in bench.resting():
        bench.venue.cancel(w.CancelOrder(order_id=row.order_id))
    bench.run(90)
    assert bench.lots() == 0
    correction = [e for e in bench.said if isinstance(e, Fill)][-1]
    assert correction.tag.startswith("correction.")
    assert (correction.sleeve, correction.side, correction.size) == ("trend", Side.SELL, 1)
    assert bench.status().state is VenueState.READY


def test_a_read_that_fails_proves_nothing_and_is_repeated(bench: Bench) -> None:
    bench.pulse(40)
    read = next(r for r in bench.requests if isinstance(r, w.ReadBooks))
    bench.requests.clear()
    bench.tell(w.Unread(read_id=read.read_id, reason="HTTP 502"))
    bench.pulse(6)
    assert any(isinstance(r, w.ReadBooks) for r in bench.requests)


def test_an_answer_to_a_read_of_an_earlier_life_is_ignored(bench: Bench) -> None:
    before = bench.router.desk.state.read
    bench.tell(bench.venue.books(w.ReadBooks(read_id=999, trades_since_ns=0)))
    assert bench.router.desk.state.read == before
