"""What a notebook says to a pull replay and hears from it, under `/api/topstep-sim`.

A dialect of our own around the gateway's: below the base path every request of the gateway works as
it does below `/api`, for the account of a replay; what is here comes on top. `account_id` 0 means
the caller's latest replay, so that a notebook need not carry it about. Every answer of a replay
says where it stands.
"""

from __future__ import annotations

from enum import IntEnum

from shared.venue import words as venue
from shared.venue.answers import Response


class PullError(IntEnum):
    """`errorCode` of a ReplayResponse; the message says more."""

    SUCCESS = 0
    NO_REPLAY = 1
    INSTRUMENT_INVALID = 2
    DATES_INVALID = 3
    TIMEFRAME_INVALID = 4
    NO_MORE_BARS = 5
    TARGET_INVALID = 6
    SPEED_INVALID = 7


class ReplayStart(venue.Body, frozen=True, kw_only=True):
    """`instrument_symbol`: MNQ, a symbol id or a contract id. Dates: a trading day (2026-11-10) or
    an instant; an absent end is the end of the day the replay starts in. `timeframe`: 1m, 5m, 1h.
    `source`: synthetic, recorded, or auto (the recording where it has the dates). `rules` off: the
    firm enforces nothing but its cap.
    """

    instrument_symbol: str
    start_date: str
    end_date: str = ""
    timeframe: str = "1m"
    source: str = "auto"
    rules: bool = True


class ReplayStep(venue.Body, frozen=True, kw_only=True):
    """Play so many bars."""

    account_id: int = 0
    count: int = 1


class ReplayPlay(venue.Body, frozen=True, kw_only=True):
    """Let bars pass by themselves: `speed` bars a second, or one each `step_delay_ms`."""

    account_id: int = 0
    speed: float = 0.0
    step_delay_ms: int = 0


class ReplaySpeed(ReplayPlay, frozen=True, kw_only=True):
    """Change the pace without starting to play."""


class ReplayPause(venue.Body, frozen=True, kw_only=True):
    account_id: int = 0


class ReplayJumpTo(venue.Body, frozen=True, kw_only=True):
    """Play on to a bar (`index`: so many bars played) or to a time; never back."""

    account_id: int = 0
    index: int = -1
    time: str = ""


class ReplayStatus(venue.Body, frozen=True, kw_only=True):
    account_id: int = 0


class ReplayEnd(venue.Body, frozen=True, kw_only=True):
    """Forget the replay; its last standing is the answer."""

    account_id: int = 0


class PullPlace(venue.PlaceOrder, frozen=True, kw_only=True):
    """Order/place, with the account and contract of the replay by default, and brackets as plain
    distances: a stop and a target so many ticks from the fill, whatever the sign.
    """

    account_id: int = 0
    contract_id: str = ""
    type: int = 2
    size: int = 1
    sl_ticks: int = 0
    tp_ticks: int = 0


class CloseAll(venue.Body, frozen=True, kw_only=True):
    """Cancel every order and close every position of the replay's account."""

    account_id: int = 0


PullRequest = (
    ReplayStart | ReplayStep | ReplayPlay | ReplaySpeed | ReplayPause | ReplayJumpTo | ReplayStatus
    | ReplayEnd | PullPlace | CloseAll
)  # fmt: skip


class ReplayResponse(Response, frozen=True, kw_only=True):
    """Where a replay stands. `bars` and `fills` are those since the last answer that told any;
    `index` of `total_bars` bars are played. `ended`: replays that had to go for this one.
    """

    account_id: int = 0
    account_name: str = ""
    contract_id: str = ""
    timeframe: str = ""
    source: str = ""
    total_bars: int = 0
    index: int = 0
    start_time: str = ""
    end_time: str = ""
    time: str = ""
    playing: bool = False
    speed: float = 0.0
    done: bool = False
    bar: venue.BarModel | None = None
    bars: tuple[venue.BarModel, ...] = ()
    fills: tuple[venue.TradeModel, ...] = ()
    position: int = 0
    balance: float = 0.0
    equity: float = 0.0
    can_trade: bool = False
    ended: tuple[int, ...] = ()
