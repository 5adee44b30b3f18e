"""Private words of the simulator's room: what its port tells the core and what the core answers.

The port owns HTTP, hubs and real time; the core owns the venue's mind: accounts, orders, market. A
request reaches the core as the venue's own struct (`shared/venue/words.py`), an answer leaves it as
one; the port only authenticates, counts rates, encodes and transports. Logins, tokens and rate
limits are the port's (they hang on real time); everything that hangs on market time is here.

`Step` is how market time passes between requests: the market runs up to the `now_ns` it is told.
Market events are `derived`: the runtime keeps no record of them (a gigabyte an hour at speed), the
core says them again when it hears the same.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar, Final

from msgspec import Struct

from services.simulator.firm import Standing
from services.simulator.market import DayStats, Print, Row
from services.simulator.pull_words import PullRequest, ReplayResponse
from shared.core import Word
from shared.units import Lots, Micros, Nanos, Ticks
from shared.venue import words as venue
from shared.venue.answers import AnyResponse

# -- in --------------------------------------------------------------------------------------------


class Call(Word, frozen=True, kw_only=True):
    """An authenticated request. `call_id` names it in its answer; the port never uses one twice."""

    call_id: int
    request: venue.Request
    user: str = ""


class PullCall(Word, frozen=True, kw_only=True):
    """A request to a pull replay of `user` (`pull_replay.py`); answered like a Call."""

    call_id: int
    request: PullRequest | venue.Request
    user: str = ""


class Step(Word, frozen=True, kw_only=True):
    """Market time has passed; run the market up to now."""


class Truth(Word, frozen=True, kw_only=True):
    """Tell everything there is about an account (by name; empty: the first), for tests: answered
    with a TruthReport, or an Acknowledged without success for a name nobody has.
    """

    call_id: int
    account: str = ""


class FirmWish(Enum):
    """What the firm can be asked to do with an account; the comment says what `amount` means."""

    LOOK = "LOOK"  # nothing: only tell where it stands
    PAYOUT = "PAYOUT"  # book a payout of so many dollars (express accounts)
    RESET = "RESET"  # end the account and open a new one of its kind under its name, with a new id
    AUTO_OCO = "AUTO_OCO"  # bracket mode: 1 Auto OCO, 0 Position Brackets


class FirmOrder(Word, frozen=True, kw_only=True):
    """Ask the firm, not the gateway. Answered with a FirmReport."""

    call_id: int
    account: str
    wish: FirmWish
    amount: int = 0


class SetWeather(Word, frozen=True, kw_only=True):
    """Other weather from now on, for one group of products or all (""). An empty `regime` only
    asks. Answered with a WeatherReport.
    """

    call_id: int
    regime: str = ""
    group: str = ""


class SkipTo(Word, frozen=True, kw_only=True):
    """Leave out the market up to `to_ns`: nobody quotes or trades in between, and no bar is made.
    Granted only while no account holds or works anything. Answered with a SkipReport.
    """

    call_id: int
    to_ns: Nanos


class FaultKind(Enum):
    """What can go wrong on request; the comment says what `amount` means."""

    FREEZE_MARKET = "FREEZE_MARKET"  # market events of so many market milliseconds are lost
    LOSE_ANSWER = "LOSE_ANSWER"  # so many orders are accepted and never answered
    LOSE_USER_EVENT = "LOSE_USER_EVENT"  # so many user events are lost
    DOUBLE_USER_EVENT = "DOUBLE_USER_EVENT"  # so many user events come twice
    REJECT_ORDER = "REJECT_ORDER"  # so many orders are rejected: trading unavailable
    DELAY_ANSWERS = "DELAY_ANSWERS"  # every answer waits so many milliseconds more; 0 ends it
    HALT_MARKET = "HALT_MARKET"  # for so many market milliseconds nothing trades or is quoted
    PENDING_ANSWER = "PENDING_ANSWER"  # so many changes are carried out and answered "pending"


class Fault(Word, frozen=True, kw_only=True):
    """Order a fault; a second order of a kind replaces the first, amount 0 ends it."""

    call_id: int
    kind: FaultKind
    amount: int


# -- out -------------------------------------------------------------------------------------------


class Holding(Struct, frozen=True, kw_only=True, rename="camel"):
    """A position as the simulator's own books have it. `lots` signed, `cost` in tick-lots."""

    contract: str
    lots: Lots
    cost: int
    realised: int  # tick-lots since the contract was first traded


class Faults(Struct, kw_only=True, rename="camel"):
    """What is ordered and not yet used up, in the units of FaultKind."""

    frozen_until_ns: Nanos = 0
    lose_answers: int = 0
    lose_user_events: int = 0
    double_user_events: int = 0
    reject_orders: int = 0
    delay_ms: int = 0
    halted_until_ns: Nanos = 0
    pending_answers: int = 0


