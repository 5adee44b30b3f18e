"""Requests to the simulated venue without sockets and without a loop.

The ports' own coroutines are driven by hand: where one waits for the venue it yields an `Exchange`,
and goes on when the World has brought (or lost) the answer. So what a port makes of answers,
refusals and silence is the very code that runs in its process. `StageClient` is the real client
with its endpoints, request budget and judgement of answers; what it leaves out are sockets and
logins. Everything that goes wrong between caller and venue goes wrong in `Line`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from msgspec import Struct

from services.simulator import words as sim
from shared.core import Word
from shared.lab.world import Errand
from shared.settings import Credentials
from shared.units import MILLISECOND, SECOND, Nanos
from shared.venue.answers import ENDPOINT_OF, AnyResponse
from shared.venue.client import READ_ATTEMPTS, SAFETY_QUIET_S, URGENT, R, VenueClient
from shared.venue.client_http import BeforeSend
from shared.venue.outcome import NotSent, Outcome, Reserve, Unknown, judged
from shared.venue.quota import WINDOW, Quota
from shared.venue.words import Body, Request

if TYPE_CHECKING:
    from services.stage import VenueStage

TIMEOUT_NS = 5 * SECOND  # when a caller gives up
LATE_NS_MAX = 4 * SECOND  # a request given up may be carried out so much later
AGAIN_NS = SECOND // 5  # before a read is tried again
QUIET_NS_MAX = 5 * SECOND  # what a 429 asks for
MINUTE_MAX = 200  # requests the venue takes in a sliding minute, whoever of us sends them
NOBODY = Credentials("simulated", "simulated")

Then = Callable[[Any], None]


class Exchange(Struct):
    """A request on its way; awaiting it gives its outcome."""

    client: StageClient
    request: Any
    reserve: Reserve
    before_send: BeforeSend | None = None
    pause_ns: Nanos = 0

    def __await__(self) -> Generator[Exchange, Outcome[Any], Outcome[Any]]:
        return (yield self)


class StageClient(VenueClient):
    """One process's client: it forgets its budget with the process."""

    def __init__(self, quota: Quota, now: Callable[[], Nanos]) -> None:
        super().__init__("http://127.0.0.1:1", NOBODY, 1.0, quota=quota)
        self.quiet_ns = self.safety_quiet_ns = 0  # the venue asked for quiet until then
        self.now = now

    def quota_left(self, reserve: Reserve = Reserve.TRADING) -> int:
        return self._quota.left(reserve, self.now())

    def refusal(self, exchange: Exchange, now_ns: Nanos) -> str:
        """The last look: why the bytes stay here; empty if they leave."""
        urgent = exchange.reserve in URGENT
        if now_ns < (self.safety_quiet_ns if urgent else self.quiet_ns):
            return "the venue asked for quiet"
        if not self._quota.take(exchange.reserve, now_ns):
            return f"request budget {exchange.reserve.value} is spent"
        why = exchange.before_send() if exchange.before_send else None
        if why:
            self._quota.give_back(exchange.reserve)
        return why or ""

    def be_quiet(self, now_ns: Nanos, quiet_ns: Nanos) -> None:
        """The venue asked for it; safety waits a second at most."""
        self.quiet_ns = now_ns + quiet_ns
        self.safety_quiet_ns = now_ns + min(quiet_ns, int(SAFETY_QUIET_S * SECOND))

    async def _act(
        self, request: Body, kind: type[R], reserve: Reserve, before_send: BeforeSend | None
    ) -> Outcome[R]:
        return await Exchange(self, request, reserve, before_send)

    async def _read(self, request: Body, kind: type[R], reserve: Reserve) -> Outcome[R]:
        outcome: Outcome[R] = await Exchange(self, request, reserve)
        for attempt in range(1, READ_ATTEMPTS):
            if not isinstance(outcome, Unknown):
                break
            outcome = await Exchange(self, request, reserve, pause_ns=AGAIN_NS << attempt)
        return outcome


class Task(Struct):
    """A coroutine of `actor`'s port, for as long as that life lasts."""

    actor: str
    life: int
    work: Coroutine[Any, Any, Word]
    done: Callable[[], None] | None


class Asking:
    """Steps the coroutines of ports; each ends in one word for its actor."""

    def __init__(self, stage: VenueStage) -> None:
        self.stage = stage

    def begin(
        self,
        actor: str,
        work: Coroutine[Any, Any, Word],
        done: Callable[[], None] | None = None,
    ) -> None:
        """`done` is called after the word has been sent, in the same life."""
        life = self.stage.world.players[actor].epoch
        self._go(Task(actor, life, work, done), None)

    def _go(self, task: Task, outcome: Any) -> None:
        world = self.stage.world
        player = world.players[task.actor]
        if not player.up or player.epoch != task.life:
            task.work.close()  # nobody waits any more
            return
        if world.waits(player, partial(self._go, task, outcome)):
            return
        try:
            exchange = task.work.send(outcome)
        except StopIteration as end:
            world.send(Errand(task.actor, end.value, 0, task.life))
            if task.done:
                task.done()
            return
        ask = partial(self.stage.line.ask, exchange, partial(self._go, task))
        if exchange.pause_ns:
            world.after(exchange.pause_ns, ask)
        else:
            ask()


