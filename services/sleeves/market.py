"""What a sleeve hears of the market: contracts, bars, ticks, gaps, the feed, the trading day.

Its own product trades; the products it `listens` to are heard as bars only. Bars of two products
come from history one product after the other, so a view of both is learnt in the order of time once
everything is there, exactly as after a correction: never in the order of arrival.
"""

from __future__ import annotations

from services.sleeves.base import GapPolicy
from services.sleeves.memory import Memory, Tape
from services.sleeves.mind import Mind
from services.sleeves.targets import is_reached
from services.sleeves.weather import Weather
from shared.events import (
    Bar,
    BarOrigin,
    ContractListed,
    Depth,
    FeedState,
    FeedStatus,
    Gap,
    Quote,
    SessionPhase,
    Trade,
    WarmupDone,
)


class Market:
    """The handlers of the gateway's events."""

    def __init__(self, mind: Mind, weather: Weather, root: str) -> None:
        self.desk, self.sleeve, self.mind = mind.desk, mind.sleeve, mind
        self.weather, self.root = weather, root

    @property
    def memory(self) -> Memory:
        """Another one after a restore."""
        return self.desk.memory

    # -- contracts -----------------------------------------------------------------------------

    def listed(self, event: ContractListed) -> None:
        m = self.memory
        if event.root == self.root and event.contract != m.contract:
            m.contract, m.tick_micros = event.contract, event.tick_micros
            m.reset_contract()
            m.adopted = m.begun = False
            self._forget_view()
            if m.authority or m.shadow:
                self.mind.adopt()
        elif event.root in self.sleeve.listens and event.contract != m.others.get(event.root):
            m.others[event.root] = event.contract
            m.other_tapes[event.root] = Tape(depth=m.tape.depth)
            self._forget_view()
            m.stale_view = True
        if event.root == self.root or event.root in self.sleeve.listens:
            self.mind.settle()

    def _forget_view(self) -> None:
        m = self.memory
        self.sleeve.view = self.sleeve.fresh_view()
        m.stale_view = bool(m.others)
        if m.state == "READY":
            m.state, m.owed = "WARMING", True

    def warmup_done(self, event: WarmupDone) -> None:
        if event.contract == self.memory.contract or self._other(event.contract):
            self.mind.settle()
            self.memory.owed = True

    def _other(self, contract: str) -> str:
        """The product listened to that trades as `contract`; "" if none does."""
        for root, known in self.memory.others.items():
            if known == contract:
                return root
        return ""

    # -- bars ----------------------------------------------------------------------------------

    def bar(self, bar: Bar) -> None:
        m = self.memory
        root = ""
        if bar.contract != m.contract and not (m.others and (root := self._other(bar.contract))):
            return
        live = bar.origin is BarOrigin.LIVE
        if live:
            self.mind.see(bar.close_ns)
            if not root:
                m.warm_by(bar.span_s)
                if m.tuning:
                    self.mind.retune()
        change = (m.other_tapes[root] if root else m.tape).add(bar)
        if change == "CHANGED" or (change == "NEW" and m.others and not live):
            m.stale_view = True
        if change != "NEW":
            return
        if not root:
            self.weather.learn(bar)
        if not m.stale_view:
            self.mind.learn(root, bar)
        if m.state != "READY":
            self.mind.settle()
        if live and root:
            self.mind.tell_market(self.sleeve.on_other_bar, root, bar)
        elif live:
            self.mind.tell_market(self.sleeve.on_bar, bar)

    # -- ticks ---------------------------------------------------------------------------------

    def quote(self, quote: Quote) -> None:
        m = self.memory
        if quote.contract == m.contract:
            m.quote = quote
            self.mind.see(quote.recv_ns)
            if m.target and is_reached(m, quote):
                self.desk.close("target")
            self.mind.tell_market(self.sleeve.on_quote, quote)

    def trade(self, trade: Trade) -> None:
        if trade.contract == self.memory.contract:
            self.mind.see(trade.recv_ns)
            self.mind.tell_market(self.sleeve.on_trade, trade)

    def depth(self, depth: Depth) -> None:
        if depth.contract == self.memory.contract:
            self.mind.see(depth.recv_ns)
            self.mind.tell_market(self.sleeve.on_depth, depth)

    # -- conditions ----------------------------------------------------------------------------

    def gap(self, gap: Gap) -> None:
        m = self.memory
        ours = gap.contract in ("", m.contract)
        if ours:
            m.quote = None
            if not gap.repaired and self.sleeve.gap_policy is GapPolicy.PAUSE:
                m.cold = dict(self.sleeve.warmup)
                self.desk.log("a gap has cost bars: no entry until warm again")
        if m.begun and (ours or self._other(gap.contract)):
            self.mind.tell(self.sleeve.on_data_gap, gap)

    def feed(self, event: FeedStatus) -> None:
        self.memory.feed = event.state
        if event.state is not FeedState.UP:
            self.memory.quote = None
            self.desk.cancel_entries(f"feed is {event.state.value}")

    def session(self, event: SessionPhase) -> None:
        m = self.memory
        if event.trading_day != m.trading_day:
            m.lost = "" if m.trading_day else m.lost
            m.trading_day, m.fault = event.trading_day, ""
            self.mind.settle()
        m.phase = event.phase
        if m.begun:
            self.mind.tell(self.sleeve.on_session, event)
