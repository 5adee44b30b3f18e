"""The gateway's mind: what trades today, what its bars are, and whether the feed is to be believed.

Hears its own relayed ticks (Quote, Trade, Depth), its port's words and the runtime's pulses. Says
Bar, ContractListed, WarmupDone, FeedStatus, Gap and SessionPhase; asks its port to find contracts,
to subscribe, to fetch history and to make a new connection. (The ticks are published by the port's
relay, not said here.) Belief is in `feed.py`, fetched bars in `history.py`, the choice
of a contract in `listing.py`.

On every new trading day each root is looked up again, listed, and its warm-up bars are published
oldest first: whoever starts later in the day finds all it needs in this day's journal. Bars since
the day began are never among them if they were said LIVE. While the process was down ticks were
missed: a restart is a gap like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final

import msgspec

from services.market_data_gateway import history
from services.market_data_gateway.feed import Feed
from services.market_data_gateway.listing import choose
from services.market_data_gateway.state import Line, Purpose, Search, State, floor
from services.market_data_gateway.words import (
    Fetch,
    Fetched,
    Find,
    Found,
    HubDown,
    HubUp,
    Offer,
    Rejoin,
    Remark,
    Subscribe,
    Subscribed,
)
from shared.core import Word
from shared.domain.bars import SPANS_S, BarBuilder
from shared.domain.sessions import OutsideCalendar, calendar
from shared.events import (
    Bar,
    ClockJump,
    ContractListed,
    Depth,
    Event,
    FeedStatus,
    Gap,
    Phase,
    Pulse,
    Quote,
    SessionPhase,
    Started,
    Trade,
    WarmupDone,
)
from shared.settings import Settings
from shared.units import MINUTE, SECOND

_NOTHING: Final[tuple[Event, ...]] = ()


class Gateway:
    """The market-data gateway's core."""

    subscribes: Mapping[str, tuple[type[Event], ...]] = {
        "market_data_gateway.ticks": (Quote, Trade, Depth)
    }
    publishes: ClassVar[tuple[type[Event], ...]] = (
        Quote, Trade, Depth, Bar, ContractListed, WarmupDone, FeedStatus, Gap, SessionPhase,
    )  # fmt: skip
    words: ClassVar[tuple[type[Word], ...]] = (
        Find, Subscribe, Fetch, Rejoin, Remark, HubUp, HubDown, Subscribed, Found, Fetched,
    )  # fmt: skip
    watches: Mapping[str, float] = {}

    def __init__(self, settings: Settings) -> None:
        own = settings.market_data_gateway
        self._roots = own.roots
        self._roll_days = own.roll_days_before_expiry
        self._warmup = {60: own.warmup_bars_1m, 300: own.warmup_bars_5m}
        self._warmup = {span: count for span, count in self._warmup.items() if count}
        self._calendar = calendar(settings.session)
        self._feed = Feed(self._calendar, int(own.silence_limit_s * SECOND))
        self._state = State()
        self._handlers: dict[type[Event], Callable[[int, Any], Iterable[Event]]] = {
            Quote: self._quote,
            Trade: self._trade,
            Depth: self._depth,
            Pulse: self._pulse,
            Gap: self._missed,
            Started: self._started,
            ClockJump: self._clock_jump,
            HubUp: self._hub_up,
            HubDown: self._hub_down,
            Subscribed: self._subscribed,
            Found: self._found,
            Fetched: self._fetched,
        }

    def on(self, now_ns: int, event: Event) -> Iterable[Event]:
        handler = self._handlers.get(type(event))
        return _NOTHING if handler is None else handler(now_ns, event)

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self._state)

    def restore(self, snapshot: bytes) -> None:
        self._state = msgspec.msgpack.decode(snapshot, type=State)

    def recall(self, now_ns: int, said: Event) -> None:
        """Believe our own record: what was listed, said and asked; everything else starts anew."""
        state = self._state
        match said:
            case SessionPhase():
                state.day, state.phase = said.trading_day, said.phase
            case FeedStatus():
                state.feed, state.reason, state.since_ns = said.state, said.reason, said.since_ns
            case ContractListed():
                self._new_line(said.root, said.contract, now_ns).day = said.trading_day
            case WarmupDone() if said.contract in state.lines:
                state.lines[said.contract].warm = True
                history.forget(state, said.contract, Purpose.WARMUP)
            case Bar() if said.contract in state.lines:
                line = state.lines[said.contract]
                line.trade_ns = max(line.trade_ns, said.close_ns)
            case Fetch():
                state.requests = max(state.requests, said.request)

    # -- ticks -------------------------------------------------------------------------------------

    def _quote(self, now_ns: int, quote: Quote) -> Iterable[Event]:
        line = self._state.lines.get(quote.contract)
        if line is None:
            return _NOTHING
        if quote.venue_ns > line.venue_ns:
            line.venue_ns = quote.venue_ns
        closed = line.builder.advance(quote.venue_ns)
        woken = self._feed.quote(self._state, line, quote, now_ns)
        return [*closed, *woken] if woken else closed

    def _trade(self, now_ns: int, trade: Trade) -> Iterable[Event]:
        line = self._state.lines.get(trade.contract)
        if line is None:
            return _NOTHING
        if trade.venue_ns > line.venue_ns:
            line.venue_ns = trade.venue_ns
        if trade.recv_ns > line.trade_ns:
            line.trade_ns = trade.recv_ns
        lost = line.builder.lost
        said = line.builder.trade(trade.price, trade.size, trade.venue_ns)
        if line.builder.lost == lost:
            return said
        lost += 1
        if lost & (lost - 1):  # told at 1, 2, 4, 8: a venue that is late for long fills no log
            return said
        return [*said, Remark(text=f"{line.contract}: {lost} trades came too late for their bars")]

    def _depth(self, now_ns: int, depth: Depth) -> Iterable[Event]:
        line = self._state.lines.get(depth.contract)
        if line is not None:
            line.depth_ns, line.moves = depth.recv_ns, 0
        return _NOTHING

    def _missed(self, now_ns: int, gap: Gap) -> Iterable[Event]:
        """Ticks of ours were lost on the way to ourselves: the bars are incomplete all the same."""
        for line in self._state.lines.values():
            line.breaks(line.heard_ns() or now_ns, gap.reason or "ticks were lost inside")
        return self._feed.weigh(self._state, now_ns)

    # -- time --------------------------------------------------------------------------------------

    def _pulse(self, now_ns: int, pulse: Pulse) -> Iterable[Event]:
        state = self._state
        said: list[Event] = []
        if now_ns >= state.edge_ns:
            said += self._session(now_ns)
        for line in state.lines.values():
            said += line.builder.pulse(now_ns)
        said += self._feed.watch(state, now_ns)
        said += self._search(now_ns)
        said += self._feed.weigh(state, now_ns)
        return said

    def _session(self, now_ns: int) -> Iterable[Event]:
        """Say the phase; on a new trading day every root is looked up again."""
        state = self._state
        try:
            day = self._calendar.at(now_ns)
        except OutsideCalendar as error:
            state.day, state.phase, state.edge_ns = "", Phase.CLOSED, now_ns + MINUTE
            state.outside = state.outside or str(error)
            return
        state.edge_ns = day.next_change(now_ns)
        state.phase = day.phase(now_ns)
        if day.day != state.day:
            state.day = day.day
            state.searches = {root: Search(due_ns=now_ns) for root in self._roots}
            for line in state.lines.values():
                line.patience_ns = 0
        yield SessionPhase(
            trading_day=day.day,
            phase=state.phase,
            flat_by_ns=day.flat_by_ns,
            reopens_ns=day.next_open(now_ns),
        )

    def _started(self, now_ns: int, started: Started) -> Iterable[Event]:
        """A new process: no connection, no question pending, ticks missed since the last one."""
        state = self._state
        for contract in [line.contract for line in state.lines.values()]:
            if state.lines[contract].root not in self._roots:
                self._drop(contract)
        state.jobs = [job for job in state.jobs if job.purpose is not Purpose.PROBE]
        for job in state.jobs:
            job.asked = False
        for line in state.lines.values():
            if not line.warm and not any(job.contract == line.contract for job in state.jobs):
                history.plan_warmup(state, line, self._warmup, (now_ns, now_ns))
        state.reason = ""
        state.rejoins = state.rejoin_ns = 0
        said = list(self._session(now_ns))
        listed = [line.root for line in state.lines.values() if line.day == state.day]
        state.searches = {root: Search(due_ns=now_ns) for root in self._roots if root not in listed}
        said += self._feed.lose(state, "the gateway started", now_ns)
        return [*said, *self._search(now_ns)]

    def _clock_jump(self, now_ns: int, jump: ClockJump) -> Iterable[Event]:
        """The computer slept: whatever the connection still says is old."""
        reason = f"the computer slept {jump.slept_ns // SECOND} s"
        return [*self._feed.lose(self._state, reason, now_ns), Rejoin(reason=reason)]

    # -- the connection ----------------------------------------------------------------------------

    def _hub_up(self, now_ns: int, word: HubUp) -> Iterable[Event]:
        state = self._state
        said = self._feed.join(state, now_ns)
        return [*said, Subscribe(contracts=tuple(state.lines))] if state.lines else said

    def _hub_down(self, now_ns: int, word: HubDown) -> Iterable[Event]:
        return self._feed.lose(self._state, word.reason, now_ns)

    def _subscribed(self, now_ns: int, word: Subscribed) -> Iterable[Event]:
        line = self._state.lines.get(word.contract)
        if line is None:
            return _NOTHING
        line.acked = True
        line.since_ns = now_ns
        return self._feed.weigh(self._state, now_ns)

    # -- contracts and history ---------------------------------------------------------------------

    def _search(self, now_ns: int) -> Iterable[Event]:
        for root, search in self._state.searches.items():
            if not search.asked and search.due_ns <= now_ns:
                search.asked = True
                yield Find(root=root)

    def _found(self, now_ns: int, found: Found) -> Iterable[Event]:
        state = self._state
        search = state.searches.get(found.root)
        if search is None or not state.day:
            return _NOTHING
        choice = None
        if not found.failure:
            choice = choose(found.root, found.offers, state.day, self._roll_days)
            if choice.offer is not None:
                del state.searches[found.root]
                return [
                    *self._list(found.root, choice.offer, now_ns),
                    *self._feed.weigh(state, now_ns),
                ]
            self._unlist(found.root)
        refusal = found.failure if choice is None else choice.refusal
        search.asked = False
        search.attempts += 1
        search.due_ns = now_ns + history.pause_ns(search.attempts + 1)
        said: list[Event] = []
        if refusal != search.refusal:
            search.refusal = refusal
            said.append(Remark(text=f"{found.root} is not listed: {refusal}"))
        return [*said, *self._feed.weigh(state, now_ns)]

    def _list(self, root: str, offer: Offer, now_ns: int) -> Iterable[Event]:
        """`offer` is what `root` means today. Bars since the day began are live already, if any."""
        state = self._state
        line = state.lines.get(offer.contract)
        until_ns = now_ns
        fresh = line is None
        if line is None:
            self._unlist(root)
            line = self._new_line(root, offer.contract, now_ns)
        else:
            until_ns = min(now_ns, self._calendar.named(state.day).begins_ns)
        line.day = state.day
        yield ContractListed(
            root=root,
            contract=offer.contract,
            name=offer.name,
            tick_nanos=offer.tick_nanos,
            tick_micros=offer.tick_micros,
            trading_day=state.day,
        )
        history.plan_warmup(state, line, self._warmup, (until_ns, now_ns))
        yield from history.finish_warmup(state, line)
        if fresh and state.hub:
            yield Subscribe(contracts=tuple(state.lines))

    def _new_line(self, root: str, contract: str, now_ns: int) -> Line:
        """A stream nothing was heard of yet; the warm-up covers what was before."""
        line = Line(
            root=root, contract=contract, day=self._state.day, builder=BarBuilder.of(contract)
        )
        line.breaks(now_ns, "new")
        line.since_ns = now_ns
        line.covered_ns = {span: floor(now_ns, span) for span in SPANS_S}
        self._state.lines[contract] = line
        return line

    def _unlist(self, root: str) -> None:
        for contract in [line.contract for line in self._state.lines.values() if line.root == root]:
            self._drop(contract)

    def _drop(self, contract: str) -> None:
        del self._state.lines[contract]
        history.forget(self._state, contract)

    def _fetched(self, now_ns: int, answer: Fetched) -> Iterable[Event]:
        state = self._state
        job, said = history.take(state, answer, now_ns)
        if job is None:
            return said
        if job.purpose is Purpose.PROBE:
            said += self._feed.judge(state, job, answer, now_ns)
        return [*said, *self._feed.weigh(state, now_ns)]
