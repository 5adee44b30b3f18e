"""Who speaks for a sleeve: one process at any instant, changed by one record.

A sleeve has two seats (`shared/seats.py`). The one that owns it is the only one whose wishes are
judged; the other, a shadow, hears the same and is answered SHADOW. A life that begins in the
owner's seat takes the authority over at once (a crash), one in the other seat waits for a person's
word (a swap). Both are the same event, `AuthorityGranted`, with the books it comes with; what was
approved and not yet answered by the router is in them, so that nobody asks for it twice.

After a swap the two have exchanged their parts: the old owner decides on as the shadow. For a
while the new one is watched, and if it dies, falls silent, fails or only earns vetoes, they change
back without anybody's word. Neither is a birth in the sense of `habits`: it was asked for.

A sleeve is removed by the same record: it grants the authority to the seat of nobody, so that every
process of the sleeve is a shadow from then on, and whoever is swapped in adds the sleeve again.
"""

from __future__ import annotations

from typing import Final

from services.risk_governor import follow
from services.risk_governor.habits import on_birth
from services.risk_governor.latches import SLEEVE, switch_off, switched_off, unlatch
from services.risk_governor.state import Mind, Probation, Sleeve
from services.risk_governor.words import OperatorCommand, Seat
from shared.events import AuthorityGranted, Grounds, ParamsTuned, ShadowAdmitted, SleeveStatus
from shared.seats import FIRST, NO_LIFE, NOBODY, actor_of, seat_of
from shared.units import Nanos

PULSES_PER_S: Final = 4
FIRST_BEATS: Final = 4  # pulses in which the life that took over may still be a new one to us
VALUES_MAX: Final = 16
READY: Final = "READY"
REMOVED: Final = "removed by "  # how the cause of such a latch begins
PAUSED: Final = "PAUSED"


class Refused(Exception):
    """The command is not obeyed; the text tells the person why."""


# -- coming ----------------------------------------------------------------------------------------


def on_status(mind: Mind, now_ns: Nanos, status: SleeveStatus) -> None:
    """A process says how it is; one that is new gets the authority, or is admitted as a shadow."""
    name, state = status.sleeve, mind.state
    if name not in mind.settings.sleeves:
        return
    owner = state.sleeves.get(name)
    owns = status.seat == (FIRST if owner is None else owner.seat)  # nobody yet: the first seat
    known = owner if owns else state.shadows.get(name)
    if known is None or status.incarnation > known.incarnation:
        if owns:
            known = state.sleeves[name] = Sleeve(status.incarnation, seat=status.seat)
            forget_waiting(mind, name)
            on_birth(mind, now_ns, name)
            _say_granted(mind, name)
        else:
            known = state.shadows[name] = Sleeve(status.incarnation, seat=status.seat)
            _say_shadow(mind, name)
    if known is not None and known.incarnation == status.incarnation:
        known.state, known.reason = status.state, status.reason
        known.tuned, known.tune_no = status.tuned, status.tune_no
        known.untuned = status.untuned


def _say_granted(mind: Mind, name: str, grounds: Grounds | None = None) -> None:
    owner = mind.state.sleeves[name]
    books = follow.books_of(mind, name)
    mind.out.append(
        AuthorityGranted(
            sleeve=name, incarnation=owner.incarnation, books=books, seat=owner.seat,
            cause=owner.cause, grounds=grounds, changing=follow.asked_of(mind, name, "change"),
            leaving=follow.asked_of(mind, name, "cancel"),
        )
    )  # fmt: skip


def _say_shadow(mind: Mind, name: str) -> None:
    shadow = mind.state.shadows[name]
    books = follow.books_of(mind, name)
    mind.out.append(
        ShadowAdmitted(sleeve=name, incarnation=shadow.incarnation, seat=shadow.seat, books=books)
    )


def forget_waiting(mind: Mind, name: str) -> None:
    """Wishes of an owner that is no longer one: the next one decides what it wants."""
    for contract, intent in list(mind.state.waiting.items()):
        if intent.sleeve == name:
            del mind.state.waiting[contract]
    for intent_id, (intent, _) in list(mind.state.held_back.items()):
        if intent.sleeve == name:
            del mind.state.held_back[intent_id]


