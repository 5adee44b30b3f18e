"""The outside of a World: gateway, router and governor joined to the simulator without sockets.

What a port does with HTTP and hubs in a process is done here with calls and delays, by the same
translation and the same words, so that the cores cannot tell the difference. What goes wrong
between them (requests and answers lost or late, acts refused, hub events lost or doubled, hubs
broken or mute) goes wrong here, from the World's dice. Beside `cast.py` and the checks the stage is
all that knows several rooms.

Simplified: no logins and no request quota; a hub that broke comes back by itself within two
seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from random import Random

from services.cast import build, deciders
from services.risk_governor.words import SentinelBack
from services.simulator import words as sim
from services.stage_gateway import GatewaySide
from services.stage_router import RouterSide
from shared.core import Word
from shared.events import Event
from shared.lab.accidents import Accidents
from shared.lab.world import Errand, World
from shared.settings import Settings
from shared.units import MILLISECOND, SECOND, Nanos
from shared.venue.answers import ENDPOINT_OF, AnyResponse
from shared.venue.words import Request

STEP_NS = 50 * MILLISECOND  # how finely the simulated market moves
TIMEOUT_NS = 5 * SECOND  # when a caller gives up
LOOK_NS = 12 * SECOND  # the router looks at the venue about every ten
LATE_NS_MAX = 4 * SECOND  # a request given up may be carried out so much later

Then = Callable[[AnyResponse | None], Iterable[Errand]]
"""What follows an answer; None: its outcome is not known."""


def cast_world(
    settings: Settings,
    start_ns: Nanos,
    *,
    seed: int = 0,
    accidents: Accidents | None = None,
    said: Callable[[str, int, Nanos, Event], None] | None = None,
) -> World:
    """The whole cast and the simulator in a World; the sentinel needs processes and is left out."""
    weather = accidents or Accidents()
    cores = {
        name: partial(build, name, settings) for name in deciders(settings) if name != "sentinel"
    }
    stage = VenueStage(settings, seed, weather)
    return World(cores, stage, start_ns, seed=seed, accidents=weather, said=said)


class VenueStage:
    """A `Stage` around the simulator."""

    elsewhere = ("simulator",)

    def __init__(self, settings: Settings, seed: int, accidents: Accidents) -> None:
        self.dice = Random(seed ^ 0x5EED)
        self.accidents = accidents
        self.slowest_ns = accidents.venue_delay_ns_max
        self.calls: dict[int, Then] = {}
        self.count = 0
        self.now_ns: Nanos = 0
        self.trouble_ns: Nanos = 0  # until when what happened may keep anybody from doing better
        self.truth: sim.TruthReport | None = None  # the last answer to a Truth
        self.router = RouterSide(self)
        self.gateway = GatewaySide(self, settings.market_data_gateway)

    # -- what the World asks ----------------------------------------------------------------------

    def started(self, actor: str, epoch: int, now_ns: Nanos) -> Iterable[Errand]:
        if actor == "simulator":
            yield Errand("simulator", sim.Step(), 0, epoch, STEP_NS)
            if epoch > 1:
                yield from self._forget_calls()
                yield from self.gateway.connect(now_ns)
                yield from self.router.connect(now_ns)
        elif actor == "order_router":
            yield from self.router.started(epoch, now_ns)
        elif actor == "market_data_gateway":
            yield from self.gateway.started(epoch, now_ns)
        elif actor == "risk_governor":
            yield Errand(actor, SentinelBack(), MILLISECOND, epoch)

    def carry(self, actor: str, epoch: int, word: Word, now_ns: Nanos) -> Iterable[Errand]:
        self.now_ns = now_ns
        if actor == "simulator":
            return self._from_venue(word, now_ns)
        if actor == "order_router":
            return self.router.carry(word, now_ns)
        if actor == "market_data_gateway":
            return self.gateway.carry(word, now_ns)
        return ()

    # -- what both sides use ----------------------------------------------------------------------

    def ask(self, request: Request, then: Then) -> Iterable[Errand]:
        """Send a request to the simulator; `then` makes the caller's errands of its answer."""
        if self._happens(self.accidents.request_lost, TIMEOUT_NS):
            return late(then(None), TIMEOUT_NS)
        self.count += 1
        call = sim.Call(call_id=self.count, request=request)
        if self._happens(self.accidents.request_late, TIMEOUT_NS + LATE_NS_MAX):
            late_ns = TIMEOUT_NS + self.dice.randint(0, LATE_NS_MAX)
            return (*late(then(None), TIMEOUT_NS), Errand("simulator", call, late_ns))
        endpoint = ENDPOINT_OF[type(request)]
        if endpoint.mutates and self._happens(self.accidents.reject, SECOND):
            code = self.dice.choice((2, *endpoint.uncertain))
            refusal = endpoint.response(success=False, error_code=code, error_message="not now")
            assert isinstance(refusal, AnyResponse)
            return late(then(refusal), self.delay())
        self.calls[self.count] = then
        return (Errand("simulator", call, self.delay()),)

    def delay(self) -> Nanos:
        return self.dice.randint(MILLISECOND, max(MILLISECOND, self.accidents.venue_delay_ns_max))

    def copies(self) -> int:
        """How often a hub event arrives."""
        if self._happens(self.accidents.hub_lost, LOOK_NS):
            return 0
        return 2 if self._happens(self.accidents.hub_duplicate) else 1

    def breaks(self) -> bool:
        """Whether a hub's connection breaks now."""
        return self._happens(self.accidents.hub_drop, LOOK_NS)

    def overlaps(self) -> bool:
        """Whether events of a broken connection come once more, beside those of the next."""
        return self._happens(self.accidents.hub_overlap)

    def muted_until(self, now_ns: Nanos) -> Nanos:
        """Until when a hub that stays connected says nothing from now on; 0: it speaks."""
        if not self._happens(self.accidents.outage):
            return 0
        until_ns = now_ns + self.dice.randint(1, self.accidents.outage_ns_max)
        self.trouble_ns = max(self.trouble_ns, until_ns + LOOK_NS)
        return until_ns

    # -- the simulator's words --------------------------------------------------------------------

    def _from_venue(self, word: Word, now_ns: Nanos) -> Iterable[Errand]:
        if isinstance(word, sim.Answer):
            if isinstance(word.response, sim.TruthReport):
                self.truth = word.response
            then = self.calls.pop(word.call_id, None)
            if then is None or not isinstance(word.response, AnyResponse):
                return ()
            if self._happens(self.accidents.answer_lost, TIMEOUT_NS):
                return late(then(None), TIMEOUT_NS)
            return late(then(word.response), word.delay_ns + self.delay())
        if isinstance(word, sim.Unanswered):
            then = self.calls.pop(word.call_id, None)
            return late(then(None), TIMEOUT_NS) if then else ()
        if isinstance(word, sim.UserPush):
            return self.router.pushed(word, now_ns)
        assert isinstance(word, sim.MarketPush), f"the simulator said {word}"
        return self.gateway.pushed(word, now_ns)

    def _forget_calls(self) -> Iterable[Errand]:
        """The simulator died: whoever waited learns nothing; every hub broke."""
        waiting, self.calls = self.calls, {}
        for then in waiting.values():
            yield from late(then(None), TIMEOUT_NS)

    def _happens(self, rate: float, harms_ns: Nanos = 0) -> bool:
        """Whether an accident of this rate happens now; its harm may last so long."""
        if not rate or self.dice.random() >= rate:
            return False
        if harms_ns:
            self.trouble_ns = max(self.trouble_ns, self.now_ns + harms_ns)
        return True


def late(errands: Iterable[Errand], delay_ns: Nanos) -> Iterable[Errand]:
    """The same errands, later."""
    return tuple(
        Errand(it.actor, it.word, it.delay_ns + delay_ns, it.life, it.every_ns) for it in errands
    )
