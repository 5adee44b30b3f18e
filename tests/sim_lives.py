"""Lives of a simulator core drawn by hypothesis, and the law they all keep: the books balance."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from services.simulator import accounts
from services.simulator.core import Simulator
from services.simulator.words import Call, Fault, FaultKind, Step, Truth
from shared.core import Word
from shared.units import SECOND
from shared.venue import words as venue
from tests.sim_stage import ACCOUNT, ES, M2K, MES, MNQ, settings_with

PLACES = st.fixed_dictionaries(
    {
        "contract": st.sampled_from([MES, MNQ, M2K, ES, "nonsense"]),
        "type": st.sampled_from([1, 2, 4, 5, 6, 7]),
        "side": st.sampled_from([0, 1]),
        "size": st.integers(0, 4),
        "away": st.integers(-6, 6),
        "sl": st.sampled_from([None, -4, -10, 10]),
        "tp": st.sampled_from([None, 4, 8, -8]),
        "tag": st.sampled_from([None, "a", "b", "c", "d"]),
    }
)

ACTS = st.one_of(
    st.tuples(st.just("place"), PLACES),
    st.tuples(st.just("cancel"), st.integers(0, 12)),
    st.tuples(st.just("modify"), st.integers(0, 12), st.integers(-6, 6), st.integers(1, 4)),
    st.tuples(st.just("close"), st.sampled_from([MES, MNQ])),
    st.tuples(st.just("partial"), st.sampled_from([MES, MNQ]), st.integers(0, 3)),
    st.tuples(st.just("fault"), st.sampled_from(list(FaultKind)), st.integers(0, 3)),
    st.tuples(st.just("wait"), st.integers(1, 2_500)),
)


def words_of(acts: list[Any]) -> list[tuple[int, Word]]:
    """A story as (instant, input); prices relative to where each product starts."""
    settings = settings_with(seed=4)
    core = Simulator(settings)
    homes = {c: core._machines.exchange.book(c).state.last for c in (MES, MNQ, M2K)}
    now, call, story = core.market_ns + SECOND, 0, []
    first = accounts.FIRST_ORDER
    for act in acts:
        call += 1
        now += 15_000_000
        request: Any = None
        match act:
            case ("wait", milliseconds):
                now += milliseconds * 1_000_000
                story.append((now, Step()))
                continue
            case ("fault", kind, amount):
                story.append((now, Fault(call_id=call, kind=kind, amount=amount)))
                continue
            case ("place", wish):
                tick = 0.1 if wish["contract"] == M2K else 0.25
                level = (homes.get(wish["contract"], 100) + wish["away"]) * tick
                bracket = venue.BracketModel
                request = venue.PlaceOrder(
                    account_id=ACCOUNT,
                    contract_id=wish["contract"],
                    type=wish["type"],
                    side=wish["side"],
                    size=wish["size"],
                    limit_price=level,
                    stop_price=level,
                    trail_price=level + 2,
                    custom_tag=wish["tag"],
                    stop_loss_bracket=bracket(ticks=wish["sl"], type=4) if wish["sl"] else None,
                    take_profit_bracket=bracket(ticks=wish["tp"], type=1) if wish["tp"] else None,
                )
            case ("cancel", offset):
                request = venue.CancelOrder(account_id=ACCOUNT, order_id=first + offset)
            case ("modify", offset, away, size):
                request = venue.ModifyOrder(
                    account_id=ACCOUNT,
                    order_id=first + offset,
                    size=size,
                    limit_price=(homes[MES] + away) * 0.25,
                    stop_price=None,
                )
            case ("close", contract):
                request = venue.PositionClose(account_id=ACCOUNT, contract_id=contract)
            case ("partial", contract, size):
                request = venue.PositionPartialClose(
                    account_id=ACCOUNT, contract_id=contract, size=size
                )
        story.append((now, Call(call_id=call, request=request)))
    story.append((now + 2 * SECOND, Step()))
    story.append((now + 2 * SECOND, Truth(call_id=call + 1)))
    return story


def play(core: Simulator, story: list[tuple[int, Word]]) -> list[bytes]:
    encode = msgspec.msgpack.encode
    return [encode(said) for now, word in story for said in core.on(now, word)]


def assert_books_balance(truth: Any) -> None:
    """Money and positions follow from the trades alone."""
    profit = sum(round((deal.profit_and_loss or 0) * 1e6) for deal in truth.trades)
    fees = sum(round(deal.fees * 1e6) for deal in truth.trades)
    assert truth.balance_micros == truth.start_micros + profit - fees
    assert truth.fills == len(truth.trades)
    held: dict[str, int] = {}
    for deal in truth.trades:
        signed = deal.size if deal.side == 0 else -deal.size
        held[deal.contract_id] = held.get(deal.contract_id, 0) + signed
    assert held == {row.contract: row.lots for row in truth.positions}
    filled: dict[int, int] = {}
    for deal in truth.trades:
        filled[deal.order_id] = filled.get(deal.order_id, 0) + deal.size
    for order in (*truth.orders, *truth.open_orders):
        assert filled.get(order.id, 0) == order.fill_volume <= max(order.size, 0)
        assert (order.status == 2) == (order.fill_volume == order.size and order.size > 0)
    assert len({order.id for order in truth.orders} | {o.id for o in truth.open_orders}) == len(
        truth.orders
    ) + len(truth.open_orders)
