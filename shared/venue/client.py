"""The venue's REST interface: one method per endpoint, and an honest word on what became of each.

A mutating request is written at most once. `before_send` is asked when a connection stands and the
bytes are about to leave; its reason keeps them here. From then on anything but a readable answer is
`Unknown`: a timeout, a broken connection, 5xx, and also 401, 403 and 429, because nobody has proven
that the venue never acts before it says so. Reads are repeated a few times with back-off and a
fresh token. Requests are counted (`quota.py`), answers bounded, redirects refused, secrets never
printed.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable
from typing import Final, Generic, TypeVar

import aiohttp
import msgspec

from shared.settings import Credentials
from shared.units import Nanos
from shared.venue import answers, words
from shared.venue.answers import ENDPOINT_OF, Response
from shared.venue.client_http import (
    Answer,
    BeforeSend,
    Gate,
    Held,
    Way,
    named,
    problem,
    safe_url,
)
from shared.venue.client_login import LoginFailed, LoginRefused, TokenKeeper
from shared.venue.outcome import Answered, NotSent, Outcome, Reserve, Unknown, judged
from shared.venue.quota import Quota

READ_ATTEMPTS: Final = 3
RETRY_FIRST_S: Final = 0.2
URGENT: Final = (Reserve.SAFETY, Reserve.EXIT, Reserve.SENTINEL)
SAFETY_QUIET_S: Final = 1.0  # a close does not wait a minute because a venue asked for quiet

R = TypeVar("R", bound=Response)


class _Attempt(msgspec.Struct, Generic[R], frozen=True):
    """One attempt's outcome; `again`: a read may be tried once more."""

    outcome: Answered[R] | NotSent | Unknown
    status: int = 0
    again: bool = False


