"""Is the market feed to be believed?

A connection proves nothing. The feed is UP only when every listed contract's subscriptions were
acknowledged *and* a fresh quote of each was seen on this connection, and when the bars a gap
swallowed have been fetched again (or `REPAIR_PATIENCE_NS` has passed). A quote whose venue time is
old is no sign of life.

Silence in trading hours beyond what this market usually allows itself is a freeze: FROZEN, a new
connection, and meanwhile the venue's history is asked whether the market traded. If it did not,
more silence is believed next time. Trades may be rare where quotes flow, so a silent tape is a
freeze only when history proves it; a silent book is one when the quotes, which are its top, moved
again and again. Silence while the market is closed means nothing, and a gap in
closed hours is none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from services.market_data_gateway import history
from services.market_data_gateway.state import Job, Line, Purpose, State
from services.market_data_gateway.words import Fetched, Rejoin, Remark
from shared.domain.sessions import Calendar, OutsideCalendar
from shared.events import Event, FeedState, FeedStatus, Gap, Phase, Quote
from shared.units import SECOND, Nanos

LAG_NS: Final = 10 * SECOND  # a quote that was older than this when it came is not fresh
TRADES_TO_QUOTES: Final = 12  # trades may be silent so many times longer before we ask
REPAIR_PATIENCE_NS: Final = 10 * SECOND
REJOIN_PAUSE_NS: Final = 5 * SECOND


class Feed(Struct, frozen=True):
    """The judge. It remembers nothing itself: what it knows is in the `State` it is given."""

    calendar: Calendar
    silence_ns: Nanos

    def quote(self, state: State, line: Line, quote: Quote, now_ns: Nanos) -> Iterable[Event]:
        """A quote came: is it a sign of life, and the one the feed was waiting for?"""
        line.lag_ns = quote.recv_ns - quote.venue_ns
        if line.lag_ns > LAG_NS:
            return ()
        line.heard_quote(quote.recv_ns, quote.bid, quote.ask)
        if line.seen:
            return ()
        line.seen = True  # also while we still subscribe: the full quote comes before the last yes
        return self.weigh(state, now_ns) if state.hub else ()

    def watch(self, state: State, now_ns: Nanos) -> Iterable[Event]:
        """Tell a freeze from a quiet market; at every pulse."""
        if not state.hub or state.phase is Phase.CLOSED:
            return
        opens_ns = self.calendar.named(state.day).opens_ns
        for line in state.lines.values():
            limit_ns = line.silence_limit(self.silence_ns)
            quiet_ns = now_ns - max(line.quote_ns, line.since_ns, opens_ns)
            trades_ns = now_ns - max(line.trade_ns, line.since_ns, line.probed_ns, opens_ns)
            if line.is_whole() and quiet_ns > limit_ns:
                if line.trade_ns <= line.quote_ns + SECOND:  # else it trades, as we hear ourselves
                    history.plan_probe(state, line, now_ns)
                since_ns = line.quote_ns or now_ns
                reason = f"{line.contract}: no quote for {seconds(quiet_ns)}"
                yield from self._freeze(state, line, reason, (since_ns, now_ns))
            elif line.is_whole() and line.depth_is_frozen(now_ns, limit_ns):
                since_ns, line.acked = line.depth_ns, False
                reason = f"{line.contract}: no depth for {seconds(now_ns - since_ns)}, quotes move"
                yield from self._freeze(state, line, reason, (since_ns, now_ns))
            elif line.is_whole() and trades_ns > TRADES_TO_QUOTES * limit_ns:
                line.probed_ns = now_ns
                history.plan_probe(state, line, now_ns)
            elif not line.is_whole() and now_ns - max(line.since_ns, opens_ns) > limit_ns:
                line.since_ns = now_ns
                reason = f"{line.contract}: still waiting for it"
                yield from self._rejoin(state, reason, now_ns)

    def _freeze(
        self, state: State, line: Line, reason: str, times: tuple[Nanos, Nanos]
    ) -> Iterable[Event]:
        """`times`: ticks are missing since, and now."""
        since_ns, now_ns = times
        line.breaks(since_ns, reason)
        line.seen = False
        line.since_ns = now_ns
        if state.feed is not FeedState.FROZEN:
            yield from _say(state, FeedState.FROZEN, reason, now_ns)
        yield from self._rejoin(state, reason, now_ns)

    def _rejoin(self, state: State, reason: str, now_ns: Nanos) -> Iterable[Event]:
        """Ask for a new connection, with a growing pause before the next."""
        if now_ns < state.rejoin_ns:
            return
        state.rejoin_ns = now_ns + min(history.PAUSE_MAX_NS, REJOIN_PAUSE_NS << state.rejoins)
        state.rejoins = min(state.rejoins + 1, 10)
        yield Rejoin(reason=reason)

    def judge(self, state: State, job: Job, answer: Fetched, now_ns: Nanos) -> Iterable[Event]:
        """The venue's history says whether the market traded while we heard nothing."""
        line = state.lines[job.contract]
        if answer.failure:
            return
        if not any(bar.open_ns >= job.start_ns for bar in answer.bars):
            believed_ns = line.silence_limit(self.silence_ns)
            line.patience_ns = min(history.PAUSE_MAX_NS, 2 * believed_ns)
            return
        yield Remark(text=f"{line.contract}: the venue traded while we heard nothing")
        if line.is_whole() and line.trade_ns < job.start_ns:
            line.acked = False  # quotes prove nothing here: only a new connection does
            silent = seconds(now_ns - line.trade_ns)
            reason = f"{line.contract}: no trade heard for {silent}, but the venue traded"
            yield from self._freeze(state, line, reason, (line.trade_ns or now_ns, now_ns))

    def lose(self, state: State, reason: str, now_ns: Nanos) -> list[Event]:
        """The connection is gone: from the last thing heard on, every stream is incomplete."""
        state.hub, state.hub_reason = False, reason
        for line in state.lines.values():
            line.breaks(line.heard_ns() or now_ns, reason)
            line.acked = line.seen = False
            line.depth_ns = line.moves = 0
        return self.weigh(state, now_ns)

    def join(self, state: State, now_ns: Nanos) -> list[Event]:
        """A new connection stands: every stream has to prove itself on it."""
        state.hub = True
        for line in state.lines.values():
            line.breaks(line.heard_ns() or now_ns, "a new connection")
            line.acked = False
            line.since_ns = now_ns
            line.depth_ns = line.moves = 0
        return self.weigh(state, now_ns)

    def weigh(self, state: State, now_ns: Nanos) -> list[Event]:
        """Mend what can be mended, publish gaps that are repaired, say how the feed stands."""
        if state.hub:
            for line in state.lines.values():
                proven = line.seen or state.phase is Phase.CLOSED
                if not line.is_whole() and line.acked and proven:
                    self._mend(state, line, now_ns)
        said: list[Event] = list(history.ask(state, now_ns))
        for line in state.lines.values():
            said += _close_gap(state, line, now_ns)
        feed, reason = self._verdict(state)
        return [*said, *_say(state, feed, reason, now_ns)]

    def _verdict(self, state: State) -> tuple[FeedState, str]:
        refused = "; ".join(
            f"{root} is not listed: {search.refusal}"
            for root, search in state.searches.items()
            if search.refusal
        )
        if not state.day:
            return FeedState.DOWN, state.outside
        if not state.hub:
            return FeedState.DOWN, state.hub_reason
        if not state.lines:
            return FeedState.DOWN, refused or "no contract is known yet"
        waiting = [_waiting(line) for line in state.lines.values() if not line.is_whole()]
        if waiting and state.feed is FeedState.FROZEN:
            return state.feed, state.reason
        if waiting:
            return FeedState.DOWN, f"waiting for {', '.join(waiting)}"
        if any(line.gap_start_ns for line in state.lines.values()):
            return state.feed, state.reason
        state.rejoins = 0
        return FeedState.UP, refused

    def _mend(self, state: State, line: Line, now_ns: Nanos) -> None:
        """A stream is whole again: plan the repair and remember the gap until it is done."""
        whole_ns = max(now_ns, line.venue_ns)
        start_ns = self._trading_from(line.broken_ns)
        known, line.is_new, line.broken_ns = not line.is_new, False, 0
        line.builder.resume(whole_ns)
        if start_ns > whole_ns:  # closed all the while
            return
        history.plan_repair(state, line, whole_ns, now_ns)
        if known:
            line.gap_start_ns = min(line.gap_start_ns or start_ns, start_ns)
            line.gap_end_ns = whole_ns
            state.repair_by_ns = now_ns + REPAIR_PATIENCE_NS

    def _trading_from(self, instant_ns: Nanos) -> Nanos:
        """The first instant of trading at or after `instant_ns`."""
        try:
            day = self.calendar.at(instant_ns)
        except OutsideCalendar:
            return instant_ns
        closed = day.phase(instant_ns) is Phase.CLOSED
        return day.next_open(instant_ns) if closed else instant_ns


