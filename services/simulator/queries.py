"""What only asks: accounts, contracts, bars, orders, positions, trades, and the truth for tests.

Rows come in the venue's order: orders ascending by id, trades and bars newest first. Suspended legs
are shown by `v2/query` and `searchById` alone. A time that cannot be read is HTTP 400 before any
business rule (`Problem`), as with the venue's model binding.

Bars of minutes and hours are aligned to UTC, of days, weeks and months to the trading day (17:00
CT) unless a switch says UTC; ticks are refused with code 2. Partial bars are the forming one only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Final, Protocol

import msgspec

from services.simulator import listing, render
from services.simulator.accounts import Account, Order
from services.simulator.exchange import Exchange
from services.simulator.history import RawBar, grouped
from services.simulator.history_periods import PERIODS, periods, utc_day
from services.simulator.market import Hours
from services.simulator.words import Holding, TruthReport
from shared.contracts import Product, contract_month
from shared.events import OrderState
from shared.units import HOUR, MINUTE, SECOND, Nanos
from shared.venue import words as venue
from shared.venue.answers import (
    AccountsResponse,
    AnyResponse,
    BarsResponse,
    ContractResponse,
    ContractsResponse,
    OrderResponse,
    OrdersResponse,
    PositionsResponse,
    Problem,
    QueryResponse,
    TradesResponse,
)
from shared.venue.codes import BarsError, BarUnit, VenueOrderStatus
from shared.venue.times import time_ns

BARS_MAX: Final = 20_000
SPANS: Final = {BarUnit.MINUTE: MINUTE, BarUnit.HOUR: HOUR}
FAR: Final = (1 << 63) - 1


class BadTime(ValueError):
    """A time in a request that cannot be read; `field` names it."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field


def _instant(text: str | None, field: str, default: Nanos) -> Nanos:
    """Absent and empty mean `default`. Raises BadTime."""
    if not text:
        return default
    try:
        return time_ns(text, field)
    except ValueError as error:
        raise BadTime(field, str(error)) from None


def problem(field: str, text: str) -> Problem:
    return Problem(errors={field: (text,)}, trace_id="00-simulator-00")


class Traded(Protocol):
    """Bars that were traded here."""

    def backwards(self, span: Nanos) -> Iterator[RawBar]: ...


class Before(Protocol):
    """Bars from before the simulation began."""

    def minutes(self) -> Iterator[RawBar]: ...

    def seconds(self) -> Iterator[RawBar]: ...


