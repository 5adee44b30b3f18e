"""The simulator's whole memory, how it begins, and the machines that work on it.

One struct holds everything a snapshot needs; `Machines` are built from it and keep nothing of their
own that could not be built again. Seed and start are part of the memory: bars served once never
change, so a restart under other settings goes on with the old ones (a fresh `<var>` starts anew).
The weather setting may change at any time.
"""

from __future__ import annotations

from msgspec import Struct

from services.simulator.bailiff import Bailiff
from services.simulator.counter import Counter, first_accounts
from services.simulator.desk import Customs, Desk
from services.simulator.dice import Dice, seed_of
from services.simulator.exchange import Exchange
from services.simulator.exchange_state import ExchangeState
from services.simulator.history import Past, Series
from services.simulator.market import Feed, Hours
from services.simulator.market_recorded import Recorded, RecordedBar, RecordedState, lay_over
from services.simulator.market_synthetic import Synthetic, SyntheticState, check_regime
from services.simulator.matching import BookState
from services.simulator.queries import Queries
from services.simulator.tape import DayStats
from services.simulator.weather import CHARACTERS
from services.simulator.words import Faults
from shared.contracts import PRODUCTS
from shared.domain.sessions import calendar
from shared.settings import Settings
from shared.units import MILLISECOND, Nanos
from shared.venue.times import time_ns


class Playing(Struct, kw_only=True):
    """Which recording plays; a snapshot goes on with the very same one only."""

    root: str
    first_ns: Nanos
    bars: int
    feed: RecordedState


class SimulatorState(Struct, kw_only=True):
    """Everything. `market_ns`: the instant the market has been run to."""

    seed: int
    start_ns: Nanos
    market_ns: Nanos
    day: str  # the trading day that holds at `market_ns`
    synthetic: SyntheticState
    playing: Playing | None
    exchange: ExchangeState
    series: dict[str, Series]
    days: dict[str, DayStats]


def recorded_root(settings: Settings) -> str:
    """The product a recording stands for. Raises ValueError for one we do not know."""
    root = settings.simulator.recorded_root
    if root not in PRODUCTS:
        raise ValueError(f"simulator.recorded_root was {root!r}; known: {sorted(PRODUCTS)}")
    return root


def begin(settings: Settings, recording: tuple[RecordedBar, ...]) -> SimulatorState:
    """The first moment of a fresh simulation. Raises ValueError naming the setting."""
    wish = settings.simulator
    start_ns = time_ns(wish.start, "simulator.start")
    hours = Hours(calendar(settings.session))
    day = hours.day(start_ns).day
    check_regime(wish.regime)
    playing = None
    roots = list(CHARACTERS)
    if recording:
        root = recorded_root(settings)
        bars = lay_over(recording, start_ns)
        feed = Recorded.fresh(root, bars, start_ns, hours=hours, seed=wish.seed).state
        playing = Playing(root=root, first_ns=recording[0][0], bars=len(recording), feed=feed)
        roots = [name for name in roots if name != root]
    first = {root: Past(start_ns, hours, seed=wish.seed, root=root).last() for root in roots}
    books = {root: BookState(last=price) for root, price in first.items()}
    if playing is not None:
        books[playing.root] = BookState(last=playing.feed.book.last)
    synthetic = Synthetic.fresh(wish.seed, wish.regime, start_ns, first, hours=hours)
    return SimulatorState(
        seed=wish.seed,
        start_ns=start_ns,
        market_ns=start_ns,
        day=day,
        synthetic=synthetic.state,
        playing=playing,
        exchange=ExchangeState(
            accounts=first_accounts(wish),
            books=books,
            dice=Dice(seed_of(wish.seed, "exchange")),
            faults=Faults(),
        ),
        series={root: Series() for root in books},
        days={root: DayStats(previous=book.last) for root, book in books.items()},
    )


class Machines:
    """What works on a state. Raises ValueError if state and settings cannot go together."""

    def __init__(
        self, settings: Settings, recording: tuple[RecordedBar, ...], state: SimulatorState
    ) -> None:
        wish = settings.simulator
        playing = state.playing
        found = (recorded_root(settings), recording[0][0], len(recording)) if recording else None
        kept = (playing.root, playing.first_ns, playing.bars) if playing else None
        if found != kept:
            raise ValueError(
                f"simulator.market: the memory goes with recording {kept}, the settings give"
                f" {found}; start with a fresh memory"
            )
        self.state = state
        self.hours = Hours(calendar(settings.session))
        state.synthetic.weather.setting = wish.regime
        self.synthetic = Synthetic(state.synthetic, self.hours)
        self.feeds: list[Feed] = [self.synthetic]
        bars: dict[str, tuple[RecordedBar, ...]] = {}
        if playing is not None:
            bars[playing.root] = lay_over(recording, state.start_ns)
            self.feeds.append(
                Recorded(
                    playing.feed,
                    playing.root,
                    bars[playing.root],
                    hours=self.hours,
                    seed=state.seed,
                )
            )
        past = {
            root: Past(
                state.start_ns, self.hours, seed=state.seed, root=root, recording=bars.get(root)
            )
            for root in state.series
        }
        latency_ns = wish.latency_ms * MILLISECOND
        self.exchange = Exchange(
            state.exchange,
            latency_ns=latency_ns,
            slippage=wish.stop_slippage_ticks,
            commissions_apart=wish.commissions_apart,
        )
        self.bailiff = Bailiff(self.exchange, self.hours)
        self.counter = Counter(self.exchange, self.bailiff, wish)
        self.desk = Desk(
            self.exchange, self.hours, latency_ns=latency_ns, customs=customs_of(settings)
        )
        self.queries = Queries(self.exchange, self.hours, state.series, past)


def customs_of(settings: Settings) -> Customs:
    wish = settings.simulator
    return Customs(
        stop_limit=wish.stop_limit,
        unsigned_ticks=wish.unsigned_bracket_ticks,
        cap_counts_working=wish.cap_counts_working,
    )
