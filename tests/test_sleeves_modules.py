"""A helper of a sleeve from elsewhere is part of its code: change it, and it is another life."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from services.sleeves.host import SleeveHost
from services.sleeves.modules import modules_of
from services.sleeves.trend import Trend
from shared.runtime import lanes
from tests.sleeves_stage import settings_for

FILES = {
    "mine/__init__.py": "",
    "mine/deep/__init__.py": "",
    "mine/deep/numbers.py": "STOP = 8\n",
    "mine/near.py": "from .deep.numbers import STOP\nimport beside\n",
    "mine/unused.py": "X = 1\n",
    "beside.py": "import json, msgspec\n",
    "mine/strategy.py": (
        "from services.sleeves.base import Sleeve\n"
        "from . import near\n"
        "class Mine(Sleeve):\n"
        "    def on_bar(self, bar):\n"
        "        self.buy(sl_ticks=near.STOP)\n"
    ),
}


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [it for it in sys.modules if it.partition(".")[0] in ("mine", "beside")]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


def code() -> str:
    lanes._hash_of.cache_clear()
    return lanes.code_hash(SleeveHost("trend", settings_for("trend", "mine.strategy:Mine")))


def test_all_that_it_imports_from_its_own_folder_is_named_and_nothing_else(mine: Path) -> None:
    host = SleeveHost("trend", settings_for("trend", "mine.strategy:Mine"))
    own = [name for name in host.modules if not name.startswith("services.")]
    assert len(own) == len(set(own))
    assert set(own) == {
        "mine.strategy", "mine", "mine.near", "mine.deep.numbers", "mine.deep", "beside",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "counts"),
    [(name, name != "mine/unused.py") for name in FILES],
)
def test_a_changed_helper_is_changed_code(mine: Path, name: str, counts: bool) -> None:
    before = code()
    assert code() == before
    with (mine / name).open("a") as file:
        file.write("# changed\n")
    assert (code() != before) is counts


def test_ours_are_found_by_the_runtime_and_not_named_twice() -> None:
    assert modules_of(Trend) == tuple(dict.fromkeys(base.__module__ for base in Trend.__mro__[:-1]))
