"""What could be held and what it could cost: positions and working orders at their worst.

Per contract the long side (position plus every working buy) and the short side (working sells minus
position) are looked at apart, because both cannot fill against us: a two-sided quote risks one of
its sides. The account's open risk is the sum over contracts of the worse side. Protective legs
never count as new positions; they bound the loss of what is held.

A held contract without a working stop is taken to lose `net_stop_ticks`: that is the stop the
router puts under it, and a position that stays without one is flattened.
"""

from __future__ import annotations

from services.risk_governor.equity import Account, account_of, mark_of, sleeve_net, unknown_loss
from services.risk_governor.members import ENTRY, LIMIT, SUSPENDED, UNKNOWN
from services.risk_governor.rates import UNQUOTED, Rates
from services.risk_governor.state import FAR, STRANGE, Mark, Mind, Order, product
from shared.domain.ledger import HUMAN, Desk
from shared.domain.rules.caps import weight
from shared.domain.rules.sizing import exposure, held_cost
from shared.units import Lots, Micros, Ticks

Costs = list[tuple[Micros, Lots]]  # (loss of one contract at its stop, contracts)
Ways = dict[int, dict[str, None]]  # side -> sleeves


class Exposure:
    """One contract at its worst, counted in two steps: from the books and orders (`exposure_of`),
    and what of it hangs on the quote (`value`).

    From the books: `bought` and `sold` are the working orders that may open; `long`, `short` and
    `worst` contracts, and the `tenths` of a mini these weigh; `beyond` is what `worst` costs to
    leave an allowance farther on, `opening` what leaving those that open would, `leaving` what it
    costs to have nothing at risk; `covered` is the position by the price of the stop it rests on,
    `bare` what has none; `long_orders` and `short_orders` is what the orders of a side risk; `paid`
    the net of the books before what is held; `fall` and `rise` the contracts that lose when the
    price does, at worst; `owner` is the first who holds something, `worker` the sleeve of the first
    live order; `holders` and `entering` say who holds a side and whose live entries work towards
    one; `sole` is who alone ever traded it today, no outcome being unknown; `unknown` counts orders
    of unknown outcome, `doubtful` are those that may have filled; `bids` and `offers` are limit
    orders of any purpose (price, intent id).

    From the quote (`bid`, `ask`, 0 when it is unusable, and `settle`): `held`, what is held at
    risk; `long_risk`, `short_risk` and `at_risk`, the worse of them; `net`, its part of the account
    as `equity` counts it (None: not known); `gap`, what the declared gap costs one contract, and
    `gap_loss`, what it costs `worst`.
    """

    __slots__ = (
        "ask", "at_risk", "bare", "beyond", "bid", "bids", "bought", "buys", "contract", "covered",
        "doubtful", "entering", "fall", "gap", "gap_loss", "held", "holders", "kind", "leaving",
        "long", "long_orders", "long_risk", "net", "offers", "opening", "owner", "paid",
        "position", "rates", "rise", "sells", "settle", "short", "short_orders", "short_risk",
        "sold", "sole", "tenths", "unknown", "worker", "worst",
    )  # fmt: skip

    def __init__(self, contract: str, rates: Rates) -> None:
        self.contract = contract
        self.rates = rates
        self.kind = rates.kind
        self.bought: Costs = []
        self.sold: Costs = []
        self.doubtful: list[Order] = []
        self.covered: list[tuple[Ticks, Lots]] = []
        self.bids: list[tuple[Ticks, str]] = []
        self.offers: list[tuple[Ticks, str]] = []
        self.holders: list[tuple[str, int]] = []
        self.entering: list[tuple[str, int]] = []
        self.owner = self.worker = self.sole = ""
        self.net: Micros | None = 0
        self.position = self.buys = self.sells = self.bare = self.fall = self.rise = 0
        self.long = self.short = self.worst = self.unknown = 0
        self.beyond = self.opening = self.leaving = self.paid = 0
        self.long_orders = self.short_orders = self.held = 0
        self.long_risk = self.short_risk = self.at_risk = self.gap = self.gap_loss = 0
        self.tenths = self.bid = self.ask = self.settle = 0

    def add(self, side: int, lots: Lots, cost: Micros) -> None:
        """Count an order of `lots` contracts, each losing `cost` when entered and stopped."""
        if side > 0:
            self.buys += lots
            self.bought.append((cost, lots))
        else:
            self.sells += lots
            self.sold.append((cost, lots))

    def sides(self) -> tuple[Lots, Lots]:
        """(long, short) at worst."""
        return exposure(self.position, self.buys, self.sells)

    def joined(self, side: int, lots: Lots, cost: Micros) -> tuple[Lots, Lots, Micros]:
        """(long, short, what the worse side loses with every stop filled) with an order more; each
        contract of it loses `cost`, if it adds to what is held: one against it first closes."""
        position, long, short = self.position, self.long, self.short
        long_risk, short_risk = self.long_risk, self.short_risk
        if side > 0:
            long = position + self.buys + lots
            long = long if long > 0 else 0
            if position >= 0:
                long_risk += cost * lots
            else:
                long_risk = _orders_risk(position, [*self.bought, (cost, lots)])
        elif side < 0:
            short = self.sells + lots - position
            short = short if short > 0 else 0
            if position <= 0:
                short_risk += cost * lots
            else:
                short_risk = _orders_risk(-position, [*self.sold, (cost, lots)])
        return long, short, long_risk if long_risk > short_risk else short_risk

    def gap_of(self, lots: Lots) -> Micros:
        """What the declared gap costs, all of `lots` held against it."""
        return self.gap * lots if self.gap < FAR else FAR


