"""The sleeve's mind, contained: its handlers called safely, its view learnt, its condition judged.

A handler that raises does not take the process down (that would be a crash loop with a position
open): what it said in this event is taken back, the sleeve is PAUSED with the reason, its entries
are pulled, its position keeps the protection it has at the venue. A new process or a new trading
day tries again.

A snapshot is the host's memory, the sleeve's `State` and its `View`. One that does not fit (another
class, a changed struct, garbage) raises ValueError in `restore` and changes nothing: the runtime
begins without memory, the sleeve starts flat as a new life, says so in its status, and learns of a
position it really has from the grant. Nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Struct

from services.sleeves.base import Sleeve
from services.sleeves.desk import TEXT_MAX, Desk
from services.sleeves.memory import TAPE_DEPTH, Memory
from shared.events import Event, SleeveStatus
from shared.sections import Sleeve as Section
from shared.units import Nanos


class Saved(Struct, frozen=True):
    """A snapshot. `implementation` names the class whose state this is."""

    implementation: str
    memory: Memory
    state: bytes
    view: bytes


class Mind:
    """One author's sleeve and the care taken of it."""

    def __init__(self, desk: Desk, sleeve: Sleeve, section: Section) -> None:
        self.desk, self.sleeve = desk, sleeve
        self._root, self._implementation = section.root, section.implementation
        self._keep_bars()

    # -- memory --------------------------------------------------------------------------------

    def save(self) -> bytes:
        encode = msgspec.msgpack.encode
        state, view = encode(self.sleeve.state), encode(self.sleeve.view)
        return encode(Saved(self._implementation, self.desk.memory, state, view))

    def restore(self, snapshot: bytes) -> None:
        """Take over all of it or nothing. Raises ValueError saying what does not fit."""
        decode = msgspec.msgpack.decode
        try:
            saved = decode(snapshot, type=Saved)
            if saved.implementation != self._implementation:
                raise ValueError(f"it is of {saved.implementation}")
            state = decode(saved.state, type=type(self.sleeve.state))
            view = decode(saved.view, type=type(self.sleeve.view))
        except (ValueError, msgspec.MsgspecError) as error:
            raise ValueError(
                f"snapshot does not fit sleeve {self.desk.name} ({self._implementation}): {error}"
            ) from error
        self.desk.memory = saved.memory
        self.sleeve.state, self.sleeve.view = state, view
        self._keep_bars()

    def _keep_bars(self) -> None:
        depth = {span: TAPE_DEPTH * need for span, need in self.sleeve.warmup.items()}
        self.desk.memory.tape.depth = depth

    # -- the author's code ---------------------------------------------------------------------

    def tell(self, handler: Callable[..., object], *told: object) -> None:
        """Call the author's code; what it raises pauses the sleeve, its words are taken back."""
        desk = self.desk
        if desk.memory.fault:
            return
        mark = len(desk.out)
        try:
            handler(*told)
        except Exception as error:  # the one place where a bug must not end the process
            desk.undo(mark)
            name = getattr(handler, "__name__", "handler")
            desk.memory.fault = f"{name} raised {type(error).__name__}: {error}"[:TEXT_MAX]
            desk.cancel_entries("the sleeve is paused")
            self.settle()

    def see(self, own_ns: Nanos) -> None:
        """A market event of its own time: whatever it causes is as old as itself."""
        m = self.desk.memory
        self.desk.basis_ns = own_ns
        m.seen_ns = max(m.seen_ns, own_ns)

    def tell_market(self, handler: Callable[..., object], event: Event) -> None:
        """A market event for the author, heard once READY, with the view as it should be."""
        m = self.desk.memory
        if m.state == "READY":
            if m.stale_view:
                self._relearn()
            self.tell(handler, event)

    def _relearn(self) -> None:
        """An older bar came or was corrected: the view is made again from what is kept."""
        self.desk.memory.stale_view = False
        self.sleeve.view = self.sleeve.fresh_view()
        for bar in self.desk.memory.tape.in_order():
            self.tell(self.sleeve.learn, bar)

    def ring_timers(self) -> None:
        """`on_timer` for what is due; a sleeve that is not READY misses it."""
        m, now_ns = self.desk.memory, self.desk.now_ns
        for name in [name for name, due_ns in m.timers.items() if due_ns <= now_ns]:
            del m.timers[name]
            if m.state == "READY":
                self.tell(self.sleeve.on_timer, name)
        m.next_timer_ns = min(m.timers.values(), default=0)

    # -- its condition -------------------------------------------------------------------------

    def settle(self) -> None:
        """Our condition may have changed; READY for the first time starts the sleeve."""
        m = self.desk.memory
        state, m.reason = self._judge()
        if state != m.state:
            m.state, m.owed = state, True
        if state == "READY" and not m.begun:
            m.begun = True
            self.tell(self.sleeve.on_start)

    def _judge(self) -> tuple[str, str]:
        m = self.desk.memory
        if m.fault:
            return "PAUSED", m.fault
        if m.superseded_by:
            return "PAUSED", f"superseded by incarnation {m.superseded_by}"
        if not m.contract:
            return "WAITING", f"no contract listed for {self._root}"
        for span, need in self.sleeve.warmup.items():
            have = len(m.tape.bars.get(span, ()))
            if have < need:
                return "WARMING", f"has {have} of {need} bars of {span} s"
        if not m.authority:
            return "WAITING", "no authority yet"
        return "READY", m.note

    def announce(self) -> None:
        """Say how we are: the reason while not READY, else the last logged word."""
        m = self.desk.memory
        m.owed, m.announced_real_ns = False, m.real_ns
        ready = m.state == "READY"
        self.desk.out.append(
            SleeveStatus(
                sleeve=self.desk.name,
                incarnation=m.incarnation,
                contract=m.contract,
                state=m.state,
                reason=(m.logged if ready else "") or m.reason,
                numbers=dict(m.numbers),
            )
        )
