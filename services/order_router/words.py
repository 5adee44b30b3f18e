"""What the router's core and its port tell each other; journalled, never published.

Every request the core says is answered by exactly one word, whatever happens to it on the way, so
the core needs no timer to learn that nothing will come. The exception is a process that dies: the
runtime tells `Started`, and what had no answer by then has an unknown outcome.

`reducing` marks the acts that can only make the account safer, and the questions without which a
flatten could not be proven. The runtime lets those through even when the journal cannot be written
(law 4).
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

from shared.core import Word
from shared.events import OrderType, Side
from shared.units import Lots, Nanos, Ticks
from shared.venue.translate import AccountRow, OrderRow, PositionRow, TradeRow


class Outcome(Enum):
    """How a mutating request ended."""

    DONE = "DONE"  # the venue says yes
    REFUSED = "REFUSED"  # the venue says no
    NOT_SENT = "NOT_SENT"  # no byte of it left this computer
    UNKNOWN = "UNKNOWN"  # it may have been carried out; its connection is closed


# -- what the core says --------------------------------------------------------------------------


class Join(Word, frozen=True, kw_only=True):
    """Trade this account: open the user hub for it. Answered by `Link`, again and again."""

    reducing: ClassVar[bool] = True
    account_id: int
    name: str


class Reconnect(Word, frozen=True, kw_only=True):
    """Drop every connection and every order still waiting to leave; begin anew."""

    reducing: ClassVar[bool] = True
    reason: str


class KnowHalt(Word, frozen=True, kw_only=True):
    """The newest halt number: a waiting order approved under an older one must not leave."""

    reducing: ClassVar[bool] = True
    halt_no: int


class KnowSpent(Word, frozen=True, kw_only=True):
    """Requests of the life before this one that the venue still counts: how many nanoseconds of
    market time ago, and how many.
    """

    reducing: ClassVar[bool] = True
    spent: tuple[tuple[Nanos, int], ...]


class PlaceOrder(Word, frozen=True, kw_only=True):
    """Send an order. Prices in ticks, bracket distances positive ticks, 0 for none.

    Past `deadline_real_ns` (CLOCK_MONOTONIC; 0: none) or under an older `halt_no` (-1: none) not
    one byte leaves and the answer is NOT_SENT. Answered by `PlaceAnswer`.
    """

    tag: str
    contract: str
    side: Side
    size: Lots
    type: OrderType
    limit_price: Ticks | None = None
    stop_price: Ticks | None = None
    stop_loss_ticks: Ticks = 0
    take_profit_ticks: Ticks = 0
    deadline_real_ns: Nanos = 0
    halt_no: int = -1


class PlaceReducing(PlaceOrder, frozen=True, kw_only=True):
    """The same for an exit or a protective stop."""

    reducing: ClassVar[bool] = True


class CancelOrder(Word, frozen=True, kw_only=True):
    """Answered by `CancelAnswer`."""

    reducing: ClassVar[bool] = True
    order_id: int


class ModifyOrder(Word, frozen=True, kw_only=True):
    """Change a live order; None leaves a member as it is. Answered by `ModifyAnswer`."""

    order_id: int
    contract: str
    size: Lots | None = None
    limit_price: Ticks | None = None
    stop_price: Ticks | None = None
    deadline_real_ns: Nanos = 0
    halt_no: int = -1


class ModifyProtection(ModifyOrder, frozen=True, kw_only=True):
    """The same for the router's own protection and exits."""

    reducing: ClassVar[bool] = True


class CloseContract(Word, frozen=True, kw_only=True):
    """Close a contract's whole position, sized by the venue. Answered by `CloseAnswer`."""

    reducing: ClassVar[bool] = True
    close_id: int
    contract: str


class AskPrice(Word, frozen=True, kw_only=True):
    """Where does the market of a contract stand? Answered by `PriceSeen`. `now_ns`: market time."""

    reducing: ClassVar[bool] = True
    ask_id: int
    contract: str
    now_ns: Nanos


