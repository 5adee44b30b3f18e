"""Swaps at every event of a session: whole Worlds in which one owner of a sleeve follows another.

One session, played once without a swap and then again for every event said in it, and for every
moment in which the market moved: each time the swap is committed right after that event, before
anybody else has heard of it. The newcomer is of the same class. Judged from outside: the checks of
every World; that wishes are obeyed of exactly one life at any instant (`Owners`, and a copy of the
governor that is asked by both lives around the swap); and that the venue saw the same, names apart.

"The same" is every request and every word of the venue, of all sleeves, to the nanosecond. It is
looser only where the old owner had a wish under way that the governor had not answered: that wish
is refused, and the newcomer says it again at its next quote (`_compare`). All delays are constant
here, so that a request more or less does not shift all others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, partial

from msgspec import Struct, structs

from services.cast import build
from services.risk_governor.words import OperatorCommand, Verb
from services.simulator.words import UserPush
from services.sleeves.host import SleeveHost
from services.stage_busy import BUSY, HERE
from services.stage_checks import GOVERNOR, Checks, settings_of
from services.stage_client import Exchange
from services.stage_play import play
from shared.core import Word
from shared.events import (
    AuthorityGranted,
    CancelApproved,
    CancelIntent,
    Event,
    ModifyApproved,
    ModifyIntent,
    OrderApproved,
    OrderIntent,
    OrderVetoed,
    VetoRule,
)
from shared.lab.accidents import Accidents
from shared.lab.world import World
from shared.seats import SECOND, actors, second
from shared.units import MILLISECOND, Nanos
from shared.venue import words as wire
from shared.venue.answers import ENDPOINT_OF

SWAPPED = "tail_hedge"  # the last of the cast, so that both seats hear a tick one after the other
SEED = 3
SECONDS = 8
SETTINGS = {
    **BUSY,
    f"TSQ__SLEEVES__{SWAPPED.upper()}__IMPLEMENTATION": f"{HERE}:Planned",
    "TSQ__SIMULATOR__SEED": "8",  # entries filled in parts, targets and stops on both sides
    "TSQ__RISK_GOVERNOR__SESSION_CAP": "390",
    "TSQ__RISK_GOVERNOR__PRETRADE__CORRELATION_PERCENT": "100",
    "TSQ__RISK_GOVERNOR__PRETRADE__GAP_PERCENT": "0",
}
HOP_NS = MILLISECOND  # what a word takes from one process to the next: others come in between
PROBES = 8  # events after the swap at which a copy of the governor is asked who owns
PROBE_NO = 1_000_000  # of a wish nobody ever makes
LATE_NS = 500 * MILLISECOND  # a wish said again: some quotes later
APART = 4.0  # points between stops of one entry that filled at another price
FOLLOWS_A_FILL = ("-SL", "-TP", ".router")

Wish = OrderIntent | ModifyIntent | CancelIntent
Answer = OrderApproved | OrderVetoed | ModifyApproved | CancelApproved
WISHES = (OrderIntent, ModifyIntent, CancelIntent)
ANSWERS = (OrderApproved, OrderVetoed, ModifyApproved, CancelApproved)
NOT_THE_OWNER = (VetoRule.AUTHORITY, VetoRule.SHADOW)


class Owners(Checks):
    """The checks of every World, and: of whoever owns a sleeve wishes are judged, and of nobody
    else."""

    def __init__(self) -> None:
        super().__init__()
        self.owners: dict[str, int] = {}
        self.grants: Counter[str] = Counter()
        self.approvals: Counter[tuple[str, int]] = Counter()
        self.shadowed = 0
        self.causes: dict[str, str] = {}  # of the last grant
        self.seats: dict[str, str] = {}
        self.open: dict[str, Wish] = {}  # said by an owner, and not yet answered

    def said(self, lane: str, seq: int, now_ns: Nanos, event: Event) -> None:
        super().said(lane, seq, now_ns, event)
        if isinstance(event, WISHES):
            if not event.shadow:
                self.open[event.intent_id] = event
        elif isinstance(event, AuthorityGranted):
            self.owners[event.sleeve] = event.incarnation
            self.causes[event.sleeve], self.seats[event.sleeve] = event.cause, event.seat
            self.grants[event.cause.partition(":")[0]] += 1
        elif isinstance(event, ANSWERS):
            self._answered(event)

    def _answered(self, answer: Answer) -> None:
        wish = self.open.pop(answer.intent_id, None)
        if isinstance(answer, OrderVetoed):
            self.shadowed += answer.rule is VetoRule.SHADOW
            owns = wish is not None and wish.incarnation == self.owners.get(wish.sleeve)
            assert not (owns and answer.rule in NOT_THE_OWNER), f"the owner is refused: {answer}"
            return
        if isinstance(answer, OrderApproved):
            assert self.owners[answer.sleeve] == answer.incarnation, f"not the owner's: {answer}"
            self.approvals[answer.sleeve, answer.incarnation] += 1
        elif wish is not None:
            assert self.owners[wish.sleeve] == wish.incarnation, f"not the owner's: {answer}"


class Seen(Struct, frozen=True):
    """One order as the venue showed it: when first, and what it was, without its name."""

    first_ns: Nanos
    contract: str
    tag: str
    side: int
    kind: int
    size: int
    limit_price: float | None
    stop_price: float | None


class Session(Struct, frozen=True):
    """What one World came to. `rows`: all that the venue heard and said, names apart."""

    events: int
    moments: int
    rows: list[tuple[Nanos, object]]
    orders: list[Seen]
    after: str = ""  # the event after which the swap was asked for
    swapped: bool = False
    under_way: int = 0  # wishes of the old owner that were refused because of it


class Point(Struct, frozen=True):
    """When the swap is asked for: after so many events, or moments of the market; 0: never."""

    event: int = 0
    moment: int = 0


class SwapAfter(Owners):
    """Asks for the swap at one point of the session, asks who owns, and writes down what the venue
    hears and says."""

    def __init__(self, point: Point) -> None:
        super().__init__()
        self.point = point
        self.events = self.moments = self.under_way = 0
        self.after = ""
        self.probes = 0  # still to be made
        self.copy = build(GOVERNOR, settings_of(**SETTINGS))
        self.rows: list[tuple[Nanos, object]] = []
        self.shown: dict[int, Seen] = {}

    def attend(self, world: World) -> None:
        super().attend(world)
        if 0 < self.point.event <= self.events:
            world.after(0, self.ask)  # it was said while the cast came up
        world.bus.relay = partial(self._moved, world.bus.relay)  # type: ignore[method-assign]

    def _moved(
        self, relay: Callable[..., None], lane: str, ticks: tuple[Event, ...], *, live: bool
    ) -> None:
        relay(lane, ticks, live=live)
        self.moments += 1
        if self.moments == self.point.moment and self.world is not None:
            self.after = f"{len(ticks)} ticks"
            self.world.after(0, self.ask)

    def said(self, lane: str, seq: int, now_ns: Nanos, event: Event) -> None:
        super().said(lane, seq, now_ns, event)
        self.events += 1
        if self.events == self.point.event:
            self.after = f"{lane} said {type(event).__name__}"
            if self.world is not None:
                self.world.after(0, self.ask)
        if isinstance(event, OrderVetoed) and event.rule is VetoRule.AUTHORITY:
            self.under_way += 1
        if self.probes and lane != GOVERNOR:
            self.probes -= 1
            self.probe()

    def ask(self) -> None:
        """The person's word, and who owns before and after it."""
        assert self.world is not None, "attend a world first"
        self.probe()
        wish = OperatorCommand(
            command_id=1, verb=Verb.SWAP, who="test", cause="now", sleeve=SWAPPED, seat=SECOND
        )
        self.world.inject(GOVERNOR, wish)
        self.probe()
        self.probes = PROBES

    def probe(self) -> None:
        """A copy of the governor is asked for something by every life: it judges exactly one."""
        assert self.world is not None, "attend a world first"
        players = self.world.players
        self.copy.restore(players[GOVERNOR].core.snapshot())
        judged = []
        for actor in actors(SWAPPED):
            host = players[actor].core
            assert isinstance(host, SleeveHost), f"{actor} is no sleeve"
            if self._judges(host.memory.incarnation):
                judged.append(host.memory.incarnation)
        owner = self.owners.get(SWAPPED)
        assert judged == ([] if owner is None else [owner]), f"{owner} owns, judged: {judged}"

    def _judges(self, life: int) -> bool:
        assert self.world is not None, "attend a world first"
        wish = CancelIntent(
            intent_id=f"{SWAPPED}.{life}.{PROBE_NO}", sleeve=SWAPPED, incarnation=life,
            target="nothing", reason="who owns?",
        )  # fmt: skip
        (answer,) = self.copy.on(self.world.now_ns, wish)
        assert isinstance(answer, OrderVetoed), f"it was approved: {answer}"
        return answer.rule not in NOT_THE_OWNER

    # -- what the venue hears and says -------------------------------------------------------------

    def leaving(self, now_ns: Nanos, exchange: Exchange) -> None:
        super().leaving(now_ns, exchange)
        if ENDPOINT_OF[type(exchange.request)].mutates:
            self.rows.append((now_ns, _nameless(exchange.request)))

    def overheard(self, actor: str, now_ns: Nanos, word: Word) -> None:
        super().overheard(actor, now_ns, word)
        if isinstance(word, UserPush):
            payload = _nameless(word.payload)
            self.rows.append((now_ns, payload))
            if isinstance(payload, wire.OrderModel):
                self.shown.setdefault(payload.id, _seen(now_ns, payload))

    def session(self) -> Session:
        return Session(
            events=self.events,
            moments=self.moments,
            rows=self.rows,
            orders=list(self.shown.values()),
            after=self.after,
            swapped=self.seats.get(SWAPPED) == SECOND,
            under_way=self.under_way,
        )


