"""Sleeves that do to their process what no handler should: for the tests with real processes."""

from __future__ import annotations

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
