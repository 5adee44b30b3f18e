"""The trades table: every fill once, by the venue's trade id, in SQLite beside the journals.

It is a copy for people and their tools; the journals are the truth. Therefore a file that SQLite
calls broken is set aside and begun anew, and a write that fails is tried again with the next. All
methods run in one thread of their own, never in the event loop's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from loguru import logger

from services.metrics_exporter.figures import decimal_price, money, short_name, unix
from services.metrics_exporter.state import Total, TradeRow

PAGE_MAX: Final = 500
NEWEST: Final = 2**63 - 1

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS trades (
    trade_id INTEGER PRIMARY KEY,
    day TEXT NOT NULL,
    venue_ns INTEGER NOT NULL,
    sleeve TEXT NOT NULL,
    contract TEXT NOT NULL,
    side INTEGER NOT NULL,
    size INTEGER NOT NULL,
    price_ticks INTEGER NOT NULL,
    price REAL,
    fee_micros INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    intent_id TEXT NOT NULL,
    tag TEXT NOT NULL,
    venue_order_id INTEGER NOT NULL,
    voided INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS trades_of_a_day ON trades (day, sleeve);
"""
INSERT: Final = """
INSERT INTO trades VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (trade_id) DO UPDATE SET voided = max(voided, excluded.voided)
"""
PAGE: Final = """
SELECT trade_id, day, venue_ns, sleeve, contract, side, size, price, fee_micros, purpose,
       intent_id, voided
FROM trades
WHERE trade_id < :before AND (:day = '' OR day = :day) AND (:sleeve = '' OR sleeve = :sleeve)
ORDER BY trade_id DESC LIMIT :limit
"""
TOTALS: Final = """
SELECT sleeve, count(*), sum(size), sum(fee_micros) FROM trades
WHERE day = ? AND NOT voided GROUP BY sleeve ORDER BY sleeve
"""


class Trades:
    """Open in the thread that will use it. Raises sqlite3.Error or OSError where `path` cannot."""

    def __init__(self, path: Path) -> None:
        try:
            self._database = _opened(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            aside = path.with_name(f"{path.name}.broken")
            logger.error("{} is broken ({}); set aside as {}", path, error, aside.name)
            path.replace(aside)
            self._database = _opened(path)

    def write(self, rows: Sequence[TradeRow]) -> None:
        """All rows or none; a trade that is there already changes nothing unless it was voided."""
        with self._database:
            self._database.executemany(INSERT, [_columns(row) for row in rows])

    def totals(self, day: str) -> dict[str, Total]:
        """Sums per sleeve over a trading day, voided trades left out."""
        return {
            sleeve: Total(fills, contracts, fees)
            for sleeve, fills, contracts, fees in self._database.execute(TOTALS, (day,))
        }

    def page(
        self, *, day: str = "", sleeve: str = "", before: int = NEWEST, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Newest first, at most PAGE_MAX; the last row's `trade_id` is the next page's `before`."""
        wanted = {"day": day, "sleeve": sleeve, "before": before, "limit": min(limit, PAGE_MAX)}
        return [_shown(row) for row in self._database.execute(PAGE, wanted)]

    def close(self) -> None:
        self._database.close()


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=2.0)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(SCHEMA)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _columns(row: TradeRow) -> tuple[Any, ...]:
    fill = row.fill
    return (
        fill.trade_id,
        row.day,
        fill.venue_ns,
        fill.sleeve or "human",
        fill.contract,
        int(fill.side),
        fill.size,
        fill.price,
        decimal_price(fill.price, fill.contract),
        fill.fee,
        fill.purpose.value,
        fill.intent_id,
        fill.tag,
        fill.venue_order_id,
        int(fill.voided),
    )


def _shown(row: tuple[Any, ...]) -> dict[str, Any]:
    trade_id, day, venue_ns, sleeve, contract, side, size, price, fee, purpose, intent, void = row
    return {
        "trade_id": trade_id,
        "trading_day": day,
        "at": unix(venue_ns),
        "sleeve": sleeve,
        "contract": contract,
        "name": short_name(contract),
        "side": "BUY" if side > 0 else "SELL",
        "size": size,
        "price": price,
        "fee_dollars": money(fee),
        "purpose": purpose,
        "intent_id": intent,
        "voided": bool(void),
    }
