"""Recordings read strictly from tables, our own journals and Databento; or refused by name."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import polars
import pytest

from services.simulator.market_recorded_ticks import BOOK, PRINT, QUOTE
from services.simulator.recorded_file import BadRecording
from services.simulator.recorded_load import load
from shared.contracts import PRODUCTS
from shared.events import Depth, Quote, Side, Trade
from shared.runtime import records, wire
from shared.runtime.journal import Journal
from shared.units import MILLISECOND, SECOND
from tests.sim_stage import START

MNQ = PRODUCTS["MNQ"]

CONTRACT = "CON.F.US.MNQ.Z26"

TRADES = "ts,price,size,side\n"

QUOTES = "ts,bid,ask,bid_size,ask_size\n"


def write(tmp_path: Path, text: str, name: str = "ticks.csv") -> str:
    path = tmp_path / name
    path.write_text(text)
    return str(path)


# -- reading tables --------------------------------------------------------------------------------


def test_trades_from_csv_gzip_and_parquet_alike(tmp_path: Path) -> None:
    text = TRADES + (
        "2026-11-18T15:35:00.123456789Z,25400.25,3,buy\n"
        "2026-11-18T15:35:00.2+00:00,25400,1,A\n"
        "1795016100300000000,25400.5,2,\n"
    )
    plain = load(MNQ, (write(tmp_path, text),))
    packed = tmp_path / "ticks.csv.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    table = polars.DataFrame(
        {
            "ts": [START + 123_456_789, START + 200 * MILLISECOND, START + 300 * MILLISECOND],
            "price": [25400.25, 25400.0, 25400.5],
            "size": [3, 1, 2],
            "side": [1, -1, None],
        }
    )
    table.write_parquet(tmp_path / "a.parquet")
    dated = table.with_columns(polars.from_epoch("ts", time_unit="ns"))
    dated.write_parquet(tmp_path / "b.parquet")
    for other in (str(packed), str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")):
        again = load(MNQ, (other,))
        assert again.tape is not None
        assert plain.tape is not None
        assert list(again.tape.at) == list(plain.tape.at)
        assert [again.tape.event(at) for at in range(3)] == [
            (PRINT, (101_601, 3, 1)),
            (PRINT, (101_600, 1, -1)),
            (PRINT, (101_602, 2, 0)),
        ]
    assert plain.bars == ((START, 101_601, 101_602, 101_600, 101_602, 6),)


def test_depth_of_as_many_levels_as_there_are(tmp_path: Path) -> None:
    head = "ts,bid_px_00,bid_sz_00,ask_px_00,ask_sz_00,bid_px_01,bid_sz_01,ask_px_01,ask_sz_01\n"
    rows = f"{START},100,4,100.5,6,99.5,2,,\n{START},,,100.5,6,,,100.75,1\n"
    tape = load(MNQ, (write(tmp_path, head + rows),)).tape
    assert tape is not None
    assert tape.event(0) == (BOOK, (400, 402, 4, 0, 2, *[0] * 7, 6, *[0] * 9))
    assert tape.event(1) == (BOOK, (401, 402, *[0] * 10, 6, 1, *[0] * 8)), "nobody bids"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (TRADES, r"ticks\.csv: no rows"),
        (TRADES + "soon,1,1,\n", r":2: ts was 'soon'"),
        (TRADES + f"{START},100.1,1,\n", r":2: .*tick"),
        (TRADES + f"{START},nan,1,\n", r":2: price was 'nan'"),
        (TRADES + f"{START},-100,1,\n", r":2: price was '-100'; prices are above zero"),
        (TRADES + f"{START},,1,\n", r":2: price is missing"),
        (TRADES + f"{START},100,0,\n", r":2: size was '0'"),
        (TRADES + f"{START},100,1.5,\n", r":2: size was '1.5'"),
        (TRADES + f"{START},100,1,up\n", r":2: side was 'up'"),
        (TRADES + f"{START},100,1,\n{START - 1},100,1,\n", r":3: ts .* is before"),
        (QUOTES + f"{START},100,100,1,1\n", r":2: bid 400 ticks is not below ask 400"),
        (QUOTES + f"{START},,,,\n", r":2: neither bid nor ask"),
        (QUOTES + f"{START},100,100.25,,1\n", r":2: bid_size was None"),
        ("ts,bid_px_00,bid_sz_00,ask_px_00,ask_sz_00,bid_px_01,bid_sz_01,ask_px_01,ask_sz_01\n"
         f"{START},100,1,101,1,100,1,102,1\n", r":2: level 400 ticks is not further out"),
        ("ts,bid_px_00,bid_sz_00,ask_px_00,ask_sz_00,bid_px_01,bid_sz_01,ask_px_01,ask_sz_01\n"
         f"{START},,,101,1,100,1,102,1\n", r":2: bid_px_01 stands behind an absent level"),
        ("ts,what\n1,2\n", r"columns \['open'"),
    ],
)  # fmt: skip
def test_refuses_what_cannot_have_happened(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(BadRecording, match=complaint):
        load(MNQ, (write(tmp_path, text),))


def test_refuses_what_does_not_go_together(tmp_path: Path) -> None:
    bars = write(
        tmp_path, "ts,open,high,low,close,volume\n2026-11-18T15:35:00Z,1,2,1,2,9\n", "bars.csv"
    )
    ticks = write(tmp_path, TRADES + f"{START},100,1,\n")
    with pytest.raises(BadRecording, match="bars stand alone, but 2 files are named"):
        load(MNQ, (ticks, bars))
    with pytest.raises(BadRecording, match="no file is named"):
        load(MNQ, ())
    for name in ("none.csv", "none.journal", "none.parquet"):
        with pytest.raises(BadRecording, match="no such file"):
            load(MNQ, (str(tmp_path / name),))


# -- our own journals ------------------------------------------------------------------------------


def journal_of(path: Path, *ticks: Quote | Trade | Depth) -> str:
    """As the gateway's runtime writes it."""
    journal = Journal(path, 1 << 20)
    journal.append(records.pack(records.CONTINUED, "2026-11-18"))
    for seq, tick in enumerate(ticks, 1):
        said = wire.body(("market_data_gateway", 1, seq, seq - 1, tick.recv_ns, "", tick))
        journal.append(records.PREFIX[records.SAID] + said)
    journal.close()
    return str(path)


