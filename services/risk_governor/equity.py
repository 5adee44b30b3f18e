"""Conservative equity, and the lines at which a rule acts.

Longs are valued at the bid, shorts at the ask, the exit's fees are paid already. Equity is cash
plus what is held at the mark, so there is no average price and no rounding in it. A venue balance
lower than ours counts (a fee we did not hear of); a higher one does not until the next day begins.
An order of unknown outcome counts as filled at its worst price while that is worse than unfilled.

`allowance` is what it would cost to have nothing at risk: leaving what is held (ticks beyond the
mark by product, more in hours poor in volume), and the fees and slippage of every working order
that may open. Whatever flattens for a loss of ours asks with it, the firm's floor without.

Unknown is a value of its own: a held contract without a usable quote makes the whole sum None.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from services.risk_governor.latches import (
    APPROACH,
    CONSISTENCY,
    DAILY_CAP,
    DAILY_LOSS,
    DRAWDOWN,
    EMERGENCY,
    FIRM_DAILY,
    FLOOR,
    PROFIT_STOP,
    RECOVERY,
    SESSION_CAP,
    TARGET,
)
from services.risk_governor.limits import WHOLE
from services.risk_governor.state import FAR, Line, Mark, Mind, Order, product
from shared.contracts import Product
from shared.domain.ledger import HUMAN, Book, worth
from shared.domain.rules.consistency import largest_day
from shared.domain.rules.day import share_of
from shared.domain.rules.loss import is_touched, kill_level
from shared.domain.rules.sizing import entry_cost
from shared.events import RiskLayer
from shared.units import Lots, Micros, Ticks

QUIET: Final = (RECOVERY, CONSISTENCY)
"""Lines that tell or halve and close nothing: headroom does not lead to them."""


NOWHERE: Final = 2 * FAR  # where no line is: no sum of money comes nearer to it than FAR


class Account(Struct, frozen=True):
    """The account at this moment, micro-dollars. `allowance`: cost of having nothing at risk."""

    equity: Micros
    session_net: Micros
    allowance: Micros


def mark_of(mark: Mark, lots: Lots) -> int:
    """The price at which `lots` (signed) are valued: the worse side, also of a crossed quote."""
    bid, ask = mark.bid, mark.ask
    return bid if (bid < ask) is (lots > 0) else ask


def exit_ticks(mind: Mind, kind: Product) -> Ticks:
    """What leaving one contract of a product costs beyond the mark at this hour."""
    given = mind.limits.given
    ticks = given.exit_allowance_products.get(kind.root, 0)
    ticks = max(ticks, given.exit_allowance_ticks)
    return -(-ticks * given.thin_percent // WHOLE) if mind.state.thin else ticks


def account(mind: Mind) -> Account | None:
    """Conservative equity now; None when it is not known."""
    state = mind.state
    if state.base is None:
        return None
    net: Micros = 0
    allowance: Micros = 0
    for contract, desk in state.ledger.desks.items():
        kind = product(contract)
        tick = exit_ticks(mind, kind) * kind.tick_micros
        part, leaving = part_of(desk.account, state.marks.get(contract), kind, tick)
        if part is None:
            return None
        net += part
        allowance += leaving
    slippage = mind.limits.given.slippage_ticks
    for order in state.orders.values():
        left = order.leaves()
        if not left:
            continue
        kind = product(order.contract)
        if order.opens():
            cost = entry_cost(0, slippage, kind.tick_micros, kind.fee_side_micros)
            allowance += left * cost
        if order.worst_price is not None:
            mark = state.marks.get(order.contract)
            if mark is None or not mark.usable():
                return None
            net -= unknown_loss(order, left, mark, kind)
    return account_of(mind, net, allowance)


def account_of(mind: Mind, net: Micros, allowance: Micros) -> Account | None:
    """The account with what its contracts come to; None while its balance is not known."""
    base = mind.state.base
    return None if base is None else account_on(mind, base, net, allowance)


def account_on(mind: Mind, base: Micros, net: Micros, allowance: Micros) -> Account:
    """The account on the balance its day began with; what the venue's lacks counts as lost."""
    drift = mind.state.drift
    if drift < 0:
        net += drift
    return Account(base + net, net, allowance)


