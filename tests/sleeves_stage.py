"""The stage of `services/sleeves/rehearsal.py`, under the names our own tests know it by."""

from __future__ import annotations

from services.sleeves.rehearsal import Stage, settings_for
from services.sleeves.rehearsal_venue import T0, Resting
from shared.contracts import PRODUCTS, contract_id

CONTRACTS = {root: contract_id(PRODUCTS[root], 2026, 12) for root in ("MES", "MNQ", "M2K", "MYM")}

__all__ = ["CONTRACTS", "T0", "Resting", "Stage", "settings_for"]
