"""What time brings: the countdown to the day's end, silences, uncovered positions, late answers.

Everything here is asked at every pulse (four a second). The countdown follows our own table of the
calendar and the gateway's phase, the stricter of the two.
"""

from __future__ import annotations

from msgspec import structs

from services.risk_governor.authority import owned_by
from services.risk_governor.checks_market import watch_market, zone_of
from services.risk_governor.checks_together import traded_today
from services.risk_governor.day import on_clock
from services.risk_governor.elsewhere import tell_others
from services.risk_governor.follow import held_by_sleeves, lapse
from services.risk_governor.intents import ask_again, end_waits
from services.risk_governor.latches import (
    BLIND,
    DIFFERENCE,
    DISK,
    NEW_DAY,
    SESSION,
    VOLUME,
    By,
    clear,
    latch,
    sound_alarm,
    unlatch,
)
from services.risk_governor.levels import cancel, judge_account, say_state, withdraw
from services.risk_governor.state import PHASES, Mind, product
from shared.domain.rules.conduct import QUIET, contracts_verdict
from shared.domain.sessions import HOURS_BEFORE_17, TradingDay
from shared.events import (
    Flatten,
    Grounds,
    Phase,
    Pulse,
    Scope,
    VetoRule,
)
from shared.units import SECOND, Nanos


