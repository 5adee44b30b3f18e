"""Reads a recording of one-minute bars: CSV (also .csv.gz) or Parquet. An edge: it opens a file.

Columns ts, open, high, low, close, volume; others are ignored. `ts` is the bar's opening, ISO text
or a Parquet date-time, UTC where no offset is given. Nothing is repaired: a bar that cannot have
happened (high below low, off the tick, not a minute, out of order, no volume) stops the start with
file and row, because a market replayed from a broken file teaches the wrong thing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from services.simulator.market_recorded import RecordedBar, fewest_prints
from shared import contracts
from shared.contracts import Product
from shared.units import MINUTE
from shared.venue.times import time_ns

if TYPE_CHECKING:
    import polars

COLUMNS: Final = ("ts", "open", "high", "low", "close", "volume")
ROWS_MAX: Final = 3_000_000  # about eight years of one product


class BadRecording(ValueError):
    """The file cannot be played; the message names file, row and value."""


def read(path: str, product: Product) -> tuple[RecordedBar, ...]:
    """All bars in ticks of `product`, oldest first. Raises BadRecording."""
    file = Path(path)
    rows = _rows(file)
    bars: list[RecordedBar] = []
    first = 1 if file.suffix == ".parquet" else 2  # a CSV begins with its header
    for line, row in enumerate(rows, first):
        where = f"{path}:{line}"
        bar = _bar(row, product, where)
        if bars and bar[0] <= bars[-1][0]:
            raise BadRecording(f"{where}: ts {row[0]} is not after the row before it")
        bars.append(bar)
        if len(bars) > ROWS_MAX:
            raise BadRecording(f"{where}: more than {ROWS_MAX} rows")
    if not bars:
        raise BadRecording(f"{path}: no rows")
    return tuple(bars)


def table_of(file: Path) -> polars.DataFrame:
    """The whole table, CSV columns as text. Raises BadRecording."""
    import polars as pl

    if not file.is_file():
        raise BadRecording(f"{file}: no such file (simulator.recorded_file)")
    try:
        if file.suffix == ".parquet":
            return pl.read_parquet(file)
        if file.name.endswith((".csv", ".csv.gz")):
            return pl.read_csv(file, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadRecording(f"{file}: {error}") from None
    raise BadRecording(f"{file}: the name ends in none of .csv, .csv.gz, .parquet")


def columns_of(file: Path) -> list[str]:
    """The names of a table's columns. Raises BadRecording."""
    return table_of(file).columns


def _rows(file: Path) -> Iterable[tuple[object, ...]]:
    table = table_of(file)
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise BadRecording(f"{file}:1: columns {missing} are missing; found {table.columns}")
    return _with_instants(table).iter_rows()


def _with_instants(table: polars.DataFrame) -> polars.DataFrame:
    """Only our columns; date-times as nanoseconds since 1970."""
    import polars as pl

    kept = table.select(COLUMNS)
    if isinstance(kept.schema["ts"], pl.Datetime):
        return kept.with_columns(pl.col("ts").dt.epoch("ns"))
    return kept


def _bar(row: tuple[object, ...], product: Product, where: str) -> RecordedBar:
    text, *prices, volume = row
    try:
        at_ns = text if isinstance(text, int) else time_ns(text, "ts")
        opened, high, low, close = (
            contracts.ticks(number(value, name), product)
            for value, name in zip(prices, COLUMNS[1:5], strict=True)
        )
        lots = number(volume, "volume")
    except ValueError as error:
        raise BadRecording(f"{where}: {error}") from None
    if at_ns % MINUTE:
        raise BadRecording(f"{where}: ts {text} is not on a minute")
    if not low <= min(opened, close) <= max(opened, close) <= high or low <= 0:
        raise BadRecording(f"{where}: low <= open, close <= high does not hold: {prices}")
    if lots != int(lots) or lots < 1:
        raise BadRecording(f"{where}: volume was {volume}; it is a whole number from 1")
    bar = (at_ns, opened, high, low, close, int(lots))
    fewest = fewest_prints(bar)
    if int(lots) < fewest:
        raise BadRecording(f"{where}: volume {int(lots)}, but its prices need {fewest} prints")
    return bar


def number(value: object, name: str) -> float:
    """A finite number. Raises ValueError naming the column."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(f"{name} was {value!r}, which is not a number") from None
    if not -1e12 < number < 1e12:
        raise ValueError(f"{name} was {value!r}, which is not finite")
    return number
