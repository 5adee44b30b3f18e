"""A trading day of one account against the firm: governor, honest venue, the firm, hostile sleeves.

The firm is the rules' own engine, told the very fills and marks the venue makes; the governor hears
of them as a router tells it, late, doubled or swapped where a step says so, and may be killed,
restarted or replaced by one of other settings at any step. Whoever drives the day gives `Step`s; it
says itself what must hold at each of them:

- nothing that opens is approved while the governor is not ACTIVE;
- an exit within the owner's book, less the exits in flight, is never vetoed, and none is larger;
- a latch held before a restart is held after it.

`acted` says whether the firm had to act, and by how much it was too late for us. Pure: a script
with dice and hypothesis both drive it. What is assumed of market and venue is `docs/risk.md`.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from msgspec import Struct

from services.firm_sleeves import INCARNATION, Intent, Sleeves, Wish
from services.firm_venue import CLOSING, FirmVenue
from services.risk_governor.core import Governor
from services.risk_governor.words import DiskSpace, OthersHold, SentinelBack
from shared.contracts import product_of
from shared.domain.rules import account as rules
from shared.domain.sessions import calendar
from shared.events import (
    TERMINAL,
    AccountUpdate,
    ContractListed,
    Event,
    FeedState,
    FeedStatus,
    Fill,
    OrderApproved,
    OrderIntent,
    OrderUpdate,
    OrderVetoed,
    Phase,
    Pulse,
    Purpose,
    Quote,
    RiskLevel,
    RiskState,
    SessionPhase,
    Side,
    SleeveStatus,
    Started,
    VenueState,
    VenueStatus,
)
from shared.settings import Settings
from shared.units import HOUR, MILLISECOND, SECOND, Lots, Micros, Nanos, Ticks

LINES: Final = (
    "floor", "drawdown", "firm_daily_loss", "daily_loss", "daily_cap", "emergency_stop",
    "session_cap", "near_floor",
)  # fmt: skip
"""Latches of a line that closes the account."""
OPENING: Final = 1795016100 * SECOND  # 2026-11-18, 09:35 CT
TRADING_DAY: Final = "2026-11-18"
PRICES: Final = {
    "CON.F.US.MNQ.Z26": 84_000,
    "CON.F.US.MES.Z26": 24_000,
    "CON.F.US.M2K.Z26": 24_000,
    "CON.F.US.MYM.Z26": 44_000,
    "CON.F.US.EP.Z26": 24_000,
    "CON.F.US.ENQ.Z26": 84_000,
}
"""Contract -> bid at the opening, ticks; the ask is one more."""
RECONCILE_S: Final = 10
SNAPSHOT_S: Final = 30
WINDOW_S: Final = 20  # seconds in which prices are assumed to range over no more than a gap
DEAD_S: Final = 4  # seconds a killed governor is away
FLAT_BY: Final = "flat_by"  # the firm closes what is held at 15:10 CT
BIDDABLE: Final = 100  # no price falls below


class Step(NamedTuple):
    """A second of the day. `moves`: ticks by which each bid moves. `slip` and `pace`: the venue's.

    `mishap`: deaf, swapped, doubled (the venue's stream), restart, recall, killed (the governor),
    dark (the feed is down for this second), or nothing. `after_ns`: quiet time before it.
    """

    moves: tuple[Ticks, ...]
    wishes: tuple[Wish, ...] = ()
    mishap: str = ""
    slip: Ticks = 0
    pace: int = 1
    after_ns: Nanos = 0


class Acted(Struct, frozen=True):
    """The firm's own act. `beyond`: how far equity was past the level, micro-dollars."""

    rule: str
    beyond: Micros
    step: int


class Window:
    """The last seconds of every price; what a move may be so that they range over no more."""

    def __init__(self, bounds: dict[str, Ticks]) -> None:
        self.bounds = bounds
        self.past = {contract: deque([PRICES[contract]], maxlen=WINDOW_S) for contract in bounds}

    def moved(self, contract: str, bid: Ticks, *, wild: bool = False) -> Ticks:
        """The price after a wish for `bid`, cut to the bound unless `wild`."""
        past, bound = self.past[contract], self.bounds[contract]
        if not wild:
            bid = max(max(past) - bound, min(min(past) + bound, bid))
        bid = max(BIDDABLE, bid)
        past.append(bid)
        return bid


class FirmDay:
    """See the module. `changed`: the settings of the governor that a recall brings up. `paid`: a
    payout that left the balance.
    """

    def __init__(
        self, settings: Settings, balance: Micros, changed: Settings | None = None,
        paid: Micros = 0,
    ) -> None:  # fmt: skip
        self.settings, self.changed = settings, changed or settings
        given = settings.risk_governor
        self.terms = rules.terms_of(settings.rules(), given.daily_loss_limit, rules.Own())
        self.firm = rules.end_day(self.terms, rules.begin(self.terms), balance + paid, 1)
        if paid:
            self.firm = rules.pay(self.terms, self.firm, paid, balance)
        prices = {contract: (bid, bid + 1) for contract, bid in PRICES.items()}
        self.venue = FirmVenue(balance, prices, given.net_stop_ticks)
        self.sleeves = Sleeves(tuple(settings.sleeves), prices)
        self.governor = Governor(settings)
        self.now_ns: Nanos = OPENING
        self.steps = 0
        self.dead_s = 0
        self.level = RiskLevel.ACTIVE
        self.acted: Acted | None = None
        self.nearest: Micros = 1 << 60  # equity above the firm's next level, ever
        self.said: list[Event] = []
        self.approvals = 0
        self.failure = ""  # a promise that broke, as its driver notes it
        self.closed = False  # a line of ours closed the account
        self._epoch = OPENING // SECOND
        self._held: dict[tuple[str, str], Lots] = {}  # as the governor was told
        self._trades: dict[int, None] = {}
        self._asked: dict[str, None] = {}
        self._answered: dict[str, None] = {}
        self._dark = False
        self._seen: Micros = -1
        self._today = calendar(settings.session).at(OPENING)
        self._exits: dict[str, tuple[str, str, Lots]] = {}  # in flight, as the governor was told
        self._snapshot = b""
        self._tail: list[tuple[Nanos, Event, list[Event]]] = []
        self._open()

    # -- telling the governor ----------------------------------------------------------------------

    def tell(self, event: Event) -> list[Event]:
        """One event to the governor; what it says goes its ways."""
        self.now_ns += MILLISECOND
        self._told(event)
        said = list(self.governor.on(self.now_ns, event))
        self._tail.append((self.now_ns, event, said))
        self.said += said
        for one in said:
            self._judge(one)
            self.venue.hear(one)
            self.sleeves.hear(one)
        return said

    def _pulse(self) -> None:
        self.tell(Pulse(real_ns=self._real_ns()))

    def _real_ns(self) -> Nanos:
        return self.now_ns - OPENING + HOUR

    def _open(self) -> None:
        """The governor comes up beside everybody else, and the day begins."""
        self.tell(Started(epoch=self._epoch, fresh=True))
        self._pulse()
        self.tell(FeedStatus(state=FeedState.UP, since_ns=self.now_ns))
        phase = SessionPhase(trading_day=TRADING_DAY, phase=Phase.OPEN, flat_by_ns=0, reopens_ns=0)
        self.tell(phase)
        for contract in PRICES:
            kind = product_of(contract)
            self.tell(
                ContractListed(
                    root=kind.root, contract=contract, name=kind.name, trading_day=TRADING_DAY,
                    tick_nanos=kind.tick_nanos, tick_micros=kind.tick_micros,
                )
            )  # fmt: skip
        self._quote()
        self.tell(VenueStatus(no=0, state=VenueState.READY))
        account = self.settings.venue.account
        self.tell(
            AccountUpdate(
                no=0, account_id=1, name=account, balance=0, can_trade=True, simulated=True
            )
        )
        self._greet()
        self.venue.now_ns = self.now_ns
        self.venue.reconcile()
        self._catch_up()
        for name in self.sleeves.names:
            self.tell(
                SleeveStatus(sleeve=name, incarnation=INCARNATION, contract="", state="READY")
            )
        assert self.level is RiskLevel.ACTIVE, "Invariant: a day begins free"

    def _greet(self) -> None:
        """What a governor's own port tells it at every start."""
        self.tell(SentinelBack())
        self.tell(DiskSpace(free_mb=10_000))
        self.tell(OthersHold())

    def _quote(self) -> None:
        for contract, (bid, ask) in self.venue.prices.items():
            now = self.now_ns + MILLISECOND
            self.tell(Quote(contract=contract, bid=bid, ask=ask, venue_ns=now, recv_ns=now))

    def _catch_up(self) -> None:
        for event in self.venue.taken():
            self.tell(event)

    # -- a second ----------------------------------------------------------------------------------

    def play(self, step: Step) -> None:
        """One step; nothing any more once the firm acted."""
        if self.acted is not None:
            return
        self.steps += 1
        self.now_ns += step.after_ns + SECOND
        venue = self.venue
        venue.now_ns = self.sleeves.now_ns = self.now_ns
        venue.slip, venue.pace = step.slip, step.pace
        venue.swapped, venue.doubled = step.mishap == "swapped", step.mishap == "doubled"
        venue.deaf = venue.deaf or step.mishap == "deaf"
        for contract, move in zip(PRICES, step.moves, strict=False):
            bid = max(BIDDABLE, venue.prices[contract][0] + move)
            venue.move(contract, bid, bid + 1)
            self._look()
        if self.steps % RECONCILE_S == 0:
            venue.reconcile()
        self._govern(step)
        venue.work(self._real_ns())
        self._look()
        if not self.dead_s:
            self._catch_up()

    def _govern(self, step: Step) -> None:
        """The governor's part of a second: dead, reborn, or at work."""
        if step.mishap in ("restart", "recall", "killed") and not self.dead_s:
            self._die(DEAD_S if step.mishap == "killed" else 0, recalled=step.mishap == "recall")
        if self.dead_s:
            self.dead_s -= 1
            if not self.dead_s:
                self._live()
            elif self.dead_s < DEAD_S - 1:
                self.venue.withdraw()
        if self.dead_s:
            return
        self._catch_up()
        dark = step.mishap == "dark"
        if dark is not self._dark:
            self._dark, state = dark, FeedState.DOWN if dark else FeedState.UP
            self.tell(FeedStatus(state=state, since_ns=self.now_ns))
        if not dark:
            self._quote()
        for wish in step.wishes:
            for intent in self.sleeves.intents(wish):
                self._ask(intent)
        self._pulse()
        if self.steps % SNAPSHOT_S == 0:
            self._snapshot, self._tail = self.governor.snapshot(), []

    def _look(self) -> None:
        """The firm's own look at the account, after every move and fill."""
        if self.now_ns >= self._today.flat_by_ns and self.venue.positions():
            self.acted = Acted(FLAT_BY, 0, self.steps)
        equity = self.venue.equity()
        if equity == self._seen:
            return
        self._seen = equity
        day_limit = self.terms.daily_loss or 1 << 60
        level = max(self.firm.floor, self.firm.opened - day_limit)
        self.nearest = min(self.nearest, equity - level)
        self.firm, new = rules.look(self.terms, self.firm, equity)
        if new & rules.BREACH:
            self.acted = Acted(rules.VERDICTS[rules.BREACH], self.firm.floor - equity, self.steps)
        elif new & rules.FIRM_DAY:
            level = self.firm.opened - self.terms.daily_loss
            self.acted = Acted(rules.VERDICTS[rules.FIRM_DAY], level - equity, self.steps)

    # -- deaths ------------------------------------------------------------------------------------

    def _die(self, dead_s: int, *, recalled: bool) -> None:
        """Killed; another takes over its memory, or folds it under other settings."""
        before = self._latches()
        memory = self.governor.snapshot()
        if not recalled:
            self.governor = Governor(self.settings)
            self.governor.restore(memory)
        else:
            self.settings, self.changed = self.changed, self.settings
            self.governor = Governor(self.settings)
            if self._snapshot:
                self.governor.restore(self._snapshot)
            for now_ns, event, said in self._tail:
                list(self.governor.on(now_ns, event))
                for one in said:
                    self.governor.recall(now_ns, one)
        lost = [key for key in before if key not in self._latches()]
        assert not lost, f"a restart forgot {lost}"
        self.dead_s = dead_s
        if not dead_s:
            self._live(changed=recalled)

    def _live(self, *, changed: bool = False) -> None:
        self._epoch += 1
        self.tell(Started(epoch=self._epoch, fresh=False, changed=changed))
        self._pulse()
        self._greet()
        self._snapshot, self._tail = self.governor.snapshot(), []

    def _latches(self) -> list[str]:
        return list(self.governor.mind.state.latches)

    # -- promises ----------------------------------------------------------------------------------

    def _ask(self, intent: Intent) -> None:
        """A wish; if it is an exit that fits, it must not be refused."""
        due: Lots = 0
        again = intent.intent_id in self._asked
        self._asked[intent.intent_id] = None
        if isinstance(intent, OrderIntent) and intent.purpose is Purpose.EXIT and not again:
            held = self._held.get((intent.sleeve, intent.contract), 0)
            due = abs(held) if held * intent.side < 0 else 0
            due -= self._in_flight(intent.sleeve, intent.contract)
        said = self.tell(intent)
        refused = [
            one
            for one in said
            if isinstance(one, OrderVetoed) and one.intent_id == intent.intent_id
        ]
        assert due <= 0 or not refused, f"an exit of {due} was vetoed: {refused[0]}"

    def _in_flight(self, sleeve: str, contract: str) -> Lots:
        return sum(
            lots
            for owner, name, lots in self._exits.values()
            if (owner, name) == (sleeve, contract)
        )

    def _judge(self, said: Event) -> None:
        if isinstance(said, RiskState):
            self.level = said.level
            self.closed = self.closed or any(held.key in LINES for held in said.latches)
        elif isinstance(said, OrderApproved) and said.intent_id not in self._answered:
            self._answered[said.intent_id] = None
            self._judge_approval(said)

    def _judge_approval(self, said: OrderApproved) -> None:
        assert said.cross is None, "nobody shares a contract here, so nothing trades inside"
        key = said.sleeve, said.contract
        held = self._held.get(key, 0)
        room = abs(held) - self._in_flight(*key) if held * said.side < 0 else 0
        reduces = said.size <= room
        if said.purpose in CLOSING:
            assert reduces, f"an exit beyond the book: {said}, held {held}"
        self.approvals += 1
        if reduces:
            self._exits[said.intent_id] = (*key, said.size)
            return
        assert self.level is RiskLevel.ACTIVE, f"approved while {self.level.value}: {said}"

    def _told(self, event: Event) -> None:
        """Follow what the governor was told of books and exits."""
        if isinstance(event, Fill) and event.trade_id not in self._trades:
            self._trades[event.trade_id] = None
            key = event.sleeve, event.contract
            lots = event.size if event.side is Side.BUY else -event.size
            self._held[key] = self._held.get(key, 0) + lots
        elif isinstance(event, OrderUpdate) and event.state in TERMINAL:
            self._exits.pop(event.intent_id, None)
