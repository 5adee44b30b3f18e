"""The governor's level: ACTIVE, REDUCE_ONLY, FLATTENING, HALTED, and what a change of it does.

Each reason not to be active is a latch of its own (`latches`); the level is the strictest of those
that bind the account. So a resume by the operator cannot loosen a daily loss, and two reasons at
once are both kept. A latch that flattens stays FLATTENING until the router proved its scope flat
and only then rests. `halt_no` grows with every change of level and voids approvals given before.
"""

from __future__ import annotations

from typing import Final

from msgspec import structs

from services.risk_governor.bands import (
    Slopes,
    rebox,
    rooms,
    rooms_left,
    slopes,
    slopes_kept,
)
from services.risk_governor.equity import (
    Account,
    account,
    kill,
    layers,
    nearest,
    reached,
    room_to,
    sleeve_nets,
    update_peak,
)
from services.risk_governor.exposure import account_kept, exposures
from services.risk_governor.latches import (
    CONSISTENCY,
    DIFFERENCE,
    DRAWDOWN,
    FLOOR,
    RECOVERY,
    SLEEVE,
    TARGET,
    By,
    end_alarm,
    grounds_of,
    in_recovery,
    kind_of,
    latch,
    strictest,
    switch_off,
    told,
)
from services.risk_governor.members import ACTIVE, FLATTENING, OPEN
from services.risk_governor.standing import firm_standing, payable, standing
from services.risk_governor.state import FAR, Line, Mind
from shared.domain.rules.account import needed_profit
from shared.domain.rules.day import limit_is_reached
from shared.domain.rules.loss import is_touched
from shared.events import (
    CancelApproved,
    Flatten,
    FlattenProgress,
    FlattenStage,
    Grounds,
    RiskLevel,
    RiskState,
    Scope,
    VetoRule,
)
from shared.units import SECOND, Micros, Nanos, dollars

RECANCEL_REAL_NS: Final = 5 * SECOND  # a cancel without effect is asked for again


def judge_account(mind: Mind, now_ns: Nanos) -> None:
    """Compare the account with every line, latch what was reached, redraw the bands."""
    _judge(mind, now_ns, account(mind), slopes(mind))


def judge_quote(mind: Mind, now_ns: Nanos) -> None:
    """The same after a quote: only prices moved, so what is kept of each contract is the truth."""
    found = exposures(mind)
    _judge(mind, now_ns, account_kept(mind, found), slopes_kept(found))


def _judge(mind: Mind, now_ns: Nanos, now: Account | None, moving: Slopes) -> None:
    nets: dict[str, Micros] = {}
    if now is not None:
        update_peak(mind, now)
        if is_touched(min(rooms_left(mind, now)), 0):
            for line in reached(mind, now):
                if line.key not in mind.state.latches:
                    _trip(mind, now_ns, line, now)
        if mind.limits.sleeve_loss:
            nets = sleeve_nets(mind)
            _judge_sleeves(mind, now_ns, nets)
    rebox(mind, now, nets, moving)


def _trip(mind: Mind, now_ns: Nanos, line: Line, now: Account) -> None:
    today = mind.today(now_ns)
    by_day = kind_of(line.key).by is By.DAY
    until = today.next_open(now_ns) if by_day and today is not None else 0
    cause, tells = _cause(mind, line, now), False
    if line.key == TARGET:
        needed = needed_profit(mind.limits.terms, standing(mind), now.equity)
        short = mind.limits.start + needed - now.equity
        tells = short > 0 or not mind.limits.given.bank_target
        if short > 0:
            cause += f"; {dollars(short)} more on another day for the best day's share"
    flatten, rests = None, None
    if tells:
        flatten, rests, until = False, RiskLevel.ACTIVE, 0
    elif line.key == CONSISTENCY and mind.limits.given.consistency == "stop":
        flatten, rests = True, RiskLevel.HALTED
    grounds = _grounds(mind, line, now)
    latch(
        mind, now_ns, line.key, cause,
        flatten=flatten, rests=rests, until_ns=until, grounds=grounds,
    )  # fmt: skip
    if line.key == RECOVERY and strictest(mind)[0] is not FLATTENING:
        withdraw(mind, cause, grounds)  # each was sized for the whole day, and may be asked again


def _cause(mind: Mind, line: Line, now: Account) -> str:
    name = line.key.replace("_", " ")
    if line.key in (FLOOR, DRAWDOWN):
        level = mind.state.floor if line.key == FLOOR else kill(mind)
        return f"{name}: equity {dollars(now.equity)} reached {dollars(level)}"
    less = f" less exit allowance {dollars(now.allowance)}" if line.leaving else ""
    return f"{name}: session net {dollars(now.session_net)}{less} reached {dollars(line.at)}"


def _grounds(mind: Mind, line: Line, now: Account) -> Grounds:
    """What a line that acted has to say: its level and where the account stood, as equity for the
    floor and the kill, as the session's net (less the exit allowance where it counts) else."""
    by_equity = line.key in (FLOOR, DRAWDOWN)
    base = now.equity - now.session_net if by_equity else 0
    net = now.session_net - (now.allowance if line.leaving else 0)
    known = {
        "equity_usd": now.equity, "session_net_usd": now.session_net,
        "exit_allowance_usd": now.allowance, "floor_usd": mind.state.floor,
    }  # fmt: skip
    return Grounds(rule=line.key, limit=base + line.at, actual=base + net, inputs=known)


