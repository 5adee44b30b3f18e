"""Well-typed nonsense: the core never raises, keeps its books, and approves nothing it must not.

Any event it hears or is told, with any values its type allows, in any order. The preconditions of
an approval are written here a second time, from the events told alone, by code that shares nothing
with the rules.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.risk_governor.core import Governor
from services.risk_governor.words import DiskSpace, OthersHold, SentinelBack, SentinelSilent
from shared.events import (
    AccountUpdate,
    CancelIntent,
    ContractListed,
    Event,
    FeedState,
    FeedStatus,
    Fill,
    Gap,
    ModifyIntent,
    OrderApproved,
    OrderIntent,
    OrderState,
    OrderUpdate,
    OrderVetoed,
    PeerBack,
    PeerSilent,
    Phase,
    PositionUpdate,
    Pulse,
    Purpose,
    Quote,
    Reconciled,
    RiskLevel,
    SessionPhase,
    SleeveStatus,
    VenueState,
    VenueStatus,
    VetoRule,
)
from shared.units import SECOND
from tests.governor_stage import BUY, MES, MNQ, SELL, Stage, answer, passed, refused, wide

BIG = 2**62
NUMBERS = (0, 1, -1, 2, 3, 40, 24_000, 84_000, 84_001, 83_990, BIG, -BIG, 2**63 - 1)
TEXTS = ("", MNQ, MES, "trend", "mean_reversion", "nobody", "CON.F.US.XYZ.Z26", "trend.7.1",
         "trend.7.999", "2026-11-18", "order_router", "sleeve_trend", "9" * 5_000)  # fmt: skip
KINDS = (
    Quote, FeedStatus, SessionPhase, ContractListed, Gap, OrderIntent, ModifyIntent, CancelIntent,
    SleeveStatus, OrderUpdate, Fill, PositionUpdate, AccountUpdate, Reconciled, VenueStatus,
    PeerSilent, PeerBack, SentinelSilent, SentinelBack, DiskSpace, OthersHold,
)  # fmt: skip


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a field's type."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    if kind is bool:
        return st.booleans()
    if kind is int:
        return st.sampled_from(NUMBERS)
    if kind is str:
        return st.sampled_from(TEXTS)
    if kind == int | None:
        return st.sampled_from((None, *NUMBERS))
    if kind == tuple[str, ...]:
        return st.lists(st.sampled_from(TEXTS), max_size=2).map(tuple)
    if kind == tuple[tuple[str, int], ...]:
        pairs = st.tuples(st.sampled_from(TEXTS), st.sampled_from(NUMBERS))
        return st.lists(pairs, max_size=2).map(tuple)
    return st.none()


@st.composite
def nonsense(draw: st.DrawFn) -> Event:
    """An event with any values; what has a default and no strategy keeps it."""
    kind = draw(st.sampled_from(KINDS))
    hints, given = get_type_hints(kind), {}
    for field in msgspec.structs.fields(kind):
        value = draw(values_of(hints[field.name]))
        if value is not None or field.required:
            given[field.name] = value
    event: Event = kind(**given)
    return event


class Witness:
    """What anybody could know from the events alone, and what follows for an approval."""

    def __init__(self) -> None:
        self.feed, self.venue = FeedState.UP, VenueState.READY
        self.phase, self.day = Phase.OPEN, "2026-11-18"
        self.silent: set[str] = set()
        self.may_trade, self.disk, self.others = True, 10_000, OthersHold()
        self.quotes: dict[str, Quote] = {}

    def hear(self, event: Event) -> None:
        if isinstance(event, FeedStatus):
            self.feed = event.state
        elif isinstance(event, VenueStatus):
            self.venue = event.state
        elif isinstance(event, SessionPhase):
            self.phase, self.day = event.phase, event.trading_day
        elif isinstance(event, PeerSilent):
            self.silent.add(event.actor)
        elif isinstance(event, PeerBack):
            self.silent.discard(event.actor)
        elif isinstance(event, SentinelSilent):
            self.silent.add("sentinel")
        elif isinstance(event, SentinelBack):
            self.silent.discard("sentinel")
        elif isinstance(event, AccountUpdate):
            self.may_trade = event.can_trade and event.simulated
        elif isinstance(event, DiskSpace):
            self.disk = event.free_mb
        elif isinstance(event, OthersHold):
            self.others = event
        elif isinstance(event, Quote):
            self.quotes[event.contract] = event

    def approves(self, now_ns: int, said: OrderApproved, wish: OrderIntent) -> None:
        """Assert everything an order that may open needs."""
        assert 1 <= said.size <= wish.size
        assert (said.contract, said.side, said.type) == (wish.contract, wish.side, wish.type)
        if said.purpose is Purpose.EXIT:
            return
        quote = self.quotes[said.contract]
        assert self.feed is FeedState.UP
        assert self.venue in (VenueState.READY, VenueState.DISARMED)
        assert (self.phase, self.day) == (Phase.OPEN, "2026-11-18")
        assert not self.silent & {"order_router", "sentinel", "market_data_gateway"}
        assert self.may_trade
        assert self.disk >= 500
        assert self.others.trouble == ""
        assert 0 < quote.bid <= quote.ask
        assert abs(now_ns - quote.recv_ns) <= 3 * SECOND
        assert said.size <= 100
        assert said.stop_loss_ticks or said.purpose is Purpose.QUOTE
        assert wish.expires_ns >= now_ns


@settings(max_examples=250, deadline=None)
@given(st.lists(st.one_of(nonsense(), st.sampled_from(["ask", "quote", "pulse"])), max_size=25))
def test_nonsense_never_breaks_the_core_nor_opens_anything(story: list[Any]) -> None:
    stage, witness = Stage(wide()).opened(), Witness()
    for _, event in stage.story:
        witness.hear(event)
    for step in story:
        if step == "ask":
            event: Event = stage.intent("trend", BUY)
        elif step == "quote":
            event = Quote(
                contract=MNQ, bid=84_000, ask=84_001, venue_ns=stage.now, recv_ns=stage.now
            )
        elif step == "pulse":
            event = Pulse(real_ns=stage.governor.mind.state.real_ns + SECOND // 4)
        else:
            event = step
        witness.hear(event)
        for said in stage.tell(event):
            assert msgspec.msgpack.encode(said)
            if isinstance(said, OrderApproved) and isinstance(event, OrderIntent):
                witness.approves(stage.now, said, event)
    again = Governor(stage.settings)
    again.restore(stage.governor.snapshot())
    assert again.snapshot() == stage.governor.snapshot()
    for contract, desk in stage.governor.mind.state.ledger.desks.items():
        lots = sum(book.position.lots for book in desk.owners.values())
        assert lots == desk.account.position.lots, contract


# -- by name ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2**59, BIG, 2**63 - 1])
def test_a_size_beyond_all_sense_is_refused_with_numbers_the_wire_can_carry(size: int) -> None:
    stage = Stage(wide()).opened()
    veto = stage.ask("trend", BUY, size)
    assert refused(veto) in (VetoRule.SIZE, VetoRule.MALFORMED)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(veto), type=OrderVetoed) == veto


def test_a_number_of_five_thousand_digits_is_no_intent_id() -> None:
    stage = Stage(wide()).opened()
    veto = stage.ask("trend", BUY, intent_id="trend.7." + "9" * 5_000)
    assert refused(veto) is VetoRule.MALFORMED


@pytest.mark.parametrize("life", [-1, -7, -(2**63)])
def test_a_life_below_zero_is_nobodys(life: int) -> None:
    """Once such a number was written in base 36 without ever coming to its end."""
    stage = Stage(wide()).opened()
    assert refused(stage.ask("trend", BUY, incarnation=life)) is VetoRule.MALFORMED
    change = ModifyIntent(
        intent_id=f"trend.{life}.1", sleeve="trend", incarnation=life, target="x", expires_ns=1,
        reason="test",
    )  # fmt: skip
    cancel = CancelIntent(
        intent_id=f"trend.{life}.2", sleeve="trend", incarnation=life, target="x", reason="test"
    )
    for wish in (change, cancel):
        assert refused(answer(stage.tell(wish))) is VetoRule.MALFORMED


def test_a_fill_told_twice_is_booked_once_and_one_out_of_order_too() -> None:
    stage = Stage(wide()).opened()
    order = passed(stage.ask("trend", BUY, 2))
    stage.fill(order, 84_001, 1)  # before its order was ever said to be sent
    fill = stage.story[-1][1]
    stage.tell(fill)
    assert stage.held(MNQ) == 1
    stage.update(order, OrderState.SENT)
    stage.fill(order, 84_001, 1)
    assert stage.held(MNQ) == 2


def test_a_fill_of_an_order_nobody_knows_is_in_the_books_and_named() -> None:
    stage = Stage(wide()).opened()
    stage.trade_of(1, 84_001, tag="t1.trend.7.99.1", intent_id="trend.7.99", sleeve="trend")
    assert stage.held(MNQ) == 1
    assert refused(stage.ask("trend", BUY)) is VetoRule.UNPROTECTED
    passed(stage.ask_exit("trend", SELL))


@pytest.mark.parametrize(
    "wrong", [{"size": 0}, {"size": -1}, {"size": BIG}, {"price": 0}, {"price": BIG}]
)
def test_a_fill_nobody_can_book_stops_new_risk(wrong: dict[str, int]) -> None:
    stage = Stage(wide()).opened()
    base = {"size": 1, "price": 84_001, **wrong}
    stage.trade_of(base["size"], base["price"], sleeve="trend", fee=0)
    assert stage.level() is RiskLevel.REDUCE_ONLY
    assert "numbers nobody can have" in stage.state().cause
    assert stage.held(MNQ) == 0


def test_a_position_we_never_opened_stops_new_risk_until_explained() -> None:
    stage = Stage(wide()).opened()
    stage.no += 1
    stage.tell(PositionUpdate(no=stage.no, contract=MES, position=3, cost=0, protected=0))
    assert refused(stage.ask("trend", BUY)) is VetoRule.REDUCE_ONLY
    stage.reconcile()
    passed(stage.ask("trend", BUY))


def test_an_order_in_a_product_nobody_knows_lets_nothing_open_beside_it() -> None:
    stage = Stage(wide()).opened()
    stage.trade_of(1, 100, contract=MNQ)  # by hand; then one in a stranger
    fill = msgspec.structs.replace(
        stage.story[-1][1], contract="CON.F.US.XYZ.Z26", trade_id=999, no=stage.no + 1
    )  # fmt: skip
    stage.tell(fill)
    veto = stage.ask("mean_reversion", BUY, contract=MES)
    assert refused(veto) in (VetoRule.FEED, VetoRule.OPEN_RISK, VetoRule.REDUCE_ONLY)
    assert stage.governor.mind.state.ledger.position("CON.F.US.XYZ.Z26") == 1


def test_a_balance_that_falls_by_itself_is_a_loss_and_one_that_rises_is_not_ours() -> None:
    stage = Stage(wide()).opened()
    stage.reconcile(balance=49_990)
    assert stage.state().equity == 49_990_000_000
    stage.reconcile(balance=50_100)
    assert stage.state().equity == 50_000_000_000