def part_of(
    book: Book, mark: Mark | None, kind: Product, leave: Micros
) -> tuple[Micros | None, Micros]:
    """(net, cost of leaving) of one contract's book; the net is None when nobody can value it.

    `leave`: what leaving one contract costs beyond the mark.
    """
    lots, price, size = book.position.lots, 0, 0
    if lots:
        if mark is None or not mark.usable():
            return None, 0
        price, size = mark_of(mark, lots), abs(lots)
    net = worth(book.position, price) * kind.tick_micros - book.fees - size * kind.fee_side_micros
    return net, size * leave


def unknown_loss(order: Order, left: Lots, mark: Mark, kind: Product) -> Micros:
    """What an order of unknown outcome may have lost already, filled at its worst."""
    assert order.worst_price is not None, "Invariant: its outcome is unknown"
    away = (order.worst_price - mark_of(mark, order.side)) * order.side
    return max(0, away) * left * kind.tick_micros


def sleeve_nets(mind: Mind) -> dict[str, Micros]:
    """Each sleeve's conservative net of the session; a contract nobody can value counts nothing."""
    nets: dict[str, Micros] = {}
    for contract, desk in mind.state.ledger.desks.items():
        kind, mark = product(contract), mind.state.marks.get(contract)
        for owner, book in desk.owners.items():
            if owner != HUMAN:
                nets[owner] = nets.get(owner, 0) + _net_of(book, mark, kind)
    return nets


def sleeve_net(mind: Mind, sleeve: str, contract: str) -> Micros:
    """The net of one sleeve in one contract."""
    desk = mind.state.ledger.desks.get(contract)
    book = None if desk is None else desk.owners.get(sleeve)
    if book is None:
        return 0
    return _net_of(book, mind.state.marks.get(contract), product(contract))


def _net_of(book: Book, mark: Mark | None, kind: Product) -> Micros:
    """A book's conservative net; what it realised alone while nobody can value it."""
    position, lots = book.position, book.position.lots
    if not lots or mark is None or not mark.usable():
        return position.realised * kind.tick_micros - book.fees
    held = worth(position, mark_of(mark, lots)) * kind.tick_micros
    return held - abs(lots) * kind.fee_side_micros - book.fees


# -- lines -----------------------------------------------------------------------------------------


def kill(mind: Mind) -> Micros:
    """The equity at which the drawdown kill acts."""
    state, limits = mind.state, mind.limits
    high = max(state.high, state.peak) if limits.running else state.high
    return kill_level(high, limits.drawdown, state.floor)


class Walls:
    """Every line of the day, gravest first, and what follows from them alone: the `first` to close
    something, the equity of the drawdown's `kill`, and `firm`, the net at which the firm acts.
    """

    __slots__ = ("_tripped", "_untripped", "firm", "first", "kill", "lines")

    def __init__(self, mind: Mind, base: Micros) -> None:
        self.lines = _draw(mind, base)
        closing = [line for line in self.lines if not line.gain and line.key not in QUIET]
        self.first = max(closing, key=lambda line: line.at)
        self.kill = kill(mind)
        daily, floor = mind.limits.firm_daily, mind.state.floor - base
        self.firm: Micros = -daily if daily and floor < -daily else floor
        self._tripped: tuple[str, ...] | None = None
        self._untripped: tuple[Micros, Micros, Micros] = (0, 0, 0)

    def rooms(self, now: Account, tripped: tuple[str, ...]) -> tuple[Micros, Micros]:
        """What may still be lost and won before the next line acts that has not tripped yet."""
        if tripped != self._tripped:
            self._tripped, self._untripped = tripped, self._nearest(tripped)
        loss, leaving, gain = self._untripped
        net = now.session_net
        left, late = net - loss, net - now.allowance - leaving
        return left if left < late else late, gain - net

    def _nearest(self, tripped: tuple[str, ...]) -> tuple[Micros, Micros, Micros]:
        """The nearest lines of loss, of loss with the cost of leaving counted, and of gain."""
        loss, leaving, gain = -NOWHERE, -NOWHERE, NOWHERE
        for line in self.lines:
            if line.key in tripped:
                continue
            if line.gain:
                gain = min(gain, line.at)
            elif line.leaving:
                leaving = max(leaving, line.at)
            else:
                loss = max(loss, line.at)
        return loss, leaving, gain


