"""Real answers and hub payloads of the venue, where a folder of recordings is at hand.

`TSQ_TEST_DATA` names the folder (it holds `projectx_recorded/*.json`). The recordings may not be
distributed, so without it these tests are skipped and say so.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from shared.contracts import product_of
from shared.venue import translate, words
from shared.venue.market import DepthBook, QuoteMerger, trades
from shared.venue.numbers import is_known

FOLDER = Path(os.environ.get("TSQ_TEST_DATA", "")) / "projectx_recorded"
pytestmark = pytest.mark.skipif(
    "TSQ_TEST_DATA" not in os.environ or not FOLDER.is_dir(),
    reason="TSQ_TEST_DATA does not name a folder with recordings of the venue",
)


def read(name):
    return msgspec.json.decode((FOLDER / f"{name}.json").read_bytes())


def test_accounts():
    found = [translate.account_row(one) for one in
             msgspec.convert(read("accounts_search"), list[words.AccountModel])]  # fmt: skip
    assert found
    assert all(row.simulated and row.balance > 0 and row.name for row in found)


def test_contracts_agree_with_our_table():
    rows = [translate.contract_row(one) for one in
            msgspec.convert(read("contracts_available"), list[words.ContractModel])]  # fmt: skip
    known = [row for row in rows if is_known(row.contract)]
    assert len(known) >= 8
    for row in known:
        product = translate.product_of(row.contract)
        assert (row.tick_nanos, row.tick_micros) == (product.tick_nanos, product.tick_micros)


def test_orders():
    rows = [translate.order_row(one) for one in
            msgspec.convert(read("historical_orders_24h"), list[words.OrderModel])]  # fmt: skip
    assert len(rows) > 20
    legs = [row for row in rows if row.parent_id]
    assert legs
    assert all(row.tag.endswith(("-SL", "-TP")) for row in legs)
    assert all(row.filled <= row.size for row in rows)


def test_trades():
    models = msgspec.convert(read("historical_trades_24h"), list[words.TradeModel])
    rows = [translate.trade_row(one) for one in models if is_known(one.contract_id)]
    assert len(rows) > 5
    for row in rows:
        assert row.fee >= product_of(row.contract).fee_side_micros * row.size


def test_hub_payloads():
    samples = {one["event_type"]: one["raw_payload"] for one in
               read("stream_event_samples")["samples"]}  # fmt: skip
    for name, target in (
        ("account", words.USER_ACCOUNT),
        ("order", words.USER_ORDER),
        ("position", words.USER_POSITION),
        ("trade", words.USER_TRADE),
    ):
        assert translate.user_event(target, [samples[name]]).action is not None
    quote = samples["quote"]
    told = QuoteMerger().merge([quote["contractId"], quote["payload"]], 1)
    assert told.ask - told.bid == 2
    tape = samples["market_trade"]
    assert trades([tape["contractId"], tape["payload"]], 1)[0].size == 1
    depth = samples["depth"]
    assert DepthBook(depth["contractId"]).fold([depth["contractId"], depth["payload"]])
