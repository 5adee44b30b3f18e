"""An order as it would be, and how rules are asked about it.

A rule is a function of the mind and a draft that answers None or a refusal: which rule, its limit,
what the order would make of it, and a word of detail. What several rules need to know is looked up
once and kept in the draft, for the time of one question.
"""

from __future__ import annotations

from collections.abc import Callable

from services.risk_governor.equity import Account, Walls
from services.risk_governor.exposure import Exposure, exposures, nothing_of, value
from services.risk_governor.habits import conduct_of, seen_of
from services.risk_governor.members import ENTRY, QUOTE
from services.risk_governor.others import Others, others_of
from services.risk_governor.rates import UNQUOTED
from services.risk_governor.state import Mind, Order
from shared.events import OrderIntent, VetoRule
from shared.units import Lots, Micros, Nanos, Ticks

Refusal = tuple[VetoRule, int, int, str]  # rule, limit, actual, detail
Way = tuple[str, str, int, bool]  # sleeve, contract, side, whether directional
Prices = tuple[Ticks | None, Ticks | None]  # its limit and its stop
Pass = tuple[Nanos, Nanos, int]  # from and until when it holds, and for which latches


class Draft:
    """An order as it would be, with what the rules need to know about it, looked up once. Who asks
    rules of size says first of which (`resize`).

    With it in them at its present `size`: `long`, `short` and `worst` contracts of its own
    contract; `risk`, what that contract risks; `open_risk`, every stop of the account filled with
    the usual slippage; `worst_loss`, the same and everything left an allowance farther on.
    """

    __slots__ = (
        "account", "conduct", "contract", "each", "found", "kind", "long", "mark", "now_ns",
        "open_risk", "others", "own", "prices", "purpose", "risk", "short", "side", "size",
        "sleeve", "stop_given", "type", "walls", "way", "worst", "worst_loss",
    )  # fmt: skip
    account: Account  # told by `equity_is_known`, whom no rule of size comes before, and ...
    walls: Walls  # ... the lines that it stands before

    def __init__(
        self, mind: Mind, now_ns: Nanos, wish: OrderIntent | Order, prices: Prices
    ) -> None:  # fmt: skip
        contract = wish.contract
        self.now_ns = now_ns
        self.sleeve = wish.sleeve
        self.contract = contract
        self.side = side = int(wish.side)
        self.purpose = wish.purpose
        self.way: Way = wish.sleeve, contract, side, wish.purpose is ENTRY
        self.prices = prices
        self.stop_given = bool(wish.stop_loss_ticks)
        self.type = wish.type
        self.mark = mark = mind.state.marks.get(contract, UNQUOTED)
        self.found = found = exposures(mind)  # of every contract, without this order
        own = found.get(contract) or nothing_of(mind, contract)
        if not own.worst:
            value(own, mark)  # nothing hung on its quote until now
        self.own = own
        self.kind = own.kind
        self.each: Micros = own.rates.entry(wish.stop_loss_ticks)
        self.conduct = conduct_of(mind, wish.sleeve)
        self.others: Others = mind.others.get(contract) or others_of(mind, found, own)

    @classmethod
    def early(cls, mind: Mind, now_ns: Nanos, way: Way, found: dict[str, Exposure]) -> Draft:
        """An order of which only the way is known; to ask it for a price or a size is an
        AttributeError."""
        draft = cls.__new__(cls)
        draft.way = way
        draft.sleeve, draft.contract, draft.side, directional = way
        draft.purpose = ENTRY if directional else QUOTE
        draft.now_ns = now_ns
        draft.found = found
        draft.own = own = found.get(draft.contract) or nothing_of(mind, draft.contract)
        draft.kind = own.kind
        draft.conduct = seen_of(mind, draft.sleeve)
        draft.others = others_of(mind, found, own)
        return draft

    def resize(self, size: Lots) -> None:
        """Think of a size; what the account would be with it follows."""
        own, others = self.own, self.others
        self.size = size
        self.long, self.short, self.risk = long, short, risk = own.joined(
            self.side, size, self.each
        )
        self.worst: Lots = long if long > short else short
        self.open_risk: Micros = others.risk + risk
        self.worst_loss: Micros = self.open_risk + others.beyond + self.worst * own.rates.tick

    @property
    def limit_price(self) -> Ticks | None:
        """Where it rests at the latest; None of an order that takes what the market gives."""
        return self.prices[0]

    def working(self) -> Lots:
        """Contracts of every order that may still trade, but stops: of all sleeves and purposes."""
        return self.others.working + self.own.buys + self.own.sells

    def inputs(self) -> dict[str, int]:
        """What the rules knew, by name; `..._usd` are micro-dollars. For the veto's reader."""
        known = {"position": self.own.position, "buys": self.own.buys, "sells": self.own.sells}
        if self.mark is not UNQUOTED:
            known |= {"bid": self.mark.bid, "ask": self.mark.ask}
        known |= {"contract_risk_usd": self.each, "worst_loss_usd": self.worst_loss}
        if hasattr(self, "account"):
            known |= {
                "equity_usd": self.account.equity,
                "session_net_usd": self.account.session_net,
            }
        return known


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
        draft.resize((passes + refused) // 2)
        if first_refusal(mind, draft, checks) is None:
            passes = draft.size
        else:
            refused = draft.size
    return passes
