'''The author's interface: subclass `Sleeve`, answer events, use verbs. A sleeve holds only logic.

A sleeve that trades fits in fifteen lines (`tests/test_sleeves_author.py` runs exactly this one):

    from typing import Annotated
    from msgspec import Meta, Struct
    from services.sleeves.base import Sleeve

    class Echo(Sleeve):
        """Buys a minute that closed above the one before, with a stop and a target."""
        class Params(Struct, frozen=True):
            stop_ticks: Annotated[int, Meta(ge=4, le=80)] = 16
        class State(Struct):
            last: int = 0
        warmup = {60: 2}
        def on_bar(self, bar):
            if bar.span_s == 60 and self.idle and 0 < self.state.last < bar.close:
                self.buy(sl_ticks=self.params.stop_ticks, tp_ticks=2 * self.params.stop_ticks)
            self.state.last = bar.close

Put it anywhere Python can import it and name it in the settings
(`[sleeves.trend] implementation = "my_pkg.my_mod:Echo"`). What the host does for it:

- `Params` come from the settings' `params` table, checked against their ranges, unknown keys
  refused with their path; `params.tunable(...)` marks one that may change while trading. `State` is
  what survives a restart; raise `state_version` when its meaning changes and say in `migrate` what
  an old one becomes. `View` (optional) is what the sleeve has learnt from bars alone: `learn(bar)`
  feeds it from history and live bars alike, and it is learnt again from the recent bars when one of
  them was corrected. `warmup` (bars of 1, 60 or 300 s) counts both alike, so it is satisfied in
  the same way in every mode.
- `listens = ("MES",)` asks for the bars of other products too (`learn_other`, `on_other_bar`), with
  the same warm-up. A sleeve still owns and trades one contract.
- `on_bar`, `on_quote`, `on_trade`, `on_depth`, `on_timer` are called once it is READY: contract
  listed, `warmup` satisfied, authority held; `on_bar` for live closed bars only. The first call of
  a life is `on_adopt(book)`, then `on_start()`.
- A verb that opens risk returns "" (and says nothing) while the feed is not up, the risk state is
  not ACTIVE, the session takes no entries, a veto is being waited out, or the side is full. An
  order is in `self.orders` from the moment it is asked until it and its fills are accounted for.
- Defaults pull entries and quotes on a data gap (`gap_policy`), when risk is not ACTIVE and when
  the session ends. Of two handlers for an order the finer one is called first (`on_order_rejected`,
  then `on_order`). A method named `on_...` that is no handler refuses to start: it would never be
  called.
- A handler that raises pauses the sleeve with the reason in its status; its entries are pulled, its
  position keeps the protection it has at the venue.

Prices are ticks, sizes contracts, times nanoseconds of market time. No clocks, dice, threads or
files: equal events must give equal answers, in a backtest as in a replay next year.
'''

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar

from msgspec import Struct

from services.sleeves.desk import Desk
from services.sleeves.forms import affordable
from services.sleeves.memory import NOBODY, Handle, Order
from shared.events import (
    Bar,
    Depth,
    Fill,
    Gap,
    OrderUpdate,
    OrderVetoed,
    Phase,
    Quote,
    RiskLevel,
    RiskState,
    SessionPhase,
    Side,
    SleeveBook,
    Trade,
)
from shared.units import Lots, Micros, Nanos, Ticks


class NoParams(Struct, frozen=True):
    """A sleeve without parameters."""


class NoState(Struct):
    """A sleeve, or a view, without memory."""


class GapPolicy(Enum):
    """What happens to a sleeve's orders when market data was missed."""

    CANCEL = "cancel"  # entries and quotes were priced blindly
    PAUSE = "pause"  # the same; where bars were lost, none before as many came as it warms up by
    KEEP = "keep"  # they rest at levels that a gap does not move
    FLATTEN = "flatten"  # what is held depends on what was missed, too


