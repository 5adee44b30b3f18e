"""A pass found before it was wished for says what all rules would say now, whatever happened since.

The governor asks rules that no price and no size can change before an order is wished (`passes`),
and keeps what contracts come to. Beside it plays a governor that forgets all of that before every
event: both say the same words and remember the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from services.risk_governor import passes
from services.risk_governor.checks import EARLY_CHECKS, KIND_CHECKS, LATE_CHECKS
from services.risk_governor.core import Governor
from services.risk_governor.draft import Draft, first_refusal
from services.risk_governor.exposure import exposures
from services.risk_governor.words import (
    DiskSpace,
    OthersHold,
    SentinelBack,
    SentinelSilent,
    Verb,
)
from shared.events import (
    FeedState,
    FeedStatus,
    OrderApproved,
    OrderState,
    OrderType,
    PeerBack,
    PeerSilent,
    Phase,
    Side,
    VenueState,
    VetoRule,
)
from shared.settings import Settings
from shared.units import SECOND
from tests.governor_stage import BUY, MES, MNQ, OPENING, Stage, passed, refused, wide
from tests.test_governor_kept import HOMES

WAY = ("trend", MNQ, 1, True)
Happens = Callable[[Stage], Any]


def ready(settings: Settings | None = None) -> Stage:
    """A stage on which `trend` may buy, and it is known before it asks again."""
    stage = Stage(settings or wide()).opened()
    first = passed(stage.ask("trend", BUY))
    assert not stage.governor.mind.passes, "an approval ends every pass"
    stage.update(first, OrderState.REFUSED)
    assert WAY in stage.governor.mind.passes
    return stage


def late(stage: Stage) -> None:
    """The last entry of the day was a moment ago, and no pulse said so yet."""
    stage.now = OPENING + 19_500 * SECOND  # 15:00 CT
    stage.phase(Phase.OPEN)
    stage.quote(MNQ)


def uncovered(stage: Stage) -> None:
    """What `trend` bought lost its stop, and a pulse begins to close it."""
    stage.filled(stage.ask("trend", BUY), 84_001)
    stage.covered(MNQ, 0)
    stage.wait(2)


TURNS: dict[VetoRule, tuple[Happens, ...]] = {
    VetoRule.HALTED: (
        lambda stage: stage.operator(Verb.HALT),
        lambda stage: (stage.bought(size=9), stage.quote(MNQ, 83_500)),
    ),
    VetoRule.REDUCE_ONLY: (uncovered, lambda stage: stage.reconcile(difference="something")),
    VetoRule.SLEEVE_OFF: (
        lambda stage: (stage.bought(size=9), stage.quote(MNQ, 83_970)),
    ),
    VetoRule.SESSION: (late, lambda stage: stage.phase(Phase.NO_ENTRIES)),
    VetoRule.NOT_RECONCILED: (
        lambda stage: stage.venue(VenueState.DOWN),
        lambda stage: stage.account(can_trade=False),
    ),
    VetoRule.PEER_SILENT: (
        lambda stage: stage.tell(SentinelSilent()),
        lambda stage: stage.tell(PeerSilent(actor="order_router")),
    ),
    VetoRule.DISK: (lambda stage: stage.tell(DiskSpace(free_mb=300)),),
    VetoRule.MALFORMED: (lambda stage: stage.list("MNQ", MNQ, tick_micros=1),),
    VetoRule.CONTRACT_OWNED: (lambda stage: stage.trade_of(1, 84_000),),
    VetoRule.UNPROTECTED: (
        lambda stage: stage.filled(passed(stage.ask("trend", BUY)), 84_001),
    ),
    VetoRule.UNKNOWN_ORDERS: (
        lambda stage: stage.update(stage.ask("trend", BUY), OrderState.UNKNOWN),
    ),
    VetoRule.HEDGE: (lambda stage: stage.tell(OthersHold(trouble="cannot be read")),),
    VetoRule.TRADES_PER_DAY: (lambda stage: stage.ask("mean_reversion", BUY, contract=MES),),
}  # fmt: skip
"""What makes each of the early rules refuse, by every door it comes through."""


@pytest.mark.parametrize(
    ("rule", "number"),
    [(rule, number) for rule, turns in TURNS.items() for number in range(len(turns))],
)
def test_a_pass_ends_with_what_it_hung_on(rule: VetoRule, number: int) -> None:
    given = {
        VetoRule.SLEEVE_OFF: {"sleeve_loss": 100}, VetoRule.UNKNOWN_ORDERS: {"unknown_orders": 0},
        VetoRule.TRADES_PER_DAY: {"trades_per_day": 1}, VetoRule.HALTED: {"daily_cap": 400},
        VetoRule.REDUCE_ONLY: {"unprotected_real_s": 1.0},
    }  # fmt: skip
    stage = ready(wide(**given.get(rule, {})))
    TURNS[rule][number](stage)
    assert refused(stage.ask("trend", BUY)) is rule


@pytest.mark.parametrize(
    ("rule", "limit"),
    [
        (VetoRule.ORDER_RATE, "orders_per_window"),
        (VetoRule.ACCOUNT_RATE, "account_orders_per_window"),
        (VetoRule.MESSAGES, "messages_free"),
    ],
)
@pytest.mark.parametrize("counted", ["change", "cancel"])
def test_a_pass_ends_with_whatever_is_counted(rule: VetoRule, limit: str, counted: str) -> None:
    stage = Stage(wide(**{limit: 2})).opened()
    low = stage.prices[MNQ] - 5
    sent = passed(stage.ask("trend", BUY, type=OrderType.LIMIT, limit_price=low))
    stage.update(sent, OrderState.WORKING)
    assert WAY in stage.governor.mind.passes
    if counted == "change":
        stage.modify("trend", sent.intent_id, limit_price=low - 1)
    else:
        stage.cancel("trend", sent.intent_id)
    asked = stage.ask("trend", BUY)
    if counted == "change" or rule is VetoRule.MESSAGES:
        assert refused(asked) is rule
    else:
        passed(asked)  # a cancel is no approval of risk


def test_a_pass_is_for_one_way_and_only_so_many_are_kept() -> None:
    stage = ready()
    mind = stage.governor.mind
    for contract in (MES, *list(HOMES.values())[2:]):
        stage.ask("trend", Side.SELL, contract=contract)
    stage.ask("mean_reversion", BUY, contract=MES)
    assert len(mind.asked_ways) == passes.WAYS_MAX
    assert WAY not in mind.asked_ways
    assert WAY not in mind.passes


def test_what_is_asked_early_knows_no_price_and_no_size_and_begins_nothing() -> None:
    stage = ready()
    mind = stage.governor.mind
    mind.state.conduct["trend"].day = "2026-11-17"
    before = stage.governor.snapshot()
    draft = Draft.early(mind, stage.now, WAY, exposures(mind))
    assert first_refusal(mind, draft, EARLY_CHECKS) is None
    assert (draft.conduct.asked, stage.governor.snapshot()) == (0, before)
    for name in (
        "prices", "size", "type", "stop_given", "mark", "account", "walls",
        "each", "risk", "worst", "worst_loss",
    ):  # fmt: skip
        assert not hasattr(draft, name), name


@pytest.mark.parametrize("directional", [True, False])
def test_every_rule_of_kind_is_asked_early_or_late_or_is_for_the_other_purpose(
    directional: bool,
) -> None:
    asked = {*EARLY_CHECKS, *LATE_CHECKS[directional]}
    rest = [check.__name__ for check in KIND_CHECKS if check not in asked]
    quotes = ["quote_rests", "day_has_quotes_left"]
    assert rest == (quotes if directional else ["stop_is_given", "order_is_new"])
    assert not {*EARLY_CHECKS} & {*LATE_CHECKS[directional]}


# -- any story -------------------------------------------------------------------------------------

TELLS: dict[str, Happens] = {
    "disk": lambda stage: stage.tell(DiskSpace(free_mb=300)),
    "space": lambda stage: stage.tell(DiskSpace(free_mb=10_000)),
    "hedged": lambda stage: stage.tell(OthersHold(trouble="cannot be read")),
    "alone": lambda stage: stage.tell(OthersHold()),
    "unwatched": lambda stage: stage.tell(SentinelSilent()),
    "watched": lambda stage: stage.tell(SentinelBack()),
    "silent": lambda stage: stage.tell(PeerSilent(actor="order_router")),
    "heard": lambda stage: stage.tell(PeerBack(actor="order_router", epoch=1)),
    "lost": lambda stage: stage.venue(VenueState.DOWN),
    "ready": lambda stage: stage.venue(),
    "blind": lambda stage: stage.tell(FeedStatus(state=FeedState.DOWN, since_ns=stage.now)),
    "seen": lambda stage: stage.tell(FeedStatus(state=FeedState.UP, since_ns=stage.now)),
    "late": lambda stage: stage.phase(Phase.NO_ENTRIES),
    "open": lambda stage: stage.phase(Phase.OPEN),
    "mislisted": lambda stage: stage.list("MNQ", MNQ, tick_micros=1),
    "listed": lambda stage: stage.list("MNQ", MNQ),
    "halt": lambda stage: stage.operator(Verb.HALT),
    "resume": lambda stage: stage.operator(Verb.RESUME),
    "pause": lambda stage: stage.operator(Verb.PAUSE),
    "differs": lambda stage: stage.reconcile(difference="something"),
    "agrees": lambda stage: stage.reconcile(),
    "bare": lambda stage: stage.covered(MNQ, 0),
    "covered": lambda stage: stage.covered(MNQ),
    "hand": lambda stage: stage.trade_of(1, stage.prices[MNQ]),
}  # fmt: skip
UNDONE = ("space", "alone", "watched", "heard", "ready", "seen", "open", "listed", "resume")
steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["ask"] * 6
            + ["tick"] * 3
            + ["word", "fill", "fill", "wait", "tell"]
            + ["change", "cancel"]
        ),
        st.sampled_from(sorted(HOMES)),
        st.sampled_from([Side.BUY, Side.SELL]),
        st.integers(1, 3),
        st.sampled_from(sorted(TELLS)),
    ),
    max_size=80,
)


def _step(stage: Stage, step: tuple[str, str, Side, int, str]) -> None:
    what, sleeve, side, size, told = step
    contract = HOMES[sleeve] if size < 3 else MNQ
    bid = stage.prices[contract]
    sent = [it for it in stage.heard if isinstance(it, OrderApproved)][-size:]
    if what == "ask" and sleeve == "market_maker":
        stage.quote_order(side, stage.prices[HOMES[sleeve]] - 2 * side, size)
    elif what == "ask":
        near = {"type": OrderType.LIMIT, "limit_price": bid} if told < "h" else {}
        stage.ask(sleeve, side, size, contract=contract, stop_loss_ticks=10 * size, **near)
    elif what == "tick":
        stage.quote(contract, bid + side * size * (100 if told == "lost" else 1))
    elif what == "wait":
        stage.wait(size / 2)
    elif what == "tell":
        TELLS[told](stage)
    elif what == "change" and sent:
        stage.modify(sent[0].sleeve, sent[0].intent_id, limit_price=bid - size)
    elif what == "cancel" and sent:
        stage.cancel(sent[0].sleeve, sent[0].intent_id)
    elif what == "fill" and sent and sent[0].intent_id in stage.governor.mind.state.orders:
        stage.filled(sent[0], stage.prices[sent[0].contract])
    elif sent:
        states = [OrderState.WORKING, OrderState.UNKNOWN, OrderState.CANCELLED]
        stage.update(sent[0], states[size - 1])


def _limits(tight: bool) -> Settings:
    if not tight:
        return wide(trades_per_day=12, unknown_orders=1, unprotected_real_s=2.0)
    return wide(
        position=4, correlation_percent=60, gap_percent=1, allocation_share_percent=50,
        trades_per_day=6, contracts_per_day=20, sleeve_loss=100, daily_cap=400, recovery_percent=50,
        repeat_s=1.0, unprotected_real_s=2.0, messages_free=30,
        orders_per_window=6, account_orders_per_window=9,
    )  # fmt: skip


@given(steps, st.booleans(), st.booleans())
@trying(max_examples=120, deadline=None)
def test_a_governor_that_keeps_nothing_says_the_same(
    story: list[Any], tight: bool, mends: bool
) -> None:
    settings = _limits(tight)
    stage = Stage(msgspec.structs.replace(settings, sharing={})).opened()
    for number, step in enumerate(story):
        _step(stage, step)
        for told in UNDONE if mends and number % 8 == 7 else ():
            TELLS[told](stage)
    naive, said = Governor(settings), []
    for now, event in stage.story:
        naive.mind.forget("")
        naive.mind.asked_ways.clear()
        said += naive.on(now, event)
    assert said == stage.heard
    assert naive.snapshot() == stage.governor.snapshot()
