"""Under other code the router remembers by the words it said, within its share of requests."""

from __future__ import annotations

import pytest

from services.order_router import words as w
from shared.events import Fill, OrderState, Side, VenueState, VenueStatus
from shared.units import SECOND
from tests.support.router_bench import Bench, Storm, ready
from tests.support.router_venue import M2K, MNQ

bench = pytest.fixture(ready)


@pytest.mark.parametrize("seed", range(8))
def test_other_code_remembers_by_our_words(seed: int) -> None:
    from tests.test_router_storms import trade_a_bit

    bench = Bench().start().run(1)
    storm = Storm(bench, seed, kills=0.0)
    for _ in range(150):
        trade_a_bit(bench, storm)
        storm.step()
    fills, lots = len(bench.fills()), {c: bench.lots(c) for c in (MNQ, M2K)}
    bench.restart(changed=True, unsent=False)
    assert {c: bench.lots(c) for c in (MNQ, M2K)} == lots
    assert len(bench.fills()) == fills, "nothing is counted again"
    bench.run(30)
    bench.check_agreed()


def test_reads_stay_within_their_share_of_the_budget(bench: Bench) -> None:
    """Four requests every third time, three otherwise; 24 a minute are reconciliation's."""
    before = len(bench.tape)
    bench.run(60)
    reads = [
        word for _, _, said in bench.tape[before:] for word in said if isinstance(word, w.ReadBooks)
    ]
    assert sum(3 + read.account for read in reads) <= 24
    assert 5 <= len(reads) <= 7
    assert not any(read.urgent for read in reads)
    assert bench.real_ns > 60 * SECOND


@pytest.mark.parametrize("recorded", [True, False])
def test_other_code_says_what_the_last_one_counted_and_died_before_saying(
    bench: Bench, recorded: bool
) -> None:
    """The trade was heard and is on record, the Fill is not: nobody else would ever book it. Found
    by a World that kills while words are written and restarts under changed code.
    """
    bench.quote(Side.BUY, 20_000, 1)
    while not any(isinstance(event, Fill) for event in bench.said):
        if bench.requests:
            bench.arriving.append(bench.serve(bench.requests.pop(0)))
        bench.tell(bench.arriving.pop(0))
    now_ns, event, said = bench.tape[-1]
    assert any(isinstance(word, Fill) for word in said)
    bench.tape[-1] = (now_ns, event, said if recorded else [])
    before = len(bench.said)
    bench.restart(changed=True)
    again = [event for event in bench.said[before:] if isinstance(event, Fill)]
    assert len(again) == (0 if recorded else 1)
    bench.run(30)
    assert bench.lots(M2K) == bench.venue.lots[M2K]


@pytest.mark.parametrize("recorded", [True, False])
def test_other_code_answers_what_the_last_one_refused_and_died_before_saying(
    bench: Bench, recorded: bool
) -> None:
    refused = bench.enter(halt_no=0)
    now_ns, event, said = bench.tape[-1]
    assert bench.state(refused.intent_id) is OrderState.REFUSED
    bench.tape[-1] = (now_ns, event, said if recorded else [])
    before = len(bench.updates(refused.intent_id))
    bench.restart(changed=True)
    again = bench.updates(refused.intent_id)[before:]
    assert [update.state for update in again] == ([] if recorded else [OrderState.REFUSED])


@pytest.mark.parametrize("arrived", [True, False])
def test_other_code_knows_that_an_order_may_have_left_before_the_snapshot(
    bench: Bench, arrived: bool
) -> None:
    """Its answer SENT is in the memory taken over, not in the tail behind it."""
    approval = bench.enter()
    assert bench.state(approval.intent_id) is OrderState.SENT
    bench.base, bench.tape = bench.router.snapshot(), []
    before = len(bench.updates(approval.intent_id))
    bench.restart(changed=True, unsent=not arrived)
    first, *_ = bench.updates(approval.intent_id)[before:]
    assert first.state is OrderState.UNKNOWN, "law 9: nobody can know yet"
    bench.run(30)
    last = bench.updates(approval.intent_id)[-1]
    assert last.state is (OrderState.FILLED if arrived else OrderState.ABSENT)
    assert bench.lots(MNQ) == bench.venue.lots.get(MNQ, 0)


def test_a_quiet_user_hub_while_flat_is_no_freeze(bench: Bench) -> None:
    """Flat for an hour, and the hub says nothing because nothing happens: it is left alone, and
    entries are sent as soon as they come.
    """
    bench.run(1)
    told = len(bench.tape)
    bench.run(3_600)
    said = [word for _, _, words in bench.tape[told:] for word in words]
    assert not [word for word in said if isinstance(word, w.Reconnect)]
    assert not [
        e for _, e, _ in bench.tape[told:] if isinstance(e, w.Link | w.OrderSeen | w.TradeSeen)
    ]
    assert {e.state for e in said if isinstance(e, VenueStatus)} == {VenueState.READY}
    bench.enter()
    bench.run(1)
    assert bench.lots() == 1