class TruthReport(venue.Body, frozen=True, kw_only=True):
    """The simulator's own account of everything. `open_orders` includes suspended legs.

    `balance_micros` = `start_micros` + profit of `trades` - their fees - payouts, always.
    `tags_used` counts tags ever used, `tags_refused` attempts to use one again. `trades` and
    `orders` are the latest (see `accounts.py` for the limits), the sums are over all time.
    """

    market_ns: Nanos
    account_id: int
    account: str
    can_trade: bool
    start_micros: Micros
    balance_micros: Micros
    profit_micros: Micros
    fees_micros: Micros
    fills: int
    volume: Lots
    positions: tuple[Holding, ...]
    open_orders: tuple[venue.OrderModel, ...]
    orders: tuple[venue.OrderModel, ...]
    trades: tuple[venue.TradeModel, ...]
    tags_used: int
    tags_refused: int
    regime: str
    faults: Faults
    accounts: tuple[str, ...] = ()
    paid_out_micros: Micros = 0
    firm: Standing | None = None


class FirmReport(venue.Body, frozen=True, kw_only=True):
    """Where an account stands. `error` says why a wish was not granted; then nothing changed."""

    success: bool
    error: str = ""
    account: str = ""
    account_id: int = 0
    can_trade: bool = False
    balance_micros: Micros = 0
    equity_micros: Micros = 0
    received_micros: Micros = 0  # of a payout just booked: the trader's share, less the fee
    standing: Standing | None = None


class WeatherReport(venue.Body, frozen=True, kw_only=True):
    """The regime of every group that has a synthetic market. `error`: why a wish was not granted;
    then nothing changed.
    """

    regimes: dict[str, str]
    settings: tuple[str, ...]
    error: str = ""


class SkipReport(venue.Body, frozen=True, kw_only=True):
    """Where the market is now. `error`: why it was not moved."""

    market_ns: Nanos
    error: str = ""


class FaultReport(venue.Body, frozen=True, kw_only=True):
    """The faults that stand now."""

    faults: Faults


class Answer(Word, frozen=True, kw_only=True):
    """The answer to a Call, Truth or Fault, to be sent after `delay_ns` of market time."""

    call_id: int
    response: (
        AnyResponse
        | TruthReport
        | FaultReport
        | FirmReport
        | WeatherReport
        | SkipReport
        | ReplayResponse
    )
    delay_ns: Nanos = 0


class Unanswered(Word, frozen=True, kw_only=True):
    """The answer is lost on its way: the request was carried out and its caller must not hear."""

    call_id: int


class UserPush(Word, frozen=True, kw_only=True):
    """An event for subscribers of the user hub. `action`: HubAction."""

    target: str
    account_id: int
    action: int
    payload: venue.UserPayload


class Moved(Word, frozen=True, kw_only=True, gc=False):
    """What one step of a market told, in whole numbers: prints first, then the levels that changed
    (`full`: all of them), then the quote. The port writes it as the market hub does (`tape.py`).

    `bid` and `ask` say where the best prices are, or would be where `empty_bids`, `empty_asks`.
    `day`: the statistics a quote carries; None where no quote is due.
    """

    derived: ClassVar[bool] = True
    contract: str
    at_ns: Nanos
    prints: tuple[Print, ...] = ()
    rows: tuple[Row, ...] = ()
    full: bool = False
    bid: Ticks
    ask: Ticks
    empty_bids: bool = False
    empty_asks: bool = False
    day: DayStats | None = None


class QuotePush(Word, frozen=True, kw_only=True):
    """Best prices changed or were confirmed. Every push is full: sparse sending is the port's."""

    target: ClassVar[str] = venue.QUOTE
    contract: str
    payload: venue.QuotePayload


class TapePush(Word, frozen=True, kw_only=True):
    """Prints, oldest first."""

    target: ClassVar[str] = venue.TAPE
    contract: str
    payload: tuple[venue.TapePayload, ...]


class DepthPush(Word, frozen=True, kw_only=True):
    """Levels that changed; volume 0 removes one."""

    target: ClassVar[str] = venue.DEPTH
    contract: str
    payload: tuple[venue.DepthPayload, ...]


MarketPush = QuotePush | TapePush | DepthPush
"""What the port makes of `Moved`."""

INPUTS: Final = (Call, PullCall, Step, Truth, Fault, FirmOrder, SetWeather, SkipTo)
OUTPUTS: Final = (Answer, Unanswered, UserPush, Moved)
