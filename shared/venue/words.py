"""The venue's language: requests, rows and hub payloads, as they are on the wire.

Names are camelCase on the wire, prices are decimals, times are ISO text, enums are plain numbers:
nothing is translated here (that is `translate.py`). The same structs serve both ends. Members the
venue is known to leave out or to null by version have a default; what an order *is* (ids,
contract, side, size, status) has none, so a row without it is refused instead of guessed. Enums
(`codes.py`) are numbers here because a stranger's value must reach the code that names it, not die
in the decoder.

A `Body` is tagged (`kind`), so that a private word can carry any of them through a journal. The
tag never reaches the venue: `to_json` and `to_hub` cut it off, and decoding a given type does not
ask for it. `to_json` writes null for what is absent, as the venue's REST does; members of a `Maybe`
type are left out instead; `to_hub` leaves out both. Answers are in `answers.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

# JSON knows no largest number, a journal does: what it cannot hold must not get so far.
Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
MaybeInt = Whole | None | UnsetType
MaybeFloat = float | None | UnsetType
MaybeText = str | None | UnsetType


class Part(Struct, frozen=True, kw_only=True, rename="camel"):
    """A member of a body; never on the wire by itself."""


class Body(Struct, frozen=True, kw_only=True, rename="camel", tag=True, tag_field="kind"):
    """A whole body: a request, a response, or the payload of a user event."""


# -- rows ------------------------------------------------------------------------------------------


class AccountModel(Body, frozen=True, kw_only=True):
    """`simulated` is missing in old answers; missing is not true."""

    id: Whole
    name: str
    balance: float
    can_trade: bool
    is_visible: bool = True
    simulated: bool | None = None


class ContractModel(Part, frozen=True, kw_only=True):
    id: str
    name: str
    description: str
    tick_size: float
    tick_value: float
    active_contract: bool
    symbol_id: str | None = None


class BarModel(Part, frozen=True, kw_only=True):
    """`t`: the bar's opening."""

    t: str
    o: float
    h: float
    l: float  # noqa: E741  the venue's name
    c: float
    v: Whole


class OrderModel(Body, frozen=True, kw_only=True):
    """`size` original, `fill_volume` cumulative, `filled_price` average."""

    id: Whole
    account_id: Whole
    contract_id: str
    symbol_id: str | None = None
    creation_timestamp: str
    update_timestamp: str | None = None
    status: Whole
    type: Whole
    side: Whole
    size: Whole
    limit_price: float | None = None
    stop_price: float | None = None
    fill_volume: Whole | None = 0
    filled_price: float | None = None
    custom_tag: str | None = None
    trail_distance: MaybeInt = UNSET  # ticks
    trail_price: MaybeFloat = UNSET  # trail_distance x tick size
    parent_order_id: MaybeInt = UNSET  # a bracket leg's entry
    linked_order_id: MaybeInt = UNSET  # on the take-profit: its stop-loss


class PositionModel(Body, frozen=True, kw_only=True):
    """`size` is never negative, `type` says the direction; flat on the hub is type 0, size 0."""

    id: Whole
    account_id: Whole
    contract_id: str
    contract_display_name: MaybeText = UNSET
    creation_timestamp: str
    type: Whole
    size: Whole
    average_price: float


class TradeModel(Body, frozen=True, kw_only=True):
    """One fill of ours. `profit_and_loss` is null on an opening fill and gross of fees."""

    id: Whole
    account_id: Whole
    contract_id: str
    creation_timestamp: str
    price: float
    profit_and_loss: float | None = None
    fees: float = 0.0
    commissions: MaybeFloat = UNSET
    side: Whole
    size: Whole
    voided: bool = False
    order_id: Whole


class BracketModel(Part, frozen=True, kw_only=True):
    """`ticks` is signed: from the entry's fill price."""

    ticks: Whole
    type: Whole


# -- requests --------------------------------------------------------------------------------------


class LoginKey(Body, frozen=True, kw_only=True):
    """A secret: never logged, never journalled by us."""

    user_name: str
    api_key: str

    def __repr__(self) -> str:
        return "LoginKey(***)"


class LoginApp(Body, frozen=True, kw_only=True):
    """The withdrawn login of applications; secrets as in `LoginKey`."""

    user_name: str
    password: str
    device_id: str
    app_id: str
    verify_key: str

    def __repr__(self) -> str:
        return "LoginApp(***)"


class Validate(Body, frozen=True, kw_only=True):
    """No members; the token is in the header."""


class Logout(Body, frozen=True, kw_only=True):
    """No members; the token is in the header."""


class Ping(Body, frozen=True, kw_only=True):
    """No members; answered `pong`, without a token."""


class AccountSearch(Body, frozen=True, kw_only=True):
    only_active_accounts: bool = False


class ContractSearch(Body, frozen=True, kw_only=True):
    search_text: str
    live: bool = False


class ContractSearchById(Body, frozen=True, kw_only=True):
    contract_id: str


class ContractAvailable(Body, frozen=True, kw_only=True):
    live: bool = False


class RetrieveBars(Body, frozen=True, kw_only=True):
    contract_id: str
    live: bool = False
    start_time: str
    end_time: str
    unit: Whole
    unit_number: Whole
    limit: Whole = 20_000  # the venue's maximum
    include_partial_bar: bool = False


class PlaceOrder(Body, frozen=True, kw_only=True):
    """`linked_order_id` is legacy: accepted, ignored, never sent by us."""

    account_id: Whole
    contract_id: str
    type: Whole
    side: Whole
    size: Whole
    limit_price: float | None = None
    stop_price: float | None = None
    trail_price: float | None = None  # an absolute level, not a distance
    custom_tag: str | None = None
    linked_order_id: MaybeInt = UNSET
    stop_loss_bracket: BracketModel | None = None
    take_profit_bracket: BracketModel | None = None