class ReadBooks(Word, frozen=True, kw_only=True):
    """Ask the venue for live orders, then positions, then trades. Answered by `Books` or `Unread`.

    In that order a fill between two questions shows in the later answer; the other way round it
    would show nowhere. `since_ns`: also orders of every status created from then on (0: only live
    ones). `account`: the account record too. `urgent`: may use the reserve of the request quota.
    """

    reducing: ClassVar[bool] = True
    read_id: int
    trades_since_ns: Nanos
    since_ns: Nanos = 0
    account: bool = False
    urgent: bool = False


class ReportProgress(Word, frozen=True, kw_only=True):
    """Write `flatten.progress`; `beat` grows. `done`: proven flat, so the request is removed."""

    reducing: ClassVar[bool] = True
    request_id: str
    stage: str
    beat: int
    detail: str
    done: bool = False


# -- what the port tells -------------------------------------------------------------------------


class AccountsSeen(Word, frozen=True, kw_only=True):
    """The accounts this login may see."""

    accounts: tuple[AccountRow, ...]


class Link(Word, frozen=True, kw_only=True):
    """`up`: the user hub is subscribed to the joined account; until the next Link it stays so.

    Told as down also while logging in fails; `reason` says why in words for a person.
    """

    up: bool
    reason: str = ""


class OrderSeen(Word, frozen=True, kw_only=True):
    row: OrderRow


class TradeSeen(Word, frozen=True, kw_only=True):
    row: TradeRow


class PositionSeen(Word, frozen=True, kw_only=True):
    row: PositionRow


class AccountSeen(Word, frozen=True, kw_only=True):
    row: AccountRow


class PlaceAnswer(Word, frozen=True, kw_only=True):
    """`order_id` may be known for a refused order too; it never means success."""

    tag: str
    outcome: Outcome
    order_id: int = 0
    text: str = ""


class CancelAnswer(Word, frozen=True, kw_only=True):
    order_id: int
    outcome: Outcome
    text: str = ""


class ModifyAnswer(Word, frozen=True, kw_only=True):
    order_id: int
    outcome: Outcome
    text: str = ""


class CloseAnswer(Word, frozen=True, kw_only=True):
    close_id: int
    contract: str
    outcome: Outcome
    text: str = ""


class PriceSeen(Word, frozen=True, kw_only=True):
    """The last trade the venue knows of, out of its newest bar; 0: it could not be learnt, perhaps
    for a `reason`.
    """

    ask_id: int
    contract: str
    price: Ticks = 0
    reason: str = ""


class Books(Word, frozen=True, kw_only=True):
    """The complete answer to `ReadBooks`. `account` is None unless it was asked for."""

    read_id: int
    orders: tuple[OrderRow, ...]
    positions: tuple[PositionRow, ...]
    trades: tuple[TradeRow, ...]
    account: AccountRow | None = None
    quota_left: int = 0


class Unread(Word, frozen=True, kw_only=True):
    """Read `read_id` brought nothing, or not everything: it proves nothing. `left`: a request of it
    may have left this computer. `held`: the positions, where a glance at them was all that the
    request budget had.
    """

    read_id: int
    reason: str
    left: bool = True
    held: tuple[PositionRow, ...] | None = None


class FlattenRequested(Word, frozen=True, kw_only=True):
    """A `flatten.request` stands in the run directory."""

    request_id: str
    cause: str
    who: str


class SentinelClosed(Word, frozen=True, kw_only=True):
    """What the sentinel closed while no router lived: contracts with the signed lots held then,
    each an order of the venue's own. Told once per life, as its last report stands.
    """

    request_id: str
    beat: int
    closed: tuple[tuple[str, Lots], ...]


WORDS: tuple[type[Word], ...] = (
    Join, Reconnect, KnowHalt, KnowSpent, PlaceOrder, PlaceReducing, CancelOrder, ModifyOrder,
    ModifyProtection, CloseContract, AskPrice, ReadBooks, ReportProgress,
    AccountsSeen, Link, OrderSeen, TradeSeen, PositionSeen, AccountSeen,
    PlaceAnswer, CancelAnswer, ModifyAnswer, CloseAnswer, PriceSeen, Books, Unread,
    FlattenRequested, SentinelClosed,
)  # fmt: skip
