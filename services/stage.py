"""The outside of a World: ports joined to the simulator and to each other without sockets.

What a port does with HTTP and hubs in a process is done here with calls and delays: the asking and
the reading by the ports' own coroutines and translation, so that the cores cannot tell the
difference. What goes wrong between them goes wrong here, from the World's dice. Beside `cast.py`
and the checks the stage is all that knows several rooms.

Simplified: no logins; a hub that broke comes back by itself within two seconds; the sentinel's lock
and the files of the run directory cannot fail.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from services.cast import build, deciders
from services.risk_governor.words import DiskSpace, OthersHold
from services.simulator import words as sim
from services.stage_client import Asking, Line
from services.stage_gateway import GatewaySide
from services.stage_router import RouterSide
from services.stage_sentinel import Files, SentinelSide
from shared.core import Word
from shared.events import Event
from shared.lab.accidents import Accidents
from shared.lab.world import Errand, World
from shared.settings import Settings
from shared.units import MILLISECOND, SECOND, Nanos
from shared.venue.answers import AnyResponse
from shared.venue.words import Request

STEP_NS = 50 * MILLISECOND  # how finely the simulated market moves
LOOK_NS = 12 * SECOND  # the router looks at the venue about every ten
FAULTS = (
    (sim.FaultKind.FREEZE_MARKET, 8_000),
    (sim.FaultKind.LOSE_ANSWER, 3),
    (sim.FaultKind.REJECT_ORDER, 3),
    (sim.FaultKind.DELAY_ANSWERS, 2_000),
    (sim.FaultKind.HALT_MARKET, 5_000),
)
"""What the simulator does wrong on request, and how much of it at most. User events are lost and
doubled on their way (`hub_lost`, `hub_duplicate`), where the checks can still see them.
"""
SPACE_MB = 100_000  # free on the stage's disk


def cast_world(
    settings: Settings,
    start_ns: Nanos,
    *,
    seed: int = 0,
    accidents: Accidents | None = None,
    said: Callable[[str, int, Nanos, Event], None] | None = None,
    only: Sequence[str] = (),
) -> World:
    """The whole cast (or `only` these of it) and the simulator in a World."""
    weather = accidents or Accidents()
    names = only or deciders(settings)
    cores = {name: partial(build, name, settings) for name in names}
    stage = VenueStage(settings, seed, weather)
    return World(cores, stage, start_ns, seed=seed, accidents=weather, said=said)


class VenueStage:
    """A `Stage` around the simulator."""

    elsewhere = ("simulator",)
    world: World

    def __init__(self, settings: Settings, seed: int, accidents: Accidents) -> None:
        self.dice = Random(seed ^ 0x5EED)
        self.accidents = accidents
        self.slowest_ns = accidents.venue_delay_ns_max
        self.trouble_ns: Nanos = 0  # until when what happened may keep anybody from doing better
        self.files = Files()
        self.line = Line(self)
        self.asking = Asking(self)
        self.router = RouterSide(self, settings)
        self.gateway = GatewaySide(self, settings.market_data_gateway)
        self.sentinel = SentinelSide(self, settings)
        self.shown: dict[int, object] = {}  # answers to those who look behind the scenes

    # -- what the World asks -----------------------------------------------------------------------

    def attend(self, world: World) -> None:
        self.world = world
        self.sentinel.begin()
        world.after(SECOND, self._second)

    def started(self, actor: str, epoch: int, now_ns: Nanos) -> None:
        if actor == "simulator":
            self.world.send(Errand("simulator", sim.Step(), 0, epoch, STEP_NS))
            if epoch > 1:
                self.line.came_back()
                self.gateway.connect(now_ns)
                self.router.broken("the venue is gone", self.delay())
        elif actor == "order_router":
            self.router.started(epoch)
        elif actor == "market_data_gateway":
            self.gateway.started(epoch, now_ns)
        elif actor == "sentinel":
            self.sentinel.started()
        elif actor == "risk_governor":
            for word in (DiskSpace(free_mb=SPACE_MB), OthersHold()):
                self.world.send(Errand(actor, word, MILLISECOND, epoch))

    def carry(self, actor: str, words: Sequence[Word], now_ns: Nanos) -> None:
        if actor == "simulator":
            self._from_venue(words, now_ns)
        elif actor == "order_router":
            self.router.carry(words, now_ns)
        elif actor == "market_data_gateway":
            self.gateway.carry(words, now_ns)
        elif actor == "sentinel":
            self.sentinel.carry(words)

    def now(self) -> Nanos:
        return self.world.now_ns

    # -- dice --------------------------------------------------------------------------------------

    def happens(self, rate: float, harms_ns: Nanos = 0) -> bool:
        """Whether an accident of this rate happens now; its harm may last so long."""
        if not rate or self.dice.random() >= rate:
            return False
        if harms_ns:
            self.trouble(harms_ns)
        return True

    def trouble(self, harms_ns: Nanos) -> None:
        self.trouble_ns = max(self.trouble_ns, self.world.now_ns + harms_ns)

    def delay(self) -> Nanos:
        most_ns = self.accidents.venue_delay_ns_max
        return MILLISECOND + int(self.dice.random() * max(0, most_ns - MILLISECOND))

    def copies(self) -> int:
        """How often a hub event arrives."""
        if self.happens(self.accidents.hub_lost, LOOK_NS):
            return 0
        return 2 if self.happens(self.accidents.hub_duplicate) else 1

    def breaks(self) -> bool:
        """Whether a hub's connection breaks now."""
        return self.happens(self.accidents.hub_drop, LOOK_NS)

    def muted_until(self, now_ns: Nanos) -> Nanos:
        """Until when a hub that stays connected says nothing from now on; 0: it speaks."""
        if not self.happens(self.accidents.outage):
            return 0
        silent_ns = self.dice.randint(1, self.accidents.outage_ns_max)
        self.trouble(silent_ns + LOOK_NS)
        return now_ns + silent_ns

    def _second(self) -> None:
        """Once a second: does the venue itself do something wrong, or do the hubs stand still?"""
        self.world.after(SECOND, self._second)
        if self.happens(self.accidents.venue_fault):
            kind, most = self.dice.choice(FAULTS)
            amount = self.dice.randint(1, most)
            self.fault(kind, amount)
            if kind is sim.FaultKind.DELAY_ANSWERS:
                over = partial(self.fault, kind, 0)
                self.world.after(self.dice.randint(SECOND, 10 * SECOND), over)
        if self.happens(self.accidents.clog):
            for side in (self.router, self.gateway):
                if self.dice.random() < 0.5:
                    stuck_ns = self.dice.randint(1, self.accidents.clog_ns_max)
                    self.trouble(stuck_ns + SECOND)
                    side.clog(self.world.now_ns + stuck_ns)

    def fault(self, kind: sim.FaultKind, amount: int) -> None:
        """Order a fault of the simulator."""
        self.trouble(LOOK_NS + 10 * SECOND)
        if self.world.players["simulator"].up:
            self.world.inject("simulator", sim.Fault(call_id=0, kind=kind, amount=amount))

    # -- the simulator's words ---------------------------------------------------------------------

    def _from_venue(self, words: Sequence[Word], now_ns: Nanos) -> None:
        market: list[sim.Moved] = []
        for word in words:
            if isinstance(word, sim.Moved):
                market.append(word)
            elif isinstance(word, sim.UserPush):
                self.router.pushed(word, now_ns)
            elif isinstance(word, sim.Unanswered):
                self.line.unanswered(word.call_id)
            else:
                assert isinstance(word, sim.Answer), f"the simulator said {word}"
                if word.call_id < 0:
                    self.shown[word.call_id] = word.response
                else:
                    self.line.answered(word)
        if market:
            self.gateway.pushed(market, now_ns)

    # -- behind the scenes -------------------------------------------------------------------------

    def look(self, request: Request) -> AnyResponse:
        """Ask the simulator at once, by nobody's line. Raises AssertionError if it is down."""
        self.world.inject("simulator", sim.Call(call_id=-1, request=request))
        response = self.shown.pop(-1, None)
        assert isinstance(response, AnyResponse), "the simulator is down"
        return response

    def truth(self) -> sim.TruthReport:
        """The simulator's own books. Raises AssertionError if it is down."""
        self.world.inject("simulator", sim.Truth(call_id=-2))
        report = self.shown.pop(-2, None)
        assert isinstance(report, sim.TruthReport), "the simulator is down"
        return report
