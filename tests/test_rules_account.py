"""The engine: one file of events, and the same verdicts from all who follow it.

A file of `tests/golden/rules` is told to the engine as it is, to the engine compiled for numeric
code, and to the simulated firm; each must say what the file says. What the firm cannot know (our
own layers) is left out for it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.simulator.firm import Verdict, standing
from shared import rulebook
from shared.domain.rules import account as engine
from shared.domain.rules.account import (
    BREACH,
    DAILY_CAP,
    EMERGENCY,
    FIRM_DAY,
    RECOVERY,
    SESSION_CAP,
    VERDICTS,
    Own,
    State,
    Terms,
    begin,
    effective_limit,
    end_day,
    look,
    pay,
    terms_of,
    traded,
)
from shared.domain.rules.book import BOOK
from shared.units import USD, micros
from tests.test_rules_compiled import compiled

GOLDEN = Path(__file__).parent / "golden" / "rules"
OWN = Own(200 * USD, 400 * USD, 900 * USD, 1_600 * USD)
FILES = {
    "combine-50k.events": ("topstep-50k-combine@2026-09", True, OWN),
    "express-100k.events": (
        "topstep-100k-express-consistency@2026-09", False, Own(drawdown=1_600 * USD)
    ),
}  # fmt: skip


class Row(NamedTuple):
    """One event, and what must be so after it."""

    what: str
    amount: str
    balance: int
    equity: int
    floor: int
    new: int


def rows_of(file: str) -> list[Row]:
    bits = {name: bit for bit, name in VERDICTS.items()}
    rows = []
    for line in (GOLDEN / file).read_text().splitlines():
        if line.startswith("#"):
            continue
        what, amount, balance, equity, floor, *names = line.split()
        new = sum(bits[name] for name in names if name != "-")
        rows.append(Row(what, amount, micros(balance), micros(equity), micros(floor), new))
    return rows


def follow(file: str, step: Callable[..., Any], terms: Terms) -> list[tuple[int, int, int, int]]:
    """(balance, equity, floor, new verdicts) after each event; `step` hosts the engine's steps."""
    state, balance, found = step(begin)(terms), terms.start, []
    for row in rows_of(file):
        new = 0
        if row.what == "trade":
            balance += micros(row.amount)
            state = step(traded)(state)
        elif row.what == "pay":
            balance -= micros(row.amount)
            state = step(pay)(terms, state, micros(row.amount), balance)
        elif row.what == "day":
            state = step(end_day)(terms, state, balance, int(row.amount))
        equity = balance + (micros(row.amount) if row.what == "mark" else 0)
        state, new = step(look)(terms, state, equity)
        found.append((balance, equity, state.floor, new))
    return found


def terms_for(file: str) -> Terms:
    name, daily_loss, own = FILES[file]
    return terms_of(rulebook.pack(name).rules, daily_loss, own)


def expected(file: str) -> list[tuple[int, int, int, int]]:
    return [row[2:] for row in rows_of(file)]


@pytest.mark.parametrize("file", FILES)
def test_the_engine_says_what_the_file_says(file: str) -> None:
    assert follow(file, lambda step: step, terms_for(file)) == expected(file)


@pytest.mark.parametrize("file", FILES)
def test_the_compiled_engine_says_the_same(file: str) -> None:
    assert follow(file, compiled, terms_for(file)) == expected(file)


@pytest.mark.parametrize("file", FILES)
def test_the_simulated_firm_says_the_same_of_its_own_rules(file: str) -> None:
    name, daily_loss, _ = FILES[file]
    terms, firm = standing(rulebook.pack(name).rules, daily_loss=daily_loss, enforced=True)
    balance = terms.start
    for row in rows_of(file):
        if row.what == "trade":
            balance += micros(row.amount)
            firm.traded = True
        elif row.what == "pay":
            balance -= micros(row.amount)
            firm.pay(terms, micros(row.amount), balance)
        elif row.what == "day":
            firm.end_day(terms, balance, int(row.amount))
        verdict = firm.judge(terms, row.equity)
        told = row.new & (BREACH | FIRM_DAY)
        fine = Verdict.DAY_LOST if told == FIRM_DAY else Verdict.FINE
        assert verdict is (Verdict.BREACHED if told & BREACH else fine), row
        assert (balance, firm.floor) == (row.balance, row.floor), row


def test_every_verdict_is_a_rule_of_the_book() -> None:
    assert set(VERDICTS.values()) <= set(BOOK)


# -- the layers ------------------------------------------------------------------------------------