class Sleeve:
    """Subclass me. See the module's docstring for the contract."""

    Params: ClassVar[type[Struct]] = NoParams
    State: ClassVar[type[Struct]] = NoState
    state_version: ClassVar[int] = 1
    contracts_max: ClassVar[Lots] = 1  # on either side: held, asked, working or unknown
    gap_policy: ClassVar[GapPolicy] = GapPolicy.CANCEL
    consent: ClassVar[str] = ""  # why a real account needs `real_accounts` in its settings; "": no
    warmup: Mapping[int, int] = {}  # closed bars needed, by span in seconds
    listens: tuple[str, ...] = ()  # other products whose bars are heard, warm-up included

    params: Any
    state: Any
    view: Any

    def __init__(self, desk: Desk, params: Struct) -> None:
        self._desk = desk
        self.params = params
        self.state = self.State()
        self.prepare()
        self.view = self.fresh_view()

    # -- what an author overrides --------------------------------------------------------------

    def prepare(self) -> None:
        """Once, before all else: derive constants from `self.params`, such as `self.warmup`."""

    def fresh_view(self) -> Struct:
        """An empty view; its type is the one a snapshot is read as."""
        return NoState()

    def learn(self, bar: Bar) -> None:
        """Every closed bar, oldest first within its span, of any origin. Touch `self.view` only."""

    def learn_other(self, root: str, bar: Bar) -> None:
        """As `learn`, for a product in `listens`. Touch `self.view` only."""

    @classmethod
    def migrate(cls, version: int, data: dict[str, Any]) -> dict[str, Any]:
        """The fields of today's `State` from those of an older version.

        Raise anything if that cannot be: the sleeve then starts without memory, as a new life, says
        so, and learns of a position it really has from the governor. Never guess.
        """
        raise ValueError(f"state is of version {version}, this class knows {cls.state_version}")

    def on_adopt(self, book: SleeveBook) -> None:
        """A life begins with this position and these orders, maybe another's."""
        self.cancel_entries("resting orders of an earlier life")

    def on_start(self) -> None:
        """Warm, adopted, allowed to speak: the first moment an order is possible."""

    def on_bar(self, bar: Bar) -> None:
        """A live bar closed; `learn` has seen it."""

    def on_other_bar(self, root: str, bar: Bar) -> None:
        """A live bar of a product in `listens` closed; `learn_other` has seen it."""

    def on_quote(self, quote: Quote) -> None:
        """Best bid and ask changed."""

    def on_trade(self, trade: Trade) -> None:
        """A print on the tape; our own are `on_fill`."""

    def on_depth(self, depth: Depth) -> None:
        """The book's best levels changed."""

    def on_order(self, update: OrderUpdate) -> None:
        """One of our orders, or a leg of it, changed."""

    def on_order_rejected(self, update: OrderUpdate) -> None:
        """The venue refused it; told before `on_order`."""

    def on_order_cancelled(self, update: OrderUpdate) -> None:
        """It rests no more and did not trade (whole); told before `on_order`."""

    def on_order_unknown(self, update: OrderUpdate) -> None:
        """Nobody knows what became of it yet; told before `on_order`."""

    def on_fill(self, fill: Fill) -> None:
        """One of our orders traded; `self.position` holds it."""

    def on_veto(self, veto: OrderVetoed) -> None:
        """The governor would not; the order is gone from `self.orders`."""

    def on_position(self, book: SleeveBook) -> None:
        """The governor's book shows another position than before."""

    def on_risk_state(self, risk: RiskState) -> None:
        """The risk level changed."""
        if risk.level is not RiskLevel.ACTIVE or risk.paused:
            self.cancel_entries(f"risk is {'paused' if risk.paused else risk.level.value}")

    def on_data_gap(self, gap: Gap) -> None:
        """Market data was missed: `gap_policy` says what becomes of our orders."""
        if self.gap_policy is GapPolicy.FLATTEN:
            self.flatten("market data was missed")
        elif self.gap_policy is not GapPolicy.KEEP:
            self.cancel_entries("market data was missed")

    def on_timer(self, name: str) -> None:
        """A timer set with `set_timer` is due."""

    def on_session(self, session: SessionPhase) -> None:
        """A part of the trading day began."""
        if session.phase is not Phase.OPEN:
            self.cancel_entries(f"session is {session.phase.value}")

    def on_stop(self, reason: str) -> None:
        """The process is asked to end. Nothing said here can hold up a flatten."""
        self.cancel_entries("stopping")

    # -- verbs ---------------------------------------------------------------------------------

    def buy(
        self,
        size: Lots = 1,
        *,
        risk: float | None = None,
        limit: Ticks | None = None,
        stop: Ticks | None = None,
        sl_ticks: int | None = None,
        tp_ticks: int | None = None,
        least: Lots = 0,
        reason: str = "",
    ) -> Handle:
        """Ask to buy: at market, at `limit`, or when the market reaches `stop`. "" if not asked.

        `risk`: dollars, instead of a size: see `size_for`. `least`: the smallest size still
        welcome; 0 means the whole size or nothing.
        """
        if risk is not None and not (size := self.size_for(risk, sl_ticks)):
            return NOBODY
        return self._desk.order(
            Side.BUY,
            size,
            limit=limit,
            stop=stop,
            sl_ticks=sl_ticks,
            tp_ticks=tp_ticks,
            least=least,
            reason=reason,
        )

    def sell(
        self,
        size: Lots = 1,
        *,
        risk: float | None = None,
        limit: Ticks | None = None,
        stop: Ticks | None = None,
        sl_ticks: int | None = None,
        tp_ticks: int | None = None,
        least: Lots = 0,
        reason: str = "",
    ) -> Handle:
        """Ask to sell; as `buy`."""
        if risk is not None and not (size := self.size_for(risk, sl_ticks)):
            return NOBODY
        return self._desk.order(
            Side.SELL,
            size,
            limit=limit,
            stop=stop,
            sl_ticks=sl_ticks,
            tp_ticks=tp_ticks,
            least=least,
            reason=reason,
        )

    def size_for(self, risk: float, sl_ticks: int | None) -> Lots:
        """Contracts whose stop, `sl_ticks` away, loses at most `risk` dollars, fees included.

        At most `contracts_max`; 0 when not even one is affordable, and then nothing is asked.
        Slippage beyond the stop is not in it. Raises ValueError without a stop.
        """
        memory = self._desk.memory
        lots = affordable(risk, sl_ticks, memory.tick_micros, memory.contract)
        return min(lots, self.contracts_max)

    def close(self, reason: str = "") -> Handle:
        """Leave the market at once with all we hold; "" if flat or already leaving."""
        return self._desk.close(reason)

    def flatten(self, reason: str = "") -> Handle:
        """Pull what rests and leave the market: `cancel_all` and `close`. For this sleeve only."""
        self.cancel_entries(reason)
        return self.close(reason)

    def cancel(self, handle: Handle, reason: str = "") -> Handle:
        """Ask to cancel; a handle nobody knows is ignored, with ""."""
        return self._desk.cancel(handle, reason)

    def cancel_all(self, reason: str = "") -> None:
        """The name other platforms have for `cancel_entries`."""
        self.cancel_entries(reason)

    def cancel_entries(self, reason: str = "") -> None:
        """Cancel entries and quotes; protective legs stay."""
        self._desk.cancel_entries(reason)

    def modify(
        self,
        handle: Handle,
        *,
        limit: Ticks | None = None,
        stop: Ticks | None = None,
        reason: str = "",
    ) -> Handle:
        """Ask for another price; ignored unless the order is working and no change is underway."""
        return self._desk.modify(handle, limit=limit, stop=stop, reason=reason)

    def trail(self, price: Ticks, *, step: int = 1, reason: str = "") -> Handle:
        """Bring the position's stop to `price` if that is at least `step` ticks tighter."""
        return self._desk.trail(price, step=step, reason=reason)

    def quote(
        self, bid: Ticks | None, ask: Ticks | None, *, size: Lots = 1, reason: str = ""
    ) -> tuple[Handle, Handle]:
        """Rest one order on each side at these prices; None pulls that side. What would trade at
        once is refused (`QUOTE_CROSSES`): a bid stays below the ask, an offer above the bid.

        Returns what was asked for the bid and for the ask, "" where nothing was.
        """
        return self._desk.quote(bid, ask, size=size, reason=reason)

    def set_timer(self, name: str, seconds: float) -> None:
        """`on_timer(name)` in `seconds` of market time; again replaces it."""
        self._desk.set_timer(name, seconds)

    def log(self, text: str) -> None:
        """A word for people, shown in the sleeve's status."""
        self._desk.log(text)

    def number(self, name: str, value: float) -> None:
        """A figure for people, shown in the sleeve's status and its metrics."""
        self._desk.number(name, value)

    # -- what is known -------------------------------------------------------------------------

    @property
    def now_ns(self) -> Nanos:
        return self._desk.now_ns

    @property
    def contract(self) -> str:
        return self._desk.memory.contract

    @property
    def tick_micros(self) -> Micros:
        """What one tick of one contract is worth, micro-dollars."""
        return self._desk.memory.tick_micros

    @property
    def quote_now(self) -> Quote | None:
        """The last quote; None when there is none to trust."""
        return self._desk.memory.quote

    @property
    def position(self) -> Lots:
        """Signed contracts we hold."""
        return self._desk.memory.position.lots

    @property
    def entry_price(self) -> float:
        """Average price of what we hold, ticks; 0 when flat."""
        held = self._desk.memory.position
        return held.cost / held.lots if held.lots else 0.0

    @property
    def earned(self) -> Micros:
        """Realised profit less fees by the governor's book, micro-dollars."""
        return self._desk.memory.realised - self._desk.memory.fees

    @property
    def orders(self) -> Mapping[Handle, Order]:
        """All our orders that are not over and accounted for, asked ones included."""
        return self._desk.memory.orders

    @property
    def working(self) -> list[Order]:
        """Entries and quotes that rest, or are asked to, by our own wish."""
        return [order for order in self.orders.values() if order.entry and not order.over]

    @property
    def idle(self) -> bool:
        """Flat, and nothing on its way that could change that."""
        no_orders = all(order.protective for order in self.orders.values())
        return self.position == 0 and no_orders

    @property
    def may_enter(self) -> bool:
        """An entry asked now would be said."""
        return self._desk.may_enter

    def resting(self, side: Side) -> Order | None:
        """Our quote on `side`."""
        return self._desk.resting(side)
