"""What a person may ask, and what nobody may: loosen a loss before its time.

Every command is answered once, with what was done or why not. A halt by a person is ended by a
person; a lost day ends at 17:00 CT; a killed drawdown may be cleared by hand once equity is above
its level again; the firm's floor never. Every clearing names who and why and is journalled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from services.risk_governor.authority import Refused, remove, seats, swap, tune
from services.risk_governor.equity import account, reached
from services.risk_governor.latches import (
    DIFFERENCE,
    DRAWDOWN,
    OPERATOR,
    TARGET,
    By,
    flatten_again,
    latch,
    unlatch,
)
from services.risk_governor.levels import judge_account, risk_state, say_state, settle
from services.risk_governor.state import Mind
from services.risk_governor.words import (
    FlattenRequested,
    OperatorAnswer,
    OperatorCommand,
    Outcome,
    Verb,
)
from shared.events import Armed, Choice, DifferenceChoice, VenueState
from shared.seats import actor_of
from shared.units import SECOND, Nanos

ASKING: Final = (Verb.STATUS, Verb.SEATS)  # nothing is done, so nobody need say who they are
SEATED: Final = (Verb.SWAP, Verb.SEATS, Verb.TUNE, Verb.REMOVE)
ATTENDED_S: Final = 600
"""How long a quarantine that a person looks at is left alone; then it counts as unattended."""


def on_command(mind: Mind, now_ns: Nanos, command: OperatorCommand) -> None:
    try:
        if command.verb not in ASKING and not (command.who and command.cause):
            raise Refused("a command names who and why")
        text = COMMANDS[command.verb](mind, now_ns, command)
        outcome = Outcome.DONE
    except Refused as refused:
        text, outcome = str(refused), Outcome.REFUSED
    settle(mind, now_ns)
    mind.out.append(
        OperatorAnswer(
            command_id=command.command_id,
            outcome=outcome,
            reason=text,
            state=risk_state(mind, now_ns),
            seats=seats(mind) if command.verb in SEATED else (),
        )
    )


def on_request(mind: Mind, now_ns: Nanos, asked: FlattenRequested) -> None:
    """The request file: router and sentinel act by it on their own, we halt and agree.

    One that was served without us is obeyed like any other: it ends in a halt and in our own proof.
    Only a memory that begins with this life takes what had been served before it for an earlier
    one's; what is served in its first second is its own, however fast.
    """
    state = mind.state
    if asked.request_id == state.request_id:
        return
    left_behind = asked.before and state.newborn and not state.request_id
    state.request_id = asked.request_id
    if not left_behind:
        _flatten(mind, now_ns, f"{asked.cause} ({asked.who})", asked)


def _flatten(
    mind: Mind, now_ns: Nanos, cause: str, asked: FlattenRequested | OperatorCommand
) -> None:
    if OPERATOR in mind.state.latches and mind.state.latches[OPERATOR].flattens:
        flatten_again(mind)
        mind.state.latches[OPERATOR].request_id = asked.request_id
        return
    latch(
        mind, now_ns, OPERATOR, f"flatten by operator: {cause}",
        flatten=True, request_id=asked.request_id, owner=asked.who,
    )  # fmt: skip


def status(mind: Mind, now_ns: Nanos, command: OperatorCommand) -> str:
    state = mind.state
    text = f"{state.level.value}{' (paused)' if state.paused else ''}"
    return f"{text}: {state.cause}" if state.cause else text


def tell_seats(mind: Mind, now_ns: Nanos, command: OperatorCommand) -> str:
    owners = (actor_of(one.sleeve, one.seat) for one in seats(mind) if one.owner)
    return f"owners: {', '.join(owners) or 'none'}"


def halt(mind: Mind, now_ns: Nanos, command: OperatorCommand) -> str:
    cause = f"halt by {command.who}: {command.cause}"
    latch(mind, now_ns, OPERATOR, cause, owner=command.who)
    return "no new risk until resumed; positions keep their stops"


def flatten(mind: Mind, now_ns: Nanos, command: OperatorCommand) -> str:
    known = bool(command.request_id) and command.request_id == mind.state.request_id
    if not known:
        mind.state.request_id = command.request_id or mind.state.request_id
        _flatten(mind, now_ns, f"{command.cause} ({command.who})", command)
    return "flattening the account; halted until resumed"


def resume(mind: Mind, now_ns: Nanos, command: OperatorCommand) -> str:
    latches = mind.state.latches
    sleeve = command.sleeve
    mine = [
        key
        for key, held in latches.items()
        if held.clears == By.OPERATOR.value and (not sleeve or held.sleeve == sleeve)
    ]
    others = "; ".join(
        f"{held.cause} (clears: {held.clears})" for key, held in latches.items() if key not in mine
    )
    if not mine:
        raise Refused(others or "nothing is halted")
    if any(latches[key].flattening for key in mine):
        raise Refused("the flatten is not proven yet")
    if DRAWDOWN in mine:
        now = account(mind)
        if now is None or any(line.key == DRAWDOWN for line in reached(mind, now)):
            raise Refused("equity is not above the drawdown level")
    mind.state.banked = mind.state.banked or TARGET in mine
    unlatch(mind, *mine)
    judge_account(mind, now_ns)  # a level no longer latched must be watched again
    return f"resumed by {command.who}" + (f"; still held: {others}" if others else "")


def pause(mind: Mind, now_ns: Nanos, command: OperatorCommand) -> str:
    if not mind.state.paused:
        mind.state.paused = True
        say_state(mind, now_ns)
    return "paused: no entries until started"


def start(mind: Mind, now_ns: Nanos, command: OperatorCommand) -> str:
    if mind.state.paused:
        mind.state.paused = False
        say_state(mind, now_ns)
    held = mind.state.cause
    return f"the pause ended; still {mind.state.level.value}: {held}" if held else "started"


def adopt(mind: Mind, now_ns: Nanos, command: OperatorCommand) -> str:
    return f"the router takes over: {_choose(mind, command, Choice.ADOPT)}"


def wait(mind: Mind, now_ns: Nanos, command: OperatorCommand) -> str:
    what = _choose(mind, command, Choice.WAIT)
    mind.state.difference_until_ns = now_ns + ATTENDED_S * SECOND
    return f"not flattened by itself for {ATTENDED_S // 60} minutes: {what}"


def _choose(mind: Mind, command: OperatorCommand, choice: Choice) -> str:
    """Tell the router; the difference as we know it, which is what the person was shown."""
    state = mind.state
    if state.venue is not VenueState.QUARANTINE:
        held = state.latches.get(DIFFERENCE)
        if held is None:
            raise Refused("books and venue do not differ")
        raise Refused(f"router and venue agree, the governor does not: {held.cause}; tsq flatten")
    mind.out.append(
        DifferenceChoice(
            choice=choice,
            difference=state.venue_reason,
            by=command.who,
            cause=command.cause,
            wait_s=ATTENDED_S,
        )
    )
    return state.venue_reason


def arm(mind: Mind, now_ns: Nanos, command: OperatorCommand) -> str:
    today = mind.today(now_ns)
    if mind.settings.simulated():
        raise Refused("the simulator needs no arming")
    if command.account != mind.settings.venue.account:
        raise Refused(
            f"the settings trade {mind.settings.venue.account!r}, not {command.account!r}"
        )
    if not (mind.state.can_trade and mind.state.simulated):
        raise Refused("the venue's record forbids this account to the interface")
    if today is None:
        raise Refused("time lies outside the calendar")
    mind.out.append(Armed(account=command.account, until_ns=today.ends_ns, by=command.who))
    return f"{command.account} is armed until 17:00 CT of {today.day}"


def disarm(mind: Mind, now_ns: Nanos, command: OperatorCommand) -> str:
    account_name = command.account or mind.settings.venue.account
    mind.out.append(Armed(account=account_name, until_ns=0, by=command.who))
    return f"{account_name} is disarmed"


COMMANDS: Final[dict[Verb, Callable[[Mind, Nanos, OperatorCommand], str]]] = {
    Verb.STATUS: status,
    Verb.HALT: halt,
    Verb.RESUME: resume,
    Verb.PAUSE: pause,
    Verb.START: start,
    Verb.FLATTEN: flatten,
    Verb.ARM: arm,
    Verb.DISARM: disarm,
    Verb.ADOPT: adopt,
    Verb.WAIT: wait,
    Verb.SWAP: swap,
    Verb.TUNE: tune,
    Verb.REMOVE: remove,
    Verb.SEATS: tell_seats,
}
