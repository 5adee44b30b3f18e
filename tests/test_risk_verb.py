"""`tsq risk`: the journal tells why, in sentences; the ledger of refused entries adds up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import cli
from scripts.console import Exit
from scripts.counterfactual import Trial, ledger
from scripts.risk_lines import shown
from services.risk_governor.words import Verb
from shared.domain.rules.explain import sentence, spoken
from shared.events import Bar, Event, OrderApproved, OrderVetoed, VetoRule
from shared.runtime import paths, records, wire
from shared.runtime.journal import Journal
from shared.units import SECOND
from tests.governor_stage import BUY, MNQ, SELL, Stage, settings, wide

DAY = "2026-11-18"
BASE = 1_795_016_100 * SECOND


def write(var: Path, lane: str, events: list[tuple[int, Event]]) -> None:
    """A lane's journal of said events."""
    file = Journal(paths.journal_path(var, DAY, lane), 1 << 20)
    for seq, (now, event) in enumerate(events, 1):
        body = wire.body((lane, 1, seq, seq - 1, now, "", event))
        file.append(bytes(records.PREFIX[records.SAID]) + bytes(body))
    file.close()


@pytest.fixture
def told(tmp_path: Path) -> tuple[Path, Stage]:
    """A vetoed wish, an approved one made smaller, an exit; bars after them."""
    stage = Stage(wide(trade_risk=150)).opened()
    asked: list[tuple[int, Event]] = []
    answers: list[tuple[int, Event]] = []
    for changed in (
        {"size": 3, "stop_loss_ticks": 100, "take_profit_ticks": 200},
        {"size": 3, "stop_loss_ticks": 100, "least": 1},
    ):
        wish = stage.intent("trend", BUY, **changed)
        said = stage.tell(wish)
        asked.append((stage.now, wish))
        answers += [(stage.now, it) for it in said if isinstance(it, OrderVetoed | OrderApproved)]
    write(tmp_path, "sleeve_trend", asked)
    write(tmp_path, "risk_governor", answers)
    first = stage.now // SECOND * SECOND
    bars = [
        Bar(
            contract=MNQ, span_s=1, open_ns=first + n * SECOND, open=84_000 + n, high=84_060 + n,
            low=83_990 + n, close=84_050 + n, volume=1,
        )
        for n in range(1, 200, 10)
    ]  # fmt: skip
    write(tmp_path, "market_data_gateway", [(bar.open_ns, bar) for bar in bars])
    return tmp_path, stage