class Queries:
    """Answers without effects; `now_ns` is the market time of the request."""

    def __init__(
        self,
        exchange: Exchange,
        hours: Hours,
        series: Mapping[str, Traded],
        past: Mapping[str, Before],
    ) -> None:
        self._exchange = exchange
        self._all = exchange.accounts
        self._hours = hours
        self._series = series
        self._past = past
        seconds = {BarUnit.SECOND: SECOND} if exchange.customs.second_bars else {}
        self._spans = seconds | SPANS
        self._handlers = {
            venue.AccountSearch: self._accounts,
            venue.ContractSearch: self._contracts,
            venue.ContractSearchById: self._contract,
            venue.ContractAvailable: self._available,
            venue.RetrieveBars: self._bars,
            venue.OrderSearch: self._orders,
            venue.OrderSearchOpen: self._open_orders,
            venue.OrderSearchById: self._order,
            venue.OrderQuery: self._query,
            venue.PositionSearchOpen: self._positions,
            venue.TradeSearch: self._trades,
        }

    def answers(self, request: venue.Request) -> bool:
        return type(request) in self._handlers

    def answer(self, now_ns: Nanos, request: venue.Request) -> AnyResponse:
        try:
            handler = self._handlers[type(request)]
            response: AnyResponse = handler(now_ns, request)  # type: ignore[operator]
        except BadTime as error:
            return problem(error.field, str(error))
        return response

    # -- account, contracts ------------------------------------------------------------------------

    def _accounts(self, now_ns: Nanos, request: venue.AccountSearch) -> AccountsResponse:
        """A day's lock leaves an account active; a breach ends it."""
        shown = (
            self._exchange.row(account)
            for account in self._all.values()
            if not (request.only_active_accounts and account.state.firm.breached)
        )
        return AccountsResponse(success=True, accounts=tuple(shown))

    def _contracts(self, now_ns: Nanos, request: venue.ContractSearch) -> ContractsResponse:
        day = self._hours.day(now_ns).day
        found = [] if request.live else listing.search(request.search_text, day)
        return ContractsResponse(success=True, contracts=tuple(found))

    def _available(self, now_ns: Nanos, request: venue.ContractAvailable) -> ContractsResponse:
        found = [] if request.live else listing.available(self._hours.day(now_ns).day)
        return ContractsResponse(success=True, contracts=tuple(found))

    def _contract(self, now_ns: Nanos, request: venue.ContractSearchById) -> ContractResponse:
        day = self._hours.day(now_ns).day
        if listing.known(request.contract_id, day) is None:
            return ContractResponse(success=False, error_code=1)
        return ContractResponse(success=True, contract=listing.model(request.contract_id, day))

    # -- bars --------------------------------------------------------------------------------------

    def _bars(self, now_ns: Nanos, request: venue.RetrieveBars) -> BarsResponse:
        start = _instant(request.start_time, "startTime", 0)
        end = _instant(request.end_time, "endTime", FAR)
        product = listing.known(request.contract_id, self._hours.day(now_ns).day)
        code = BarsError.SUCCESS
        if product is None:
            code = BarsError.CONTRACT_NOT_FOUND
        elif request.unit not in PERIODS and request.unit not in self._spans:
            code = BarsError.UNIT_INVALID
        elif request.unit_number < 1:
            code = BarsError.UNIT_NUMBER_INVALID
        elif not 1 <= request.limit <= BARS_MAX:
            code = BarsError.LIMIT_INVALID
        if code is not BarsError.SUCCESS or product is None:
            return BarsResponse(success=False, error_code=code.value)
        if request.live or product.root not in self._series:
            return BarsResponse(success=True, bars=())
        rows: list[venue.BarModel] = []
        for ends_ns, bar in self._joined(now_ns, product, request):
            if bar[0] < start or len(rows) == request.limit:
                break
            partial = ends_ns > now_ns
            if bar[0] <= end and (request.include_partial_bar or not partial):
                rows.append(render.bar(bar, product))
        return BarsResponse(success=True, bars=tuple(rows))

    def _joined(
        self, now_ns: Nanos, product: Product, request: venue.RetrieveBars
    ) -> Iterator[tuple[Nanos, RawBar]]:
        """(end, bar) newest first, in the unit asked for, while the contract was the front."""
        seconds = request.unit == BarUnit.SECOND
        series, past = self._series[product.root], self._past[product.root]
        source = chain(
            series.backwards(SECOND if seconds else MINUTE),
            past.seconds() if seconds else past.minutes(),
        )
        own = self._while_listed(source, request.contract_id, product)
        if request.unit in PERIODS:
            unit, count = request.unit, request.unit_number
            day_of = utc_day if self._exchange.customs.day_bars == "utc" else self._session_day
            yield from periods(own, day_of, now_ns, unit=unit, count=count)
            return
        span = self._spans[BarUnit(request.unit)] * request.unit_number
        if span == (SECOND if seconds else MINUTE):  # as they were kept
            yield from ((bar[0] + span, bar) for bar in own)
            return
        for opening, bar in grouped(own, lambda at: at - at % span):
            yield opening + span, bar

    def _session_day(self, at_ns: Nanos) -> tuple[str, Nanos]:
        day = self._hours.day(at_ns)
        return day.day, day.opens_ns

    def _while_listed(
        self, bars: Iterator[RawBar], contract: str, product: Product
    ) -> Iterator[RawBar]:
        """Bars up to the contract's roll; one price series serves all months of a product."""
        day = None
        listed = True
        for bar in bars:
            if day is None or not day.begins_ns <= bar[0] < day.ends_ns:
                day = self._hours.day(bar[0])
                front = listing.front(product, day.day)
                listed = contract_month(contract) >= contract_month(front)
            if listed:
                yield bar

    # -- orders ------------------------------------------------------------------------------------

    def _every(self, account: Account) -> list[Order]:
        self._exchange.follow_trails()
        state = account.state
        return sorted(chain(state.done.values(), state.live.values()), key=lambda row: row.id)

    def _orders(self, now_ns: Nanos, request: venue.OrderSearch) -> OrdersResponse:
        start = _instant(request.start_timestamp, "startTimestamp", 0)
        end = _instant(request.end_timestamp, "endTimestamp", FAR)
        account = self._all.get(request.account_id)
        if account is None:
            return OrdersResponse(success=False, error_code=1)
        return OrdersResponse(
            success=True,
            orders=tuple(
                render.order(row)
                for row in self._every(account)
                if start <= row.created_ns <= end and row.state is not OrderState.SUSPENDED
            ),
        )

    def _open_orders(self, now_ns: Nanos, request: venue.OrderSearchOpen) -> OrdersResponse:
        account = self._all.get(request.account_id)
        if account is None:
            return OrdersResponse(success=False, error_code=1)
        self._exchange.follow_trails()
        rows = [
            row
            for row in account.state.live.values()
            if render.STATUS[row.state] == VenueOrderStatus.OPEN
        ]
        rows.sort(key=lambda row: row.id)
        return OrdersResponse(success=True, orders=tuple(render.order(row) for row in rows))

    def _order(self, now_ns: Nanos, request: venue.OrderSearchById) -> OrderResponse:
        self._exchange.follow_trails()
        account = self._all.get(request.account_id)
        row = account.find(request.order_id) if account else None
        if row is None:
            return OrderResponse(success=False, error_code=1)
        return OrderResponse(success=True, order=render.order(row))

    def _query(self, now_ns: Nanos, request: venue.OrderQuery) -> QueryResponse | Problem:
        wish = request.filter
        customs = self._exchange.customs
        size = customs.query_page if request.page_size is None else request.page_size
        offset, most = request.page_offset or 0, customs.query_page_max
        if not 1 <= size <= most:
            return problem("pageSize", f"pageSize was {size}; it is from 1 to {most}")
        if offset < 0:
            return problem("pageOffset", f"pageOffset was {offset}")
        statuses = wish.statuses
        if statuses and any(status not in tuple(VenueOrderStatus) for status in statuses):
            return problem("filter.statuses", f"statuses were {statuses}")
        start = _instant(wish.created_after, "filter.createdAfter", 0)
        end = _instant(wish.created_before, "filter.createdBefore", FAR)
        account = self._all.get(wish.account_id)
        if account is None:
            return QueryResponse(success=False, error_code=1)
        rows = [
            row
            for row in self._every(account)
            if start <= row.created_ns <= end
            and (not statuses or render.STATUS[row.state] in statuses)
            and (not wish.contract_id or row.contract == wish.contract_id)
        ]
        if request.sort_direction == 1:
            rows.reverse()
        return QueryResponse(
            success=True,
            orders=tuple(render.order(row) for row in rows[offset : offset + size]),
            total_count=len(rows) if request.include_total_count else None,
        )

    # -- positions, trades -------------------------------------------------------------------------

    def _positions(self, now_ns: Nanos, request: venue.PositionSearchOpen) -> PositionsResponse:
        account = self._all.get(request.account_id)
        if account is None:
            return PositionsResponse(success=False, error_code=1)
        return PositionsResponse(
            success=True,
            positions=tuple(
                render.position(account.state.id, contract, row)
                for contract, row in account.state.holdings.items()
                if row.position.lots
            ),
        )

    def _trades(self, now_ns: Nanos, request: venue.TradeSearch) -> TradesResponse:
        start = _instant(request.start_timestamp, "startTimestamp", 0)
        end = _instant(request.end_timestamp, "endTimestamp", FAR)
        account = self._all.get(request.account_id)
        if account is None:
            return TradesResponse(success=False, error_code=1)
        live = self._exchange.customs.is_live(account.state.name)  # has none to show
        return TradesResponse(
            success=True,
            trades=tuple(
                render.deal(row)
                for row in reversed(account.state.deals)
                if start <= row.at_ns <= end and not live
            ),
        )