# -- changing --------------------------------------------------------------------------------------


def swap(mind: Mind, now_ns: Nanos, command: OperatorCommand) -> str:
    """A person's word: the process in `command.seat` owns the sleeve from this record on."""
    name, state = command.sleeve, mind.state
    if name not in mind.settings.sleeves:
        raise Refused(f"no sleeve {name!r}; there are {', '.join(mind.settings.sleeves)}")
    owner, newcomer = owner_of(mind, name), state.shadows.get(name)
    if owner is not None and owner.seat == command.seat:
        raise Refused(f"{actor_of(name, command.seat)} owns {name} already")
    if newcomer is None or newcomer.seat != command.seat:
        raise Refused(f"{actor_of(name, command.seat)} is not heard")
    if actor_of(name, command.seat) in state.silent:
        raise Refused(f"{actor_of(name, command.seat)} is silent")
    if newcomer.state != READY:
        raise Refused(f"the newcomer is {newcomer.state}: {newcomer.reason}")
    if owner is None:
        _forgive_removal(mind, name)
    if command.flatten:
        switch_off(
            mind, now_ns, name, f"flat before the newcomer trades ({command.who})",
            grounds=Grounds(rule="swap"), owner=command.who,
        )  # fmt: skip
    exchange(mind, name, f"swap by {command.who}: {command.cause}")
    if state.shadows.get(name) is not None:
        state.probation[name] = Probation(length(mind))
    return f"{actor_of(name, command.seat)} owns {name}"


def exchange(mind: Mind, name: str, cause: str, grounds: Grounds | None = None) -> None:
    """Owner and shadow change parts. How much was approved lately is the sleeve's, not theirs."""
    state = mind.state
    before, after = owner_of(mind, name), state.shadows.pop(name)
    state.probation.pop(name, None)
    state.sleeves[name], after.cause = after, cause
    forget_waiting(mind, name)
    if before is not None:
        after.approved_ns, before.approved_ns = before.approved_ns, []
        state.shadows[name] = before
    _say_granted(mind, name, grounds)
    if before is not None:
        _say_shadow(mind, name)


def remove(mind: Mind, now_ns: Nanos, command: OperatorCommand) -> str:
    """A person's word: nobody speaks for the sleeve from this record on, and its risk is closed."""
    name, state = command.sleeve, mind.state
    if owner_of(mind, name) is None:
        raise Refused(f"nobody owns {name!r}")
    cause = f"{REMOVED}{command.who}: {command.cause}"
    switch_off(mind, now_ns, name, cause, grounds=Grounds(rule="removed"), owner=command.who)
    state.probation.pop(name, None)
    state.shadows.pop(name, None)
    state.sleeves[name] = Sleeve(NO_LIFE, seat=NOBODY, cause=cause)
    forget_waiting(mind, name)
    _say_granted(mind, name)
    return f"nobody owns {name}; what it holds is closed"


def _forgive_removal(mind: Mind, name: str) -> None:
    """The sleeve is added again: only its removal ends by that, no other reason to be off."""
    held = switched_off(mind, name)
    if held is None or not held.cause.startswith(REMOVED):
        return
    if held.flattening:
        raise Refused(f"{name} was removed and is not proven flat yet")
    unlatch(mind, f"{SLEEVE}:{name}")


def tune(mind: Mind, now_ns: Nanos, command: OperatorCommand) -> str:
    """Tell the owner what a person wishes; only it knows its parameters and their ranges."""
    owner = owner_of(mind, command.sleeve)
    if owner is None:
        raise Refused(f"nobody owns {command.sleeve!r}")
    if not 0 < len(command.values) <= VALUES_MAX:
        raise Refused(f"1 to {VALUES_MAX} parameters at a time")
    owner.asked_no = max(owner.asked_no + 1, command.command_id)
    mind.out.append(
        ParamsTuned(
            no=owner.asked_no, sleeve=command.sleeve, incarnation=owner.incarnation,
            values=command.values, by=command.who, cause=command.cause,
        )
    )  # fmt: skip
    return f"{actor_of(command.sleeve, owner.seat)} is told"


