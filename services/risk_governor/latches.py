"""Every reason not to trade freely, as a table: what it does, whom it binds, and what ends it.

A latch is held under its key until an event of its own kind clears it: a person's word for what a
person must look at, 17:00 CT with proof of flat for a lost day, an agreeing reconciliation for a
doubt, the clock for a pause with an end. No other event clears it, and nobody but the table decides
that; `tests/test_governor_latches.py` tries every key against every event. Tripping is automatic,
clearing a person's latch is only possible at the local console.

A latch that rests at ACTIVE forbids nothing: it is news for a person (a target reached, a payout
that may be asked for), or a mode that sizes are judged by (recovery).
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from msgspec import Struct

from services.risk_governor.state import GOVERNOR, Latch, Mind
from services.risk_governor.words import Alarm
from shared.events import Grounds, RiskLatch, RiskLevel, Scope
from shared.units import Nanos

FLOOR: Final = "floor"
DRAWDOWN: Final = "drawdown"
FIRM_DAILY: Final = "firm_daily_loss"
DAILY_LOSS: Final = "daily_loss"
DAILY_CAP: Final = "daily_cap"
EMERGENCY: Final = "emergency_stop"
SESSION_CAP: Final = "session_cap"
APPROACH: Final = "near_floor"
RECOVERY: Final = "recovery"
TARGET: Final = "profit_target"
PROFIT_STOP: Final = "profit_stop"
CONSISTENCY: Final = "consistency"
PAYOUT: Final = "payout"
VOLUME: Final = "volume"
COOLDOWN: Final = "cooldown"
NEWS: Final = "news"
OPERATOR: Final = "operator"
SESSION: Final = "session"
NEW_DAY: Final = "new_day"
RESTART: Final = "restart"
CLOCK: Final = "clock"
DIFFERENCE: Final = "difference"
BLIND: Final = "blind"
DISK: Final = "disk"
ALLOCATION: Final = "allocation"  # its latches are `allocation:<name>`
RECALLED: Final = "recalled"
SLEEVE: Final = "sleeve"  # its latches are `sleeve:<name>`
LATE_CAUSE: Final = "ALARM: not proven flat in time; "


class By(Enum):
    """What may end a latch; the value is what a person reads under `clears`."""

    NOBODY = "new account"
    OPERATOR = "operator"
    DAY = "17:00 CT"  # with proof of flat and a reconciled balance
    RECONCILED = "reconcile"
    FEED = "feed"
    SPACE = "disk space"
    TIME = "time"  # its own end, or 17:00 CT


class Kind(Struct, frozen=True):
    """A row of the table. `rests`: the level while nothing is left to flatten."""

    rests: RiskLevel
    by: By
    flattens: bool = False


_HALTED, _REDUCE, _FREE = RiskLevel.HALTED, RiskLevel.REDUCE_ONLY, RiskLevel.ACTIVE

KINDS: Final[dict[str, Kind]] = {
    FLOOR: Kind(_HALTED, By.NOBODY, flattens=True),
    DRAWDOWN: Kind(_HALTED, By.OPERATOR, flattens=True),
    FIRM_DAILY: Kind(_HALTED, By.DAY, flattens=True),
    DAILY_LOSS: Kind(_HALTED, By.DAY, flattens=True),
    DAILY_CAP: Kind(_HALTED, By.DAY, flattens=True),
    EMERGENCY: Kind(_HALTED, By.DAY, flattens=True),
    SESSION_CAP: Kind(_REDUCE, By.DAY, flattens=True),
    APPROACH: Kind(_REDUCE, By.DAY, flattens=True),
    RECOVERY: Kind(_FREE, By.DAY),
    TARGET: Kind(_HALTED, By.OPERATOR, flattens=True),
    PROFIT_STOP: Kind(_HALTED, By.DAY, flattens=True),
    CONSISTENCY: Kind(_FREE, By.DAY),
    PAYOUT: Kind(_FREE, By.DAY),
    VOLUME: Kind(_FREE, By.DAY),
    COOLDOWN: Kind(_REDUCE, By.TIME),
    NEWS: Kind(_REDUCE, By.TIME),
    OPERATOR: Kind(_HALTED, By.OPERATOR),
    SESSION: Kind(_HALTED, By.DAY, flattens=True),
    NEW_DAY: Kind(_REDUCE, By.RECONCILED),
    RESTART: Kind(_REDUCE, By.RECONCILED),
    CLOCK: Kind(_REDUCE, By.RECONCILED),
    DIFFERENCE: Kind(_REDUCE, By.RECONCILED),
    DISK: Kind(_REDUCE, By.SPACE, flattens=True),
    BLIND: Kind(_REDUCE, By.FEED, flattens=True),
    RECALLED: Kind(_HALTED, By.OPERATOR),
    SLEEVE: Kind(_HALTED, By.OPERATOR, flattens=True),
    ALLOCATION: Kind(_FREE, By.DAY),
}


def kind_of(key: str) -> Kind:
    """The row of a latch's key; those of sleeves share one."""
    return KINDS[rule_in(key)]


def rule_in(key: str) -> str:
    """The rule behind a latch's key: `sleeve` for `sleeve:trend`."""
    return key.partition(":")[0]