class SharedExposure(Exposure):
    """A contract that several sleeves hold: each side counts as if the other were gone, because
    every one of them may leave at any time, and leaving asks nobody. `parts`: each book's contracts
    and where its stop is, if it has one."""

    __slots__ = ("parts",)

    def __init__(self, contract: str, rates: Rates) -> None:
        super().__init__(contract, rates)
        self.parts: list[tuple[Lots, Ticks | None]] = []

    def sides(self) -> tuple[Lots, Lots]:
        long = self.buys + sum(held for held, _ in self.parts if held > 0)
        return long, self.sells - sum(held for held, _ in self.parts if held < 0)

    def joined(self, side: int, lots: Lots, cost: Micros) -> tuple[Lots, Lots, Micros]:
        buys, sells = (lots if side > 0 else 0), (lots if side < 0 else 0)
        long, short = self.long_risk + cost * buys, self.short_risk + cost * sells
        return self.long + buys, self.short + sells, max(long, short)

    def split(self, mark: Mark) -> None:
        """What each side risks, its orders and its books, every one to its own stop."""
        rates, usable = self.rates, mark.usable()
        self.long_risk = sum(cost * lots for cost, lots in self.bought)
        self.short_risk = sum(cost * lots for cost, lots in self.sold)
        for lots, stop in self.parts:
            each = rates.bare
            if stop is not None and usable:
                price = mark_of(mark, lots)
                each = rates.held(price - stop if lots > 0 else stop - price)
            if lots > 0:
                self.long_risk += lots * each
            else:
                self.short_risk -= lots * each


def _parts(mind: Mind, contract: str, desk: Desk) -> list[tuple[Lots, Ticks | None]]:
    stops = mind.state.shared[contract].stops
    held = ((owner, book.position.lots) for owner, book in desk.owners.items())
    return [(lots, stops.get(owner)) for owner, lots in held if lots]


def _beyond(mind: Mind, order: Order, left: Lots) -> Lots:
    """What an exit would open, were it to fill: what it closes is its owner's own."""
    held = mind.state.ledger.held(order.sleeve, order.contract)
    return max(0, left - (abs(held) if held * order.side < 0 else 0))


def _orders_risk(position: Lots, orders: Costs) -> Micros:
    """Risk of the orders of one side; a position against it (negative) is closed first, and what
    it closes is taken to be the cheapest."""
    opened = position if position < 0 else 0
    for _, lots in orders:
        opened += lots
    total = 0
    for cost, lots in sorted(orders, reverse=True) if opened > 0 else ():
        part = lots if lots < opened else opened
        total += cost * part
        opened -= part
    return total