# -- watching --------------------------------------------------------------------------------------


def roll_back(mind: Mind, name: str, why: str) -> None:
    """The newcomer failed: the one before it owns again, if it lives."""
    state = mind.state
    vetoes = state.probation.pop(name).vetoes
    before = state.shadows.get(name)
    if before is not None and actor_of(name, before.seat) not in state.silent:
        grounds = Grounds(rule="probation", limit=mind.settings.swap.vetoes, actual=vetoes)
        exchange(mind, name, f"rolled back: {why}", grounds)


def on_pulse(mind: Mind) -> None:
    """A quarter of a second of every probation has passed."""
    for name, watched in list(mind.state.probation.items()):
        owner = mind.state.sleeves[name]
        watched.pulses -= 1
        if watched.vetoes >= mind.settings.swap.vetoes:
            roll_back(mind, name, f"{watched.vetoes} vetoes in a row")
        elif owner.state == PAUSED:
            roll_back(mind, name, f"the newcomer is paused: {owner.reason}")
        elif watched.pulses <= 0:
            del mind.state.probation[name]


def on_life(mind: Mind, actor: str, epoch: int) -> None:
    """A process beats; in another life than before it has died in between."""
    name, seat = seat_of(actor)
    if not name:
        return
    died = mind.state.lives.get(actor, epoch) != epoch
    mind.state.lives[actor] = epoch
    watched = mind.state.probation.get(name)
    if not died or watched is None or mind.state.sleeves[name].seat != seat:
        return
    if length(mind) - watched.pulses >= FIRST_BEATS:
        roll_back(mind, name, f"{actor} ended")


def length(mind: Mind) -> int:
    """Of a probation, pulses."""
    return mind.settings.swap.probation_real_s * PULSES_PER_S


def on_silence(mind: Mind, actor: str) -> None:
    name = owned_by(mind, actor)
    if name in mind.state.probation:
        roll_back(mind, name, f"{actor} is silent")


def owner_of(mind: Mind, name: str) -> Sleeve | None:
    """Who speaks for a sleeve; None while nobody does, or nobody any more."""
    owner = mind.state.sleeves.get(name)
    return None if owner is None or owner.seat == NOBODY else owner


def owned_by(mind: Mind, actor: str) -> str:
    """The sleeve that a process speaks for; empty for a shadow, an empty seat and strangers."""
    name, seat = seat_of(actor)
    owner = mind.state.sleeves.get(name)
    return name if owner is not None and owner.seat == seat else ""


# -- telling and remembering -----------------------------------------------------------------------


def seats(mind: Mind) -> tuple[Seat, ...]:
    """Every process of a sleeve that was ever heard, owners first."""
    state = mind.state
    return tuple(
        Seat(
            sleeve=name,
            seat=one.seat,
            incarnation=one.incarnation,
            owner=part is state.sleeves,
            state=one.state,
            reason=one.reason,
            cause=one.cause,
            silent=actor_of(name, one.seat) in state.silent,
            watched=state.probation[name].pulses
            if part is state.sleeves and name in state.probation
            else 0,
            tuned=one.tuned,
            asked_no=one.asked_no,
            tune_no=one.tune_no,
            untuned=one.untuned,
        )
        for part in (state.sleeves, state.shadows)
        for name, one in part.items()
        if one.seat != NOBODY
    )


def recall(mind: Mind, said: AuthorityGranted | ShadowAdmitted) -> None:
    """Our own recorded word: who owned, who stood by."""
    state, name = mind.state, said.sleeve
    owner, shadow = state.sleeves.get(name), state.shadows.get(name)
    if isinstance(said, ShadowAdmitted):
        if shadow is None or shadow.incarnation != said.incarnation:
            state.shadows[name] = Sleeve(said.incarnation, seat=said.seat)
    elif owner is None or owner.incarnation != said.incarnation:
        forget_waiting(mind, name)
        if shadow is not None and shadow.incarnation == said.incarnation:
            state.sleeves[name] = state.shadows.pop(name)
            if owner is not None:
                state.shadows[name] = owner
        else:
            state.sleeves[name] = Sleeve(said.incarnation, seat=said.seat)
        state.probation.pop(name, None)
