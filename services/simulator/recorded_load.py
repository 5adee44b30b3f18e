"""Every recording the settings name, read and checked: which file is what, and what goes together.

A product plays either one file of one-minute bars or any number of files of prints, quotes and
books, merged by time (of equal instants the earlier file comes first):

    .csv .csv.gz .parquet     columns tell (recorded_file.py, recorded_ticks.py)
    .journal .journal.gz      our own ticks journal; every contract month of the product in it
    .dbn .dbn.zst             Databento, one instrument, if the package databento-dbn is installed

Times of a journal are the venue's. An edge: it opens files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from services.simulator import recorded_dbn, recorded_file, recorded_ticks
from services.simulator.market_recorded import RecordedBar
from services.simulator.market_recorded_ticks import PRINT, Tape, bars_of, merged
from services.simulator.recorded_file import BadRecording
from shared.contracts import PRODUCTS, Product, UnknownContract, product_of
from shared.events import Depth, Quote, Trade
from shared.runtime import journal, records, wire
from shared.settings import Settings

_JOURNALS: Final = (".journal", ".journal.gz")
_tick: Final = msgspec.msgpack.Decoder(Quote | Trade | Depth).decode


class Recording(Struct, frozen=True):
    """What plays for a product. With a `tape` the bars are made of its prints."""

    root: str
    bars: tuple[RecordedBar, ...]
    tape: Tape | None

    def identity(self) -> tuple[str, int, int]:
        """Product, first instant, number of bars or events: a memory goes with one of them."""
        if self.tape is not None:
            return self.root, self.tape.at[0], len(self.tape)
        return self.root, self.bars[0][0], len(self.bars)


def recordings(settings: Settings) -> dict[str, Recording]:
    """By product, in the order of the settings. Raises ValueError naming setting or file:row."""
    wish = settings.simulator
    if wish.market != "recorded":
        return {}
    named = {root: tuple(files) for root, files in wish.feed.recordings.items()}
    if wish.recorded_file or not named:
        more = named.pop(wish.recorded_root, ())
        named = {wish.recorded_root: (wish.recorded_file, *more), **named}
    for root in named:
        if root not in PRODUCTS:
            what = "recorded_root" if root == wish.recorded_root else "feed.recordings"
            raise ValueError(f"simulator.{what} was {root!r}; known: {sorted(PRODUCTS)}")
    return {root: load(PRODUCTS[root], files) for root, files in named.items()}


def load(product: Product, files: tuple[str, ...]) -> Recording:
    """All files of one product. Raises BadRecording."""
    if not files:
        raise BadRecording(f"{product.root}: no file is named (simulator.feed.recordings)")
    tapes: list[Tape] = []
    for path in files:
        if _holds_bars(path):
            if len(files) > 1:
                raise BadRecording(f"{path}: bars stand alone, but {len(files)} files are named")
            return Recording(product.root, recorded_file.read(path, product), None)
        tapes.append(_tape(path, product))
    tape = merged(tapes)
    return Recording(product.root, bars_of(tape), tape)


def _holds_bars(path: str) -> bool:
    """Anything that is not known to be something else: the reader of bars will complain."""
    if path.endswith((*_JOURNALS, *recorded_dbn.SUFFIXES)):
        return False
    columns = recorded_file.columns_of(Path(path))
    return recorded_ticks.kind_of(columns) is None


def _tape(path: str, product: Product) -> Tape:
    if path.endswith(_JOURNALS):
        return read_journal(path, product)
    if path.endswith(recorded_dbn.SUFFIXES):
        return recorded_dbn.read(path, product)
    return recorded_ticks.read(path, product)


def read_journal(path: str, product: Product) -> Tape:
    """The product's ticks of a `market_data_gateway.ticks.journal`. Raises BadRecording."""
    if not Path(path).is_file():
        raise BadRecording(f"{path}: no such file (simulator.feed.recordings)")
    tape = Tape()
    last_ns = 0
    try:
        for frame in journal.frames(Path(path)):
            tick = _said(frame.record, product)
            if tick is None:
                continue
            # Venue times of different streams cross by milliseconds; the order told is the truth.
            last_ns = max(last_ns, tick.venue_ns)
            try:
                _take(tape, last_ns, tick)
            except ValueError as error:
                raise BadRecording(f"{path}:{frame.offset}: {error}") from None
    except (journal.Corrupt, OSError, EOFError, msgspec.MsgspecError) as error:
        raise BadRecording(f"{path}: {error}") from None
    if not len(tape):
        raise BadRecording(f"{path}: no ticks of {product.root}")
    return tape


def _said(record: bytes, product: Product) -> Quote | Trade | Depth | None:
    """The product's tick a record holds, if it holds one."""
    if records.kind_of(record) != records.SAID:
        return None
    try:
        tick = _tick(wire.head(record[2:]).event)
        return tick if product_of(tick.contract) is product else None
    except (msgspec.ValidationError, UnknownContract):
        return None  # another kind of event, or of a product we do not know


def _take(tape: Tape, at_ns: int, tick: Quote | Trade | Depth) -> None:
    if isinstance(tick, Trade):
        side = 0 if tick.aggressor is None else int(tick.aggressor)
        tape.add(at_ns, PRINT, (tick.price, tick.size, side))
    elif isinstance(tick, Quote):
        bids, asks = [(tick.bid, max(1, tick.bid_size))], [(tick.ask, max(1, tick.ask_size))]
        recorded_ticks.add_quote(tape, at_ns, bids, asks)
    else:
        recorded_ticks.add_book(tape, at_ns, list(tick.bids), list(tick.asks))
