"""Every check of the governor, removed, makes a test fail; so do its lines, not drawn.

The part of `python -m tests.mutate_rules` that is quick enough to run always; the command breaks
far more, in more ways.
"""

from __future__ import annotations

import pytest

from services.risk_governor import checks, equity, latches
from tests.mutants import ALIKE, Mutant, everything, mutants
from tests.mutate_rules import caught_by, main

EVERY = list(mutants())
QUICK = [
    mutant
    for mutant in EVERY
    if (mutant.kind == "check" and mutant.what == "removed") or mutant.what == "not drawn"
]


@pytest.mark.parametrize("mutant", QUICK, ids=lambda mutant: mutant.rule.replace(" ", "-"))
def test_a_rule_that_is_gone_is_missed(mutant: Mutant) -> None:
    assert caught_by(mutant), f"{mutant.name}: no test fails without it"


def test_every_check_is_among_them() -> None:
    names = {mutant.rule.removeprefix("check ") for mutant in QUICK}
    assert {check.__name__ for check in (*checks.KIND_CHECKS, *checks.SIZE_CHECKS)} <= names


def test_nothing_stays_broken() -> None:
    """What is broken for a test is whole after it."""
    every = (*checks.KIND_CHECKS, *checks.SIZE_CHECKS)
    whole = [check.__code__ for check in every], dict(latches.KINDS), equity._draw
    for mutant in EVERY:
        mutant.made()()
    assert whole == ([check.__code__ for check in every], dict(latches.KINDS), equity._draw)


def test_each_exception_is_still_a_mutant() -> None:
    assert set(ALIKE) <= {mutant.name for mutant in everything()}


def test_the_command_says_who_caught_it_and_who_did_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["loss.is_touched"]) == 0
    assert "test_v12" in capsys.readouterr().out
    monkeypatch.setitem(ALIKE, "loss.is_touched: removed", "only here")
    monkeypatch.setattr("tests.mutate_rules.caught_by", lambda mutant: "")
    assert main(["loss.is_touched"]) == 2
    assert "SURVIVED" in capsys.readouterr().out
