"""What could be held and what it could cost: positions and working orders at their worst.

Per contract the long side (position plus every working buy) and the short side (working sells minus
position) are looked at apart, because both cannot fill against us: a two-sided quote risks one of
its sides. The account's open risk is the sum over contracts of the worse side. Protective legs
never count as new positions; they bound the loss of what is held.

A held contract without a working stop is taken to lose `net_stop_ticks`: that is the stop the
router puts under it, and a position that stays without one is flattened.
"""

from __future__ import annotations

from services.risk_governor.equity import Account, exit_ticks, part_of, unknown_loss
from services.risk_governor.limits import Limits
from services.risk_governor.state import FAR, STRANGE, Mind, Order, product
from shared.domain.ledger import HUMAN
from shared.domain.rules.sizing import entry_cost, exposure, held_cost
from shared.events import OrderState, OrderType, Purpose
from shared.units import Lots, Micros, Ticks

Costs = list[tuple[Micros, Lots]]  # (loss of one contract at its stop, contracts)


class Exposure:
    """One contract at its worst. `bought` and `sold` are the working orders that may open.

    `long`, `short`, `worst` (contracts) and `at_risk` are those of the sides as they stand;
    `beyond` is what `worst` costs to leave an allowance farther on, `tick` that of one contract;
    `net` (None: no usable quote) and `leaving` are its part of the account, as `equity` counts it.
    `bid` and `ask` are the quote all of it was counted at; `worker` the sleeve of the first live
    order; `unknown` counts orders of unknown outcome; `resting` are limit orders of any purpose
    (side, price, intent id), `stops` those that protect, `doubtful` those that may have filled,
    `opening` what leaving those that open would cost.
    """

    __slots__ = (
        "ask", "at_risk", "beyond", "bid", "bought", "buys", "contract", "doubtful", "held", "kind",
        "leaving", "long", "net", "opening", "position", "resting", "sells", "short", "sold",
        "stops", "tick", "unknown", "worker", "worst",
    )  # fmt: skip

    def __init__(self, contract: str, position: Lots) -> None:
        self.contract = contract
        self.position = position
        self.buys: Lots = 0
        self.sells: Lots = 0
        self.bought: Costs = []
        self.sold: Costs = []
        self.held: Micros = 0
        self.kind = product(contract)
        self.worst: Lots = 0
        self.at_risk: Micros = 0
        self.bid: Ticks = 0
        self.ask: Ticks = 0
        self.worker = ""
        self.unknown = 0
        self.opening: Micros = 0
        self.doubtful: list[Order] = []
        self.stops: list[Order] = []
        self.resting: list[tuple[int, Ticks, str]] = []
        self.long: Lots = 0
        self.short: Lots = 0
        self.tick: Micros = 0
        self.beyond: Micros = 0
        self.net: Micros | None = 0
        self.leaving: Micros = 0

    def add(self, side: int, lots: Lots, cost: Micros) -> None:
        """Count an order of `lots` contracts, each losing `cost` when entered and stopped."""
        if side > 0:
            self.buys += lots
            self.bought.append((cost, lots))
        else:
            self.sells += lots
            self.sold.append((cost, lots))

    def sides(self, side: int = 0, lots: Lots = 0) -> tuple[Lots, Lots]:
        """(long, short) at worst, with an order of `lots` more on `side`."""
        if side > 0:
            return exposure(self.position, self.buys + lots, self.sells)
        return exposure(self.position, self.buys, self.sells + (lots if side else 0))

    def risk(self, side: int = 0, lots: Lots = 0, cost: Micros = 0) -> Micros:
        """Loss of the worse side with every stop filled, with an order more; micro-dollars."""
        bought, sold = self.bought, self.sold
        if side > 0:
            bought = [*bought, (cost, lots)]
        elif side < 0:
            sold = [*sold, (cost, lots)]
        long = _side(self.position, self.held, bought)
        short = _side(-self.position, self.held, sold)
        return long if long > short else short


def _side(position: Lots, held: Micros, orders: Costs) -> Micros:
    """Risk of one side: what is held on it plus its orders; a position against it is closed first,
    and what it closes is taken to be the cheapest."""
    if position > 0:
        total = held
        for cost, lots in orders:
            total += cost * lots
        return total
    if not orders:
        return 0
    opened = position
    for _, lots in orders:
        opened += lots
    total = 0
    for cost, lots in sorted(orders, reverse=True) if opened > 0 else ():
        part = lots if lots < opened else opened
        total += cost * part
        opened -= part
    return total


def cost_of(limits: Limits, contract: str, stop: Ticks | None) -> Micros:
    """Loss of one contract entered and stopped `stop` ticks away; None: under the net stop."""
    kind = product(contract)
    distance = limits.given.net_stop_ticks if stop is None else stop
    return entry_cost(distance, limits.given.slippage_ticks, kind.tick_micros, kind.fee_side_micros)


