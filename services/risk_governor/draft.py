"""An order as it would be, and how rules are asked about it.

A rule is a function of the mind and a draft that answers None or a refusal: which rule, its limit,
what the order would make of it, and a word of detail. What several rules need to know is looked up
once and kept in the draft, for the time of one question.
"""

from __future__ import annotations

from collections.abc import Callable

from services.risk_governor.equity import Account
from services.risk_governor.exposure import Exposure, cost_of, exposures, nothing_of
from services.risk_governor.habits import conduct_of
from services.risk_governor.state import Mind, Order, product
from shared.contracts import Product
from shared.events import OrderIntent, VetoRule
from shared.units import Lots, Micros, Nanos, Ticks

Refusal = tuple[VetoRule, int, int, str]  # rule, limit, actual, detail


class Draft:
    """An order as it would be, with what the rules need to know about it, looked up once."""

    __slots__ = (
        "_after", "account", "conduct", "contract", "each", "found", "kind", "limit_price", "mark",
        "now_ns", "others", "own", "purpose", "side", "size", "sleeve", "stop_given", "stop_price",
        "type",
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
        self.others = Others(self.found, contract, self.kind)
        self._after: After | None = None

    def after(self) -> After:
        """What it would be with this order in it, at its present size; reckoned once per size."""
        if self._after is None or self._after.size != self.size:
            self._after = After(self)
        return self._after

    def inputs(self) -> dict[str, int]:
        """What the rules knew, by name; `..._usd` are micro-dollars. For the veto's reader."""
        known = {"position": self.own.position, "buys": self.own.buys, "sells": self.own.sells}
        if self.mark is not None:
            known |= {"bid": self.mark.bid, "ask": self.mark.ask}
        known |= {"contract_risk_usd": self.each, "worst_loss_usd": self.after().worst_loss}
        if self.account is not None:
            known |= {
                "equity_usd": self.account.equity,
                "session_net_usd": self.account.session_net,
            }
        return known


class Others:
    """All other contracts together: contracts at their worst, what they risk, what they weigh."""

    __slots__ = ("beyond", "long_worth", "risk", "same", "short_worth", "tenths", "unpriced")

    def __init__(self, found: dict[str, Exposure], contract: str, kind: Product) -> None:
        self.risk: Micros = 0
        self.beyond: Micros = 0  # what leaving an allowance farther on costs
        self.tenths = 0
        self.same: Lots = 0  # of the same product in other months
        self.long_worth: Micros = 0  # of the same group, at the ask
        self.short_worth: Micros = 0
        self.unpriced = ""  # a contract of the group without a quote
        for name, one in found.items():
            if name == contract or not one.worst:
                continue
            self.risk += one.at_risk
            self.beyond += one.beyond
            self.tenths += one.worst * one.kind.mini_tenths
            if one.kind is kind:
                self.same += one.worst
            if one.kind.group == kind.group:
                worth = one.ask * one.kind.tick_micros
                self.long_worth += one.long * worth
                self.short_worth += one.short * worth
                if one.ask <= 0:
                    self.unpriced = name


class After:
    """The order's own contract and the account with it in them."""

    __slots__ = ("long", "open_risk", "short", "size", "worst", "worst_loss")

    def __init__(self, draft: Draft) -> None:
        own, others = draft.own, draft.others
        self.size = draft.size
        self.long, self.short = own.sides(draft.side, draft.size)
        self.worst: Lots = self.long if self.long > self.short else self.short
        risk: Micros = others.risk + own.risk(draft.side, draft.size, draft.each)
        self.open_risk = risk  # every stop filled with the usual slippage
        self.worst_loss: Micros = risk + others.beyond + self.worst * own.tick  # and leaves farther


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
