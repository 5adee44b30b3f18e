"""The rules of an order that may open risk: small functions in a tuple; the order is a decision.

Cheapest and most fatal first: what forbids every order (level, hours, venue, peers, feed) before
what forbids this kind of order (stop, price, owner, rate, count) before what forbids this size. The
last group is asked again with smaller sizes, so that a veto can name the largest that would pass.
Missing information refuses: there is no rule that passes because it does not know.

Exits come to none of these; see `intents`. Every limit is inclusive: at the limit passes, one more
does not, except levels of equity and loss, where touching counts as the firm counts it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from services.risk_governor.equity import Account, account, kill
from services.risk_governor.exposure import (
    Exposure,
    cost_of,
    exposures,
    pending_entries,
    tenths,
)
from services.risk_governor.state import FAR, ROUTER, SENTINEL, Mind, product
from shared.domain.ledger import HUMAN
from shared.domain.rules.loss import is_touched
from shared.domain.rules.sizing import price_distance
from shared.events import (
    Phase,
    Purpose,
    RiskLevel,
    VenueState,
    VetoRule,
)
from shared.units import SECOND, Lots, Micros, Nanos, Ticks

Refusal = tuple[VetoRule, int, int, str]  # rule, limit, actual, detail


class Draft:
    """An order as it would be, with what the rules need to know about it, looked up once."""

    __slots__ = (
        "_found", "_others", "_risk", "account", "contract", "limit_price", "now_ns", "purpose",
        "side", "size", "sleeve", "stop_loss_ticks", "stop_price",
    )  # fmt: skip

    def __init__(
        self, now_ns: Nanos, sleeve: str, contract: str, *, side: int, size: Lots,
        purpose: Purpose, limit_price: Ticks | None, stop_price: Ticks | None,
        stop_loss_ticks: Ticks | None,
    ) -> None:  # fmt: skip
        self.now_ns = now_ns
        self.sleeve = sleeve
        self.contract = contract
        self.side = side
        self.size = size
        self.purpose = purpose
        self.limit_price = limit_price
        self.stop_price = stop_price
        self.stop_loss_ticks = stop_loss_ticks
        self.account: Account | None = None
        self._found: dict[str, Exposure] | None = None
        self._others: Micros | None = None
        self._risk: tuple[Lots, Micros] | None = None

    def found(self, mind: Mind) -> dict[str, Exposure]:
        """Every contract's exposure without this order, and one for its own contract."""
        if self._found is None:
            self._found = exposures(mind)
            self._found.setdefault(self.contract, Exposure(self.contract, 0))
        return self._found

    def cost(self, mind: Mind) -> Micros:
        """Loss of one contract of this order, entered and stopped out."""
        return cost_of(mind.limits, self.contract, self.stop_loss_ticks)

    def open_risk(self, mind: Mind) -> Micros:
        """The account's open risk with this order in it; asked by four rules, reckoned once."""
        if self._risk is None or self._risk[0] != self.size:
            found = self.found(mind)
            if self._others is None:
                self._others = sum(one.at_risk for one in found.values())
                self._others -= found[self.contract].at_risk
            own = found[self.contract].risk(self.side, self.size, self.cost(mind))
            self._risk = (self.size, self._others + own)
        return self._risk[1]

    def lots_after(self, mind: Mind) -> Lots:
        """Contracts at worst on the order's own side, with it."""
        long, short = self.found(mind)[self.contract].sides(self.side, self.size)
        return long if self.side > 0 else short


Check = Callable[[Mind, Draft], Refusal | None]


# -- what forbids every order ----------------------------------------------------------------------


def level_is_active(mind: Mind, draft: Draft) -> Refusal | None:
    state = mind.state
    if state.level is RiskLevel.REDUCE_ONLY:
        return VetoRule.REDUCE_ONLY, 0, state.halt_no, state.cause
    if state.level is not RiskLevel.ACTIVE:
        return VetoRule.HALTED, 0, state.halt_no, state.cause
    if state.paused:
        return VetoRule.REDUCE_ONLY, 0, state.halt_no, "paused by the operator"
    if draft.contract in state.closing:
        return VetoRule.REDUCE_ONLY, 0, state.closing[draft.contract], "contract is being closed"
    return None


def session_is_open(mind: Mind, draft: Draft) -> Refusal | None:
    today = mind.today(draft.now_ns)
    if today is None:
        return VetoRule.SESSION, 0, 0, "time lies outside the calendar"
    phase = mind.phase(draft.now_ns)
    if phase is not Phase.OPEN:
        past = draft.now_ns - today.no_entries_ns
        return VetoRule.SESSION, 0, past, f"{today.day} {phase.value}"
    if mind.state.gate_day != today.day:
        return VetoRule.SESSION, 0, 0, f"gateway has not announced {today.day}"
    return None


