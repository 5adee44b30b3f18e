"""The governor's level: ACTIVE, REDUCE_ONLY, FLATTENING, HALTED, and the latches behind it.

Each reason not to be active is a latch of its own, with its cause, since when, and who or what
clears it; the level is the strictest of them. So a resume by the operator cannot loosen a daily
loss, and two reasons at once are both kept. A latch that flattens stays FLATTENING until the router
proved the account flat and only then rests. `halt_no` grows with every change of level and voids
approvals given before.
"""

from __future__ import annotations

from typing import Final

from services.risk_governor.equity import Account, account, headroom, kill, lost_levels, rebox
from services.risk_governor.exposure import exposures
from services.risk_governor.state import PHASES, Latch, Mind
from shared.events import (
    CancelApproved,
    Flatten,
    FlattenProgress,
    FlattenStage,
    Phase,
    RiskLevel,
    RiskState,
    Scope,
)
from shared.units import SECOND, Nanos, dollars

FLOOR: Final = "floor"
DRAWDOWN: Final = "drawdown"
DAILY_LOSS: Final = "daily_loss"
OPERATOR: Final = "operator"
SESSION: Final = "session"
NEW_DAY: Final = "new_day"
RESTART: Final = "restart"
CLOCK: Final = "clock"
DIFFERENCE: Final = "difference"
BLIND: Final = "blind"
RECALLED: Final = "recalled"
RECANCEL_REAL_NS: Final = 5 * SECOND  # a cancel without effect is asked for again

_CLEARS: Final = {FLOOR: "new account", DRAWDOWN: "operator", DAILY_LOSS: "17:00 CT"}


def latch(
    mind: Mind, now_ns: Nanos, key: str, cause: str, *, clears: str, flatten: bool = False,
    rests: RiskLevel = RiskLevel.HALTED, until_ns: Nanos = 0, request_id: str = "",
) -> None:  # fmt: skip
    """Hold the level for a reason. A second cause under the same key changes only what tightens:
    a flatten on top of a mere halt."""
    found = mind.state.latches.get(key)
    if found is None:
        mind.state.latches[key] = Latch(
            rests, cause, now_ns, clears, until_ns, flatten, flatten, 0, request_id
        )
    elif flatten and not found.flattens:
        found.flattens = found.flattening = True
        found.cause, found.request_id = cause, request_id


def unlatch(mind: Mind, *keys: str) -> None:
    for key in keys:
        mind.state.latches.pop(key, None)


def flatten_again(mind: Mind) -> None:
    """Something is held although an account flatten was proven: every such latch starts anew."""
    for held in mind.state.latches.values():
        if held.flattens and not held.flattening:
            held.flattening, held.flatten_no = True, 0


def judge_account(mind: Mind, now_ns: Nanos) -> None:
    """Compare the account with every level that acts, latch what was reached, redraw the bands."""
    now = account(mind)
    for key in lost_levels(mind, now) if now is not None else ():
        if key not in mind.state.latches:
            assert now is not None
            today = mind.today(now_ns)
            until = today.next_open(now_ns) if key == DAILY_LOSS and today is not None else 0
            latch(
                mind, now_ns, key, _cause(mind, key, now), clears=_CLEARS[key],
                until_ns=until, flatten=True,
            )  # fmt: skip
    rebox(mind, now)


def _cause(mind: Mind, key: str, now: Account) -> str:
    if key == DAILY_LOSS:
        return (
            f"daily loss: session net {dollars(now.session_net)} less exit allowance"
            f" {dollars(now.allowance)} reached -{dollars(mind.limits.daily_loss)}"
        )
    level = mind.state.floor if key == FLOOR else kill(mind)
    return f"{key}: equity {dollars(now.equity)} reached {dollars(level)}"


def on_progress(mind: Mind, progress: FlattenProgress) -> None:
    """A flatten of the account was proven: the latches it served come to rest."""
    if progress.stage is not FlattenStage.FLAT:
        return
    if progress.scope is not Scope.ACCOUNT:
        mind.state.closing.pop(progress.contract, None)
        if progress.contract in mind.state.naked_real_ns:
            mind.state.naked_real_ns[progress.contract] = 0  # measured anew
        return
    for held in mind.state.latches.values():
        if held.flattening and (
            progress.halt_no >= held.flatten_no > 0
            or (held.request_id and held.request_id == progress.request_id)
        ):
            held.flattening = False


