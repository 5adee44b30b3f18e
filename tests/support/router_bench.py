"""A bench that hosts the real router core before a small venue.

It queues every request, answer and hub event, so that a test (or a seed) decides what arrives, in
which order, twice, or never. It also keeps the router's journal: `restart` is snapshot plus re-run,
and any difference fails.
"""

from __future__ import annotations

from random import Random
from typing import Any

from services.order_router import words as w
from services.order_router.core import Router
from shared.core import Word
from shared.events import (
    Event,
    Fill,
    OrderApproved,
    OrderState,
    OrderType,
    OrderUpdate,
    Pulse,
    Purpose,
    Reconciled,
    RiskLevel,
    RiskState,
    Side,
    Started,
    VenueStatus,
)
from shared.settings import Settings, load
from shared.units import SECOND
from shared.venue.translate import OrderRow
from tests.support.router_venue import LIVE, M2K, MNQ, START_NS, Venue, account_row

QUARTER = SECOND // 4


def settings(**env: str) -> Settings:
    return load(None, {f"TSQ__{key.upper()}": value for key, value in env.items()})


class Bench:
    """Hosts a Router before a Venue. Fair by default: `run` delivers everything in order."""

    def __init__(self, config: Settings | None = None) -> None:
        self.config = config or settings()
        self.router = Router(self.config)
        self.said: list[Event] = []
        self.requests: list[Word] = []  # said by the core, not yet at the venue
        self.arriving: list[Word] = []  # from the venue, not yet heard
        self.venue = Venue(self.arriving.append)
        self.base = self.router.snapshot()
        self.tape: list[tuple[int, Event, list[Event]]] = []
        self.now_ns, self.real_ns = START_NS, 100 * SECOND
        self.ahead_ns = 0  # of the venue's clock is ours, which may be set wrong
        self.n = 0
        self.epoch = 0
        self.restarts = 0
        self.progress: list[w.ReportProgress] = []
        self.halt_no = 1

    # -- telling -------------------------------------------------------------------------------

    def tell(self, event: Event) -> list[Event]:
        """One event to the core; its words go to the queues."""
        said = list(self.router.on(self.now_ns, event))
        self.tape.append((self.now_ns, event, said))
        self._carry(said)
        return said

    def _carry(self, said: list[Event]) -> None:
        for word in said:
            if isinstance(word, w.ReportProgress):
                self.progress.append(word)
            elif isinstance(word, w.Join):
                self.arriving.append(w.Link(up=True))
            elif isinstance(word, w.Reconnect):
                self.arriving += [w.Link(up=False, reason="dropped"), w.Link(up=True)]
            elif isinstance(word, (w.KnowHalt, w.KnowSpent)):
                pass
            elif isinstance(word, Word):
                self.requests.append(word)
            else:
                self.said.append(word)

    def start(self, *, fresh: bool = True, changed: bool = False) -> Bench:
        self.epoch += 1
        self.tell(Started(epoch=1_700_000_000 + self.epoch, fresh=fresh, changed=changed))
        self.tell(RiskState(halt_no=self.halt_no, level=RiskLevel.ACTIVE, cause="", since_ns=0))
        self.pulse()
        self.tell(w.AccountsSeen(accounts=(account_row(),)))
        return self

    def pulse(self, count: int = 1) -> None:
        for _ in range(count):
            self.real_ns += QUARTER
            self.now_ns += QUARTER
            self.venue.now_ns = max(self.venue.now_ns, self.now_ns - self.ahead_ns)
            self.tell(Pulse(real_ns=self.real_ns))

    def restart(self, *, changed: bool = False, unsent: bool = True) -> None:
        """kill -9 and start again: what was on its way to us is lost, what left has left.

        `changed`: as if by other code, so our own words are given back instead of compared; an
        empty last answer was never recorded, so what it answers is heard again, or answered now.
        `unsent`: requests not yet at the venue die with the process; else they still arrive there.
        """
        again = Router(self.config)
        again.restore(self.base)
        unheard: list[Event] = []
        unsaid: list[Event] = []
        for at, (now_ns, event, said) in enumerate(self.tape, 1):
            if changed and at == len(self.tape) and not said and not isinstance(event, Word):
                unheard = [event]
                break
            answers = list(again.on(now_ns, event))
            if changed:
                unsaid = answers if at == len(self.tape) and not said else []
                for word in unsaid or said:
                    again.recall(now_ns, word)
            else:
                assert answers == said, event
        assert changed or again.snapshot() == self.router.snapshot()
        if not unsent:
            for request in self.requests:
                self.serve(request)
        self.router = again
        self.base, self.tape = again.snapshot(), []
        self.arriving.clear()
        self.requests.clear()
        self.restarts += 1
        self._carry(unsaid)
        self.start(fresh=False, changed=changed)
        for event in unheard:
            self.tell(event)

    # -- delivering ----------------------------------------------------------------------------

    def serve(self, request: Word) -> Word:
        """Let the venue carry out one request; its answer."""
        match request:
            case w.PlaceOrder():
                if request.deadline_real_ns and self.real_ns > request.deadline_real_ns:
                    return w.PlaceAnswer(
                        tag=request.tag, outcome=w.Outcome.NOT_SENT, text="deadline"
                    )
                return self.venue.place(request)
            case w.CancelOrder():
                return self.venue.cancel(request)
            case w.ModifyOrder():
                return self.venue.modify(request)
            case w.CloseContract():
                return self.venue.close(request)
            case w.ReadBooks():
                return self.venue.books(request)
            case w.AskPrice(ask_id=ask_id, contract=contract):
                price = 0 if self.venue.no_prices else self.venue.prices[contract]
                return w.PriceSeen(ask_id=ask_id, contract=contract, price=price)
        raise AssertionError(request)

    @staticmethod
    def lost(request: Word) -> Word:
        """The answer when nobody can know what became of `request`."""
        match request:
            case w.PlaceOrder():
                return w.PlaceAnswer(tag=request.tag, outcome=w.Outcome.UNKNOWN, text="timeout")
            case w.CancelOrder():
                return w.CancelAnswer(
                    order_id=request.order_id, outcome=w.Outcome.UNKNOWN, text="timeout"
                )
            case w.ModifyOrder():
                return w.ModifyAnswer(
                    order_id=request.order_id, outcome=w.Outcome.UNKNOWN, text="timeout"
                )
            case w.CloseContract():
                return w.CloseAnswer(
                    close_id=request.close_id,
                    contract=request.contract,
                    outcome=w.Outcome.UNKNOWN,
                    text="timeout",
                )
            case w.ReadBooks():
                return w.Unread(read_id=request.read_id, reason="timeout")
            case w.AskPrice(ask_id=ask_id, contract=contract):
                return w.PriceSeen(ask_id=ask_id, contract=contract)
        raise AssertionError(request)

    def deliver(self) -> None:
        """Everything that is on its way, in order, until nothing is."""
        for _ in range(5_000):
            if self.arriving:
                self.tell(self.arriving.pop(0))
            elif self.requests:
                answer = self.serve(self.requests.pop(0))
                self.arriving.append(answer)
            else:
                return
        raise AssertionError("the router never comes to rest")

    def run(self, seconds: float = 1.0) -> Bench:
        """Fair weather for so long."""
        self.deliver()
        for _ in range(int(seconds * 4)):
            self.pulse()
            self.deliver()
        return self

    # -- the governor --------------------------------------------------------------------------

    def approve(self, purpose: Purpose, side: Side, size: int = 1, **fields: Any) -> OrderApproved:
        """An approval as the governor would say it, not told yet."""
        self.n += 1
        sleeve = fields.pop("sleeve", "trend")
        approval = OrderApproved(
            intent_id=f"{sleeve}.77.{self.n}",
            sleeve=sleeve,
            incarnation=77,
            contract=fields.pop("contract", MNQ),
            side=side,
            size=size,
            type=fields.pop("type", OrderType.MARKET),
            purpose=purpose,
            tag=f"t1.{sleeve}.25.{self.n}.0",
            halt_no=fields.pop("halt_no", self.halt_no),
            deadline_real_ns=fields.pop("deadline_real_ns", self.real_ns + 2 * SECOND),
            **fields,
        )
        return approval

    def enter(self, side: Side = Side.BUY, size: int = 1, **fields: Any) -> OrderApproved:
        fields = {"stop_loss_ticks": 40, "take_profit_ticks": 80} | fields
        approval = self.approve(Purpose.ENTRY, side, size, **fields)
        self.tell(approval)
        return approval

    def quote(self, side: Side, price: int, size: int = 1, **fields: Any) -> OrderApproved:
        fields = {"contract": M2K, "sleeve": "market_maker"} | fields
        approval = self.approve(
            Purpose.QUOTE, side, size, type=OrderType.LIMIT, limit_price=price, **fields
        )
        self.tell(approval)
        return approval

    def exit(self, side: Side, size: int = 1, **fields: Any) -> OrderApproved:
        approval = self.approve(Purpose.EXIT, side, size, **fields)
        self.tell(approval)
        return approval

    # -- looking -------------------------------------------------------------------------------

    def updates(self, intent_id: str) -> list[OrderUpdate]:
        return [e for e in self.said if isinstance(e, OrderUpdate) and e.intent_id == intent_id]

    def state(self, intent_id: str) -> OrderState:
        return self.updates(intent_id)[-1].state

    def fills(self) -> list[Fill]:
        return [e for e in self.said if isinstance(e, Fill)]

    def lots(self, contract: str = MNQ) -> int:
        book = self.router.desk.state.books.get(contract)
        return book.lots if book else 0

    def status(self) -> VenueStatus:
        return next(e for e in reversed(self.said) if isinstance(e, VenueStatus))

    def reconciled(self) -> Reconciled:
        return next(e for e in reversed(self.said) if isinstance(e, Reconciled))

    def resting(self, contract: str = MNQ) -> list[OrderRow]:
        return [
            row
            for row in self.venue.orders.values()
            if row.contract == contract and row.status in LIVE
        ]

    # -- laws ----------------------------------------------------------------------------------

    def check(self) -> None:
        """What must hold at any instant."""
        assert len(set(self.venue.tag_attempts)) == len(self.venue.tag_attempts), "a tag twice"
        answers: dict[str, int] = {}
        for event in self.said:
            if isinstance(event, OrderUpdate) and event.intent_id:
                refused = event.state is OrderState.REFUSED
                first = event.intent_id not in answers
                if first:
                    answers[event.intent_id] = refused
                else:
                    assert not refused, f"{event.intent_id} was answered twice"
                    assert not answers[event.intent_id], f"{event.intent_id} lives after its no"
        seen = set()
        for fill in self.fills():
            mark = (fill.trade_id, fill.voided)
            assert mark not in seen, f"trade {fill.trade_id} was counted twice"
            seen.add(mark)
        numbers = [e.no for e in self.said if hasattr(e, "no")]
        assert numbers == sorted(set(numbers)), "no event's number may repeat or go back"

    def check_agreed(self) -> None:
        """What must hold when everything has been heard: the books are the venue's truth."""
        self.check()
        state = self.router.desk.state
        for contract in self.venue.prices:
            assert self.lots(contract) == self.venue.lots.get(contract, 0), contract
        live = {row.order_id for row in self.venue.orders.values() if row.status in LIVE}
        known = {order.venue_id for order in state.orders.values() if not order.via}
        assert known == live, "the live orders differ"
        by_fills: dict[str, int] = {}
        for fill in self.fills():
            sign = -1 if fill.voided else 1
            by_fills[fill.contract] = by_fills.get(fill.contract, 0) + sign * fill.side * fill.size
        for contract, book in state.books.items():
            assert by_fills.get(contract, 0) == book.lots, "the fills do not add up to the book"
            assert sum(book.shares.values()) == book.lots


