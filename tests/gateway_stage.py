"""A stage for the gateway's core: a port that obeys, a market that trades, and all that was said.

The market prints one lot of every contract each half second at a price that is a function of time,
so history and live bars can be compared exactly. What does not happen is switched off: `deaf`
contracts send no ticks, `mute` leaves questions unanswered, `broken` makes history fail.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from services.market_data_gateway.core import Gateway
from services.market_data_gateway.words import (
    Fetch,
    Fetched,
    Find,
    Found,
    HistoryBar,
    HubDown,
    HubUp,
    Offer,
    Rejoin,
    Subscribe,
    Subscribed,
)
from shared import settings as settings_file
from shared.contracts import PRODUCTS, contract_id
from shared.core import Word
from shared.events import (
    Bar,
    BarOrigin,
    Depth,
    Event,
    FeedState,
    FeedStatus,
    Pulse,
    Quote,
    Started,
    Trade,
)
from shared.settings import Settings
from shared.units import MILLISECOND, SECOND
from shared.venue.times import time_ns

STEP_NS = 250 * MILLISECOND
MNQ = "CON.F.US.MNQ.Z26"
MES = "CON.F.US.MES.Z26"
MORNING = "2026-11-18T15:35:10Z"  # Wednesday 09:35:10 CT
E = TypeVar("E", bound=Event)


def at(text: str) -> int:
    return time_ns(text, "a test's instant")


def settings(roots: tuple[str, ...] = ("MNQ",), **changes: object) -> Settings:
    """The defaults with few roots and short warm-ups."""
    base = settings_file.load(env={})
    own = msgspec.structs.replace(
        base.market_data_gateway, roots=roots, warmup_bars_1m=5, warmup_bars_5m=2, **changes
    )
    return msgspec.structs.replace(base, market_data_gateway=own)


def offer(root: str, month: tuple[int, int] = (2026, 12), **changes: object) -> Offer:
    product = PRODUCTS[root]
    made = Offer(
        contract=contract_id(product, *month),
        symbol_id=f"F.US.{product.symbol}",
        name=root,
        tick_nanos=product.tick_nanos,
        tick_micros=product.tick_micros,
        active=True,
    )
    return msgspec.structs.replace(made, **changes)


def price(now_ns: int) -> int:
    """The market: a saw with a slow rise, ticks."""
    half_seconds = now_ns // (SECOND // 2)
    return 80_000 + half_seconds % 37 + half_seconds // 600 % 50


def history(start_ns: int, end_ns: int, span_s: int) -> list[HistoryBar]:
    """The bars that open in [start, end), as the market really traded."""
    bars = []
    length = span_s * SECOND
    open_ns = -(-start_ns // length) * length
    while open_ns < end_ns:
        prices = [price(t) for t in range(open_ns, open_ns + length, SECOND // 2)]
        bars.append(
            HistoryBar(open_ns, prices[0], max(prices), min(prices), prices[-1], len(prices))
        )
        open_ns += length
    return bars


class Stage:
    def __init__(self, start: str, own: Settings | None = None) -> None:
        self.settings = own or settings()
        self.core = Gateway(self.settings)
        self.now_ns = at(start)
        self.said: list[tuple[int, Event]] = []
        self.offers = {root: (offer(root),) for root in self.settings.market_data_gateway.roots}
        self.wanted: tuple[str, ...] = ()
        self.connected = False
        self.deaf: tuple[str, ...] = ()
        self.deaf_trades = False
        self.depth = False  # the venue sends depth too
        self.mute = False
        self.broken = ""
        self.quiet = False  # the market itself does not trade
        self.rejoins = True  # the port obeys Rejoin
        self.acks = True  # the venue acknowledges subscriptions
        self.epoch = 0
        self.cut = False  # take a snapshot and a new core before every event

    # -- the runtime ---------------------------------------------------------------------------

    def tell(self, event: Event) -> None:
        if self.cut:
            snapshot = self.core.snapshot()
            self.core = Gateway(self.settings)
            self.core.restore(snapshot)
            assert self.core.snapshot() == snapshot
        words = tuple(self.core.on(self.now_ns, event))
        self.said += [(self.now_ns, said) for said in words]
        for said in words:  # the port is told after everything was recorded
            if isinstance(said, Word):
                self._obey(said)

    def start(self) -> None:
        self.epoch += 1
        self.connected = False
        self.tell(Started(epoch=self.epoch, fresh=self.epoch == 1))
        self.connect()

    def restart(self, down_s: float) -> None:
        """Killed and born again from a snapshot."""
        snapshot = self.core.snapshot()
        self.now_ns += int(down_s * SECOND)
        self.core = Gateway(self.settings)
        self.core.restore(snapshot)
        self.start()

    # -- the port ------------------------------------------------------------------------------

    def connect(self) -> None:
        self.connected = True
        self.tell(HubUp())

    def disconnect(self, reason: str = "socket closed") -> None:
        self.connected = False
        self.tell(HubDown(reason=reason))

    def _obey(self, word: Word) -> None:
        match word:
            case Subscribe(contracts=contracts):
                self.wanted = contracts
                for contract in contracts if self.connected and self.acks else ():
                    self.tell(Subscribed(contract=contract))
            case Find(root=root) if not self.mute:
                if self.broken:
                    self.tell(Found(root=root, failure=self.broken))
                else:
                    self.tell(Found(root=root, offers=self.offers[root]))
            case Fetch() if not self.mute:
                self.tell(self.answer(word))
            case Rejoin(reason=reason) if self.rejoins:
                self.disconnect(f"suspected: {reason}")
                self.connect()

    def answer(self, word: Fetch) -> Fetched:
        if self.broken:
            return Fetched(request=word.request, failure=self.broken)
        end_ns = min(
            word.end_ns, self.now_ns if word.partial else self.now_ns - word.span_s * SECOND + 1
        )
        start_ns = max(word.start_ns, end_ns - (word.limit + 1) * word.span_s * SECOND)
        bars = [] if self.quiet else history(start_ns, end_ns, word.span_s)
        return Fetched(request=word.request, bars=tuple(bars[-word.limit :]))

    # -- time and the market -------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        """Let the market trade and the pulses beat."""
        end_ns = self.now_ns + int(seconds * SECOND)
        while self.now_ns < end_ns:
            self.now_ns += STEP_NS
            if self.connected and not self.quiet:
                for contract in self.wanted:
                    if contract not in self.deaf:
                        self.tick(contract)
            self.tell(Pulse(real_ns=self.now_ns))

    def tick(self, contract: str) -> None:
        now_ns = self.now_ns
        level = price(now_ns)
        self.tell(
            Quote(contract=contract, bid=level - 1, ask=level + 1, venue_ns=now_ns, recv_ns=now_ns)
        )
        if self.depth:
            self.tell(
                Depth(
                    contract=contract, bids=((level - 1, 5),), asks=((level + 1, 5),),
                    venue_ns=now_ns, recv_ns=now_ns,
                )
            )  # fmt: skip
        if now_ns % (SECOND // 2) == 0 and not self.deaf_trades:
            self.tell(
                Trade(contract=contract, price=level, size=1, venue_ns=now_ns, recv_ns=now_ns)
            )

    # -- what was said -------------------------------------------------------------------------

    def heard(self, kind: type[E], since: int = 0) -> list[E]:
        return [event for _, event in self.said[since:] if isinstance(event, kind)]

    def mark(self) -> int:
        return len(self.said)


# -- what the tests ask ----------------------------------------------------------------------------


def states(stage: Stage, since: int = 0) -> list[FeedState]:
    return [status.state for status in stage.heard(FeedStatus, since)]


def up(start: str = MORNING, *roots: str) -> Stage:
    """A gateway that has been up for twenty seconds."""
    stage = Stage(start, settings(roots or ("MNQ",)))
    stage.start()
    stage.run(20)
    assert states(stage)[-1] is FeedState.UP
    return stage


def assert_bars_are_true(stage: Stage) -> None:
    """The last word on every bar is what the market really traded; LIVE only once, in order."""
    last: dict[tuple[str, int, int], Bar] = {}
    live: dict[tuple[str, int], int] = {}
    for bar in stage.heard(Bar):
        if bar.origin is BarOrigin.LIVE:
            assert (bar.contract, bar.span_s, bar.open_ns) not in last, "LIVE came second"
            assert bar.open_ns > live.get((bar.contract, bar.span_s), 0)
            live[bar.contract, bar.span_s] = bar.open_ns
        last[bar.contract, bar.span_s, bar.open_ns] = bar
    for (_, span_s, open_ns), bar in last.items():
        (true,) = history(open_ns, open_ns + 1, span_s)
        assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (
            true.open, true.high, true.low, true.close, true.volume,
        ), bar  # fmt: skip


def assert_no_hole(stage: Stage, span_s: int, start_ns: int, end_ns: int) -> None:
    opens = {bar.open_ns for bar in stage.heard(Bar) if bar.span_s == span_s}
    length = span_s * SECOND
    expected = set(range(-(-start_ns // length) * length, end_ns - length - 5 * SECOND, length))
    assert expected <= opens, sorted(expected - opens)
