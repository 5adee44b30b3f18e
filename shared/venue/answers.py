"""The venue's answers, and the table of what may be asked where.

Every answer carries the envelope; a business failure is HTTP 200 with `success` false. Rows may be
null and lists may be missing, because the real venue has sent both: `rows` reads them either way.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, TypeVar

from msgspec import UNSET, Struct, UnsetType

from shared.venue import words

T = TypeVar("T")


class Response(words.Body, frozen=True, kw_only=True):
    """The envelope. `success` has no default: an empty body is no success."""

    success: bool
    error_code: words.Whole = 0
    error_message: str | None = None


class Acknowledged(Response, frozen=True, kw_only=True):
    """Nothing but the envelope: logout, modify, cancel, close, partial close."""


class LoginResponse(Response, frozen=True, kw_only=True):
    """A secret."""

    token: str | None = None

    def __repr__(self) -> str:
        return f"LoginResponse(***, error_code={self.error_code})"


class ValidateResponse(Response, frozen=True, kw_only=True):
    """A secret."""

    new_token: str | None = None

    def __repr__(self) -> str:
        return f"ValidateResponse(***, error_code={self.error_code})"


class AccountsResponse(Response, frozen=True, kw_only=True):
    accounts: tuple[words.AccountModel | None, ...] | None = None


class ContractsResponse(Response, frozen=True, kw_only=True):
    contracts: tuple[words.ContractModel | None, ...] | None = None


class ContractResponse(Response, frozen=True, kw_only=True):
    contract: words.ContractModel | None = None


class BarsResponse(Response, frozen=True, kw_only=True):
    """Newest first."""

    bars: tuple[words.BarModel | None, ...] | None = None


class PlaceResponse(Response, frozen=True, kw_only=True):
    """An `order_id` is no success: a rejected order has one."""

    order_id: words.Whole | None = None


class OrdersResponse(Response, frozen=True, kw_only=True):
    orders: tuple[words.OrderModel | None, ...] | None = None


class OrderResponse(Response, frozen=True, kw_only=True):
    order: words.OrderModel | None = None


class QueryResponse(Response, frozen=True, kw_only=True):
    orders: tuple[words.OrderModel | None, ...] | None = None
    total_count: words.Whole | None = None


class PositionsResponse(Response, frozen=True, kw_only=True):
    positions: tuple[words.PositionModel | None, ...] | None = None


class TradesResponse(Response, frozen=True, kw_only=True):
    trades: tuple[words.TradeModel | None, ...] | None = None


class Problem(words.Body, frozen=True, kw_only=True):
    """ASP.NET problem details: a 400 whose body never reached business logic."""

    type: str = "https://tools.ietf.org/html/rfc9110#section-15.5.1"
    title: str = "One or more validation errors occurred."
    status: words.Whole = 400
    detail: words.MaybeText = UNSET
    instance: words.MaybeText = UNSET
    errors: dict[str, tuple[str, ...]] | UnsetType = UNSET
    trace_id: str = ""


AnyResponse = (
    Acknowledged | LoginResponse | ValidateResponse | AccountsResponse | ContractsResponse
    | ContractResponse | BarsResponse | PlaceResponse | OrdersResponse | OrderResponse
    | QueryResponse | PositionsResponse | TradesResponse | Problem
)  # fmt: skip


class Endpoint(Struct, frozen=True):
    """`mutates`: a lost answer leaves the outcome unknown, so it is never sent twice.

    `uncertain`: error codes by which the venue itself says that it does not know.
    """

    path: str
    request: type[words.Body]
    response: type[Response]
    mutates: bool = False
    uncertain: tuple[int, ...] = ()


ENDPOINTS: Final = (
    Endpoint("/api/Auth/loginKey", words.LoginKey, LoginResponse),
    Endpoint("/api/Auth/validate", words.Validate, ValidateResponse),
    Endpoint("/api/Auth/logout", words.Logout, Acknowledged),
    Endpoint("/api/Account/search", words.AccountSearch, AccountsResponse),
    Endpoint("/api/Contract/search", words.ContractSearch, ContractsResponse),
    Endpoint("/api/Contract/searchById", words.ContractSearchById, ContractResponse),
    Endpoint("/api/Contract/available", words.ContractAvailable, ContractsResponse),
    Endpoint("/api/History/retrieveBars", words.RetrieveBars, BarsResponse),
    Endpoint("/api/Order/place", words.PlaceOrder, PlaceResponse, True, (6, 7)),
    Endpoint("/api/Order/modify", words.ModifyOrder, Acknowledged, True, (4, 5)),
    Endpoint("/api/Order/cancel", words.CancelOrder, Acknowledged, True, (4, 5)),
    Endpoint("/api/Order/search", words.OrderSearch, OrdersResponse),
    Endpoint("/api/Order/searchOpen", words.OrderSearchOpen, OrdersResponse),
    Endpoint("/api/Order/searchById", words.OrderSearchById, OrderResponse),
    Endpoint("/api/Order/v2/query", words.OrderQuery, QueryResponse),
    Endpoint("/api/Position/searchOpen", words.PositionSearchOpen, PositionsResponse),
    Endpoint("/api/Position/closeContract", words.PositionClose, Acknowledged, True, (6, 7)),
    Endpoint(
        "/api/Position/partialCloseContract", words.PositionPartialClose, Acknowledged, True, (7, 8)
    ),
    Endpoint("/api/Trade/search", words.TradeSearch, TradesResponse),
)
ENDPOINT_OF: Final[dict[type[words.Body], Endpoint]] = {entry.request: entry for entry in ENDPOINTS}


_LISTS: Final = frozenset({"accounts", "contracts", "bars", "orders", "positions", "trades"})


@lru_cache
def _lists(kind: type[Response]) -> tuple[str, ...]:
    """What an answer of this kind lists: nothing, or one thing."""
    return tuple(name for name in kind.__struct_fields__ if name in _LISTS)


def listless(response: Response) -> bool:
    """Whether an answer that should list something does not: then nothing is known, not nothing."""
    listed = _lists(type(response))
    return bool(listed) and all(getattr(response, name) is None for name in listed)


def rows(listed: tuple[T | None, ...] | None) -> tuple[T, ...]:
    """The rows of an answer without its nulls; a missing list has none."""
    return tuple(row for row in listed or () if row is not None)
