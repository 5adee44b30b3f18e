"""Our computer's clock is set wrong, by minutes: what the router asks the venue for, and what it
takes for absent, go by the venue's own stamps. Found by a World whose second trade was never read.
"""

from __future__ import annotations

import pytest

from shared.events import ClockJump, OrderState, Side
from shared.units import MINUTE
from tests.support.router_bench import Bench
from tests.support.router_venue import MNQ

WRONG = pytest.mark.parametrize("wrong_ns", [10 * MINUTE, -10 * MINUTE, 600 * MINUTE])


def set_clock(bench: Bench, ahead_ns: int) -> None:
    """To so much before the venue's; a clock that is set back stands still until it is there."""
    moved_ns, bench.ahead_ns = ahead_ns - bench.ahead_ns, ahead_ns
    bench.now_ns += moved_ns
    bench.tell(ClockJump(slept_ns=moved_ns))


def lose_everything(bench: Bench) -> None:
    """The venue does what is on its way to it; neither its answers nor its events reach us."""
    requests, bench.requests[:] = bench.requests[:], []
    for request in requests:
        bench.serve(request)
    bench.arriving.clear()
    for request in requests:
        bench.arriving.append(bench.lost(request))


@WRONG
def test_an_exit_of_unknown_outcome_is_found_whatever_our_clock_says(wrong_ns: int) -> None:
    """Taken for absent it would be asked for again, and the second one opens the other side."""
    bench = Bench().start().run(1)
    bench.enter(size=2)
    bench.run(1)
    set_clock(bench, wrong_ns)
    leaves = bench.exit(Side.SELL, 2)
    lose_everything(bench)
    bench.run(25)
    assert bench.state(leaves.intent_id) is OrderState.FILLED
    assert bench.lots(MNQ) == bench.venue.lots[MNQ] == 0
    bench.check_agreed()


@WRONG
def test_a_fill_that_was_not_heard_is_read_whatever_our_clock_says(wrong_ns: int) -> None:
    bench = Bench()
    bench.ahead_ns, bench.now_ns = wrong_ns, bench.now_ns + wrong_ns
    bench.start().run(1)
    bench.enter()
    lose_everything(bench)
    bench.run(5)
    assert bench.lots(MNQ) == bench.venue.lots[MNQ] == 1
    bench.check_agreed()


@WRONG
def test_a_clock_set_right_again_leaves_nothing_unread(wrong_ns: int) -> None:
    bench = Bench().start().run(1)
    bench.enter()
    bench.run(1)
    set_clock(bench, wrong_ns)
    bench.run(15)
    set_clock(bench, 0)
    bench.exit(Side.SELL)
    lose_everything(bench)
    bench.run(25)
    assert bench.lots(MNQ) == bench.venue.lots[MNQ] == 0
    bench.check_agreed()


def test_what_the_venue_stamps_in_the_far_future_is_not_believed_beyond_our_clock() -> None:
    bench = Bench().start().run(1)
    bench.enter()
    bench.venue.now_ns += 600 * MINUTE
    bench.run(1)
    state = bench.router.desk.state
    assert state.venue_ns > bench.now_ns
    assert bench.router.desk.passed_ns() == bench.now_ns
    assert state.trades_read_ns <= bench.now_ns