def _nameless(told: object) -> object:
    """A request, or what the venue said, without the numbers in our own names."""
    if not isinstance(told, wire.PlaceOrder | wire.OrderModel):
        return told
    tag = told.custom_tag or ""
    parts = tag.split(".")
    if parts[0] != "t1":
        return told
    _, leg, end = parts[-1].partition("-")
    return structs.replace(told, custom_tag=f"t1.{parts[1]}{leg}{end}")


def _seen(now_ns: Nanos, order: wire.OrderModel) -> Seen:
    return Seen(
        now_ns, order.contract_id, order.custom_tag or "", order.side, order.type, order.size,
        order.limit_price, order.stop_price,
    )  # fmt: skip


# -- the sweep -------------------------------------------------------------------------------------


def play_session(checks: Checks) -> None:
    """The session, with both seats taken. Raises AssertionError where a promise broke."""
    weather = Accidents(bus_hop_ns=HOP_NS, venue_delay_ns_max=MILLISECOND)
    play(
        SEED, weather, SECONDS, settings=settings_of(**SETTINGS), checks=checks,
        also=(second(SWAPPED),),
    )  # fmt: skip


def play_once(point: Point) -> Session:
    """One World. Raises AssertionError where a promise broke."""
    checks = SwapAfter(point)
    play_session(checks)
    return checks.session()


