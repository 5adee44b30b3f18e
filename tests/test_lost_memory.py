"""A life that remembers nothing of the ones before, because its journal was set aside as damaged.

The others go on and remember. So it has to use numbers above those it gave before, adopt what they
have in their books already without doubling it, and where it forgot what was forbidden, forbid.
"""

from __future__ import annotations

import pytest

from services.order_router.core import Router
from services.risk_governor.words import Outcome, Verb
from shared.domain.ledger import HUMAN, Ledger
from shared.domain.sharing import VIRTUAL, WHOLE, is_whole
from shared.events import (
    Choice,
    DifferenceChoice,
    Fill,
    OrderApproved,
    OrderVetoed,
    Purpose,
    RiskLevel,
    Side,
    Started,
    VenueState,
    VetoRule,
)
from shared.units import SECOND
from tests.governor_stage import BUY, MNQ, Stage, wide
from tests.support.router_bench import Bench

LATER = 1_795_000_000
"""An epoch, as computers give it: seconds since 1970."""


def forgotten(bench: Bench) -> Bench:
    """Another life of the router, whose journal was set aside."""
    bench.router = Router(bench.config)
    bench.requests.clear()
    bench.arriving.clear()
    bench.epoch = LATER
    return bench.start(fresh=True, changed=True)


def fill(trade: int, sleeve: str, lots: int, *, whole: bool = False) -> Fill:
    trade_id, tag = (-VIRTUAL - 2 * trade, f"{WHOLE}{trade}") if whole else (trade, "")
    return Fill(
        no=trade, trade_id=trade_id, venue_order_id=1, tag=tag, intent_id="", sleeve=sleeve,
        contract=MNQ, side=Side.BUY if lots > 0 else Side.SELL, size=abs(lots), price=100,
        fee=0, purpose=Purpose.HUMAN, venue_ns=0,
    )  # fmt: skip


# -- the router ------------------------------------------------------------------------------------


def test_the_routers_numbers_go_on_upwards() -> None:
    """A sleeve takes no fill and no book of a number below one it knows."""
    bench = Bench().start().run(1)
    bench.enter()
    bench.run(2)
    before = max(event.no for event in bench.said if hasattr(event, "no"))
    mark = len(bench.said)
    forgotten(bench).run(12)
    after = [event.no for event in bench.said[mark:] if hasattr(event, "no")]
    assert after
    assert min(after) > before
    assert after == sorted(set(after))


def test_what_is_adopted_says_that_it_is_all_there_is() -> None:
    bench = Bench().start().run(1)
    bench.enter(size=2)
    bench.run(1)
    books = Ledger()
    for told in bench.fills():
        books.apply(told)
    mark = len(bench.said)
    forgotten(bench).run(3)
    status = bench.status()
    assert status.state is VenueState.QUARANTINE
    choice = DifferenceChoice(choice=Choice.ADOPT, difference=status.reason, by="anna", cause="x")
    bench.tell(choice)
    (adopted,) = [event for event in bench.said[mark:] if isinstance(event, Fill)]
    assert is_whole(adopted)
    books.apply(adopted)
    assert books.positions() == {MNQ: 2} == {c: n for c, n in bench.venue.lots.items() if n}
    assert books.held(HUMAN, MNQ) == 2
    assert books.held("trend", MNQ) == 0
    bench.run(12)
    assert bench.status().state is VenueState.READY


def test_what_traded_since_is_counted_beside_what_is_adopted() -> None:
    """Then it is not all there is, and only a ledger as young as the router can take it."""
    bench = Bench().start().run(1)
    bench.venue.human(MNQ, 2)
    mark = len(bench.said)
    forgotten(bench).run(3)
    reason = bench.status().reason
    bench.venue.human(MNQ, 1)
    bench.run(2)
    assert bench.status().reason != reason
    said = bench.status().reason
    bench.tell(DifferenceChoice(choice=Choice.ADOPT, difference=said, by="anna", cause="x"))
    books = Ledger()
    for told in (event for event in bench.said[mark:] if isinstance(event, Fill)):
        books.apply(told)
    assert books.positions() == {MNQ: bench.venue.lots[MNQ]} == {MNQ: 3}


# -- the books of everybody else -------------------------------------------------------------------


@pytest.mark.parametrize("known", [{"trend": 2}, {"": 2}, {"trend": 3, "": -1}, {"trend": -1}, {}])
def test_what_is_all_there_is_replaces_what_books_hold(known: dict[str, int]) -> None:
    books = Ledger()
    for trade, (sleeve, lots) in enumerate(known.items(), 1):
        books.apply(fill(trade, sleeve, lots))
    books.apply(fill(99, "", 2, whole=True))
    assert books.positions() == {MNQ: 2}
    assert books.held(HUMAN, MNQ) == 2
    assert books.held("trend", MNQ) == 0
    assert books.apply(fill(99, "", 2, whole=True)) == ()


# -- the governor ----------------------------------------------------------------------------------


def lost(epoch: int = LATER) -> Stage:
    """A governor that begins without a memory among others who remember."""
    stage = Stage(wide())
    stage.tell(Started(epoch=epoch, fresh=True, changed=True))
    return stage


def test_a_governor_that_forgot_what_it_forbade_halts_until_a_person_looked() -> None:
    stage = lost()
    assert stage.level() is RiskLevel.HALTED
    assert "not known" in stage.state().cause
    stage.venue()
    stage.account()
    stage.reconcile(balance=50_000)
    assert stage.level() is RiskLevel.HALTED
    assert "not known" in stage.state().cause, "a comparison does not bring it back"
    assert stage.operator(Verb.RESUME).outcome is Outcome.DONE
    assert "not known" not in stage.state().cause


def test_its_approvals_are_newer_than_any_it_forgot() -> None:
    """The router refuses what was approved under an older number than the highest it heard."""
    assert lost().state().halt_no >= LATER
    assert Stage(wide()).opened().state().halt_no < LATER


def test_books_that_are_wrong_beside_a_router_that_agrees_are_named_and_end_flat() -> None:
    """Nothing is to be adopted there: router and venue agree. A proven flatten ends it."""
    stage = Stage(wide()).opened()
    stage.bought("trend")
    stage.reconcile(positions={})
    assert stage.level() is RiskLevel.REDUCE_ONLY
    refused = stage.operator(Verb.ADOPT)
    assert refused.outcome is Outcome.REFUSED
    assert "the governor does not" in refused.reason
    veto = stage.ask("trend", BUY)
    assert isinstance(veto, OrderVetoed)
    assert veto.rule is VetoRule.REDUCE_ONLY
    stage.operator(Verb.FLATTEN)
    stage.proven_flat()
    stage.reconcile(positions={})
    stage.operator(Verb.RESUME)
    assert stage.level() is RiskLevel.ACTIVE
    assert isinstance(stage.ask("trend", BUY), OrderApproved)


def test_what_differs_by_now_is_what_is_shown() -> None:
    stage = Stage(wide()).opened()
    stage.reconcile(difference="CON.F.US.MNQ.Z26: books +0, venue +1")
    since = stage.governor.mind.state.latches["difference"].since_ns
    stage.now += SECOND
    stage.reconcile(difference="CON.F.US.MNQ.Z26: books +0, venue +2")
    assert "venue +2" in stage.state().cause
    assert stage.governor.mind.state.latches["difference"].since_ns == since
