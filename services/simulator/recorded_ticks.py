"""Reads recorded prints, quotes and books: CSV (also .csv.gz) or Parquet. An edge: it opens files.

The columns tell what a file holds; others are ignored. `ts` is ISO text, a Parquet date-time or a
whole number of nanoseconds since 1970, UTC where no offset is given; rows may share an instant and
must not go back in time.

    trades   ts, price, size, and side if known: buy or sell (B/A, bid/ask, 1/-1) of the aggressor
    quotes   ts, bid, ask, bid_size, ask_size
    depth    ts, bid_px_00, bid_sz_00, ask_px_00, ask_sz_00, up to _09: a row is a whole book

Both prices of a quote may be absent on one side (nobody bids); a level may be absent from the first
on. Nothing is repaired: a price off the tick, a crossed quote, a size below one, levels out of
order stop the start with file and row.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from services.simulator.market import LEVELS
from services.simulator.market_recorded_ticks import BOOK, PRINT, QUOTE, Tape
from services.simulator.recorded_file import BadRecording, number, table_of
from shared import contracts
from shared.contracts import Product
from shared.units import Lots, Nanos, Ticks
from shared.venue.times import time_ns

if TYPE_CHECKING:
    import polars

TRADES: Final = ("ts", "price", "size")
QUOTES: Final = ("ts", "bid", "ask", "bid_size", "ask_size")
DEPTH: Final = ("ts", "bid_px_00", "bid_sz_00", "ask_px_00", "ask_sz_00")
ROWS_MAX: Final = 5_000_000  # of a file; about 40 bytes each, books 200
SIDES: Final = {
    "buy": 1, "b": 1, "bid": 1, "1": 1, "sell": -1, "s": -1, "a": -1, "ask": -1, "-1": -1,
    "": 0, "n": 0, "none": 0, "0": 0,
}  # fmt: skip

Level = tuple[Ticks, Lots]


def kind_of(columns: Iterable[str]) -> str | None:
    """trades, quotes or depth; None for a table of something else."""
    there = set(columns)
    for name, wanted in (("depth", DEPTH), ("quotes", QUOTES), ("trades", TRADES)):
        if there.issuperset(wanted):
            return name
    return None


def read(path: str, product: Product) -> Tape:
    """All events in ticks of `product`, oldest first. Raises BadRecording."""
    table = table_of(Path(path))
    kind = kind_of(table.columns)
    if kind is None:
        raise BadRecording(
            f"{path}:1: columns {table.columns} are neither bars nor {TRADES}, {QUOTES} or {DEPTH}"
        )
    first = 1 if path.endswith(".parquet") else 2  # a CSV begins with its header
    tape = Tape()
    last_ns = 0
    for line, row in enumerate(_rows(table, kind), first):
        where = f"{path}:{line}"
        if len(tape) >= ROWS_MAX:
            raise BadRecording(f"{where}: more than {ROWS_MAX} rows")
        try:
            at_ns = instant(row[0])
            if at_ns < last_ns:
                raise ValueError(f"ts {row[0]} is before the row before it")
            last_ns = at_ns
            _READERS[kind](tape, at_ns, row[1:], product)
        except ValueError as error:
            raise BadRecording(f"{where}: {error}") from None
    if not len(tape):
        raise BadRecording(f"{path}: no rows")
    return tape


def _rows(table: polars.DataFrame, kind: str) -> Iterable[tuple[object, ...]]:
    """Only our columns, in our order; date-times as nanoseconds since 1970."""
    import polars as pl

    if kind == "trades":
        columns = [*TRADES, *(["side"] if "side" in table.columns else [])]
    elif kind == "quotes":
        columns = list(QUOTES)
    else:
        columns = ["ts"]
        for level in range(LEVELS):
            wanted = [f"{side}_{what}_{level:02d}" for side in ("bid", "ask") for what in _PARTS]
            if set(table.columns).issuperset(wanted):
                columns += wanted
    kept = table.select(columns)
    if isinstance(kept.schema["ts"], pl.Datetime):
        kept = kept.with_columns(pl.col("ts").dt.epoch("ns"))
    return kept.iter_rows()


_PARTS: Final = ("px", "sz")


def instant(value: object) -> Nanos:
    """Raises ValueError naming `ts`."""
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return time_ns(value, "ts")


def _price(value: object, name: str, product: Product) -> Ticks | None:
    """Absent is None. Raises ValueError off the tick, not a number or not above zero."""
    if value is None or value == "":
        return None
    count = contracts.ticks(number(value, name), product)
    if count <= 0:
        raise ValueError(f"{name} was {value!r}; prices are above zero")
    return count


def _size(value: object, name: str) -> Lots:
    lots = number(value, name)
    if lots != int(lots) or lots < 1:
        raise ValueError(f"{name} was {value!r}; it is a whole number from 1")
    return int(lots)


def _trade(tape: Tape, at_ns: Nanos, row: tuple[object, ...], product: Product) -> None:
    price = _price(row[0], "price", product)
    if price is None:
        raise ValueError("price is missing")
    told = "" if len(row) < 3 or row[2] is None else str(row[2]).strip().lower()
    if told not in SIDES:
        raise ValueError(f"side was {row[2]!r}; it is buy, sell or empty")
    tape.add(at_ns, PRINT, (price, _size(row[1], "size"), SIDES[told]))


def _quote(tape: Tape, at_ns: Nanos, row: tuple[object, ...], product: Product) -> None:
    bid, ask = _price(row[0], "bid", product), _price(row[1], "ask", product)
    bids = [] if bid is None else [(bid, _size(row[2], "bid_size"))]
    asks = [] if ask is None else [(ask, _size(row[3], "ask_size"))]
    add_quote(tape, at_ns, bids, asks)


def _depth(tape: Tape, at_ns: Nanos, row: tuple[object, ...], product: Product) -> None:
    sides: tuple[list[Level], list[Level]] = ([], [])
    for at in range(0, len(row), 4):
        for side, levels in enumerate(sides):
            name = f"{('bid', 'ask')[side]}_px_{at // 4:02d}"
            price = _price(row[at + 2 * side], name, product)
            if price is None:
                continue
            if len(levels) != at // 4:
                raise ValueError(f"{name} stands behind an absent level")
            levels.append((price, _size(row[at + 2 * side + 1], name.replace("px", "sz"))))
    add_book(tape, at_ns, *sides)


def add_quote(tape: Tape, at_ns: Nanos, bids: list[Level], asks: list[Level]) -> None:
    """Only the touch is known. Raises ValueError for what cannot be."""
    bid, ask = _touch(bids, asks)
    sizes = bids[0][1] if bids else 0, asks[0][1] if asks else 0
    tape.add(at_ns, QUOTE, (bid, ask, *sizes))


def add_book(tape: Tape, at_ns: Nanos, bids: list[Level], asks: list[Level]) -> None:
    """The book as sizes at each tick outwards. Raises ValueError for what cannot be."""
    bid, ask = _touch(bids, asks)
    sizes = [0] * (2 * LEVELS)
    for side, levels in ((1, bids), (-1, asks)):
        best = bid if side > 0 else ask
        last = best + side
        for price, size in levels:
            if (last - price) * side <= 0:
                raise ValueError(f"level {price} ticks is not further out than the one before it")
            last = price
            depth = (best - price) * side
            if depth < LEVELS:
                sizes[depth if side > 0 else LEVELS + depth] = size
    tape.add(at_ns, BOOK, (bid, ask, *sizes))


def _touch(bids: list[Level], asks: list[Level]) -> tuple[Ticks, Ticks]:
    """The best prices; one tick away from the other side where a side is empty."""
    if not bids and not asks:
        raise ValueError("neither bid nor ask")
    bid = bids[0][0] if bids else asks[0][0] - 1
    ask = asks[0][0] if asks else bids[0][0] + 1
    if bid >= ask:
        raise ValueError(f"bid {bid} ticks is not below ask {ask} ticks")
    return max(1, bid), ask


_READERS: Final = {"trades": _trade, "quotes": _quote, "depth": _depth}