def tsq(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = cli.main(list(words))
    return code, capsys.readouterr().out


def test_why_prints_the_rule_its_numbers_and_a_sentence(
    told: tuple[Path, Stage], capsys: pytest.CaptureFixture[str]
) -> None:
    var, _ = told
    code, out = tsq(capsys, "risk", "why", "trend.7.1", "--var", str(var))
    assert code == Exit.OK
    assert "trend.7.1 wanted BUY 3 CON.F.US.MNQ.Z26 MARKET, stop 100 ticks away: test" in out
    assert "VETOED TRADE_RISK: Trade risks too much: 156.66 dollars" in out
    assert "at most 150.00 dollars" in out
    assert "2 contracts would pass" in out
    assert "contract risk 52.22 dollars" in out
    code, out = tsq(capsys, "risk", "why", "trend.7.1", "--json", "--var", str(var))
    found = json.loads(out)
    assert (found["rule"], found["limit"], found["actual"]) == (
        "TRADE_RISK", 150_000_000, 156_660_000,
    )  # fmt: skip
    assert found["largest"] == 2
    assert found["inputs"]["bid"] == 84_000


def test_why_of_an_approved_one_names_the_rules_and_what_bound_it(
    told: tuple[Path, Stage], capsys: pytest.CaptureFixture[str]
) -> None:
    var, _ = told
    code, out = tsq(capsys, "risk", "why", "trend.7.2", "--var", str(var))
    assert code == Exit.OK
    assert "APPROVED 2 contracts of 3 asked" in out
    assert "Made smaller by TRADE_RISK" in out
    assert "floor_stays_far" in out


@pytest.mark.parametrize("name", ["trend.7.99", "nonsense", ""])
def test_why_of_what_is_not_there_is_a_usage_error(
    told: tuple[Path, Stage], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert tsq(capsys, "risk", "why", name, "--var", str(told[0]))[0] == Exit.USAGE


def test_vetoes_are_followed_on_the_recorded_bars(
    told: tuple[Path, Stage], capsys: pytest.CaptureFixture[str]
) -> None:
    """Bought at the open 84,001 of the first bar; the target 84,201 is reached: 200 ticks of 0.50,
    less 1.22 of fees."""
    var, _ = told
    (row,) = ledger(paths.journal_root(var), DAY)
    assert (row["intent_id"], row["rule"], row["fate"]) == ("trend.7.1", "TRADE_RISK", "target")
    assert row["net"] == 100_000_000 - 1_220_000
    code, out = tsq(capsys, "risk", "vetoes", "--var", str(var))
    assert code == Exit.OK
    assert "TRADE_RISK: 1 refused, together they would have made 98.78 dollars" in out
    assert tsq(capsys, "risk", "vetoes", "--day", "x", "--var", str(var))[0] == Exit.USAGE


def trial(**changed: Any) -> Trial:
    base: dict[str, Any] = {
        "intent_id": "a.1.1", "rule": "SIZE", "contract": MNQ, "side": 1, "type": "MARKET",
        "wanted": 0, "stop": 10, "target": 20, "from_ns": 0, "until_ns": 5,
    }  # fmt: skip
    return Trial(**{**base, **changed})


def bar(open_ns: int, low: int, high: int) -> dict[str, Any]:
    return {"open_ns": open_ns, "open": low, "high": high, "low": low, "close": high}


@pytest.mark.parametrize(
    ("given", "bars", "fate", "ticks"),
    [
        ({}, [bar(1, 100, 110), bar(2, 90, 100)], "stopped", -10),
        ({}, [bar(1, 100, 120)], "target", 20),
        ({}, [bar(1, 100, 105), bar(2, 90, 125)], "stopped", -10),  # both: the stop
        ({}, [bar(1, 100, 110)], "open", 10),
        ({"side": -1}, [bar(1, 100, 109), bar(2, 80, 109)], "target", 20),
        ({"side": -1}, [bar(1, 100, 110)], "stopped", -10),
        ({"type": "LIMIT", "wanted": 95}, [bar(1, 96, 99), bar(6, 96, 99)], "unfilled", None),
        ({"type": "LIMIT", "wanted": 95}, [bar(1, 94, 99), bar(2, 96, 116)], "target", 20),
        ({"target": 0}, [bar(1, 100, 500)], "open", 400),
        ({}, [], "unfilled", None),
    ],
)
def test_a_refused_entry_is_followed_to_its_end(
    given: dict[str, Any], bars: list[dict[str, Any]], fate: str, ticks: int | None
) -> None:
    one = trial(**given)
    for each in bars:
        one.bar(each)
    row = one.row()
    assert row["fate"] == fate
    assert row["net"] == (0 if ticks is None else ticks * 500_000 - 1_220_000)


# -- sentences -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [rule.value for rule in VetoRule])
def test_every_rule_has_a_sentence_for_people(rule: str) -> None:
    text = sentence(rule, 150_000_000, 156_660_000, largest=2, detail="a detail")
    assert "a detail" in text
    assert "2 contracts would pass" in text
    assert rule not in text
    assert "It ends with" in text


@pytest.mark.parametrize(
    ("unit", "number", "text"),
    [
        ("usd", -1_234_560_000, "-1,234.56 dollars"),
        ("time", 1_500_000_000, "1.500 s"),
        ("tenths", 51, "5.1 minis"),
        ("bp", 500, "5.00 %"),
        ("contracts", 1, "1 contract"),
        ("contracts", 2, "2 contracts"),
        ("ticks", 1 << 60, "an unknown amount"),
    ],
)
def test_numbers_are_said_in_their_unit(unit: str, number: int, text: str) -> None:
    assert spoken(unit, number) == text


def test_what_must_stay_above_is_said_that_way_round() -> None:
    assert "more than 48,000.00 dollars" in sentence("FLOOR", 48_000_000_000, 47_999_000_000)
    assert "at least 5.000 s" in sentence("REPEATED", 5 * SECOND, SECOND)
    assert "at most 3 contracts" in sentence("SIZE", 3, 4)


def test_show_says_level_money_and_every_latch() -> None:
    stage = Stage(settings()).opened()
    stage.operator(Verb.HALT, cause="lunch")
    text = "\n".join(shown(stage.state()))
    assert text.startswith("risk: halted")
    assert "lunch" in text
    assert "tsq resume" in text
    assert "floor $48,000.00" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("why",), "why of what?"),
        (("why", "trend.7.1", "--day", "2026-01-02"), "no journal of the governor of 2026-01-02"),
        (("actions", "--day", "nonsense"), "there are 20"),
        (("vetoes", "--day", "../.."), "no journal"),
    ],
)
def test_what_is_not_there_is_said_and_not_taken_for_nothing(
    told: tuple[Path, Stage], capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    assert cli.main(["risk", *words, "--var", str(told[0])]) == Exit.USAGE
    assert says in capsys.readouterr().err


def test_without_any_journal_nobody_says_that_nothing_was_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for what in ("vetoes", "actions"):
        assert cli.main(["risk", what, "--var", str(tmp_path)]) == Exit.USAGE
        assert "no journal of the governor" in capsys.readouterr().err


def test_an_exit_is_explained_as_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    answer = stage.ask_exit("trend", SELL)
    assert isinstance(answer, OrderApproved)
    write(tmp_path, "risk_governor", [(BASE, answer)])
    out = tsq(capsys, "risk", "why", answer.intent_id, "--var", str(tmp_path))[1]
    assert "only closes what is held" in out


def test_the_bench_of_the_governor_tells_medians(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = tsq(capsys, "bench", "risk", "--rounds", "100", "--json")
    assert code == Exit.OK
    found = json.loads(out)
    assert found["orders"] == 10
    assert found["intent"]["p50_us"] > found["quote"]["p50_us"] > 0
