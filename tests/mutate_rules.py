"""Is every rule guarded? Each is removed and loosened in turn, and a named test must fail.

    python -m tests.mutate_rules                 # everything, a minute
    python -m tests.mutate_rules gap loss        # only what has one of these in its name

What is broken: every check of the governor's tuples and its place in those of changes, every row
of its table of latches, every line of loss and gain, every function of `shared/domain/rules` that
compares, whatever the governor does unasked (`ACTS`), and every setting that has a tighter side.
How: its body is gone, one of its conditions is never met, one of its comparisons is off by the
boundary, a number in it is twice as large, it is left out of its tuple, a latch does not bind, does
not flatten, is cleared by anything, a setting is looser than it says. The breaking itself is in
`mutants.py`. Which tests are asked stands in `GUARDS`; those that name the rule come first.

Prints rule, mutation and the test that caught it; ends with 2 when one survives. What may survive,
and why, stands in `ALIKE` there.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from functools import cache
from importlib import import_module
from io import StringIO
from types import FunctionType
from typing import Any, Final, NamedTuple

import hypothesis
import pytest

from services.risk_governor import checks
from tests.mutants import Mutant, broken, mutants, source_of

SURVIVED: Final = 2

GOVERNOR: Final = (
    "test_governor_checks", "test_governor_form", "test_governor_sizes", "test_governor_pretrade",
    "test_governor_conduct", "test_governor_market", "test_governor_gap", "test_governor_firm",
    "test_governor_layers", "test_governor_allocation", "test_governor_budgets",
    "test_governor_edges",
    "test_governor_funds", "test_governor_changes", "test_governor_hours", "test_sharing",
)  # fmt: skip

LATCHES: Final = (
    "test_governor_latches", "test_governor_levels", "test_governor_layers", "test_governor_day",
    "test_governor_exits", "test_governor_follow", "test_governor_pretrade", "test_governor_checks",
    "test_governor_silence", "test_governor_payouts", "test_governor_conduct",
    "test_governor_market", "test_governor_form", "test_governor_sizes",
    "test_governor_reversals",
)  # fmt: skip

RULES: Final = (
    "test_rules", "test_rules_account", "test_rules_day", "test_rules_money", "test_rules_book",
    "test_rules_lives", "test_rules_edges", "test_rules_packs", "test_governor_gap",
    "test_governor_checks", "test_governor_sizes", "test_governor_layers",
    "test_governor_bad_input",
)  # fmt: skip

ALL: Final = tuple(
    dict.fromkeys(
        (
            *LATCHES,
            *GOVERNOR,
            "test_governor_reasons",
            "test_governor_unasked",
            "test_governor_hours",
            "test_lost_memory",
        )
    )
)

GUARDS: Final = {
    "check": (*GOVERNOR, "test_governor_kept"), "latch": LATCHES,
    "line": LATCHES, "rule": RULES, "act": ALL,
    "limit": (*ALL, "test_governor_funds", "test_governor_told", "test_governor_directions"),
}  # fmt: skip
"""Test modules asked about a kind of rule."""

FORGIVING: Final = hypothesis.settings(
    max_examples=30, deadline=None, database=None, phases=[hypothesis.Phase.generate]
)


class Test(NamedTuple):
    """A test function and its parameter sets."""

    name: str
    run: Callable[[], None]
    source: str
    drawn: bool  # by hypothesis: slower, asked last


@cache
def tests_of(kind: str) -> tuple[Test, ...]:
    """The tests that guard a kind of rule and can be called as functions."""
    found = []
    for name in GUARDS[kind]:
        module = import_module(f"tests.{name}")
        for function in vars(module).values():
            if isinstance(function, FunctionType) and function.__name__.startswith("test_"):
                runs = _runs(function)
                if runs is not None:
                    found.append(Test(f"{name}.{function.__name__}", runs, *_looks(function)))
    return tuple(sorted(found, key=lambda test: test.drawn))


def _looks(function: Any) -> tuple[str, bool]:
    drawn = hasattr(function, "hypothesis")
    inner = function.hypothesis.inner_test if drawn else function
    return inspect.getsource(inner), drawn


def _runs(function: FunctionType) -> Callable[[], None] | None:
    """A call of the test with all its parameter sets; None when it needs a fixture."""
    marks = [mark for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]
    sets = [list(_rows(mark)) for mark in marks]
    given = {name for rows in sets for row in rows for name in row}
    drawn = hasattr(function, "hypothesis")
    if not drawn and set(inspect.signature(function).parameters) - given - {"monkeypatch"}:
        return None
    wants = "monkeypatch" in inspect.signature(function).parameters
    if drawn:
        try:
            FORGIVING(function)
        except hypothesis.errors.InvalidArgument:
            return None  # it has settings of its own: many examples, too slow for this

    def run() -> None:
        for rows in itertools.product(*sets):
            values = {name: value for row in rows for name, value in row.items()}
            with pytest.MonkeyPatch.context() as patch:
                function(**values, **({"monkeypatch": patch} if wants else {}))

    return run


def _rows(mark: Any) -> Iterator[dict[str, Any]]:
    names = mark.args[0]
    names = [it.strip() for it in names.split(",")] if isinstance(names, str) else list(names)
    for row in mark.args[1]:
        values = getattr(row, "values", row)
        values = values if len(names) > 1 or hasattr(row, "marks") else (values,)
        yield dict(zip(names, values, strict=True))


@cache
def _passes_whole(test: Test) -> bool:
    """Whether a test passes where nothing is broken; asked only of those that failed."""
    return not _fails(test)


def _fails(test: Test) -> bool:
    with redirect_stdout(StringIO()):
        try:
            test.run()
        except (Exception, pytest.fail.Exception):
            return True
    return False


def caught_by(mutant: Mutant) -> str:
    """The first test that fails under a mutant and only then; empty when it survives."""
    word = mutant.rule.split()[-1].rpartition(".")[2]
    near = sorted(tests_of(mutant.kind), key=lambda test: (test.drawn, _far(test, word)))
    for test in near:
        with broken(mutant):
            failed = _fails(test)
        if failed and _passes_whole(test):
            return test.name
    return ""


def _far(test: Test, word: str) -> int:
    """How little a test has to do with a rule, by the words it uses."""
    text = f"{test.name} {test.source}".lower()
    codes = CODES.get(word, ())
    return -sum(text.count(it.lower()) for it in (word, *codes))


@cache
def _codes(function: FunctionType) -> tuple[str, ...]:
    tree = ast.parse(source_of(function))
    return tuple(
        f"VetoRule.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "VetoRule"
    )


CODES: Final = {
    check.__name__: _codes(check)
    for check in (*checks.KIND_CHECKS, *checks.SIZE_CHECKS)
    if isinstance(check, FunctionType)
}
"""Check -> the codes it refuses with."""


def main(names: Sequence[str]) -> int:
    began, count, alive = time.monotonic(), 0, []
    for mutant in mutants(names):
        count += 1
        caught = caught_by(mutant)
        if not caught:
            alive.append(mutant)
        sys.stdout.write(f"{mutant.rule:44} {mutant.what:64} {caught or 'SURVIVED'}\n")
        sys.stdout.flush()
    took = time.monotonic() - began
    sys.stdout.write(f"\n{count} mutants in {took:.0f} s; {len(alive)} survived\n")
    for mutant in alive:
        sys.stdout.write(f"  {mutant.name}\n")
    return SURVIVED if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
