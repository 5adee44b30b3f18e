"""Several sleeves in one contract: books that add up, exits of one's own, one owner per part."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.risk_governor.core import Governor
from services.risk_governor.words import DiskSpace, OthersHold, SentinelBack
from services.sleeves.base import Sleeve
from services.stage_sharing import SHARING
from shared.domain.sharing import (
    HAND,
    PARTS,
    VIRTUAL,
    allocate,
    index_of,
    net_stop,
    part_id,
    stop_after,
    trade_of,
)
from shared.events import (
    OrderApproved,
    OrderState,
    OrderType,
    OrderUpdate,
    Purpose,
    Quote,
    Started,
    VetoRule,
)
from shared.settings import Settings, SettingsError, load
from tests.governor_stage import BUY, MNQ, SELL, Stage, passed, refused, wide
from tests.sharing_stage import A, B, holds
from tests.sleeves_stage import Stage as StageOfSleeves
from tests.sleeves_stage import settings_for

SHARE = {"MNQ": (A, B)}


# -- whose a trade is ------------------------------------------------------------------------------


OWNERS = st.sampled_from([A, B, "tail_hedge", HAND])

SHARES = st.dictionaries(OWNERS, st.integers(-5, 5).filter(bool), max_size=4)

SIGNED = st.integers(-9, 9).filter(bool)


@given(SHARES, SIGNED, st.sampled_from([A, HAND]))
def test_every_trade_is_handed_out_whole(shares: dict[str, int], signed: int, rest: str) -> None:
    parts = allocate(shares, signed, rest)
    assert sum(lots for _, lots in parts) == signed
    assert all(lots for _, lots in parts)
    assert len({owner for owner, _ in parts}) == len(parts)


@given(SHARES, SIGNED)
def test_what_ends_the_net_position_ends_every_book(shares: dict[str, int], signed: int) -> None:
    net = sum(shares.values())
    after = dict(shares)
    for owner, lots in allocate(shares, -net or signed, A):
        after[owner] = after.get(owner, 0) + lots
    if net:
        assert not any(after.values())


@given(SHARES, SIGNED)
def test_a_partial_close_opens_no_book(shares: dict[str, int], signed: int) -> None:
    net = sum(shares.values())
    if not (net * signed < 0 and abs(signed) < abs(net)):
        return
    for owner, lots in allocate(shares, signed, A):
        assert shares[owner] * lots < 0, "closes"
        assert abs(lots) <= abs(shares[owner]), "no more than is held"


@given(st.integers(1, PARTS - 1), st.integers(0, 9))
def test_the_id_of_a_part_names_its_trade(trade_id: int, index: int) -> None:
    part = part_id(trade_id, index)
    assert (trade_of(part), index_of(part)) == (trade_id, index)
    assert part > -VIRTUAL


def test_a_made_up_trade_is_no_venues() -> None:
    with pytest.raises(ValueError, match="no venue's"):
        trade_of(part_id(-VIRTUAL - 4, 2))


def test_stops_only_tighten_and_the_tightest_of_the_nets_side_holds() -> None:
    first = stop_after(None, 0, 2, price=100, distance=10)
    assert first == 90
    assert stop_after(first, 2, 1, price=95, distance=10) == 90, "85 would be farther"
    assert stop_after(first, 2, 1, price=104, distance=10) == 94
    assert stop_after(first, 2, -1, price=80, distance=10) == 90, "an exit moves nothing"
    assert stop_after(first, 2, -2, price=80, distance=10) is None
    assert stop_after(first, 2, -3, price=80, distance=10) == 90, "turned: above it now"
    assert net_stop({A: 2, B: -1}, {A: 90, B: 120}) == 90
    assert net_stop({A: 2, B: -3}, {A: 90, B: 120}) == 120
    assert net_stop({A: 1, B: 1, HAND: 4}, {A: 90, B: 93}) == 93
    assert net_stop({HAND: 1}, {}) is None


# -- the setting -----------------------------------------------------------------------------------


def test_nobody_shares_unless_told_to() -> None:
    assert load(env={}).sharing == {}


@pytest.mark.parametrize(
    ("sharing", "why"),
    [
        ('{ ES = ["trend", "mean_reversion"] }', "no product 'ES' is heard"),
        ('{ MNQ = ["trend"] }', "not two or more different sleeves"),
        ('{ MNQ = ["trend", "trend"] }', "not two or more different sleeves"),
        ('{ MNQ = ["trend", "nobody"] }', "no sleeve 'nobody'"),
        ('{ MNQ = ["trend", "tail_hedge"] }', "'tail_hedge' trades MYM, not MNQ"),
    ],
)
def test_a_sharing_that_contradicts_refuses_to_start(sharing: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why) as refusal:
        load(env={"TSQ__SHARING": sharing})
    assert "at `$.sharing." in str(refusal.value)


def test_the_settings_of_the_shared_worlds_are_good() -> None:
    assert load(env=SHARING).sharing["MNQ"] == ("trend", "mean_reversion", "tail_hedge")


# -- the governor ----------------------------------------------------------------------------------


def shared(**risk: Any) -> Settings:
    return msgspec.structs.replace(wide(**risk), sharing=SHARE)


@pytest.fixture
def stage() -> Stage:
    return Stage(shared()).opened()


def test_two_sleeves_hold_one_contract_against_each_other(stage: Stage) -> None:
    order = holds(stage, A, BUY, 2)
    assert (order.shared, order.stop_loss_ticks, order.take_profit_ticks) == (True, 40, None)
    holds(stage, B, SELL, 1)
    ledger = stage.governor.mind.state.ledger
    assert (ledger.held(A, MNQ), ledger.held(B, MNQ), ledger.position(MNQ)) == (2, -1, 1)


def test_unasked_a_contract_has_one_owner() -> None:
    stage = Stage(wide()).opened()
    assert passed(stage.ask(A, BUY)).shared is False
    assert refused(stage.ask(B, SELL)) is VetoRule.CONTRACT_OWNED


def test_who_is_not_named_stays_out(stage: Stage) -> None:
    holds(stage, A, BUY)
    assert refused(stage.ask("tail_hedge", BUY, contract=MNQ)) is VetoRule.CONTRACT_OWNED


def test_nothing_of_a_sleeve_ever_rests_in_a_shared_contract(stage: Stage) -> None:
    price = stage.prices[MNQ] - 4
    limit = {"type": OrderType.LIMIT, "limit_price": price}
    assert refused(stage.ask(A, BUY, **limit)) is VetoRule.ORDER_TYPE
    quote = stage.quote_order(BUY, price, contract=MNQ)
    assert refused(quote) is VetoRule.ORDER_TYPE
    holds(stage, A, BUY)
    assert refused(stage.ask_exit(A, SELL, **limit)) is VetoRule.ORDER_TYPE


def test_an_exit_goes_also_where_it_makes_the_net_position_larger(stage: Stage) -> None:
    holds(stage, A, BUY, 2)
    holds(stage, B, SELL, 2)
    exit_ = passed(stage.ask_exit(A, SELL, 5))
    assert (exit_.purpose, exit_.size, exit_.shared) == (Purpose.EXIT, 2, True)
    other = passed(stage.ask_exit(B, BUY, 2))
    assert other.size == 2, "one exit in flight per sleeve"


def test_a_later_exit_replaces_the_earlier_one_of_its_sleeve_only(stage: Stage) -> None:
    holds(stage, A, BUY, 2)
    holds(stage, B, BUY, 1)
    first, other = passed(stage.ask_exit(A, SELL, 1)), passed(stage.ask_exit(B, SELL, 1))
    stage.update(first, OrderState.SENT)
    stage.update(other, OrderState.SENT)
    stage.ask_exit(A, SELL, 2)
    assert stage.cancelled() == [first.intent_id]
    stage.update(first, OrderState.CANCELLED)
    again = [said for said in stage.said if isinstance(said, OrderApproved)]
    assert [(one.sleeve, one.size) for one in again] == [(A, 2)]


def test_each_side_is_judged_as_if_the_other_were_gone() -> None:
    stage = Stage(shared(position=3)).opened()
    holds(stage, A, BUY, 2)
    holds(stage, B, SELL, 2)
    assert refused(stage.ask(A, BUY, 2)) is VetoRule.POSITION, "long 4 once the other leaves"
    assert refused(stage.ask(B, SELL, 2)) is VetoRule.POSITION
    assert passed(stage.ask(A, BUY, 1)).size == 1


def test_risk_is_that_of_the_worse_side_to_its_own_stops() -> None:
    tick = 500_000
    stage = Stage(shared()).opened()
    holds(stage, A, BUY, 1, stop=40)
    one = stage.state().open_risk
    holds(stage, B, SELL, 1, stop=20)
    assert stage.state().open_risk == one, "the net is flat, the longer stop may yet be alone"
    stage.quote(MNQ, stage.prices[MNQ] - 10)
    assert stage.state().open_risk == one - 10 * tick


def test_a_part_that_lies_against_its_trade_leaves_the_order_whole(stage: Stage) -> None:
    holds(stage, A, BUY, 2)
    holds(stage, B, SELL, 1)
    order = OrderUpdate(
        no=0, tag="t1.router.1.1.0", intent_id="router.1.1", sleeve="router", contract=MNQ,
        side=SELL, size=1, filled=0, state=OrderState.WORKING, purpose=Purpose.NET_STOP,
        type=OrderType.STOP, stop_price=stage.prices[MNQ] - 39,
    )  # fmt: skip
    stage.tell(order)
    parts = {"tag": order.tag, "intent_id": order.intent_id, "purpose": Purpose.NET_STOP}
    stage.trade_of(2, 83_961, sleeve=A, side=SELL, **parts)
    stage.trade_of(1, 83_961, sleeve=B, side=BUY, fee=0, **parts)
    stage.tell(msgspec.structs.replace(order, filled=1, state=OrderState.FILLED))
    state = stage.governor.mind.state
    assert state.ledger.flat()
    assert order.intent_id not in state.orders


# -- switched off, and on again --------------------------------------------------------------------


def reborn(stage: Stage, given: Settings) -> None:
    """The same memory under other settings."""
    after = Governor(given)
    after.restore(stage.governor.snapshot())
    stage.governor, stage.settings = after, given
    stage.tell(Started(epoch=stage.now, fresh=False, changed=True))
    stage.pulse()
    for word in (SentinelBack(), DiskSpace(free_mb=100_000), OthersHold()):
        stage.tell(word)
    stage.reconcile()


def test_switched_off_with_positions_it_is_kept_until_flat(stage: Stage) -> None:
    holds(stage, A, BUY, 2)
    holds(stage, B, SELL, 1)
    reborn(stage, wide())
    vetoed = stage.ask(A, BUY)
    assert refused(vetoed) is VetoRule.CONTRACT_OWNED
    assert "until it is flat" in getattr(vetoed, "detail", "")
    stage.filled(passed(stage.ask_exit(A, SELL, 2)), 84_000)
    stage.filled(passed(stage.ask_exit(B, BUY, 1)), 84_000)
    stage.covered(MNQ)
    assert passed(stage.ask(A, BUY)).shared is False, "flat: one owner again"


def test_switched_on_over_a_position_it_begins_when_that_is_gone() -> None:
    stage = Stage(wide()).opened()
    stage.bought(A)
    reborn(stage, shared())
    assert refused(stage.ask(B, BUY)) is VetoRule.CONTRACT_OWNED
    exit_ = passed(stage.ask_exit(A, SELL))
    assert exit_.shared is False
    stage.filled(exit_, 84_000)
    stage.covered(MNQ)
    stage.reconcile(live=())
    assert passed(stage.ask(B, BUY)).shared is True


def test_a_recorded_approval_brings_the_sharing_back(stage: Stage) -> None:
    said = passed(stage.ask(A, BUY, 2))
    other = Stage(wide()).opened()
    other.governor.recall(other.now, said)
    assert refused(other.ask(B, SELL)) is VetoRule.CONTRACT_OWNED
    assert other.governor.mind.state.shared[MNQ].sleeves == ()


# -- the host --------------------------------------------------------------------------------------


class Hopeful(Sleeve):
    """Buys once, with a target."""

    def on_quote(self, quote: Quote) -> None:
        if self.idle:
            self.buy(1, sl_ticks=20, tp_ticks=10)


def hopeful(*sharers: str) -> StageOfSleeves:
    given = settings_for(A, f"{__name__}:Hopeful")
    given = msgspec.structs.replace(given, sharing={"MNQ": sharers} if sharers else {})
    stage = StageOfSleeves(A, given).open()
    stage.tick(84_000)
    stage.orders = {key: one for key, one in stage.orders.items() if one.purpose is Purpose.ENTRY}
    return stage


def closes(stage: StageOfSleeves) -> list[str]:
    return [wish.reason for wish in stage.intents() if wish.purpose is Purpose.EXIT]


def test_where_sleeves_share_the_host_closes_at_the_target() -> None:
    stage = hopeful(A, B)
    assert stage.host.memory.target == stage.host.memory.position.cost + 10
    stage.mute = True
    stage.tick(84_009)
    assert closes(stage) == []
    stage.tick(84_012)
    stage.tick(84_013)
    assert closes(stage) == ["target"], "once"


def test_elsewhere_the_target_is_the_venues() -> None:
    stage = hopeful()
    stage.mute = True
    stage.tick(84_012)
    assert (stage.host.memory.target, closes(stage)) == (0, [])