class Storm:
    """Delivers the bench's traffic as a seed pleases: lost, late, twice, out of order, with
    kills.
    """

    def __init__(self, bench: Bench, seed: int, *, kills: float = 0.01) -> None:
        self.bench, self.dice, self.kills = bench, Random(seed), kills
        self.rates = {
            name: self.dice.choice((0.0, 0.05, 0.2))
            for name in ("unsent", "unanswered", "hub_lost", "hub_twice", "hub_late")
        }

    def step(self) -> None:
        """One thing happens."""
        bench, dice = self.bench, self.dice
        if self.kills and dice.random() < self.kills:
            bench.restart(changed=dice.random() < 0.3, unsent=dice.random() < 0.5)
            return
        queues = [bench.requests] * bool(bench.requests) + [bench.arriving] * bool(bench.arriving)
        if not queues:
            bench.pulse()
            return
        queue = dice.choice(queues)
        late = queue is bench.arriving and dice.random() < self.rates["hub_late"]
        word = queue.pop(dice.randrange(len(queue)) if late else 0)
        if queue is bench.requests:
            self._serve(word)
        else:
            self._hear(word)

    def _serve(self, word: Word) -> None:
        bench, dice = self.bench, self.dice
        if dice.random() < self.rates["unsent"]:
            bench.arriving.append(bench.lost(word))
            return
        answer = bench.serve(word)
        if dice.random() < self.rates["unanswered"]:
            answer = bench.lost(word)
        bench.arriving.append(answer)

    def _hear(self, word: Word) -> None:
        bench, dice = self.bench, self.dice
        hub = isinstance(word, w.OrderSeen | w.TradeSeen | w.PositionSeen)
        if hub and dice.random() < self.rates["hub_lost"]:
            return
        bench.tell(word)
        if hub and dice.random() < self.rates["hub_twice"]:
            bench.arriving.append(word)


def ready() -> Bench:
    """A bench whose router has read the venue once and may trade: the fixture of most tests."""
    return Bench().start().run(1)
