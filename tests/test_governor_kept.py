"""What is kept from one question to the next is what a count from nothing gives.

The governor keeps what contracts, and all of them but one, come to (`exposure`, `others`). Here it
is compared with the naive sums after a few steps; `test_governor_promises` asks the same after
every step of any story.
"""

from __future__ import annotations

import pytest

from services.risk_governor.bands import rooms_left, slopes, slopes_kept
from services.risk_governor.equity import Account, account, lines, room_to, sleeve_nets
from services.risk_governor.exposure import account_kept, exposures, net_of, nothing_of, ways
from services.risk_governor.others import Others, others_of
from services.risk_governor.state import FAR, Mind
from shared.events import OrderState, OrderType, Purpose, VenueState
from tests.governor_stage import BUY, M2K, MES, MNQ, MYM, SELL, Stage, passed, wide

HOMES = {"trend": MNQ, "mean_reversion": MES, "market_maker": M2K, "tail_hedge": MYM}


def counted(mind: Mind) -> dict[str, tuple[object, ...]]:
    """Every exposure as plain values, in an order of names."""
    return {
        name: (
            one.owner, one.position, one.buys, one.sells, one.held, one.worst, one.at_risk,
            one.worker,
            one.long, one.short, one.rates.tick, one.beyond, one.net, one.leaving, one.unknown,
            one.gap, one.gap_loss, one.long_risk, one.short_risk, one.fall, one.rise, one.tenths,
        )
        for name, one in sorted(exposures(mind).items())
    }  # fmt: skip


def naive_rooms(mind: Mind, now: Account) -> tuple[int, int]:
    """What may be lost and won before a line that has not tripped yet, asked one by one."""
    left = [line for line in lines(mind) if line.key not in mind.state.latches]
    peak = [mind.state.peak - now.equity + 1] if mind.limits.running else []
    loss = [room_to(line, now) for line in left if not line.gain]
    gain = [room_to(line, now) for line in left if line.gain]
    return min([FAR, *loss]), min([FAR, *peak, *gain])


def goes(mind: Mind, sleeve: str, side: int) -> bool:
    """Whether a sleeve holds, or directionally works towards, a side: asked of books and orders."""
    state, found = mind.state, exposures(mind)
    if any(state.ledger.held(sleeve, contract) * side > 0 for contract in found):
        return True
    works = any(one.worker == sleeve or name in state.shared for name, one in found.items())
    return works and any(
        order.purpose is Purpose.ENTRY and (order.sleeve, order.side) == (sleeve, side)
        for order in state.orders.values()
        if order.leaves()
    )


def together(mind: Mind) -> dict[str, object]:
    """What is kept of all contracts but one, and of the sleeves in them, as plain values."""
    found: dict[str, object] = {}
    for name, own in sorted(exposures(mind).items()):
        rest = others_of(mind, exposures(mind), own)
        plain = [getattr(rest, it) for it in Others.__slots__ if not it.startswith("_")]
        found[name] = plain, rest.margin(), [rest.of(mind, sleeve) for sleeve in HOMES]
    return found


def assert_nets_add_up(mind: Mind) -> None:
    """What each sleeve made in one contract and in all others is what all its books say."""
    found, nets = exposures(mind), sleeve_nets(mind)
    for own in found.values():
        rest = others_of(mind, found, own)
        for sleeve in HOMES:
            net = rest.of(mind, sleeve)[1] + net_of(mind, own, sleeve)
            assert net == nets.get(sleeve, 0)


def assert_counted_as_if_anew(mind: Mind) -> None:
    """What is kept from one question to the next is what a count from nothing gives."""
    kept, going, rest = counted(mind), ways(mind, exposures(mind)), together(mind)
    for side in (1, -1):
        assert [it for it in HOMES if it in going[side]] == [
            it for it in HOMES if goes(mind, it, side)
        ]
    assert_nets_add_up(mind)
    assert account_kept(mind, exposures(mind)) == account(mind)
    assert slopes_kept(exposures(mind)) == slopes(mind)
    now = account(mind)
    assert now is None or rooms_left(mind, now) == naive_rooms(mind, now)
    mind.forget("")
    assert kept == counted(mind)
    assert going == ways(mind, exposures(mind))
    assert rest == together(mind)


def test_what_is_kept_follows_every_quote_of_what_is_held() -> None:
    stage = Stage(wide()).opened()
    mind = stage.governor.mind
    stage.bought("trend")
    stage.bought("mean_reversion", contract=MES)
    for contract in (MNQ, MES, MES, MNQ):
        assert_counted_as_if_anew(mind)
        stage.quote(contract, stage.prices[contract] - 3)
    assert_counted_as_if_anew(mind)


def test_what_is_kept_follows_the_quote_of_two_books_that_cancel_out() -> None:
    """A hand bought while a sleeve sold: the account is flat there, and both books move."""
    stage = Stage(wide()).opened()
    mind = stage.governor.mind
    stage.bought("mean_reversion", contract=MES)
    order = passed(stage.ask("trend", SELL))
    stage.trade_of(1, 84_001)
    stage.filled(order, 84_000)
    assert stage.held(MNQ) == 0
    assert mind.state.ledger.held("trend", MNQ) == -1
    for _ in range(2):
        assert_counted_as_if_anew(mind)
        stage.quote(MNQ, stage.prices[MNQ] + 3)
    assert_counted_as_if_anew(mind)


def test_news_that_moves_no_book_leaves_what_was_counted_and_asks_the_rules_anew() -> None:
    stage = Stage(wide()).opened()
    mind = stage.governor.mind
    stage.bought("trend")
    for news in (lambda: stage.venue(VenueState.READY), lambda: stage.present("trend")):
        before, held, passes = mind.exposed, exposures(mind)[MNQ], mind.passes
        news()
        assert mind.exposed is before is not None, "counted anew for nothing"
        assert exposures(mind)[MNQ] is held
        assert mind.passes is not passes, "what was allowed may not be any more"
        assert_counted_as_if_anew(mind)
        exposures(mind)


@pytest.mark.parametrize("beside", ["a hand", "an order of unknown outcome"])
def test_the_net_of_a_sleeve_is_its_own_where_something_else_moves_the_contract(
    beside: str,
) -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    if beside == "a hand":
        stage.trade_of(1, 84_001)
    else:
        near = {"type": OrderType.LIMIT, "limit_price": 83_998}
        stage.update(passed(stage.ask("trend", BUY, **near)), OrderState.UNKNOWN)
    stage.quote(MNQ, 83_900)
    assert_counted_as_if_anew(stage.governor.mind)


@pytest.mark.parametrize("filled", [True, False])
def test_a_sleeve_risks_elsewhere_what_it_holds_or_works_there(filled: bool) -> None:
    stage = Stage(wide()).opened()
    mind = stage.governor.mind
    if filled:
        stage.bought("trend", contract=MES)
    else:
        passed(stage.ask("trend", BUY, contract=MES))
    stage.bought("mean_reversion", contract=MYM)
    found = exposures(mind)
    rest = others_of(mind, found, nothing_of(mind, MNQ))
    risks = {sleeve: rest.of(mind, sleeve)[0] for sleeve in HOMES}
    assert risks == {
        "trend": found[MES].at_risk, "mean_reversion": found[MYM].at_risk, "market_maker": 0,
        "tail_hedge": 0,
    }  # fmt: skip
    assert found[MES].at_risk > 0
