"""`tsq bench risk`: a quote and an intent through the governor, all rules, no journal, no sockets.

The scene: ten open orders, three positions with their stops, four sleeves, six contracts quoted.
Each round asks for one more order, has the router refuse it (so that the scene stays as it was) and
moves the market by a tick. Two quotes are timed: one inside its band, as nearly all are, and the
first after an approval, which is judged whatever it is: every line is compared and every band drawn
anew. Timed one by one with everything between them, as a process would meet them; beside them
stands a bare encode of the same intent, as a yardstick of the computer.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from scripts.bench import load_now, share
from scripts.console import CommandError, Exit, natural, report
from services.risk_governor.core import Governor
from services.risk_governor.words import DiskSpace, OthersHold, SentinelBack
from shared.contracts import product_of
from shared.events import (
    AccountUpdate,
    ContractListed,
    Event,
    FeedState,
    FeedStatus,
    Fill,
    OrderApproved,
    OrderIntent,
    OrderState,
    OrderType,
    OrderUpdate,
    Phase,
    PositionUpdate,
    Pulse,
    Purpose,
    Quote,
    Reconciled,
    SessionPhase,
    Side,
    SleeveStatus,
    Started,
    VenueState,
    VenueStatus,
)
from shared.settings import Settings, load
from shared.units import MILLISECOND, SECOND, Nanos, Ticks, micros
from shared.venue.times import time_ns

OPENED: Final = "2026-11-18T09:35:00-06:00"
DAY: Final = "2026-11-18"
MNQ: Final = "CON.F.US.MNQ.Z26"
PRICES: Final = {
    MNQ: 84_000, "CON.F.US.MES.Z26": 24_000, "CON.F.US.M2K.Z26": 24_000,
    "CON.F.US.MYM.Z26": 44_000, "CON.F.US.EP.Z26": 24_000, "CON.F.US.ENQ.Z26": 84_000,
}  # fmt: skip
HOLDERS: Final = {
    "trend": MNQ, "mean_reversion": "CON.F.US.MES.Z26", "tail_hedge": "CON.F.US.MYM.Z26",
}  # fmt: skip
MAKER: Final = "market_maker"
MAKERS: Final = "CON.F.US.M2K.Z26"
FINISHED: Final = {  # gains and losses of days past, no two sleeves alike
    "trend": (1, 1, -1, -1), "mean_reversion": (1, -1, 1, -1), "tail_hedge": (1, -1, -1, 1),
    "market_maker": (1, 1, 1, -1),
}  # fmt: skip
LIFE: Final = 7


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=natural, default=5_000, help="intents timed (5000)")


def run(args: argparse.Namespace) -> Exit:
    scene = Scene()
    timings = scene.rounds(max(100, args.rounds))
    found: dict[str, Any] = {"load": load_now(), "orders": scene.orders()}
    lines = [f"{scene.orders()} open orders, 3 positions, 4 sleeves; {found['load']}"]
    for name, taken in timings.items():
        taken.sort()
        median, slow = share(taken, 0.5) / 1e3, share(taken, 0.99) / 1e3
        found[name] = {"p50_us": median, "p99_us": slow}
        lines.append(f"{name:<14} median {median:8.2f} us, p99 {slow:8.2f} us")
    report(args, "\n".join(lines), found)
    return Exit.OK


def roomy() -> Settings:
    """The defaults with limits that let round after round pass."""
    plain = load(env={})
    given, many = plain.risk_governor, 1 << 40
    asked = msgspec.structs.replace(
        given.pretrade, repeat_s=0.0, account_orders_per_window=many, messages_free=many,
        stress_loss=many, gap_percent=1, contracts_per_day=many,
    )  # fmt: skip
    wide = msgspec.structs.replace(
        given, orders_per_window=many, order_size=50, position=50, open_risk=many, trade_risk=many,
        session_cap=0, daily_cap=0, trades_per_day=many, pretrade=asked,
    )  # fmt: skip
    return msgspec.structs.replace(plain, risk_governor=wide)


class Scene:
    """A governor in the middle of a morning."""

    def __init__(self) -> None:
        self.core = Governor(roomy())
        self.core.mind.state.records = {
            sleeve: [micros(10 * way) for way in ways] * 2 for sleeve, ways in FINISHED.items()
        }
        self.now: Nanos = time_ns(OPENED, "the scene's opening")
        self.count = self.no = 0
        self._open()
        for sleeve, contract in HOLDERS.items():
            self._hold(sleeve, contract)
            self._rest(sleeve, contract, Side.BUY, PRICES[contract] - 10)
        for away in (10, 11):
            self._rest(MAKER, MAKERS, Side.BUY, PRICES[MAKERS] - away)
            self._rest(MAKER, MAKERS, Side.SELL, PRICES[MAKERS] + away)

    def orders(self) -> int:
        return len(self.core.mind.state.orders)

    def rounds(self, count: int) -> dict[str, list[float]]:
        """Nanoseconds each intent, quote and bare encode took."""
        intents: list[float] = []
        quotes: list[float] = []
        judged: list[float] = []
        bare: list[float] = []
        encode = msgspec.msgpack.Encoder().encode
        for number in range(count):
            self.now += MILLISECOND
            wish = self.wish("trend", MNQ, Side.BUY, PRICES[MNQ] - 5)
            said, taken = timed(self.core.on, self.now, wish)
            intents.append(taken)
            (approved,) = (one for one in said if isinstance(one, OrderApproved))
            self.update(approved, OrderState.REFUSED)
            bid = PRICES[MNQ] + number % 3
            self.now += 1_000
            judged.append(timed(self.core.on, self.now, self.quote(MNQ, bid))[1])
            quotes.append(timed(self.core.on, self.now, self.quote(MNQ, bid + 1))[1])
            began = time.perf_counter_ns()
            encode(wish)
            bare.append(time.perf_counter_ns() - began)
            if number % 50 == 0:
                for contract, price in PRICES.items():
                    self.tell(self.quote(contract, price))
        return {
            "intent": intents, "quote": quotes, "quote judged": judged, "bare encode": bare
        }  # fmt: skip

    # -- telling -------------------------------------------------------------------------------

    def tell(self, event: Event) -> list[Event]:
        self.now += 1_000
        return list(self.core.on(self.now, event))

    def quote(self, contract: str, bid: Ticks) -> Quote:
        return Quote(contract=contract, bid=bid, ask=bid + 1, venue_ns=self.now, recv_ns=self.now)

    def wish(self, sleeve: str, contract: str, side: Side, price: Ticks) -> OrderIntent:
        self.count += 1
        maker = sleeve == MAKER
        return OrderIntent(
            intent_id=f"{sleeve}.{LIFE}.{self.count}", sleeve=sleeve, incarnation=LIFE,
            contract=contract, side=side, size=1, type=OrderType.LIMIT, limit_price=price,
            expires_ns=self.now + SECOND, reason="bench",
            purpose=Purpose.QUOTE if maker else Purpose.ENTRY,
            stop_loss_ticks=None if maker else 40,
        )  # fmt: skip

    def update(self, order: OrderApproved, state: OrderState, **changed: Any) -> None:
        self.no += 1
        base = {
            "no": self.no, "tag": order.tag, "intent_id": order.intent_id, "sleeve": order.sleeve,
            "contract": order.contract, "side": order.side, "size": order.size, "filled": 0,
            "state": state, "purpose": order.purpose, "type": order.type,
            "limit_price": order.limit_price,
        }  # fmt: skip
        self.tell(OrderUpdate(**{**base, **changed}))

    def _open(self) -> None:
        self.tell(Started(epoch=1, fresh=True))
        self.tell(Pulse(real_ns=SECOND))
        self.tell(FeedStatus(state=FeedState.UP, since_ns=self.now))
        self.tell(SessionPhase(trading_day=DAY, phase=Phase.OPEN, flat_by_ns=0, reopens_ns=0))
        for contract, price in PRICES.items():
            kind = product_of(contract)
            self.tell(
                ContractListed(
                    root=kind.root, contract=contract, name=kind.name, trading_day=DAY,
                    tick_nanos=kind.tick_nanos, tick_micros=kind.tick_micros,
                )
            )  # fmt: skip
            self.tell(self.quote(contract, price))
        self.tell(VenueStatus(no=1, state=VenueState.READY))
        self.tell(
            AccountUpdate(
                no=2, account_id=1, name="bench", balance=0, can_trade=True, simulated=True
            )
        )
        for word in (SentinelBack(), DiskSpace(free_mb=10_000), OthersHold()):
            self.tell(word)
        self.tell(
            Reconciled(no=3, as_of_ns=self.now, live=(), positions=(), balance=micros(50_000))
        )
        for sleeve in (*HOLDERS, MAKER):
            self.tell(SleeveStatus(sleeve=sleeve, incarnation=LIFE, contract="", state="READY"))

    def _rest(self, sleeve: str, contract: str, side: Side, price: Ticks) -> OrderApproved:
        said = self.tell(self.wish(sleeve, contract, side, price))
        found = [one for one in said if isinstance(one, OrderApproved)]
        if not found:
            raise CommandError(f"the scene could not be set: {said}", Exit.CHECK_FAILED)
        self.update(found[0], OrderState.WORKING)
        return found[0]

    def _hold(self, sleeve: str, contract: str) -> None:
        """One contract bought, its stop working."""
        order = self._rest(sleeve, contract, Side.BUY, PRICES[contract])
        self.no += 1
        self.tell(
            Fill(
                no=self.no, trade_id=self.no, venue_order_id=1, tag=order.tag,
                intent_id=order.intent_id, sleeve=sleeve, contract=contract, side=Side.BUY, size=1,
                price=PRICES[contract], fee=product_of(contract).fee_side_micros,
                purpose=Purpose.ENTRY, venue_ns=self.now,
            )
        )  # fmt: skip
        self.update(order, OrderState.FILLED, filled=1)
        self.update(
            order, OrderState.WORKING, intent_id=order.intent_id + "-SL", tag=order.tag + "-SL",
            side=Side.SELL, purpose=Purpose.STOP_LOSS, type=OrderType.STOP, limit_price=None,
            stop_price=PRICES[contract] - 40,
        )  # fmt: skip
        self.no += 1
        self.tell(PositionUpdate(no=self.no, contract=contract, position=1, cost=0, protected=1))


def timed(call: Callable[..., Any], *given: Any) -> tuple[Any, int]:
    """What a call returned and the nanoseconds it took."""
    began = time.perf_counter_ns()
    found = call(*given)
    return found, time.perf_counter_ns() - began
