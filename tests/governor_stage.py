"""A governor on a stage: the rest of the house in a few verbs, so that tests read like a session.

Default scene: Wednesday 2026-11-18, 09:35 Chicago, a 50K account reconciled at 50,000, feed up, all
four sleeves with authority, MNQ at 21,000.00 and MES at 6,000.00. The scene itself is told by
`governor_scene.py` and the router by `governor_router.py`; tests know this file alone.
"""

from __future__ import annotations

from typing import Any

from services.risk_governor.levels import risk_state
from services.risk_governor.words import (
    DiskSpace,
    OperatorAnswer,
    OperatorCommand,
    OthersHold,
    SentinelBack,
    Verb,
)
from shared.contracts import product_of
from shared.events import (
    CancelApproved,
    CancelIntent,
    ContractListed,
    Event,
    FeedState,
    FeedStatus,
    Flatten,
    ModifyApproved,
    ModifyIntent,
    OrderApproved,
    OrderIntent,
    OrderType,
    OrderVetoed,
    Phase,
    Pulse,
    Purpose,
    Quote,
    RiskLevel,
    RiskState,
    SessionPhase,
    Side,
    SleeveBook,
    SleeveStatus,
    Started,
    VetoRule,
)
from shared.units import MILLISECOND, SECOND, Lots, Nanos, Ticks
from tests.governor_router import Routed
from tests.governor_scene import (
    BUY,
    ES,
    HOUR,
    M2K,
    MES,
    MNQ,
    MYM,
    NQ,
    OPENING,
    PRICES,
    ROOTS,
    SELL,
    TODAY,
    dollars,
    settings,
    wide,
)

__all__ = [
    "BUY",
    "ES",
    "HOUR",
    "M2K",
    "MES",
    "MNQ",
    "MYM",
    "NQ",
    "OPENING",
    "PRICES",
    "ROOTS",
    "SELL",
    "TODAY",
    "Stage",
    "answer",
    "dollars",
    "passed",
    "refused",
    "settings",
    "wide",
]