def exposures(mind: Mind) -> dict[str, Exposure]:
    """Every contract that is held or has an order that may still fill. Not to be changed.

    Kept from one question to the next: only contracts told of since (`Mind.forget`) are counted
    anew, and those whose quote moved while it matters: held or perhaps held. All are, when an hour
    or a day changes what leaving costs.
    """
    found, stale = mind.exposed, mind.stale
    thin, limits = mind.exposed_for
    if found is None or thin is not mind.state.thin or limits is not mind.limits:
        found, mind.exposed_for = {}, (mind.state.thin, mind.limits)
        mind.exposed, mind.rates, mind.moving = found, {}, []
        mind.others, mind.alike, mind.ways = {}, {}, None
        stale = dict.fromkeys(mind.state.ledger.desks)
        for order in mind.state.orders.values():
            stale[order.contract] = None
    for one, mark in mind.moving:
        if (mark.bid != one.bid or mark.ask != one.ask) and one.contract not in stale:
            value(one, mark)
            _changed(mind, one.contract)
    if stale:
        for contract in stale:
            counted = exposure_of(mind, contract)
            if counted is None:
                found.pop(contract, None)
            else:
                found[contract] = counted
            _changed(mind, contract)
        mind.moving = [
            (it, mind.state.marks.get(it.contract, UNQUOTED))
            for it in found.values()
            if it.worst or it.unknown or it.holders
        ]
        mind.ways, mind.stale = None, {}
    return found


def _changed(mind: Mind, contract: str) -> None:
    """What was added up of all others holds for this contract alone."""
    known = mind.others.get(contract)
    mind.others = {} if known is None else {contract: known}


def ways(mind: Mind, found: dict[str, Exposure]) -> Ways:
    """Which sleeves hold a side, or directionally work towards it; kept until books or orders
    change."""
    if mind.ways is None:
        mind.ways = ways_of(mind, found)
    return mind.ways


def ways_of(mind: Mind, found: dict[str, Exposure]) -> Ways:
    """Counted from the contracts. An entry counts where its sleeve is a contract's first worker,
    and always while any contract is shared."""
    going: Ways = {1: {}, -1: {}}
    shared = any(contract in mind.state.shared for contract in found)
    workers = [one.worker for one in found.values()]
    for one in found.values():
        for owner, side in one.holders:
            going[side][owner] = None
        for sleeve, side in one.entering:
            if shared or sleeve in workers:
                going[side][sleeve] = None
    return going


def exposure_of(mind: Mind, contract: str) -> Exposure | None:
    """One contract counted from the books and its orders; None when it was never traded today."""
    desk, one = mind.state.ledger.desks.get(contract), nothing_of(mind, contract)
    stops = _add_orders(mind, one)
    if desk is not None:
        _add_books(one, desk, stops)
        if isinstance(one, SharedExposure):
            one.parts = _parts(mind, contract, desk)
    elif not one.worker:
        return None
    one.long, one.short = one.sides()
    one.worst = one.long if one.long > one.short else one.short
    one.tenths = weight(one.worst, one.kind.mini_tenths)
    one.beyond = one.worst * one.rates.tick
    one.leaving = one.opening + abs(one.position) * one.rates.tick
    one.long_orders = _orders_risk(one.position, one.bought)
    one.short_orders = _orders_risk(-one.position, one.sold)
    value(one, mind.state.marks.get(contract, UNQUOTED))
    return one


def _add_books(one: Exposure, desk: Desk, stops: list[Order]) -> None:
    """Count what is held, each part under the stop it rests on, the farthest first."""
    book, rates = desk.account, one.rates
    one.position = lots = book.position.lots
    one.bare = size = abs(lots)
    one.holders = [
        (owner, 1 if held.position.lots > 0 else -1)
        for owner, held in desk.owners.items()
        if held.position.lots
    ]
    one.owner = one.holders[0][0] if one.holders else ""
    one.sole = next(iter(desk.owners)) if len(desk.owners) == 1 and not one.doubtful else ""
    one.paid = book.position.cash * rates.tick_micros - book.fees - size * rates.fee
    one.fall += max(0, lots)
    one.rise += max(0, -lots)
    sign = 1 if lots > 0 else -1
    resting = [
        (order.stop_price * sign, order.leaves())
        for order in stops
        if order.side == -sign and order.stop_price is not None
    ]
    for price, most in sorted(resting):
        part = min(most, one.bare)
        one.bare -= part
        one.covered.append((price * sign, part))


