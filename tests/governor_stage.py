"""A governor on a stage: the rest of the house in a few verbs, so that tests read like a session.

Default scene: Wednesday 2026-11-18, 09:35 Chicago, a 50K account reconciled at 50,000, feed up, all
four sleeves with authority, MNQ at 21,000.00 and MES at 6,000.00.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from services.risk_governor.core import Governor
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
    AccountUpdate,
    CancelApproved,
    CancelIntent,
    ContractListed,
    Event,
    FeedState,
    FeedStatus,
    Fill,
    Flatten,
    FlattenProgress,
    FlattenStage,
    ModifyIntent,
    OrderApproved,
    OrderIntent,
    OrderState,
    OrderType,
    OrderUpdate,
    OrderVetoed,
    Phase,
    PositionUpdate,
    Pulse,
    Purpose,
    Quote,
    Reconciled,
    RiskLevel,
    RiskState,
    Scope,
    SessionPhase,
    Side,
    SleeveBook,
    SleeveStatus,
    Started,
    VenueState,
    VenueStatus,
    VetoRule,
)
from shared.sections import PreTrade
from shared.settings import Settings, load
from shared.units import MILLISECOND, SECOND, Lots, Micros, Nanos, Ticks, micros

MNQ = "CON.F.US.MNQ.Z26"
MES = "CON.F.US.MES.Z26"
M2K = "CON.F.US.M2K.Z26"
MYM = "CON.F.US.MYM.Z26"
ES = "CON.F.US.EP.Z26"
NQ = "CON.F.US.ENQ.Z26"
ROOTS = {"MNQ": MNQ, "MES": MES, "M2K": M2K, "MYM": MYM, "ES": ES, "NQ": NQ}
PRICES = {MNQ: 84_000, MES: 24_000, M2K: 24_000, MYM: 44_000, ES: 24_000, NQ: 84_000}
OPENING = 1795016100 * SECOND  # 2026-11-18T15:35:00Z, 09:35 CT
HOUR = 3_600 * SECOND
TODAY = "2026-11-18"
PRETRADE = PreTrade.__struct_fields__
GROUPS = tuple(load(env={}).risk_governor.pretrade.margin_bp)
BUY, SELL = Side.BUY, Side.SELL


def settings(**risk: Any) -> Settings:
    """The defaults with other limits, those of `[risk_governor.pretrade]` by their names too."""
    plain = load(env={})
    asked = {name: risk.pop(name) for name in PRETRADE if name in risk}
    risk["pretrade"] = msgspec.structs.replace(plain.risk_governor.pretrade, **asked)
    return msgspec.structs.replace(
        plain, risk_governor=msgspec.structs.replace(plain.risk_governor, **risk)
    )


def wide(**risk: Any) -> Settings:
    """Limits out of the way, for tests of one rule alone."""
    far = {
        "order_size": 100, "position": 100, "account_position_tenths": 50, "trade_risk": 100_000,
        "open_risk": 100_000, "orders_per_window": 1_000, "trades_per_day": 1_000,
        "session_cap": 0, "daily_cap": 0, "recovery_percent": 0, "emergency_percent": 0,
        "loss_streak": 0, "sleeve_loss": 0, "allocation_share_percent": 0,
        "repeat_s": 0.0, "account_orders_per_window": 1_000, "messages_free": 10_000,
        "fills_per_window": 1_000, "contracts_per_day": 10_000, "hold_s": 0.0,
        "births": 100, "unknown_orders": 100, "spread_ticks": 100, "jump_bp": 9_000,
        "limit_bp": 9_000, "stress_loss": 1_000_000, "gap_percent": 0,
        "correlation_percent": 100, "margin_bp": dict.fromkeys(GROUPS, 1),
    }  # fmt: skip
    return settings(**{**far, **risk})


class Stage:
    """One governor and everybody it talks with."""

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

    # -- telling -----------------------------------------------------------------------------------

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

    # -- the router --------------------------------------------------------------------------------

    def venue(self, state: VenueState = VenueState.READY) -> list[Event]:
        self.no += 1
        return self.tell(VenueStatus(no=self.no, state=state))

    def account(self, **changed: Any) -> list[Event]:
        self.no += 1
        base = {"name": "SIM-50K-1", "balance": 0, "can_trade": True, "simulated": True}
        return self.tell(AccountUpdate(no=self.no, account_id=1, **{**base, **changed}))

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
            from services.risk_governor.day import realised

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

    def held(self, contract: str) -> Lots:
        return self.governor.mind.state.ledger.position(contract)

    def state(self) -> RiskState:
        from services.risk_governor.levels import risk_state

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
    from shared.events import ModifyApproved

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


def dollars(amount: int | str) -> Micros:
    return micros(amount)
