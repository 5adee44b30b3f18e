"""An order as it would be, and how rules are asked about it.

A rule is a function of the mind and a draft that answers None or a refusal: which rule, its limit,
what the order would make of it, and a word of detail. What several rules need to know is looked up
once and kept in the draft, for the time of one question.
"""

from __future__ import annotations

from collections.abc import Callable

from services.risk_governor.equity import Account
from services.risk_governor.exposure import cost_of, exposures, nothing_of
from services.risk_governor.habits import conduct_of
from services.risk_governor.state import Mind, Order, product
from shared.events import OrderIntent, VetoRule
from shared.units import Lots, Micros, Nanos, Ticks

Refusal = tuple[VetoRule, int, int, str]  # rule, limit, actual, detail


class Draft:
    """An order as it would be, with what the rules need to know about it, looked up once."""

    __slots__ = (
        "_after", "_others", "account", "conduct", "contract", "each", "found", "kind",
        "limit_price", "mark", "now_ns", "own", "purpose", "side", "size", "sleeve", "stop_given",
        "stop_price", "type",
    )  # fmt: skip

    def __init__(
        self, mind: Mind, now_ns: Nanos, wish: OrderIntent | Order, *, size: Lots,
        limit_price: Ticks | None, stop_price: Ticks | None,
    ) -> None:  # fmt: skip
        contract = wish.contract
        self.now_ns = now_ns
        self.sleeve = wish.sleeve
        self.contract = contract
        self.side = wish.side
        self.size = size
        self.purpose = wish.purpose
        self.limit_price = limit_price
        self.stop_price = stop_price
        self.stop_given = bool(wish.stop_loss_ticks)
        self.type = wish.type
        self.kind = product(contract)
        self.mark = mind.state.marks.get(contract)
        self.found = exposures(mind)  # of every contract, without this order
        self.own = self.found.get(contract) or nothing_of(mind, contract)
        self.each: Micros = cost_of(mind.limits, contract, wish.stop_loss_ticks)
        self.conduct = conduct_of(mind, wish.sleeve)
        self.account: Account | None = None
        self._others: tuple[Micros, Micros] | None = None
        self._after: tuple[Lots, Micros, Micros] | None = None

    def open_risk(self, mind: Mind) -> Micros:
        """The account's open risk with this order in it: every stop filled with usual slippage."""
        return self._reckoned(mind)[1]

    def worst_loss(self, mind: Mind) -> Micros:
        """Open risk, and every contract that could be held leaves the exit allowance farther on."""
        return self._reckoned(mind)[2]

    def _reckoned(self, mind: Mind) -> tuple[Lots, Micros, Micros]:
        """(size, open risk, worst loss), asked by several rules, reckoned once per size."""
        if self._after is not None and self._after[0] == self.size:
            return self._after
        if self._others is None:
            risk = beyond = 0
            for contract, one in self.found.items():
                if contract != self.contract:
                    risk += one.at_risk
                    beyond += one.beyond
            self._others = (risk, beyond)
        risk, beyond = self._others
        own = self.own
        risk += own.risk(self.side, self.size, self.each)
        beyond += max(own.sides(self.side, self.size)) * own.tick
        self._after = (self.size, risk, risk + beyond)
        return self._after

    def inputs(self, mind: Mind) -> dict[str, int]:
        """What the rules knew, by name; `..._usd` are micro-dollars. For the veto's reader."""
        known = {"position": self.own.position, "buys": self.own.buys, "sells": self.own.sells}
        if self.mark is not None:
            known |= {"bid": self.mark.bid, "ask": self.mark.ask}
        known |= {"contract_risk_usd": self.each, "worst_loss_usd": self.worst_loss(mind)}
        if self.account is not None:
            known |= {
                "equity_usd": self.account.equity,
                "session_net_usd": self.account.session_net,
                "floor_usd": mind.state.floor,
            }
        return known

    def lots_after(self) -> Lots:
        """Contracts at worst on the order's own side, with it."""
        long, short = self.own.sides(self.side, self.size)
        return long if self.side > 0 else short


Check = Callable[[Mind, Draft], Refusal | None]


def first_refusal(mind: Mind, draft: Draft, checks: tuple[Check, ...]) -> Refusal | None:
    for check in checks:
        refusal = check(mind, draft)
        if refusal is not None:
            return refusal
    return None


def largest_size(mind: Mind, draft: Draft, checks: tuple[Check, ...], most: Lots) -> Lots:
    """The largest size up to `most` that passes rules of size; 0 when none does.

    A rule of size that refuses a size refuses every larger one, so halving finds it.
    """
    passes, refused = 0, most + 1
    while refused - passes > 1:
        draft.size = (passes + refused) // 2
        if first_refusal(mind, draft, checks) is None:
            passes = draft.size
        else:
            refused = draft.size
    return passes
