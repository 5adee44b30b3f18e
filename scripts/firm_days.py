"""Whole days against the firm: does it ever act before we do?

    python -m scripts.firm_days --days 1000 --from 1 --jobs 2

Each seed is a day of one account, with sleeves that ask for the most, everywhere, and never mean to
leave; a market that drifts, flashes and gaps, with a taste for moving against whatever is held; a
stream that loses, doubles and swaps; and a governor that is killed, restarted and replaced. First
all days with every move inside the declared gap (`risk_governor.pretrade.gap_percent`): the firm
must never act. Then a quarter of them again with gaps beyond it, to see how often the firm acts,
and how far past its limit.

Equal seeds play equally on every machine. Ends with 0, or with 2 when the firm acted within the
bound or a promise of `services/firm_day.py` broke.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from random import Random
from typing import Final, NamedTuple

from msgspec import Struct, structs

from services.firm_day import PRICES, FirmDay, Step, Window
from services.firm_sleeves import KINDS, Wish
from shared.contracts import product_of
from shared.domain.rules.sizing import gap_ticks
from shared.settings import Settings, load
from shared.units import SECOND, USD, Micros, Ticks, dollars

BROKEN: Final = 2
BEYOND: Final = (1.5, 2.0, 3.0, 5.0)
"""Gaps tried beyond the bound, as multiples of it."""
MISHAPS: Final = ("deaf", "swapped", "doubled", "restart", "recall", "killed", "dark")
SCENES_MIN: Final = (0.0, 60.0, 120.0, 180.0, 240.0, 300.0, 324.5, 329.8, 334.8)
"""When the day is looked at, minutes after 09:35 CT: to the end of entries, the flatten, 15:10."""
SCENE_S: Final = 36
STOPS: Final = (1, 2, 4, 10, 20, 40)


class Case(NamedTuple):
    """An account to defend: its pack, whether it has the firm's daily loss, where it stands, and
    limits of ours other than the default. `lowest` and `highest`: balances it begins with, dollars;
    `paid`: a payout before.
    """

    name: str
    pack: str
    daily_loss: bool
    lowest: int
    highest: int
    limits: dict[str, int]
    paid: int = 0


LOOSE: Final = {
    "order_size": 50, "position": 50, "trade_risk": 5_000, "open_risk": 5_000, "sleeve_loss": 0,
    "trades_per_day": 1_000, "session_cap": 0, "recovery_percent": 0, "loss_streak": 0,
    "allocation_share_percent": 0,
}  # fmt: skip
"""What a reckless owner would set: sizes and losses of a trade out of the way."""
LOOSE_ASKED: Final = {"stress_loss": 50_000, "correlation_percent": 100}

CASES: Final = (
    Case("combine, fresh", "topstep-50k-combine@2026-09", True, 50_000, 50_000, {}),
    Case("combine, near its floor", "topstep-50k-combine@2026-09", True, 48_410, 49_000, {}),
    Case("express, paid out", "topstep-50k-express-standard@2026-09", False, 230, 1_500, {}, 1_000),
    Case("combine, loose limits", "topstep-50k-combine@2026-09", True, 48_600, 51_000, LOOSE),
)


class Played(Struct, frozen=True):
    """What one day came to. Money in micro-dollars; `failure`: the promise that broke."""

    seed: int
    case: str
    approvals: int = 0
    fills: int = 0
    ours: bool = False  # a line of ours closed the account
    firm: str = ""  # the firm's rule that acted
    beyond: Micros = 0  # how far past its level
    nearest: Micros = 0  # the least ever left above the firm's level
    failure: str = ""


def settings_of(case: Case) -> Settings:
    plain = load(env={})
    given = structs.replace(
        plain.risk_governor, rules=case.pack, daily_loss_limit=case.daily_loss, **case.limits
    )
    if case.limits:
        given = structs.replace(given, pretrade=structs.replace(given.pretrade, **LOOSE_ASKED))
    return structs.replace(plain, risk_governor=given)


def gaps_of(settings: Settings) -> dict[str, Ticks]:
    """The declared gap of each contract, ticks."""
    given = settings.risk_governor.pretrade
    return {
        contract: gap_ticks(price, given.stress_bp[product_of(contract).group], given.gap_percent)
        for contract, price in PRICES.items()
    }


def steps(day: FirmDay, dice: Random, window: Window, factor: float) -> Iterator[Step]:
    """A day's seconds, drawn as the day goes: the market sees what is held and moves against it."""
    temper = dice.choice((0.002, 0.01, 0.04))  # flashes a second
    drift = dice.choice((-2, -1, 0, 0, 1, 2))
    greed = dice.choice((1, 2, 3))
    at = 0.0
    for scene, begins in enumerate(SCENES_MIN):
        after = int((begins * 60 - at) * SECOND) if scene else 0
        at = begins * 60 + SCENE_S
        for number in range(SCENE_S):
            flash = dice.random() < temper
            yield Step(
                moves=moves(day, dice, window, (drift, flash, factor)),
                wishes=tuple(wish(dice) for _ in range(dice.randrange(greed + 1))),
                mishap=dice.choice(MISHAPS) if dice.random() < 0.04 else "",
                slip=dice.randrange(5),
                pace=dice.choice((1, 1, 2, 3)),
                after_ns=after if not number else 0,
            )


