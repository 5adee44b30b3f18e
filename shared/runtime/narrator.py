"""What an actor says, as log lines a trader can follow: `tsq logs risk_governor -f`.

A core may not log, so the runtime tells people what it said, after it was let out. Kinds that come
many times a second (ticks, bars, books) are silent; states that are repeated are told when they
change. Nothing is decided here and nothing hangs on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from loguru import logger

from shared.contracts import UnknownContract, show
from shared.events import (
    Armed,
    AuthorityGranted,
    CancelApproved,
    CancelIntent,
    ContractListed,
    Event,
    FeedStatus,
    Fill,
    Flatten,
    Gap,
    ModifyApproved,
    ModifyIntent,
    OrderApproved,
    OrderIntent,
    OrderUpdate,
    OrderVetoed,
    ParamsTuned,
    PositionUpdate,
    Reconciled,
    RegimeChanged,
    RiskLevel,
    RiskState,
    SessionPhase,
    ShadowAdmitted,
    SleeveStatus,
    VenueStatus,
    WarmupDone,
)
from shared.seats import actor_of
from shared.units import SECOND, Ticks, dollars

Line = tuple[str, str]  # level, text
Teller = Callable[[Any], Line]


def _price(ticks: Ticks | None, contract: str) -> str:
    try:
        return "" if ticks is None else show(ticks, contract)
    except UnknownContract:
        return f"{ticks} ticks"


def _prices(order: OrderIntent | OrderApproved | OrderUpdate | ModifyIntent, contract: str) -> str:
    limit, stop = _price(order.limit_price, contract), _price(order.stop_price, contract)
    return (f" limit {limit}" if limit else "") + (f" stop {stop}" if stop else "")


def _intent(it: OrderIntent) -> Line:
    bracket = f", stop-loss {it.stop_loss_ticks} ticks" if it.stop_loss_ticks else ""
    order = f"{it.side.name} {it.size} {it.contract} {it.type.value}{_prices(it, it.contract)}"
    return "INFO", f"{it.intent_id} wants {order}{bracket} ({it.purpose.value}): {it.reason}"


def _approved(it: OrderApproved) -> Line:
    order = f"{it.side.name} {it.size} {it.contract} {it.type.value}{_prices(it, it.contract)}"
    inside = ""
    if it.cross is not None:
        inside = f", inside with {it.cross.sleeve} at {_price(it.cross.price, it.contract)}"
    return "INFO", f"{it.intent_id} approved: {order} ({it.purpose.value}) as {it.tag}{inside}"


def _vetoed(it: OrderVetoed) -> Line:
    why = f" ({it.detail})" if it.detail else ""
    return "WARNING", (
        f"{it.intent_id} vetoed: {it.rule.value}, limit {it.limit}, actual {it.actual}; "
        f"{it.largest} would pass{why}"
    )


def _update(it: OrderUpdate) -> Line:
    order = f"{it.side.name} {it.size} {it.contract} {it.type.value}{_prices(it, it.contract)}"
    why = f": {it.reason}" if it.reason else ""
    return "INFO", f"{it.tag or it.venue_order_id} {it.state.value} {order}{why}"


def _fill(it: Fill) -> Line:
    text = f"{it.side.name} {it.size} {it.contract} at {_price(it.price, it.contract)}"
    undone = "VOIDED " if it.voided else ""
    return "INFO", f"{undone}fill {it.trade_id} {it.tag or it.venue_order_id}: {text}"


def _position(it: PositionUpdate) -> Line:
    bare = it.position and it.protected < abs(it.position)
    text = f"{it.contract} position {it.position}, {it.protected} protected"
    return "INFO", text + (" - UNPROTECTED" if bare else "")


def _risk(it: RiskState) -> Line:
    level = "INFO" if it.level is RiskLevel.ACTIVE and not it.latches else "WARNING"
    cause = f": {it.cause}" if it.cause else ""
    news = [one for one in it.latches if one.level is RiskLevel.ACTIVE]
    alerts = "".join(f"; ALERT {one.key}: {one.cause}" for one in news)
    ends = f" (ends by {it.clears})" if it.clears else ""
    return level, (
        f"risk {it.level.value}{cause}{ends}, halt number {it.halt_no}, "
        f"session {dollars(it.session_net)}, equity {dollars(it.equity)}{alerts}"
    )


def _reconciled(it: Reconciled) -> Line:
    if it.difference:
        return "WARNING", f"reconciliation differs: {it.difference}"
    return "INFO", f"reconciled: {len(it.live)} orders, {dict(it.positions)}"


def _feed(it: FeedStatus) -> Line:
    return "INFO", f"feed {it.state.value}" + (f": {it.reason}" if it.reason else "")


def _venue(it: VenueStatus) -> Line:
    return "INFO", f"venue {it.state.value}" + (f": {it.reason}" if it.reason else "")


def _gap(it: Gap) -> Line:
    lost = (it.end_ns - it.start_ns) / SECOND
    name = it.contract or "all contracts"
    return "WARNING", f"gap of {lost:.1f} s in {name}, {it.bars_repaired} bars repaired {it.reason}"


TELLERS: Final[dict[type[Event], Teller]] = {
    OrderIntent: _intent,
    ModifyIntent: lambda it: (
        "INFO",
        f"{it.intent_id} wants {it.target} changed to {it.limit_price or it.stop_price} ticks",
    ),
    CancelIntent: lambda it: ("INFO", f"{it.intent_id} wants {it.target} cancelled: {it.reason}"),
    OrderApproved: _approved,
    ModifyApproved: lambda it: ("INFO", f"{it.intent_id} approved: change of {it.target}"),
    CancelApproved: lambda it: ("INFO", f"{it.target} to be cancelled: {it.reason}"),
    OrderVetoed: _vetoed,
    Flatten: lambda it: (
        "WARNING",
        f"FLATTEN {it.scope.value} {it.sleeve}{it.contract}: {it.cause}",
    ),
    RiskState: _risk,
    AuthorityGranted: lambda it: (
        "WARNING" if it.cause else "INFO",
        f"{it.sleeve} is spoken for by {actor_of(it.sleeve, it.seat)}"
        f" ({it.cause or it.incarnation})",
    ),
    ParamsTuned: lambda it: ("WARNING", f"{it.sleeve} is to be tuned by {it.by}: {it.values}"),
    ShadowAdmitted: lambda it: ("INFO", f"{actor_of(it.sleeve, it.seat)} decides as a shadow"),
    Armed: lambda it: (
        "WARNING",
        f"{it.account} {'armed' if it.until_ns else 'disarmed'}: {it.by}",
    ),
    OrderUpdate: _update,
    Fill: _fill,
    PositionUpdate: _position,
    Reconciled: _reconciled,
    VenueStatus: _venue,
    FeedStatus: _feed,
    Gap: _gap,
    SessionPhase: lambda it: ("INFO", f"trading day {it.trading_day}, phase {it.phase.value}"),
    ContractListed: lambda it: ("INFO", f"{it.root} trades as {it.contract}"),
    WarmupDone: lambda it: ("INFO", f"{it.contract}: {it.bars} bars of history"),
    SleeveStatus: lambda it: (
        "WARNING" if it.trouble else "INFO",
        f"{it.state} {it.reason}".rstrip(),
    ),
    RegimeChanged: lambda it: (
        "INFO",
        f"{it.contract} is in {it.regime.value}: {it.sleeve} {'trades' if it.trades else 'waits'}",
    ),
}

CHANGES: Final[dict[type[Event], Callable[[Any], object]]] = {
    RiskState: lambda it: (
        it.halt_no,
        it.paused,
        [(one.key, one.since_ns) for one in it.latches],
    ),
    VenueStatus: lambda it: (it.state, it.reason),
    FeedStatus: lambda it: (it.state, it.reason),
    SleeveStatus: lambda it: (it.state, it.reason),
    Reconciled: lambda it: it.difference,
    PositionUpdate: lambda it: (it.position, it.protected),
}
"""Of kinds that are repeated: what must differ from the last one to be told."""


class Narrator:
    """Tells one actor's words; the governor's copies of the router's events are the router's."""

    def __init__(self, publishes: tuple[type[Event], ...]) -> None:
        copies = (OrderUpdate, Fill) if OrderApproved in publishes else ()
        self._tellers = {
            kind: TELLERS[kind] for kind in publishes if kind in TELLERS and kind not in copies
        }
        self._last: dict[tuple[type[Event], str], object] = {}

    def tell(self, event: Event) -> None:
        """Log one event that was let out, if people want to know."""
        kind = type(event)
        teller = self._tellers.get(kind)
        if teller is None:
            return
        change = CHANGES.get(kind)
        if change is not None:
            key, now = (kind, getattr(event, "contract", "")), change(event)
            if self._last.get(key) == now:
                return
            self._last[key] = now
        level, text = teller(event)
        logger.log(level, "{}", text)
