"""The table of products: exact arithmetic, the firm's weights and fees, fronts and expiries."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.simulator import listing
from shared.contracts import (
    GROUPS,
    MONTH_CODES,
    NANOS_PER_POINT,
    PRODUCTS,
    UnknownContract,
    contract_id,
    contract_month,
    price,
    product_of,
    show,
    ticks,
)
from shared.domain import business_days
from shared.domain.business_days import day_number, easter, is_business_day, weekday
from shared.domain.expiries import ROLL_DAYS, day_of, days_left, ends, last_trade
from shared.domain.sessions import days_to_expiry
from shared.units import USD

# Dollars of a move of one whole point, as every broker prints them.
POINT = """
ES 50 MES 5 NQ 20 MNQ 2 RTY 50 M2K 5 YM 5 MYM 0.5 EMD 100 NKD 5 CL 1000 MCL 100 QM 500 NG 10000
MNG 1000 QG 2500 RB 42000 HO 42000 GC 100 MGC 10 SI 5000 SIL 1000 HG 25000 MHG 2500 PL 50
6A 100000 6B 62500 6C 100000 6E 125000 6J 12500000 6M 500000 6N 100000 6S 125000 E7 62500
M6A 10000 M6B 6250 M6E 12500 MBT 0.1 MET 0.1 ZT 2000 ZF 1000 ZN 1000 TN 1000 ZB 1000 UB 1000
ZC 50 ZS 50 ZW 50 ZL 600 ZM 100 LE 400 HE 400
"""
# The front months the venue listed on 2026-08-19, without the year.
FRONTS = """
6B U 6C U CL V HG U 6A U E7 U NQ U ES U 6E U ZF U GC Z LE V MET Q HE V HO V 6J U M2K U M6A U M6B U
M6E U MBT Q MCL V MES U MGC Z MHG U MNG U MNQ U 6M U MYM U 6N U NG U NKD U QG U QM V PL V RB V
RTY U 6S U SI U SIL U TN U ZT U ZN U UB U ZB U YM U ZC Z ZL Z ZM Z ZS X ZW Z
"""


def pairs(text: str) -> list[tuple[str, str]]:
    words = text.split()
    return list(zip(words[::2], words[1::2], strict=True))


def test_every_product_is_worth_what_brokers_print() -> None:
    assert len(PRODUCTS) == 52 == len(pairs(POINT))
    for root, dollars in pairs(POINT):
        product = PRODUCTS[root]
        value = product.tick_micros * NANOS_PER_POINT / product.tick_nanos / USD
        assert value == float(dollars), root


def test_symbols_are_unique_and_lead_back() -> None:
    assert len({product.symbol for product in PRODUCTS.values()}) == len(PRODUCTS)
    for product in PRODUCTS.values():
        contract = contract_id(product, 2026, 12)
        assert product_of(contract) is product
        assert contract_month(contract) == (2026, 12)
        assert set(product.front_months) <= set(product.months) <= set(MONTH_CODES)
        assert GROUPS[product.expiry] == product.group
        assert product.expiry in ROLL_DAYS


@pytest.mark.parametrize(
    ("root", "tenths"), [("ES", 10), ("MES", 1), ("SIL", 2), ("MBT", 10), ("MET", 10), ("M6E", 1)]
)
def test_weights_against_the_cap(root: str, tenths: int) -> None:
    assert PRODUCTS[root].mini_tenths == tenths


@pytest.mark.parametrize(
    ("root", "cents"),
    [("ES", 189), ("MES", 61), ("GC", 216), ("MCL", 86), ("MNG", 96), ("SIL", 136), ("MBT", 141),
     ("6J", 211), ("ZN", 131), ("UB", 146), ("ZS", 264), ("HE", 261), ("QG", 101), ("M6B", 50)],
)  # fmt: skip
def test_fees_a_side(root: str, cents: int) -> None:
    assert PRODUCTS[root].fee_side_micros == cents * 10_000


@given(st.sampled_from(sorted(PRODUCTS)), st.integers(1, 250_000))
def test_prices_come_back_as_they_went(root: str, count: int) -> None:
    product = PRODUCTS[root]
    assert ticks(price(count, product), product) == count
    half = price(count, product) + product.tick_nanos / NANOS_PER_POINT / 2
    with pytest.raises(ValueError, match="not a multiple of its tick size"):
        ticks(half, product)


def test_shown_with_the_decimals_of_the_tick() -> None:
    assert show(13_100, "CON.F.US.JY6.Z26") == "0.0065500"
    assert show(26_675, "CON.F.US.TUA.Z26") == "104.19921875"
    assert show(48_200, "CON.F.US.MYM.Z26") == "48200"


def test_unknown_contracts_are_refused() -> None:
    for bad in ("CON.F.US.ZZZ.Z26", "CON.F.EU.EP.Z26", "EP", ""):
        with pytest.raises(UnknownContract):
            product_of(bad)
    for bad in ("CON.F.US.EP.A26", "CON.F.US.EP.Z6", "CON.F.US.EP.Zxx"):
        with pytest.raises(UnknownContract):
            contract_month(bad)


# -- expiry ----------------------------------------------------------------------------------------


@given(st.dates(date(1970, 1, 1), date(2200, 1, 1)))
def test_day_numbers_agree_with_the_calendar(day: date) -> None:
    number = day_number(day.year, day.month, day.day)
    assert number == (day - date(1970, 1, 1)).days == day_of(day.isoformat())
    assert weekday(number) == day.weekday()


@given(st.integers(2025, 2027), st.sampled_from([3, 6, 9, 12]), st.integers(1, 28))
def test_the_index_rule_is_the_third_friday(year: int, month: int, day: int) -> None:
    contract = contract_id(PRODUCTS["ES"], year, month)
    label = date(year, 5, day).isoformat()
    assert days_left(label, contract) == days_to_expiry(label, year, month)


@pytest.mark.parametrize(
    ("root", "year", "month", "official"),
    [  # the last day on which nothing forces a holder out, from the exchange's rule books
        ("NKD", 2026, 12, "2026-12-10"),
        ("CL", 2026, 12, "2026-11-20"),
        ("CL", 2027, 1, "2026-12-21"),
        ("MCL", 2026, 12, "2026-11-19"),
        ("NG", 2026, 12, "2026-11-25"),
        ("RB", 2026, 12, "2026-11-30"),
        ("GC", 2026, 12, "2026-11-27"),
        ("MGC", 2026, 12, "2026-11-25"),
        ("6E", 2026, 12, "2026-12-14"),
        ("MBT", 2026, 11, "2026-11-27"),
        ("ZN", 2026, 12, "2026-11-27"),
        ("ZC", 2026, 12, "2026-11-27"),
        ("LE", 2026, 12, "2026-12-04"),
        ("HE", 2026, 12, "2026-12-14"),
    ],
)
def test_never_later_than_the_exchange_and_not_much_earlier(
    root: str, year: int, month: int, official: str
) -> None:
    ours = last_trade(PRODUCTS[root], year, month)
    assert 0 <= day_of(official) - ours <= 7
    assert weekday(ours) < 5


@pytest.mark.parametrize(
    ("contract", "official"),
    [
        ("EP.M25", "2025-06-20"),
        ("EP.M26", "2026-06-18"),  # the third Friday is Juneteenth
        ("MES.Z26", "2026-12-18"),
        ("MNQ.M27", "2027-06-17"),  # the third Friday is kept for it
        ("NKD.Z26", "2026-12-10"),
        ("EU6.Z25", "2025-12-15"),
        ("EU6.Z26", "2026-12-14"),
        ("CA6.Z26", "2026-12-15"),
        ("MBT.X25", "2025-11-28"),
        ("GMET.Z26", "2026-12-24"),  # the last Friday is Christmas
        ("MBT.H27", "2027-03-25"),  # and here Good Friday
        ("TYA.Z25", "2025-12-19"),
        ("USA.Z26", "2026-12-21"),
        ("TUA.Z26", "2026-12-31"),
        ("GCE.Z25", "2025-12-29"),
        ("SIE.Z26", "2026-12-29"),
        ("CLE.F26", "2025-12-19"),
        ("CLE.Z26", "2026-11-20"),
        ("CLE.F27", "2026-12-21"),
        ("MCLE.Z26", "2026-11-19"),
        ("NGE.F26", "2025-12-29"),
        ("NGE.Z26", "2026-11-25"),
        ("NQG.Z26", "2026-11-24"),
        ("RBE.F26", "2025-12-31"),
        ("RBE.Z26", "2026-11-30"),
        ("ZCE.Z25", "2025-12-12"),
        ("ZSE.X26", "2026-11-13"),
        ("GLE.Z25", "2025-12-31"),
        ("HE.Z25", "2025-12-12"),
        ("HE.Z26", "2026-12-14"),
    ],
)
def test_the_exchange_s_last_days(contract: str, official: str) -> None:
    whole = f"CON.F.US.{contract}"
    assert ends(product_of(whole), *contract_month(whole)) == day_of(official)


def test_leaving_is_never_later_than_the_end_and_both_are_business_days() -> None:
    for product in PRODUCTS.values():
        for year in (2025, 2026, 2027):
            for code in product.months:
                month = MONTH_CODES.index(code) + 1
                end = ends(product, year, month)
                assert is_business_day(end), (product.root, year, month)
                left = last_trade(product, year, month)
                late = left - end  # a holiday on the day itself moves it forward by one at most
                assert late <= 0 or not is_business_day(left), (product.root, year, month, late)


HOLIDAYS = {
    2025: "01-01 01-20 02-17 04-18 05-26 06-19 07-04 09-01 11-27 12-25",
    2026: "01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25",
    2027: "01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24",
}


@pytest.mark.parametrize("year", sorted(HOLIDAYS))
def test_the_holidays_of_the_exchange(year: int) -> None:
    named = {day_of(f"{year}-{day}") for day in HOLIDAYS[year].split()}
    assert business_days.holidays(year) == named
    number = day_number(year, 1, 1)
    lost = [day for day in range(number, number + 365) if not is_business_day(day)]
    assert {day for day in lost if weekday(day) < 5} == named


@given(st.integers(1970, 2199))
def test_easter_is_a_sunday_in_spring(year: int) -> None:
    assert weekday(easter(year)) == 6
    assert day_number(year, 3, 22) <= easter(year) <= day_number(year, 4, 25)


def test_new_year_on_a_saturday_is_not_kept() -> None:
    assert is_business_day(day_of("2027-12-31"))


def test_fronts_are_those_the_venue_listed() -> None:
    listed = {row.id for row in listing.available("2026-08-19")}
    assert len(listed) == 51 == len(pairs(FRONTS))
    for root, month in pairs(FRONTS):
        assert f"CON.F.US.{PRODUCTS[root].symbol}.{month}26" in listed


def test_fronts_only_move_forward_and_never_expire() -> None:
    """Every product, every day of two years."""
    day = date(2025, 6, 1)
    last: dict[str, tuple[int, int]] = {}
    while day < date(2027, 6, 1):
        label = day.isoformat()
        for root, product in PRODUCTS.items():
            front = listing.front(product, label)
            assert days_left(label, front) > 0
            month = contract_month(front)
            assert month >= last.get(root, (0, 0)), (root, label)
            last[root] = month
            assert listing.known(front, label) is product
        day += timedelta(days=3)


def test_what_is_not_listed_any_more_still_resolves() -> None:
    contract = listing.front(PRODUCTS["EMD"], "2026-08-19")
    assert contract not in {row.id for row in listing.available("2026-08-19")}
    assert listing.known(contract, "2026-08-19") is PRODUCTS["EMD"]
    assert not listing.model(contract, "2026-08-19").active_contract
    assert listing.known("CON.F.US.GCE.V26", "2026-11-18"), "a thin month is known"
    assert listing.known("CON.F.US.GCE.X26", "2026-11-18") is None, "gold has no November"
