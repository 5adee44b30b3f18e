"""The governor's state as lines for a terminal, in the words that the page uses too.

Both `tsq status` and `tsq risk show` ask the living governor and print from here; the words are
those of `shared/domain/rules/telling.py`, times are Chicago's.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from scripts.console import CommandError, ask_governor, who
from shared.contracts import UnknownContract, show
from shared.domain.rules.telling import (
    Held,
    all_held,
    level_word,
    name_of,
    nearest_first,
    used_percent,
)
from shared.events import RiskLayer, RiskState, Room
from shared.units import SECOND, Micros, Nanos, dollars

ZONE: Final = ZoneInfo("America/Chicago")
BAR: Final = 20  # characters of a gauge


def risk_of(var: Path) -> RiskState | None:
    """What the living governor says; None while it does not answer."""
    try:
        return state_in(ask_governor(var, "status", {"who": who(), "cause": "tsq status"}))
    except CommandError:
        return None


def state_in(answer: dict[str, Any]) -> RiskState | None:
    """The state in a governor's answer; None where there is none that can be read."""
    try:
        return msgspec.convert(answer["state"], RiskState, strict=False)
    except (KeyError, msgspec.ValidationError):
        return None


def clock(instant: Nanos) -> str:
    """`10:15:00 CT`."""
    at = datetime.fromtimestamp(instant // SECOND, UTC).astimezone(ZONE)
    return f"{at:%H:%M:%S} CT"


def usd(amount: Micros) -> str:
    return f"{'-' if amount < 0 else ''}${dollars(abs(amount))}"


def headroom_line(state: RiskState) -> str:
    """`risk: active; headroom $150.00 to the session cap, session -$50.00`."""
    if not state.next_rule:
        return f"risk: {level_word(state)}; equity is not known"
    return (
        f"risk: {level_word(state)}; headroom {usd(state.headroom)} to the"
        f" {name_of(state.next_rule).lower()}, session {usd(state.session_net)}"
    )


def held_lines(state: RiskState) -> list[str]:
    """Three lines for each latch: what it does to whom and why; its numbers; since when, by whom,
    what ends it."""
    return [line for one in all_held(state) for line in _held(one)]


def _held(one: Held) -> tuple[str, str, str]:
    until = f" until {clock(one.until_ns)}" if one.until_ns else ""
    ends = one.how if one.how.startswith(one.who) else f"{one.who}: {one.how}"
    return (
        f"holds {one.scope}: {one.does} - {one.name}: {one.cause}",
        f"  rule {one.rule}: {one.numbers} More: tsq risk why {one.key}",
        f"  since {clock(one.since_ns)}{until} by {one.owner}; ends: {ends}",
    )


def layer_line(layer: RiskLayer, *, holds: bool = False) -> str:
    """A gauge of one line of the day; `holds`: it has acted, and what came back since frees
    nothing."""
    used = used_percent(layer)
    bar = ("#" * (used * BAR // 100)).ljust(BAR, ".")
    way = f"{usd(layer.room):>11} {'to win' if layer.gain else 'left'}"
    if holds:
        way = f"{'held':>11}"
    return f"  {name_of(layer.rule):<28} [{bar}] {way}, at {usd(layer.at)}"


def room_line(room: Room) -> str:
    """How far one contract is from the next rule."""
    where = "nothing held"
    if room.price:
        where = f"{room.ticks} ticks, {name_of(room.rule).lower()} at {_price(room)}"
    return f"  {room.contract:<28} {where}; {room.contracts} more would fit"


def _price(room: Room) -> str:
    try:
        return show(room.price, room.contract)
    except UnknownContract:
        return f"{room.price} ticks"


def shown(state: RiskState) -> list[str]:
    """All of it: level, money, latches, gauges, rooms, what the firm counts."""
    lines = [headroom_line(state)]
    if state.next_rule:
        lines.append(
            f"equity {usd(state.equity)}, floor {usd(state.floor)}, kill at"
            f" {usd(state.kill_level)}, open risk {usd(state.open_risk)}"
        )
    lines += held_lines(state)
    acted = {latch.key for latch in state.latches}
    lines.append("distance to each rule:")
    lines += [layer_line(one, holds=one.rule in acted) for one in nearest_first(state)]
    if state.rooms:
        lines += ["room per contract:", *map(room_line, state.rooms)]
    if state.budgets:
        slices = ", ".join(f"{sleeve} {usd(micros)}" for sleeve, micros in state.budgets)
        lines.append(f"sleeves' budgets: {slices}")
    lines += _firm(state)
    return [*lines, f"waits for 17:00 CT: {state.kept}"] if state.kept else lines


def _firm(state: RiskState) -> list[str]:
    firm = state.firm
    if firm is None:
        return []
    lines = [f"firm: {firm.rules}, profit {usd(firm.profit)} of finished days"]
    if firm.needed:
        lines.append(f"  passes at a profit of {usd(firm.needed)}")
    if firm.best_percent_below:
        lines.append(
            f"  best day {usd(firm.best_day)}, {firm.best_percent} % of the profit, to be below"
            f" {firm.best_percent_below} %"
        )
    if firm.pays:
        lines.append(
            f"  winning days {firm.winning_days} of {firm.winning_days_needed}, payout now"
            f" {usd(firm.payable)}, floor after one {usd(firm.floor_after)}"
        )
    return lines
