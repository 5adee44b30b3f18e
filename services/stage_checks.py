"""What must hold in every World, whatever went wrong: checked from the public events and the venue.

Nothing here asks the code under test how it is doing. Events are taken from the bus as a stranger
would hear them, requests as their bytes leave; the truth about orders, positions and cash is the
simulator's own. What is cheap is checked at every event, the rest after a calm and a flatten
(`stage_play.py`). Tests and `scripts/campaign.py` share it.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

from services.order_router.words import ModifyOrder, PlaceOrder
from services.sentinel.files import US as SENTINEL
from services.sentinel.state import ROUTER
from services.sentinel.words import Release
from services.simulator.words import TruthReport, UserPush
from services.stage import VenueStage
from services.stage_client import Exchange
from services.stage_watch import Apart, VenueWatch
from shared.contracts import PRODUCTS
from shared.core import Word
from shared.domain.sharing import VIRTUAL, trade_of
from shared.events import (
    Bar,
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
from shared.lab.world import World
from shared.settings import Settings, load
from shared.units import SECOND, Nanos
from shared.venue import words as wire
from shared.venue.answers import ENDPOINT_OF
from shared.venue.codes import LIVE_STATUSES

UNPROTECTED_NS_MAX = 45 * SECOND  # whatever goes wrong, if only not for ever
UNPROTECTED_FAIR_NS = SECOND  # nothing ever went wrong between the router and the venue
UNPROTECTED_AFTER_NS = 5 * SECOND  # since the last of it was over
APART_FAIR_NS = 2 * SECOND  # books and the venue, when nothing ever went wrong
APART_AFTER_NS = 30 * SECOND  # since the last of it was over: three looks at the venue
KEPT_FAIR_NS = 15 * SECOND  # a position, by anybody, on a disk without a byte
KEPT_AFTER_NS = 45 * SECOND  # since accidents let the sentinel work; it is patient after its birth
SETTINGS_KEPT = 64
DELAYS = 8  # requests and events one after another, each of the longest delay
GOVERNOR = "risk_governor"
OPENERS = (Purpose.ENTRY, Purpose.QUOTE)
ANSWERS = (OrderState.SENT, OrderState.REFUSED)


@lru_cache(SETTINGS_KEPT)
def settings_of(**overrides: str) -> Settings:
    return load(env=overrides)


class Checks:
    """Listens to a World and judges it. Who sets `prints` to False wants no fingerprint of it."""

    prints = True

    def __init__(self) -> None:
        self.approved: dict[str, OrderApproved] = {}
        self.by_tag: dict[str, OrderApproved] = {}
        self.answers: dict[str, OrderState] = {}  # the first that was said of each approval
        self.fills: dict[int, Fill] = {}
        self.positions: dict[str, int] = {}
        self.books: dict[tuple[str, str], int] = {}
        self.halt_no = 0
        self.level = RiskLevel.ACTIVE
        self.stages: dict[tuple[Scope, str, str], FlattenStage] = {}
        self.halts: list[tuple[int, int]] = [(0, -1)]  # (number on the governor's lane, halt_no)
        self.kinds: Counter[tuple[str, type[Event]]] = Counter()
        self.asked: dict[str, tuple[int, PlaceOrder]] = {}  # tag -> the router's life, and the wish
        self.left: set[str] = set()  # tags whose bytes have left
        self.unrecorded: set[str] = set()  # asked on a full disk: the next life knows of none
        self.bare = Apart(self._unprotected)
        self.apart = Apart(self._differs)
        self.kept = Apart(self._kept)
        self.flattened: set[str] = set()  # requests that were proven flat
        self.unheeded = Apart(self._unheeded)
        self.watch = VenueWatch(settings_of().risk_governor.position, self.bare)
        self.world: World | None = None

    def attend(self, world: World) -> None:
        """Hear also what the cores tell their ports, and what leaves the computer."""
        self.world = world
        world.overhear = self.overheard
        if not self.prints:
            world.digest.stop()
        self.stage.line.leaving = self.leaving

    @property
    def stage(self) -> VenueStage:
        assert self.world is not None, "attend a world first"
        assert isinstance(self.world.stage, VenueStage)
        return self.world.stage

    # -- on the bus --------------------------------------------------------------------------------

    def said(self, lane: str, seq: int, now_ns: int, event: Event) -> None:
        self.kinds[lane, type(event)] += 1
        if isinstance(event, Bar):
            return  # most of all that is said, and no promise hangs on it
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
                for request_id in list(self.unheeded.since):
                    halted = self.level is not RiskLevel.ACTIVE
                    self.unheeded.note(now_ns, request_id, agrees=halted)
            case OrderUpdate() if lane == ROUTER:
                self._answer(event)
            case Fill() if lane == ROUTER:
                self._fill(event)
            case FlattenProgress():
                self.stages[event.scope, event.contract, event.cause] = event.stage
                if event.stage is FlattenStage.FLAT and event.request_id not in self.flattened:
                    self.flattened.add(event.request_id)
                    halted = self.level is not RiskLevel.ACTIVE or not event.request_id
                    self.unheeded.note(now_ns, event.request_id, agrees=halted)
            case PositionUpdate(contract=contract, position=position):
                self.positions[contract] = position
                self._compare(now_ns, contract)
            case SleeveBook(sleeve=sleeve, contract=contract, position=position):
                self.books[sleeve, contract] = position
                self._compare(now_ns, contract)

    def _opens_halted(self, approved: OrderApproved) -> bool:
        """Whether something that could only open is approved while all is closed."""
        held = self.books.get((approved.sleeve, approved.contract), 0)
        closed = self.level in (RiskLevel.HALTED, RiskLevel.FLATTENING)
        return closed and approved.purpose in OPENERS and held * approved.side >= 0

    def _answer(self, update: OrderUpdate) -> None:
        approved = self.approved.get(update.intent_id)
        if approved is None or update.tag != approved.tag:
            return
        if update.tag in self.unrecorded:  # found at the venue, or answered as if never sent
            self.answers.setdefault(update.intent_id, update.state)
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

    # -- to the ports ------------------------------------------------------------------------------

    def overheard(self, actor: str, now_ns: int, word: Word) -> None:
        """A word to a port, as it goes on record."""
        if actor == "simulator":
            if isinstance(word, UserPush):
                contract = self.watch.pushed(now_ns, word)
                if contract:
                    self._compare(now_ns, contract)
        elif isinstance(word, PlaceOrder):
            assert word.tag not in self.asked, f"asked for twice: {word}"
            assert self.world is not None, "attend a world first"
            router = self.world.players[ROUTER]
            self.asked[word.tag] = (router.epoch, word)
            if router.spoiled:
                self.unrecorded.add(word.tag)
            self._not_void(word)
            self._one_exit(word)
        elif isinstance(word, ModifyOrder):
            self._not_void(word)
        elif isinstance(word, Release) and word.flat:
            self.watch.proven |= self.left

    def _one_exit(self, word: PlaceOrder) -> None:
        """No exit is asked for while another of its contract works; of its sleeve's part, where the
        contract is shared."""
        exit_ = self._exit(word.tag)
        if exit_ is None:
            return
        for order in self.watch.live.values():
            other = self._exit(order.custom_tag or "")
            works = other is not None and order.contract_id == word.contract
            if works and other is not None and exit_.shared and other.sleeve != exit_.sleeve:
                continue
            assert not works, f"{word} beside {order}"

    def _exit(self, tag: str) -> OrderApproved | None:
        approved = self.by_tag.get(tag)
        return approved if approved is not None and approved.purpose is Purpose.EXIT else None

    def _not_void(self, word: PlaceOrder | ModifyOrder) -> None:
        """What was approved before a halt is not begun once the router has heard of the halt."""
        assert self.world is not None, "attend a world first"
        heard = self.world.players[ROUTER].heard.get(GOVERNOR, 0)
        known = max(number for seq, number in self.halts if seq <= heard)
        assert word.halt_no < 0 or word.halt_no >= known, f"halt {known} was heard before {word}"

    # -- out of the house --------------------------------------------------------------------------

    def leaving(self, now_ns: Nanos, exchange: Exchange) -> None:
        """The bytes of a request leave the computer."""
        request, world = exchange.request, self.world
        assert world is not None, "attend a world first"
        if not ENDPOINT_OF[type(request)].mutates:
            return
        gripped = self.stage.sentinel.gripped
        routers = exchange.client is self.stage.router.asker.client
        assert gripped != routers, f"two pairs of hands: {request} while the lock is the other's"
        if not isinstance(request, wire.PlaceOrder):
            return
        tag = request.custom_tag or ""
        assert tag in self.asked, f"nobody decided {request}"
        life, word = self.asked[tag]
        assert tag not in self.left, f"sent twice: {request}"
        self.left.add(tag)
        assert life == world.players[ROUTER].epoch, f"of another life: {request}"
        self._not_void(word)
        real_ns = now_ns - world.start_ns + SECOND
        assert not word.deadline_real_ns or real_ns <= word.deadline_real_ns, f"expired: {word}"
        approved = self.by_tag.get(tag)
        assert approved or tag.startswith("t1.router."), f"nobody approved {tag}"
        if approved:
            wide = request.size <= approved.size and request.contract_id == approved.contract
            assert wide, f"more than approved: {request}"

    # -- in time -----------------------------------------------------------------------------------

    def second(self, now_ns: Nanos) -> None:
        """What stands for too long is found while it stands."""
        self.bare.ask(now_ns)
        self.apart.ask(now_ns)
        assert self.world is not None, "attend a world first"
        filled = now_ns < self.world.computer.filled_ns
        for contract, lots in self.watch.lots.items():
            self.kept.note(now_ns, contract, agrees=not (lots and filled))
        self.kept.ask(now_ns)
        self.unheeded.ask(now_ns)

    def _compare(self, now_ns: Nanos, contract: str) -> None:
        """The router's and the governor's books beside the venue's."""
        lots = self.watch.lots.get(contract, 0)
        self.apart.note(now_ns, ROUTER + contract, agrees=self.positions.get(contract, 0) == lots)
        total = sum(held for (_, name), held in self.books.items() if name == contract)
        self.apart.note(now_ns, GOVERNOR + contract, agrees=total == lots)

    def _excuse(self, *actors: str) -> Nanos | None:
        """Until when accidents explain what is wrong; None while somebody cannot know better."""
        assert self.world is not None, "attend a world first"
        players = [self.world.players[name] for name in (*actors, "simulator")]
        for player in players:
            frozen = player.thaw_ns > self.world.now_ns
            if not player.up or player.spoiled or frozen:
                return None
        return max(self.stage.trouble_ns, *(player.back_ns for player in players))

    def _unprotected(self, contract: str, since_ns: Nanos, until_ns: Nanos) -> None:
        """A position had no whole stop: for longer than accidents excuse?"""
        assert self.world is not None, "attend a world first"
        excuse_ns = self._excuse(ROUTER)
        if excuse_ns is None:
            return
        bound_ns = UNPROTECTED_AFTER_NS if excuse_ns else UNPROTECTED_FAIR_NS
        self._bound(f"{contract} unprotected", max(since_ns, excuse_ns), until_ns, bound_ns)

    def _differs(self, name: str, since_ns: Nanos, until_ns: Nanos) -> None:
        """A book differed from the venue's: for longer than accidents excuse?"""
        excuse_ns = self._excuse(ROUTER, GOVERNOR)
        if excuse_ns is None:
            return
        assert self.world is not None, "attend a world first"
        weather = self.world.accidents
        lossy = weather.bus_loss or weather.bus_delay_ns_max or weather.clog
        bound_ns = APART_AFTER_NS if excuse_ns or lossy else APART_FAIR_NS
        self._bound(f"{name} differs from the venue", max(since_ns, excuse_ns), until_ns, bound_ns)

    def _kept(self, contract: str, since_ns: Nanos, until_ns: Nanos) -> None:
        """A position stood while nobody could record: for longer than accidents excuse?"""
        assert self.world is not None, "attend a world first"
        sentinel, venue = self.world.players[SENTINEL], self.world.players["simulator"]
        if not venue.up:
            return
        excuse_ns = max(self.stage.trouble_ns, sentinel.back_ns, venue.back_ns)
        bound_ns = KEPT_AFTER_NS if excuse_ns else KEPT_FAIR_NS
        what = f"{contract} kept on a full disk"
        self._bound(what, max(since_ns, excuse_ns), until_ns, bound_ns)

    def _unheeded(self, request_id: str, since_ns: Nanos, until_ns: Nanos) -> None:
        """What a person flattened was not halted: for longer than accidents excuse?"""
        excuse_ns = self._excuse(GOVERNOR)
        if excuse_ns is None:
            return
        bound_ns = APART_AFTER_NS if excuse_ns else APART_FAIR_NS
        what = f"{request_id} is flat and not halted"
        self._bound(what, max(since_ns, excuse_ns), until_ns, bound_ns)

    def _bound(self, what: str, since_ns: Nanos, until_ns: Nanos, bound_ns: Nanos) -> None:
        bound_ns += DELAYS * self.stage.slowest_ns
        assert until_ns - since_ns <= bound_ns, (
            f"{what} for {(until_ns - since_ns) / SECOND:.2f} s, {bound_ns / SECOND:.2f} allowed"
        )

    # -- at the end --------------------------------------------------------------------------------

    def settled(self) -> bool:
        """Whether all seems over, so that it is worth judging."""
        return not (
            self.watch.live
            or any(self.watch.lots.values())
            or any(self.positions.values())
            or any(self.books.values())
            or any(stage is not FlattenStage.FLAT for stage in self.stages.values())
            or len(self.answers) < len(self.approved)
        )

    def judge(self) -> None:
        """After the calm and a flatten: every book equals the venue's."""
        truth = self.stage.truth()
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
        made = {trade_of(number) for number in self.fills if number > -VIRTUAL}
        assert len(made) == truth.fills, f"{len(made)} trades booked, {truth.fills} made"
        fees = sum(fill.fee for fill in self.fills.values())
        assert fees == truth.fees_micros, "fees booked differ from fees paid"
        assert self.cash() == truth.profit_micros, "profit booked differs from profit made"
        self.orders_match(truth)
        for intent_id in self.approved:
            assert intent_id in self.answers, f"{intent_id} was never answered"
        unfinished = [key for key, stage in self.stages.items() if stage is not FlattenStage.FLAT]
        assert not unfinished, f"never ended: {unfinished}"
        bare_ns = self.bare.ns_max
        assert bare_ns <= UNPROTECTED_NS_MAX, f"unprotected for {bare_ns / SECOND:.1f} s"

    def replay(self) -> None:
        """Every actor, run again from its last snapshot, says and remembers the same."""
        assert self.world is not None, "attend a world first"
        for player in self.world.players.values():
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
