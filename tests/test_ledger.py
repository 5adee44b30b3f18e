"""Books: every fill once, their sum the account's, and nothing lost in rounding."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import ledger as ledgers
from shared.domain.ledger import HUMAN, Book, Ledger, worth
from shared.domain.positions import Position
from shared.events import Fill, Purpose, Side

MNQ, MES = "CON.F.US.MNQ.Z26", "CON.F.US.MES.Z26"


def fill(trade: int, sleeve: str, lots: int, price: int, contract: str = MNQ, **more: object
         ) -> Fill:  # fmt: skip
    return Fill(
        no=trade, trade_id=trade, venue_order_id=1, tag="", intent_id="", sleeve=sleeve,
        contract=contract, side=Side.BUY if lots > 0 else Side.SELL, size=abs(lots), price=price,
        fee=610_000 * abs(lots), purpose=Purpose.ENTRY, venue_ns=0, **more,
    )  # fmt: skip


fills = st.lists(
    st.tuples(
        st.sampled_from(["trend", "tail_hedge", ""]),
        st.integers(-4, 4).filter(bool),
        st.integers(1, 200),
        st.sampled_from([MNQ, MES]),
    ),
    max_size=40,
)


@given(fills)
def test_conservation_over_any_story(story: list[tuple[str, int, int, str]]) -> None:
    ledger = Ledger()
    lots = {MNQ: 0, MES: 0}
    cash = {MNQ: 0, MES: 0}
    fees = 0
    for number, (sleeve, signed, price, contract) in enumerate(story, 1):
        said = fill(number, sleeve, signed, price, contract)
        parts = ledger.apply(said)
        assert sum(part for _, part in parts) == signed
        assert ledger.apply(said) == ()  # a second time changes nothing
        lots[contract] += signed
        cash[contract] -= signed * price
        fees += said.fee
        desk = ledger.desks[contract]
        assert desk.account.position.lots == lots[contract] == ledger.position(contract)
        assert sum(book.position.lots for book in desk.owners.values()) == lots[contract]
        for mark in (0, 100):
            books = sum(worth(book.position, mark) for book in desk.owners.values())
            assert (
                books
                == worth(desk.account.position, mark)
                == cash[contract] + (lots[contract] * mark)
            )
    assert sum(desk.account.fees for desk in ledger.desks.values()) == fees


@given(fills, st.randoms())
def test_voiding_everything_leaves_nothing(
    story: list[tuple[str, int, int, str]], order: object
) -> None:
    ledger = Ledger()
    told = [
        fill(n, sleeve, lots, price, on) for n, (sleeve, lots, price, on) in enumerate(story, 1)
    ]
    for one in told:
        ledger.apply(one)
    order.shuffle(told)  # type: ignore[attr-defined]
    for one in told:
        ledger.apply(msgspec.structs.replace(one, voided=True))
    assert ledger.flat()
    for desk in ledger.desks.values():
        assert (desk.account.position.cash, desk.account.fees) == (0, 0)


def test_a_void_of_something_unknown_changes_nothing() -> None:
    ledger = Ledger()
    assert ledger.apply(fill(1, "trend", 1, 100, voided=True)) == ()
    assert ledger.desks == {}


def test_a_hand_that_closes_a_sleeves_position_closes_it_in_its_book() -> None:
    ledger = Ledger()
    ledger.apply(fill(1, "trend", 2, 100))
    assert ledger.apply(fill(2, "", -3, 110)) == (("trend", -2), (HUMAN, -1))
    assert ledger.held("trend", MNQ) == 0
    assert ledger.held(HUMAN, MNQ) == -1
    assert ledger.book("trend", MNQ).position.realised == 20


def test_a_hand_that_adds_is_its_own_owner() -> None:
    ledger = Ledger()
    ledger.apply(fill(1, "trend", 1, 100))
    assert ledger.apply(fill(2, "", 1, 100)) == ((HUMAN, 1),)
    assert ledger.held("trend", MNQ) == 1


def test_a_session_settles_flat_books_only() -> None:
    ledger = Ledger()
    ledger.apply(fill(1, "trend", 1, 100))
    with pytest.raises(AssertionError, match="begins flat"):
        ledger.settle()
    ledger.apply(fill(2, "trend", -1, 105))
    ledger.settle()
    assert ledger.desks == {}
    assert ledger.apply(fill(2, "trend", -1, 105)) == ()  # trades stay remembered over the night


def test_memory_of_trades_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "TRADES_REMEMBERED", 3)
    ledger = Ledger()
    for number in range(1, 9):
        ledger.apply(fill(number, "trend", 1, 100))
    assert list(ledger.trades) == [6, 7, 8]


def test_books_that_do_not_sum_are_caught_at_once() -> None:
    ledger = Ledger()
    ledger.apply(fill(1, "trend", 1, 100))
    ledger.desks[MNQ].owners["ghost"] = Book(Position(lots=1))
    with pytest.raises(AssertionError, match="sum to the account"):
        ledger.apply(fill(2, "trend", 1, 100))


def test_it_survives_its_own_bytes() -> None:
    ledger = Ledger()
    ledger.apply(fill(1, "trend", 1, 100))
    ledger.apply(fill(2, "", -2, 100))
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(ledger), type=Ledger)
    assert again == ledger
