"""`/sim`: ground truth, the clock and faults, for tests and demonstrations. Not part of the venue.

Needs no token and is not for browsers: a web page must not be able to order accidents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from services.simulator.port_faults import KINDS, BadFault, FaultOrder, WireFault, WireFaults
from services.simulator.port_faults import kind_of as fault_kind
from services.simulator.port_hubs import Hubs
from services.simulator.port_log import Log
from services.simulator.port_rest import Ask
from services.simulator.port_shape import Shape
from services.simulator.port_tokens import Mint
from services.simulator.words import (
    Fault,
    FaultKind,
    FirmOrder,
    FirmWish,
    SetWeather,
    SkipReport,
    SkipTo,
    Truth,
    WeatherReport,
)
from shared.units import MILLISECOND
from shared.venue import words
from shared.venue.times import time_ns, time_text

MAINTENANCE: Final = "The server is going down for maintenance."
AMOUNT_MAX: Final = 10**11  # three years of milliseconds
CLOSED: Final = "Connection closed with an error."


class WeatherWish(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /sim/weather`; `group` empty means all."""

    regime: str = ""
    group: str = ""


class AccountWish(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /sim/account`; `account` empty means the first."""

    wish: FirmWish = FirmWish.LOOK
    account: str = ""
    amount: int = 0


class ClockWish(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /sim/clock`: where market time is to go on, ISO with offset."""

    market: str


class Control:
    """Faults ordered, whoever orders them, and questions about what really happened."""

    def __init__(
        self,
        ask: Ask,
        clock: Callable[[], tuple[int, float]],
        *,
        mint: Mint,
        faults: WireFaults,
        hubs: Hubs,
        log: Log,
        shape: Shape,
        leap: Callable[[int], None],
    ) -> None:
        self._ask = ask
        self._leap = leap
        self._clock = clock
        self._mint = mint
        self._faults = faults
        self._hubs = hubs
        self._log = log
        self._shape = shape

    async def answer(self, request: web.Request, path: str) -> web.Response:
        if "Origin" in request.headers:
            return web.Response(status=403, text="not for browsers")
        wish = request.query.get("requests", "")
        match path, request.method:
            case "/sim/clock", "GET":
                return self._time()
            case "/sim/clock", "POST":
                return await self._skip(await request.read())
            case "/sim/truth", "GET":
                return await self._truth(wish, request.query.get("account", ""))
            case "/sim/account", "GET" | "POST":
                return await self._firm(request)
            case "/sim/requests", "GET":
                return _json(self._requests(wish))
            case "/sim/fault", "GET":
                return _json(self._standing())
            case "/sim/fault", "POST":
                return await self._ordered(await request.read())
            case "/sim/weather", "GET":
                return await self._weather(WeatherWish())
            case "/sim/weather", "POST":
                try:
                    asked = msgspec.json.decode(await request.read(), type=WeatherWish)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                    return web.Response(status=400, text=f"weather: {error}\n")
                return await self._weather(asked)
        return web.Response(status=404)

    def _time(self) -> web.Response:
        market_ns, speed = self._clock()
        market = time_text(market_ns, 9)
        return _json({"marketNs": market_ns, "market": market, "speed": speed})

    async def _skip(self, body: bytes) -> web.Response:
        """The market first, then the clock: time that runs ahead of it would be caught up with."""
        try:
            wish = msgspec.json.decode(body, type=ClockWish)
            to_ns = time_ns(wish.market, "market")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
            return web.Response(status=400, text=f"clock: {error}\n")
        told, _ = await self._ask(lambda call_id: SkipTo(call_id=call_id, to_ns=to_ns))
        if not isinstance(told, SkipReport):
            return web.Response(status=503)
        if told.error:
            return web.Response(status=400, text=f"clock: {told.error}\n")
        self._leap(told.market_ns)
        return self._time()

    async def _firm(self, request: web.Request) -> web.Response:
        """Let the firm do or tell something about an account (`counter.py`)."""
        order = AccountWish(account=request.query.get("account", ""))
        if request.method == "POST":
            try:
                order = msgspec.json.decode(await request.read(), type=AccountWish)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                return web.Response(status=400, text=f"account: {error}\n")
        amount = max(-AMOUNT_MAX, min(order.amount, AMOUNT_MAX))
        response, _ = await self._ask(
            lambda call_id: FirmOrder(
                call_id=call_id, account=order.account, wish=order.wish, amount=amount
            )
        )
        return web.Response(status=503) if response is None else _json(words.to_plain(response))

    async def _truth(self, wish: str, account: str) -> web.Response:
        response, _ = await self._ask(lambda call_id: Truth(call_id=call_id, account=account))
        if response is None:
            return web.Response(status=503)
        return _json(words.to_plain(response) | self._requests(wish))

    async def _weather(self, wish: WeatherWish) -> web.Response:
        """Ask for weather, or (with no regime) only which there is."""
        told, _ = await self._ask(
            lambda call_id: SetWeather(call_id=call_id, regime=wish.regime, group=wish.group)
        )
        if not isinstance(told, WeatherReport):
            return web.Response(status=503)
        if told.error:
            return web.Response(status=400, text=f"weather: {told.error}\n")
        return _json(words.to_plain(told))

    def _requests(self, wish: str) -> dict[str, Any]:
        return {"requestsTotal": self._log.total, "requests": self._log.shown(wish)}

    def _standing(self) -> dict[str, Any]:
        return {"faults": self._faults.shown(), "kinds": sorted(KINDS)}

    async def _ordered(self, body: bytes) -> web.Response:
        try:
            order = msgspec.json.decode(body, type=FaultOrder)
            told = await self.order(order)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, BadFault) as error:
            return web.Response(status=400, text=f"fault: {error}\n")
        return web.Response(status=503) if told is None else _json(told)

    async def order(self, order: FaultOrder) -> dict[str, Any] | None:
        """Let a fault stand; what stands now, None without an answer. Raises BadFault."""
        kind = fault_kind(order)
        amount = max(-AMOUNT_MAX, min(order.amount, AMOUNT_MAX))
        order = msgspec.structs.replace(order, amount=amount)
        if isinstance(kind, FaultKind):
            response, _ = await self._ask(
                lambda call_id: Fault(call_id=call_id, kind=kind, amount=max(0, amount))
            )
            return None if response is None else words.to_plain(response)
        self._faults.order(kind, order)
        match kind:
            case WireFault.DROP_HUBS | WireFault.HUB_OUTAGE:
                if order.amount > 0:
                    self._hubs.drop(order.hub)
            case WireFault.CLOSE_HUBS:
                self._hubs.end(order.hub, CLOSED)
            case WireFault.MAINTENANCE:
                if order.amount > 0:
                    self._hubs.end("", MAINTENANCE)
            case WireFault.REVOKE_TOKENS:
                self._mint.revoke_all()
                self._hubs.check_tokens(self._mint)
            case WireFault.WRONG_CLOCK:
                self._mint.clock_ms = order.amount
                self._shape.shift_ns = order.amount * MILLISECOND
        return self._standing()


def _json(value: dict[str, Any]) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), content_type="application/json", charset="utf-8"
    )
