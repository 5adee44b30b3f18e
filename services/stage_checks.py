"""What must hold in every World, whatever went wrong: checked from the public events and the venue.

Nothing here asks the code under test how it is doing. Events are taken from the bus as a stranger
would hear them; the truth about orders, positions and cash is the simulator's own. What is cheap is
checked at every event, the rest after a calm and a flatten. Tests, `scripts/campaign.py` and the
story of a day share it.
"""

from __future__ import annotations

from collections import Counter
from random import Random

from services.order_router.words import ModifyOrder, PlaceOrder
from services.risk_governor.words import OperatorCommand, Verb
from services.simulator.words import TruthReport, UserPush
from services.stage import VenueStage, cast_world
from services.stage_watch import VenueWatch
from shared.contracts import PRODUCTS
from shared.core import Word
from shared.events import (
    Event,
    Fill,
    Flatten,
    FlattenProgress,
    FlattenStage,
    OrderApproved,
    OrderState,
    OrderUpdate,
    PositionUpdate,
    Purpose,
    RiskLevel,
    RiskState,
    Scope,
    SleeveBook,
)
from shared.lab.accidents import Accidents
from shared.lab.world import World
from shared.runtime.flatten_files import Request
from shared.settings import Settings, load
from shared.units import SECOND
from shared.venue.codes import LIVE_STATUSES
from shared.venue.times import time_ns

UNPROTECTED_NS_MAX = 45 * SECOND  # whatever goes wrong, if only not for ever
UNPROTECTED_FAIR_NS = 2 * SECOND  # nothing ever went wrong between the router and the venue
UNPROTECTED_AFTER_NS = 5 * SECOND  # since the last of it was over
DELAYS = 8  # requests and events one after another, each of the longest delay
ROUTER = "order_router"
OPENERS = (Purpose.ENTRY, Purpose.QUOTE)
ANSWERS = (OrderState.SENT, OrderState.REFUSED)
CALM_S = 40
FLAT_S = 60


def settings_of(**overrides: str) -> Settings:
    return load(env=overrides)


