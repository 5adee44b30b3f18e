"""What the gateway remembers: one `Line` per contract, the history still owed, the day.

All of it is plain data, so that a snapshot is one encoding and a restart goes on where it stopped.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from msgspec import Struct

from services.market_data_gateway.words import HistoryBar
from shared.domain.bars import SPANS_S, BarBuilder
from shared.events import FeedState, Phase
from shared.units import SECOND, Nanos, Ticks

QUIET_MAX_NS: Final = 60 * SECOND  # no market of ours is silent for longer in trading hours
RECENT_NS: Final = 900 * SECOND  # of history says what is to be expected at this hour
RARE: Final = 20  # silence this many times the usual one is no chance
MOVES_WITHOUT_DEPTH: Final = 10  # quotes and depth come from one book
_SMOOTHING: Final = 5  # each silence moves the usual one by a 32nd


def floor(instant_ns: Nanos, span_s: int) -> Nanos:
    """When the bar opened that holds an instant."""
    return instant_ns - instant_ns % (span_s * SECOND)


class Purpose(Enum):
    """Why bars of history are fetched."""

    WARMUP = "WARMUP"
    REPAIR = "REPAIR"  # closed bars of a gap; the Gap waits for them
    OWED = "OWED"  # the bar that was forming while the gap ended
    PROBE = "PROBE"  # did the market trade while we heard nothing?


class Job(Struct):
    """History to fetch, until it came or was given up."""

    request: int
    contract: str
    span_s: int
    start_ns: Nanos
    end_ns: Nanos
    limit: int
    purpose: Purpose
    due_ns: Nanos
    asked: bool = False
    attempts: int = 0


class Line(Struct):
    """One contract's stream. Times are market time of receipt unless said."""

    root: str
    contract: str
    day: str  # the trading day it was listed on
    builder: BarBuilder
    warm: bool = False  # all warm-up bars of `day` were published
    warm_bars: int = 0
    acked: bool = False
    seen: bool = False  # a fresh quote came on this connection
    quote_ns: Nanos = 0  # last quote
    trade_ns: Nanos = 0  # last trade
    venue_ns: Nanos = 0  # latest venue time of either
    usual_ns: Nanos = 0  # usual time between quotes, learned
    patience_ns: Nanos = 0  # more silence than usual was found to be true
    since_ns: Nanos = 0  # subscribed, or given up on, at; silence counts from here
    probed_ns: Nanos = 0  # history was last asked about a silent tape
    lag_ns: Nanos = 0  # age of the last quote when it came
    is_new: bool = True  # never whole yet, so that nothing can be missing
    broken_ns: Nanos = 0  # the stream is incomplete since; 0: it is whole
    covered_ns: dict[int, Nanos] = {}  # per span: bars that open before are published or asked for
    gap_start_ns: Nanos = 0  # a gap waits for its repair
    gap_end_ns: Nanos = 0
    gap_bars: int = 0
    gap_reason: str = ""
    gap_lost: bool = False  # what it swallowed was asked for again and again, in vain
    depth_ns: Nanos = 0  # last depth on this connection; 0: none yet, so nothing to miss
    bid: Ticks = 0
    ask: Ticks = 0
    moves: int = 0  # times the quote moved since the last depth

    def heard_quote(self, recv_ns: Nanos, bid: Ticks, ask: Ticks) -> None:
        """A fresh quote: learn how long this market is usually silent, and whether it moves."""
        if bid != self.bid or ask != self.ask:
            self.bid, self.ask = bid, ask
            self.moves += 1
        silence = recv_ns - self.quote_ns
        if 0 <= silence <= QUIET_MAX_NS:
            self.usual_ns += (silence - self.usual_ns) >> _SMOOTHING
        self.quote_ns = recv_ns

    def expect(self, bars: list[HistoryBar], span_ns: Nanos) -> None:
        """What the market traded lately, by bars of its history, says how often it will be quoted
        at this hour, before enough quotes were heard: about once for each contract.
        """
        since_ns = bars[-1].open_ns - RECENT_NS if bars else 0
        recent = [bar for bar in bars if bar.open_ns > since_ns]
        traded = sum(bar.volume for bar in recent)
        if traded:
            took_ns = recent[-1].open_ns + span_ns - recent[0].open_ns
            self.usual_ns = max(self.usual_ns, min(QUIET_MAX_NS // RARE, took_ns // traded))

    def silence_limit(self, least_ns: Nanos) -> Nanos:
        """The longest silence of quotes that is still believed, for this market at this hour."""
        return max(least_ns, min(QUIET_MAX_NS, max(self.patience_ns, RARE * self.usual_ns)))

    def depth_is_frozen(self, now_ns: Nanos, limit_ns: Nanos) -> bool:
        """Whether the best prices moved again and again and the book that they are the top of says
        nothing. A venue that sends no depth at all misses none.
        """
        late = self.depth_ns and now_ns - max(self.depth_ns, self.since_ns) > limit_ns
        return bool(late) and self.moves >= MOVES_WITHOUT_DEPTH

    def heard_ns(self) -> Nanos:
        return max(self.quote_ns, self.trade_ns)

    def is_whole(self) -> bool:
        return self.broken_ns == 0

    def breaks(self, since_ns: Nanos, reason: str) -> None:
        """From `since_ns` on (or the earlier break) ticks may be missing."""
        if self.broken_ns:
            return
        self.broken_ns = max(1, since_ns)
        self.gap_reason = reason
        self.covered_ns = {
            span: min(floor(since_ns, span), self.builder.unsaid_from(span, since_ns))
            for span in SPANS_S
        }
        self.builder.hold()


class Search(Struct):
    """A root whose contract is not known yet today."""

    due_ns: Nanos
    asked: bool = False
    attempts: int = 0
    refusal: str = ""


class State(Struct):
    """Everything. `day` is empty before the first start."""

    day: str = ""
    phase: Phase = Phase.CLOSED
    edge_ns: Nanos = 0  # the session changes next
    outside: str = ""  # why no trading day is known
    feed: FeedState = FeedState.DOWN
    reason: str = ""
    since_ns: Nanos = 0  # the feed is as it is since
    hub: bool = False
    hub_reason: str = "not connected yet"
    rejoins: int = 0
    rejoin_ns: Nanos = 0  # no further rejoin before
    repair_by_ns: Nanos = 0  # gaps are published at the latest
    requests: int = 0
    lines: dict[str, Line] = {}  # by contract
    searches: dict[str, Search] = {}  # by root
    jobs: list[Job] = []
