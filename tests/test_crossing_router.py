"""A crossing carried out by the router: both halves in one step, nothing at the venue."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared.domain.sharing import VIRTUAL
from shared.events import (
    Cross,
    FlattenStage,
    OrderApproved,
    OrderState,
    PositionUpdate,
    Purpose,
    Scope,
    Side,
)
from shared.units import SECOND
from tests.governor_stage import MNQ
from tests.router_stage import flatten, stages
from tests.sharing_stage import A, B, enter, fills, shares, stops
from tests.support.router_bench import Bench, ready

bench = pytest.fixture(ready)


def crossing(bench: Bench, size: int = 2, price: int = 80_005, **fields: Any) -> OrderApproved:
    """The word of A's exit to B, not told yet."""
    bench.n += 1
    number = bench.n
    entry = Cross(
        price=price, intent_id=f"{B}.77.{number}", sleeve=B, incarnation=77,
        tag=f"t1.{B}.25.{number}.1", stop_loss_ticks=25,
    )  # fmt: skip
    return bench.approve(
        Purpose.EXIT, Side.SELL, size, sleeve=A, shared=True, cross=entry, **fields
    )


def halves(bench: Bench, exit_: OrderApproved) -> list[list[OrderState]]:
    assert exit_.cross is not None
    ids = (exit_.intent_id, exit_.cross.intent_id)
    return [[update.state for update in bench.updates(one)] for one in ids]


DONE = [[OrderState.SENT, OrderState.FILLED]] * 2


def test_both_halves_are_filled_in_one_step_and_the_venue_hears_nothing(bench: Bench) -> None:
    enter(bench, A, Side.BUY, 2)
    tags, cost = list(bench.venue.tag_attempts), bench.router.desk.book(MNQ).position.cost
    bench.said.clear()
    exit_ = crossing(bench)
    bench.tell(exit_)
    assert halves(bench, exit_) == DONE
    assert fills(bench.said) == [(A, -2, 0), (B, 2, 0)]
    told = [one for one in bench.said if isinstance(one, PositionUpdate)]
    assert [(one.position, one.protected, one.cost) for one in told] == [(2, 2, cost)]
    bench.run(1)
    assert shares(bench) == {B: 2}
    assert bench.venue.tag_attempts == tags
    assert stops(bench) == [(-1, 2, 80_005 - 25)], "its size is as it was, its place the newcomer's"


def test_a_word_said_twice_is_carried_out_once(bench: Bench) -> None:
    enter(bench, A, Side.BUY, 2)
    exit_ = crossing(bench)
    for _ in range(3):
        bench.tell(exit_)
    assert shares(bench) == {B: 2}
    assert halves(bench, exit_) == DONE


def test_the_entrys_own_word_moves_nothing(bench: Bench) -> None:
    enter(bench, A, Side.BUY, 2)
    exit_ = crossing(bench)
    assert exit_.cross is not None
    own = msgspec.structs.replace(
        exit_, intent_id=exit_.cross.intent_id, sleeve=B, tag=exit_.cross.tag, side=Side.BUY,
        purpose=Purpose.ENTRY,
    )  # fmt: skip
    bench.tell(own)
    assert halves(bench, exit_) == [[], []]
    bench.tell(exit_)
    bench.tell(own)
    assert halves(bench, exit_) == DONE
    assert shares(bench) == {B: 2}


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("changed", [True, False])
def test_killed_around_the_word_leaves_both_halves(
    bench: Bench, before: bool, changed: bool
) -> None:
    enter(bench, A, Side.BUY, 2)
    exit_ = crossing(bench)
    if before:
        bench.restart(changed=changed)
        bench.run(2)
        exit_ = msgspec.structs.replace(exit_, deadline_real_ns=bench.real_ns + SECOND)
    bench.tell(exit_)
    if not before:
        bench.restart(changed=changed)
    bench.run(2)
    bench.tell(exit_)
    assert halves(bench, exit_) == DONE
    assert shares(bench) == {B: 2}
    assert len([one for one in bench.fills() if one.trade_id <= -VIRTUAL]) == 2


def test_recorded_halves_that_this_code_would_not_say_are_taken_over(bench: Bench) -> None:
    enter(bench, A, Side.BUY, 2)
    before = bench.router.snapshot()
    bench.said.clear()
    bench.tell(crossing(bench))
    bench.router.restore(before)
    for word in bench.said:
        bench.router.recall(bench.venue.now_ns, word)
    assert shares(bench) == {B: 2}
    assert bench.lots() == 2


def test_what_cannot_be_crossed_is_an_exit_like_any_other(bench: Bench) -> None:
    enter(bench, A, Side.BUY, 1)
    exit_ = crossing(bench, size=2)
    bench.tell(exit_)
    bench.run(1)
    assert halves(bench, exit_)[1] == [OrderState.REFUSED]
    assert halves(bench, exit_)[0][-1] is OrderState.FILLED
    assert shares(bench) == {}
    assert bench.fills()[-1].fee > 0, "at the venue"


def test_a_void_word_refuses_both(bench: Bench) -> None:
    enter(bench, A, Side.BUY, 2)
    exit_ = crossing(bench, deadline_real_ns=1)
    bench.tell(exit_)
    assert halves(bench, exit_) == [[OrderState.REFUSED]] * 2
    assert shares(bench) == {A: 2}


def test_a_flatten_of_the_newcomer_lets_the_exit_go_alone(bench: Bench) -> None:
    enter(bench, A, Side.BUY, 2)
    enter(bench, B, Side.BUY, 1)
    flatten(bench, Scope.SLEEVE, sleeve=B)
    exit_ = crossing(bench)
    bench.tell(exit_)
    assert halves(bench, exit_)[1] == [OrderState.REFUSED]
    bench.run(4)
    assert shares(bench) == {}
    assert stages(bench)[-1] == FlattenStage.FLAT.value


def test_a_later_stop_ends_who_took_over(bench: Bench) -> None:
    enter(bench, A, Side.BUY, 2)
    bench.tell(crossing(bench))
    bench.run(1)
    bench.said.clear()
    bench.venue.move(MNQ, 79_960)
    bench.run(1)
    assert [(owner, lots) for owner, lots, _ in fills(bench.said)] == [(B, -2)]
    assert shares(bench) == {}
