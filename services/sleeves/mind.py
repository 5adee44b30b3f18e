"""The sleeve's mind, contained: its handlers called safely, its view learnt, its condition judged.

A handler that raises does not take the process down (that would be a crash loop with a position
open): what it said in this event is taken back, the sleeve is PAUSED with the reason, its entries
are pulled, its position keeps the protection it has at the venue. A new process or a new trading
day tries again.

A snapshot is the host's memory, the sleeve's `State` with its version, and its `View`. A state of
an older version goes through the author's `migrate`; a view that does not fit is learnt again from
the bars. A state that does not fit (another class, a changed struct, garbage) raises ValueError in
`restore` and changes nothing: the runtime begins without memory, the sleeve starts flat as a new
life, says so in its status, and learns of a position it really has from the grant. Nothing is
guessed. A state that cannot be saved, or grows beyond `STATE_MAX`, pauses the sleeve.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final

import msgspec
from msgspec import Struct

from services.sleeves.base import Sleeve
from services.sleeves.desk import Desk
from services.sleeves.forms import TEXT_MAX
from services.sleeves.loading import retuned
from services.sleeves.memory import TAPE_DEPTH, Memory
from shared.events import (
    AuthorityGranted,
    Bar,
    ParamsTuned,
    ShadowAdmitted,
    SleeveBook,
    SleeveStatus,
)
from shared.seats import NO_LIFE
from shared.sections import Sleeve as Section
from shared.settings import SettingsError
from shared.units import Nanos

STATE_MAX: Final = 1_048_576  # bytes of a state, or a view, in a snapshot: beyond it, it leaks

_encode: Final = msgspec.msgpack.encode
_decode: Final = msgspec.msgpack.decode


class Skip(Struct, frozen=True):
    """A past that the author's code did not survive: lives of epochs up to `until` are taken over
    without calling it. `off`: nor is it called afterwards."""

    until: int
    why: str
    off: bool = False


class Saved(Struct, frozen=True):
    """A snapshot. `implementation` names the class whose state this is."""

    implementation: str
    memory: Memory
    state: bytes  # empty: it could not be encoded
    view: bytes
    state_version: int = 1


class Mind:
    """One author's sleeve and the care taken of it."""

    def __init__(
        self, desk: Desk, sleeve: Sleeve, section: Section, *, barred: str = "", seat: str = "",
        skip: Skip | None = None,
    ) -> None:  # fmt: skip
        """`barred`: why the settings keep it from trading, "" if they do not."""
        self._skip = skip
        self.desk, self.sleeve, self.seat = desk, sleeve, seat
        self._root, self._implementation = section.root, section.implementation
        self._barred = barred
        self._keep_bars()
        self._empty()

    # -- memory --------------------------------------------------------------------------------

    def save(self) -> bytes:
        state, view = _encoded(self.sleeve.state), _encoded(self.sleeve.view)
        version = type(self.sleeve).state_version
        return _encode(Saved(self._implementation, self.desk.memory, state, view, version))

    def restore(self, snapshot: bytes) -> None:
        """Take over all of it or nothing. Raises ValueError saying what does not fit."""
        try:
            saved = _decode(snapshot, type=Saved)
            if saved.implementation != self._implementation:
                raise ValueError(f"it is of {saved.implementation}")
            state = self._state_of(saved) if self._skip is None else self.sleeve.state
        except (ValueError, msgspec.MsgspecError) as error:
            raise ValueError(
                f"snapshot does not fit sleeve {self.desk.name} ({self._implementation}): {error}"
            ) from error
        self.desk.memory = saved.memory
        self.sleeve.state = state
        try:
            self.sleeve.view = _decode(saved.view, type=type(self.sleeve.view))
        except msgspec.MsgspecError:
            self.sleeve.view = self.sleeve.fresh_view()
            saved.memory.stale_view = True
        if saved.memory.tuned:
            self._take_params()
        self._keep_bars()
        self._empty()

    def _empty(self) -> None:
        """What the author's code knew is not what it would know: state and view begin anew."""
        if self._skip is not None:
            m = self.desk.memory
            m.hung, m.hung_off, m.stale_view = self._skip.why, self._skip.off, True
            self.sleeve.view = self.sleeve.fresh_view()

    def wake(self, epoch: int) -> str:
        """A life begins. Returns why its past was taken over without the author's code, once that
        past is over; "" if it was not.
        """
        m = self.desk.memory
        if self._skip is not None and epoch <= self._skip.until:
            return ""
        self._skip = None
        why, m.hung = m.hung, ""
        return why

    def _state_of(self, saved: Saved) -> Struct:
        """The state in a snapshot, migrated. Raises ValueError, whatever the author raises."""
        kind, today = type(self.sleeve), type(self.sleeve.state)
        state: Struct
        if saved.state_version == kind.state_version:
            state = _decode(saved.state, type=today)
            return state
        try:
            old = _decode(saved.state, type=dict[str, Any])
            state = msgspec.convert(kind.migrate(saved.state_version, old), today, strict=True)
            return state
        except Exception as error:  # the author's code, on data of long ago
            raise ValueError(
                f"its state of version {saved.state_version} did not become version"
                f" {kind.state_version}: {error}"
            ) from error

    def examine(self) -> None:
        """A state that cannot survive a restart pauses the sleeve while it can still be told."""
        for what, memory in (("state", self.sleeve.state), ("view", self.sleeve.view)):
            size = len(_encoded(memory))
            if not size or size > STATE_MAX:
                why = f"has {size} bytes, the limit is {STATE_MAX}" if size else "cannot be saved"
                self.fail(f"its {what} {why}")
                return

    def _keep_bars(self) -> None:
        depth = {span: TAPE_DEPTH * need for span, need in self.sleeve.warmup.items()}
        m = self.desk.memory
        for tape in (m.tape, *m.other_tapes.values()):
            tape.depth = depth

    # -- the author's code ---------------------------------------------------------------------

    def tell(self, handler: Callable[..., object], *told: object) -> None:
        """Call the author's code; what it raises pauses the sleeve, its words are taken back."""
        desk = self.desk
        if desk.memory.fault or self._skip is not None:
            return
        mark = len(desk.out)
        try:
            handler(*told)
        except (Exception, SystemExit) as error:  # the one place where a bug must not end us
            desk.undo(mark)
            name = getattr(handler, "__name__", "handler")
            self.fail(f"{name} raised {type(error).__name__}: {error}")

    def fail(self, why: str) -> None:
        """Pause for the day: entries are pulled, what is held keeps its protection."""
        if not self.desk.memory.fault:
            self.desk.memory.fault = why[:TEXT_MAX]
            self.desk.cancel_entries("the sleeve is paused")
            self.settle()

    def granted(self, event: AuthorityGranted) -> None:
        """Who speaks for the sleeve from now on: us, with these books, or another life."""
        m = self.desk.memory
        if event.sleeve != self.desk.name:
            return
        if event.incarnation == m.incarnation:
            m.authority, m.shadow = True, False
            m.lost = "" if event.cause else m.lost  # a swap: the one before had the memory
            m.vetoes = m.quiet_until_ns = m.exit_quiet_until_ns = 0
            self._take_over(event.books, event.changing, event.leaving)
        elif m.authority or (event.seat == self.seat and event.incarnation > m.incarnation):
            m.authority, m.shadow, m.superseded_by = False, False, event.incarnation
        self.settle()

    def admitted(self, event: ShadowAdmitted) -> None:
        """We may decide beside the owner, on its books."""
        m = self.desk.memory
        if event.sleeve == self.desk.name and event.incarnation == m.incarnation:
            m.authority, m.shadow, m.superseded_by = False, True, 0
            self._take_over(event.books)
            self.settle()

    def _take_over(
        self, books: tuple[SleeveBook, ...], changing: tuple[str, ...] = (),
        leaving: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        m = self.desk.memory
        m.owed = True
        m.books = {book.contract: book for book in books}
        if m.contract:
            self.adopt(changing, leaving)

    def adopt(self, changing: tuple[str, ...] = (), leaving: tuple[str, ...] = ()) -> None:
        """The granted book of our contract is what we hold; a life begins with it. What the owner
        before us asked of these orders is on its way.
        """
        m = self.desk.memory
        book = m.books.get(m.contract)
        if book is None:
            book = SleeveBook(
                sleeve=self.desk.name, contract=m.contract, position=0, cost=0, realised=0, fees=0
            )
        m.take_book(book, whole=True)
        m.take_asked(self.desk.now_ns, changing, leaving)
        m.told_position, m.adopted = book.position, True
        self.tell(self.sleeve.on_adopt, book)

    # -- parameters ----------------------------------------------------------------------------

    def tune(self, event: ParamsTuned) -> None:
        """Other parameters from the next bar on, if they are tunable and in their ranges."""
        m = self.desk.memory
        if (event.sleeve, event.incarnation) != (self.desk.name, m.incarnation):
            return
        wish = {**m.tuned, **m.tuning, **event.values}
        m.tune_no, m.untuned, m.owed = event.no, "", True
        try:
            retuned(self.desk.name, self.sleeve, wish)
        except SettingsError as error:
            m.untuned = str(error)[:TEXT_MAX]
        else:
            m.tuning = wish

    def retune(self) -> None:
        """A bar closed: what was wished before it holds from it on."""
        m = self.desk.memory
        m.tuned, m.tuning, m.owed = m.tuning, {}, True
        self._take_params()

    def _take_params(self) -> None:
        """Settings that changed since may not bear what was tuned: then they hold as they are."""
        m = self.desk.memory
        try:
            self.sleeve.params = retuned(self.desk.name, self.sleeve, m.tuned)
        except SettingsError as error:
            m.tuned, m.untuned = {}, str(error)[:TEXT_MAX]
        else:
            self.tell(self.sleeve.prepare)

    def see(self, own_ns: Nanos) -> None:
        """A market event of its own time: whatever it causes is as old as itself."""
        m = self.desk.memory
        self.desk.basis_ns = own_ns
        m.seen_ns = max(m.seen_ns, own_ns)

    def tell_market(self, handler: Callable[..., object], *told: object) -> None:
        """A market event for the author, heard once READY, with the view as it should be."""
        m = self.desk.memory
        if m.state == "READY":
            if m.stale_view:
                self._relearn()
            self.tell(handler, *told)

    def _relearn(self) -> None:
        """An older bar came or was corrected: the view is made again from what is kept, bars of
        all products by the time they closed.
        """
        m = self.desk.memory
        m.stale_view = False
        self.sleeve.view = self.sleeve.fresh_view()
        rows = [(bar.close_ns, bar.span_s, "", bar) for bar in m.tape.all()]
        for root, tape in m.other_tapes.items():
            rows += [(bar.close_ns, bar.span_s, root, bar) for bar in tape.all()]
        for _, _, root, bar in sorted(rows, key=itemgetter(0, 1, 2)):
            self.learn(root, bar)

    def learn(self, root: str, bar: Bar) -> None:
        """A bar for the view; `root`: the other product it is of, "" for our own."""
        if root:
            self.tell(self.sleeve.learn_other, root, bar)
        else:
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
            if m.superseded_by == NO_LIFE:
                return "PAUSED", "the sleeve was removed"
            return "PAUSED", f"superseded by incarnation {m.superseded_by}"
        if self._barred:
            return "PAUSED", self._barred
        if not m.contract:
            return "WAITING", f"no contract listed for {self._root}"
        for root in self.sleeve.listens:
            if root not in m.others:
                return "WAITING", f"no contract listed for {root}, which it listens to"
        for root in ("", *self.sleeve.listens):
            tape = m.other_tapes[root] if root else m.tape
            for span, need in self.sleeve.warmup.items():
                have = len(tape.bars.get(span, ()))
                if have < need:
                    whose = f" of {root}" if root else ""
                    return "WARMING", f"has {have} of {need} bars of {span} s{whose}"
        if not (m.authority or m.shadow):
            return "WAITING", "no authority yet"
        return "READY", "a shadow: decides and is not obeyed" if m.shadow else m.note

    def announce(self) -> None:
        """Say how we are: the reason while not READY, else the last logged word."""
        m = self.desk.memory
        self.examine()
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
                seat=self.seat,
                tuned=m.tuned,
                tune_no=m.tune_no,
                untuned=m.untuned,
                trouble=m.fault or m.lost,
            )
        )


def _encoded(memory: Struct) -> bytes:
    """A state or a view for a snapshot; empty if it holds what cannot be written down."""
    try:
        return _encode(memory)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        return b""
