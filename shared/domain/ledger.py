"""Who holds what: one book per sleeve and contract, one per contract for the account.

Fills are the only thing that moves a book, each applied once by the venue's trade id. The sum of a
contract's books is the account's position in it, after every fill; this is asserted, because every
rule of the governor leans on it.

A contract has one owner at a time, so attribution is simple but for the human hand: when a person
closes in the platform what a sleeve holds, the part that closes it is booked in that sleeve's book
(it is flat now, and must know), the rest in the book of `human`.

Money appears as micro-dollars: `worth` of a book is cash plus lots at a mark, exact, with no
average price and so no rounding. `realised` of a position is the same sum seen from the trader.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from shared.domain.positions import Position
from shared.domain.sharing import is_whole
from shared.events import Fill
from shared.units import Lots, Micros, Ticks

HUMAN: Final = "human"
TRADES_REMEMBERED: Final = 4_096  # the router says each once; this guards against one said twice


class Book(Struct):
    """A position and the fees it paid, micro-dollars."""

    position: Position
    fees: Micros = 0


class Desk(Struct):
    """The books of one contract: the account's and those of its owners."""

    account: Book
    owners: dict[str, Book] = {}


class Ledger(Struct):
    """All books, and the trades that made them: trade id -> the parts booked (owner, lots)."""

    desks: dict[str, Desk] = {}
    trades: dict[int, tuple[tuple[str, Lots], ...]] = {}

    def apply(self, fill: Fill) -> tuple[tuple[str, Lots], ...]:
        """Book a fill. Returns its parts (owner, signed lots); empty when it changes nothing.

        A voided fill takes back what it had booked, at its own price; one never heard of changes
        nothing.
        """
        assert fill.size > 0, f"Invariant: a trade has a size, {fill}"
        if fill.voided:
            parts = tuple((owner, -lots) for owner, lots in self.trades.pop(fill.trade_id, ()))
            fee = -fill.fee
        elif fill.trade_id in self.trades:
            return ()
        else:
            parts = self._parts(fill)
            self._remember(fill.trade_id, parts)
            fee = fill.fee
        if parts:
            self._book(fill, parts, fee)
        return parts

    def position(self, contract: str) -> Lots:
        """The account's signed position in a contract."""
        desk = self.desks.get(contract)
        return desk.account.position.lots if desk is not None else 0

    def held(self, owner: str, contract: str) -> Lots:
        """The signed position of one owner in a contract."""
        desk = self.desks.get(contract)
        book = desk.owners.get(owner) if desk is not None else None
        return book.position.lots if book is not None else 0

    def sides(self, contract: str) -> tuple[Lots, Lots]:
        """(long, short): what all owners of a contract hold on either side."""
        desk = self.desks.get(contract)
        held = [book.position.lots for book in desk.owners.values()] if desk is not None else []
        return sum(lots for lots in held if lots > 0), -sum(lots for lots in held if lots < 0)

    def book(self, owner: str, contract: str) -> Book:
        """The book of an owner, a new empty one if there is none (not kept)."""
        desk = self.desks.get(contract)
        book = desk.owners.get(owner) if desk is not None else None
        return book if book is not None else Book(Position())

    def positions(self) -> dict[str, Lots]:
        """Every contract held, with its signed position."""
        return {
            contract: desk.account.position.lots
            for contract, desk in self.desks.items()
            if desk.account.position.lots
        }

    def flat(self) -> bool:
        return not any(
            book.position.lots
            for desk in self.desks.values()
            for book in (desk.account, *desk.owners.values())
        )

    def settle(self) -> None:
        """Begin a new session: profits and fees start at zero. Only when everything is flat."""
        assert self.flat(), "Invariant: a session begins flat"
        self.desks.clear()

    def write_off(self) -> None:
        """Forget positions the venue proved not to exist. The caller names it aloud, and rules
        fall back on the venue's balance."""
        self.desks.clear()

    def _parts(self, fill: Fill) -> tuple[tuple[str, Lots], ...]:
        signed = fill.side * fill.size
        if fill.sleeve:
            return ((fill.sleeve, signed),)
        parts: list[tuple[str, Lots]] = []
        desk = self.desks.get(fill.contract)
        if is_whole(fill) and desk is not None:
            held = {owner: book.position.lots for owner, book in desk.owners.items()}
            changes = {owner: -lots for owner, lots in held.items()}
            changes[HUMAN] = signed - held.get(HUMAN, 0)
            return tuple((owner, lots) for owner, lots in changes.items() if lots)
        for owner, book in desk.owners.items() if desk is not None else ():
            lots = book.position.lots
            if owner != HUMAN and lots * signed < 0:
                closing = min(abs(lots), abs(signed)) * (1 if signed > 0 else -1)
                parts.append((owner, closing))
                signed -= closing
        if signed:
            parts.append((HUMAN, signed))
        return tuple(parts)

    def _remember(self, trade_id: int, parts: tuple[tuple[str, Lots], ...]) -> None:
        self.trades[trade_id] = parts
        if len(self.trades) > TRADES_REMEMBERED:
            del self.trades[next(iter(self.trades))]

    def _book(self, fill: Fill, parts: tuple[tuple[str, Lots], ...], fee: Micros) -> None:
        desk = self.desks.get(fill.contract)
        if desk is None:
            desk = self.desks[fill.contract] = Desk(Book(Position()))
        for owner, lots in parts:
            book = desk.owners.get(owner)
            if book is None:
                book = desk.owners[owner] = Book(Position())
            book.position.apply(lots, fill.price)
            desk.account.position.apply(lots, fill.price)
        desk.owners[parts[0][0]].fees += fee
        desk.account.fees += fee
        _assert_balanced(desk)


def worth(position: Position, mark: Ticks) -> int:
    """Cash plus what is held at `mark`, tick-lots: the profit since the book began."""
    return position.cash + position.lots * mark


def _assert_balanced(desk: Desk) -> None:
    lots = cash = fees = 0
    for book in desk.owners.values():
        lots += book.position.lots
        cash += book.position.cash
        fees += book.fees
    account = desk.account
    assert lots == account.position.lots, "Invariant: books sum to the account's position"
    assert cash == account.position.cash, "Invariant: books sum to the account's cash"
    assert fees == account.fees, "Invariant: books sum to the account's fees"