def value(one: Exposure, mark: Mark) -> None:
    """Everything about a contract that hangs on its quote."""
    rates, lots = one.rates, one.position
    usable, worst, net = mark.usable(), one.worst, one.paid
    one.bid, one.ask = (mark.bid, mark.ask) if usable else (0, 0)
    one.settle = mark.settle
    one.gap = gap = rates.gap(mark)
    one.gap_loss = gap * worst if gap < FAR else FAR
    long, short = one.long_orders, one.short_orders
    if lots:
        price, each = mark_of(mark, lots), rates.tick_micros
        net += lots * price * each
        held = one.bare * rates.bare
        for stop, part in one.covered:
            if usable:
                distance = price - stop if lots > 0 else stop - price
                held += part * held_cost(distance, rates.slippage, each, rates.fee)
            else:
                held += part * rates.bare
        one.held = held
        if lots > 0:
            long += held
        else:
            short += held
    one.long_risk, one.short_risk = long, short
    one.net = net if usable or not (lots or one.doubtful) else None
    for order in one.doubtful:
        if one.net is not None:
            one.net -= unknown_loss(order, order.leaves(), mark, one.kind)
    if isinstance(one, SharedExposure):
        one.split(mark)
        long, short = one.long_risk, one.short_risk
    if worst:
        one.at_risk = FAR if one.kind is STRANGE else long if long > short else short


def _add_orders(mind: Mind, one: Exposure) -> list[Order]:
    """Count every live order of a contract. Returns the stops among them that protect."""
    rates, contract, stops = one.rates, one.contract, []
    for order in mind.state.orders.values():
        left = order.leaves() if order.contract == contract else 0
        if not left:
            continue
        if order.opens():
            one.opening += left * rates.entered
        if order.worst_price is not None:
            one.doubtful.append(order)
            one.fall += left if order.side > 0 else 0
            one.rise += left if order.side <= 0 else 0
        one.worker = one.worker or order.sleeve or HUMAN
        one.unknown += order.state is UNKNOWN
        if order.type is LIMIT and order.limit_price is not None:
            resting = one.bids if order.side > 0 else one.offers
            resting.append(((order.nearer or (order.limit_price,))[0], order.intent_id))
        if order.purpose is ENTRY:
            one.entering.append((order.sleeve, order.side))
        if not order.protects:
            if order.reducing and isinstance(one, SharedExposure):
                left = _beyond(mind, order, left)
            one.add(order.side, left, rates.entry(order.stop_loss_ticks))
        elif order.stop_price is not None and order.state is not SUSPENDED:
            stops.append(order)
    return stops


def net_of(mind: Mind, one: Exposure, sleeve: str) -> Micros:
    """The net of one sleeve in one contract: where nobody else traded it, the contract's own."""
    if one.sole == sleeve and one.net is not None:
        return one.net
    return sleeve_net(mind, sleeve, one.contract)


def account_kept(mind: Mind, found: dict[str, Exposure]) -> Account | None:
    """The account as `equity.account` counts it, from what is kept of every contract."""
    net = leaving = 0
    for one in found.values():
        if one.net is None:
            return None
        net += one.net
        leaving += one.leaving
    return account_of(mind, net, leaving)


def nothing_of(mind: Mind, contract: str) -> Exposure:
    """A contract in which nothing is held or works. Asked after `exposures`: rates are today's."""
    kind = product(contract)
    rates = mind.rates.get(kind.root)
    if rates is None:
        rates = mind.rates[kind.root] = Rates(mind, kind)
    return (SharedExposure if contract in mind.state.shared else Exposure)(contract, rates)


def tenths(found: dict[str, Exposure]) -> int:
    """The account's worst position over all contracts, in tenths of a mini."""
    return sum(one.tenths for one in found.values())


def pending_entries(mind: Mind) -> int:
    """Directional entries into a flat book or against it: trades that may begin without asking."""
    ledger = mind.state.ledger
    return sum(
        1
        for order in mind.state.orders.values()
        if order.purpose is ENTRY
        and not order.reducing
        and order.leaves()
        and ledger.held(order.sleeve, order.contract) * order.side <= 0
    )