class Checks:
    """Listens to a World and judges it."""

    def __init__(self) -> None:
        self.approved: dict[str, OrderApproved] = {}
        self.by_tag: dict[str, OrderApproved] = {}
        self.answers: dict[str, OrderState] = {}  # the first that was said of each approval
        self.fills: dict[int, Fill] = {}
        self.positions: dict[str, int] = {}
        self.books: dict[tuple[str, str], int] = {}
        self.bare_since: dict[str, int] = {}
        self.bare_ns_max = 0
        self.halt_no = 0
        self.level = RiskLevel.ACTIVE
        self.stages: dict[tuple[Scope, str, str], FlattenStage] = {}
        self.halts: list[tuple[int, int]] = [(0, -1)]  # (number on the governor's lane, halt_no)
        self.kinds: Counter[str] = Counter()
        self.asked: set[str] = set()
        self.watch = VenueWatch(settings_of().risk_governor.position, self._unprotected)
        self.world: World | None = None

    def attend(self, world: World) -> None:
        """Hear also what the cores tell their ports."""
        self.world = world
        world.overhear = self.overheard

    def said(self, lane: str, seq: int, now_ns: int, event: Event) -> None:
        self.kinds[f"{lane} {type(event).__name__}"] += 1
        match event:
            case OrderApproved():
                assert event.intent_id not in self.approved, f"approved twice: {event}"
                assert event.halt_no >= self.halt_no, f"approved under an old halt: {event}"
                assert not self._opens_halted(event), f"approved while {self.level}: {event}"
                self.approved[event.intent_id] = self.by_tag[event.tag] = event
            case RiskState(halt_no=halt_no) | Flatten(halt_no=halt_no):
                self.level = event.level if isinstance(event, RiskState) else self.level
                assert halt_no >= self.halt_no, "halt numbers only grow"
                if halt_no > self.halts[-1][1]:
                    self.halts.append((seq, halt_no))
                self.halt_no = halt_no
            case OrderUpdate() if lane == ROUTER:
                self._answer(event)
            case Fill() if lane == ROUTER:
                self._fill(event)
            case FlattenProgress():
                self.stages[event.scope, event.contract, event.cause] = event.stage
            case PositionUpdate():
                self._position(now_ns, event)
            case SleeveBook(sleeve=sleeve, contract=contract, position=position):
                self.books[sleeve, contract] = position

    def _opens_halted(self, approved: OrderApproved) -> bool:
        """Whether something that could only open is approved while all is closed."""
        held = self.books.get((approved.sleeve, approved.contract), 0)
        closed = self.level in (RiskLevel.HALTED, RiskLevel.FLATTENING)
        return closed and approved.purpose in OPENERS and held * approved.side >= 0

    def overheard(self, actor: str, now_ns: int, word: Word) -> None:
        """A word to a port, as it goes on record."""
        if actor == "simulator":
            if isinstance(word, UserPush):
                self.watch.pushed(now_ns, word)
        elif isinstance(word, PlaceOrder):
            assert word.tag not in self.asked, f"asked for twice: {word}"
            self.asked.add(word.tag)
            self._not_void(word)
            self._one_exit(word)
        elif isinstance(word, ModifyOrder):
            self._not_void(word)

    def _unprotected(self, since_ns: int, until_ns: int) -> None:
        """A position had no whole stop: for longer than accidents excuse?"""
        assert self.world is not None, "attend a world first"
        stage, players = self.world.stage, self.world.players
        assert isinstance(stage, VenueStage)
        if not players[ROUTER].up:
            return  # closed by a stop or a limit of its own, with nobody there
        excuse_ns = max(stage.trouble_ns, players[ROUTER].back_ns, players["simulator"].back_ns)
        bound_ns = UNPROTECTED_AFTER_NS if excuse_ns else UNPROTECTED_FAIR_NS
        bound_ns += DELAYS * stage.slowest_ns
        bare_ns = until_ns - max(since_ns, excuse_ns)
        assert bare_ns <= bound_ns, (
            f"unprotected for {bare_ns / SECOND:.2f} s, {bound_ns / SECOND:.2f} allowed"
        )

    def _one_exit(self, word: PlaceOrder) -> None:
        """No exit is asked for while another of its contract works."""
        if not self._is_exit(word.tag):
            return
        for order in self.watch.live.values():
            works = order.contract_id == word.contract and self._is_exit(order.custom_tag or "")
            assert not works, f"{word} beside {order}"

    def _is_exit(self, tag: str) -> bool:
        approved = self.by_tag.get(tag)
        return approved is not None and approved.purpose is Purpose.EXIT

    def _not_void(self, word: PlaceOrder | ModifyOrder) -> None:
        """What was approved before a halt is not begun once the router has heard of the halt."""
        assert self.world is not None, "attend a world first"
        heard = self.world.players[ROUTER].heard.get("risk_governor", 0)
        known = max(number for seq, number in self.halts if seq <= heard)
        assert word.halt_no < 0 or word.halt_no >= known, f"halt {known} was heard before {word}"

    def _answer(self, update: OrderUpdate) -> None:
        approved = self.approved.get(update.intent_id)
        if approved is None or update.tag != approved.tag:
            return
        assert (update.side, update.contract) == (approved.side, approved.contract)
        assert update.size <= approved.size, "larger than approved"
        before = self.answers.setdefault(update.intent_id, update.state)
        assert before in ANSWERS, f"begins without an answer: {update}"
        assert before is not OrderState.REFUSED or before is update.state, f"refused, then {update}"

    def _fill(self, fill: Fill) -> None:
        if fill.voided:
            assert fill.trade_id in self.fills, "voided a fill that was never booked"
            del self.fills[fill.trade_id]
            return
        assert fill.trade_id not in self.fills, f"booked twice: {fill}"
        self.fills[fill.trade_id] = fill

    def _position(self, now_ns: int, update: PositionUpdate) -> None:
        self.positions[update.contract] = update.position
        since = self.bare_since.pop(update.contract, 0)
        if since:
            self.bare_ns_max = max(self.bare_ns_max, now_ns - since)
        if update.position and update.unprotected_since_ns:
            self.bare_since[update.contract] = since or now_ns

    # -- at the end -------------------------------------------------------------------------------

    def judge(self, world: World) -> None:
        """After the calm and a flatten: every book equals the venue's."""
        truth = truth_of(world)
        assert truth.tags_refused == 0, "a tag was used twice"
        assert truth.balance_micros == truth.start_micros + truth.profit_micros - truth.fees_micros
        held = {row.contract: row.lots for row in truth.positions if row.lots}
        assert held == {}, f"not flat: {held}"
        live = [order for order in truth.open_orders if order.status in LIVE_STATUSES]
        assert not live, f"orders still work: {live}"
        assert {c: n for c, n in self.positions.items() if n} == held, (
            "the router believes otherwise"
        )
        assert not [key for key, n in self.books.items() if n], f"sleeve books: {self.books}"
        assert len(self.fills) == truth.fills, f"{len(self.fills)} fills booked, {truth.fills} made"
        fees = sum(fill.fee for fill in self.fills.values())
        assert fees == truth.fees_micros, "fees booked differ from fees paid"
        assert self.cash() == truth.profit_micros, "profit booked differs from profit made"
        self.orders_match(truth)
        for intent_id in self.approved:
            assert intent_id in self.answers, f"{intent_id} was never answered"
        unfinished = [key for key, stage in self.stages.items() if stage is not FlattenStage.FLAT]
        assert not unfinished, f"never ended: {unfinished}"
        bare_ns = max(self.bare_ns_max, self.watch.bare_ns_max)
        assert bare_ns <= UNPROTECTED_NS_MAX, f"unprotected for {bare_ns / SECOND:.1f} s"
        for player in world.players.values():
            player.recover()

    def cash(self) -> int:
        """Profit of all fills in micro-dollars; everything is flat, so nothing is open."""
        total = 0
        for fill in self.fills.values():
            symbol = fill.contract.split(".")[3]
            value = next(p.tick_micros for p in PRODUCTS.values() if p.symbol == symbol)
            total -= fill.side.value * fill.size * fill.price * value
        return total

    def orders_match(self, truth: TruthReport) -> None:
        """Every order of a sleeve at the venue has exactly one approval behind it."""
        tags = [order.custom_tag or "" for order in truth.orders]
        ours = [tag for tag in tags if tag.startswith("t1.")]
        assert len(ours) == len(set(ours)), "two venue orders with one tag"
        for tag in ours:
            root = tag.removesuffix("-SL").removesuffix("-TP")
            assert root in self.by_tag or root.startswith("t1.router."), f"nobody approved {tag}"


