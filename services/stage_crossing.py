"""Three sleeves that pass one contract to each other, for Worlds: their settings, and what more
must hold where opposite wishes are crossed inside.
"""

from __future__ import annotations

from collections import Counter

from msgspec.structs import replace

from services.order_router.words import PlaceOrder
from services.stage_sharing import FAR, NEAR, SHARING, SharedChecks, Sharer, settings_for
from shared.core import Word
from shared.domain.attribution import SAID_BY, Attribution
from shared.domain.sessions import calendar
from shared.domain.sharing import INSIDE, VIRTUAL
from shared.events import Event, Fill, OrderApproved, OrderState, OrderUpdate, Purpose, Quote
from shared.settings import Settings, load

WAIT_S = 3.0
TURN = 8  # ideas of one side before the other's turn


class Relay(Sharer):
    """Holds a contract or two for a while, on the side that is in turn for all; passes it on."""

    every = 4
    lots = 1

    def on_quote(self, quote: Quote) -> None:
        self.state.count += 1
        if self.state.count % self.every:
            return
        idea = self.state.count // self.every
        if self.position:
            self._leave(idea)
        elif self.idle:
            ask = self.buy if self.state.count // (TURN * self.every) % 3 else self.sell
            stop = FAR if idea % 5 else NEAR
            ask(self.lots, sl_ticks=stop, least=1, reason="my turn")

    def _leave(self, idea: int) -> None:
        if idea % 6 == 1 and abs(self.position) > 1:
            self._halve()
        elif idea % 3:
            self.close("passed on")


class Slower(Relay):
    every = 5
    lots = 2


class Slowest(Relay):
    every = 7


HERE = "services.stage_crossing"
CROSSING = {
    **SHARING,
    "TSQ__SHARING_RULES__CROSS_WAIT_S": str(WAIT_S),
    "TSQ__SLEEVES__TREND__IMPLEMENTATION": f"{HERE}:Relay",
    "TSQ__SLEEVES__MEAN_REVERSION__IMPLEMENTATION": f"{HERE}:Slower",
    "TSQ__SLEEVES__TAIL_HEDGE__IMPLEMENTATION": f"{HERE}:Slowest",
}


def crossing_for(seed: int) -> Settings:
    """The cast of a seed; one in eight is that of `stage_sharing`, seldom of one mind."""
    if seed % 8 == 0:
        given = settings_for(seed)
        return replace(given, sharing_rules=replace(given.sharing_rules, cross_wait_s=WAIT_S))
    return load(env={"TSQ__SIMULATOR__SEED": str(1 + seed % 1_000), **CROSSING})


class CrossChecks(SharedChecks):
    """Beside what holds where sleeves share: a crossing has two halves that cancel out, once, and
    nothing of them at the venue; and the report of who earned what is the account's.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.calendar = calendar(settings.session)
        self.report = Attribution()
        self.pairs: dict[str, str] = {}  # tag of an exit -> tag of the entry it was crossed with
        self.halves: dict[int, list[Fill]] = {}  # by number of the crossing
        self.ends: Counter[tuple[str, OrderState]] = Counter()

    def said(self, lane: str, seq: int, now_ns: int, event: Event) -> None:
        super().said(lane, seq, now_ns, event)
        if isinstance(event, SAID_BY.get(lane, ())):
            self.report.observe(event, self.calendar)
        if isinstance(event, OrderApproved) and event.cross is not None:
            if event.purpose is Purpose.EXIT:
                self.pairs[event.tag] = event.cross.tag
        elif lane != "order_router":
            return
        elif isinstance(event, OrderUpdate):
            self.ends[event.tag, event.state] += 1
        elif isinstance(event, Fill):
            self._half(event)

    def _half(self, fill: Fill) -> None:
        inside = fill.trade_id <= -VIRTUAL and fill.purpose in INSIDE
        open_ = [halves for halves in self.halves.values() if len(halves) == 1]
        if not inside:
            assert not open_, f"{fill} between the halves of a crossing"
            return
        halves = self.halves.setdefault((-fill.trade_id - VIRTUAL) // 2, [])
        halves.append(fill)
        assert len(halves) <= 2, f"crossed twice: {halves}"
        if len(halves) < 2:
            return
        exit_, entry = halves
        assert (exit_.purpose, entry.purpose) == (Purpose.EXIT, Purpose.ENTRY)
        assert exit_.sleeve != entry.sleeve, "a sleeve trades with itself"
        assert exit_.side == -entry.side, f"not opposite: {halves}"
        same_size, same_price = exit_.size == entry.size, exit_.price == entry.price
        same = exit_.contract == entry.contract and same_size and same_price
        assert same, f"not one trade: {halves}"
        assert exit_.fee == entry.fee == 0, "a fee for what the venue never saw"
        assert self.pairs.get(exit_.tag) == entry.tag, "nobody approved this crossing"
        self.seen["crossed"] += 1

    def overheard(self, actor: str, now_ns: int, word: Word) -> None:
        super().overheard(actor, now_ns, word)
        if isinstance(word, PlaceOrder):
            assert word.tag not in self.pairs.values(), f"to be crossed, not sent: {word}"
            crossed = self.ends[word.tag, OrderState.FILLED]
            assert not crossed, f"was crossed, and is sent: {word}"

    def judge(self) -> None:
        super().judge()
        halves = [fill for pair in self.halves.values() for fill in pair]
        assert len(halves) == 2 * len(self.halves), "half a crossing"
        filled = {fill.tag for fill in halves}
        for exit_, entry in self.pairs.items():
            refused = self.ends[entry, OrderState.REFUSED]
            both = exit_ in filled and entry in filled
            neither = exit_ not in filled and entry not in filled and refused
            assert both or neither, f"{exit_} and {entry} parted"
            assert self.ends[entry, OrderState.FILLED] == both, "answered once"
            self.seen["refused"] += not both
        truth = self.stage.truth()
        assert self.report.account().net == truth.profit_micros - truth.fees_micros
