"""The sentinel's mind: when the others can no longer look after a position, it gets rid of it.

It acts when the router or the governor has been silent for longer than its patience *and* the venue
itself says that a position is open or an order is live; or when somebody asked for a flatten and
nobody makes progress. It believes no other process about the account, only its own reads.

Patience is counted in its own awake ticks since a heartbeat file last changed: while the computer
sleeps nobody ticks, so nobody grows old. One pair of hands: nothing is sent before the router is
dead and its lock is held (`Seize`), because two slow hands would sell the same position twice.
Every flatten of its own is latched as a `flatten.request`, so that the governor halts, and a
death of the sentinel halfway leaves the wish standing for whoever comes up first.

A restart forgets what was in flight and starts to watch anew: nothing is believed across it. So
there is nothing that a record would have to tell the next life, and a disk without a byte neither
ends the sentinel nor keeps it from beginning: whoever cannot record any more has it behind him.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import msgspec

from services.sentinel import hands
from services.sentinel.hands import NOTHING, Said
from services.sentinel.state import (
    GOVERNOR,
    POLL_BLIND,
    POLL_IDLE,
    POLL_WORRIED,
    REQUEST_GRACE,
    ROUTER,
    SEIZE_AGAIN,
    START_GRACE,
    STOP_PATIENCE,
    TICKS_PER_S,
    Stage,
    State,
    Wish,
    newborn,
)
from services.sentinel.words import (
    WORDS,
    Answered,
    Beat,
    Books,
    NotSeized,
    Progressed,
    Release,
    Requested,
    Say,
    Seize,
    Seized,
    Unreadable,
    Withdrawn,
)
from shared.core import Word
from shared.events import ClockJump, Event, Pulse, Started, Stopping
from shared.settings import Settings


class Sentinel:
    """Watches heartbeats and the venue; flattens with its own hands when nobody else can."""

    subscribes: Mapping[str, tuple[type[Event], ...]] = {}
    publishes: ClassVar[tuple[type[Event], ...]] = ()
    words: ClassVar[tuple[type[Word], ...]] = WORDS
    watches: Mapping[str, float] = {}
    forgets: ClassVar[bool] = True

    def __init__(self, settings: Settings) -> None:
        own = settings.sentinel
        self._patience = {
            ROUTER: round(own.router_patience_real_s * TICKS_PER_S),
            GOVERNOR: round(own.governor_patience_real_s * TICKS_PER_S),
        }
        self._request_patience = round(own.request_patience_real_s * TICKS_PER_S)
        self._flatten_on_stop = own.flatten_on_stop
        late_s = settings.order_router.absence_queries_apart_real_s
        self._late = int(-(-late_s * TICKS_PER_S // 1))  # rounded up
        self._state = newborn()
        self._handlers: dict[type[Event], Callable[[Any], Said]] = {
            Started: self._on_started,
            Pulse: self._on_pulse,
            ClockJump: self._on_clock_jump,
            Stopping: self._on_stopping,
            Beat: self._on_beat,
            Requested: self._on_requested,
            Withdrawn: self._on_withdrawn,
            Progressed: self._on_progressed,
            Books: self._on_books,
            Unreadable: self._on_unreadable,
            Seized: self._on_seized,
            NotSeized: self._on_not_seized,
            Answered: self._on_answered,
        }

    def on(self, now_ns: int, event: Event) -> Iterable[Event]:
        """React to one event; market time plays no part here."""
        handler = self._handlers.get(type(event))
        return handler(event) if handler else NOTHING

    def recall(self, now_ns: int, said: Event) -> None:
        """Nothing said before a restart binds us after it: `Started` begins anew."""

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self._state)

    def restore(self, snapshot: bytes) -> None:
        self._state = msgspec.msgpack.decode(snapshot, type=State)

    def may_stop(self) -> bool:
        """Not while we act, nor while there is cause to: a disk that is back is no reason to leave
        a position halfway, or to be newborn, and patient, where nobody else looks after it.
        """
        return self._state.stage is Stage.WATCHING and not self._state.kind

    # -- what the files say ------------------------------------------------------------------------

    def _on_started(self, event: Started) -> Said:
        self._state = newborn(event.epoch)
        return hands.read(self._state)

    def _on_beat(self, event: Beat) -> Said:
        peer = self._state.peers.get(event.actor)
        if peer is not None:
            peer.ever, peer.quiet = True, 0
        return NOTHING

    def _on_requested(self, event: Requested) -> Said:
        wish = self._state.wish
        if wish is None or wish.request_id != event.request_id:
            self._state.wish = Wish(event.request_id, event.cause)
        return NOTHING

    def _on_withdrawn(self, event: Withdrawn) -> Said:
        """Somebody proved flat. While we act ourselves, only our own proof counts."""
        if self._state.stage is Stage.WATCHING:
            self._state.wish = None
        return NOTHING

    def _on_progressed(self, event: Progressed) -> Said:
        state = self._state
        if state.progress == (event.stage, event.beat):
            return NOTHING
        state.progress = (event.stage, event.beat)
        state.progress_tick = state.tick
        if state.wish is not None and state.wish.request_id == event.request_id:
            state.wish.quiet = 0
        return NOTHING

    # -- the passing of time -----------------------------------------------------------------------

    def _on_pulse(self, event: Pulse) -> Said:
        state = self._state
        state.tick += 1
        for peer in state.peers.values():
            peer.quiet += 1
        if state.wish is not None:
            state.wish.quiet += 1
        return self._watch() if state.stage is Stage.WATCHING else hands.on_time(state)

    def _on_clock_jump(self, event: ClockJump) -> Said:
        """The computer slept: everybody was away, so everybody gets the full patience again."""
        state = self._state
        for peer in state.peers.values():
            peer.quiet = 0
        if state.wish is not None:
            state.wish.quiet = 0
        state.flat_tick = -1
        return NOTHING

    def _on_stopping(self, event: Stopping) -> Said:
        self._state.stopping_tick = self._state.tick
        return self._watch() if self._state.stage is Stage.WATCHING else NOTHING

    # -- is there a cause, and does anything hang on it? -------------------------------------------

    def _why(self) -> tuple[str, str]:
        """The cause to act, should anything be open: (kind, words); empty while all is well."""
        state = self._state
        if state.wish is not None and self._is_ignored(state.wish):
            name = state.wish.request_id
            return f"request {name}", f"flatten.request {name} makes no progress"
        for actor in (ROUTER, GOVERNOR):
            peer = state.peers[actor]
            patience = self._patience[actor] if peer.ever else START_GRACE
            if peer.quiet < patience or (actor == GOVERNOR and self._router_is_flattening()):
                continue
            return actor, f"{actor} has been silent for {peer.quiet // TICKS_PER_S} s"
        if state.stopping_tick >= 0 and self._flatten_on_stop:
            return "stop", "the sentinel was asked to stop"
        return "", ""

    def _is_ignored(self, wish: Wish) -> bool:
        return wish.quiet >= self._request_patience and self._state.tick >= REQUEST_GRACE

    def _router_is_flattening(self) -> bool:
        """A router whose flatten moves needs no governor, and must not be killed in the middle."""
        state = self._state
        if state.progress_tick < 0 or state.progress[0] == "FLAT":
            return False
        return state.tick - state.progress_tick < self._request_patience

    def _watch(self) -> Said:
        state = self._state
        kind, cause = self._why()
        news: Said = NOTHING
        if kind and kind != state.kind:
            state.cause_tick = max(state.tick, state.cause_tick)
            news = (Say(text=f"{cause}; asking the venue what is open"),)
        state.kind, state.cause = kind, cause
        if kind:
            return (*news, *self._suspect())
        if state.stopping_tick >= 0:
            return hands.leave(state)
        due = state.read_tick < 0 or state.tick - state.read_tick >= POLL_IDLE
        return hands.read(state) if due else NOTHING

    def _suspect(self) -> Said:
        """A cause stands: act on a read begun after it, never on an older belief.

        A request that nobody serves is proven flat by us even where nothing seems open; any other
        cause needs something that is open.
        """
        state = self._state
        fresh = state.known_tick >= state.cause_tick
        if fresh and (state.is_open() or state.kind.startswith("request")):
            return self._seize()
        if state.stopping_tick >= 0:
            waited = state.tick - state.stopping_tick > STOP_PATIENCE
            if fresh or waited or not self._flatten_on_stop:
                return hands.leave(state)
        asked = state.read_tick >= state.cause_tick
        pace = POLL_WORRIED if fresh else POLL_BLIND
        if state.tick >= state.cause_tick and (not asked or state.tick - state.read_tick >= pace):
            return hands.read(state)
        return NOTHING

    # -- taking the one pair of hands --------------------------------------------------------------

    def _seize(self) -> Said:
        state = self._state
        state.stage = Stage.SEIZING
        state.act_tick = state.tick
        if state.wish is None:
            state.wish = Wish(f"sentinel-{state.epoch}-{state.tick}", state.cause)
        text = f"acting: {state.cause}; open: {state.held_in_words()}"
        seize = Seize(request_id=state.wish.request_id, cause=state.cause)
        return (Say(text=text, loud=True), seize)

    def _on_seized(self, event: Seized) -> Said:
        if self._state.stage is not Stage.SEIZING:
            return NOTHING if self._state.held else (Release(request_id="", flat=False),)
        return hands.begin(self._state, event, self._late)

    def _on_not_seized(self, event: NotSeized) -> Said:
        """Back to watching: the router may have come back, and every condition is tested again."""
        state = self._state
        if state.stage is not Stage.SEIZING:
            return NOTHING
        state.stage = Stage.WATCHING
        state.cause_tick = state.tick + SEIZE_AGAIN
        return (Say(text=f"the router's lock could not be taken: {event.reason}", loud=True),)

    # -- what the venue says -----------------------------------------------------------------------

    def _on_books(self, event: Books) -> Said:
        state = self._state
        if event.no != state.reading:
            return NOTHING
        state.reading = state.trouble = 0
        state.orders = event.orders
        state.positions = {contract: lots for contract, lots in event.positions if lots}
        state.known_tick = state.read_tick
        if state.stage is Stage.WATCHING:
            return self._watch() if state.kind else NOTHING
        return hands.act(state) if state.held and not state.calls else NOTHING

    def _on_unreadable(self, event: Unreadable) -> Said:
        """Loud where something may be open, at the first, second, fourth, ... time in a row."""
        state = self._state
        if event.no != state.reading:
            return NOTHING
        state.reading = 0
        state.trouble += 1
        state.flat_tick = -1
        worried = state.held or bool(state.kind and state.is_open())
        if worried and state.trouble & (state.trouble - 1) == 0:
            text = f"{state.cause}, and the venue cannot be read: {event.reason}"
            return (Say(text=text, loud=True),)
        return NOTHING

    def _on_answered(self, event: Answered) -> Said:
        return hands.answered(self._state, event, self._late)
