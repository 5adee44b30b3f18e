"""The desk: turns a sleeve's verbs into intents, and refuses what would be unwise to say.

Everything a sleeve may do to the world passes here, so the promises are kept in one place whoever
wrote the sleeve: nothing before authority, no entry while the market or the governor is not well,
never more contracts on a side than `contracts_max` (held, asked, working or of unknown outcome),
one exit in flight, a trailing stop that only tightens, a bounded flow of words.

An intent expires `INTENT_LIFE_NS` after the *event* that caused it (its own time, not the reader's
clock), so that one caused by an event caught up from a journal is born expired. Refusing is not
vetoing: a verb that returns "" cost nothing and may be repeated at the next event.
"""

from __future__ import annotations

from services.sleeves.forms import finite, spoken, well_formed, whole
from services.sleeves.memory import NOBODY, REPLACEABLE, Handle, Memory, Order
from shared.events import (
    CancelIntent,
    Event,
    FeedState,
    ModifyIntent,
    OrderIntent,
    OrderType,
    Phase,
    Purpose,
    RiskLevel,
    Side,
    VetoRule,
)
from shared.units import SECOND, Lots, Nanos, Ticks

INTENT_LIFE_NS = 5 * SECOND
ANSWER_PATIENCE_NS = 2 * SECOND  # before a cancel or a modify without effect is asked again
INTENTS_PER_EVENT = 4
INTENTS_PER_SECOND = 10
ORDERS_MAX = 64
TIMERS_MAX = 16
TIMER_S_MAX = 7 * 86_400  # a week: no memory of ours is older
NUMBERS_MAX = 16
SHADOW_QUIET_S = 5
QUIET_MAX_S = 64  # the longest silence after vetoes in a row


