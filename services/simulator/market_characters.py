"""Who the products are: price level, liveliness, displayed size, limits and hours of each.

The four micro index futures are as the strategies' rehearsal needs them and are not to be touched
lightly: their market under a seed is pinned by a test. All other numbers are *invented*, plausible
for November 2026: price levels a trader would not find absurd, a minute's move of one to six ticks
in calm, sizes as displayed on a weekday. Nobody should calibrate anything on them.

Families share one price: the micro and the mini of a thing follow its lead, with a basis of about
half a tick. Everything else in a group shares three fifths of its shocks.

Price limits are one percentage per group around the last settlement (here: the last price of the
session before). The exchange's own are finer: index futures have 7, 13 and 20 % steps by day, meats
and grains fixed amounts that are set anew twice a year, currencies, metals, energies and rates move
limits that follow the market (dynamic circuit breakers). We keep the first step of each, roughly.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from shared.contracts import PRODUCTS, ticks
from shared.units import HOUR, MINUTE, Nanos, Ticks

LIMIT_PERCENT: Final = {
    "index": 7,
    "energy": 10,
    "metals": 10,
    "currencies": 4,
    "crypto": 30,
    "rates": 3,
    "grains": 7,
    "livestock": 4,
}
# When a group trades, from the opening of the trading day (17:00 CT); groups without a line follow
# the index futures. Grains 19:00 to 7:45 and 8:30 to 13:20, meats 8:30 to 13:05.
WINDOWS: Final[dict[str, tuple[tuple[Nanos, Nanos], ...]]] = {
    "grains": (
        (2 * HOUR, 14 * HOUR + 45 * MINUTE),
        (15 * HOUR + 30 * MINUTE, 20 * HOUR + 20 * MINUTE),
    ),
    "livestock": ((15 * HOUR + 30 * MINUTE, 20 * HOUR + 5 * MINUTE),),
}


class Character(Struct, frozen=True):
    """How one product moves. Distances in ticks, `noise` in 1/1024 tick per step of 50 ms."""

    root: str
    home: int  # where it starts, ticks
    noise: int
    swing: int  # of an excursion in chop
    drift: int  # per second in a trend, in 1/1024 tick
    jump: int  # of a spike
    size: int  # typical displayed size of a level
    wander: int  # the farthest it may trend away from home
    pace: int = 256  # how often it trades, in 1/256 of the micros


CHARACTERS: Final = {
    character.root: character
    for character in (
        Character("MES", 27_600, 230, 16, 700, 16, 24, 1_200),
        Character("MNQ", 101_600, 560, 12, 6_600, 50, 8, 4_400),
        Character("M2K", 24_500, 260, 6, 400, 12, 6, 1_000),
        Character("MYM", 48_200, 400, 10, 1_400, 80, 6, 2_000),
    )
}
"""The four that are quoted unless told otherwise."""

FAMILIES: Final = {
    "ES": "MES", "NQ": "MNQ", "RTY": "M2K", "YM": "MYM", "MCL": "CL", "QM": "CL", "MNG": "NG",
    "QG": "NG", "MGC": "GC", "SIL": "SI", "MHG": "HG", "E7": "6E", "M6E": "6E", "M6A": "6A",
    "M6B": "6B",
}  # fmt: skip
"""Who follows whom."""

# Root, price, noise, displayed size, pace. Followers have their lead's price and noise.
_ROWS: Final = """
ES 0 0 60 300   NQ 0 0 6 256   RTY 0 0 8 180   YM 0 0 6 160   EMD 3310 300 2 30   NKD 50200 160 6 50
CL 61.85 330 14 256   MCL 0 0 24 220   QM 0 0 4 40   NG 4.128 360 10 200   MNG 0 0 12 120
QG 0 0 3 30   RB 1.9412 420 3 100   HO 2.3480 460 3 100
GC 4152.3 480 8 256   MGC 0 0 14 256   SI 51.205 420 5 180   SIL 0 0 6 140   HG 5.0425 320 6 140
MHG 0 0 8 90   PL 1561.4 360 2 60
6A 0.65485 150 60 140   6B 1.3241 140 50 140   6C 0.71370 110 60 120   6E 1.16455 170 60 180
6J 0.0065485 230 50 180   6M 0.05432 160 40 70   6N 0.57340 120 40 80   6S 1.25110 170 30 90
E7 0 0 6 20   M6A 0 0 30 40   M6B 0 0 20 40   M6E 0 0 30 80
MBT 98150 430 4 120   MET 3284.5 460 8 100
ZT 104.15625 60 900 120   ZF 109.2265625 90 700 160   ZN 113.015625 110 600 220
TN 115.453125 110 300 120   ZB 117.03125 120 200 160   UB 120.96875 140 100 130
ZC 430.25 110 180 140   ZS 1121.5 200 50 140   ZW 534.75 170 60 120   ZL 50.48 280 40 100
ZM 321.7 220 30 100   LE 225.475 200 14 80   HE 80.325 200 16 70
"""


def _nature(row: list[str]) -> Character:
    root, price, noise, size, pace = row
    product = PRODUCTS[root]
    lead = FAMILIES.get(root)
    if lead is None:
        home, loud = ticks(float(price), product), int(noise)
    else:
        other = character(lead)
        home = convert(other.home, lead, root)
        loud = max(40, convert(other.noise, lead, root))
    return Character(
        root=root,
        home=home,
        noise=loud,
        swing=max(6, loud // 25),
        drift=3 * loud,
        jump=max(8, loud // 10),
        size=int(size),
        wander=home * LIMIT_PERCENT[product.group] * 3 // 500,
        pace=int(pace),
    )


def convert(count: int, one: str, other: str) -> int:
    """A price or distance in ticks (or parts of ticks) of one product, in those of another."""
    return count * PRODUCTS[one].tick_nanos // PRODUCTS[other].tick_nanos


def _natures() -> dict[str, Character]:
    words = _ROWS.split()
    rows = {words[at]: words[at : at + 5] for at in range(0, len(words), 5)}
    leads_first = sorted(rows, key=lambda root: root in FAMILIES)
    for root in leads_first:
        _OTHERS[root] = _nature(rows[root])
    return _OTHERS


_OTHERS: Final[dict[str, Character]] = {}


def character(root: str) -> Character:
    """Any product's. Raises KeyError for one that is no product."""
    return CHARACTERS.get(root) or _OTHERS[root]


_natures()
assert len(_OTHERS) + len(CHARACTERS) == len(PRODUCTS), "Invariant: every product has a character"


def limits(root: str, settled: Ticks) -> tuple[Ticks, Ticks]:
    """The lowest and the highest price of a session."""
    width = settled * LIMIT_PERCENT[PRODUCTS[root].group] // 100
    return max(1, settled - width), settled + width


def trades_at(group: str, since_open: Nanos) -> bool:
    """Whether a group trades so long after the opening of an open trading day."""
    windows = WINDOWS.get(group)
    return windows is None or any(begin <= since_open < end for begin, end in windows)
