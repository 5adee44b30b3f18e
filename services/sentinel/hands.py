"""The acting half of the sentinel: from the moment the router's lock is held until flat is proven.

One step per read: every read is begun after the outcome of all we sent before, so each decision
rests on the whole truth of its moment. Nothing in flight, two reads apart that show nothing: flat.
"""

from __future__ import annotations

from services.sentinel.saga import CloseTry, can_open, may_close
from services.sentinel.state import (
    CANCEL_ROUNDS,
    CANCELS_AT_ONCE,
    PROOF_APART,
    PROOF_APART_DOUBTFUL,
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


def begin(state: State, killed: int) -> Said:
    """The lock is ours. What was read before the router died is no longer believed; after a kill
    the first read waits a moment for what the dead router may have had on the wire.
    """
    state.held = True
    state.stage = Stage.CANCELLING
    state.reading = state.reads = state.cancel_rounds = 0
    state.closes, state.calls, state.flat_tick, state.doubtful = {}, {}, -1, False
    state.read_tick = state.tick
    text = f"router {killed} killed" if killed else "no router was alive"
    said = (Say(text=f"{text}; its lock is ours", loud=True), report(state))
    return said if killed else (*said, *read(state))


def on_time(state: State) -> Said:
    """Between the venue's answers: show that we live, read again, know when to give up."""
    if not state.held:
        return NOTHING
    said: list[Event] = []
    if state.tick % TICKS_PER_S == 0:
        said.append(report(state))
    if 0 <= state.stopping_tick < state.tick - STOP_PATIENCE:
        said.append(Say(text="stopped before flat could be proven", loud=True))
        return (*said, *release(state, flat=False))
    pace = next((ticks for upto, ticks in READ_PACE if state.reads <= upto), READ_PACE_LAST)
    if not state.calls and state.tick - state.read_tick >= pace:
        said.extend(read(state))
    return tuple(said)


def report(state: State) -> Report:
    """How far we are; `beat` grows, so that anybody can see that somebody is at it."""
    assert state.wish is not None, "Invariant: whoever acts serves a request"
    state.beat += 1
    stuck = state.tick - state.act_tick >= STUCK_AFTER
    detail = f"{len(state.positions)} positions, {len(state.orders)} orders"
    if state.trouble:
        detail = f"venue not readable ({state.trouble} times in a row)"
    return Report(
        request_id=state.wish.request_id,
        stage="STUCK" if stuck else state.stage.value,
        beat=state.beat,
        detail=detail,
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
    state.flat_tick = -1
    dangerous = can_open(state.orders, state.positions)
    if dangerous and state.cancel_rounds < CANCEL_ROUNDS:
        state.cancel_rounds += 1
        return _move(state, Stage.CANCELLING, _cancel(state, dangerous))
    if state.positions:
        return _move(state, Stage.CLOSING, (*_cancel(state, dangerous), *_close(state)))
    rest = tuple(order for order in state.orders if not order.leaving)
    return _move(state, Stage.CANCELLING, _cancel(state, rest))


def answered(state: State, event: Answered) -> Said:
    """An outcome; when the last one is in, read again (the first few times at once)."""
    contract = state.calls.pop(event.no, None)
    if contract is None:
        return NOTHING
    if event.outcome is Outcome.UNKNOWN:
        state.doubtful = True
    last = state.closes.get(contract)
    if last is not None:
        last.outcome, last.tick = event.outcome, state.tick
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
    said = []
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
        said.append(Close(no=state.no, contract=contract))
    return tuple(said)


def _prove(state: State) -> Said:
    """Flat is two reads apart that agree, both begun after our last outcome."""
    apart = PROOF_APART_DOUBTFUL if state.doubtful else PROOF_APART
    if state.flat_tick < 0:
        state.flat_tick = state.known_tick
        return _move(state, Stage.PROVING, NOTHING)
    if state.known_tick - state.flat_tick < apart:
        return NOTHING
    seconds = (state.tick - state.act_tick) / TICKS_PER_S
    text = f"flat, proven by two reads, {seconds:.2f} s after we began"
    return (Say(text=text, loud=True), *release(state, flat=True))


def release(state: State, flat: bool) -> Said:
    """Hand back. The router gets the time to come up before anybody grows impatient again."""
    assert state.wish is not None, "Invariant: whoever acts serves a request"
    request_id = state.wish.request_id
    said: list[Event] = []
    if flat:
        state.beat += 1
        said.append(
            Report(request_id=request_id, stage="FLAT", beat=state.beat, detail=state.cause)
        )
        state.wish = None
    said.append(Release(request_id=request_id, flat=flat))
    state.stage, state.held, state.kind, state.cause = Stage.WATCHING, False, "", ""
    state.peers[ROUTER] = Peer()
    state.calls, state.closes, state.flat_tick = {}, {}, -1
    if state.stopping_tick >= 0:
        said.extend(leave(state))
    return tuple(said)