class Desk:
    """Verbs over a `Memory`; what they say collects in `out` until the host takes it."""

    def __init__(self, name: str, contracts_max: Lots) -> None:
        self.name = name
        self.contracts_max = contracts_max
        self.memory = Memory()
        self.out: list[Event] = []
        self.now_ns: Nanos = 0
        self.basis_ns: Nanos = 0  # own time of the event being handled
        self._said_in_event = 0

    def begin(self, now_ns: Nanos) -> None:
        """A new event: whatever it causes is as old as the newest market event, unless it says."""
        self.now_ns, self.basis_ns = now_ns, self.memory.seen_ns
        self._said_in_event = 0

    # -- may we? -------------------------------------------------------------------------------

    @property
    def may_speak(self) -> bool:
        """Exits, cancels, tighter stops: we own the sleeve and somebody listens."""
        m = self.memory
        owns = m.authority or m.shadow
        return owns and bool(m.contract) and not (m.governor_silent or m.stopping)

    @property
    def market_is_well(self) -> bool:
        m = self.memory
        return m.feed is FeedState.UP and not m.feed_silent and m.phase is Phase.OPEN

    @property
    def may_enter(self) -> bool:
        """New risk is worth asking for; the governor still decides."""
        m = self.memory
        calm = m.risk is RiskLevel.ACTIVE and not (
            m.paused or m.flattening or m.fault or m.sheltered or m.cold
        )
        waited = self.now_ns >= m.quiet_until_ns
        return self.may_speak and m.begun and calm and self.market_is_well and waited

    def _allowed(self, side: Side, size: Lots, purpose: Purpose) -> bool:
        if purpose is Purpose.EXIT:
            return self.may_speak and self.now_ns >= self.memory.exit_quiet_until_ns
        room = self.memory.side_lots(side) + size <= self.contracts_max
        return self.may_enter and room and self._bounded()

    def _bounded(self) -> bool:
        """Counts an intent against the flood limits; False drops it. Exits and cancels are free."""
        m, second = self.memory, self.now_ns // SECOND
        if second != m.flood_second:
            m.flood_second, m.flood_count = second, 0
        full = self._said_in_event >= INTENTS_PER_EVENT or m.flood_count >= INTENTS_PER_SECOND
        if full or len(m.orders) >= ORDERS_MAX:
            m.flooded += 1
            self.log(f"flood limit: {m.flooded} intents dropped so far")
            return False
        self._said_in_event += 1
        m.flood_count += 1
        return True

    def _next_id(self) -> Handle:
        self.memory.counter += 1
        return f"{self.name}.{self.memory.incarnation}.{self.memory.counter}"

    # -- orders --------------------------------------------------------------------------------

    def order(
        self,
        side: Side,
        size: Lots,
        *,
        limit: Ticks | None = None,
        stop: Ticks | None = None,
        sl_ticks: int | None = None,
        tp_ticks: int | None = None,
        least: Lots = 0,
        purpose: Purpose = Purpose.ENTRY,
        reason: str = "",
    ) -> Handle:
        """Ask for an order. Raises ValueError for a form no venue knows: a bug of the sleeve."""
        well_formed(size, least, limit=limit, stop=stop, sl_ticks=sl_ticks, tp_ticks=tp_ticks)
        if not self._allowed(side, size, purpose):
            return NOBODY
        intent = OrderIntent(
            intent_id=self._next_id(),
            sleeve=self.name,
            incarnation=self.memory.incarnation,
            shadow=self.memory.shadow,
            contract=self.memory.contract,
            side=side,
            size=size,
            type=_type(limit, stop),
            expires_ns=self.basis_ns + INTENT_LIFE_NS,
            reason=spoken(reason),
            purpose=purpose,
            limit_price=limit,
            stop_price=stop,
            stop_loss_ticks=sl_ticks,
            take_profit_ticks=tp_ticks,
            least=least,
        )
        self.out.append(intent)
        self.remember(intent)
        return intent.intent_id

    def remember(self, intent: OrderIntent) -> None:
        """The wish is an order of ours from now on, until answered or forgotten."""
        self.memory.orders[intent.intent_id] = Order(
            intent.intent_id,
            intent.side,
            intent.size,
            intent.purpose,
            limit_price=intent.limit_price,
            stop_price=intent.stop_price,
            asked_ns=intent.expires_ns - INTENT_LIFE_NS,
            expires_ns=intent.expires_ns,
            target_ticks=intent.take_profit_ticks or 0,
        )

    def close(self, reason: str = "") -> Handle:
        """Leave the market with all we hold. One such exit at a time."""
        m = self.memory
        held = m.position.lots
        side = Side.SELL if held > 0 else Side.BUY
        for order in m.orders.values():
            if order.side is side and order.over:
                held += order.open_lots * side  # filled, its trade not yet told
            elif order.purpose is Purpose.EXIT and not order.entry:
                return NOBODY
        if held * side >= 0:
            return NOBODY
        return self.order(side, abs(held), purpose=Purpose.EXIT, reason=reason)

    def cancel(self, handle: Handle, reason: str = "") -> Handle:
        """Ask for a cancel; unknown, finished or already asked within two seconds: nothing."""
        order = self.memory.orders.get(handle)
        if order is None or order.over or not self.may_speak:
            return NOBODY
        if order.cancel_ns and self.now_ns - order.cancel_ns < ANSWER_PATIENCE_NS:
            return NOBODY
        order.cancel_ns = max(1, self.now_ns)
        wish = CancelIntent(
            intent_id=self._next_id(),
            sleeve=self.name,
            incarnation=self.memory.incarnation,
            shadow=self.memory.shadow,
            target=handle,
            reason=spoken(reason),
        )
        self.out.append(wish)
        return wish.intent_id

    def cancel_entries(self, reason: str = "") -> None:
        """Pull everything that rests by our own wish; protective legs stay."""
        for order in list(self.memory.orders.values()):
            if order.entry:
                self.cancel(order.intent_id, reason)

    def modify(
        self,
        handle: Handle,
        *,
        limit: Ticks | None = None,
        stop: Ticks | None = None,
        reason: str = "",
    ) -> Handle:
        """Ask for another price; nothing while the last change is unanswered."""
        whole(limit=limit, stop=stop)
        order = self.memory.orders.get(handle)
        if order is None or order.state not in REPLACEABLE or not self.may_speak:
            return NOBODY
        if order.cancel_ns or (limit, stop) == (None, None):
            return NOBODY
        if order.change and self.now_ns - order.asked_ns < ANSWER_PATIENCE_NS:
            return NOBODY
        if not self._bounded():
            return NOBODY
        order.change = self._next_id()
        order.asked_ns = self.now_ns
        self.out.append(
            ModifyIntent(
                intent_id=order.change,
                sleeve=self.name,
                incarnation=self.memory.incarnation,
                shadow=self.memory.shadow,
                target=handle,
                expires_ns=self.basis_ns + INTENT_LIFE_NS,
                reason=spoken(reason),
                limit_price=limit,
                stop_price=stop,
            )
        )
        return order.change

    def trail(self, price: Ticks, *, step: int = 1, reason: str = "") -> Handle:
        """Bring the bracket's stop to `price`: only tighter, only outside the market, by `step`."""
        quote, held = self.memory.quote, self.memory.position.lots
        leg = self.stop_leg()
        if quote is None or not held or leg is None or leg.stop_price is None:
            return NOBODY
        if held > 0:
            wish = min(price, quote.bid - 1)
            wish = wish if leg.tightest is None else max(wish, leg.tightest)
            nearer = wish - leg.stop_price
            outside = wish < quote.bid
        else:
            wish = max(price, quote.ask + 1)
            wish = wish if leg.tightest is None else min(wish, leg.tightest)
            nearer = leg.stop_price - wish
            outside = wish > quote.ask
        if nearer < step or not outside:
            return NOBODY
        handle = self.modify(leg.intent_id, stop=wish, reason=reason)
        if handle:
            leg.tightest = wish
        return handle

    def stop_leg(self) -> Order | None:
        """The working stop of our bracket, if the venue shows one on the closing side."""
        side = Side.SELL if self.memory.position.lots > 0 else Side.BUY
        for order in self.memory.orders.values():
            works = order.state in REPLACEABLE
            if order.purpose is Purpose.STOP_LOSS and order.side is side and works:
                return order
        return None

    def quote(
        self, bid: Ticks | None, ask: Ticks | None, *, size: Lots = 1, reason: str = ""
    ) -> tuple[Handle, Handle]:
        """Rest one order on each side at these prices; None pulls that side. What was asked."""
        whole(bid=bid, ask=ask)
        low = self._quote_side(Side.BUY, bid, size, reason)
        return low, self._quote_side(Side.SELL, ask, size, reason)

    def _quote_side(self, side: Side, price: Ticks | None, size: Lots, reason: str) -> Handle:
        mine = self.resting(side)
        if mine is not None and mine.over:
            return NOBODY  # traded, not yet booked: the next price follows the next position
        if mine is not None:
            if price is None:
                return self.cancel(mine.intent_id, reason)
            if mine.limit_price != price:
                return self.modify(mine.intent_id, limit=price, reason=reason)
        elif price is not None:
            held = self.memory.position.lots * side
            purpose = Purpose.EXIT if held < 0 else Purpose.QUOTE
            size = min(size, -held) if held < 0 else size
            return self.order(side, size, limit=price, purpose=purpose, reason=reason)
        return NOBODY

    def resting(self, side: Side) -> Order | None:
        """Our quote on `side`, also one that is asked, or traded and not yet booked."""
        for order in self.memory.orders.values():
            quoted = order.entry and order.purpose is not Purpose.ENTRY
            if order.side is side and quoted:
                return order
        return None

    # -- answers -------------------------------------------------------------------------------

    def said(self, intent_id: Handle) -> bool:
        """Whether an intent is of this life; the other seat's answers are heard too."""
        return intent_id.startswith(f"{self.name}.{self.memory.incarnation}.")

    def vetoed(self, intent_id: Handle, rule: VetoRule) -> None:
        """A refusal frees what it was about, and makes the next wish wait: 1 s, 2 s, ... 64 s.

        A shadow, refused whatever it says, says the same wish once in so many seconds. Whom the
        market overtook with a quote asks again at the next one; twice in a row, as all others.
        """
        m = self.memory
        order = m.orders.pop(intent_id, None)
        if order is not None and rule is VetoRule.SHADOW:
            m.quiet_until_ns = m.exit_quiet_until_ns = self.now_ns + SHADOW_QUIET_S * SECOND
        elif order is not None and order.purpose is Purpose.EXIT:
            m.exit_quiet_until_ns = self.now_ns + SECOND
        elif order is not None:
            overtaken = rule is VetoRule.QUOTE_CROSSES and not m.vetoes
            wait_s = 0 if overtaken else min(QUIET_MAX_S, 1 << min(m.vetoes, 6))
            m.quiet_until_ns = self.now_ns + wait_s * SECOND
            m.vetoes += 1
        for known in m.orders.values():
            if known.change == intent_id:
                known.change = NOBODY
                known.asked_ns = self.now_ns

    # -- small things --------------------------------------------------------------------------

    def set_timer(self, name: str, seconds: float) -> None:
        """`on_timer(name)` once, when `seconds` of market time have passed; again replaces it.

        Raises ValueError for a name that is no text, and for a time nobody can mean.
        """
        timers, name = self.memory.timers, spoken(name)
        if not 0 <= finite(seconds) <= TIMER_S_MAX:
            raise ValueError(f"timer {name!r} was in {seconds} s, expected 0 to {TIMER_S_MAX}")
        if name not in timers and len(timers) >= TIMERS_MAX:
            raise ValueError(f"timer {name!r} is one too many, the limit is {TIMERS_MAX}")
        timers[name] = self.now_ns + round(seconds * SECOND)
        self.memory.next_timer_ns = min(timers.values())

    def log(self, text: str) -> None:
        """A word for people: in the status that follows at the next pulse."""
        self.memory.logged, self.memory.word_due = spoken(text), True

    def number(self, name: str, value: float) -> None:
        """A figure for people: in every status."""
        numbers = self.memory.numbers
        if name in numbers or len(numbers) < NUMBERS_MAX:
            numbers[spoken(name)] = finite(value)

    def undo(self, mark: int) -> None:
        """Take back what was collected since `mark`: a handler failed half way."""
        orders = self.memory.orders
        for said in self.out[mark:]:
            if isinstance(said, OrderIntent):
                orders.pop(said.intent_id, None)
            elif isinstance(said, CancelIntent) and said.target in orders:
                orders[said.target].cancel_ns = 0
            elif isinstance(said, ModifyIntent) and said.target in orders:
                orders[said.target].change = NOBODY
        del self.out[mark:]


def _type(limit: Ticks | None, stop: Ticks | None) -> OrderType:
    if limit is not None:
        return OrderType.LIMIT
    return OrderType.MARKET if stop is None else OrderType.STOP
