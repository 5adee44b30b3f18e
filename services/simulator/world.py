"""The simulator's whole memory, how it begins, and the machines that work on it.

One struct holds everything a snapshot needs; `Machines` are built from it and keep nothing of their
own that could not be built again. Seed, start and products are part of the memory (see
`market_feeds.py`): a restart under other settings goes on with the old ones, a fresh `<var>` starts
anew. The weather setting may change at any time.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from services.simulator.bailiff import Bailiff
from services.simulator.counter import Counter, first_accounts
from services.simulator.customs import customs_of
from services.simulator.desk import Desk
from services.simulator.dice import Delay, Dice, seed_of
from services.simulator.exchange import Exchange
from services.simulator.exchange_state import ExchangeState
from services.simulator.history import Series
from services.simulator.market import DayStats, Hours
from services.simulator.market_feeds import Markets, MarketState, begin_markets
from services.simulator.matching import BookState
from services.simulator.pull_replay import Pulls, PullsState
from services.simulator.queries import Queries
from services.simulator.recorded_load import Recording
from services.simulator.stream import Stream, StreamState
from services.simulator.words import Faults
from shared.domain.sessions import calendar
from shared.sections import Simulator as SimulatorSettings
from shared.settings import Settings
from shared.units import MILLISECOND, Nanos
from shared.venue.times import time_ns


class SimulatorState(Struct, kw_only=True):
    """Everything. `market_ns`: the instant the market has been run to."""

    market_ns: Nanos
    day: str  # the trading day that holds at `market_ns`
    markets: MarketState
    exchange: ExchangeState
    stream: StreamState
    series: dict[str, Series]
    days: dict[str, DayStats]
    pulls: PullsState = field(default_factory=PullsState)


def begin(settings: Settings, recordings: Mapping[str, Recording]) -> SimulatorState:
    """The first moment of a fresh simulation. Raises ValueError naming the setting."""
    wish = settings.simulator
    start_ns = time_ns(wish.start, "simulator.start")
    hours = Hours(calendar(settings.session))
    day = hours.day(start_ns).day
    state = begin_markets(wish, start_ns, recordings, hours)
    markets = Markets(state, recordings, wish.regime, hours)
    books = {root: BookState(last=markets.last(root)) for root in markets.roots()}
    return SimulatorState(
        market_ns=start_ns,
        day=day,
        markets=state,
        exchange=ExchangeState(
            accounts=first_accounts(wish, settings.packs),
            books=books,
            dice=Dice(seed_of(wish.seed, "exchange")),
            faults=Faults(),
        ),
        stream=StreamState(Dice(seed_of(wish.seed, "stream"))),
        series={root: Series() for root in books},
        days={root: DayStats(previous=book.last) for root, book in books.items()},
    )


class Machines:
    """What works on a state. Raises ValueError if state and settings cannot go together."""

    def __init__(
        self, settings: Settings, recordings: Mapping[str, Recording], state: SimulatorState
    ) -> None:
        wish = settings.simulator
        self.state = state
        self.hours = Hours(calendar(settings.session))
        self.markets = Markets(state.markets, recordings, wish.regime, self.hours)
        there, back = wish.latency.spread_percent, wish.latency.back_spread_percent
        self.stream = Stream(state.stream, delay_of(wish, wish.latency.stream_ms, back))
        self.exchange = Exchange(
            state.exchange,
            latency=delay_of(wish, wish.latency_ms, there),
            slippage=wish.stop_slippage_ticks,
            commissions_apart=wish.commissions_apart,
            customs=customs_of(wish),
        )
        self.bailiff = Bailiff(self.exchange, self.hours)
        self.counter = Counter(self.exchange, self.bailiff, self.hours, settings)
        self.desk = Desk(
            self.exchange,
            self.hours,
            acknowledge=delay_of(wish, wish.latency.acknowledge_ms, back),
        )
        self.queries = Queries(self.exchange, self.hours, state.series, self.markets.past())
        films = {root: recording.bars for root, recording in recordings.items()}
        self.pulls = Pulls(state.pulls, settings, films, state.markets.seed)


def delay_of(wish: SimulatorSettings, base_ms: int, spread_percent: int) -> Delay:
    base_ns = base_ms * MILLISECOND
    return Delay(base_ns, base_ns * spread_percent // 100, wish.latency.shape == "tail")