@cache
def plain() -> Session:
    """The session without a swap."""
    return play_once(Point())


def points(every: int, first: int = 0) -> Iterator[Point]:
    """Every so-many-th event and moment of the session, from the `first`-th on."""
    whole = plain()
    for number in range(1 + first % every, whole.events + 1, every):
        yield Point(event=number)
    for number in range(1 + first % every, whole.moments + 1, every):
        yield Point(moment=number)


def swap_at(point: Point) -> Session:
    """Play the session with a swap there and compare. Raises AssertionError for any trace."""
    whole, found = plain(), play_once(point)
    if not found.under_way:
        for ours, theirs in zip(found.rows, whole.rows, strict=False):
            assert ours == theirs, f"{point} left a trace: {ours}, not {theirs}"
        assert len(found.rows) == len(whole.rows), f"{point} left a trace at the end"
    else:
        _compare(point, found.orders, whole.orders)
    return found


def _alike(order: Seen, twin: Seen) -> bool:
    """Whether two orders are the same but for their time. What protects a position lies where its
    entry filled, and that may have been elsewhere by then.
    """
    if order.tag.endswith(FOLLOWS_A_FILL):
        for name in ("limit_price", "stop_price"):
            price, other = getattr(order, name), getattr(twin, name)
            if price is not None and other is not None and abs(price - other) <= APART:
                order = structs.replace(order, **{name: other})
    return structs.replace(order, first_ns=twin.first_ns) == twin


def _compare(point: Point, ours: list[Seen], theirs: list[Seen]) -> None:
    """A wish was under way: the sleeve's contract has the same orders in the same order, a little
    late. The other sleeves share the account's limits with it, so theirs may be others.
    """
    contract = next(order.contract for order in theirs if order.tag == f"t1.{SWAPPED}")
    mine = [order for order in ours if order.contract == contract]
    plan = [order for order in theirs if order.contract == contract]
    assert len(mine) == len(plan), f"{point} left a trace: {len(mine)} orders, not {len(plan)}"
    for order, twin in zip(mine, plan, strict=True):
        assert _alike(order, twin), f"{point} left a trace: {order}, not {twin}"
        moved_ns = abs(order.first_ns - twin.first_ns)
        assert moved_ns <= LATE_NS, f"{point} left a trace: {order}, {moved_ns} ns from its twin"
