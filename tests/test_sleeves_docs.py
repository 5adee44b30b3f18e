"""The table of cards in docs/sleeves.md: every sleeve is in it, and its fees are those of today."""

from __future__ import annotations

import re

import pytest

from services.sleeves.base import Sleeve
from services.sleeves.host import SleeveHost
from shared.contracts import PRODUCTS
from shared.settings import REPO
from tests.sleeves_stage import settings_for
from tests.test_sleeves_contract import ALL

TEXT = (REPO / "docs" / "sleeves.md").read_text()
ROWS = re.findall(r"^\| `([\w.]+:\w+)` \| (.+) \|$", TEXT, re.MULTILINE)


def test_every_sleeve_has_its_row_and_no_row_is_of_nobody() -> None:
    assert sorted(name for name, _ in ROWS) == sorted(
        f"{kind.__module__}:{kind.__name__}" for kind in ALL
    )


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_a_row_is_whole_and_its_fees_are_what_a_round_trip_costs(name: str, row: str) -> None:
    cells = [cell.strip() for cell in row.split("|")]
    assert len(cells) == 6
    assert all(cells)
    fees, root = re.fullmatch(r"([\d.]+) on (\w+)", cells[4]).groups()
    product = PRODUCTS[root]
    assert float(fees) == round(2 * product.fee_side_micros / product.tick_micros, 2)


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_any_sleeve_runs_under_any_name(name: str, row: str) -> None:
    for sleeve in ("trend", "market_maker"):
        host = SleeveHost(sleeve, settings_for(sleeve, name) if sleeve == "trend" else _alone(name))
        assert isinstance(host.sleeve, Sleeve)


def _alone(name: str):
    """The class under a name on a product that no basket of the defaults holds."""
    import msgspec

    settings = settings_for("market_maker", name)
    own = msgspec.structs.replace(settings.sleeves["market_maker"], root="MNQ")
    return msgspec.structs.replace(settings, sleeves={**settings.sleeves, "market_maker": own})


def test_every_handler_and_verb_is_in_the_page() -> None:
    for handler in (name for name in vars(Sleeve) if name.startswith("on_")):
        assert handler in TEXT, handler
    for verb in ("buy", "sell", "close", "cancel", "cancel_all", "flatten", "modify", "quote"):
        assert re.search(rf"`[\w ]*\b{verb}\b", TEXT), verb
