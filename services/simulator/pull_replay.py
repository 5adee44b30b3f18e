"""Pull replays for people with notebooks: start one, take the next bar, trade, look, take another.

Sessions are apart from the live market and from each other: own account, own clock, own book. They
are part of the simulator's memory and survive its restart. At most `replay_sessions` live at once;
one more ends the session that was asked for nothing the longest, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from services.simulator import listing
from services.simulator.counter import new_account
from services.simulator.customs import customs_of
from services.simulator.dice import Dice, seed_of
from services.simulator.exchange_state import ExchangeState
from services.simulator.history import RawBar
from services.simulator.market import Hours
from services.simulator.matching import BookState
from services.simulator.pull_reel import (
    BadWish,
    MadeUp,
    Reel,
    Taped,
    minutes_of,
    product_named,
    span_of,
)
from services.simulator.pull_session import PullSession, PullState
from services.simulator.pull_words import (
    CloseAll,
    PullError,
    PullPlace,
    PullRequest,
    ReplayEnd,
    ReplayJumpTo,
    ReplayPause,
    ReplayPlay,
    ReplayResponse,
    ReplaySpeed,
    ReplayStart,
    ReplayStatus,
    ReplayStep,
)
from services.simulator.words import Answer, Faults, PullCall
from shared.core import Word
from shared.domain.sessions import calendar
from shared.settings import Settings
from shared.units import Nanos
from shared.venue import words as venue
from shared.venue.answers import AccountsResponse, Acknowledged, AnyResponse
from shared.venue.codes import OrderKind
from shared.venue.times import time_ns

FIRST_ACCOUNT: Final = 30_000_001
PACE_MAX: Final = 1_000_000  # thousandths of a bar a second
COUNT_MAX: Final = 1_000_000
NO_REPLAY: Final = "no such replay; begin one with Replay/start"

Told = ReplayResponse | AnyResponse
T = TypeVar("T")


class PullsState(Struct, kw_only=True):
    """Sessions by account, the one asked for nothing the longest first."""

    sessions: dict[int, PullState] = {}
    next_account: int = FIRST_ACCOUNT


class Pulls:
    """Every pull replay. `films`: recorded one-minute bars by product."""

    def __init__(
        self,
        state: PullsState,
        settings: Settings,
        films: Mapping[str, tuple[RawBar, ...]],
        seed: int,
    ) -> None:
        self.state = state
        self._wish = settings.simulator
        self._packs = settings.packs
        self._days = calendar(settings.session)
        self._films = films
        self._seed = seed
        self._customs = msgspec.structs.replace(
            customs_of(settings.simulator), stop_limit=True, unsigned_ticks=True
        )
        self._sessions: dict[int, PullSession] = {}
        for account_id in list(state.sessions):
            kept = state.sessions[account_id]
            if kept.source == "recorded" and kept.root not in films:
                del state.sessions[account_id]  # its film is gone
                continue
            self._sessions[account_id] = self._session(kept)
        self._acts: dict[type[venue.Body], Any] = {
            ReplayStep: self._step,
            ReplayPlay: self._play,
            ReplaySpeed: self._pace,
            ReplayPause: self._pause,
            ReplayJumpTo: self._jump,
            ReplayStatus: self._status,
            ReplayEnd: self._end,
            CloseAll: self._close_all,
        }

    def freeze(self) -> None:
        """Make the state hold everything, for a snapshot."""
        for session in self._sessions.values():
            session.exchange.account.freeze()

    # -- asked -------------------------------------------------------------------------------------

    def ask(self, live_ns: Nanos, call: PullCall, said: list[Word]) -> Told:
        """Answer a request; events of its account are appended to `said`."""
        request = call.request
        if isinstance(request, ReplayStart):
            return self._start(live_ns, call.user, request)
        if isinstance(request, venue.AccountSearch):
            return self._accounts(call.user)
        session = self._find(call.user, getattr(request, "account_id", None), request)
        if session is None:
            return _nobody(request)
        session.catch_up(live_ns)
        act = self._acts.get(type(request))
        if act is not None:
            told: Told = act(live_ns, session, request)
        else:
            told = self._gateway(session, request)
        said += [word for word in session.exchange.said if not isinstance(word, Answer)]
        session.exchange.said.clear()
        return told

    def _find(
        self, user: str, account_id: int | None, request: PullRequest | venue.Request
    ) -> PullSession | None:
        """The session of an account, or the user's latest; it is now the latest of all."""
        if isinstance(request, venue.OrderQuery):
            account_id = request.filter.account_id
        mine = [key for key, state in self.state.sessions.items() if state.user == user]
        if account_id:
            mine = [key for key in mine if key == account_id]
        if not mine:
            return None
        state = self.state.sessions.pop(mine[-1])
        self.state.sessions[state.account_id] = state
        return self._sessions[state.account_id]

    def _accounts(self, user: str) -> AccountsResponse:
        return AccountsResponse(
            success=True,
            accounts=tuple(
                self._sessions[key].row()
                for key, state in self.state.sessions.items()
                if state.user == user
            ),
        )

    # -- begin, end --------------------------------------------------------------------------------

    def _start(self, live_ns: Nanos, user: str, wish: ReplayStart) -> ReplayResponse:
        code = PullError.INSTRUMENT_INVALID
        try:
            root = product_named(wish.instrument_symbol).root
            code = PullError.TIMEFRAME_INVALID
            minutes = minutes_of(wish.timeframe)
            code = PullError.DATES_INVALID
            span = span_of(self._days, wish.start_date, wish.end_date)
            source = self._source(root, span, wish.source)
            state = self._opened(user, root, span, (minutes, source, wish.rules))
            session = self._session(state)
            if not session.total:
                raise BadWish("nothing was traded between these dates")
        except BadWish as bad:
            return ReplayResponse(success=False, error_code=code, error_message=str(bad))
        ended = self._make_room()
        self.state.next_account += 1
        self.state.sessions[state.account_id] = state
        self._sessions[state.account_id] = session
        state.since_ns = live_ns
        return msgspec.structs.replace(session.report(), ended=ended)

    def _source(self, root: str, span: tuple[Nanos, Nanos], wish: str) -> str:
        """Raises BadWish."""
        film = self._films.get(root)
        if wish == "recorded" and film is None:
            raise BadWish(f"there is no recording of {root}; recorded: {sorted(self._films)}")
        if wish not in ("auto", "synthetic", "recorded"):
            raise BadWish(f"source was {wish!r:.40}; it is auto, synthetic or recorded")
        if wish == "auto":
            held = film is not None and film[0][0] <= span[0] <= film[-1][0]
            return "recorded" if held else "synthetic"
        return wish

    def _opened(
        self, user: str, root: str, span: tuple[Nanos, Nanos], kind: tuple[int, str, bool]
    ) -> PullState:
        """A session's state, with an account like the first of the settings."""
        minutes, source, rules = kind
        account_id = self.state.next_account
        like = msgspec.structs.replace(
            self._wish.accounts[0], name=f"REPLAY-{root}-{account_id}", brackets="auto_oco"
        )
        day = self._days.at(span[0]).day
        return PullState(
            account_id=account_id,
            user=user,
            root=root,
            contract=listing.front(product_named(root), day),
            start_ns=span[0],
            end_ns=span[1],
            minutes=minutes,
            source=source,
            exchange=ExchangeState(
                accounts={account_id: new_account(like, self._packs, account_id, enforced=rules)},
                books={root: BookState()},
                dice=Dice(seed_of(self._seed, "pull", account_id)),
                faults=Faults(),
            ),
            now_ns=span[0],
            day=day,
        )

    def _session(self, state: PullState) -> PullSession:
        span, hours = (state.start_ns, state.end_ns), Hours(self._days)
        reel: Reel
        if state.source == "recorded":
            reel = Taped(self._films[state.root], span)
        else:
            reel = MadeUp(self._seed, state.root, span, hours)
        return PullSession(state, reel, hours, seed=self._seed, customs=self._customs)

    def _make_room(self) -> tuple[int, ...]:
        ended: list[int] = []
        while len(self.state.sessions) >= self._wish.replay_sessions:
            oldest = next(iter(self.state.sessions))
            self._forget(oldest)
            ended.append(oldest)
        return tuple(ended)

    def _forget(self, account_id: int) -> None:
        del self.state.sessions[account_id], self._sessions[account_id]

    def _end(self, live_ns: Nanos, session: PullSession, wish: ReplayEnd) -> ReplayResponse:
        session.state.playing = False
        told = session.report()
        self._forget(session.state.account_id)
        return told

    # -- move --------------------------------------------------------------------------------------

    @staticmethod
    def _step(live_ns: Nanos, session: PullSession, wish: ReplayStep) -> ReplayResponse:
        if not 1 <= wish.count <= COUNT_MAX:
            return session.report(PullError.TARGET_INVALID, f"count was {wish.count}")
        if session.done:
            return session.report(PullError.NO_MORE_BARS, "every bar is played")
        session.play(wish.count)
        return session.report()

    def _play(self, live_ns: Nanos, session: PullSession, wish: ReplayPlay) -> ReplayResponse:
        told = self._pace(live_ns, session, wish)
        if told.success and not session.done:
            session.state.playing = True
            told = msgspec.structs.replace(told, playing=True)
        return told

    @staticmethod
    def _pace(live_ns: Nanos, session: PullSession, wish: ReplayPlay) -> ReplayResponse:
        """Neither speed nor delay: the pace stays."""
        state = session.state
        pace = state.pace
        if wish.step_delay_ms:
            pace = 1_000_000 // wish.step_delay_ms if wish.step_delay_ms > 0 else 0
        elif wish.speed:
            pace = round(wish.speed * 1_000) if abs(wish.speed) < COUNT_MAX else 0
        if not 1 <= pace <= PACE_MAX:
            return session.report(
                PullError.SPEED_INVALID, "speed is from 0.001 to 1000 bars a second"
            )
        state.pace, state.since_ns = pace, live_ns
        return session.report()

    @staticmethod
    def _pause(live_ns: Nanos, session: PullSession, wish: ReplayPause) -> ReplayResponse:
        session.state.playing = False
        return session.report()

    @staticmethod
    def _jump(live_ns: Nanos, session: PullSession, wish: ReplayJumpTo) -> ReplayResponse:
        """Forward, as far as one request may go; the answer says how far it came."""
        target = wish.index
        if wish.time:
            try:
                target = session.bars_to(time_ns(wish.time, "time"))
            except ValueError as error:
                return session.report(PullError.TARGET_INVALID, str(error))
        if not session.state.index <= target <= session.total:
            return session.report(
                PullError.TARGET_INVALID,
                f"bar {target} is not ahead: {session.state.index} of {session.total} are played",
            )
        session.play(target - session.state.index)
        return session.report()

    @staticmethod
    def _status(live_ns: Nanos, session: PullSession, wish: ReplayStatus) -> ReplayResponse:
        return session.report()

    @staticmethod
    def _close_all(live_ns: Nanos, session: PullSession, wish: CloseAll) -> ReplayResponse:
        session.close_all()
        return session.report()

    # -- the gateway's own requests ----------------------------------------------------------------

    def _gateway(self, session: PullSession, request: PullRequest | venue.Request) -> Told:
        if isinstance(request, PullPlace):
            request = _place(session.state, request)
        elif getattr(request, "account_id", None) == 0:
            request = msgspec.structs.replace(request, account_id=session.state.account_id)
        now_ns, exchange, desk = session.state.now_ns, session.exchange, session.desk
        match request:
            case venue.PlaceOrder():
                desk.place(now_ns, 1, request)
            case venue.ModifyOrder():
                desk.modify(now_ns, 1, request)
            case venue.CancelOrder():
                desk.cancel(now_ns, 1, request)
            case venue.PositionClose():
                desk.close(now_ns, 1, request)
            case venue.PositionPartialClose():
                desk.partial_close(now_ns, 1, request)
            case _ if session.queries.answers(request):  # type: ignore[arg-type]
                return session.queries.answer(now_ns, request)  # type: ignore[arg-type]
            case _:
                return _nobody(request)
        session.settle_now()
        answers = [word.response for word in exchange.said if isinstance(word, Answer)]
        assert answers, f"Invariant: {type(request).__name__} is answered at once"
        told = answers[-1]
        assert isinstance(told, AnyResponse), "Invariant: the desk speaks the gateway's words"
        return told


def _place(state: PullState, wish: PullPlace) -> venue.PlaceOrder:
    """The gateway's order behind a notebook's."""
    plain = {name: getattr(wish, name) for name in venue.PlaceOrder.__struct_fields__}
    plain["account_id"] = wish.account_id or state.account_id
    plain["contract_id"] = wish.contract_id or state.contract
    if wish.sl_ticks:
        plain["stop_loss_bracket"] = venue.BracketModel(ticks=wish.sl_ticks, type=OrderKind.STOP)
    if wish.tp_ticks:
        plain["take_profit_bracket"] = venue.BracketModel(ticks=wish.tp_ticks, type=OrderKind.LIMIT)
    return venue.PlaceOrder(**plain)


def _nobody(request: PullRequest | venue.Request) -> Told:
    if isinstance(request, PullRequest):
        return ReplayResponse(
            success=False, error_code=PullError.NO_REPLAY, error_message=NO_REPLAY
        )
    return Acknowledged(success=False, error_code=1, error_message=NO_REPLAY)
