"""`tsq rules`: packs listed, shown, compared; every rule explained with its settings and facts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scripts import rules as verb
from scripts.cli import main
from scripts.console import Exit
from shared import rulebook
from shared.domain.rules.book import BOOK
from shared.domain.rules.pack import Fact, assemble
from shared.rulebook import Found, Pack

COMBINE = "topstep-50k-combine@2026-09"


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(["rules", "--json", *words]) == Exit.OK
    return json.loads(capsys.readouterr().out)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["rules", *words]) == Exit.OK
    return capsys.readouterr().out


def test_the_list_marks_the_pack_in_force(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = told(capsys, "list")["packs"]
    assert [row["name"] for row in rows] == list(rulebook.names())
    assert [row["name"] for row in rows if row["in_force"]] == [COMBINE]
    monkeypatch.setenv("TSQ__RISK_GOVERNOR__RULES", "topstep-100k-combine@2026-09")
    monkeypatch.setenv("TSQ__SIMULATOR__ACCOUNTS", '[{ name = "SIM-50K-1", size = 100_000 }]')
    text = said(capsys, "list")
    assert "* topstep-100k-combine@2026-09" in text
    assert "maximum loss 3,000, daily loss 2,000, 10 minis" in text


def test_a_fact_is_shown_with_value_source_date_and_confidence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fact = told(capsys, "show", COMBINE)["facts"]["maximum_loss"]
    assert fact == {
        "value": 2_000,
        "source": "help centre 8284204, Maximum Loss Limit",
        "read": "2026-09",
        "confidence": "confirmed",
        "file": "topstep-50k@2026-09",
    }
    (line,) = [row for row in said(capsys, "show", COMBINE).splitlines() if "maximum_loss" in row]
    assert line.split()[:2] == ["maximum_loss", "2,000"]
    assert line.endswith("confirmed, help centre 8284204, Maximum Loss Limit, read 2026-09")


def test_what_is_unknown_is_shown_as_the_strictest() -> None:
    found = dict(rulebook.pack(COMBINE).found)
    del found["news_micros"]
    found["zone_bp"] = Found(
        fact=Fact(value=1, source="limits", read="2026-11", confidence="unknown"),
        source="somebody",
        file="mine",
    )
    rules = assemble(COMBINE, {key: one.fact for key, one in found.items()})
    facts = verb.facts_of(Pack(rules=rules, found=found))
    assert (facts["news_micros"]["value"], facts["zone_bp"]["value"]) == (0, 10_000)
    for key in ("news_micros", "zone_bp"):
        assert "strictest value" in verb.evidence(facts[key])


def test_the_pack_in_force_needs_no_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "show") == told(capsys, "show", COMBINE)


def test_a_comparison_names_what_differs_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = "topstep-50k-express-standard@2026-09"
    differs = told(capsys, "diff", COMBINE, other)["differs"]
    assert differs["start"] == {COMBINE: 50_000, other: 0}
    assert differs["consistency_percent"] == {COMBINE: 55, other: 40}
    assert "maximum_loss" not in differs
    text = said(capsys, "diff", COMBINE, other)
    assert "- 50,000" in text
    assert "winning_days" in text
    assert "no fact differs" in said(capsys, "diff", COMBINE, COMBINE)


@pytest.mark.parametrize("rule", sorted(BOOK))
def test_every_rule_is_explained(capsys: pytest.CaptureFixture[str], rule: str) -> None:
    text = said(capsys, "explain", rule)
    entry = BOOK[rule]
    for part in (entry.rule, entry.name, entry.what, entry.why, entry.clears):
        assert part in text
    assert text.count("setting ") >= len(entry.settings)
    assert text.count("read 20") == len(entry.facts)


def test_an_explanation_has_the_settings_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TSQ__RISK_GOVERNOR__DRAWDOWN_KILL", "1234")
    found = told(capsys, "explain", "DRAWDOWN")
    assert found["settings"]["risk_governor.drawdown_kill"] == 1_234
    assert found["facts"]["maximum_loss"]["value"] == 2_000
    assert (found["unit"], found["pack"]) == ("usd", COMBINE)
    assert told(capsys, "explain", "trade_risk")["rule"] == "TRADE_RISK", "in any case"
    assert told(capsys, "explain", "daily_loss")["rule"] == "daily_loss", "the latch, not the veto"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("show", "nothing"), "no rule pack 'nothing'; there are"),
        (("show", COMBINE, COMBINE), "rules show takes 1 name"),
        (("diff", COMBINE), "rules diff takes 2 names"),
        (("list", COMBINE), "rules list takes no names"),
        (("explain", "LUCK"), "no rule 'LUCK'; there are"),
    ],
)
def test_wrong_words_are_usage(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    assert main(["rules", *words]) == Exit.USAGE
    assert says in capsys.readouterr().err
