"""Reads Databento files (DBN, also compressed with zstandard), if the reader package is there.

Schemas trades, mbp-1, tbbo, mbp-10 and bbo: prints and books as they stand; everything else in the
file is refused by name, not skipped, because a market with holes teaches the wrong thing. One file
holds one instrument; a file of several (a parent symbol) is refused with their numbers. Times are
the exchange's (`ts_event`), or where a bbo record has none, the receiver's.

`databento-dbn` is an optional extra: two megabytes that few need. An edge: it opens files.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Final

from services.simulator.market_recorded_ticks import PRINT, Tape
from services.simulator.recorded_file import BadRecording
from services.simulator.recorded_ticks import ROWS_MAX, Level, add_book, add_quote
from shared.contracts import NANOS_PER_POINT, Product
from shared.units import Nanos, Ticks

SUFFIXES: Final = (".dbn", ".dbn.zst")
UNDEFINED: Final = (1 << 63) - 1  # a price or time that is not there
_CHUNK: Final = 1 << 20
_SIDES: Final = {"B": 1, "A": -1, "N": 0}
_SILENT: Final = ("Metadata", "SymbolMappingMsg", "SystemMsg")  # say nothing of the market


def read(path: str, product: Product) -> Tape:
    """All events in ticks of `product`, oldest first. Raises BadRecording."""
    try:
        package: Any = import_module("databento_dbn")
    except ImportError:
        raise BadRecording(
            f"{path}: Databento files need the package databento-dbn (pip install databento-dbn)"
        ) from None
    file = Path(path)
    if not file.is_file():
        raise BadRecording(f"{file}: no such file (simulator.feed.recordings)")
    reader = _Reader(path, product)
    packed = package.Compression.ZSTD if path.endswith(".zst") else package.Compression.NONE
    decoder = package.DBNDecoder(compression=packed)
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                decoder.write(chunk)
                for record in decoder.decode():
                    reader.take(record)
        rest = len(decoder.buffer())
    except (package.DBNError, OSError) as error:
        raise BadRecording(f"{path}: {error}") from None
    if rest:
        raise BadRecording(f"{path}: it ends within a record, {rest} bytes are left over")
    if not len(reader.tape):
        raise BadRecording(f"{path}: no records")
    return reader.tape


class _Reader:
    """Turns records into events; counts them for the messages."""

    def __init__(self, path: str, product: Product) -> None:
        self.tape = Tape()
        self._path = path
        self._product = product
        self._number = 0
        self._instrument: int | None = None
        self._last_ns = 0

    def take(self, record: Any) -> None:
        name = type(record).__name__
        if name in _SILENT:
            return
        self._number += 1
        try:
            self._check(record, name)
            self._add(record, name)
        except ValueError as error:
            raise BadRecording(f"{self._path}:{self._number}: {error}") from None

    def _check(self, record: Any, name: str) -> None:
        if name not in _READABLE:
            raise ValueError(f"a {name} record; {', '.join(_READABLE)} can be played")
        if self._number > ROWS_MAX:
            raise ValueError(f"more than {ROWS_MAX} records")
        if self._instrument is None:
            self._instrument = record.instrument_id
        if record.instrument_id != self._instrument:
            raise ValueError(
                f"instrument {record.instrument_id} beside {self._instrument}; one file plays one"
            )

    def _add(self, record: Any, name: str) -> None:
        at_ns: Nanos = record.ts_event
        if at_ns >= UNDEFINED:
            at_ns = record.ts_recv
        at_ns = max(at_ns, self._last_ns)  # exchange times of different channels cross by a little
        self._last_ns = at_ns
        if name == "TradeMsg" or (name in ("MBP1Msg", "MBP10Msg") and str(record.action) == "T"):
            self._print(record, at_ns)
        if name == "TradeMsg":
            return
        bids, asks = self._side(record.levels, "bid"), self._side(record.levels, "ask")
        if bids or asks:
            (add_book if name == "MBP10Msg" else add_quote)(self.tape, at_ns, bids, asks)

    def _print(self, record: Any, at_ns: Nanos) -> None:
        """A print's side is the aggressor's."""
        if record.size < 1:
            raise ValueError(f"size was {record.size}; it is a whole number from 1")
        price = self._ticks(record.price, "price")
        self.tape.add(at_ns, PRINT, (price, record.size, _SIDES.get(str(record.side), 0)))

    def _side(self, levels: Any, name: str) -> list[Level]:
        found: list[Level] = []
        for level in levels:
            price, size = getattr(level, f"{name}_px"), getattr(level, f"{name}_sz")
            if price == UNDEFINED or not size:
                break
            found.append((self._ticks(price, name), size))
        return found

    def _ticks(self, nanos: int, name: str) -> Ticks:
        """Prices are whole 1e-9 points. Raises ValueError off the tick."""
        count, rest = divmod(nanos, self._product.tick_nanos)
        if rest or count <= 0:
            raise ValueError(
                f"{name} was {nanos / NANOS_PER_POINT}, not a price on the tick of"
                f" {self._product.root}"
            )
        return count


_READABLE: Final = ("TradeMsg", "MBP1Msg", "MBP10Msg", "BBOMsg")