class Stage(Routed):
    """One governor and everybody it talks with."""

    # -- the house ---------------------------------------------------------------------------------

    def opened(self, balance: int | str = 50_000) -> Stage:
        self.tell(Started(epoch=self.now // SECOND, fresh=True))
        self.pulse()
        self.tell(FeedStatus(state=FeedState.UP, since_ns=self.now))
        self.phase(Phase.OPEN)
        for root, contract in ROOTS.items():
            self.list(root, contract)
            self.quote(contract)
        self.venue()
        self.account()
        self.tell(SentinelBack())
        self.tell(DiskSpace(free_mb=10_000))
        self.tell(OthersHold())
        self.reconcile(balance=balance)
        for name in self.settings.sleeves:
            self.present(name)
        assert self.level() is RiskLevel.ACTIVE, self.state().cause
        return self

    def list(self, root: str, contract: str, **changed: int) -> list[Event]:
        kind = product_of(contract)
        facts = {"tick_nanos": kind.tick_nanos, "tick_micros": kind.tick_micros, **changed}
        return self.tell(
            ContractListed(root=root, contract=contract, name=kind.name, trading_day=TODAY, **facts)
        )

    def pulse(self, after_ns: Nanos = 0) -> list[Event]:
        """A pulse whose real time is the market time (speed 1)."""
        self.now += after_ns
        return self.tell(Pulse(real_ns=self.now - OPENING + HOUR))

    def wait(self, seconds: float) -> list[Event]:
        """Pulses four a second for so long; what was said meanwhile."""
        said: list[Event] = []
        for _ in range(round(seconds * 4)):
            said += self.pulse(250 * MILLISECOND - MILLISECOND)
        return said

    def quote(self, contract: str, bid: Ticks | None = None, ask: Ticks | None = None, *,
              age_ns: Nanos = 0) -> list[Event]:  # fmt: skip
        if bid is None:
            bid = self.prices[contract]
        self.prices[contract] = bid
        return self.tell(
            Quote(
                contract=contract, bid=bid, ask=bid + 1 if ask is None else ask,
                venue_ns=self.now - age_ns, recv_ns=self.now + MILLISECOND - age_ns,
            )
        )  # fmt: skip

    def at(self, now_ns: Nanos) -> list[Event]:
        """Jump to an instant with a pulse, and fresh quotes."""
        assert now_ns >= self.now
        self.now = now_ns - MILLISECOND
        said = self.pulse()
        for contract in PRICES:
            said += self.quote(contract)
        return said

    def phase(self, phase: Phase, day: str = TODAY) -> list[Event]:
        return self.tell(SessionPhase(trading_day=day, phase=phase, flat_by_ns=0, reopens_ns=0))

    # -- sleeves -----------------------------------------------------------------------------------

    def present(self, sleeve: str, incarnation: int = 7) -> list[Event]:
        return self.tell(
            SleeveStatus(sleeve=sleeve, incarnation=incarnation, contract="", state="READY")
        )

    def intent(self, sleeve: str, side: Side, size: Lots = 1, **changed: Any) -> OrderIntent:
        self.count += 1
        incarnation = changed.pop("incarnation", 7)
        base: dict[str, Any] = {
            "intent_id": f"{sleeve}.{incarnation}.{self.count}", "sleeve": sleeve,
            "incarnation": incarnation, "contract": MNQ, "side": side, "size": size,
            "type": OrderType.MARKET, "expires_ns": self.now + 5 * SECOND, "reason": "test",
        }  # fmt: skip
        if changed.get("purpose", Purpose.ENTRY) is Purpose.ENTRY:
            base["stop_loss_ticks"] = 40
        return OrderIntent(**{**base, **changed})

    def ask(self, sleeve: str, side: Side, size: Lots = 1, **changed: Any) -> Event | None:
        """Wish an order; the answer."""
        return answer(self.tell(self.intent(sleeve, side, size, **changed)))

    def quote_order(self, side: Side, price: Ticks, size: Lots = 1, **changed: Any) -> Event | None:
        return self.ask(
            "market_maker", side, size, **{
                "contract": M2K, "type": OrderType.LIMIT, "limit_price": price,
                "purpose": Purpose.QUOTE, **changed,
            },
        )  # fmt: skip

    def ask_exit(self, sleeve: str, side: Side, size: Lots = 1, **changed: Any) -> Event | None:
        return self.ask(sleeve, side, size, **{"purpose": Purpose.EXIT, **changed})

    def modify(self, sleeve: str, target: str, **prices: Ticks) -> Event | None:
        self.count += 1
        return answer(
            self.tell(
                ModifyIntent(
                    intent_id=f"{sleeve}.7.{self.count}", sleeve=sleeve, incarnation=7,
                    target=target, expires_ns=self.now + SECOND, reason="test", **prices,
                )
            )
        )  # fmt: skip

    def cancel(self, sleeve: str, target: str) -> Event | None:
        self.count += 1
        return answer(
            self.tell(
                CancelIntent(
                    intent_id=f"{sleeve}.7.{self.count}", sleeve=sleeve, incarnation=7,
                    target=target, reason="test",
                )
            )
        )  # fmt: skip

    def bought(self, sleeve: str = "trend", size: Lots = 1, side: Side = BUY, **changed: Any
               ) -> OrderApproved:  # fmt: skip
        """A sleeve enters at the market's other side and its stop works."""
        order = self.ask(sleeve, side, size, **changed)
        assert isinstance(order, OrderApproved), order
        bid = self.prices[order.contract]
        price = bid + 1 if side is BUY else bid
        self.filled(order, price)
        stop = price - side * (order.stop_loss_ticks or 40)
        self.leg(order, "-SL", stop_price=stop)
        self.covered(order.contract)
        return order

    # -- people ------------------------------------------------------------------------------------

    def operator(self, verb: Verb, **changed: Any) -> OperatorAnswer:
        self.count += 1
        base = {"who": "ann", "cause": "test"}
        said = self.tell(OperatorCommand(command_id=self.count, verb=verb, **{**base, **changed}))
        (found,) = [event for event in said if isinstance(event, OperatorAnswer)]
        return found

    # -- looking -----------------------------------------------------------------------------------

    def level(self) -> RiskLevel:
        return self.governor.mind.state.level

    def state(self) -> RiskState:
        return risk_state(self.governor.mind, self.now)

    def flattens(self) -> list[Flatten]:
        return [event for event in self.said if isinstance(event, Flatten)]

    def books(self) -> list[SleeveBook]:
        return [event for event in self.said if isinstance(event, SleeveBook)]

    def cancelled(self, said: list[Event] | None = None) -> list[str]:
        return [
            event.target
            for event in (self.said if said is None else said)
            if isinstance(event, CancelApproved)
        ]


def answer(said: list[Event]) -> Event | None:
    """The one answer among what was said; None while it waits."""
    kinds = (OrderApproved, OrderVetoed, ModifyApproved)
    found = [event for event in said if isinstance(event, kinds)]
    if not found:
        found = [event for event in said if isinstance(event, CancelApproved)]
    assert len(found) <= 1, found
    return found[0] if found else None


def refused(event: Event | None) -> VetoRule:
    """The rule of a veto; fails when the wish was granted."""
    assert isinstance(event, OrderVetoed), event
    return event.rule


def passed(event: Event | None) -> OrderApproved:
    assert isinstance(event, OrderApproved), event
    return event
