"""What the venue itself shows while a World runs: who works twice, what stands unprotected, and
what money is there.

Built from the simulator's user events before anything happens to them on their way, so that it
knows what the cast cannot know yet. What must agree with it may lag; how long two things differed
is told when it has ended (`Apart`), and the checks decide whether that was too long.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UNSET

from services.simulator.words import UserPush
from shared.units import USD, Lots, Micros, Nanos
from shared.venue import words as wire
from shared.venue.codes import LIVE_STATUSES, OrderKind, PositionKind, VenueOrderStatus, VenueSide

STOPS = (OrderKind.STOP, OrderKind.TRAILING_STOP)
LEGS = ("-SL", "-TP")
SIGNS = {int(PositionKind.LONG): 1, int(PositionKind.SHORT): -1}

Over = Callable[[str, Nanos, Nanos], None]
"""Told what was not as it should be, since when and until when."""


class Apart:
    """How long things that should agree do not, by name. `over` is told when one ended."""

    def __init__(self, over: Over) -> None:
        self.over = over
        self.since: dict[str, Nanos] = {}
        self.ns_max: Nanos = 0

    def note(self, now_ns: Nanos, name: str, *, agrees: bool) -> None:
        if not agrees:
            self.since.setdefault(name, now_ns)
        elif name in self.since:
            since_ns = self.since.pop(name)
            self.ns_max = max(self.ns_max, now_ns - since_ns)
            self.over(name, since_ns, now_ns)

    def ask(self, now_ns: Nanos) -> None:
        """Is one of those that stand too old by now?"""
        for name, since_ns in self.since.items():
            self.over(name, since_ns, now_ns)


class VenueWatch:
    """Hears every user event of the simulator. Raises AssertionError at once where two orders work
    for one wish, a position is larger than allowed, a balance is not what trades made it, or an
    order comes to life that was sent before the sentinel proved flat.
    """

    def __init__(self, position_max: Lots, bare: Apart) -> None:
        self.bare = bare  # positions without a whole stop
        self.position_max = position_max
        self.live: dict[int, wire.OrderModel] = {}
        self.ids: dict[str, int] = {}  # tag -> the one order that bears it
        self.proven: set[str] = set()  # tags sent before the sentinel proved flat: none comes later
        self.working: dict[str, int] = {}  # intent -> its live order
        self.lots: dict[str, Lots] = {}
        self.trades: dict[int, Micros] = {}  # what each changed of the balance
        self.balance: Micros | None = None
        self.start: Micros | None = None

    def pushed(self, now_ns: Nanos, push: UserPush) -> str:
        """Returns the contract whose position was told, if one was."""
        match push.payload:
            case wire.OrderModel() as order:
                self._order(order)
                self._measure(now_ns, order.contract_id)
            case wire.PositionModel() as held:
                self.lots[held.contract_id] = SIGNS.get(held.type, 0) * held.size
                assert held.size <= self.position_max, f"beyond the limit: {held}"
                self._measure(now_ns, held.contract_id)
                return held.contract_id
            case wire.TradeModel() as trade:
                assert trade.id not in self.trades, f"traded twice: {trade}"
                self.trades[trade.id] = made_by(trade)
            case wire.AccountModel() as account:
                self._account(account)
        return ""

    def _account(self, account: wire.AccountModel) -> None:
        """The balance is the first one and what all trades made of it, to the micro-dollar."""
        balance, made = round(account.balance * USD), sum(self.trades.values())
        if self.start is None:
            self.start = balance - made
        assert balance == self.start + made, f"balance {balance}, trades make {self.start + made}"

    def _order(self, order: wire.OrderModel) -> None:
        tag = order.custom_tag or ""
        over = order.status not in LIVE_STATUSES
        if tag:
            late = tag in self.proven and tag not in self.ids
            assert not late, f"carried out after flat was proven: {order}"
            first = self.ids.setdefault(tag, order.id)
            assert first == order.id, f"orders {first} and {order.id} bear the tag {tag}"
        intent = intent_of(tag)
        if over:
            self.live.pop(order.id, None)
            if self.working.get(intent) == order.id:
                del self.working[intent]
            return
        self.live[order.id] = order
        if intent:
            other = self.working.setdefault(intent, order.id)
            assert other == order.id, f"orders {other} and {order.id} work for {intent}"

    def _measure(self, now_ns: Nanos, contract: str) -> None:
        lots = self.lots.get(contract, 0)
        closing = VenueSide.ASK if lots > 0 else VenueSide.BID
        covered = sum(
            order.size - (order.fill_volume or 0)
            for order in self.live.values()
            if order.contract_id == contract
            and order.side == closing
            and order.type in STOPS
            and order.status == VenueOrderStatus.OPEN
        )
        self.bare.note(now_ns, contract, agrees=covered >= abs(lots))


def made_by(trade: wire.TradeModel) -> Micros:
    """What a trade changed of the balance."""
    apart = 0.0 if trade.commissions is UNSET or trade.commissions is None else trade.commissions
    return sum(
        round(dollars * USD) for dollars in (trade.profit_and_loss or 0.0, -trade.fees, -apart)
    )


def intent_of(tag: str) -> str:
    """What a tag of ours belongs to, whatever the attempt: "" for none."""
    if not tag.startswith("t1."):
        return ""
    leg = next((end for end in LEGS if tag.endswith(end)), "")
    return tag.removesuffix(leg).rpartition(".")[0] + leg
