"""The venue counts a user's requests, not a process's: a router that is killed in a busy minute
still owes them. Found by a World of busy sleeves whose router began the minute anew and had sent
more than the 200 requests the venue takes; what it refuses then may be a stop.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from services.order_router import spent
from services.order_router import words as w
from services.order_router.memory import State
from services.stage_checks import Checks
from services.stage_client import MINUTE_MAX, Line
from services.stage_play import play
from shared.events import Side
from shared.lab.accidents import Accidents
from shared.units import SECOND
from shared.venue.outcome import Reserve
from shared.venue.quota import WINDOW, Quota
from tests.support.router_bench import Bench
from tests.test_router_port import PortHost, StageHost, a_place, placed, run

POT = 60 + 24 + 90
DONE = w.CancelAnswer(order_id=1, outcome=w.Outcome.DONE, text="")
STAYED = w.CancelAnswer(order_id=1, outcome=w.Outcome.NOT_SENT, text="")


def total(state: State, now_ns: int) -> int:
    return sum(count for _, count in spent.ages(state, now_ns))


@pytest.mark.parametrize(
    ("answer", "cost"),
    [
        (DONE, 1),
        (STAYED, 0),
        (w.CloseAnswer(close_id=1, contract="c", outcome=w.Outcome.UNKNOWN, text=""), 1),
        (w.Unread(read_id=1, reason="timeout"), spent.READ),
        (w.Unread(read_id=1, reason="request budget", left=False), 0),
        (w.Unread(read_id=1, reason="request budget", held=()), 1),
    ],
)
def test_what_left_is_counted_and_what_stayed_is_not(answer: w.Word, cost: int) -> None:
    state = State()
    spent.note(state, SECOND, answer)
    assert total(state, SECOND) == cost


def test_a_minute_later_nothing_is_owed_and_memory_never_grows() -> None:
    state = State()
    for second in range(1000):
        for _ in range(10):
            spent.note(state, second * SECOND, DONE)
    assert len(state.spent) <= WINDOW // spent.GRAIN_NS + 2
    assert total(state, 1000 * SECOND) >= 590
    assert total(state, 1062 * SECOND) == 0


def test_a_killed_router_tells_its_port_what_the_venue_still_counts() -> None:
    bench = Bench().start()
    bench.run(2)
    bench.quote(Side.BUY, 20_000, 1)
    bench.run(1)
    owed = total(bench.router.desk.state, bench.now_ns)
    assert owed > spent.READ
    bench.restart()
    told = [word for _, _, said in bench.tape for word in said if isinstance(word, w.KnowSpent)]
    assert [sum(count for _, count in word.spent) for word in told] == [owed]


def test_a_budget_that_was_told_keeps_the_promise_of_the_minute() -> None:
    quota = Quota()
    quota.take(Reserve.RECONCILE, 100 * SECOND)
    quota.recall([(50 * SECOND, 100), (10 * SECOND, 30)], 100 * SECOND)
    assert quota.left(Reserve.SAFETY, 100 * SECOND) == POT - 131
    assert quota.left(Reserve.TRADING, 100 * SECOND) == 0
    assert quota.left(Reserve.SAFETY, 110 * SECOND) == POT - 31
    assert quota.left(Reserve.SAFETY, 160 * SECOND) == POT


def test_in_a_rehearsal_at_ten_times_the_speed_ages_shrink_too() -> None:
    quota = Quota(pace=10.0)
    quota.recall([(30 * SECOND, 5)], 100 * SECOND)
    assert quota.left(Reserve.SAFETY, 102 * SECOND) == POT - 5
    assert quota.left(Reserve.SAFETY, 103 * SECOND) == POT


def test_the_port_sends_no_order_that_the_last_life_has_paid_for(tmp_path: Path) -> None:
    async def story(venue: StageHost, host: PortHost) -> None:
        host.port.handle(w.KnowSpent(spent=((0, POT),)))
        host.port.handle(a_place())
        answer = await host.first(w.PlaceAnswer)
        assert answer.outcome is w.Outcome.NOT_SENT
        assert not placed(venue)

    run(story, tmp_path)


def test_the_world_whose_router_is_killed_in_its_busiest_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    most = 0
    asked = Line._beyond_the_minute

    def watched(line: Line) -> bool:
        nonlocal most
        beyond = asked(line)
        most = max(most, len(line.minute))
        assert not beyond, "the venue refuses for the minute's sake"
        return beyond

    monkeypatch.setattr(Line, "_beyond_the_minute", watched)
    seed = 5_000_087
    play(seed, Accidents.swarm(seed), checks=Checks())
    assert 150 < most < MINUTE_MAX