def test_our_own_ticks_journal_plays_again(tmp_path: Path) -> None:
    name = tmp_path / "market_data_gateway.ticks.journal"
    times: dict[str, Any] = {"recv_ns": START + SECOND}
    path = journal_of(
        name,
        Quote(contract=CONTRACT, bid=1_000, ask=1_001, venue_ns=START + 5, bid_size=4, **times),
        Trade(contract="CON.F.US.MES.Z26", price=5, size=1, venue_ns=START + 6, **times),
        Trade(
            contract=CONTRACT, price=1_001, size=2, venue_ns=START + 3, aggressor=Side.BUY, **times
        ),
        Depth(
            contract=CONTRACT, bids=((1_000, 4), (998, 1)), asks=((1_001, 2),), venue_ns=START + 9,
            **times,
        ),
    )  # fmt: skip
    for file in (path, path + ".gz"):
        if file.endswith(".gz"):
            Path(file).write_bytes(gzip.compress(Path(path).read_bytes()))
        tape = load(MNQ, (file,)).tape
        assert tape is not None
        assert list(tape.at) == [START + 5, START + 5, START + 9], "the order told is kept"
        assert [tape.event(at) for at in range(3)] == [
            (QUOTE, (1_000, 1_001, 4, 1)),
            (PRINT, (1_001, 2, 1)),
            (BOOK, (1_000, 1_001, 4, 0, 1, *[0] * 7, 2, *[0] * 9)),
        ]
    with pytest.raises(BadRecording, match="no ticks of ES"):
        load(PRODUCTS["ES"], (path,))


def test_a_damaged_journal_is_refused_and_a_torn_one_is_read(tmp_path: Path) -> None:
    ticks = [
        Trade(contract=CONTRACT, price=1_000 + n, size=1, venue_ns=START + n, recv_ns=START)
        for n in range(50)
    ]
    path = Path(journal_of(tmp_path / "x.journal", *ticks))
    content = path.read_bytes()
    path.write_bytes(content[:-7])
    tape = load(MNQ, (str(path),)).tape
    assert tape is not None
    assert len(tape) == 49
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :])
    with pytest.raises(BadRecording, match=r"x\.journal: .*damaged"):
        load(MNQ, (str(path),))


# -- Databento -------------------------------------------------------------------------------------


def dbn() -> Any:
    return pytest.importorskip(
        "databento_dbn", reason="databento-dbn is not installed: DBN files are not tested"
    )


def dbn_file(path: Path, schema: str, *messages: Any, packed: bool = False) -> str:
    package = dbn()
    head = package.Metadata(
        dataset="GLBX.MDP3",
        start=START,
        stype_in=package.SType.RAW_SYMBOL,
        stype_out=package.SType.INSTRUMENT_ID,
        schema=package.Schema.from_str(schema),
        symbols=["MNQZ6"],
    )
    content = head.encode() + b"".join(bytes(one) for one in messages)
    if packed:
        with path.open("wb") as out:
            coder = package.Transcoder(out, package.Encoding.DBN, package.Compression.ZSTD)
            coder.write(content)
            coder.flush()
    else:
        path.write_bytes(content)
    return str(path)