class Line:
    """Between callers and the simulator: what is lost, late, refused or doubted on the way."""

    def __init__(self, stage: VenueStage) -> None:
        self.stage = stage
        self.calls: dict[int, tuple[Exchange, Then]] = {}
        self.count = 0
        self.minute: deque[Nanos] = deque()  # when the venue took the last requests
        self.leaving: Callable[[Nanos, Exchange], None] | None = None
        """Told each request whose bytes leave us, whatever becomes of it."""

    def ask(self, exchange: Exchange, then: Then) -> None:
        """Send a request to the simulator; `then` is told the outcome when it is known."""
        stage, weather = self.stage, self.stage.accidents
        if why := exchange.client.refusal(exchange, stage.world.now_ns):
            self._later(MILLISECOND, then, NotSent(why))
        elif stage.happens(weather.held_back, SECOND):
            self._later(stage.delay(), then, NotSent("no connection"))
        else:
            if self.leaving:
                self.leaving(stage.world.now_ns, exchange)
            self._travel(exchange, then)

    def _travel(self, exchange: Exchange, then: Then) -> None:
        stage, weather = self.stage, self.stage.accidents
        request = exchange.request
        mutates = ENDPOINT_OF[type(request)].mutates
        harm_ns = TIMEOUT_NS if mutates else READ_ATTEMPTS * (TIMEOUT_NS + SECOND)
        if exchange.reserve is not Reserve.HISTORY and self._beyond_the_minute():
            exchange.client.be_quiet(stage.world.now_ns, QUIET_NS_MAX)
            self._later(stage.delay(), then, Unknown("HTTP 429"))
        elif stage.happens(weather.request_lost, harm_ns):
            self._later(TIMEOUT_NS, then, Unknown("no answer"))
        elif stage.happens(weather.too_many, harm_ns):
            quiet_ns = stage.dice.randint(SECOND, QUIET_NS_MAX)
            exchange.client.be_quiet(stage.world.now_ns, quiet_ns)
            stage.trouble(quiet_ns)
            self._later(stage.delay(), then, Unknown("HTTP 429"))
        elif stage.happens(weather.server_error, harm_ns):
            if stage.dice.random() < 0.5:
                self._call(request, stage.delay())
            self._later(stage.delay(), then, Unknown("HTTP 503"))
        elif stage.happens(weather.request_late, harm_ns + LATE_NS_MAX):
            self._call(request, TIMEOUT_NS + stage.dice.randint(0, LATE_NS_MAX))
            self._later(TIMEOUT_NS, then, Unknown("no answer"))
        elif mutates and stage.happens(weather.reject, SECOND):
            self._later(stage.delay(), then, self._refused(request))
        else:
            call_id = self._call(request, stage.delay())
            self.calls[call_id] = (exchange, then)
            stage.world.after(TIMEOUT_NS, partial(self._give_up, call_id))

    def _beyond_the_minute(self) -> bool:
        """Whether the venue has taken all it takes in a minute; else it takes one more."""
        minute, now_ns = self.minute, self.stage.world.now_ns
        while minute and minute[0] <= now_ns - WINDOW:
            minute.popleft()
        if len(minute) >= MINUTE_MAX:
            return True
        minute.append(now_ns)
        return False

    def _refused(self, request: Body) -> Outcome[Any]:
        endpoint = ENDPOINT_OF[type(request)]
        code = self.stage.dice.choice((2, *endpoint.uncertain))
        refusal = endpoint.response(success=False, error_code=code, error_message="not now")
        return judged(endpoint, refusal)

    def _call(self, request: Request, delay_ns: Nanos) -> int:
        self.count += 1
        call = sim.Call(call_id=self.count, request=request)
        self.stage.world.send(Errand("simulator", call, delay_ns))
        return self.count

    def _later(self, delay_ns: Nanos, then: Then, outcome: Outcome[Any]) -> None:
        self.stage.world.after(delay_ns, partial(then, outcome))

    # -- the way back ------------------------------------------------------------------------------

    def answered(self, answer: sim.Answer) -> None:
        """The simulator answered; the answer may be lost now."""
        stage = self.stage
        waiting = self.calls.pop(answer.call_id, None)
        if waiting is None or not isinstance(answer.response, AnyResponse):
            return
        exchange, then = waiting
        if stage.happens(stage.accidents.answer_lost, TIMEOUT_NS):
            self._later(TIMEOUT_NS, then, Unknown("no answer"))
            return
        outcome: Outcome[Any] = judged(
            ENDPOINT_OF[type(exchange.request)], cast(Any, answer.response)
        )
        self._later(answer.delay_ns + stage.delay(), then, outcome)

    def unanswered(self, call_id: int) -> None:
        waiting = self.calls.pop(call_id, None)
        if waiting is not None:
            self._later(TIMEOUT_NS, waiting[1], Unknown("no answer"))

    def came_back(self) -> None:
        """The simulator lives again; who asked it before waits for as long as a caller waits."""
        if self.calls:
            self.stage.trouble(TIMEOUT_NS)

    def _give_up(self, call_id: int) -> None:
        waiting = self.calls.pop(call_id, None)
        if waiting is not None:
            waiting[1](Unknown("no answer"))