def account_is_known(mind: Mind, draft: Draft) -> Refusal | None:
    state, today = mind.state, mind.today(draft.now_ns)
    if state.venue is not VenueState.READY and state.venue is not VenueState.DISARMED:
        name = "not heard of" if state.venue is None else state.venue.value
        return VetoRule.NOT_RECONCILED, 0, 0, f"venue {name}"
    if not (state.can_trade and state.simulated):
        return VetoRule.NOT_RECONCILED, 0, 0, "account may not trade"
    if state.base is None or today is None or state.day != today.day:
        return VetoRule.NOT_RECONCILED, 0, 0, "trading day not begun: no reconciled balance yet"
    return None


def peers_are_alive(mind: Mind, draft: Draft) -> Refusal | None:
    silent, given = mind.state.silent, mind.limits.given
    for peer, allowed_s in (
        (ROUTER, given.router_silence_real_s),
        (SENTINEL, given.sentinel_silence_real_s),
    ):
        if peer in silent:
            allowed = int(allowed_s * SECOND)
            return VetoRule.PEER_SILENT, allowed, allowed + mind.state.real_ns - silent[peer], peer
    return None


def feed_is_fresh(mind: Mind, draft: Draft) -> Refusal | None:
    limit = mind.limits.quote_age_ns
    if not mind.feed_is_up():
        feed = mind.state.feed
        return VetoRule.FEED, limit, FAR, f"feed {'not heard of' if feed is None else feed.value}"
    mark = mind.state.marks.get(draft.contract)
    if mark is None or not mark.usable():
        return VetoRule.FEED, limit, FAR, "no usable quote"
    age = abs(draft.now_ns - mark.recv_ns)  # a quote from the future is as wrong as an old one
    if age > limit:
        return VetoRule.FEED, limit, age, "quote is old"
    width = mark.ask - mark.bid
    if width < 0 or width > mind.limits.given.price_collar_ticks:
        return VetoRule.FEED, limit, age, f"absurd quote {mark.bid}/{mark.ask}"
    return None


def equity_is_known(mind: Mind, draft: Draft) -> Refusal | None:
    draft.account = account(mind)
    if draft.account is None:
        return VetoRule.FEED, mind.limits.quote_age_ns, FAR, "a held contract has no usable quote"
    return None


# -- what forbids this kind of order ---------------------------------------------------------------


def contract_is_listed(mind: Mind, draft: Draft) -> Refusal | None:
    root = product(draft.contract).root
    if mind.state.listed.get(root) != draft.contract:
        return VetoRule.MALFORMED, 0, 0, f"{draft.contract} is not the listed contract of {root}"
    return None


def stop_is_given(mind: Mind, draft: Draft) -> Refusal | None:
    if draft.purpose is Purpose.ENTRY and not draft.stop_loss_ticks:
        return VetoRule.STOP_REQUIRED, 1, 0, "a directional entry carries a bracket stop"
    return None


def price_is_near(mind: Mind, draft: Draft) -> Refusal | None:
    mark, limit = mind.state.marks[draft.contract], mind.limits.given.price_collar_ticks
    for price in (draft.limit_price, draft.stop_price):
        if price is not None:
            far = price_distance(price, mark.bid, mark.ask)
            if far > limit:
                return VetoRule.PRICE_COLLAR, limit, far, f"market {mark.bid}/{mark.ask}"
    return None


def contract_is_free(mind: Mind, draft: Draft) -> Refusal | None:
    owner = owner_of(mind, draft.contract)
    if owner not in ("", draft.sleeve):
        return VetoRule.CONTRACT_OWNED, 0, 0, owner
    return None


def owner_of(mind: Mind, contract: str) -> str:
    """Whose the contract is until it is flat with nothing resting; empty when it is free."""
    desk = mind.state.ledger.desks.get(contract)
    for owner, book in desk.owners.items() if desk is not None else ():
        if book.position.lots:
            return owner
    for order in mind.state.orders.values():
        if order.contract == contract and order.leaves():
            return order.sleeve or HUMAN
    return ""


def rate_is_bearable(mind: Mind, draft: Draft) -> Refusal | None:
    """Approvals of this sleeve in the window, this one counted. The account's rate is the router's
    request budget."""
    recent = mind.state.sleeves[draft.sleeve].approved_ns
    since = draft.now_ns - mind.limits.window_ns
    while recent and recent[0] <= since:
        recent.pop(0)
    limit, count = mind.limits.given.orders_per_window, len(recent) + 1
    return (VetoRule.ORDER_RATE, limit, count, "") if count > limit else None


def day_has_trades_left(mind: Mind, draft: Draft) -> Refusal | None:
    if draft.purpose is not Purpose.ENTRY or mind.state.ledger.held(draft.sleeve, draft.contract):
        return None
    limit = mind.limits.given.trades_per_day
    count = mind.state.trades_today + pending_entries(mind) + 1
    return (VetoRule.TRADES_PER_DAY, limit, count, "") if count > limit else None


