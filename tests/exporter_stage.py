"""A board and somebody who tells it things, for the tests of the exporter; time moves by hand."""

from __future__ import annotations

import msgspec

from services.metrics_exporter.core import Board
from services.metrics_exporter.verdict import verdict
from shared.events import (
    Event,
    FeedState,
    FeedStatus,
    Fill,
    Heartbeat,
    OrderState,
    OrderType,
    OrderUpdate,
    Phase,
    PositionUpdate,
    Purpose,
    Quote,
    RiskLevel,
    RiskState,
    SessionPhase,
    Side,
    VenueState,
    VenueStatus,
)
from shared.settings import load
from shared.units import HOUR, SECOND, USD

MNQ = "CON.F.US.MNQ.Z26"
NOW = 1_795_020_000 * SECOND  # Wednesday 18 November 2026, in the morning of Chicago
SETTINGS = load(env={})
ACTORS = (
    "market_data_gateway", "risk_governor", "order_router", "sentinel", "simulator",
    "sleeve_market_maker", "sleeve_mean_reversion", "sleeve_trend", "sleeve_tail_hedge",
)  # fmt: skip


class Watch:
    """A board and somebody who tells it things; time moves by hand."""

    def __init__(self, speed: float = 1.0) -> None:
        self.board = Board(load(env={"TSQ__SIMULATOR__SPEED": str(speed)}))
        self.real = 1_000 * SECOND
        self.market = NOW
        self.speed = speed
        self.beat = 0
        self.no = 0
        self.board.advance(self.real, self.market)

    def wait(self, seconds: float) -> None:
        self.real += int(seconds * SECOND)
        self.market += int(seconds * SECOND * self.speed)
        self.board.advance(self.real, self.market)

    def say(self, source: str, event: Event, ago_ns: int = 0) -> None:
        self.board.observe(source, 1, 1, self.market - ago_ns, event)

    def beats(self, *but: str) -> None:
        self.beat += 1
        for actor in ACTORS:
            if actor not in but:
                beat = Heartbeat(actor=actor, epoch=7, beat=self.beat, schema="", seq={})
                self.say(actor, beat)

    def risk(self, **changes: object) -> None:
        usual = RiskState(
            halt_no=1, level=RiskLevel.ACTIVE, cause="", since_ns=NOW - HOUR, equity=50_000 * USD,
            floor=48_000 * USD, kill_level=48_400 * USD, headroom=900 * USD, open_risk=50 * USD,
            trading_day="2026-11-18", next_rule="drawdown",
        )  # fmt: skip
        self.say("risk_governor", msgspec.structs.replace(usual, **changes))

    def venue(self, state: VenueState = VenueState.READY, **more: object) -> None:
        self.say("order_router", VenueStatus(no=1, state=state, **more))

    def quote(self, contract: str = MNQ, bid: int = 99_000) -> None:
        quote = Quote(
            contract=contract, bid=bid, ask=bid + 1, venue_ns=self.market, recv_ns=self.market
        )
        self.say("market_data_gateway", quote)

    def position(self, lots: int, protected: int | None = None, since: int = 0) -> None:
        covered = abs(lots) if protected is None else protected
        self.say(
            "order_router",
            PositionUpdate(
                no=1, contract=MNQ, position=lots, cost=lots * 99_000, protected=covered,
                unprotected_since_ns=since,
            ),
        )  # fmt: skip

    def healthy(self, *but: str) -> None:
        """Everything that is said at least once a second, once."""
        self.beats(*but)
        if "risk_governor" not in but:
            self.risk()
        if "order_router" not in but:
            self.venue()
        if "market_data_gateway" not in but:
            self.quote()

    def start(self) -> None:
        session = SessionPhase(
            trading_day="2026-11-18", phase=Phase.OPEN, flat_by_ns=NOW + 4 * HOUR,
            reopens_ns=NOW + 6 * HOUR,
        )  # fmt: skip
        self.say("market_data_gateway", session)
        self.say("market_data_gateway", FeedStatus(state=FeedState.UP, since_ns=NOW))
        self.healthy()

    def order(self, state: OrderState, number: int = 1, **more: object) -> None:
        self.no += 1
        update = OrderUpdate(
            no=self.no, tag=f"t1.trend.a.{number}.0", intent_id=f"trend.1.{number}", sleeve="trend",
            contract=MNQ, side=Side.BUY, size=1, filled=0, state=state, purpose=Purpose.ENTRY,
            type=OrderType.LIMIT, limit_price=99_000,
        )  # fmt: skip
        self.say("order_router", msgspec.structs.replace(update, **more))

    def fill(self, trade_id: int, source: str = "order_router", **more: object) -> None:
        fill = Fill(
            no=1, trade_id=trade_id, venue_order_id=5, tag="t", intent_id="trend.1.1",
            sleeve="trend", contract=MNQ, side=Side.BUY, size=2, price=99_000, fee=1_220_000,
            purpose=Purpose.ENTRY, venue_ns=NOW,
        )  # fmt: skip
        self.say(source, msgspec.structs.replace(fill, **more))

    def texts(self) -> str:
        return "\n".join(reason.text for reason in verdict(self.board).reasons)


def watching() -> Watch:
    """The fixture of most tests: a board whose processes have begun."""
    found = Watch()
    found.start()
    return found
