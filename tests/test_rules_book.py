"""Every rule that can refuse or halt has a row in the book, and the row names things that exist."""

from __future__ import annotations

import pytest

from services.risk_governor import latches
from shared import settings as settings_module
from shared.domain.rules.book import BOOK
from shared.domain.rules.book_actions import ACTIONS
from shared.domain.rules.book_latches import LATCHES
from shared.domain.rules.book_pretrade import PRETRADE
from shared.domain.rules.book_vetoes import VETOES
from shared.domain.rules.pack import FIELDS, key_of
from shared.events import VetoRule

UNITS = ("", "usd", "ticks", "contracts", "tenths", "orders", "trades", "time", "ratio", "bp",
         "percent", "mebibytes", "messages", "fills", "lives")  # fmt: skip


@pytest.mark.parametrize("rule", [rule.value for rule in VetoRule] + list(latches.KINDS))
def test_every_rule_has_a_row(rule: str) -> None:
    assert rule in BOOK, f"{rule}: add its row to shared/domain/rules/book_vetoes.py or _latches.py"


def test_no_rule_is_written_twice() -> None:
    assert len(BOOK) == len(VETOES) + len(PRETRADE) + len(LATCHES) + len(ACTIONS)


@pytest.mark.parametrize("rule", sorted(BOOK))
def test_a_row_names_settings_that_exist_and_says_everything(rule: str) -> None:
    entry = BOOK[rule]
    assert entry.unit in UNITS
    for text in (entry.name, entry.what, entry.why, entry.clears):
        assert text.strip() == text != ""
    assert entry.what.endswith(".")
    assert entry.why.endswith(".")
    assert {*entry.facts} <= {key_of(field) for field in FIELDS}
    for path in entry.settings:
        value: object = settings_module.load(env={})
        for part in path.split("."):
            value = getattr(value, part)
