"""The router as a core: what it may say, that its memory is bounded, that no restart is seen."""

from __future__ import annotations

import pytest

from services.order_router import words as w
from services.order_router.core import Router
from shared.events import (
    FlattenProgress,
    FlattenStage,
    OrderState,
    OrderUpdate,
    Purpose,
    Side,
    Started,
)
from shared.units import SECOND
from tests.support.router_bench import QUARTER, Bench, ready
from tests.support.router_venue import MNQ

S = OrderState

bench = pytest.fixture(ready)


def test_what_it_says_is_declared(bench: Bench) -> None:
    bench.enter()
    bench.quote(Side.BUY, 20_000)
    bench.run(2)
    for _, _, said in bench.tape:
        for word in said:
            assert isinstance(word, Router.publishes) or type(word) in Router.words


def test_a_snapshot_cannot_be_told_from_the_core_it_was_taken_of(bench: Bench) -> None:
    bench.enter()
    bench.run(0.5)
    twin = Router(bench.config)
    twin.restore(bench.router.snapshot())
    assert twin.snapshot() == bench.router.snapshot()
    bench.restart()
    bench.run(1)
    bench.check_agreed()


def test_memory_is_bounded(bench: Bench) -> None:
    bench.run(1)
    for n in range(700):
        quote = bench.quote(Side.BUY if n % 2 else Side.SELL, 20_000)
        bench.deliver()
        if n % 10 == 0:
            bench.pulse()
            bench.deliver()
        assert bench.updates(quote.intent_id)
        bench.said.clear()
        bench.tape.clear()
    state = bench.router.desk.state
    assert len(state.done) <= 512
    assert len(state.by_id) <= 612
    assert len(state.by_intent) <= 612


def test_a_trade_before_its_order_is_known_waits_for_it(bench: Bench) -> None:
    quote = bench.quote(Side.BUY, 20_000)
    bench.arriving.append(bench.serve(bench.requests.pop(0)))
    trades = [x for x in bench.arriving if isinstance(x, w.TradeSeen)]
    others = [x for x in bench.arriving if not isinstance(x, w.TradeSeen)]
    bench.tell(trades[0])
    assert bench.fills() == []
    for word in others:
        bench.tell(word)
    assert [fill.intent_id for fill in bench.fills()] == [quote.intent_id]
    bench.arriving.clear()
    bench.run(1)
    bench.check_agreed()


def test_what_only_other_code_decided_is_refused_again_when_that_life_is_told_again() -> None:
    """The life begins with a snapshot; whoever tells it again has that one alone."""
    bench = Bench().start().run(1)
    life, again = Router(bench.config), Router(bench.config)
    life.restore(bench.router.snapshot())
    approval = bench.approve(Purpose.ENTRY, Side.BUY)
    assert any(isinstance(word, w.PlaceOrder) for word in life.on(bench.now_ns, approval))
    life.recall(bench.now_ns, bench.status())  # all that is on record as the answer
    again.restore(life.snapshot())
    started = Started(epoch=1_700_000_002, fresh=False, changed=True)
    said = list(life.on(bench.now_ns, started))
    refused = [e for e in said if isinstance(e, OrderUpdate) and e.state is S.REFUSED]
    assert [update.intent_id for update in refused] == [approval.intent_id]
    assert list(again.on(bench.now_ns, started)) == said
    assert again.snapshot() == life.snapshot()


def test_progress_of_time_alone_says_little(bench: Bench) -> None:
    bench.run(5)
    quiet = [said for _, _, said in bench.tape[-4:]]
    assert sum(len(said) for said in quiet) <= 4
    assert QUARTER * 4 == SECOND


def test_stuck_is_said_when_it_takes_long(bench: Bench) -> None:
    bench.venue.human(MNQ, 1)
    bench.run(0.5)
    bench.venue.refuse_closes = 10_000
    bench.venue.refuse = ["paused"] * 1_000
    bench.tell(w.FlattenRequested(request_id="r1", cause="test", who="me"))
    bench.run(40)
    stages = {e.stage for e in bench.said if isinstance(e, FlattenProgress)}
    assert FlattenStage.STUCK in stages
