"""A stage for the sentinel's mind: a venue that obeys, a router that can be killed, a clock."""

from __future__ import annotations

from services.sentinel.core import Sentinel
from services.sentinel.words import (
    Answered,
    Beat,
    Books,
    Cancel,
    Close,
    LiveOrder,
    NotSeized,
    Outcome,
    Read,
    Release,
    Seize,
    Seized,
    Unreadable,
)
from shared.events import Event, Pulse, Started
from shared.settings import Settings, load

MNQ = "CON.F.US.MNQ.Z26"
MES = "CON.F.US.MES.Z26"
SETTINGS = load(env={})


def stop_order(number: int, lots: int, contract: str = MNQ) -> LiveOrder:
    return LiveOrder(order_id=number, contract=contract, lots=lots, stop=True, leg=True)


def limit_order(number: int, lots: int, contract: str = MNQ) -> LiveOrder:
    return LiveOrder(order_id=number, contract=contract, lots=lots)


class Scene:
    """A sentinel beside a venue that obeys it, a router that can be killed, and a clock."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.core = Sentinel(settings)
        self.positions: dict[str, int] = {}
        self.orders: dict[int, LiveOrder] = {}
        self.reachable = self.obedient = self.lockable = True
        self.alive = {"order_router", "risk_governor"}
        self.frozen: set[str] = set()  # alive, and without a beat
        self.locked = False
        self.said: list[Event] = []
        self.beat = 0
        self.tell(Started(epoch=1, fresh=True))

    def tell(self, event: Event) -> None:
        for word in self.core.on(0, event):
            self.said.append(word)
            self.answer(word)

    def answer(self, word: Event) -> None:
        match word:
            case Read(no=no) if self.reachable:
                orders = tuple(self.orders.values())
                self.tell(Books(no=no, orders=orders, positions=tuple(self.positions.items())))
            case Read(no=no):
                self.tell(Unreadable(no=no, reason="refused"))
            case Seize() if self.lockable:
                killed = 4711 if "order_router" in self.alive else 0
                self.alive.discard("order_router")
                self.locked = True
                self.tell(Seized(killed=killed))
            case Seize():
                self.tell(NotSeized(reason="held by a stranger"))
            case Cancel(no=no, order_id=order_id):
                assert self.locked, "a cancel without the lock"
                if self.obedient:
                    self.orders.pop(order_id, None)
                self.tell(Answered(no=no, outcome=Outcome.DONE))
            case Close(no=no, contract=contract):
                assert self.locked, "a close without the lock"
                if self.obedient:
                    self.positions.pop(contract, None)
                self.tell(Answered(no=no, outcome=Outcome.DONE))
            case Release():
                self.locked = False

    def seconds(self, count: float) -> None:
        for tick in range(round(count * 4)):
            if tick % 4 == 0:
                self.beat += 1
                for actor in sorted(self.alive - self.frozen):
                    self.tell(Beat(actor=actor, epoch=1, beat=self.beat))
            self.tell(Pulse(real_ns=0))

    def heard(self, kind: type[Event]) -> list[Event]:
        return [word for word in self.said if type(word) is kind]

    def mutations(self) -> list[Event]:
        return [word for word in self.said if isinstance(word, Cancel | Close)]
