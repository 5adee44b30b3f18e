"""The trading day: its beginning with proof, its hours, its trades, its news.

A day turns at 17:00 CT by the exchange's calendar, whatever the computer's zone, and it begins when
a comparison made in it proved that everything is flat and what the balance is. Until then nothing
opens and yesterday's limits hold.
"""

from __future__ import annotations

from services.risk_governor.allocation import allocate, record_day
from services.risk_governor.habits import worth_of
from services.risk_governor.latches import (
    COOLDOWN,
    NEW_DAY,
    NEWS,
    RECALLED,
    SESSION,
    TARGET,
    By,
    clear,
    kind_of,
    latch,
    unlatch,
)
from services.risk_governor.standing import end_day, first_seen, guide
from services.risk_governor.state import Mind, product
from shared.domain.rules.streak import cooldown_until, is_cooling, is_entry, streak_after
from shared.domain.rules.windows import in_window
from shared.events import Fill, Grounds, Purpose, Reconciled
from shared.units import HOUR, SECOND, Lots, Micros, Nanos, dollars

OPENS_CT = 17  # a trading day opens at this hour


def begin_day(mind: Mind, now_ns: Nanos, proof: Reconciled) -> None:
    """Turn to the trading day that holds now, given proof: a comparison begun in it, all flat.

    The first day we ever see begins where we are, also with positions: profits before it are in
    the balance, and losses before it cannot be known (start the governor before you trade).
    """
    state, today = mind.state, mind.today(now_ns)
    if today is None or state.day == today.day or proof.as_of_ns < today.begins_ns:
        return
    if not state.day:
        first_seen(mind, proof.balance - realised(mind))
    elif state.ledger.flat() and not any(order.leaves() for order in state.orders.values()):
        record_day(mind)
        state.ledger.settle()
        end_day(mind, proof.balance, today)
        state.trades_today = state.quoted_today = state.streak = 0
        state.trips.clear()
    else:
        return
    state.day, state.drift = today.day, 0
    mind.hold_limits(state.in_force if state.in_force_day == today.day else {})
    state.in_force_day, state.limits_due = today.day, True
    unlatch(mind, NEW_DAY, COOLDOWN)
    clear(mind, By.DAY, SESSION, proven=True)
    allocate(mind, now_ns)
    if TARGET in state.latches and not state.latches[TARGET].flattens:
        unlatch(mind, TARGET)
    guide(mind, now_ns)
    recalled = state.latches.get(RECALLED)
    if recalled is not None and By.DAY.value in recalled.clears:
        unlatch(mind, RECALLED)


def realised(mind: Mind) -> Micros:
    """Profit taken in this session, net of fees paid."""
    total = 0
    for contract, desk in mind.state.ledger.desks.items():
        account = desk.account
        total += account.position.realised * product(contract).tick_micros - account.fees
    return total


# -- hours and news --------------------------------------------------------------------------------


def on_clock(mind: Mind, now_ns: Nanos) -> None:
    """What the hour brings and ends."""
    mind.state.thin = is_thin(mind, now_ns)
    for key, held in list(mind.state.latches.items()):
        if kind_of(key).by is By.TIME and not is_cooling(now_ns, held.until_ns):
            unlatch(mind, key)
    for event, before, after, kind in mind.limits.news:
        # A second early, so that no entry passes between the window's beginning and a pulse.
        if in_window(now_ns, event, before + SECOND, after):
            ahead = now_ns <= event
            latch(
                mind, now_ns, NEWS, f"news: {kind}", until_ns=event + after + 1,
                grounds=Grounds(
                    rule=NEWS, limit=before if ahead else after, actual=abs(now_ns - event)
                ),
            )  # fmt: skip


def is_thin(mind: Mind, now_ns: Nanos) -> bool:
    """Whether this is an hour poor in volume, in which leaving costs more."""
    today = mind.today(now_ns)
    if today is None or now_ns < today.opens_ns:
        return True
    hour = (OPENS_CT + (now_ns - today.opens_ns) // HOUR) % 24
    return hour in mind.limits.given.thin_hours_ct


# -- directional trades ----------------------------------------------------------------------------


def trade_began(mind: Mind, fill: Fill, held: Lots) -> None:
    """Before a fill is booked: note what its book was worth when a directional trade begins."""
    if fill.purpose is Purpose.ENTRY and not held and not fill.voided:
        worth = worth_of(mind, fill.sleeve, fill.contract)
        mind.state.trips[f"{fill.sleeve} {fill.contract}"] = worth


def trade_ended(mind: Mind, now_ns: Nanos, fill: Fill, part: tuple[str, Lots]) -> None:
    """After an owner's part of a fill was booked: count a directional trade that is flat again or
    turned around, and rest if need be. A turn by an entry begins the next trade; the fee of the
    fill is the first one's.

    Trades of quotes are not counted: a maker's budget bounds them.
    """
    owner, lots = part
    state, key = mind.state, f"{owner} {fill.contract}"
    held = state.ledger.held(owner, fill.contract)
    before = held - lots
    turned = is_entry(before, held, adds=False)
    if not before or (held and not turned):
        return
    worth, begun = worth_of(mind, owner, fill.contract), state.trips.pop(key, None)
    if turned and fill.purpose is Purpose.ENTRY:
        state.trips[key] = worth
    if begun is None:
        return
    net = worth - begun
    state.streak = streak_after(state.streak, net)
    given = mind.limits.given
    until = cooldown_until(now_ns, state.streak, given.loss_streak, mind.limits.cooldown_ns)
    if until:
        cause = f"{state.streak} losing trades in a row, the last {dollars(net)}"
        latch(
            mind, now_ns, COOLDOWN, cause, until_ns=until,
            grounds=Grounds(
                rule=COOLDOWN, limit=given.loss_streak, actual=state.streak,
                inputs={"last_trade_usd": net},
            ),
        )  # fmt: skip
        state.streak = 0
