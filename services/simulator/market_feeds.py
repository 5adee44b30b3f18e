"""All markets of a simulation: what is made up, what is recorded, and the history of both.

One struct holds everything a snapshot needs. Seed, start, products and recordings belong to the
memory: a bar served once never changes, so a restart under other settings of these goes on with the
old ones, and a recording that is gone or another one stops the start. The weather may change.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from services.simulator.history import Past, RawBar
from services.simulator.market import Feed, Hours
from services.simulator.market_recorded import Recorded, RecordedState, lay_over, moved
from services.simulator.market_recorded_ticks import RecordedTicks, TicksState, shift_of
from services.simulator.market_synthetic import Synthetic, SyntheticState
from services.simulator.recorded_load import Recording
from shared.contracts import PRODUCTS
from shared.sections import Simulator
from shared.units import Nanos, Ticks


class Playing(Struct, kw_only=True):
    """A recording in the memory: which one, and where it is. One of the two states is set."""

    identity: tuple[str, int, int]
    bars: RecordedState | None = None
    ticks: TicksState | None = None


class MarketState(Struct, kw_only=True):
    seed: int
    start_ns: Nanos
    synthetic: SyntheticState
    playing: dict[str, Playing]


def check_products(roots: tuple[str, ...]) -> None:
    """Raises ValueError naming the setting."""
    unknown = [root for root in roots if root not in PRODUCTS]
    if unknown or len(set(roots)) != len(roots):
        raise ValueError(
            f"simulator.feed.products was {list(roots)}; each is once one of {sorted(PRODUCTS)}"
        )


def begin_markets(
    wish: Simulator, start_ns: Nanos, recordings: Mapping[str, Recording], hours: Hours
) -> MarketState:
    """The first moment of all products. Raises ValueError naming the setting."""
    check_products(wish.feed.products)
    playing: dict[str, Playing] = {}
    for root, recording in recordings.items():
        made = playing[root] = Playing(identity=recording.identity())
        if recording.tape is not None:
            made.ticks = RecordedTicks.fresh(
                root, recording.tape, start_ns, hours=hours, seed=wish.seed
            ).state
        else:
            bars = lay_over(recording.bars, start_ns)
            made.bars = Recorded.fresh(root, bars, start_ns, hours=hours, seed=wish.seed).state
    roots = [root for root in wish.feed.products if root not in recordings]
    first = {root: Past(start_ns, hours, seed=wish.seed, root=root).last() for root in roots}
    synthetic = Synthetic.fresh(wish.seed, wish.regime, start_ns, first, hours=hours)
    return MarketState(
        seed=wish.seed, start_ns=start_ns, synthetic=synthetic.state, playing=playing
    )


class Markets:
    """The feeds that work on a state. Raises ValueError if state and recordings do not fit."""

    def __init__(
        self, state: MarketState, recordings: Mapping[str, Recording], regime: str, hours: Hours
    ) -> None:
        found = {root: recording.identity() for root, recording in recordings.items()}
        kept = {root: playing.identity for root, playing in state.playing.items()}
        if found != kept:
            raise ValueError(
                f"simulator.market: the memory goes with recordings {kept}, the settings give"
                f" {found}; start with a fresh memory"
            )
        self.state = state
        self._hours = hours
        self.synthetic = Synthetic(state.synthetic, hours)
        self.synthetic.wish(regime)
        self.feeds: list[Feed] = [self.synthetic]
        self._bars: dict[str, tuple[RawBar, ...]] = {}
        for root, playing in state.playing.items():
            self._play(root, playing, recordings[root])

    def _play(self, root: str, playing: Playing, recording: Recording) -> None:
        state, hours = self.state, self._hours
        if recording.tape is not None:
            assert playing.ticks is not None, "Invariant: a tape is played by ticks"
            shift = shift_of(recording.tape, state.start_ns)
            self._bars[root] = moved(recording.bars, shift)
            self.feeds.append(
                RecordedTicks(playing.ticks, root, recording.tape, hours=hours, shift=shift)
            )
            return
        assert playing.bars is not None, "Invariant: without a tape bars are played"
        bars = self._bars[root] = lay_over(recording.bars, state.start_ns)
        self.feeds.append(Recorded(playing.bars, root, bars, hours=hours, seed=state.seed))

    def last(self, root: str) -> Ticks:
        """The latest price of a product."""
        playing = self.state.playing.get(root)
        if playing is None:
            return self.state.synthetic.lines[root].book.last
        place = playing.ticks or playing.bars
        assert place is not None, "Invariant: a recording has a place"
        return place.book.last or place.book.bid

    def roots(self) -> list[str]:
        """Every product that has a market, made up ones first."""
        return [*self.state.synthetic.lines, *self.state.playing]

    def past(self) -> dict[str, Past]:
        state = self.state
        return {
            root: Past(
                state.start_ns,
                self._hours,
                seed=state.seed,
                root=root,
                recording=self._bars.get(root),
            )
            for root in self.roots()
        }
