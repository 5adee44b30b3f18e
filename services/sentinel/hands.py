"""The acting half of the sentinel: from the moment the router's lock is held until flat is proven.

One step per read: every read is begun after the outcome of all we sent before, so each decision
rests on the whole truth of its moment. Nothing in flight, two reads apart that show nothing: flat.

But what a dead process had on the wire the venue may still carry out, and what we sent without
hearing of it too. So the second of the two reads begins no sooner than such a request can be: the
router's own patience before it believes that an order is absent, counted from its last sign of
life, or from our own last request of unknown outcome. Until then the lock stays ours, and what
appears is closed.
"""

from __future__ import annotations

from services.sentinel.saga import CloseTry, can_open, may_close
from services.sentinel.state import (
    CANCEL_ROUNDS,
    CANCELS_AT_ONCE,
    CLOSED_MAX,
    LIFE_BEYOND,
    PROOF_APART,
    READ_PACE,
    READ_PACE_LAST,
    READS_AT_ONCE,
    ROUTER,
    STOP_PATIENCE,
    STUCK_AFTER,
    TICKS_PER_S,
    Peer,
    Stage,
    State,
)
from services.sentinel.words import (
    Answered,
    Cancel,
    Close,
    Leave,
    LiveOrder,
    Outcome,
    Read,
    Release,
    Report,
    Say,
    Seized,
)
from shared.events import Event

Said = tuple[Event, ...]
NOTHING: Said = ()


def read(state: State) -> Said:
    """Ask the venue, unless a question is on its way already."""
    if state.reading:
        return NOTHING
    state.no += 1
    state.reads += 1
    state.reading, state.read_tick = state.no, state.tick
    return (Read(no=state.no),)


def leave(state: State) -> Said:
    if state.left:
        return NOTHING
    state.left = True
    return (Leave(),)


def begin(state: State, event: Seized, late: int) -> Said:
    """The lock is ours. What was read before the router died is no longer believed; after a kill
    the first read waits a moment for what the dead router may have had on the wire. `late`: ticks
    for which the venue may still carry out what a dead router sent; how long it is dead is how
    long it has not been seen.
    """
    state.held = True
    state.stage = Stage.CANCELLING
    state.reading = state.reads = state.cancel_rounds = 0
    state.closes, state.calls, state.flat_tick, state.late_said = {}, {}, -1, False
    state.closed = list(event.closed)
    state.read_tick = state.tick
    dead = 0 if event.killed else max(0, state.peers[ROUTER].quiet - LIFE_BEYOND)
    state.late_until = state.tick - dead + late
    text = f"router {event.killed} killed" if event.killed else "no router was alive"
    said = (Say(text=f"{text}; its lock is ours", loud=True), report(state))
    return said if event.killed else (*said, *read(state))


def on_time(state: State) -> Said:
    """Between the venue's answers: show that we live, read again, know when to give up."""
    if not state.held:
        return NOTHING
    said: list[Event] = []
    if state.tick % TICKS_PER_S == 0:
        said.append(report(state))
    if 0 <= state.stopping_tick < state.tick - STOP_PATIENCE:
        said.append(Say(text=_unproven(state), loud=True))
        return (*said, *release(state, flat=False))
    if not state.calls and state.tick - state.read_tick >= _pace(state):
        said.extend(read(state))
    return tuple(said)


def _unproven(state: State) -> str:
    """Why we leave without a proof, after all the patience of one who is asked to stop."""
    if state.stage is not Stage.PROVING or state.trouble:
        return "stopped before flat could be proven"
    return "stopped before flat could be proven: what was sent before may still be carried out"


def _pace(state: State) -> int:
    """Ticks between two reads: ever more where they change nothing, but none is long while the
    venue answers and shows nothing, because what appears late has no stop.
    """
    if state.stage is Stage.PROVING and not state.trouble:
        return PROOF_APART
    return next((ticks for upto, ticks in READ_PACE if state.reads <= upto), READ_PACE_LAST)


def report(state: State) -> Report:
    """How far we are; `beat` grows, so that anybody can see that somebody is at it."""
    assert state.wish is not None, "Invariant: whoever acts serves a request"
    state.beat += 1
    stuck = state.tick - state.act_tick >= STUCK_AFTER
    detail = f"{len(state.positions)} positions, {len(state.orders)} orders"
    left_s = (state.late_until - state.tick) / TICKS_PER_S
    if state.stage is Stage.PROVING and left_s > 0:
        detail += f"; a request sent before may still be carried out for {left_s:.0f} s"
    if state.trouble:
        detail = f"venue not readable ({state.trouble} times in a row)"
    return Report(
        request_id=state.wish.request_id,
        stage="STUCK" if stuck else state.stage.value,
        beat=state.beat,
        detail=detail,
        closed=tuple(state.closed),
    )


def act(state: State) -> Said:
    """One step of the saga on a fresh read, with nothing of ours in flight."""
    assert state.held, "Invariant: nobody acts without the lock"
    assert not state.calls, "Invariant: a step rests on all outcomes before it"
    for contract in [name for name in state.closes if name not in state.positions]:
        del state.closes[contract]
    for last in state.closes.values():
        last.reads += 1
    if not state.is_open():
        return _prove(state)
    news = _appeared(state) if state.stage is Stage.PROVING else NOTHING
    return (*news, *_undo(state))


