"""The venue's mind: hears requests and the passing of market time, answers as the venue would.

Subscribes to nothing and publishes nothing: it is no part of the bus. Its port tells it `Call`s
and `Step`s and carries out what it says. The market runs first, then the request is looked at:
market time inside is the instant the market has been run to and never goes back. Only inputs have
to be kept: the same inputs give the same answers, fills and prices, after any restart.

Killed here, nothing is lost but answers on their way: their callers time out and must look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final

import msgspec
from msgspec import structs

from services.simulator import listing
from services.simulator.bailiff import settle
from services.simulator.market import Update
from services.simulator.queries import truth
from services.simulator.recorded_load import recordings
from services.simulator.weather import SETTINGS
from services.simulator.words import (
    INPUTS,
    OUTPUTS,
    Answer,
    Call,
    Fault,
    FaultKind,
    FaultReport,
    Faults,
    FirmOrder,
    Moved,
    PullCall,
    SetWeather,
    SkipReport,
    SkipTo,
    Step,
    Truth,
    TruthReport,
    WeatherReport,
)
from services.simulator.world import Machines, SimulatorState, begin
from shared.contracts import PRODUCTS
from shared.core import Word
from shared.domain.sessions import TradingDay
from shared.events import Event, Pulse, Started
from shared.settings import Settings
from shared.units import MILLISECOND, SECOND, Nanos
from shared.venue import words as venue
from shared.venue.answers import Acknowledged

CATCH_UP_NS: Final = 120 * SECOND  # open market run in one go at most; the rest waits a step
AMOUNT_MAX: Final = 10_000_000


class Simulator:
    """The core. Raises ValueError (BadRecording, bad settings) when it cannot be made."""

    subscribes: Mapping[str, tuple[type[Event], ...]] = {}
    publishes: ClassVar[tuple[type[Event], ...]] = ()
    words: ClassVar[tuple[type[Word], ...]] = (*INPUTS, *OUTPUTS)
    watches: Mapping[str, float] = {}

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._recordings = recordings(settings)
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            Call: self._call,
            PullCall: self._pull,
            Truth: self._truth,
            Fault: self._fault,
            FirmOrder: self._firm,
            SetWeather: self._weather,
            SkipTo: self._skip,
        }
        self._become(begin(settings, self._recordings))

    def _become(self, state: SimulatorState) -> None:
        self._machines = machines = Machines(self._settings, self._recordings, state)
        self._exchange = machines.exchange
        self._said = machines.exchange.said
        self._changes: dict[type[venue.Body], Callable[[Nanos, int, Any], None]] = {
            venue.PlaceOrder: machines.desk.place,
            venue.ModifyOrder: machines.desk.modify,
            venue.CancelOrder: machines.desk.cancel,
            venue.PositionClose: machines.desk.close,
            venue.PositionPartialClose: machines.desk.partial_close,
        }
        self._fronts: dict[str, str] = {}  # product -> the contract that is quoted
        self._label = ""
        self._day: TradingDay | None = None  # that of the label

    # -- the contract of a core --------------------------------------------------------------------

    def on(self, now_ns: Nanos, event: Event) -> Iterable[Event]:
        kind = type(event)
        if kind is Step or kind is Pulse or kind is Started or kind in self._handlers:
            self._run_market(now_ns)
        handler = self._handlers.get(kind)
        if handler is not None:
            handler(event)
        said = self._machines.stream.due(self.market_ns, self._said)
        self._said.clear()
        return said

    def recall(self, now_ns: Nanos, said: Event) -> None:
        """Nothing to fold in: our answers follow from what we heard, under any code of ours."""

    def snapshot(self) -> bytes:
        for account in self._exchange.accounts.values():
            account.freeze()
        self._machines.pulls.freeze()
        return msgspec.msgpack.encode(self._machines.state)

    def restore(self, snapshot: bytes) -> None:
        self._become(msgspec.msgpack.decode(snapshot, type=SimulatorState))

    # -- time --------------------------------------------------------------------------------------

    @property
    def market_ns(self) -> Nanos:
        return self._machines.state.market_ns

    def _run_market(self, now_ns: Nanos) -> None:
        """Run the market up to `now_ns`; closed hours cost nothing."""
        state, machines = self._machines.state, self._machines
        if now_ns <= state.market_ns:
            return
        until = machines.hours.next_open(state.market_ns) + CATCH_UP_NS
        until = min(now_ns, until)
        updates: list[Update] = []
        for feed in machines.markets.feeds:
            feed.advance(until, updates)
        if len(machines.markets.feeds) > 1:
            updates.sort(key=lambda update: update.at_ns)
        for update in updates:
            self._on_update(update)
        horizon = min([feed.horizon() for feed in machines.markets.feeds])
        self._turn_day(until)
        self._exchange.run(min(until, horizon))
        machines.bailiff.look(until)
        state.market_ns = until

    def _on_update(self, update: Update) -> None:
        state, root, at_ns = self._machines.state, update.root, update.at_ns
        faults = state.exchange.faults
        day = self._day
        if day is None or not day.begins_ns <= at_ns < day.ends_ns:
            day = self._turn_day(at_ns)
        if at_ns < faults.halted_until_ns:
            return  # updates are whole, so the first one after a halt finds the market elsewhere
        self._exchange.on_update(update)
        self._machines.bailiff.look(at_ns)
        stats = state.days[root]
        if stats.day != day.day:
            stats.turn(day.day)
        if update.prints:
            series = state.series[root]
            for print_ in update.prints:
                series.add(at_ns, print_)
                stats.add(print_[0], print_[1])
        told = update.quote or update.prints or update.rows
        if told and not update.silent and at_ns >= faults.frozen_until_ns:
            moved = Moved(
                contract=self._fronts[root],
                at_ns=at_ns,
                prints=tuple(update.prints),
                rows=tuple(update.rows),
                full=update.full,
                bid=update.bid,
                ask=update.ask,
                empty_bids=not update.bids,
                empty_asks=not update.asks,
                day=structs.replace(stats) if update.quote else None,
            )
            self._said.append(moved)

    def _turn_day(self, now_ns: Nanos) -> TradingDay:
        """The trading day at `now_ns`. A new one ends the firm's day and may have new front months;
        contracts whose last day is over are settled.
        """
        day = self._day = self._machines.hours.day(now_ns)
        if day.day != self._label:
            self._label = day.day
            self._fronts = {
                root: listing.front(PRODUCTS[root], day.day) for root in self._machines.state.series
            }
            if day.day != self._machines.state.day:
                ended, self._machines.state.day = self._machines.state.day, day.day
                self._settle_ended(now_ns)
                self._machines.bailiff.end_day(ended, now_ns)
        return day

    def _settle_ended(self, now_ns: Nanos) -> None:
        for account in self._exchange.accounts.values():
            used = dict.fromkeys(order.contract for order in account.state.live.values())
            used |= dict.fromkeys(contract for contract, _ in account.held())
            for contract in used:
                if listing.ended(contract, self._label):
                    settle(self._exchange, account, contract, now_ns)

    # -- requests ----------------------------------------------------------------------------------

    def _call(self, call: Call) -> None:
        now_ns, machines = self.market_ns, self._machines
        change = self._changes.get(type(call.request))
        if change is not None:
            change(now_ns, call.call_id, call.request)
        elif machines.queries.answers(call.request):
            response = machines.queries.answer(now_ns, call.request)
            self._exchange.answer(call.call_id, response)
        else:  # logins and pings are the port's
            self._exchange.answer(call.call_id, Acknowledged(success=False, error_code=1))

    def _pull(self, call: PullCall) -> None:
        response = self._machines.pulls.ask(self.market_ns, call, self._said)
        self._said.append(Answer(call_id=call.call_id, response=response))

    def _truth(self, asked: Truth) -> None:
        account = self._machines.counter.find(asked.account)
        response: TruthReport | Acknowledged = Acknowledged(
            success=False, error_code=1, error_message=f"no account is named {asked.account!r}"
        )
        if account is not None:
            regime = self._machines.markets.synthetic.regime()
            response = truth(self._exchange, account, self.market_ns, regime=regime)
        self._said.append(Answer(call_id=asked.call_id, response=response))

    def _firm(self, order: FirmOrder) -> None:
        report = self._machines.counter.ask(order, self.market_ns)
        self._said.append(Answer(call_id=order.call_id, response=report))

    def _weather(self, order: SetWeather) -> None:
        synthetic = self._machines.markets.synthetic
        error = ""
        if order.regime:
            try:
                synthetic.order(order.regime, order.group)
            except ValueError as refused:
                error = str(refused)
        report = WeatherReport(regimes=synthetic.regimes(), settings=SETTINGS, error=error)
        self._said.append(Answer(call_id=order.call_id, response=report))

    def _skip(self, order: SkipTo) -> None:
        error = self._why_not_skipped(order.to_ns)
        if not error:
            self._machines.markets.synthetic.skip(order.to_ns)
            self._turn_day(order.to_ns)
            self._exchange.run(order.to_ns)
            self._machines.bailiff.look(order.to_ns)
            self._machines.state.market_ns = order.to_ns
        report = SkipReport(market_ns=self.market_ns, error=error)
        self._said.append(Answer(call_id=order.call_id, response=report))

    def _why_not_skipped(self, to_ns: Nanos) -> str:
        """Empty when nothing stands against it. Where the market already is can be asked for again:
        the clock may have missed it.
        """
        if to_ns < self.market_ns:
            return "time does not go back"
        if self._machines.markets.state.playing:
            return "a recorded market is played whole"
        for account in self._exchange.accounts.values():
            if account.held() or account.state.live:
                return f"{account.state.name} holds or works something"
        return ""

    def _fault(self, order: Fault) -> None:
        """Amounts are cut to 0..`AMOUNT_MAX`."""
        amount = max(0, min(order.amount, AMOUNT_MAX))
        faults = self._exchange.state.faults
        match order.kind:
            case FaultKind.FREEZE_MARKET:
                faults.frozen_until_ns = self.market_ns + amount * MILLISECOND if amount else 0
            case FaultKind.LOSE_ANSWER:
                faults.lose_answers = amount
            case FaultKind.LOSE_USER_EVENT:
                faults.lose_user_events = amount
            case FaultKind.DOUBLE_USER_EVENT:
                faults.double_user_events = amount
            case FaultKind.REJECT_ORDER:
                faults.reject_orders = amount
            case FaultKind.DELAY_ANSWERS:
                faults.delay_ms = amount
            case FaultKind.PENDING_ANSWER:
                faults.pending_answers = amount
            case FaultKind.HALT_MARKET:
                faults.halted_until_ns = self.market_ns + amount * MILLISECOND if amount else 0
        self._said.append(Answer(call_id=order.call_id, response=_report(faults)))


def _report(faults: Faults) -> FaultReport:
    """A copy: what was said must not change when the faults are used up."""
    return FaultReport(faults=msgspec.structs.replace(faults))