def moves(
    day: FirmDay, dice: Random, window: Window, weather: tuple[int, bool, float]
) -> tuple[Ticks, ...]:
    """Every bid's move. In a flash each contract goes against what is held, as far as it may."""
    drift, flash, factor = weather
    found = []
    for contract in PRICES:
        bid, lots = day.venue.prices[contract][0], day.venue.position(contract)
        move = drift + dice.randrange(-3, 4)
        if flash:
            side = -1 if lots > 0 else 1 if lots < 0 else dice.choice((-1, 1))
            move = side * int(window.bounds[contract] * factor)
        wild = flash and factor > 1
        found.append(window.moved(contract, bid + move, wild=wild) - bid)
    return tuple(found)


def wish(dice: Random) -> Wish:
    return Wish(
        kind=dice.choice(KINDS),
        sleeve=dice.randrange(4),
        contract=dice.randrange(len(PRICES)),
        side=dice.choice((-1, 1)),
        number=dice.choice(STOPS),
    )


def played_day(seed: int, factor: float = 1.0) -> FirmDay:
    """One seeded day, played to its end or to the promise that broke (`failure`)."""
    dice, case = Random(seed), CASES[seed % len(CASES)]
    settings = settings_of(case)
    other = case._replace(limits={} if case.limits else LOOSE)
    balance = dice.randint(case.lowest, case.highest) * USD
    day = FirmDay(settings, balance, settings_of(dice.choice((case, other))), case.paid * USD)
    try:
        for step in steps(day, dice, Window(gaps_of(settings)), factor):
            day.play(step)
    except AssertionError as error:
        day.failure = str(error)
    return day


def play(seed: int, factor: float = 1.0) -> Played:
    """What one seeded day comes to. A promise that broke is a result, not an error."""
    day = played_day(seed, factor)
    acted = day.acted
    return Played(
        seed=seed,
        case=CASES[seed % len(CASES)].name,
        approvals=day.approvals,
        fills=len(day.venue.fills),
        ours=day.closed,
        firm="" if acted is None else acted.rule,
        beyond=0 if acted is None else acted.beyond,
        nearest=day.nearest,
        failure=day.failure,
    )


# -- telling ---------------------------------------------------------------------------------------


def rows(days: Sequence[Played]) -> Iterator[str]:
    """The table of days inside the bound, a line per kind of account."""
    heads = ("days", 6), ("orders", 8), ("fills", 8), ("we closed", 11), ("firm", 6)
    yield f"{'account':26}{''.join(f'{text:>{width}}' for text, width in heads)}{'least left':>13}"
    for case in CASES:
        mine = [day for day in days if day.case == case.name]
        if mine:
            yield (
                f"{case.name:26}{len(mine):>6}{sum(day.approvals for day in mine):>8}"
                f"{sum(day.fills for day in mine):>8}{sum(day.ours for day in mine):>11}"
                f"{sum(bool(day.firm) for day in mine):>6}"
                f"{dollars(min(day.nearest for day in mine)):>13}"
            )


def row_beyond(factor: float, days: Sequence[Played]) -> str:
    """One line of what happens beyond the bound."""
    late = sorted(day.beyond for day in days if day.firm)
    floors = sum(day.firm == "floor" for day in days)
    share = f"{100 * len(late) / len(days):.1f} %"
    by = f"{dollars(late[len(late) // 2])} / {dollars(late[-1])}" if late else "-"
    return f"{factor:>6.1f}{len(days):>7}{len(late):>7}{share:>9}{floors:>8}   {by}"


def all_played(seeds: Iterable[int], factor: float, jobs: int) -> list[Played]:
    work = partial(play, factor=factor)
    if jobs == 1:
        return [work(seed) for seed in seeds]
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        return sorted(pool.imap_unordered(work, seeds, chunksize=8), key=lambda played: played.seed)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("firm_days", description=__doc__.partition("\n")[0])
    parser.add_argument("--days", type=int, default=200, help="how many seeds (default 200)")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first (default 1)")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once (default 1)")
    parser.add_argument("--within", action="store_true", help="leave out days beyond the bound")
    asked = parser.parse_args(words)
    if min(asked.days, asked.jobs) < 1:
        parser.error("--days and --jobs are at least 1")
    seeds, began = range(asked.first, asked.first + asked.days), time.monotonic()
    days = all_played(seeds, 1.0, asked.jobs)
    tell("Every move inside the declared gap:", *rows(days))
    broken = [day for day in days if day.firm or day.failure]
    if not asked.within:
        tell(
            "", "Gaps beyond it:", "factor   days   firm    share  floors   too far: median / worst"
        )
        for factor in BEYOND:
            played = all_played(seeds[: max(1, asked.days // 4)], factor, asked.jobs)
            broken += [day for day in played if day.failure]
            tell(row_beyond(factor, played))
    for day in broken:
        tell(
            f"seed {day.seed} ({day.case}): {day.failure or day.firm + ' acted first'}",
            f"  again: python -m scripts.firm_days --days 1 --from {day.seed}",
        )
    tell("", f"{time.monotonic() - began:.0f} s")
    return BROKEN if broken else 0


def tell(*lines: str) -> None:
    sys.stdout.write("".join(line + "\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
