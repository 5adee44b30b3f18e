"""Sleeves that do what no handler should: to their process, to the governor, to themselves."""

from __future__ import annotations

import contextlib

from services.sleeves.base import Sleeve


class Hanging(Sleeve):
    """Never comes back from its first quote."""

    def on_quote(self, quote):
        while True:
            pass


class Hungry(Sleeve):
    """Takes all the memory there is, and keeps what it got."""

    kept: list = []

    def on_quote(self, quote):
        while True:
            self.kept.append(bytearray(1_000_000))


class Raising(Sleeve):
    """Fails at its first chance to trade."""

    def on_quote(self, quote):
        self.buy(sl_ticks=8)
        raise ZeroDivisionError("on purpose")


class Illegal(Sleeve):
    """Asks for sizes and prices that nobody can mean, and takes the refusal as it comes."""

    contracts_max = 10**12

    def on_quote(self, quote):
        for size in (0, -1, 1.5, 10**30, True, "2", None, 10**11):
            for more in ({"sl_ticks": 8}, {"sl_ticks": -8}, {"limit": 2**70, "sl_ticks": 8}):
                with contextlib.suppress(Exception):
                    self.buy(size, **more)


class Flooding(Sleeve):
    """Changes its mind a thousand times a quote, about everything it may."""

    contracts_max = 3

    def on_quote(self, quote):
        for number in range(1_000):
            self.buy(limit=quote.bid - number % 9, sl_ticks=8)
            for order in self.working:
                self.modify(order.intent_id, limit=quote.bid - number % 7)
                self.cancel(order.intent_id)
            self.close("no")