def day_has_quotes_left(mind: Mind, draft: Draft) -> Refusal | None:
    """A maker's budget: contracts already traded by quotes today, this order's size counted."""
    if draft.purpose is not Purpose.QUOTE:
        return None
    limit, count = mind.limits.given.quoted_per_day, mind.state.quoted_today + draft.size
    return (VetoRule.QUOTED_PER_DAY, limit, count, "") if count > limit else None


# -- what forbids this size ------------------------------------------------------------------------


def order_is_small(mind: Mind, draft: Draft) -> Refusal | None:
    limit = mind.limits.given.order_size
    return (VetoRule.SIZE, limit, draft.size, "") if draft.size > limit else None


def position_is_small(mind: Mind, draft: Draft) -> Refusal | None:
    """Contracts of one product: this contract at worst, and any other month of it."""
    limit, after, root = mind.limits.given.position, draft.lots_after(mind), product(draft.contract)
    for contract, one in draft.found(mind).items():
        if one.kind is root and contract != draft.contract:
            after += one.worst
    return (VetoRule.POSITION, limit, after, "") if after > limit else None


def account_is_small(mind: Mind, draft: Draft) -> Refusal | None:
    limit, found = mind.limits.given.account_position_tenths, draft.found(mind)
    own = found[draft.contract]
    more = max(own.sides(draft.side, draft.size)) - own.worst
    after = tenths(found) + more * own.kind.mini_tenths
    return (VetoRule.ACCOUNT_POSITION, limit, after, "") if after > limit else None


def trade_risk_is_bearable(mind: Mind, draft: Draft) -> Refusal | None:
    limit, risk = mind.limits.trade_risk, draft.size * draft.cost(mind)
    return (VetoRule.TRADE_RISK, limit, risk, "") if risk > limit else None


def open_risk_is_bearable(mind: Mind, draft: Draft) -> Refusal | None:
    limit, risk = mind.limits.open_risk, draft.open_risk(mind)
    return (VetoRule.OPEN_RISK, limit, risk, "") if risk > limit else None


def day_stays_bearable(mind: Mind, draft: Draft) -> Refusal | None:
    """The day's loss if every stop filled; the exit fee of what is held is counted twice, cheaply
    on the safe side."""
    assert draft.account is not None, "Invariant: equity is known before sizes are judged"
    limit, loss = mind.limits.daily_loss, draft.open_risk(mind) - draft.account.session_net
    return (VetoRule.DAILY_LOSS, limit, loss, "") if loss >= limit else None


def drawdown_stays_bearable(mind: Mind, draft: Draft) -> Refusal | None:
    """Equity if every stop filled, against the level of the drawdown kill."""
    assert draft.account is not None, "Invariant: equity is known before sizes are judged"
    level, after = kill(mind), draft.account.equity - draft.open_risk(mind)
    return (VetoRule.DRAWDOWN, level, after, "") if is_touched(after, level) else None


def floor_stays_far(mind: Mind, draft: Draft) -> Refusal | None:
    """Equity if every stop filled at its worst, an exit allowance beyond the usual slippage."""
    assert draft.account is not None, "Invariant: equity is known before sizes are judged"
    beyond = mind.limits.given.exit_allowance_ticks
    worse = draft.size * beyond * product(draft.contract).tick_micros
    for one in draft.found(mind).values():
        worse += one.worst * beyond * one.kind.tick_micros
    after = draft.account.equity - draft.open_risk(mind) - worse
    floor = mind.state.floor
    return (VetoRule.FLOOR, floor, after, "") if is_touched(after, floor) else None


MODIFY_CHECKS: Final[tuple[Check, ...]] = (
    level_is_active,
    session_is_open,
    account_is_known,
    peers_are_alive,
    feed_is_fresh,
    price_is_near,
    rate_is_bearable,
)

KIND_CHECKS: Final[tuple[Check, ...]] = (
    level_is_active,
    session_is_open,
    account_is_known,
    peers_are_alive,
    contract_is_listed,
    feed_is_fresh,
    equity_is_known,
    stop_is_given,
    price_is_near,
    contract_is_free,
    rate_is_bearable,
    day_has_trades_left,
    day_has_quotes_left,
)

SIZE_CHECKS: Final[tuple[Check, ...]] = (
    order_is_small,
    position_is_small,
    account_is_small,
    trade_risk_is_bearable,
    open_risk_is_bearable,
    day_stays_bearable,
    drawdown_stays_bearable,
    floor_stays_far,
)

LOOSEN_CHECKS: Final[tuple[Check, ...]] = (
    level_is_active,
    account_is_known,
    peers_are_alive,
    feed_is_fresh,
    equity_is_known,
    open_risk_is_bearable,
    day_stays_bearable,
    drawdown_stays_bearable,
    floor_stays_far,
)
"""For a protective stop moved away from the market, already counted at its new price: size 0."""


def first_refusal(mind: Mind, draft: Draft, checks: tuple[Check, ...]) -> Refusal | None:
    for check in checks:
        refusal = check(mind, draft)
        if refusal is not None:
            return refusal
    return None
