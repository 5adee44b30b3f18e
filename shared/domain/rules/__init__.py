"""The rule engine: the arithmetic of every rule, by theme, for everybody who measures an account.

`loss` floor, high, kill; `day` the layers of a day's loss; `sizing` what a position or order may
cost; `caps` and `scaling` how much may be held, `slices` by whom; `payout` and `consistency` what
is earned; `streak`, `conduct`, `windows` counts and times; `kelly`, `correlation` evidence; `pack`
the firm's numbers, `inside` whether ours are stricter; `book` what each rule is for.

The arithmetic is functions of plain integers, truth values and tuples of them only, so that a
compiler of numeric code takes them as they are: governor, simulated firm, backtest and Monte Carlo
cannot disagree.
"""

from shared.domain.rules import (
    book,
    caps,
    conduct,
    consistency,
    correlation,
    day,
    kelly,
    loss,
    payout,
    scaling,
    sizing,
    slices,
    streak,
    windows,
)

__all__ = [
    "book",
    "caps",
    "conduct",
    "consistency",
    "correlation",
    "day",
    "kelly",
    "loss",
    "payout",
    "scaling",
    "sizing",
    "slices",
    "streak",
    "windows",
]
