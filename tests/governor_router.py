"""A governor and the router before it: every word of the router in a verb, as it says them.

The rest of the house is in `governor_stage.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from services.risk_governor.core import Governor
from services.risk_governor.day import realised
from shared.contracts import product_of
from shared.events import (
    AccountUpdate,
    CancelApproved,
    Event,
    Fill,
    Flatten,
    FlattenProgress,
    FlattenStage,
    OrderApproved,
    OrderState,
    OrderType,
    OrderUpdate,
    PositionUpdate,
    Purpose,
    Reconciled,
    Scope,
    Side,
    VenueState,
    VenueStatus,
)
from shared.settings import Settings
from shared.units import MILLISECOND, Lots, Micros, Nanos, Ticks, micros
from tests.governor_scene import BUY, MNQ, OPENING, PRICES, SELL, settings


class Routed:
    """A governor that hears its router, and what it says. Whoever speaks, speaks by `tell`."""

    def __init__(self, given: Settings | None = None, *, now_ns: Nanos = OPENING) -> None:
        self.settings = given or settings()
        self.governor = Governor(self.settings)
        self.now = now_ns
        self.no = 0
        self.trade = 0
        self.count = 0
        self.story: list[tuple[Nanos, Event]] = []
        self.said: list[Event] = []  # by the last event told
        self.heard: list[Event] = []  # everything ever said
        self.prices = dict(PRICES)

    def tell(self, event: Event) -> list[Event]:
        self.now += MILLISECOND
        self.story.append((self.now, event))
        self.said = list(self.governor.on(self.now, event))
        self.heard += self.said
        for it in self.said:
            own = isinstance(it, CancelApproved) and it.intent_id.startswith("risk_governor.")
            if own or isinstance(it, Flatten):
                assert it.grounds is not None, f"done unasked without a reason: {it}"
        return self.said

    def held(self, contract: str) -> Lots:
        return self.governor.mind.state.ledger.position(contract)

    def venue(self, state: VenueState = VenueState.READY) -> list[Event]:
        self.no += 1
        return self.tell(VenueStatus(no=self.no, state=state))

    def account(self, **changed: Any) -> list[Event]:
        self.no += 1
        base = {
            "account_id": 1, "name": "SIM-50K-1", "balance": 0, "can_trade": True,
            "simulated": True,
        }  # fmt: skip
        return self.tell(AccountUpdate(no=self.no, **{**base, **changed}))

    def update(self, order: Event | None, state: OrderState, **changed: Any) -> list[Event]:
        """The router's word on an approved order."""
        assert isinstance(order, OrderApproved), order
        self.no += 1
        base = {
            "no": self.no, "tag": order.tag, "intent_id": order.intent_id, "sleeve": order.sleeve,
            "contract": order.contract, "side": order.side, "size": order.size, "filled": 0,
            "state": state, "purpose": order.purpose, "type": order.type,
            "limit_price": order.limit_price, "stop_price": order.stop_price,
        }  # fmt: skip
        return self.tell(OrderUpdate(**{**base, **changed}))

    def leg(self, entry: Event | None, suffix: str, state: OrderState = OrderState.WORKING,
            **changed: Any) -> str:  # fmt: skip
        """A bracket leg of an entry appears; its intent id."""
        assert isinstance(entry, OrderApproved), entry
        purpose = Purpose.STOP_LOSS if suffix == "-SL" else Purpose.TAKE_PROFIT
        self.update(
            entry, state, intent_id=entry.intent_id + suffix, tag=entry.tag + suffix,
            side=Side(-entry.side), purpose=purpose, parent_intent_id=entry.intent_id,
            type=OrderType.STOP if suffix == "-SL" else OrderType.LIMIT, **changed,
        )  # fmt: skip
        return entry.intent_id + suffix

    def fill(self, order: Event | None, price: Ticks, size: Lots | None = None,
             **changed: Any) -> list[Event]:  # fmt: skip
        """A fill of an approved order, and nothing else."""
        assert isinstance(order, OrderApproved), order
        size = order.size if size is None else size
        base = {
            "tag": order.tag, "intent_id": order.intent_id, "sleeve": order.sleeve,
            "contract": order.contract, "side": order.side, "purpose": order.purpose,
        }  # fmt: skip
        return self.trade_of(size, price, **{**base, **changed})

    def trade_of(self, size: Lots, price: Ticks, **changed: Any) -> list[Event]:
        """A fill of anything; by hand unless said otherwise."""
        self.no, self.trade = self.no + 1, self.trade + 1
        contract = changed.get("contract", MNQ)
        base = {
            "no": self.no, "trade_id": self.trade, "venue_order_id": 1, "tag": "", "intent_id": "",
            "sleeve": "", "contract": contract, "side": BUY, "size": size, "price": price,
            "fee": size * product_of(contract).fee_side_micros, "purpose": Purpose.HUMAN,
            "venue_ns": self.now,
        }  # fmt: skip
        return self.tell(Fill(**{**base, **changed}))

    def filled(self, order: Event | None, price: Ticks, **changed: Any) -> Event | None:
        """An approved order is sent and trades in full: update and fill, as the router says it."""
        assert isinstance(order, OrderApproved), order
        self.update(order, OrderState.SENT)
        self.fill(order, price, **changed)
        self.update(order, OrderState.FILLED, filled=order.size)
        return order

    def covered(self, contract: str, protected: Lots | None = None) -> list[Event]:
        self.no += 1
        lots = self.held(contract)
        return self.tell(
            PositionUpdate(
                no=self.no, contract=contract, position=lots, cost=0,
                protected=abs(lots) if protected is None else protected,
            )
        )  # fmt: skip

    def reconcile(self, *, balance: int | str | None = None, live: Iterable[str] | None = None,
                  positions: dict[str, Lots] | None = None, difference: str = "",
                  as_of_ns: Nanos | None = None) -> list[Event]:  # fmt: skip
        """By default the venue agrees with us in everything."""
        state = self.governor.mind.state
        agreed: Micros
        if balance is not None:
            agreed = micros(balance)
        else:
            agreed = (state.base or 0) + realised(self.governor.mind)
        self.no += 1
        return self.tell(
            Reconciled(
                no=self.no, as_of_ns=self.now if as_of_ns is None else as_of_ns,
                live=tuple(state.orders if live is None else live),
                positions=tuple(
                    (state.ledger.positions() if positions is None else positions).items()
                ),
                balance=agreed, difference=difference,
            )
        )  # fmt: skip

    def proven_flat(self, **changed: Any) -> list[Event]:
        self.no += 1
        base = {
            "no": self.no, "halt_no": self.governor.mind.state.halt_no, "scope": Scope.ACCOUNT,
            "stage": FlattenStage.FLAT, "cause": "",
        }  # fmt: skip
        return self.tell(FlattenProgress(**{**base, **changed}))

    def close_all(self) -> None:
        """The router's flatten: closes everything at the mark and proves it."""
        for contract, lots in list(self.governor.mind.state.ledger.positions().items()):
            for owner, book in list(self.governor.mind.state.ledger.desks[contract].owners.items()):
                held = book.position.lots
                if held:
                    self.trade_of(
                        abs(held), self.prices[contract], contract=contract,
                        side=SELL if held > 0 else BUY,
                        sleeve="" if owner == "human" else owner, purpose=Purpose.FLATTEN,
                    )  # fmt: skip
            assert lots
        self.reconcile(live=())
        self.proven_flat()