def _judge_sleeves(mind: Mind, now_ns: Nanos, nets: dict[str, Micros]) -> None:
    """A sleeve that lost its own limit of the day is switched off; the others go on."""
    limit = mind.limits.sleeve_loss
    for sleeve, net in nets.items():
        if limit_is_reached(net, limit) and f"{SLEEVE}:{sleeve}" not in mind.state.latches:
            cause = f"{sleeve}: net of the session {dollars(net)} reached {dollars(-limit)}"
            grounds = Grounds(rule=SLEEVE, limit=-limit, actual=net)
            switch_off(mind, now_ns, sleeve, cause, grounds=grounds)


def on_progress(mind: Mind, progress: FlattenProgress) -> None:
    """A flatten was proven: the latches it served come to rest."""
    if progress.stage is not FlattenStage.FLAT:
        return
    if progress.scope is Scope.CONTRACT:
        mind.state.closing.pop(progress.contract, None)
        if progress.contract in mind.state.naked_real_ns:
            mind.state.naked_real_ns[progress.contract] = 0  # measured anew
        return
    for key, held in mind.state.latches.items():
        if progress.scope is Scope.SLEEVE and held.sleeve != progress.sleeve:
            continue
        if key == DIFFERENCE and progress.scope is Scope.ACCOUNT:
            held.flattens = True  # whoever asked for it: what books still hold is not there
        if held.flattening and (
            progress.halt_no >= held.flatten_no > 0
            or (held.request_id and held.request_id == progress.request_id)
        ):
            held.flattening = False
            end_alarm(mind, held)
            mind.state.latched += 1


def settle(mind: Mind, now_ns: Nanos) -> None:
    """After an event: say a changed level, begin what must be flattened, withdraw what may open."""
    state = mind.state
    level, holding = strictest(mind)
    cause = "; ".join(held.cause for held in holding)
    if level is not state.level:
        state.halt_no += 1
        state.since_ns = now_ns
    if level is not state.level or cause != state.cause or state.latched != state.said_latched:
        state.level, state.cause = level, cause
        say_state(mind, now_ns)
    if state.latches:
        _flatten(mind)
    found = why_withdraw(mind, now_ns)
    if found is not None:
        withdraw(mind, *found)


def _flatten(mind: Mind) -> None:
    """One Flatten serves every latch of its scope that wants one while it is under way."""
    state = mind.state
    wanting = [held for held in state.latches.values() if held.flattening and not held.flatten_no]
    for sleeve in dict.fromkeys(held.sleeve for held in wanting):
        under_way = any(
            held.flattening and held.flatten_no and held.sleeve == sleeve
            for held in state.latches.values()
        )
        served = [held for held in wanting if held.sleeve == sleeve]
        for held in served:
            held.flatten_no = state.halt_no
        if not under_way:
            mind.out.append(
                Flatten(
                    halt_no=state.halt_no,
                    scope=Scope.SLEEVE if sleeve else Scope.ACCOUNT,
                    cause=served[0].cause,
                    sleeve=sleeve,
                    grounds=grounds_of(served[0]),
                )
            )


def why_withdraw(mind: Mind, now_ns: Nanos) -> tuple[str, Grounds] | None:
    """Why no order that opens risk may rest; None when it may. A flatten cancels by itself."""
    state = mind.state
    if state.level is FLATTENING or not state.orders:
        return None
    if state.level is not ACTIVE:
        return state.cause, grounds_of(strictest(mind)[1][0])
    if state.paused:
        return "paused by the operator", Grounds(rule="paused")
    if not mind.feed_is_up():
        limit = mind.limits.quote_age_ns
        grounds = Grounds(rule=VetoRule.FEED.value, limit=limit, actual=FAR)
        return "market feed is not up", grounds
    phase = mind.phase(now_ns)
    if phase is OPEN:
        return None
    today = mind.today(now_ns)
    past = 0 if today is None else now_ns - today.no_entries_ns
    return f"session phase {phase.value}", Grounds(rule=VetoRule.SESSION.value, actual=past)


def withdraw(mind: Mind, reason: str, grounds: Grounds, sleeve: str = "") -> None:
    """Cancel every working order of ours that may open risk (of one sleeve, or of all)."""
    for order in mind.state.orders.values():
        if order.opens() and order.leaves() and sleeve in ("", order.sleeve):
            cancel(mind, order.intent_id, reason, grounds)


def cancel(mind: Mind, target: str, reason: str, grounds: Grounds) -> None:
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
            grounds=grounds,
        )
    )


def say_state(mind: Mind, now_ns: Nanos) -> None:
    state = mind.state
    state.said_real_ns, state.said_latched = state.real_ns, state.latched
    said = risk_state(mind, now_ns)
    if state.limits_due:
        said, state.limits_due = structs.replace(said, bounds=mind.limits.others), False
    mind.out.append(said)


def risk_state(mind: Mind, now_ns: Nanos) -> RiskState:
    """The level and the numbers behind it; equity and headroom are 0 while they are not known."""
    state, limits = mind.state, mind.limits
    now = account(mind)
    line = nearest(mind, now) if now is not None else None
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
        headroom=0 if now is None or line is None else room_to(line, now),
        trades_today=state.trades_today,
        paused=state.paused,
        latches=told(mind),
        next_rule="" if line is None else line.key,
        worst_equity=0 if now is None else now.equity - now.allowance,
        rooms=rooms(mind, now),
        recovery=in_recovery(mind),
        limits=limits.numbers,
        kept=limits.kept,
        cap_tenths=state.cap_tenths,
        budgets=tuple(state.budgets.items()),
        payable=payable(mind),
        winning_days=state.tally.winning,
        layers=layers(mind, now),
        firm=firm_standing(mind),
    )
