"""The router's side of the stage: its hub, its knocking, its last look; it asks by itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from services.order_router import words
from services.order_router.asking import Asker, Gate, seen
from services.order_router.life import STOP_REQUEST
from services.simulator.words import UserPush
from services.stage_client import StageClient
from shared.core import Word
from shared.lab.world import PULSE_NS, Errand
from shared.runtime.flatten_files import Progress
from shared.runtime.lock import HANDS
from shared.settings import Settings
from shared.units import SECOND, Nanos
from shared.venue import translate
from shared.venue.quota import quota_of

if TYPE_CHECKING:
    from services.stage import VenueStage

ACTOR = "order_router"
KNOCK_NS = 2 * SECOND  # between two tries to find the account
SEEN_AGAIN = 3  # what an old connection may bring once more


class RouterSide:
    """Link state, halt number and deadlines of the port; requests in flight live in the line."""

    def __init__(self, stage: VenueStage, settings: Settings) -> None:
        self.stage = stage
        self.limits = settings.order_router
        self.life = 0
        self.asker = self._asker()
        self.halt_no = -1
        self.drops = 0  # connections dropped on purpose; a request does not outlive one
        self.session = 0  # of the hub; what belongs to an older one is void
        self.linked_ns: Nanos = -1  # the hub delivers from then on; -1: not joined
        self.pipe_ns: Nanos = 0  # a hub never reorders within a connection
        self.mute_ns: Nanos = 0
        self.last: deque[Word] = deque(maxlen=SEEN_AGAIN)

    def _asker(self) -> Asker:
        quota = quota_of(self.limits.quota_per_minute, self.limits.safety_reserve)
        return Asker(StageClient(quota, self.stage.now))

    def started(self, epoch: int) -> None:
        self.life, self.halt_no, self.asker = epoch, -1, self._asker()
        self.linked_ns, self.session = -1, self.session + 1
        done = self.stage.files.progress
        if done is not None and done.by == HANDS and done.closed:
            told = words.SentinelClosed(request_id=done.id, beat=done.beat, closed=done.closed)
            self._send(told)
        self._knock(epoch)

    def _knock(self, life: int) -> None:
        """Look for the account until the core has joined it."""
        world = self.stage.world
        player = world.players[ACTOR]
        if player.up and player.epoch == life and self.linked_ns < 0:
            self.stage.asking.begin(ACTOR, self.asker.accounts())
            world.after(KNOCK_NS, partial(self._knock, life))

    def carry(self, said: Sequence[Word], now_ns: Nanos) -> None:
        for word in said:
            exchange = self.asker.answer(word, self._gate)
            if exchange is not None:
                self.stage.asking.begin(ACTOR, exchange)
            elif isinstance(word, words.Join):
                self.asker.account_id = word.account_id
                self._link(self.stage.delay())
            elif isinstance(word, words.Reconnect):
                self.drops += 1
                self.broken("dropped on purpose", self.stage.delay())
            elif isinstance(word, words.KnowHalt):
                self.halt_no = max(self.halt_no, word.halt_no)
            elif isinstance(word, words.KnowSpent):
                self.asker.client.recall(word.spent, now_ns)
            elif isinstance(word, words.ReportProgress):
                self._report(word)

    def _report(self, word: words.ReportProgress) -> None:
        if word.request_id != STOP_REQUEST:
            files = self.stage.files
            files.report(Progress(word.request_id, word.stage, ACTOR, word.beat, word.detail))
            if word.done:
                files.remove(word.request_id)

    def _gate(self, word: words.PlaceOrder | words.ModifyOrder) -> Gate:
        """The last look as the bytes leave."""
        drops, world = self.drops, self.stage.world

        def why() -> str | None:
            if drops != self.drops:
                return "the connection was dropped before it left"
            late_ns = world.now_ns - world.start_ns + SECOND - word.deadline_real_ns
            if word.deadline_real_ns and late_ns > 0:
                return "deadline"
            return "halted" if 0 <= word.halt_no < self.halt_no else None

        return why

    # -- the user hub ------------------------------------------------------------------------------

    def _link(self, delay_ns: Nanos) -> None:
        """A connection stands after `delay_ns`; the hub delivers from then on."""
        self.session += 1
        self.linked_ns = self.stage.world.now_ns + delay_ns
        self._send(words.Link(up=True), delay_ns)

    def broken(self, reason: str, down_ns: Nanos) -> None:
        """The hub's connection broke; it comes back by itself."""
        if self.linked_ns >= 0:
            self._send(words.Link(up=False, reason=reason))
            if self.stage.happens(self.stage.accidents.hub_overlap):
                self.pipe_ns = 0
                for word in self.last:
                    self._send(word, down_ns + self.stage.delay())
            self._link(down_ns)

    def pushed(self, push: UserPush, now_ns: Nanos) -> None:
        """A user hub event: lost, doubled or late, never out of order on one connection."""
        stage = self.stage
        if self.linked_ns < 0 or now_ns < self.linked_ns:
            return
        if stage.breaks():
            self.broken("hub dropped", stage.dice.randint(PULSE_NS, 2 * SECOND))
            return
        self.mute_ns = max(self.mute_ns, stage.muted_until(now_ns))
        if now_ns < self.mute_ns:
            return
        self.pipe_ns = max(self.pipe_ns, now_ns + stage.delay())
        word = seen(translate.row_of(push.payload))
        self.last.append(word)
        for _ in range(stage.copies()):
            self._send(word, self.pipe_ns - now_ns)

    def clog(self, until_ns: Nanos) -> None:
        """What the hub brings waits, in its order."""
        self.pipe_ns = max(self.pipe_ns, until_ns)

    def _send(self, word: Word, delay_ns: Nanos = 0) -> None:
        self.stage.world.send(Errand(ACTOR, word, delay_ns, self.life))
