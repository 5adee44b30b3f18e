"""Products and contracts: tick sizes, tick values, fees, months, and the venue's way of naming
them.

A contract is known by the venue's id (`CON.F.US.MNQ.Z26`) in every event, so the router, the
sentinel and a human reading the journal need no table to know what was meant. The *product* behind
it (MNQ) is looked up here. The venue's own answer is compared with this table when a contract is
listed; a difference in tick size or value stops the newcomer, because every dollar figure hangs on
it.

Sources: `CON.F.US.<symbol>.<month><yy>`, names and tick facts of 51 products as the venue listed
them in August 2026; EMD stood in the list of 2025 only. Fees per side as published for TopstepX in
September 2026, MCL and MNG with the exchange's rise of 2026-10-01; 6S and EMD are published nowhere
and taken to cost what their group does. A fill carries its own fee: the table is for before it.

Weights against the firm's position cap: ten micros are a mini; SIL counts as two micros, MBT and
MET as minis. QM, QG, E7 and the micro currencies are implied by that rule and stated nowhere.

`expiry` names the rule by which the product stops trading, in `shared/domain/expiries.py`. Months
in small letters exist but never become the venue's front month: trading skips them.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Final

from msgspec import Struct

from shared.units import Micros, Ticks, micros

NANOS_PER_POINT: Final = 1_000_000_000  # a price of 1.0 in units of 1e-9, exact for every CME tick
MONTH_CODES: Final = "FGHJKMNQUVXZ"


class Product(Struct, frozen=True, kw_only=True):
    """One futures product. `tick_nanos`: tick size in 1e-9 points; `tick_micros`: its worth per
    contract.
    """

    root: str
    symbol: str  # the venue's code inside a contract id: EP for ES
    name: str
    tick_nanos: int
    tick_micros: Micros
    fee_side_micros: Micros  # per contract and side, all fees
    months: str
    mini_tenths: int  # weight against the firm's position cap, in tenths of a mini
    expiry: str  # its rule in shared/domain/expiries.py
    group: str  # products that move and halt together: GROUPS
    front_months: str  # the months that become the front


GROUPS: Final = {
    "index": "index",
    "nikkei": "index",
    "oil": "energy",
    "gas": "energy",
    "fuel": "energy",
    "metal": "metals",
    "currency": "currencies",
    "crypto": "crypto",
    "rate": "rates",
    "grain": "grains",
    "cattle": "livestock",
    "hogs": "livestock",
}
"""Expiry rule -> group."""


# Root, symbol, tick size, tick value, fee a side, months, weight in tenths, expiry rule, name.
_ROWS: Final = """
ES EP 0.25 12.5 1.89 HMUZ 10 index E-Mini S&P 500
MES MES 0.25 1.25 0.61 HMUZ 1 index Micro E-mini S&P 500
NQ ENQ 0.25 5 1.89 HMUZ 10 index E-mini NASDAQ-100
MNQ MNQ 0.25 0.5 0.61 HMUZ 1 index Micro E-mini Nasdaq-100
RTY RTY 0.1 5 1.89 HMUZ 10 index E-mini Russell 2000
M2K M2K 0.1 0.5 0.61 HMUZ 1 index Micro E-mini Russell 2000
YM YM 1 5 1.89 HMUZ 10 index E-mini Dow ($5)
MYM MYM 1 0.5 0.61 HMUZ 1 index Micro E-mini Dow $0.50
EMD EMD 0.1 10 1.89 HMUZ 10 index E-mini S&P MidCap 400
NKD NKD 5 25 2.66 HMUZ 10 nikkei Nikkei 225 (Globex)
CL CLE 0.01 10 2.01 FGHJKMNQUVXZ 10 oil Crude Light (Globex)
MCL MCLE 0.01 1 0.86 FGHJKMNQUVXZ 1 oil Micro WTI Crude Oil
QM NQM 0.025 12.5 1.71 FGHJKMNQUVXZ 10 oil E-Mini Crude Oil
NG NGE 0.001 10 2.11 FGHJKMNQUVXZ 10 gas Natural Gas (Globex)
MNG MNG 0.001 1 0.96 FGHJKMNQUVXZ 1 gas Micro Henry Hub Natural Gas
QG NQG 0.005 12.5 1.01 FGHJKMNQUVXZ 10 gas E-Mini Natural Gas
RB RBE 0.0001 4.2 2.01 FGHJKMNQUVXZ 10 fuel RBOB Gasoline (Globex)
HO HOE 0.0001 4.2 2.01 FGHJKMNQUVXZ 10 fuel NY Harbor ULSD
GC GCE 0.1 10 2.16 GJMQvZ 10 metal Gold (Globex)
MGC MGC 0.1 1 0.96 GJMQvZ 1 metal Micro Gold
SI SIE 0.005 25 2.16 HKNUZ 10 metal Silver (Globex)
SIL SIL 0.005 5 1.36 HKNUZ 2 metal Micro Silver
HG CPE 0.0005 12.5 2.16 HKNUZ 10 metal Copper (Globex)
MHG MHG 0.0005 1.25 0.96 HKNUZ 1 metal Micro Copper
PL PLE 0.1 5 2.16 FJNV 10 metal Platinum (Globex)
6A DA6 0.00005 5 2.11 HMUZ 10 currency Australian Dollar (Globex)
6B BP6 0.0001 6.25 2.11 HMUZ 10 currency British Pound (Globex)
6C CA6 0.00005 5 2.11 HMUZ 10 currency Canadian Dollar (Globex)
6E EU6 0.00005 6.25 2.11 HMUZ 10 currency Euro FX (Globex)
6J JY6 0.0000005 6.25 2.11 HMUZ 10 currency Japanese Yen (Globex)
6M MX6 0.00001 5 2.11 HMUZ 10 currency Mexican Peso (Globex)
6N NE6 0.00005 5 2.11 HMUZ 10 currency New Zealand Dollar (Globex)
6S SF6 0.00005 6.25 2.11 HMUZ 10 currency Swiss Franc (Globex)
E7 EEU 0.0001 6.25 1.36 HMUZ 10 currency E-mini Euro FX
M6A M6A 0.0001 1 0.5 HMUZ 1 currency E-Micro AUD/USD
M6B M6B 0.0001 0.625 0.5 HMUZ 1 currency E-Micro GBP/USD
M6E M6E 0.0001 1.25 0.5 HMUZ 1 currency E-Micro EUR/USD
MBT MBT 5 0.5 1.41 FGHJKMNQUVXZ 10 crypto Micro Bitcoin
MET GMET 0.5 0.05 0.36 FGHJKMNQUVXZ 10 crypto Micro Ether
ZT TUA 0.00390625 7.8125 1.16 HMUZ 10 rate 2 Year US Treasury Note (Globex)
ZF FVA 0.0078125 7.8125 1.16 HMUZ 10 rate 5 Year US Treasury Notes (Globex)
ZN TYA 0.015625 15.625 1.31 HMUZ 10 rate 10yr US Treasury Notes (Globex)
TN TNA 0.015625 15.625 1.31 HMUZ 10 rate Ultra 10yr Treasury Note (Globex)
ZB USA 0.03125 31.25 1.38 HMUZ 10 rate 30yr US Treasury Bonds (Globex)
UB ULA 0.03125 31.25 1.46 HMUZ 10 rate Ultra T-Bond (Globex)
ZC ZCE 0.25 12.5 2.64 HKNUZ 10 grain Corn (Globex)
ZS ZSE 0.25 12.5 2.64 FHKNQUX 10 grain Soybeans (Globex)
ZW ZWA 0.25 12.5 2.64 HKNUZ 10 grain Wheat (Globex)
ZL ZLE 0.01 6 2.64 FHKNQUvZ 10 grain Soybean Oil (Globex)
ZM ZME 0.1 10 2.64 FHKNQUvZ 10 grain Soybean Meal (Globex)
LE GLE 0.025 10 2.61 GJMQVZ 10 cattle Live Cattle (Globex)
HE HE 0.025 10 2.61 GJKMNQVZ 10 hogs Lean Hogs (Globex)
"""


def _product(row: str) -> Product:
    root, symbol, tick, value, fee, months, weight, expiry, name = row.split(maxsplit=8)
    return Product(
        root=root,
        symbol=symbol,
        name=name,
        tick_nanos=_nanos(tick),
        tick_micros=micros(value),
        fee_side_micros=micros(fee),
        months=months.upper(),
        mini_tenths=int(weight),
        expiry=expiry,
        group=GROUPS[expiry],
        front_months="".join(month for month in months if month.isupper()),
    )


def _nanos(tick: str) -> int:
    exact = Decimal(tick) * NANOS_PER_POINT
    assert exact == int(exact), f"Invariant: a tick of {tick} is a whole number of 1e-9"
    return int(exact)


PRODUCTS: Final[dict[str, Product]] = {
    product.root: product for product in map(_product, _ROWS.strip().splitlines())
}
_BY_SYMBOL: Final = {product.symbol: product for product in PRODUCTS.values()}


class UnknownContract(ValueError):
    """A contract id whose product is not in the table; nothing may trade it."""


@lru_cache(1_024)
def product_of(contract: str) -> Product:
    """The product behind a venue contract id. Raises UnknownContract."""
    parts = contract.split(".")
    if len(parts) != 5 or parts[:3] != ["CON", "F", "US"] or parts[3] not in _BY_SYMBOL:
        raise UnknownContract(f"contract was {contract!r}; known symbols: {sorted(_BY_SYMBOL)}")
    return _BY_SYMBOL[parts[3]]


def contract_id(product: Product, year: int, month: int) -> str:
    """The venue's id of a contract month: `CON.F.US.MNQ.Z26`."""
    return f"CON.F.US.{product.symbol}.{MONTH_CODES[month - 1]}{year % 100:02d}"