def watch_volume(mind: Mind, now_ns: Nanos) -> None:
    """Half of the contracts the account may trade today: told once, as news."""
    limit, traded = mind.limits.given.pretrade.contracts_per_day, traded_today(mind)
    half = -(-limit // 2)
    if contracts_verdict(traded, half, limit) > QUIET and VOLUME not in mind.state.latches:
        cause = f"{traded} of {limit} contracts traded today"
        latch(mind, now_ns, VOLUME, cause, grounds=Grounds(rule=VOLUME, limit=limit, actual=traded))


def on_pulse(mind: Mind, now_ns: Nanos, pulse: Pulse) -> None:
    state = mind.state
    state.real_ns = pulse.real_ns
    lapse(mind, now_ns)
    for contract in sorted(state.waiting):
        ask_again(mind, now_ns, contract)
    if state.held_back:
        end_waits(mind, now_ns)
    countdown(mind, now_ns)
    thin = mind.state.thin
    on_clock(mind, now_ns)
    if thin is not mind.state.thin:
        judge_account(mind, now_ns)  # leaving costs more or less from this hour on
    watch_feed(mind, now_ns)
    watch_market(mind, now_ns)
    watch_protection(mind)
    watch_zone(mind)
    watch_hours(mind, now_ns)
    watch_volume(mind, now_ns)
    watch_disk(mind, now_ns)
    tell_others(mind, now_ns)
    watch_difference(mind, now_ns)
    withdraw_silent(mind)
    if pulse.real_ns - state.said_real_ns >= SECOND:
        say_state(mind, now_ns)


def withdraw_silent(mind: Mind) -> None:
    """Whoever speaks for a sleeve and is silent has nothing resting in the market."""
    for actor in mind.state.silent:
        if name := owned_by(mind, actor):
            withdraw(mind, f"{actor} is silent", _silence(mind, actor), name)


def _silence(mind: Mind, actor: str) -> Grounds:
    """How long nothing was heard, and how long that is borne."""
    allowed = int(mind.limits.given.sleeve_silence_real_s * SECOND)
    silent = allowed + mind.state.real_ns - mind.state.silent[actor]
    return Grounds(rule=VetoRule.PEER_SILENT.value, limit=allowed, actual=silent)


def countdown(mind: Mind, now_ns: Nanos) -> None:
    """From 15:05 CT (or before an early close) flatten; after 17:00 CT wait for proof."""
    state, today, phase = mind.state, mind.today(now_ns), mind.phase(now_ns)
    if today is None:
        return
    new_day = state.day != today.day
    if new_day:
        why = "not yet reconciled" if not state.day else "waiting for proof of flat and balance"
        latch(mind, now_ns, NEW_DAY, f"trading day {today.day}: {why}")
    open_now = bool(state.ledger.positions()) or any(
        order.leaves() for order in state.orders.values()
    )
    held_over = new_day and bool(state.day) and bool(state.ledger.positions())
    if phase in (Phase.FLATTEN, Phase.FLAT) or (phase is Phase.CLOSED and open_now) or held_over:
        if SESSION not in state.latches:
            cause = "held over the day's end" if held_over else f"end of {today.day}"
            due = today.begins_ns if held_over else today.flatten_ns
            latch(
                mind, now_ns, SESSION, cause, until_ns=today.next_open(now_ns),
                grounds=Grounds(rule=SESSION, actual=now_ns - due),
            )  # fmt: skip
        elif PHASES[phase] >= PHASES[Phase.FLAT] or held_over:
            sound_alarm(mind, SESSION)
    elif phase is Phase.OPEN and not new_day and _rests(mind, SESSION):
        unlatch(mind, SESSION)


def _rests(mind: Mind, key: str) -> bool:
    """Whether a latch is held and its flatten proven."""
    held = mind.state.latches.get(key)
    return held is not None and not held.flattening


def watch_feed(mind: Mind, now_ns: Nanos) -> None:
    """A position nobody can value is flattened after a grace. A quiet market is no frozen feed:
    the gateway proves that its streams live, so an old quote alone does not count here."""
    state = mind.state
    up = mind.feed_is_up()
    if up:
        clear(mind, By.FEED)
    seen = up
    held = state.ledger.positions()
    for contract in held:
        mark = state.marks.get(contract)
        seen = seen and mark is not None and mark.usable() and mark.recv_ns > 0
    if seen or not held:
        state.blind_ns = 0
    elif not state.blind_ns:
        state.blind_ns = now_ns
    elif now_ns - state.blind_ns > mind.limits.blind_ns:
        blind = now_ns - state.blind_ns
        latch(
            mind, now_ns, BLIND, "a position without market data",
            grounds=Grounds(rule=BLIND, limit=mind.limits.blind_ns, actual=blind),
        )  # fmt: skip


def watch_protection(mind: Mind) -> None:
    """A position without its stop at the venue for too long is closed."""
    state = mind.state
    for contract, since in state.naked_real_ns.items():
        if not since:
            state.naked_real_ns[contract] = state.real_ns
        elif state.real_ns - since > mind.limits.unprotected_ns and contract not in state.closing:
            _close(
                mind, contract, "position without a stop at the venue",
                Grounds(
                    rule="unprotected", limit=mind.limits.unprotected_ns,
                    actual=state.real_ns - since,
                ),
            )  # fmt: skip


def watch_zone(mind: Mind) -> None:
    """What sleeves hold near the exchange's price limit is closed."""
    state = mind.state
    for contract in state.ledger.positions():
        zone = zone_of(mind, contract)
        if zone is not None and contract not in state.closing and held_by_sleeves(mind, contract):
            _close(mind, contract, "within the zone of the exchange's price limit", zone)


def watch_hours(mind: Mind, now_ns: Nanos) -> None:
    """What closes before the rest of the day has a countdown of its own: its openers are withdrawn,
    then what sleeves hold of it is closed, as long before its close as all is before 15:10 CT."""
    state, today, session = mind.state, mind.today(now_ns), mind.limits.session
    if today is None or mind.phase(now_ns) is not Phase.OPEN:
        return
    for contract, past in _ended(mind, today, now_ns):
        grounds = Grounds(rule=VetoRule.SESSION.value, actual=past)
        cause = f"end of {today.day} for {product(contract).group}"
        for order in mind.live(contract):
            if order.opens():
                cancel(mind, order.intent_id, cause, grounds)
        past -= (session.no_entries_before_s - session.flatten_before_s) * SECOND
        if past >= 0 and held_by_sleeves(mind, contract) and contract not in state.closing:
            _close(mind, contract, cause, structs.replace(grounds, actual=past))


def _ended(mind: Mind, today: TradingDay, now_ns: Nanos) -> list[tuple[str, Nanos]]:
    """Contracts held or worked that may not be opened any more, and for how long."""
    ahead = mind.limits.session.no_entries_before_s * SECOND
    state = mind.state
    names = dict.fromkeys(state.ledger.positions())
    names |= dict.fromkeys(order.contract for order in state.orders.values())
    found = []
    for contract in names:
        group = product(contract).group
        past = now_ns - (today.flat_by_of(group) - ahead) if group in HOURS_BEFORE_17 else -1
        if past >= 0:
            found.append((contract, past))
    return found


def _close(mind: Mind, contract: str, cause: str, grounds: Grounds) -> None:
    """Flatten one contract, once."""
    state = mind.state
    state.closing[contract] = state.halt_no
    mind.passes.clear()
    held = {"position": state.ledger.position(contract)}
    mind.out.append(
        Flatten(
            halt_no=state.halt_no,
            scope=Scope.CONTRACT,
            contract=contract,
            cause=cause,
            grounds=structs.replace(grounds, inputs=held),
        )
    )


def watch_disk(mind: Mind, now_ns: Nanos) -> None:
    """With next to no space left everything is closed while that can still be written down."""
    free, given = mind.state.disk_mb, mind.limits.given.pretrade
    if free is None:
        return
    if free < given.disk_stop_mb:
        latch(
            mind, now_ns, DISK, f"disk: {free} MiB free, {given.disk_stop_mb} needed",
            grounds=Grounds(rule=DISK, limit=given.disk_stop_mb, actual=free),
        )  # fmt: skip
    elif free >= given.disk_low_mb and _rests(mind, DISK):
        unlatch(mind, DISK)


def watch_difference(mind: Mind, now_ns: Nanos) -> None:
    """Books and venue that stay apart end in a flat account, the one state both agree on."""
    held = mind.state.latches.get(DIFFERENCE)
    if held is None or held.flattens or now_ns < mind.state.difference_until_ns:
        return
    lasted, limit = now_ns - held.since_ns, mind.limits.difference_ns
    if lasted > limit:
        latch(
            mind, now_ns, DIFFERENCE, f"unexplained for too long: {held.cause}", flatten=True,
            grounds=Grounds(rule=DIFFERENCE, limit=limit, actual=lasted),
        )  # fmt: skip