TRUTH_ROWS: Final = 2_000


def truth(exchange: Exchange, account: Account, now_ns: Nanos, *, regime: str) -> TruthReport:
    """The books as they are, for tests; the last `TRUTH_ROWS` finished orders and trades."""
    exchange.follow_trails()
    state = account.state
    return TruthReport(
        market_ns=now_ns,
        account_id=state.id,
        account=state.name,
        can_trade=state.can_trade,
        start_micros=state.start,
        balance_micros=state.balance,
        profit_micros=state.profit,
        fees_micros=state.fees,
        fills=state.fills,
        volume=state.volume,
        positions=tuple(
            Holding(
                contract=contract,
                lots=row.position.lots,
                cost=row.position.cost,
                realised=row.position.realised,
            )
            for contract, row in state.holdings.items()
        ),
        open_orders=tuple(render.order(row) for row in state.live.values()),
        orders=tuple(render.order(row) for row in list(state.done.values())[-TRUTH_ROWS:]),
        trades=tuple(render.deal(row) for row in state.deals[-TRUTH_ROWS:]),
        tags_used=account.tags_used,
        tags_refused=state.tags_refused,
        regime=regime,
        faults=msgspec.structs.replace(exchange.state.faults),
        accounts=tuple(one.state.name for one in exchange.accounts.values()),
        paid_out_micros=state.paid_out,
        firm=msgspec.structs.replace(state.firm),
    )
