"""Streaming indicators: `update`, `value`, `ready`; equal to their batch formulas.

They are msgspec structs, so they live inside a sleeve's memory and travel with its snapshot. Prices
go in as ticks and rolling sums are kept as integers: a window that has moved a million times holds
exactly what a fresh one would, where float sums drift and a restart would show. A float appears at
the last division (or `sqrt`), which IEEE 754 rounds equally on every machine; `Ema`, `Atr` and
`Rsi` are recursive by definition and are floats throughout, computed in one fixed order.

`value` before `ready` is an assertion error: a half-filled window is not a small opinion but none.
"""

from shared.domain.indicators.averages import Ema, Momentum, SessionVwap, Sma, Vwap
from shared.domain.indicators.flow import OrderFlowImbalance, VolumeProfile, microprice
from shared.domain.indicators.pairs import RollingBeta, RollingSpread
from shared.domain.indicators.ranges import (
    Atr,
    Bollinger,
    Donchian,
    RealisedVolatility,
    VolatilityRatio,
    ZScore,
)
from shared.domain.indicators.shapes import Engulfing, Rsi, Swings
from shared.domain.indicators.terrain import Terrain
from shared.domain.indicators.window import WINDOW_MAX, Indicator

__all__ = [
    "WINDOW_MAX",
    "Atr",
    "Bollinger",
    "Donchian",
    "Ema",
    "Engulfing",
    "Indicator",
    "Momentum",
    "OrderFlowImbalance",
    "RealisedVolatility",
    "RollingBeta",
    "RollingSpread",
    "Rsi",
    "SessionVwap",
    "Sma",
    "Swings",
    "Terrain",
    "VolatilityRatio",
    "VolumeProfile",
    "Vwap",
    "ZScore",
    "microprice",
]
