"""The folder where governors of one person meet: whole files, dead neighbours, nothing guessed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.risk_governor.port_accounts import SharedAccounts
from services.risk_governor.words import Holding, OthersHold, WeHold
from shared.units import HOUR

LONG = Holding(account="A", group="index", long=2, short=0)


OPEN: list[SharedAccounts] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Whoever a test opened is closed behind it."""
    yield
    while OPEN:
        OPEN.pop().close()


def told(folder: Path, account: str, *rows: Holding, hours: int = 1) -> SharedAccounts:
    one = SharedAccounts(folder, account)
    OPEN.append(one)
    one.open()
    one.tell(WeHold(rows=rows, until_ns=time.time_ns() + hours * HOUR))
    return one


def test_each_sees_the_others_and_not_itself(tmp_path: Path) -> None:
    first, second = told(tmp_path, "A", LONG), told(tmp_path, "B")
    assert first.look() == OthersHold()
    assert second.look() == OthersHold(rows=(LONG,))
    first.tell(WeHold(rows=(), until_ns=0))
    assert second.look() == OthersHold()
    for one in (first, second):
        one.close()


def test_what_a_dead_governor_held_counts_until_its_day_ended(tmp_path: Path) -> None:
    watcher = told(tmp_path, "B")
    told(tmp_path, "A", LONG, hours=1).close()
    assert watcher.look().rows == (LONG,)
    told(tmp_path, "A", LONG, hours=-1).close()
    assert watcher.look() == OthersHold()


def test_what_a_living_governor_holds_counts_however_old_its_word_is(tmp_path: Path) -> None:
    watcher, living = told(tmp_path, "B"), told(tmp_path, "A", LONG, hours=-1)
    assert watcher.look().rows == (LONG,)
    living.close()
    assert watcher.look() == OthersHold()


def test_a_file_that_cannot_be_read_is_trouble_with_its_name(tmp_path: Path) -> None:
    watcher = told(tmp_path, "B")
    (tmp_path / "A.json").write_text('{"account": "A", "rows": ')
    assert "A.json" in watcher.look().trouble


def test_two_governors_of_one_account_are_trouble_for_the_second(tmp_path: Path) -> None:
    first, second = told(tmp_path, "A", LONG), SharedAccounts(tmp_path, "A")
    second.open()
    assert "another governor" in second.look().trouble
    first.close()


def test_a_folder_that_cannot_be_made_is_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    one = SharedAccounts(tmp_path / "file" / "accounts", "A")
    one.open()
    assert one.look().trouble
    one.tell(WeHold(rows=(), until_ns=0))
    assert one.look().trouble


def test_more_accounts_than_anybody_has_are_trouble(tmp_path: Path) -> None:
    watcher = told(tmp_path, "B")
    for number in range(70):
        (tmp_path / f"x{number}.json").write_text("{}")
    assert "more than" in watcher.look().trouble


def test_names_that_are_no_file_names_are_made_ones(tmp_path: Path) -> None:
    told(tmp_path, "../evil/A B", LONG).close()
    assert [path.name for path in tmp_path.glob("*.json")] == ["___evil_A_B.json"]