def _appeared(state: State) -> Said:
    """Something is open that was not: its reads follow each other as fast as the first ones."""
    state.reads = 0
    text = f"carried out late, or made by hand: {state.held_in_words()}; closing it"
    return (Say(text=text, loud=True),)


def _undo(state: State) -> Said:
    """Cancel what can open, close, then cancel the rest."""
    state.flat_tick = -1
    dangerous = can_open(state.orders, state.positions)
    if dangerous and state.cancel_rounds < CANCEL_ROUNDS:
        state.cancel_rounds += 1
        return _move(state, Stage.CANCELLING, _cancel(state, dangerous))
    if state.positions:
        return _move(state, Stage.CLOSING, (*_cancel(state, dangerous), *_close(state)))
    rest = tuple(order for order in state.orders if not order.leaving)
    return _move(state, Stage.CANCELLING, _cancel(state, rest))


def answered(state: State, event: Answered, late: int) -> Said:
    """An outcome; when the last one is in, read again (the first few times at once). One that is
    unknown may still come, for `late` ticks.
    """
    contract = state.calls.pop(event.no, None)
    if contract is None:
        return NOTHING
    if event.outcome is Outcome.UNKNOWN:
        state.late_until = max(state.late_until, state.tick + late)
    last = state.closes.get(contract)
    if last is not None:
        last.outcome, last.tick = event.outcome, state.tick
        if event.outcome is Outcome.REFUSED and (contract, last.lots) in state.closed:
            state.closed.remove((contract, last.lots))
    said: list[Event] = []
    if event.outcome is not Outcome.DONE:
        what = f"close of {contract}" if contract else "cancel"
        said.append(Say(text=f"{what}: {event.outcome.value} {event.text}", loud=True))
    if not state.calls and event.outcome is Outcome.DONE and state.reads <= READS_AT_ONCE:
        said.extend(read(state))
    return tuple(said)


def _move(state: State, stage: Stage, then: Said) -> Said:
    if stage is state.stage:
        return then
    state.stage = stage
    return (report(state), *then)


def _cancel(state: State, orders: tuple[LiveOrder, ...]) -> Said:
    said = []
    for order in orders[:CANCELS_AT_ONCE]:
        state.no += 1
        state.calls[state.no] = ""
        said.append(Cancel(no=state.no, order_id=order.order_id))
    return tuple(said)


def _close(state: State) -> Said:
    """Close what may be closed, and say so first: a router that is back before we are done has to
    know whose orders these are.
    """
    said: list[Event] = []
    for contract, lots in state.positions.items():
        last = state.closes.get(contract)
        closing = any(
            order.market and order.contract == contract and order.lots * lots < 0
            for order in state.orders
        )
        if closing or not may_close(last, lots, state.tick):
            continue
        state.no += 1
        state.calls[state.no] = contract
        state.closes[contract] = CloseTry(lots)
        state.closed = [*state.closed, (contract, lots)][-CLOSED_MAX:]
        said.append(Close(no=state.no, contract=contract))
    return (report(state), *said) if said and state.stage is Stage.CLOSING else tuple(said)


def _prove(state: State) -> Said:
    """Flat is two reads apart that agree, both begun after our last outcome, and the last one when
    nothing sent before can be carried out any more.
    """
    if state.flat_tick < 0:
        state.flat_tick = state.known_tick
        return _move(state, Stage.PROVING, _say_late(state))
    if state.known_tick - state.flat_tick < PROOF_APART or state.known_tick < state.late_until:
        return NOTHING
    seconds = (state.tick - state.act_tick) / TICKS_PER_S
    text = f"flat, proven by two reads, {seconds:.2f} s after we began"
    return (Say(text=text, loud=True), *release(state, flat=True))


def _say_late(state: State) -> Said:
    """Once, why a flat account is not handed back yet."""
    left_s = (state.late_until - state.tick) / TICKS_PER_S
    if state.late_said or left_s <= PROOF_APART / TICKS_PER_S:
        return NOTHING
    state.late_said = True
    text = f"nothing is open; what was sent before may still be carried out for {left_s:.1f} s"
    return (Say(text=f"{text}, so the lock stays ours until then", loud=True),)


def release(state: State, flat: bool) -> Said:
    """Hand back. The router gets the time to come up before anybody grows impatient again."""
    assert state.wish is not None, "Invariant: whoever acts serves a request"
    request_id = state.wish.request_id
    said: list[Event] = []
    if flat:
        state.beat += 1
        said.append(
            Report(
                request_id=request_id,
                stage="FLAT",
                beat=state.beat,
                detail=state.cause,
                closed=tuple(state.closed),
            )
        )
        state.wish = None
    said.append(Release(request_id=request_id, flat=flat))
    state.stage, state.held, state.kind, state.cause = Stage.WATCHING, False, "", ""
    state.peers[ROUTER] = Peer()
    state.calls, state.closes, state.flat_tick = {}, {}, -1
    if state.stopping_tick >= 0:
        said.extend(leave(state))
    return tuple(said)
