"""Sleeves that want harm: they ask for the most, everywhere, at once, and for what is forbidden.

They never mean to leave, move their stops away, cancel them, repeat old wishes, speak for others
and flood exits. What they do is said by a `Wish`, drawn by whoever drives the day; here it becomes
the intent a broken or greedy sleeve would send. They know what a governor tells sleeves, no more.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from shared.events import (
    TERMINAL,
    CancelIntent,
    Event,
    ModifyIntent,
    OrderIntent,
    OrderType,
    OrderUpdate,
    Purpose,
    Side,
    SleeveBook,
)
from shared.units import SECOND, Lots, Nanos, Ticks

INCARNATION: Final = 7
MOST: Final = 100  # contracts; more than any limit allows
PATIENCE_NS: Final = 5 * SECOND
KINDS: Final = (
    "enter", "exact", "limit", "stop", "quote", "exit", "rest", "flood", "again", "loosen", "cross",
    "uncover", "cancel", "forge",
)  # fmt: skip

Intent = OrderIntent | ModifyIntent | CancelIntent


class Wish(NamedTuple):
    """What one sleeve does next. `number` is a distance in ticks, or picks among its orders."""

    kind: str
    sleeve: int
    contract: int
    side: int = 1
    number: int = 1


class Sleeves:
    """All of them. `prices` is the venue's own: contract -> (bid, ask)."""

    def __init__(self, names: tuple[str, ...], prices: dict[str, tuple[Ticks, Ticks]]) -> None:
        self.names = names
        self.prices = prices
        self.now_ns: Nanos = 0
        self.count = 0
        self.last: Intent | None = None
        self.orders: dict[str, OrderUpdate] = {}
        self.positions: dict[tuple[str, str], Lots] = {}

    def hear(self, said: Event) -> None:
        if isinstance(said, SleeveBook):
            self.positions[said.sleeve, said.contract] = said.position
        elif isinstance(said, OrderUpdate):
            if said.state in TERMINAL:
                self.orders.pop(said.intent_id, None)
            else:
                self.orders[said.intent_id] = said

    def intents(self, wish: Wish) -> list[Intent]:
        """What a wish sends; nothing where it has no object."""
        sleeve = self.names[wish.sleeve % len(self.names)]
        contracts = tuple(self.prices)
        contract = contracts[wish.contract % len(contracts)]
        if wish.kind == "again":
            return [] if self.last is None else [self.last]
        if wish.kind in ("loosen", "cross", "uncover", "cancel"):
            found = self._change(wish, sleeve)
            intents: list[Intent] = [] if found is None else [found]
        elif wish.kind == "flood":
            intents = [self._exit(sleeve, contract, wish) for _ in range(3)]
        elif wish.kind in ("exit", "rest"):
            intents = [self._exit(sleeve, contract, wish)]
        else:
            intents = [self._opening(sleeve, contract, wish)]
        if intents:
            self.last = intents[-1]
        return intents

    def _id(self, sleeve: str, incarnation: int = INCARNATION) -> str:
        self.count += 1
        return f"{sleeve}.{incarnation}.{self.count}"

    def _opening(self, sleeve: str, contract: str, wish: Wish) -> OrderIntent:
        bid, ask = self.prices[contract]
        kind, side, away = wish.kind, wish.side, wish.number
        near = bid if side > 0 else ask
        limit = kind in ("limit", "quote")
        incarnation = INCARNATION + (kind == "forge")
        return OrderIntent(
            intent_id=self._id(sleeve, incarnation), sleeve=sleeve, contract=contract,
            side=Side(side), incarnation=incarnation, size=MOST if kind != "exact" else 3,
            type=OrderType.LIMIT if limit else OrderType.STOP if kind == "stop"
            else OrderType.MARKET,
            limit_price=near - side * (away % 4) if limit else None,
            stop_price=near + side * (1 + away) if kind == "stop" else None,
            stop_loss_ticks=None if kind == "quote" else away,
            purpose=Purpose.QUOTE if kind == "quote" else Purpose.ENTRY,
            up_to=kind != "exact", expires_ns=self.now_ns + PATIENCE_NS, reason="greed",
        )  # fmt: skip

    def _exit(self, sleeve: str, contract: str, wish: Wish) -> OrderIntent:
        lots = self.positions.get((sleeve, contract), 0)
        side = wish.side if not lots else -1 if lots > 0 else 1
        bid, ask = self.prices[contract]
        rests = wish.kind == "rest"
        far = (ask if side < 0 else bid) - side * (5 + wish.number)
        return OrderIntent(
            intent_id=self._id(sleeve), sleeve=sleeve, contract=contract, side=Side(side),
            incarnation=INCARNATION, size=MOST, purpose=Purpose.EXIT,
            type=OrderType.LIMIT if rests else OrderType.MARKET,
            limit_price=far if rests else None,
            expires_ns=self.now_ns + PATIENCE_NS, reason="out",
        )  # fmt: skip

    def _change(self, wish: Wish, sleeve: str) -> Intent | None:
        """A stop moved far away, or through the market, or cancelled; an order cancelled."""
        stops = wish.kind != "cancel"
        mine = [
            order
            for order in self.orders.values()
            if order.sleeve == sleeve and (order.type is OrderType.STOP) is stops
        ]
        if not mine:
            return None
        target = mine[wish.number % len(mine)]
        if wish.kind in ("uncover", "cancel"):
            return CancelIntent(
                intent_id=self._id(sleeve), sleeve=sleeve, incarnation=INCARNATION,
                target=target.intent_id, reason="off",
            )  # fmt: skip
        assert target.stop_price is not None
        away = 40 + wish.number if wish.kind == "loosen" else -wish.number
        return ModifyIntent(
            intent_id=self._id(sleeve), sleeve=sleeve, incarnation=INCARNATION,
            target=target.intent_id, expires_ns=self.now_ns + PATIENCE_NS, reason="room",
            stop_price=max(1, target.stop_price + target.side * away),
        )  # fmt: skip