def exposures(mind: Mind) -> dict[str, Exposure]:
    """Every contract that is held or has an order that may still fill. Not to be changed.

    Kept from one question to the next: only contracts told of since (`Mind.forget`) are counted
    anew, and those whose quote moved while it matters: held or perhaps held. All are, when an hour
    or a day changes what leaving costs.
    """
    found, stale = mind.exposed, mind.stale
    counted_for = (mind.state.thin, mind.limits)
    if found is None or mind.exposed_for != counted_for:
        found, mind.exposed_for = {}, counted_for
        mind.exposed = found
        stale = dict.fromkeys(mind.state.ledger.desks)
        for order in mind.state.orders.values():
            stale[order.contract] = None
    marks = mind.state.marks
    for contract, one in found.items():
        if one.worst or one.unknown:
            mark = marks.get(contract)
            moved = mark is None or mark.bid != one.bid or mark.ask != one.ask
            if moved and contract not in stale:
                value(mind, one)
    if not stale:
        return found
    for contract in stale:
        counted = exposure_of(mind, contract)
        if counted is None:
            found.pop(contract, None)
        else:
            found[contract] = counted
    mind.stale = {}
    return found


def exposure_of(mind: Mind, contract: str) -> Exposure | None:
    """One contract counted from the books and its orders; None when it was never traded today."""
    desk, one = mind.state.ledger.desks.get(contract), nothing_of(mind, contract)
    if desk is not None:
        one.position = desk.account.position.lots
    _add_orders(mind, one)
    if desk is None and not one.worker:
        return None
    one.long, one.short = one.sides()
    one.worst = one.long if one.long > one.short else one.short
    one.beyond = one.worst * one.tick
    value(mind, one)
    return one


def value(mind: Mind, one: Exposure) -> None:
    """Everything about a contract that hangs on its quote."""
    state, kind = mind.state, one.kind
    desk, mark = state.ledger.desks.get(one.contract), state.marks.get(one.contract)
    usable = mark is not None and mark.usable()
    one.bid, one.ask = (mark.bid, mark.ask) if mark is not None and usable else (0, 0)
    one.net, one.leaving = 0, one.opening
    if desk is not None:
        one.net, leaving = part_of(desk.account, mark, kind, one.tick)
        one.leaving += leaving
    for order in one.doubtful:
        if one.net is None or mark is None or not usable:
            one.net = None
            break
        one.net -= unknown_loss(order, order.leaves(), mark, kind)
    if one.position:
        one.held = held_risk(mind, one, one.stops)
    if one.worst:
        one.at_risk = FAR if kind is STRANGE else one.risk()


def _add_orders(mind: Mind, one: Exposure) -> None:
    """Count every live order of a contract."""
    limits, kind, contract = mind.limits, one.kind, one.contract
    entered = entry_cost(0, limits.given.slippage_ticks, kind.tick_micros, kind.fee_side_micros)
    for order in mind.state.orders.values():
        left = order.leaves() if order.contract == contract else 0
        if not left:
            continue
        if order.opens():
            one.opening += left * entered
        if order.worst_price is not None:
            one.doubtful.append(order)
        one.worker = one.worker or order.sleeve or HUMAN
        one.unknown += order.state is OrderState.UNKNOWN
        if order.type is OrderType.LIMIT and order.limit_price is not None:
            one.resting.append((order.side, order.limit_price, order.intent_id))
        if not order.protects:
            one.add(order.side, left, cost_of(limits, contract, order.stop_loss_ticks))
        elif order.stop_price is not None and order.state is not OrderState.SUSPENDED:
            one.stops.append(order)


def account_kept(mind: Mind, found: dict[str, Exposure]) -> Account | None:
    """The account as `equity.account` counts it, from what is kept of every contract."""
    state = mind.state
    if state.base is None:
        return None
    net: Micros = state.drift if state.drift < 0 else 0
    leaving: Micros = 0
    for one in found.values():
        if one.net is None:
            return None
        net += one.net
        leaving += one.leaving
    return Account(state.base + net, net, leaving)


def nothing_of(mind: Mind, contract: str) -> Exposure:
    """A contract in which nothing is held and nothing works."""
    one = Exposure(contract, 0)
    one.tick = exit_ticks(mind, one.kind) * one.kind.tick_micros
    return one


def held_risk(mind: Mind, one: Exposure, stops: list[Order]) -> Micros:
    """Loss from the mark of what is held under its working stops, the farthest counted first."""
    limits, kind, position = mind.limits.given, one.kind, one.position
    sign = 1 if position > 0 else -1
    distances: list[tuple[Ticks, Lots]] = []
    if one.bid > 0 and one.ask > 0:
        price = min(one.bid, one.ask) if sign > 0 else max(one.bid, one.ask)
        distances = [
            ((price - order.stop_price) * sign, order.leaves())
            for order in stops
            if order.side == -sign and order.stop_price is not None
        ]
    distances.sort(reverse=True)
    left, total = abs(position), 0
    for distance, lots in [*distances, (limits.net_stop_ticks, FAR)]:
        part = lots if lots < left else left
        each = held_cost(distance, limits.slippage_ticks, kind.tick_micros, kind.fee_side_micros)
        total += each * part
        left -= part
    return total


def tenths(found: dict[str, Exposure]) -> int:
    """The account's worst position over all contracts, in tenths of a mini."""
    return sum(one.worst * one.kind.mini_tenths for one in found.values())


def pending_entries(mind: Mind) -> int:
    """Directional entries on the way into a flat book: trades that may begin without asking."""
    ledger = mind.state.ledger
    return sum(
        1
        for order in mind.state.orders.values()
        if order.purpose is Purpose.ENTRY
        and not order.reducing
        and order.leaves()
        and not ledger.held(order.sleeve, order.contract)
    )
