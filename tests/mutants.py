"""The rules broken in every way: each removed, loosened, off by its boundary or bound by nothing.

All in this process, by exchanging code objects: no file is touched. `made` breaks a rule and
returns what mends it. What may survive, and why, stands in `ALIKE`; who asks which tests about
them is `mutate_rules.py`.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from types import CodeType, FunctionType
from typing import Any, Final, NamedTuple, TypeGuard

from msgspec import structs

from services.risk_governor import (
    checks,
    checks_together,
    day,
    equity,
    exposure,
    habits,
    intents,
    latches,
    levels,
    limits,
    others,
    watch,
)
from services.risk_governor.directions import LESS, LESS_OR_NONE, MORE, PACK, Values
from shared.events import RiskLevel
from shared.settings import Settings

COMPILED: Final = 0x1000000  # the code flag of `from __future__ import annotations`

RULE_MODULES: Final = (
    "account", "caps", "conduct", "consistency", "correlation", "day", "inside", "kelly", "loss",
    "payout", "scaling", "sizing", "streak", "windows",
)  # fmt: skip

_EQUAL: Final = "both answers are the same at the boundary"
_LATER: Final = "what follows says the same"

ALIKE: Final[dict[str, str]] = {
    "check session_is_open: `today.opens_ns <= draft.now_ns < today.no_entries_ns` as"
    " `today.opens_ns < draft.now_ns < today.no_entries_ns`": _LATER,
    "check session_is_open: `today.opens_ns <= draft.now_ns < today.no_entries_ns` as"
    " `today.opens_ns <= draft.now_ns <= today.no_entries_ns`": _LATER,
    "check limit_is_far: `settle * (WHOLE - away) < low * WHOLE <= high * WHOLE < settle *"
    " (WHOLE + away)` as `settle * (WHOLE - away) < low * WHOLE < high * WHOLE < settle *"
    " (WHOLE + away)`": _LATER,
    "latch new_day: cleared by the next day": "the next day's proof ends it by name",
    "latch difference: cleared by the next day": "a day begins only where nothing differs",
    "check day_has_quotes_left: `count + draft.working() > limit` as"
    " `count + draft.working() >= limit`": "it only says whether to look closer",
    "act on_part: `lots > 0` as `lots >= 0`": _EQUAL,
    "account.needed_profit: `best <= 0` as `best < 0`": _LATER,
    "caps.weight: `lots >= 0` as `lots > 0`": _EQUAL,
    "consistency.share_percent: `best > 0` as `best >= 0`": _EQUAL,
    "correlation.is_more: `whole > other` as `whole >= other`": "they are never equal there",
    "day.smaller_limit: `first < second` as `first <= second`": _EQUAL,
    "kelly.kelly_risk: `bankroll <= 0` as `bankroll < 0`": _EQUAL,
    "kelly.kelly_risk: `above <= 0` as `above < 0`": _EQUAL,
    "payout.largest_request: `balance > 0` as `balance >= 0`": _EQUAL,
    "sizing.largest_size: `budget > 0` as `budget >= 0`": _EQUAL,
    "sizing.price_distance: `price < bid` as `price <= bid`": _EQUAL,
    "sizing.price_distance: `price > ask` as `price >= ask`": _EQUAL,
    "windows.jumped: `price > was` as `price >= was`": _EQUAL,
    "streak.is_entry: `before > 0` as `before >= 0`": "0 was asked before",
    "limit beyond_firm_daily_loss: looser than the settings say": (
        "asked before a start only, and of the settings as they are written"
    ),
    "streak.is_entry: `after > 0` as `after >= 0`": "0 was asked before",
}
"""Mutants that change nothing anybody could see, each with the reason."""

ACTS: Final = (
    levels.judge_account, levels._trip, levels._judge_sleeves, levels.on_progress, levels._flatten,
    levels.why_withdraw, levels.withdraw, levels.cancel, watch.withdraw_silent, watch.countdown,
    watch.watch_feed, watch.watch_protection, watch.watch_zone, watch.watch_hours, watch._ended,
    watch.watch_disk,
    watch.watch_difference, day.on_clock, day.trade_ended, habits.on_birth, habits.on_part,
)  # fmt: skip
"""What the governor does unasked."""

PARTS: Final = (
    exposure.ways_of, checks_together.alike_to, checks_together.traded_today,
    others.tied_up, others.Others.margin,
    others.Others.of,
)  # fmt: skip
"""What rules have reckoned for them, beside their own lines."""

FLIPPED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
}  # fmt: skip


class Mutant(NamedTuple):
    """One rule broken in one way. `made` breaks it and returns what mends it."""

    kind: str
    rule: str
    what: str
    made: Callable[[], Callable[[], None]]

    @property
    def name(self) -> str:
        return f"{self.rule}: {self.what}"


@cache
def source_of(function: FunctionType) -> str:
    """Its text, read while it is whole."""
    return textwrap.dedent(inspect.getsource(function))


def changed(function: FunctionType, number: int, kind: str) -> CodeType | None:
    """The code of a function with its `number`-th comparison or condition changed; None after the
    last one. Kind `body`: it only returns what its type says is nothing."""
    tree = ast.parse(source_of(function))
    (made,) = tree.body
    assert isinstance(made, ast.FunctionDef)
    made.decorator_list = []
    if kind == "body":
        nothing: Any = {"bool": False, "None": None}.get(str(function.__annotations__["return"]), 0)
        if "None" in str(function.__annotations__["return"]):
            nothing = None
        made.body = [ast.Return(ast.Constant(nothing))]
    else:
        places = list(_places(made, kind))
        if number >= len(places):
            return None
        _change(*places[number])
    code = compile(ast.fix_missing_locations(tree), "<mutant>", "exec", flags=COMPILED)
    return next(it for it in code.co_consts if isinstance(it, CodeType))


def _places(made: ast.FunctionDef, kind: str) -> Iterator[tuple[ast.AST, int]]:
    """Where a function can be loosened: a condition, or an operator of a comparison. A side is +1
    or -1, never at its boundary 0."""
    chosen = [node.test for node in ast.walk(made) if _is_choice(node)]
    for node in ast.walk(made):
        if kind == "boundary" and isinstance(node, ast.Compare) and node not in chosen:
            for place, operator in enumerate(node.ops):
                if type(operator) in FLIPPED and not ast.unparse(node.left).endswith("side"):
                    yield node, place
        elif (
            kind == "condition" and isinstance(node, ast.If | ast.IfExp) and not _spares(node)
        ) or (kind == "number" and isinstance(node, ast.Constant) and _is_number(node.value)):
            yield node, 0


def _is_number(value: object) -> bool:
    """Whether a constant is a limit or a share; 0 and 1 are what comparisons are about."""
    return type(value) is int and value > 1


def _spares(node: ast.If | ast.IfExp) -> bool:
    """Whether a condition excuses from a check, or chooses words: nothing is looser without it."""
    if isinstance(node, ast.IfExp):
        return any(
            isinstance(it, ast.Constant) and isinstance(it.value, str)
            for it in (node.body, node.orelse)
        )
    return ast.unparse(node.body[0]) == "return None"


def _is_choice(node: ast.AST) -> TypeGuard[ast.If | ast.IfExp]:
    """Whether a condition only takes the larger or smaller of two: equal ones are one choice."""
    if not isinstance(node, ast.If | ast.IfExp) or not isinstance(node.test, ast.Compare):
        return False
    sides = {ast.unparse(node.test.left), ast.unparse(node.test.comparators[0])}
    if isinstance(node, ast.IfExp):
        return {ast.unparse(node.body), ast.unparse(node.orelse)} == sides
    (only, *more) = node.body
    return (
        not more
        and isinstance(only, ast.Assign)
        and {ast.unparse(only.targets[0]), ast.unparse(only.value)} == sides
    )


def _change(node: ast.AST, place: int) -> None:
    if isinstance(node, ast.Compare):
        node.ops[place] = FLIPPED[type(node.ops[place])]()
    elif isinstance(node, ast.If | ast.IfExp):
        node.test = ast.Constant(False)
    elif isinstance(node, ast.Constant):
        node.value = 2 * node.value  # type: ignore[operator]


def what_of(function: FunctionType, number: int, kind: str) -> str:
    """The mutation in words: the line that it changes."""
    if kind == "body":
        return "removed"
    tree = ast.parse(source_of(function))
    (made,) = tree.body
    assert isinstance(made, ast.FunctionDef)
    node, place = list(_places(made, kind))[number]
    before = ast.unparse(node.test if isinstance(node, ast.If | ast.IfExp) else node)
    if kind == "condition":
        return f"never `{before}`"
    _change(node, place)
    return f"`{before}` as `{ast.unparse(node)}`"


def of_function(kind: str, rule: str, function: FunctionType) -> Iterator[Mutant]:
    """Every way to break one function."""

    def broken(code: CodeType) -> Callable[[], None]:
        whole = function.__code__
        function.__code__ = code

        def mended() -> None:
            function.__code__ = whole

        return mended

    for way in ("body", "condition", "boundary", "number"):
        for number in itertools.count():
            if way == "body" and (number or str(function.__annotations__["return"])[0] == "t"):
                break
            code = changed(function, number, way)
            if code is None:
                break
            what = what_of(function, number, way)
            yield Mutant(kind, rule, what, lambda code=code: broken(code))  # type: ignore[misc]


def of_latches() -> Iterator[Mutant]:
    """Every row of the table: it does not bind, does not flatten, is cleared by anything."""

    def row(key: str, kind: latches.Kind) -> Callable[[], None]:
        whole, latches.KINDS[key] = latches.KINDS[key], kind
        return lambda: latches.KINDS.__setitem__(key, whole)

    for key, kind in latches.KINDS.items():
        ways = {
            "does not bind": structs.replace(kind, rests=RiskLevel.ACTIVE),
            "does not flatten": structs.replace(kind, flattens=False),
            "cleared by the feed": structs.replace(kind, by=latches.By.FEED),
            "cleared by the next day": structs.replace(kind, by=latches.By.DAY),
        }
        for what, loose in ways.items():
            if loose != kind:
                yield Mutant(
                    "latch", f"latch {key}", what,
                    lambda key=key, loose=loose: row(key, loose),  # type: ignore[misc]
                )  # fmt: skip


def of_lines() -> Iterator[Mutant]:
    """Every line at which a rule acts: not drawn, or a dollar later."""

    def redrawn(key: str, later: int | None) -> Callable[[], None]:
        whole = equity._draw

        def draw(mind: Any, base: int) -> Any:
            return tuple(
                line
                if line.key != key
                else structs.replace(line, at=line.at + (later or 0) * (1 if line.gain else -1))
                for line in whole(mind, base)
                if later is not None or line.key != key
            )

        equity._draw = draw
        return lambda: setattr(equity, "_draw", whole)

    keys = (
        "floor", "drawdown", "near_floor", "firm_daily_loss", "daily_loss", "daily_cap",
        "emergency_stop", "session_cap", "recovery", "profit_target", "profit_stop", "consistency",
    )  # fmt: skip
    for key in keys:
        for what, later in (("not drawn", None), ("a dollar later", 1_000_000)):
            yield Mutant(
                "line", f"line {key}", what,
                lambda key=key, later=later: redrawn(key, later),  # type: ignore[misc]
            )  # fmt: skip


def looser(name: str, value: Any) -> Any:
    """A looser value of a setting that counts or switches; None where its kind has none."""
    if type(value) is bool:
        return value if value is (name in LESS) else not value
    if not isinstance(value, int | float):
        return None
    if name in LESS_OR_NONE:
        return 2 * value
    if name in MORE:
        return value / 2 if isinstance(value, float) else value // 2
    return 2 * value if name in LESS else None


def of_limits() -> Iterator[Mutant]:
    """Every setting with a tighter side, read as if it were looser: twice, or half."""

    def read(name: str) -> Callable[[], None]:
        whole = limits.values_of

        def values(settings: Settings) -> Values:
            found = whole(settings)
            return {**found, name: looser(name, found[name])}

        limits.values_of = values
        return lambda: setattr(limits, "values_of", whole)

    for name in (*LESS, *LESS_OR_NONE, *MORE):
        if not name.startswith(PACK):
            yield Mutant(
                "limit", f"limit {name}", "looser than the settings say",
                lambda name=name: read(name),  # type: ignore[misc]
            )  # fmt: skip


def of_acts() -> Iterator[Mutant]:
    for act in ACTS:
        assert isinstance(act, FunctionType)
        yield from of_function("act", f"act {act.__name__}", act)


def everything() -> Iterator[Mutant]:
    """Every way to break every rule, in the order of the table."""
    yield from of_checks()
    yield from of_tuples()
    yield from of_latches()
    yield from of_lines()
    yield from of_rules()
    yield from of_acts()
    yield from of_limits()


def mutants(names: Sequence[str] = ()) -> Iterator[Mutant]:
    """What must be caught; only rules with one of these in their names, when any are given."""
    for mutant in everything():
        if mutant.name not in ALIKE and (not names or any(it in mutant.rule for it in names)):
            yield mutant


def of_tuples() -> Iterator[Mutant]:
    """Every rule of a change, and of a stop moved away, no longer asked there."""

    def shortened(tuple_name: str, left: tuple[Any, ...]) -> Callable[[], None]:
        whole = getattr(intents, tuple_name)
        setattr(intents, tuple_name, left)
        return lambda: setattr(intents, tuple_name, whole)

    for tuple_name in ("MODIFY_CHECKS", "LOOSEN_CHECKS"):
        whole = getattr(checks, tuple_name)
        for check in whole:
            left = tuple(one for one in whole if one is not check)
            yield Mutant(
                "check", f"check {check.__name__}", f"left out of {tuple_name}",
                lambda tuple_name=tuple_name, left=left: shortened(tuple_name, left),  # type: ignore[misc]
            )  # fmt: skip


def of_checks() -> Iterator[Mutant]:
    every = dict.fromkeys(
        (*checks.KIND_CHECKS, *checks.SIZE_CHECKS, *checks.MODIFY_CHECKS, *checks.LOOSEN_CHECKS)
    )
    for check in (*every, *PARTS):
        assert isinstance(check, FunctionType)
        yield from of_function("check", f"check {check.__name__}", check)


def of_rules() -> Iterator[Mutant]:
    for name in RULE_MODULES:
        module = import_module(f"shared.domain.rules.{name}")
        for function in vars(module).values():
            if getattr(function, "__module__", "") == module.__name__ and _compares(function):
                yield from of_function("rule", f"{name}.{function.__name__}", function)


def _compares(function: Any) -> bool:
    if not isinstance(function, FunctionType):
        return False
    tree = ast.parse(source_of(function))
    return any(isinstance(node, ast.Compare | ast.If | ast.IfExp) for node in ast.walk(tree))


@contextmanager
def broken(mutant: Mutant) -> Iterator[None]:
    mend = mutant.made()
    try:
        yield
    finally:
        mend()