def strictest(mind: Mind) -> tuple[RiskLevel, list[Latch]]:
    """The level and the latches that make it."""
    latches = mind.state.latches.values()
    flattening = [held for held in latches if held.flattening]
    if flattening:
        return RiskLevel.FLATTENING, flattening
    for level in (RiskLevel.HALTED, RiskLevel.REDUCE_ONLY):
        found = [held for held in latches if held.rests is level]
        if found:
            return level, found
    return RiskLevel.ACTIVE, []


def settle(mind: Mind, now_ns: Nanos) -> None:
    """After an event: say a changed level, begin what must be flattened, withdraw what may open."""
    state = mind.state
    level, holding = strictest(mind)
    cause = "; ".join(held.cause for held in holding)
    if level is not state.level:
        state.halt_no += 1
        state.since_ns = now_ns
    if level is not state.level or cause != state.cause:
        state.level, state.cause = level, cause
        say_state(mind, now_ns)
    _flatten(mind)
    reason = why_withdraw(mind, now_ns)
    if reason:
        withdraw(mind, reason)


def _flatten(mind: Mind) -> None:
    """One Flatten serves every latch that wants one while it is under way."""
    state = mind.state
    wanting = [held for held in state.latches.values() if held.flattening and not held.flatten_no]
    if not wanting:
        return
    under_way = any(held.flattening and held.flatten_no for held in state.latches.values())
    for held in wanting:
        held.flatten_no = state.halt_no
    if not under_way:
        mind.out.append(Flatten(halt_no=state.halt_no, scope=Scope.ACCOUNT, cause=wanting[0].cause))


def why_withdraw(mind: Mind, now_ns: Nanos) -> str:
    """Why no order that opens risk may rest; empty when it may. A flatten cancels by itself."""
    state = mind.state
    if state.level is RiskLevel.FLATTENING or not state.orders:
        return ""
    if state.level is not RiskLevel.ACTIVE:
        return state.cause
    if state.paused:
        return "paused by the operator"
    if not mind.feed_is_up():
        return "market feed is not up"
    phase = mind.phase(now_ns)
    return f"session phase {phase.value}" if PHASES[phase] >= PHASES[Phase.NO_ENTRIES] else ""


def withdraw(mind: Mind, reason: str, sleeve: str = "") -> None:
    """Cancel every working order of ours that may open risk (of one sleeve, or of all)."""
    for order in mind.state.orders.values():
        if order.opens() and order.leaves() and sleeve in ("", order.sleeve):
            cancel(mind, order.intent_id, reason)


def cancel(mind: Mind, target: str, reason: str) -> None:
    """Ask the router to cancel an order, of our own accord; again only after a while."""
    state = mind.state
    order = state.orders[target]
    if order.cancel_real_ns and state.real_ns - order.cancel_real_ns < RECANCEL_REAL_NS:
        return
    order.cancel_real_ns = state.real_ns or 1
    state.cancels += 1
    mind.out.append(
        CancelApproved(
            intent_id=f"risk_governor.{state.epoch}.{state.cancels}",
            target=target,
            sleeve=order.sleeve,
            contract=order.contract,
            reason=reason,
        )
    )


def say_state(mind: Mind, now_ns: Nanos) -> None:
    mind.state.said_real_ns = mind.state.real_ns
    mind.out.append(risk_state(mind, now_ns))


def risk_state(mind: Mind, now_ns: Nanos) -> RiskState:
    """The level and the numbers behind it; equity and headroom are 0 while they are not known."""
    state = mind.state
    now = account(mind)
    _, holding = strictest(mind)
    return RiskState(
        halt_no=state.halt_no,
        level=state.level,
        cause=state.cause,
        since_ns=state.since_ns,
        until_ns=max((held.until_ns for held in holding), default=0),
        clears=" and ".join(dict.fromkeys(held.clears for held in holding)),
        trading_day=state.day,
        phase=mind.phase(now_ns),
        equity=0 if now is None else now.equity,
        session_net=0 if now is None else now.session_net,
        floor=state.floor,
        kill_level=kill(mind),
        open_risk=sum(one.at_risk for one in exposures(mind).values()),
        headroom=0 if now is None else headroom(mind, now),
        trades_today=state.trades_today,
        paused=state.paused,
    )
