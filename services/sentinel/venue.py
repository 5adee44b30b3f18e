"""The account as the sentinel sees it: REST with a token and a request budget of its own.

Orders are asked before positions, so that a fill between the two shows as a position. Prices are
not read at all: a price this sentinel could not understand must not keep it from closing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from services.sentinel import words
from services.sentinel.words import Outcome
from shared.settings import Settings, credentials
from shared.venue import outcome
from shared.venue import words as wire
from shared.venue.answers import Acknowledged, Response
from shared.venue.client import VenueClient
from shared.venue.codes import (
    LIVE_STATUSES,
    CancelError,
    CloseError,
    OrderKind,
    PositionKind,
    VenueOrderStatus,
    VenueSide,
)
from shared.venue.outcome import Reserve
from shared.venue.quota import Quota

PAGE: Final = 500
BUDGET: Final = {Reserve.SENTINEL: 20, Reserve.SAFETY: 150}  # a minute: watching, acting
STOPS: Final = (OrderKind.STOP, OrderKind.STOP_LIMIT, OrderKind.TRAILING_STOP)
LEGS: Final = ("-SL", "-TP")


class Trouble(Exception):
    """The venue's answer cannot be used; the message says why."""


def order_of(row: wire.OrderModel) -> words.LiveOrder:
    """An order row reduced to what the decision needs; a strange one counts as one that opens."""
    left = max(1, row.size - (row.fill_volume or 0))
    tag = row.custom_tag or ""
    return words.LiveOrder(
        order_id=row.id,
        contract=row.contract_id,
        lots=left if row.side == VenueSide.BID else -left,
        stop=row.type in STOPS,
        market=row.type == OrderKind.MARKET,
        leg=isinstance(row.parent_order_id, int) or tag.endswith(LEGS),
        suspended=row.status == VenueOrderStatus.SUSPENDED,
        leaving=row.status == VenueOrderStatus.PENDING_CANCELLATION,
    )


def lots_of(row: wire.PositionModel) -> int:
    """Signed lots; a direction the venue did not give still counts as open."""
    return -row.size if row.type == PositionKind.SHORT else row.size


def outcome_of(found: outcome.Outcome[Acknowledged], gone: int) -> tuple[Outcome, str]:
    """What became of a mutating request; by the code `gone` nothing is left to do."""
    if isinstance(found, outcome.Unknown):
        return Outcome.UNKNOWN, found.why
    if isinstance(found, outcome.NotSent):
        return Outcome.REFUSED, f"not sent: {found.why}"
    response = found.response
    if found.ok or response.error_code == gone:
        return Outcome.DONE, ""
    return Outcome.REFUSED, f"code {response.error_code} {response.error_message or ''}".strip()


class Account:
    """The one account named in the settings. Create inside a running loop; `close` when done."""

    def __init__(
        self,
        settings: Settings,
        gate: Callable[[], str | None],
        client: VenueClient | None = None,
    ) -> None:
        """`client`: instead of one of its own (the World's, which needs no loop)."""
        venue = settings.venue
        self._name = venue.account
        self._gate = gate
        self._id = 0
        self._client = client or VenueClient(
            settings.rest_url(),
            credentials(settings),
            venue.request_timeout_real_s,
            quota=Quota(BUDGET),
            renew_share=venue.login_before_expiry,
        )

    async def close(self) -> None:
        await self._client.close()

    async def books(
        self,
    ) -> tuple[tuple[words.LiveOrder, ...], tuple[tuple[str, int], ...]]:
        """(live orders, positions in signed lots). Raises Trouble."""
        reserve = Reserve.SENTINEL if self._gate() else Reserve.SAFETY
        account = await self._resolved(reserve)
        query = wire.OrderQuery(
            filter=wire.QueryFilter(account_id=account, statuses=tuple(map(int, LIVE_STATUSES))),
            page_size=PAGE,
            page_offset=0,
        )
        orders = _answer(await self._client.query_orders(query, reserve), "orders")
        positions = _answer(await self._client.positions(account, reserve), "positions")
        live = [row for row in orders.orders or () if row is not None]
        held = [row for row in positions.positions or () if row is not None]
        return (
            tuple(order_of(row) for row in live if row.status in LIVE_STATUSES),
            tuple((row.contract_id, lots_of(row)) for row in held if row.size),
        )

    async def cancel(self, order_id: int) -> tuple[Outcome, str]:
        request = wire.CancelOrder(account_id=self._id, order_id=order_id)
        found = await self._client.cancel(request, Reserve.SAFETY, self._gate)
        return outcome_of(found, CancelError.ORDER_NOT_FOUND)

    async def close_contract(self, contract: str) -> tuple[Outcome, str]:
        request = wire.PositionClose(account_id=self._id, contract_id=contract)
        found = await self._client.close_position(request, Reserve.SAFETY, self._gate)
        return outcome_of(found, CloseError.POSITION_NOT_FOUND)

    async def _resolved(self, reserve: Reserve) -> int:
        """The id behind the account's name. Raises Trouble; a live account is refused."""
        if self._id:
            return self._id
        found = _answer(await self._client.accounts(reserve=reserve), "accounts")
        for row in found.accounts or ():
            if row is not None and row.name == self._name:
                if row.simulated is False:
                    raise Trouble(f"account {self._name} is live; nothing may be sent to it")
                self._id = int(row.id)
                return self._id
        raise Trouble(f"the venue knows no account {self._name!r}")


def _answer(found: outcome.Outcome[Any], what: str) -> Any:
    """The response of a read that succeeded. Raises Trouble."""
    if not isinstance(found, outcome.Answered):
        raise Trouble(f"{what}: {found.why}")
    response: Response = found.response
    if not found.ok:
        raise Trouble(f"{what}: code {response.error_code} {response.error_message or ''}".strip())
    return response
