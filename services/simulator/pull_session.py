"""One pull replay: an account of its own on an exchange of its own, whose market moves when asked.

Desk, matching, brackets and the firm's rules are those of the live simulation; only time differs:
it stands at the end of the last bar played, and orders reach the book at once. Inside a bar the
price takes a way made up from the seed (`market_recorded.expand`), so stops and targets fill in an
order that the bar allows. While nothing is held or works, bars are skipped to their close.

A playing replay moves when it is next asked about: nobody can see it in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from services.simulator import listing, render
from services.simulator.bailiff import Bailiff, closing_order, settle
from services.simulator.customs import Customs
from services.simulator.desk import Desk
from services.simulator.dice import Delay
from services.simulator.exchange import Exchange
from services.simulator.exchange_state import ExchangeState
from services.simulator.history import RawBar
from services.simulator.market import LEVELS, Hours, Update
from services.simulator.market_recorded import expand
from services.simulator.pull_reel import Reel, cuts, joined
from services.simulator.pull_words import ReplayResponse
from services.simulator.queries import Queries
from shared.contracts import PRODUCTS
from shared.units import MINUTE, SECOND, USD, Nanos
from shared.venue import words as venue
from shared.venue.times import time_text

SIZES: Final = (50,) * LEVELS  # displayed at every level; only size far beyond it moves the price
BARS_TOLD: Final = 1_000
FILLS_TOLD: Final = 1_000
MINUTES_AT_ONCE: Final = 1_500  # played for one request; more would keep everybody else waiting
AT_ONCE: Final = Delay(0, 0)


class PullState(Struct, kw_only=True):
    """What a snapshot needs. `pace`: thousandths of a bar a second; `since_ns` (time of the live
    market): up to when a playing replay has been moved. `told`: bars of the timeframe told.
    """

    account_id: int
    user: str
    root: str
    contract: str
    start_ns: Nanos
    end_ns: Nanos
    minutes: int
    source: str
    exchange: ExchangeState
    now_ns: Nanos
    day: str
    played: int = 0
    index: int = 0
    told: int = 0
    fills_told: int = 0
    playing: bool = False
    pace: int = 1_000
    since_ns: Nanos = 0


class _Film:
    """The reel as `Queries` reads history: what was played, then what lies before the start."""

    def __init__(self, state: PullState, reel: Reel) -> None:
        self._state = state
        self._reel = reel

    def backwards(self, span: Nanos) -> Iterator[RawBar]:
        if span == MINUTE:
            for number in range(self._state.played - 1, -1, -1):
                yield self._reel.bar(number)

    def minutes(self) -> Iterator[RawBar]:
        return self._reel.before()

    def seconds(self) -> Iterator[RawBar]:
        return iter(())


class PullSession:
    """The machines of one replay, built from its state."""

    def __init__(
        self, state: PullState, reel: Reel, hours: Hours, *, seed: int, customs: Customs
    ) -> None:
        self.state = state
        self._reel = reel
        self._hours = hours
        self._seed = seed
        self._cuts = cuts(reel, state.minutes)
        self.exchange = Exchange(state.exchange, latency=AT_ONCE, slippage=1, customs=customs)
        self._bailiff = Bailiff(self.exchange, hours)
        self.desk = Desk(self.exchange, hours, acknowledge=AT_ONCE)
        film = _Film(state, reel)
        self.queries = Queries(self.exchange, hours, {state.root: film}, {state.root: film})
        if not self.exchange.books[state.root].state.bid:
            opening = next(reel.before(), None)
            self._quote(opening[4] if opening else reel.bar(0)[1], state.now_ns)

    @property
    def total(self) -> int:
        return len(self._cuts)

    @property
    def done(self) -> bool:
        return self.state.index == self.total

    # -- time --------------------------------------------------------------------------------------

    def catch_up(self, live_ns: Nanos) -> None:
        """Move a playing replay to where it should be by now."""
        state = self.state
        if not state.playing:
            return
        due = (live_ns - state.since_ns) * state.pace // (1_000 * SECOND)
        moved = self.play(due)
        state.since_ns += moved * 1_000 * SECOND // state.pace
        if self.done:
            state.playing = False

    def play(self, count: int) -> int:
        """Play up to `count` bars of the timeframe; how many it were: fewer at the end, and no more
        than fit into `MINUTES_AT_ONCE` (but one).
        """
        state = self.state
        moved, last = 0, state.played + MINUTES_AT_ONCE
        while moved < count and not self.done:
            end = self._cuts[state.index]
            if moved and end > last:
                break
            while state.played < end:
                self._play_minute(self._reel.bar(state.played))
                state.played += 1
            state.index += 1
            moved += 1
        return moved

    def bars_to(self, instant: Nanos) -> int:
        """How many bars are complete at an instant."""
        done = 0
        for end in self._cuts:
            if self._reel.opens(end - 1) + MINUTE > instant:
                break
            done += 1
        return done

    def _play_minute(self, bar: RawBar) -> None:
        state, account = self.state, self.exchange.account
        self._turn_day(bar[0])
        self._bailiff.look(bar[0])
        self.exchange.run(bar[0])
        if account.state.live or account.held():
            for at_ns, told in expand(bar, self._seed):
                price, _, side = told
                bid = price - 1 if side > 0 else price
                self._update(at_ns, (told,), bid)
                self._bailiff.look(at_ns)
        else:
            self._quote(bar[4], bar[0])
        state.now_ns = bar[0] + MINUTE
        self.settle_now()

    def settle_now(self) -> None:
        """Carry out what was asked or demanded at the time that stands."""
        self.exchange.run(self.state.now_ns)
        self._bailiff.look(self.state.now_ns)
        self.exchange.run(self.state.now_ns)

    def _quote(self, price: int, at_ns: Nanos) -> None:
        self._update(at_ns, ((price, 1, 1),), price - 1)

    def _update(self, at_ns: Nanos, prints: tuple[tuple[int, int, int], ...], bid: int) -> None:
        self.exchange.on_update(
            Update(self.state.root, at_ns, prints, (), True, bid, bid + 1, SIZES, SIZES)
        )

    def _turn_day(self, at_ns: Nanos) -> None:
        state = self.state
        day = self._hours.day(at_ns).day
        if day == state.day:
            return
        ended, state.day = state.day, day
        if listing.ended(state.contract, day):
            settle(self.exchange, self.exchange.account, state.contract, at_ns)
        self._bailiff.end_day(ended, at_ns)

    # -- acts --------------------------------------------------------------------------------------

    def close_all(self) -> None:
        """Cancel every order, then close what is held."""
        exchange, account = self.exchange, self.exchange.account
        now_ns = self.state.now_ns
        for order in list(account.state.live.values()):
            if not order.over:
                exchange.cancel(order, now_ns)
        for contract, _ in account.held():
            exchange.accept(closing_order(account, contract, now_ns), (None, None), now_ns)
        self.settle_now()

    # -- what it tells -----------------------------------------------------------------------------

    def report(self, code: int = 0, text: str | None = None) -> ReplayResponse:
        """Where it stands, and what is new since the last report."""
        state, account = self.state, self.exchange.account
        product = PRODUCTS[state.root]
        first = max(state.told, state.index - BARS_TOLD)
        bars = tuple(render.bar(self._bar(index), product) for index in range(first, state.index))
        fills = account.state.deals[-min(FILLS_TOLD, account.state.fills - state.fills_told) :]
        if account.state.fills == state.fills_told:
            fills = []
        state.told, state.fills_told = state.index, account.state.fills
        latest = render.bar(self._bar(state.index - 1), product) if state.index else None
        return ReplayResponse(
            success=code == 0,
            error_code=code,
            error_message=text,
            account_id=state.account_id,
            account_name=account.state.name,
            contract_id=state.contract,
            timeframe=f"{state.minutes}m",
            source=state.source,
            total_bars=self.total,
            index=state.index,
            start_time=time_text(state.start_ns),
            end_time=time_text(state.end_ns),
            time=time_text(state.now_ns),
            playing=state.playing,
            speed=state.pace / 1_000,
            done=self.done,
            bar=latest,
            bars=bars,
            fills=tuple(render.deal(deal) for deal in fills),
            position=account.lots(state.contract),
            balance=account.state.balance / USD,
            equity=self._bailiff.equity(account) / USD,
            can_trade=account.state.can_trade,
        )

    def _bar(self, index: int) -> RawBar:
        begin = self._cuts[index - 1] if index else 0
        bars = [self._reel.bar(number) for number in range(begin, self._cuts[index])]
        return joined(bars, self.state.minutes)

    def row(self) -> venue.AccountModel:
        return render.account(self.exchange.account.state)