def contract_month(contract: str) -> tuple[int, int]:
    """(year, month) named by a contract id. Raises UnknownContract for any other shape."""
    tail = contract.rsplit(".", 1)[-1]
    if len(tail) != 3 or tail[0] not in MONTH_CODES or not tail[1:].isdigit():
        raise UnknownContract(f"contract was {contract!r}; its last part names no month")
    return 2000 + int(tail[1:]), MONTH_CODES.index(tail[0]) + 1


def ticks(price: float, product: Product) -> Ticks:
    """A decimal price from the venue as ticks. Raises ValueError when it is not finite or off the
    grid.
    """
    if price != price or price in (float("inf"), float("-inf")):
        raise ValueError(f"{product.root} price was {price!r}")
    nanos = round(price * NANOS_PER_POINT)
    count, rest = divmod(nanos, product.tick_nanos)
    off = min(rest, product.tick_nanos - rest)
    if (
        off * 1_000 > product.tick_nanos
    ):  # a thousandth of a tick is float noise, more is a wrong price
        raise ValueError(f"{product.root} price was {price!r}, not a multiple of its tick size")
    return count + (rest > product.tick_nanos // 2)


def price(count: Ticks, product: Product) -> float:
    """Ticks as the decimal price the venue writes."""
    return count * product.tick_nanos / NANOS_PER_POINT


def show(count: Ticks, contract: str) -> str:
    """A price for people, with as many decimals as the tick size has."""
    product = product_of(contract)
    exact = (Decimal(count) * product.tick_nanos / NANOS_PER_POINT).normalize()
    decimals = -int(Decimal(product.tick_nanos).scaleb(-9).normalize().as_tuple().exponent)
    return f"{exact:.{max(0, decimals)}f}"