class VenueClient:
    """Asks the venue. Create inside a running loop; `close` when done."""

    def __init__(
        self,
        rest_url: str,
        credentials: Credentials,
        timeout_s: float,
        *,
        quota: Quota | None = None,
        renew_share: float = 0.5,
    ) -> None:
        self._base = safe_url(rest_url)
        self._credentials = credentials
        self._timeout_s = timeout_s
        self._quota = quota or Quota()
        self._keeper = TokenKeeper(self._login_once, renew_share)
        self._quiet_until = self._safety_quiet_until = 0.0
        self._way: Way | None = None

    # -- life --------------------------------------------------------------------------------------

    async def token(self) -> str:
        """A valid token, for the hubs. Raises LoginRefused, LoginFailed."""
        return await self._keeper.token()

    def quota_left(self, reserve: Reserve = Reserve.TRADING) -> int:
        return self._quota.left(reserve, time.monotonic_ns())

    def recall(self, spent: Iterable[tuple[Nanos, int]], now: Nanos) -> None:
        """Requests of an earlier life, see `Quota.recall`."""
        self._quota.recall(spent, now)

    async def close(self) -> None:
        await self._keeper.close()
        await self.drop()

    async def drop(self) -> None:
        """After a clock jump: every connection is doubted, the next request opens a new one."""
        way, self._way = self._way, None
        if way is not None:
            await way.close()

    # -- endpoints: reads --------------------------------------------------------------------------

    async def accounts(
        self, only_active: bool = False, reserve: Reserve = Reserve.RECONCILE
    ) -> Outcome[answers.AccountsResponse]:
        request = words.AccountSearch(only_active_accounts=only_active)
        return await self._read(request, answers.AccountsResponse, reserve)

    async def contracts(
        self, search_text: str, reserve: Reserve = Reserve.RECONCILE
    ) -> Outcome[answers.ContractsResponse]:
        request = words.ContractSearch(search_text=search_text)
        return await self._read(request, answers.ContractsResponse, reserve)

    async def contracts_available(
        self, reserve: Reserve = Reserve.RECONCILE
    ) -> Outcome[answers.ContractsResponse]:
        request = words.ContractAvailable()
        return await self._read(request, answers.ContractsResponse, reserve)

    async def contract(
        self, contract: str, reserve: Reserve = Reserve.RECONCILE
    ) -> Outcome[answers.ContractResponse]:
        request = words.ContractSearchById(contract_id=contract)
        return await self._read(request, answers.ContractResponse, reserve)

    async def bars(self, request: words.RetrieveBars) -> Outcome[answers.BarsResponse]:
        return await self._read(request, answers.BarsResponse, Reserve.HISTORY)

    async def orders(
        self, request: words.OrderSearch, reserve: Reserve = Reserve.RECONCILE
    ) -> Outcome[answers.OrdersResponse]:
        return await self._read(request, answers.OrdersResponse, reserve)

    async def open_orders(
        self, account_id: int, reserve: Reserve = Reserve.RECONCILE
    ) -> Outcome[answers.OrdersResponse]:
        """Without suspended legs; `query_orders` shows those."""
        request = words.OrderSearchOpen(account_id=account_id)
        return await self._read(request, answers.OrdersResponse, reserve)

    async def order(
        self, account_id: int, order_id: int, reserve: Reserve = Reserve.RECONCILE
    ) -> Outcome[answers.OrderResponse]:
        request = words.OrderSearchById(account_id=account_id, order_id=order_id)
        return await self._read(request, answers.OrderResponse, reserve)

    async def query_orders(
        self, request: words.OrderQuery, reserve: Reserve = Reserve.RECONCILE
    ) -> Outcome[answers.QueryResponse]:
        return await self._read(request, answers.QueryResponse, reserve)

    async def positions(
        self, account_id: int, reserve: Reserve = Reserve.RECONCILE
    ) -> Outcome[answers.PositionsResponse]:
        request = words.PositionSearchOpen(account_id=account_id)
        return await self._read(request, answers.PositionsResponse, reserve)

    async def trades(
        self, request: words.TradeSearch, reserve: Reserve = Reserve.RECONCILE
    ) -> Outcome[answers.TradesResponse]:
        return await self._read(request, answers.TradesResponse, reserve)

    # -- endpoints: acts ---------------------------------------------------------------------------

    async def place(
        self,
        request: words.PlaceOrder,
        reserve: Reserve = Reserve.TRADING,
        before_send: BeforeSend | None = None,
    ) -> Outcome[answers.PlaceResponse]:
        return await self._act(request, answers.PlaceResponse, reserve, before_send)

    async def modify(
        self,
        request: words.ModifyOrder,
        reserve: Reserve = Reserve.TRADING,
        before_send: BeforeSend | None = None,
    ) -> Outcome[answers.Acknowledged]:
        return await self._act(request, answers.Acknowledged, reserve, before_send)

    async def cancel(
        self,
        request: words.CancelOrder,
        reserve: Reserve = Reserve.SAFETY,
        before_send: BeforeSend | None = None,
    ) -> Outcome[answers.Acknowledged]:
        return await self._act(request, answers.Acknowledged, reserve, before_send)

    async def close_position(
        self,
        request: words.PositionClose,
        reserve: Reserve = Reserve.SAFETY,
        before_send: BeforeSend | None = None,
    ) -> Outcome[answers.Acknowledged]:
        return await self._act(request, answers.Acknowledged, reserve, before_send)

    async def ping(self) -> bool:
        """Whether the venue answers at all; needs no token and uses no budget."""
        try:
            return await self._opened().ping("/api/Status/ping")
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    # -- how ---------------------------------------------------------------------------------------

    async def _act(
        self,
        request: words.Body,
        kind: type[R],
        reserve: Reserve,
        before_send: BeforeSend | None,
    ) -> Outcome[R]:
        """One attempt, whatever happens."""
        attempt = await self._authorised(request, kind, reserve, before_send)
        return attempt.outcome

    async def _read(self, request: words.Body, kind: type[R], reserve: Reserve) -> Outcome[R]:
        """Up to three attempts: a read repeated changes nothing."""
        pause = RETRY_FIRST_S
        attempt = await self._authorised(request, kind, reserve, None)
        for _ in range(READ_ATTEMPTS - 1):
            if isinstance(attempt.outcome, Answered) or not attempt.again:
                break
            await asyncio.sleep(pause * random.uniform(0.7, 1.3))
            pause *= 2
            attempt = await self._authorised(request, kind, reserve, None)
        return attempt.outcome

    async def _authorised(
        self,
        request: words.Body,
        kind: type[R],
        reserve: Reserve,
        before_send: BeforeSend | None,
    ) -> _Attempt[R]:
        try:
            token = await self._keeper.token()
        except LoginRefused as error:
            return _Attempt(NotSent(str(error)), again=False)
        except LoginFailed as error:
            return _Attempt(NotSent(str(error)), again=True)
        quiet = self._safety_quiet_until if reserve in URGENT else self._quiet_until
        wait = quiet - time.monotonic()
        if wait > 0:
            return _Attempt(NotSent(f"the venue asked for quiet for {wait:.1f} s"), again=False)
        if not self._quota.take(reserve, time.monotonic_ns()):
            return _Attempt(NotSent(f"request budget {reserve.value} is spent"), again=False)
        attempt = await self._once(request, kind, Gate(before_send), token)
        if isinstance(attempt.outcome, NotSent):
            self._quota.give_back(reserve)
        if attempt.status == 401:
            self._keeper.refuse(token)
        return attempt

    async def _login_once(self) -> Outcome[answers.LoginResponse]:
        request = words.LoginKey(
            user_name=self._credentials.username, api_key=self._credentials.api_key
        )
        attempt = await self._once(request, answers.LoginResponse, Gate(None), "")
        return attempt.outcome

    async def _once(
        self, request: words.Body, kind: type[R], gate: Gate, token: str
    ) -> _Attempt[R]:
        endpoint = ENDPOINT_OF[type(request)]
        try:
            answer = await self._opened().post(endpoint.path, words.to_json(request), token, gate)
        except Held as held:
            return _Attempt(NotSent(str(held)), again=False)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            why = f"{endpoint.path}: {named(error)}"
            return _Attempt(Unknown(why) if gate.leaving else NotSent(why), again=True)
        return self._judge(answer, endpoint, kind)

    def _judge(self, answer: Answer, endpoint: answers.Endpoint, kind: type[R]) -> _Attempt[R]:
        status, body, where = answer.status, answer.body, f"{endpoint.path}: HTTP {answer.status}"
        if status == 429:
            now, asked = time.monotonic(), answer.quiet_s
            self._quiet_until = now + asked
            self._safety_quiet_until = now + min(asked, SAFETY_QUIET_S)
        if status == 400 and (said := problem(body)) is not None:
            refusal = kind(success=False, error_code=-400, error_message=said)
            return _Attempt(Answered(refusal), status=status)
        if status != 200:
            return _Attempt(
                Unknown(where), status=status, again=status in (401, 408) or status > 499
            )
        try:
            response = msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _Attempt(Unknown(f"{where}, unreadable: {error}"), status=status, again=True)
        outcome = judged(endpoint, response)
        return _Attempt(outcome, status=status, again=isinstance(outcome, Unknown))

    def _opened(self) -> Way:
        if self._way is None:
            self._way = Way(self._base, self._timeout_s)
        return self._way