def dbn_trade(at_ns: int = START, **changed: Any) -> Any:
    package = dbn()
    base = {
        "publisher_id": 1, "instrument_id": 42, "ts_event": at_ns, "ts_recv": at_ns + 9,
        "price": 25_400_250_000_000, "size": 3, "action": package.Action.TRADE,
        "side": package.Side.BID, "depth": 0,
    }  # fmt: skip
    return package.TradeMsg(**{**base, **changed})


def dbn_book(at_ns: int, action: Any, levels: list[tuple[int, int, int, int]]) -> Any:
    package = dbn()
    empty = package.BidAskPair(bid_px=package.UNDEF_PRICE, ask_px=package.UNDEF_PRICE)
    pairs = [
        package.BidAskPair(
            bid_px=bid * MNQ.tick_nanos if bid else package.UNDEF_PRICE,
            ask_px=ask * MNQ.tick_nanos,
            bid_sz=bids,
            ask_sz=asks,
        )
        for bid, bids, ask, asks in levels
    ]
    return package.MBP10Msg(
        publisher_id=1, instrument_id=42, ts_event=at_ns, ts_recv=at_ns,
        price=1_001 * MNQ.tick_nanos, size=2, action=action, side=package.Side.ASK, depth=0,
        levels=[*pairs, *[empty] * (10 - len(pairs))],
    )  # fmt: skip


@pytest.mark.parametrize("packed", [False, True])
def test_dbn_trades(tmp_path: Path, packed: bool) -> None:
    package = dbn()
    name = tmp_path / ("x.dbn.zst" if packed else "x.dbn")
    other = dbn_trade(START + 5, side=package.Side.NONE, size=1)
    path = dbn_file(name, "trades", dbn_trade(), other, packed=packed)
    tape = load(MNQ, (path,)).tape
    assert tape is not None
    assert list(tape.at) == [START, START + 5]
    assert tape.event(0) == (PRINT, (101_601, 3, 1))
    assert tape.event(1) == (PRINT, (101_601, 1, 0))


def test_dbn_books_with_their_prints(tmp_path: Path) -> None:
    package = dbn()
    levels = [(1_000, 4, 1_001, 5), (999, 1, 1_003, 2)]
    path = dbn_file(
        tmp_path / "x.dbn",
        "mbp-10",
        dbn_book(START, package.Action.ADD, levels),
        dbn_book(START + 7, package.Action.TRADE, levels),
        dbn_book(START + 8, package.Action.CANCEL, [(0, 0, 1_001, 5)]),
    )
    tape = load(MNQ, (path,)).tape
    assert tape is not None
    kinds = [tape.event(at)[0] for at in range(len(tape))]
    assert kinds == [BOOK, PRINT, BOOK, BOOK]
    assert tape.event(0)[1][:4] == (1_000, 1_001, 4, 1)
    assert tape.event(1)[1] == (1_001, 2, -1)
    assert tape.event(3)[1][2:12] == (0,) * 10, "nobody bids"


def test_dbn_refusals(tmp_path: Path) -> None:
    package = dbn()
    path = tmp_path / "x.dbn"
    for message, complaint in (
        (dbn_trade(price=25_400_130_000_000), r"x\.dbn:1: price was 25400\.13, not a price"),
        (dbn_trade(size=0), r"x\.dbn:1: size was 0"),
        (
            package.OHLCVMsg(
                rtype=package.RType.OHLCV_1M, publisher_id=1, instrument_id=42, ts_event=START,
                open=1, high=1, low=1, close=1, volume=1,
            ),
            r"x\.dbn:1: a OHLCVMsg record; TradeMsg",
        ),
    ):  # fmt: skip
        with pytest.raises(BadRecording, match=complaint):
            load(MNQ, (dbn_file(path, "trades", message),))
    with pytest.raises(BadRecording, match=r":2: instrument 43 beside 42"):
        load(MNQ, (dbn_file(path, "trades", dbn_trade(), dbn_trade(instrument_id=43)),))
    content = Path(dbn_file(path, "trades", dbn_trade())).read_bytes()
    path.write_bytes(content[:-5])
    with pytest.raises(BadRecording, match="it ends within a record"):
        load(MNQ, (str(path),))
    path.write_bytes(b"no such thing" * 40)
    with pytest.raises(BadRecording, match=r"x\.dbn: .*DBN"):
        load(MNQ, (str(path),))
    with pytest.raises(BadRecording, match="no records"):
        load(MNQ, (dbn_file(path, "trades"),))


def test_without_the_package_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing: ModuleType | None = None
    monkeypatch.setitem(sys.modules, "databento_dbn", missing)
    path = tmp_path / "x.dbn"
    path.write_bytes(b"")
    with pytest.raises(BadRecording, match="need the package databento-dbn"):
        load(MNQ, (str(path),))