def _waiting(line: Line) -> str:
    late = f" (its quotes are {seconds(line.lag_ns)} old)" if line.lag_ns > LAG_NS else ""
    return line.contract + late


def _close_gap(state: State, line: Line, now_ns: Nanos) -> Iterable[Event]:
    if not line.gap_start_ns or not line.is_whole():
        return
    waiting = any(
        job.purpose is Purpose.REPAIR and job.contract == line.contract for job in state.jobs
    )
    if waiting and now_ns < state.repair_by_ns:
        return
    waiting = waiting or line.gap_lost
    late = "; history did not answer in time" if waiting else ""
    yield Gap(
        contract=line.contract,
        start_ns=line.gap_start_ns,
        end_ns=line.gap_end_ns,
        bars_repaired=line.gap_bars,
        reason=line.gap_reason + late,
        repaired=not waiting,
    )
    line.gap_start_ns = line.gap_end_ns = line.gap_bars = 0
    line.gap_lost = False


def _say(state: State, feed: FeedState, reason: str, now_ns: Nanos) -> Iterable[Event]:
    if feed is not state.feed or not state.since_ns:
        state.since_ns = now_ns
    if (feed, reason) != (state.feed, state.reason):
        state.feed, state.reason = feed, reason
        yield FeedStatus(state=feed, since_ns=state.since_ns, reason=reason)


def seconds(span_ns: Nanos) -> str:
    """A duration for people: `12.3 s`."""
    return f"{span_ns // SECOND}.{span_ns % SECOND // 100_000_000} s"
