"""The table of cards in docs/sleeves.md: every sleeve is in it, and its fees are those of today."""

from __future__ import annotations

import inspect
import re

import pytest

from services.sleeves.base import Sleeve
from services.sleeves.host import SleeveHost
from services.sleeves.params import Parameter, parameters
from shared.contracts import PRODUCTS
from shared.domain import indicators
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


def _told(it: Parameter) -> str:
    default = f"{it.default:g}" if isinstance(it.default, float) else it.default
    return f"`{it.name}` {default} ({it.range})"


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_the_page_tells_every_parameter_and_whether_it_may_be_tuned(kind: type[Sleeve]) -> None:
    found = parameters(kind.Params)
    assert all(it.range for it in found), "one without a range would be told otherwise"
    tunable, structural = (
        ", ".join(_told(it) for it in found if it.tunable is wanted) for wanted in (True, False)
    )
    assert f"| `{kind.__name__}` | {tunable} | {structural} |" in TEXT


def test_the_page_tells_every_indicator_as_it_is_made_and_updated() -> None:
    """Each row is run: what is made so takes so many words and has a value in the end."""
    names = {name: getattr(indicators, name) for name in indicators.__all__}
    rows = re.findall(r"`(\w+)((?:\.of)?\(.*?\))`(?=.*?\| `?([\w, ]+)`? \|)", _part("Indicators"))
    told = dict.fromkeys(rows)
    kinds = {name for name, it in names.items() if isinstance(it, type) and name != "Indicator"}
    assert {name for name, *_ in told} >= kinds | {"microprice"}
    for name, made, words in told:
        if name not in kinds:
            continue
        one = eval(f"{name}{made}", names)
        taken = list(inspect.signature(one.update).parameters)
        assert taken == words.split(", "), name
        for step in range(200):
            ticks = (20_000 + step % 7 * (1 + n) for n in range(len(taken)))
            one.update(*(1 if it == "day" else tick for it, tick in zip(taken, ticks, strict=True)))
        assert one.ready
        assert name == "Terrain" or one.value is not None


def _part(title: str) -> str:
    return TEXT.partition(f"### {title}\n")[2].partition("\n#")[0]


def test_every_handler_and_verb_is_in_the_page() -> None:
    for handler in (name for name in vars(Sleeve) if name.startswith("on_")):
        assert handler in TEXT, handler
    for verb in ("buy", "sell", "close", "cancel", "cancel_all", "flatten", "modify", "quote"):
        assert re.search(rf"`[\w ]*\b{verb}\b", TEXT), verb