class ModifyOrder(Body, frozen=True, kw_only=True):
    """Absent or null means unchanged."""

    account_id: Whole
    order_id: Whole
    size: Whole | None = None
    limit_price: float | None = None
    stop_price: float | None = None
    trail_price: float | None = None


class CancelOrder(Body, frozen=True, kw_only=True):
    account_id: Whole
    order_id: Whole


class OrderSearch(Body, frozen=True, kw_only=True):
    account_id: Whole
    start_timestamp: str
    end_timestamp: str | None = None


class OrderSearchOpen(Body, frozen=True, kw_only=True):
    """Hides suspended bracket legs; `OrderQuery` does not."""

    account_id: Whole


class OrderSearchById(Body, frozen=True, kw_only=True):
    account_id: Whole
    order_id: Whole


class QueryFilter(Part, frozen=True, kw_only=True):
    account_id: Whole
    statuses: tuple[Whole, ...] | None = None
    contract_id: str | None = None
    created_after: str | None = None
    created_before: str | None = None


class OrderQuery(Body, frozen=True, kw_only=True):
    """Order/v2/query. `sort_by` 0 creation, 1 id; `sort_direction` 0 ascending, 1 descending."""

    filter: QueryFilter
    page_size: Whole | None = None
    page_offset: Whole | None = None
    sort_by: Whole | None = None
    sort_direction: Whole | None = None
    include_total_count: bool | None = None


class PositionSearchOpen(Body, frozen=True, kw_only=True):
    account_id: Whole


class PositionClose(Body, frozen=True, kw_only=True):
    """Position/closeContract: a market order of the venue's own; resting orders stay."""

    account_id: Whole
    contract_id: str


class PositionPartialClose(Body, frozen=True, kw_only=True):
    account_id: Whole
    contract_id: str
    size: Whole


class TradeSearch(Body, frozen=True, kw_only=True):
    account_id: Whole
    start_timestamp: str | None = None
    end_timestamp: str | None = None


# -- market hub ------------------------------------------------------------------------------------


class QuotePayload(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Sparse after the first: what is absent has not changed, and is never zero."""

    symbol: str | None = None  # the symbol id: F.US.MES; names no month
    last_price: float | None = None
    best_bid: float | None = None
    best_ask: float | None = None
    change: float | None = None
    change_percent: float | None = None
    open: float | None = None
    high: float | None = None
    low: float | None = None
    volume: Whole | None = None  # the session's total
    last_updated: str | None = None
    timestamp: str | None = None
    contract: str | None = None


class TapePayload(Part, frozen=True, kw_only=True, omit_defaults=True):
    """One print. `type`: TapeSide."""

    symbol_id: str | None = None
    price: float
    timestamp: str
    type: Whole | None = None
    volume: Whole
    contract_id: str | None = None


class DepthPayload(Part, frozen=True, kw_only=True):
    """One level. `type`: DepthKind; `volume` replaces the level's size, 0 removes it."""

    contract_id: MaybeText = UNSET
    timestamp: str
    type: Whole
    price: float
    volume: Whole
    current_volume: Whole = 0


Request = (
    LoginKey | Validate | Logout | Ping | AccountSearch | ContractSearch | ContractSearchById
    | ContractAvailable | RetrieveBars | PlaceOrder | ModifyOrder | CancelOrder | OrderSearch
    | OrderSearchOpen | OrderSearchById | OrderQuery | PositionSearchOpen | PositionClose
    | PositionPartialClose | TradeSearch
)  # fmt: skip
UserPayload = AccountModel | OrderModel | PositionModel | TradeModel

USER_ACCOUNT: Final = "GatewayUserAccount"
USER_ORDER: Final = "GatewayUserOrder"
USER_POSITION: Final = "GatewayUserPosition"
USER_TRADE: Final = "GatewayUserTrade"
LOGOUT: Final = "GatewayLogout"
QUOTE: Final = "GatewayQuote"
TAPE: Final = "GatewayTrade"
DEPTH: Final = "GatewayDepth"

USER_TARGETS: Final[dict[str, type[UserPayload]]] = {
    USER_ACCOUNT: AccountModel,
    USER_ORDER: OrderModel,
    USER_POSITION: PositionModel,
    USER_TRADE: TradeModel,
}

_JSON: Final = msgspec.json.Encoder()


def _untagged(value: Any, nulls: bool) -> Any:
    if isinstance(value, dict):
        return {
            key: _untagged(inner, nulls)
            for key, inner in value.items()
            if key != "kind" and (nulls or inner is not None)
        }
    if isinstance(value, (list, tuple)):
        return [_untagged(inner, nulls) for inner in value]
    return value


def to_plain(body: Body) -> dict[str, Any]:
    """A REST body as a plain mapping: nulls kept, `Maybe` members left out when unset, no tag."""
    plain: dict[str, Any] = _untagged(msgspec.to_builtins(body), nulls=True)
    return plain


def to_json(body: Body) -> bytes:
    """A REST body as it is on the wire. A tag comes first, so that of a body without rows is cut
    off the text, which spares an order from being made into mappings on its way.
    """
    encoded = _JSON.encode(body)
    if encoded.count(b'"kind":') > 1:
        return _JSON.encode(to_plain(body))
    _, _, members = encoded.partition(b",")
    return b"{" + members if members else b"{}"


def to_hub(payload: Body | Part) -> dict[str, Any]:
    """A hub payload as a plain mapping: members without a value are left out, no tag."""
    plain: dict[str, Any] = _untagged(msgspec.to_builtins(payload), nulls=False)
    return plain