def truth_of(world: World) -> TruthReport:
    stage = world.stage
    assert isinstance(stage, VenueStage)
    return stage.truth()


def play(
    seed: int,
    accidents: Accidents,
    seconds: int,
    *,
    settings: Settings | None = None,
    checks: Checks | None = None,
) -> Checks:
    """A rough time, a calm, a flatten by the operator, and the judgement."""
    settings, checks = settings or settings_of(), checks or Checks()
    start_ns = time_ns(settings.simulator.start, "start")
    world = cast_world(settings, start_ns, seed=seed, accidents=accidents, said=checks.said)
    checks.attend(world)
    stage = world.stage
    assert isinstance(stage, VenueStage)
    person = Person(world, seed, accidents.operator)
    for _ in range(seconds):
        world.run(world.now_ns + SECOND)
        person.second()
    world.accidents = stage.accidents = Accidents()
    world.run(world.now_ns + CALM_S * SECOND)
    person.ask(Verb.FLATTEN)
    world.run(world.now_ns + FLAT_S * SECOND)
    checks.judge(world)
    return checks


class Person:
    """Somebody who flattens, halts and resumes, at the governor or by the request file."""

    def __init__(self, world: World, seed: int, rate: float) -> None:
        self.world, self.dice, self.rate = world, Random(seed ^ 0xB055), rate
        self.count = 0

    def second(self) -> None:
        if not self.rate or self.dice.random() >= self.rate:
            return
        verb = self.dice.choice((Verb.FLATTEN, Verb.HALT, None, *[Verb.RESUME] * 5))
        if verb is None:
            self.leave_request()
        else:
            self.ask(verb)

    def ask(self, verb: Verb) -> None:
        self.count += 1
        command = OperatorCommand(command_id=self.count, verb=verb, who="test", cause="a person")
        self.world.inject("risk_governor", command)

    def leave_request(self) -> None:
        """A `flatten.request`: router, governor and sentinel see it each for itself."""
        self.count += 1
        name = f"file-{self.count}"
        assert isinstance(self.world.stage, VenueStage)
        self.world.stage.files.leave(Request(name, "by file", "test"))
