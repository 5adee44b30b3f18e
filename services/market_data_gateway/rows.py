"""Rows of the venue's answers as the words of this room; rows that cannot be read are counted out.

One bad row must not cost the others: the venue pads lists with nulls and has sent prices off the
grid. The first complaint is kept for the log.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.market_data_gateway.words import Fetch, HistoryBar, Offer
from shared.venue import translate
from shared.venue.codes import BarUnit
from shared.venue.words import BarModel, ContractModel, RetrieveBars

UNITS: Final = {1: (BarUnit.SECOND, 1), 60: (BarUnit.MINUTE, 1), 300: (BarUnit.MINUTE, 5)}


def request_of(fetch: Fetch) -> RetrieveBars:
    """The question as the venue reads it."""
    unit, number = UNITS[fetch.span_s]
    start, end = translate.window(fetch.start_ns, fetch.end_ns)
    assert end is not None, "Invariant: a window with an end has an end"
    return RetrieveBars(
        contract_id=fetch.contract,
        start_time=start,
        end_time=end,
        unit=int(unit),
        unit_number=number,
        limit=fetch.limit,
        include_partial_bar=fetch.partial,
    )


def bars_of(models: Iterable[BarModel], contract: str) -> tuple[tuple[HistoryBar, ...], str]:
    """Readable bars, oldest first, no instant twice (the later row counts), and a complaint."""
    found: dict[int, HistoryBar] = {}
    complaint = ""
    for model in models:
        try:
            row = translate.bar_row(model, contract)
        except ValueError as error:
            complaint = complaint or str(error)
            continue
        found[row.open_ns] = HistoryBar(
            row.open_ns, row.open, row.high, row.low, row.close, row.volume
        )
    return tuple(found[open_ns] for open_ns in sorted(found)), complaint


def offers_of(models: Iterable[ContractModel]) -> tuple[tuple[Offer, ...], str]:
    """Readable contracts, and a complaint about the first that is not."""
    found: list[Offer] = []
    complaint = ""
    for model in models:
        try:
            row = translate.contract_row(model)
        except ValueError as error:
            complaint = complaint or str(error)
            continue
        found.append(
            Offer(
                contract=row.contract,
                symbol_id=model.symbol_id or "",
                name=row.name,
                tick_nanos=row.tick_nanos,
                tick_micros=row.tick_micros,
                active=row.active,
            )
        )
    return tuple(found), complaint
