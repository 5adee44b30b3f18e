"""The gateway's side of the stage: the market hub through its tick filter; it asks by itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from services.market_data_gateway import words
from services.market_data_gateway.asking import answer
from services.market_data_gateway.ticks import TickFilter
from services.simulator.tape import Teller
from services.simulator.words import Moved, QuotePush
from services.stage_client import StageClient
from shared.core import Word
from shared.events import Event
from shared.lab.world import Errand
from shared.sections import MarketDataGateway
from shared.units import Nanos
from shared.venue.quota import Quota
from shared.venue.words import Part

if TYPE_CHECKING:
    from services.stage import VenueStage

ACTOR = "market_data_gateway"
WIRE_EVERY = 32  # moments of which one goes the whole way through texts and decimals


class GatewaySide:
    """What the gateway's port would do: subscriptions, the filter, and one question at a time."""

    def __init__(self, stage: VenueStage, settings: MarketDataGateway) -> None:
        self.stage = stage
        self.filter = TickFilter(settings)
        self.client = StageClient(Quota(), stage.now)
        self.life = 0
        self.up_ns: Nanos = -1  # the hub delivers from then on; -1: no connection
        self.pipe_ns: Nanos = 0
        self.mute_ns: Nanos = 0
        self.subscribed: dict[str, None] = {}
        self.questions: deque[words.Find | words.Fetch] = deque()
        self.busy = False
        self.rejects = 0
        self.moments = 0  # of the market, heard
        self.teller = Teller()

    def started(self, epoch: int, now_ns: Nanos) -> None:
        self.life, self.busy = epoch, False
        self.client = StageClient(Quota(), self.stage.now)
        self.questions.clear()
        self.connect(now_ns)

    def connect(self, now_ns: Nanos) -> None:
        """A new connection: nothing is subscribed on it, merged quotes are void."""
        if not self.life:
            return
        self.filter.reset()
        self.subscribed = {}
        wait_ns = self.stage.delay()
        self.up_ns = now_ns + wait_ns
        self._send(words.HubDown(reason="connecting"))
        self._send(words.HubUp(), wait_ns)

    def carry(self, said: Sequence[Word], now_ns: Nanos) -> None:
        for word in said:
            if isinstance(word, words.Subscribe):
                self.filter.allow(word.contracts)
                self.subscribed = dict.fromkeys(word.contracts)
                for contract in word.contracts:
                    self._send(words.Subscribed(contract=contract), self.stage.delay())
            elif isinstance(word, words.Find | words.Fetch):
                self.questions.append(word)
                self._ask()
            elif isinstance(word, words.Rejoin):
                self.connect(now_ns)

    def _ask(self) -> None:
        if self.questions and not self.busy:
            self.busy = True
            self.stage.asking.begin(
                ACTOR, answer(self.questions.popleft(), self.client), self._asked
            )

    def _asked(self) -> None:
        self.busy = False
        self._ask()

    def pushed(self, moves: Sequence[Moved], now_ns: Nanos) -> None:
        """What the market did in one moment: one frame, through the filter to the tick lane."""
        if not 0 <= self.up_ns <= now_ns:
            return
        self.mute_ns = max(self.mute_ns, self.stage.muted_until(now_ns))
        if now_ns < self.mute_ns:
            return
        self.pipe_ns = max(self.pipe_ns, now_ns + self.stage.delay())
        self.moments += 1
        take = self._take if self.moments % WIRE_EVERY else self._take_wire
        ticks: list[Event] = []
        for move in moves:
            if move.contract in self.subscribed:
                ticks += take(move)
        if ticks:
            errand = Errand(ACTOR, tuple(ticks), self.pipe_ns - now_ns, self.life)
            self.stage.world.send(errand)

    def _take(self, move: Moved) -> list[Event]:
        """What a step of the market gives, in whole numbers all the way."""
        touch = None
        if move.day is not None:
            touch = (
                None if move.empty_bids else move.bid,
                None if move.empty_asks else move.ask,
            )
        found, rejects = self.filter.take_move(move, touch, self.pipe_ns)
        self.rejects += len(rejects)
        return found

    def _take_wire(self, move: Moved) -> list[Event]:
        """The same by way of what the hub would send: decimals, texts, records."""
        ticks: list[Event] = []
        for push in self.teller.pushes(move):
            rows: Sequence[Part] = (push.payload,) if isinstance(push, QuotePush) else push.payload
            found, rejects = self.filter.take_decoded(
                push.target, push.contract, rows, self.pipe_ns
            )
            ticks += found
            self.rejects += len(rejects)
        return ticks

    def clog(self, until_ns: Nanos) -> None:
        """What the hub brings waits, in its order."""
        self.pipe_ns = max(self.pipe_ns, until_ns)

    def _send(self, word: Word, delay_ns: Nanos = 0) -> None:
        self.stage.world.send(Errand(ACTOR, word, delay_ns, self.life))
