"""The run directory of a World, and the sentinel's side of the stage.

Files are how those meet who do not share the bus: heartbeats, a request to be flat and the progress
of whoever serves it, the lock of the router. Router, governor and sentinel look at them four times
a second, each for itself and only while it lives. A new life has seen nothing yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from services.order_router import words as router
from services.risk_governor import words as governor
from services.sentinel import words
from services.sentinel.files import US, closed_before, progress_by
from services.sentinel.state import GOVERNOR, ROUTER
from services.sentinel.venue import BUDGET, Account, Trouble
from services.stage_client import StageClient
from shared.core import Word
from shared.lab.world import PULSE_NS, Errand
from shared.runtime.flatten_files import FLAT, Progress, Request
from shared.settings import Settings
from shared.units import MILLISECOND, Nanos
from shared.venue.quota import Quota

if TYPE_CHECKING:
    from services.stage import VenueStage

TOLD_EVERY = 4  # looks between two tellings of the same file


class Files:
    """`flatten.request` and `flatten.progress`."""

    def __init__(self) -> None:
        self.request: Request | None = None
        self.progress: Progress | None = None

    def leave(self, request: Request) -> None:
        """A request, unless one stands."""
        self.request = self.request or request

    def remove(self, request_id: str) -> None:
        if self.request is not None and self.request.id == request_id:
            self.request = None

    def report(self, progress: Progress) -> None:
        self.progress = progress


class Eyes:
    """What one life has seen of the files."""

    def __init__(self, life: int) -> None:
        self.life = life
        self.request = ""  # the request it knows to stand
        self.served = ""
        self.looked = False
        self.progress: Progress | None = None
        self.beats: dict[str, int] = {}
        self.silent = 0  # looks since the sentinel's heartbeat changed; negative: never seen


class SentinelSide:
    """Looks at the files for everybody, and lends the sentinel its hands."""

    def __init__(self, stage: VenueStage, settings: Settings) -> None:
        self.stage, self.settings = stage, settings
        self.account: Account | None = None
        self.gripped = False
        self.eyes: dict[str, Eyes] = {}
        self.beats: dict[str, int] = {}
        silence_s = settings.risk_governor.sentinel_silence_real_s
        self.silent_after = round(silence_s * 1e9 / PULSE_NS)
        self.looks = 0

    def begin(self) -> None:
        self.stage.world.after(PULSE_NS // 2, self._look)

    def started(self) -> None:
        self._let_go()
        self.account = Account(
            self.settings, self._why_not, StageClient(Quota(BUDGET), self.stage.now)
        )

    def _why_not(self) -> str | None:
        return None if self.gripped else "the router's lock is not ours"

    def _let_go(self) -> None:
        if self.gripped:
            self.gripped = False
            self.stage.world.release(ROUTER)

    # -- looking -----------------------------------------------------------------------------------

    def _look(self) -> None:
        world = self.stage.world
        world.after(PULSE_NS, self._look)
        self.looks += 1
        for name in (ROUTER, GOVERNOR, US):
            player = world.players.get(name)
            if player is None:
                continue
            if not player.up:
                if name == US:
                    self._let_go()  # a lock ends with its process
                continue
            if player.thaw_ns > world.now_ns:
                continue
            self.beats[name] = self.beats.get(name, 0) + 1
            eyes = self.eyes.get(name)
            if eyes is None or eyes.life != player.epoch:
                eyes = self.eyes[name] = Eyes(player.epoch)
                eyes.beats, eyes.progress = dict(self.beats), self.stage.files.progress
            self._see(name, eyes)

    def _see(self, name: str, eyes: Eyes) -> None:
        if name == ROUTER:
            self._router_sees(eyes)
        elif name == GOVERNOR:
            self._governor_sees(eyes)
        else:
            self._sentinel_sees(eyes)

    def _router_sees(self, eyes: Eyes) -> None:
        request = self.stage.files.request
        if request is not None and request.id != eyes.request:
            told = router.FlattenRequested(
                request_id=request.id, cause=request.cause, who=request.who
            )
            self._send(ROUTER, told)
        eyes.request = request.id if request else ""

    def _governor_sees(self, eyes: Eyes) -> None:
        self._governor_sees_sentinel(eyes)
        request, served = self.stage.files.request, self.stage.files.progress
        told = None
        if request is None:
            eyes.request = ""
            if served is not None and served.stage == FLAT and served.id != eyes.served:
                eyes.served = served.id
                told = governor.FlattenRequested(
                    request_id=served.id,
                    who=served.by,
                    cause="served",
                    done=True,
                    before=not eyes.looked,
                )
        elif request.id != eyes.request:
            eyes.request = eyes.served = request.id
            told = governor.FlattenRequested(
                request_id=request.id, who=request.who, cause=request.cause
            )
        eyes.looked = True
        if told is not None:
            self._send(GOVERNOR, told)

    def _governor_sees_sentinel(self, eyes: Eyes) -> None:
        if US not in self.stage.world.players:
            if eyes.silent >= 0:
                eyes.silent = -1
                self._send(GOVERNOR, governor.SentinelBack())
            return
        beat = self.beats.get(US, 0)
        if beat != eyes.beats.get(US, 0):
            alive, eyes.beats[US] = 0 < eyes.silent < self.silent_after, beat
            eyes.silent = 1
            if not alive:
                self._send(GOVERNOR, governor.SentinelBack())
        elif 0 < eyes.silent < self.silent_after:
            eyes.silent += 1
            if eyes.silent >= self.silent_after:
                self._send(GOVERNOR, governor.SentinelSilent())

    def _sentinel_sees(self, eyes: Eyes) -> None:
        request, told = self.stage.files.request, self.stage.files.progress
        if request is None and eyes.request:
            self._send(US, words.Withdrawn())
        elif request is not None and request.id != eyes.request:
            self._send(
                US,
                words.Requested(request_id=request.id, cause=request.cause, who=request.who),
            )
        eyes.request = request.id if request else ""
        if self.looks % TOLD_EVERY:
            return
        for actor in (ROUTER, GOVERNOR):
            beat = self.beats.get(actor, 0)
            if beat != eyes.beats.get(actor, 0):
                eyes.beats[actor] = beat
                epoch = self.stage.world.players[actor].epoch
                self._send(US, words.Beat(actor=actor, epoch=epoch, beat=beat))
        if told is not None and told != eyes.progress and told.by != US:
            self._send(
                US,
                words.Progressed(request_id=told.id, by=told.by, stage=told.stage, beat=told.beat),
            )
        eyes.progress = told

    # -- acting ------------------------------------------------------------------------------------

    def carry(self, said: Sequence[Word]) -> None:
        for word in said:
            match word:
                case words.Read(no=no):
                    self.stage.asking.begin(US, self._read(no))
                case words.Cancel() | words.Close():
                    self.stage.asking.begin(US, self._act(word))
                case words.Seize():
                    self._seize(word)
                case words.Report():
                    self.stage.files.report(progress_by(word))
                case words.Release():
                    if word.flat:
                        self.stage.files.remove(word.request_id)
                    self._let_go()

    def _seize(self, word: words.Seize) -> None:
        """Kill the router and take its lock."""
        self.stage.files.leave(Request(word.request_id, word.cause, US))
        killed = self.stage.world.hold(ROUTER)
        self.gripped = True
        closed = closed_before(self.stage.files.progress, word.request_id)
        self._send(US, words.Seized(killed=int(killed), closed=closed), 20 * MILLISECOND)

    async def _read(self, no: int) -> Word:
        assert self.account is not None, "Invariant: it lives"
        try:
            orders, positions = await self.account.books()
        except Trouble as error:
            return words.Unreadable(no=no, reason=str(error))
        return words.Books(no=no, orders=orders, positions=positions)

    async def _act(self, word: words.Cancel | words.Close) -> Word:
        assert self.account is not None, "Invariant: it lives"
        if isinstance(word, words.Cancel):
            outcome, text = await self.account.cancel(word.order_id)
        else:
            outcome, text = await self.account.close_contract(word.contract)
        return words.Answered(no=word.no, outcome=outcome, text=text)

    def _send(self, actor: str, word: Word, delay_ns: Nanos = 0) -> None:
        life = self.stage.world.players[actor].epoch
        self.stage.world.send(Errand(actor, word, delay_ns, life))