def latch(
    mind: Mind, now_ns: Nanos, key: str, cause: str, *, flatten: bool | None = None,
    rests: RiskLevel | None = None, until_ns: Nanos = 0, request_id: str = "",
    owner: str = GOVERNOR, clears: str = "", grounds: Grounds | None = None,
) -> None:  # fmt: skip
    """Hold for a reason, as its row says unless told otherwise. A second cause under the same key
    changes only what tightens: a flatten on top of a mere halt. Without `grounds` the rule is the
    key's own, and it has no numbers."""
    kind = kind_of(key)
    flatten = kind.flattens if flatten is None else flatten
    found = mind.state.latches.get(key)
    if found is None:
        mind.state.latches[key] = Latch(
            kind.rests if rests is None else rests, cause, now_ns, clears or kind.by.value,
            until_ns, flatten, flatten, 0, request_id, owner, sleeve_in(key), False,
            grounds or Grounds(rule=rule_in(key)),
        )  # fmt: skip
    elif flatten and not found.flattens:
        found.flattens = found.flattening = True
        found.cause, found.request_id = cause, request_id
        found.grounds = grounds or found.grounds
    else:
        return
    mind.state.latched += 1


def unlatch(mind: Mind, *keys: str) -> None:
    for key in keys:
        if mind.state.latches.pop(key, None) is not None:
            mind.state.latched += 1


def clear(mind: Mind, by: By, *but: str, proven: bool = False) -> None:
    """End every latch whose row names this kind of event, unless its flatten is still to be proven
    (`proven`: flat was proven in another way)."""
    for key, held in list(mind.state.latches.items()):
        if kind_of(key).by is by and (proven or not held.flattening) and key not in but:
            unlatch(mind, key)


def sleeve_in(key: str) -> str:
    """The sleeve a latch binds; empty for one that binds the account."""
    kind, _, sleeve = key.partition(":")
    return sleeve if kind == SLEEVE else ""


def switch_off(
    mind: Mind, now_ns: Nanos, sleeve: str, cause: str, *, grounds: Grounds, owner: str = GOVERNOR
) -> None:
    """One sleeve is not to trade: its entries are vetoed, its risk is closed, the others go on."""
    latch(mind, now_ns, f"{SLEEVE}:{sleeve}", cause, grounds=grounds, owner=owner)


def switched_off(mind: Mind, sleeve: str) -> Latch | None:
    """Why a sleeve may not open anything; None while it may."""
    return mind.state.latches.get(f"{SLEEVE}:{sleeve}")


def in_recovery(mind: Mind) -> bool:
    """Whether half of the day's effective limit is lost: half size until 17:00 CT."""
    return RECOVERY in mind.state.latches


def sound_alarm(mind: Mind, key: str) -> None:
    """What should be flat by now is not proven so: a person must look, and hears it once."""
    held = mind.state.latches[key]
    if held.flattening and not held.alarm:
        held.alarm, held.cause = True, LATE_CAUSE + held.cause
        mind.state.latched += 1
        mind.out.append(Alarm(text=held.cause))


def sound_again(mind: Mind) -> None:
    """A new life says every alarm that stands once more: its log and its heartbeat begin empty."""
    for held in mind.state.latches.values():
        if held.alarm:
            mind.out.append(Alarm(text=held.cause))


def end_alarm(mind: Mind, held: Latch) -> None:
    """It was proven flat after all; the latch keeps saying that it was late."""
    if held.alarm:
        held.alarm, held.cause = False, f"flat, but late: {held.cause.removeprefix(LATE_CAUSE)}"
        mind.out.append(Alarm(text=""))


def flatten_again(mind: Mind, sleeve: str = "") -> None:
    """Something is held although a flatten was proven: every such latch starts anew."""
    for held in mind.state.latches.values():
        if held.flattens and not held.flattening and held.sleeve in ("", sleeve):
            held.flattening, held.flatten_no = True, 0
            mind.state.latched += 1


def grounds_of(held: Latch) -> Grounds:
    """A latch's numbers; those of one that an older code remembered are gone."""
    return held.grounds or Grounds(rule=RECALLED)


def level_of(held: Latch) -> RiskLevel:
    return RiskLevel.FLATTENING if held.flattening else held.rests


def strictest(mind: Mind) -> tuple[RiskLevel, list[Latch]]:
    """The account's level and the latches that make it."""
    if not mind.state.latches:
        return _FREE, []
    account = [held for held in mind.state.latches.values() if not held.sleeve]
    for level in (RiskLevel.FLATTENING, RiskLevel.HALTED, RiskLevel.REDUCE_ONLY):
        found = [held for held in account if level_of(held) is level]
        if found:
            return level, found
    return _FREE, []


def told(mind: Mind) -> tuple[RiskLatch, ...]:
    """Every latch as the world is told it."""
    return tuple(
        RiskLatch(
            key=key,
            cause=held.cause,
            level=level_of(held),
            scope=Scope.SLEEVE if held.sleeve else Scope.ACCOUNT,
            sleeve=held.sleeve,
            owner=held.owner,
            since_ns=held.since_ns,
            until_ns=held.until_ns,
            clears=held.clears,
            flattens=held.flattens,
            alarm=held.alarm,
            grounds=grounds_of(held),
        )
        for key, held in mind.state.latches.items()
    )


def recall(mind: Mind, said: tuple[RiskLatch, ...]) -> None:
    """Hold what our own recorded word says was held; a flatten under way begins anew."""
    for one in said:
        if rule_in(one.key) not in KINDS or one.key in mind.state.latches:
            continue
        flattening = one.level is RiskLevel.FLATTENING
        rests = kind_of(one.key).rests if flattening else one.level
        mind.state.latches[one.key] = Latch(
            rests, one.cause, one.since_ns, one.clears, one.until_ns, one.flattens, flattening,
            0, "", one.owner, one.sleeve, one.alarm, one.grounds,
        )  # fmt: skip
        mind.state.latched += 1
