"""The governor's reasons, distances and counts as rows for people: its own numbers, in dollars.

Nothing is computed here: lines, rooms and standing are the engine's, words are those of
`shared/domain/rules/telling.py`. What is not known is absent.
"""

from __future__ import annotations

from services.metrics_exporter.core import Board
from services.metrics_exporter.figures import decimal_price, money, short_name, unix
from services.metrics_exporter.schema import (
    ActionView,
    FirmView,
    LatchView,
    LayerView,
    RiskView,
    RoomView,
)
from services.metrics_exporter.state import Action
from shared.domain.rules.telling import (
    Held,
    alarms,
    all_held,
    level_word,
    name_of,
    nearest_first,
    used_percent,
)
from shared.events import FirmStanding, RiskLayer, RiskState, Room

TENTHS = 10  # of a mini
SHOWN = 12  # actions on the page


def risk(board: Board) -> RiskView:
    """Everything behind the level; empty until the governor speaks."""
    state = board.risk.value if board.risk else None
    actions = [_action(one) for one in list(board.recent.actions)[:SHOWN]]
    if state is None:
        return RiskView(
            level="unknown", alarms=[], latches=[], layers=[], rooms=[], firm=None, next_rule="",
            recovery=False, worst_equity=None, kept="", actions=actions,
        )  # fmt: skip
    return RiskView(
        level=level_word(state),
        alarms=alarms(state),
        latches=[_latch(one) for one in all_held(state)],
        layers=[_layer(one) for one in nearest_first(state)],
        rooms=[_room(one) for one in state.rooms],
        firm=None if state.firm is None else _firm(state, state.firm),
        next_rule=name_of(state.next_rule) if state.next_rule else "",
        recovery=state.recovery,
        worst_equity=money(state.worst_equity) if state.next_rule else None,
        kept=state.kept,
        actions=actions,
    )


def _latch(one: Held) -> LatchView:
    return LatchView(
        key=one.key, name=one.name, does=one.does, scope=one.scope, cause=one.cause,
        owner=one.owner, who=one.who, how=one.how, since=unix(one.since_ns),
        until=unix(one.until_ns) if one.until_ns else None, binds=one.binds, alarm=one.alarm,
        rule=one.rule, numbers=one.numbers,
    )  # fmt: skip


def _layer(one: RiskLayer) -> LayerView:
    return LayerView(
        rule=one.rule,
        name=name_of(one.rule),
        at=money(one.at) or 0.0,
        room=money(one.room) or 0.0,
        used=used_percent(one) / 100,
        gain=one.gain,
    )


def _room(one: Room) -> RoomView:
    return RoomView(
        contract=one.contract,
        name=short_name(one.contract),
        rule=one.rule,
        rule_name=name_of(one.rule),
        ticks=one.ticks if one.price else None,
        price=decimal_price(one.price, one.contract) if one.price else None,
        contracts=one.contracts,
    )


def _firm(state: RiskState, firm: FirmStanding) -> FirmView:
    return FirmView(
        rules=firm.rules,
        pays=firm.pays,
        profit=money(firm.profit) or 0.0,
        needed=money(firm.needed) if firm.needed else None,
        best_day=money(firm.best_day) or 0.0,
        best_percent=firm.best_percent,
        best_percent_below=firm.best_percent_below or None,
        winning_day=money(firm.winning_day) if firm.pays else None,
        winning_days=firm.winning_days,
        winning_days_needed=firm.winning_days_needed,
        traded_days=firm.traded_days,
        traded_days_needed=firm.traded_days_needed,
        payable=money(firm.payable) or 0.0,
        floor_after=money(firm.floor_after) if firm.pays else None,
        cap_minis=state.cap_tenths / TENTHS,
    )


def _action(one: Action) -> ActionView:
    return ActionView(
        at=unix(one.at_ns), what=one.what, why=one.why, owner=one.owner, times=one.times,
        rule=one.rule, numbers=one.numbers,
    )  # fmt: skip
