"""A sleeve whose constructor never comes back."""

from __future__ import annotations

from services.sleeves.base import Sleeve


class Endless(Sleeve):
    def prepare(self):
        while True:
            pass
