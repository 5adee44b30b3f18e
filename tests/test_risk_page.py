"""The page of promises names what holds them: every rule has its row, every test named exists.

The page is for people; this keeps it from rotting when a rule is added or a test gets another name.
"""

from __future__ import annotations

import re

from shared.domain.rules.book import BOOK
from shared.settings import REPO

PAGE = (REPO / "docs" / "risk.md").read_text()
PART = PAGE.partition("## What holds each promise")[2].partition("\n## ")[0]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PART.splitlines()
    if line.startswith("| ") and not line.startswith("| control |")
]
DEFINED = re.compile(r"^\s*(?:async )?def (test_\w+)\(", re.MULTILINE)


def named(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def test_the_table_is_there() -> None:
    assert len(ROWS) > 50
    assert all(len(row) == 3 for row in ROWS)


def test_every_rule_has_its_row_and_every_rule_named_is_one() -> None:
    rules = {rule for row in ROWS for rule in named(row[1])}
    assert sorted(rules) == sorted(BOOK)


def test_every_row_names_a_test() -> None:
    assert [row[0] for row in ROWS if not any(it.startswith("test_") for it in named(row[2]))] == []


def test_every_test_named_exists() -> None:
    there: set[str] = set()
    for path in (REPO / "tests").rglob("test_*.py"):
        there.update(DEFINED.findall(path.read_text()))
    wanted = {name for row in ROWS for name in named(row[2]) if name.startswith("test_")}
    assert sorted(wanted - there) == []