def walls(mind: Mind, base: Micros) -> Walls:
    """The lines of an account whose day began with `base`; drawn anew when what they depend on
    changed."""
    state, limits, found = mind.state, mind.limits, mind.walls
    peak = state.peak if limits.running else 0
    drawn = (base, state.floor, state.high, peak, state.banked, limits)
    if found is None or drawn != mind.drawn:
        found = mind.walls = Walls(mind, base)
        mind.drawn = drawn
    return found


def lines(mind: Mind) -> tuple[Line, ...]:
    """Every line of the day, gravest first."""
    base = mind.state.base
    return () if base is None else walls(mind, base).lines


def _draw(mind: Mind, base: Micros) -> tuple[Line, ...]:
    state, limits, given = mind.state, mind.limits, mind.limits.given
    near = state.floor + share_of(limits.maximum_loss, (given.approach_percent, WHOLE))
    losses = (
        (FIRM_DAILY, limits.firm_daily),
        (DAILY_LOSS, limits.daily_loss),
        (DAILY_CAP, limits.daily_cap),
        (EMERGENCY, limits.share(given.emergency_percent)),
        (SESSION_CAP, limits.session_cap),
        (RECOVERY, limits.share(given.recovery_percent)),
    )
    goal = limits.start + limits.pack.profit_target - base
    target = limits.pack.profit_target and not state.banked and max(1, goal)
    gains = (
        (TARGET, target or 0),
        (PROFIT_STOP, limits.profit_stop),
        (CONSISTENCY, largest_today(mind)),
    )
    return (
        Line(FLOOR, state.floor - base),
        Line(DRAWDOWN, kill(mind) - base),
        Line(APPROACH, near - base, leaving=True),
        *(Line(key, -limit, leaving=True) for key, limit in losses if limit),
        *(Line(key, gain, gain=True) for key, gain in gains if gain),
    )


def largest_today(mind: Mind) -> Micros:
    """Today's profit from which on it is too large a share of all profit; 0: no such rule, or no
    day could meet it yet."""
    pack, tally = mind.limits.pack, mind.state.tally
    if not pack.consistent or mind.state.base is None:
        return 0
    others = mind.state.base - tally.basis
    allowed = largest_day(others, pack.consistency_percent)
    share = share_of(pack.profit_target, (pack.consistency_percent, WHOLE))
    return max(allowed + 1 if allowed else 0, share)


def room_to(line: Line, now: Account) -> Micros:
    """How much may still be lost (won) before a line acts; 0 or less: it acts now."""
    if line.gain:
        return line.at - now.session_net
    return now.session_net - (now.allowance if line.leaving else 0) - line.at


def reached(mind: Mind, now: Account) -> list[Line]:
    """Which lines the account has reached, gravest first."""
    return [line for line in lines(mind) if is_touched(room_to(line, now), 0)]


def nearest(mind: Mind, now: Account) -> Line:
    """The line of loss that closes something first."""
    closing = [line for line in lines(mind) if not line.gain and line.key not in QUIET]
    return min(closing, key=lambda line: room_to(line, now))


def layers(mind: Mind, now: Account | None) -> tuple[RiskLayer, ...]:
    """Every line as the world is told it; nothing while equity is not known."""
    if now is None:
        return ()
    return tuple(
        RiskLayer(rule=line.key, at=line.at, room=room_to(line, now), gain=line.gain)
        for line in lines(mind)
    )


def headroom(mind: Mind, now: Account) -> Micros:
    """What may still be lost before the nearest line closes something."""
    return room_to(nearest(mind, now), now)


def update_peak(mind: Mind, now: Account) -> None:
    """Remember the highest equity; the running kill follows it."""
    if now.equity > mind.state.peak:
        mind.state.peak = now.equity
