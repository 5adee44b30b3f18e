"""A sleeve that watches a second product: waited for, warmed, told in order, remembered."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Struct

from services.sleeves.base import Sleeve
from services.sleeves.host import SleeveHost
from shared.events import BarOrigin, ContractListed, Started
from shared.settings import SettingsError
from shared.units import SECOND
from tests.sleeves_stage import CONTRACTS, T0, Stage, settings_for

HERE = __name__


# -- other products --------------------------------------------------------------------------------


class Both(Struct):
    seen: list[tuple[str, int]] = []


class Listener(Sleeve):
    """Notes the closes of two products in the order it learns them."""

    warmup = {60: 2}
    listens = ("MES",)

    def fresh_view(self):
        return Both()

    def learn(self, bar):
        self.view.seen.append(("own", bar.close))

    def learn_other(self, root, bar):
        self.view.seen.append((root, bar.close))

    def on_bar(self, bar):
        self.log(f"own {bar.close}")

    def on_other_bar(self, root, bar):
        self.log(f"{root} {bar.close}")


def listed(root: str) -> ContractListed:
    return ContractListed(
        root=root,
        contract=CONTRACTS[root],
        name=root,
        tick_nanos=250_000_000,
        tick_micros=1_250_000,
        trading_day="2026-11-18",
    )


def other(stage: Stage, *closes: int, origin=BarOrigin.LIVE, first_ns: int = 0) -> None:
    """Minute bars of MES, the first opening at `first_ns`."""
    own, stage.contract = stage.contract, CONTRACTS["MES"]
    for number, close in enumerate(closes):
        stage.bar(close, span_s=60, origin=origin, open_ns=first_ns + number * 60 * SECOND)
    stage.contract = own


def listening() -> Stage:
    """As far as the own product is listed; the other one is not yet."""
    stage = Stage("trend", settings_for("trend", f"{HERE}:Listener"))
    stage.host.sleeve.listens = ()
    stage.open()
    stage.host.sleeve.listens = ("MES",)
    stage.host.mind.settle()
    return stage


def test_a_second_product_is_waited_for_and_warmed_like_the_first():
    stage = listening()
    assert stage.host.memory.reason == "no contract listed for MES, which it listens to"
    stage.tell(listed("MES"))
    stage.history(100, 2)
    assert stage.host.memory.reason == "has 0 of 2 bars of 60 s of MES"
    other(stage, 50, 51, origin=BarOrigin.HISTORY, first_ns=T0 - 120 * SECOND)
    assert stage.host.memory.state == "READY"


def test_bars_of_two_products_are_learnt_in_the_order_of_time_and_then_told():
    stage = listening()
    stage.tell(listed("MES"))
    stage.history(100, 2)
    other(stage, 50, 51, origin=BarOrigin.HISTORY, first_ns=T0 - 120 * SECOND)
    stage.now_ns += 60 * SECOND
    other(stage, 52, first_ns=T0)
    assert stage.host.memory.logged == "MES 52"
    stage.bar(101, span_s=60)
    assert stage.host.memory.logged == "own 101"
    assert stage.host.sleeve.view.seen == [
        ("own", 100), ("MES", 50), ("own", 100), ("MES", 51), ("MES", 52), ("own", 101),
    ]  # fmt: skip


def test_another_contract_of_the_other_product_is_warmed_anew():
    stage = listening()
    stage.tell(listed("MES"))
    stage.history(100, 2)
    other(stage, 50, 51, origin=BarOrigin.HISTORY, first_ns=T0 - 120 * SECOND)
    stage.tell(msgspec.structs.replace(listed("MES"), contract="CON.F.US.MES.H27"))
    assert stage.host.memory.state == "WARMING"
    other(stage, 52, first_ns=T0)
    assert stage.host.sleeve.view.seen == [], "bars of the old contract mean nothing"


def test_a_restart_remembers_both_products():
    stage = listening()
    stage.tell(listed("MES"))
    stage.history(100, 2)
    other(stage, 50, 51, origin=BarOrigin.HISTORY, first_ns=T0 - 120 * SECOND)
    again = SleeveHost("trend", stage.settings)
    again.restore(stage.host.snapshot())
    stage.host = again
    stage.tell(Started(epoch=101, fresh=False))
    other(stage, 52, first_ns=T0)
    assert stage.host.sleeve.view.seen[-1] == ("MES", 52)
    assert stage.host.memory.state == "READY"


class Stranger(Sleeve):
    listens = ("CL",)


def test_a_product_the_gateway_does_not_ask_for_refuses_to_start():
    with pytest.raises(SettingsError, match=r"sleeves\.trend listens to 'CL'; .*roots has MES"):
        SleeveHost("trend", settings_for("trend", f"{HERE}:Stranger"))


# -- states of older versions ----------------------------------------------------------------------


def test_a_view_of_another_shape_is_learnt_again_and_nothing_else_is_lost():
    stage = listening()
    stage.tell(listed("MES"))
    stage.history(100, 2)
    other(stage, 50, 51, origin=BarOrigin.HISTORY, first_ns=T0 - 120 * SECOND)
    saved = msgspec.msgpack.decode(stage.host.snapshot())
    saved["view"] = msgspec.msgpack.encode({"seen": "a word"})
    again = SleeveHost("trend", stage.settings)
    again.restore(msgspec.msgpack.encode(saved))
    stage.host = again
    other(stage, 52, first_ns=T0)
    assert [close for _, close in again.sleeve.view.seen] == [100, 50, 100, 51, 52]