def first_verdicts(own: Own, daily_loss: bool, nets: list[int]) -> list[tuple[int, list[str]]]:
    terms = terms_of(rulebook.pack("topstep-50k-combine@2026-09").rules, daily_loss, own)
    state, found = begin(terms), []
    for net in nets:
        state, new = look(terms, state, terms.start + net * USD)
        found.append((net, [name for bit, name in VERDICTS.items() if new & bit]))
    return found


def test_v21_the_layers_fire_inside_out() -> None:
    own = Own(session_cap=200 * USD, daily_cap=400 * USD)
    found = first_verdicts(own, True, [-190, -200, -360, -400, -500, -900, -1_000])
    assert found == [
        (-190, []),
        (-200, ["session_cap", "recovery"]),
        (-360, ["emergency_stop"]),
        (-400, ["daily_cap"]),
        (-500, []),
        (-900, []),
        (-1_000, ["firm_daily_loss"]),
    ]


@pytest.mark.parametrize(
    ("daily_loss", "found"),
    [
        (True, [(-500, ["recovery"]), (-900, ["emergency_stop"]), (-1_000, ["firm_daily_loss"]),
                (-1_500, ["daily_cap"])]),
        (False, [(-500, []), (-750, ["recovery"]), (-1_350, ["emergency_stop"]),
                 (-1_500, ["daily_cap"])]),
    ],
    ids=["firm-on", "firm-off"],
)  # fmt: skip
def test_v23_a_daily_limit_of_1500(daily_loss: bool, found: list[tuple[int, list[str]]]) -> None:
    own = Own(daily_cap=1_500 * USD)
    assert first_verdicts(own, daily_loss, [net for net, _ in found]) == found


def test_the_effective_limit_is_the_soft_stop_where_there_is_no_other() -> None:
    pack = rulebook.pack("topstep-50k-combine@2026-09").rules
    assert effective_limit(terms_of(pack, False, Own(soft=900 * USD))) == 900 * USD
    assert effective_limit(terms_of(pack, True, Own(soft=900 * USD))) == 1_000 * USD
    assert effective_limit(terms_of(pack, False, Own())) == 0


# -- for arbitrary lives ---------------------------------------------------------------------------

EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("trade"), st.integers(-2_500, 2_500)),
        st.tuples(st.just("mark"), st.integers(-2_500, 2_500)),
        st.tuples(st.just("day"), st.integers(1, 4)),
        st.tuples(st.just("pay"), st.integers(1, 3_000)),
    ),
    max_size=40,
)


def live(terms: Terms, events: list[tuple[str, int]], step: Callable[..., Any]) -> list[State]:
    """Every state of a life; a payout is booked only where it may be asked for."""
    state, balance, states = step(begin)(terms), terms.start, []
    for what, amount in events:
        equity = balance
        if what == "trade":
            balance = equity = balance + amount * USD
            state = step(traded)(state)
        elif what == "mark":
            equity = balance + amount * USD
        elif what == "day":
            state = step(end_day)(terms, state, balance, amount)
        elif amount * USD <= step(engine.payable)(terms, state, balance):
            balance = equity = balance - amount * USD
            state = step(pay)(terms, state, amount * USD, balance)
        state, _ = step(look)(terms, state, equity)
        states.append(state)
    return states


@given(st.sampled_from(rulebook.names()), st.booleans(), EVENTS)
def test_no_life_loosens_a_rule(name: str, daily_loss: bool, events: list[tuple[str, int]]) -> None:
    terms = terms_of(rulebook.pack(name).rules, daily_loss, OWN)
    states = live(terms, events, lambda step: step)
    for before, after in pairwise(states):
        assert after.floor >= before.floor, "a floor never falls"
        assert after.floor <= terms.start, "and stops at its lock"
        assert not before.latched & BREACH or after.latched & BREACH, "a breach is for good"
        assert after.cap <= terms.position_tenths
        if before.paid:
            assert after.floor == terms.start
    for state, (what, _) in zip(states, events, strict=True):
        if what != "day":
            continue
        assert not state.traded
        assert not state.latched & (DAILY_CAP | SESSION_CAP | EMERGENCY | RECOVERY | FIRM_DAY) or (
            engine.verdicts(terms, state, state.opened) & state.latched
        )


@given(st.sampled_from(rulebook.names()), st.booleans(), EVENTS)
def test_compiled_lives_are_the_same(
    name: str, daily_loss: bool, events: list[tuple[str, int]]
) -> None:
    terms = terms_of(rulebook.pack(name).rules, daily_loss, OWN)
    assert live(terms, events, compiled) == live(terms, events, lambda step: step)
