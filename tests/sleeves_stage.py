"""The stage of `services/sleeves/rehearsal.py`, under the names our own tests know it by, and the
four sleeves warmed on it.
"""

from __future__ import annotations

from services.sleeves.rehearsal import Stage, settings_for
from services.sleeves.rehearsal_venue import T0, Resting
from shared.contracts import PRODUCTS, contract_id

CONTRACTS = {root: contract_id(PRODUCTS[root], 2026, 12) for root in ("MES", "MNQ", "M2K", "MYM")}

__all__ = [
    "CONTRACTS",
    "T0",
    "Resting",
    "Stage",
    "follower",
    "hedger",
    "maker",
    "reverter",
    "settings_for",
]  # fmt: skip


def maker(**params) -> Stage:
    stage = Stage("market_maker", settings_for("market_maker", **params)).open()
    stage.seconds(*[24_500, 24_501] * 10)
    return stage


def reverter(**params) -> Stage:
    stage = Stage("mean_reversion", settings_for("mean_reversion", **params)).open()
    stage.seconds(*[27_600, 27_601, 27_599] * 8)
    return stage


def follower(**params) -> Stage:
    stage = Stage("trend", settings_for("trend", **params)).open()
    stage.history(101_600, 14)
    stage.seconds(*[101_600, 101_604, 101_598] * 7)
    return stage


def hedger(**params) -> Stage:
    stage = Stage("tail_hedge", settings_for("tail_hedge", **params)).open()
    stage.seconds(*[48_200, 48_202, 48_199] * 7)
    return stage
