"""The snapshot of the board: the answer to "am I safe?" first, then everything behind it."""

from __future__ import annotations

from typing import Any, Final

from services.metrics_exporter import earned, riskview, rows
from services.metrics_exporter.core import ROUTER, Board
from services.metrics_exporter.figures import known_product, money, unix
from services.metrics_exporter.rows import ages, never
from services.metrics_exporter.schema import FlattenView, Safety, Snapshot
from services.metrics_exporter.verdict import unready, verdict
from shared.events import FlattenStage, RiskLevel, RiskState
from shared.units import SECOND, USD, Micros

NO_RISK: Final = RiskState(halt_no=0, level=RiskLevel.HALTED, cause="", since_ns=0)
"""Stands in until the governor speaks; its level is never shown."""


def snapshot(board: Board) -> Snapshot:
    """Everything, as of the board's time."""
    venue = board.venue.value if board.venue else None
    account = board.account.value if board.account else None
    return Snapshot(
        now=unix(board.now_ns),
        speed=board.speed,
        environment=venue.environment if venue else board.settings.venue.environment,
        account=account.name if account else board.settings.venue.account,
        balance=money(account.balance) if account else None,
        verdict=verdict(board),
        unready=unready(board),
        safety=safety(board),
        risk=riskview.risk(board),
        flatten=flatten(board),
        router_silent=board.silent(ROUTER),
        positions=rows.positions(board),
        orders=rows.orders(board),
        sleeves=rows.sleeves(board),
        vetoes=rows.vetoes(board),
        fills=rows.fills(board),
        market=rows.market(board),
        processes=rows.processes(board),
        totals=rows.totals(board),
        attribution=earned.attribution(board.attribution),
    )


def safety(board: Board) -> Safety:
    """The numbers a trader asks for first; None where they are not known."""
    phase = board.phase.value if board.phase else None
    left = (phase.flat_by_ns - board.now_ns) / SECOND if phase else None
    limits = board.settings.risk_governor
    in_force = dict(board.risk.value.limits) if board.risk else {}
    return Safety(
        **(ages(board, board.risk) if board.risk else never()),
        **_level(board),
        **_money(board),
        **_links(board),
        daily_loss_limit=float(in_force.get("daily_loss", limits.daily_loss)),
        open_risk_limit=float(in_force.get("open_risk", limits.open_risk)),
        trades_limit=in_force.get("trades_per_day", limits.trades_per_day),
        flat_by=unix(phase.flat_by_ns) if phase else None,
        seconds_to_flat=None if left is None else round(left, 1),
    )


def _level(board: Board) -> dict[str, Any]:
    """Where the governor stands, since when, and who ends it."""
    risk = board.risk.value if board.risk else NO_RISK
    phase = board.phase.value if board.phase else None
    return {
        "level": risk.level.value if board.risk else "UNKNOWN",
        "cause": risk.cause,
        "level_since": unix(risk.since_ns),
        "until": unix(risk.until_ns),
        "clears": risk.clears,
        "halt_no": risk.halt_no,
        "paused": risk.paused,
        "trades_today": risk.trades_today,
        "phase": phase.phase.value if phase else "UNKNOWN",
        "trading_day": phase.trading_day if phase else risk.trading_day,
    }


def _money(board: Board) -> dict[str, Any]:
    """The account's distances; no next rule means that the governor does not know."""
    risk = board.risk.value if board.risk else None
    if risk is None or not risk.next_rule:
        unknown = dict.fromkeys(
            ("equity", "floor", "floor_distance", "floor_distance_ticks", "floor_distance_trades",
             "kill_level", "headroom")
        )  # fmt: skip
        net = money(risk.session_net) if risk else None
        return {
            **unknown, "session_net": net, "open_risk": money(risk.open_risk) if risk else None,
        }  # fmt: skip
    distance = risk.equity - risk.floor
    per_tick = _micros_per_tick(board)
    trade = board.settings.risk_governor.trade_risk * USD
    return {
        "equity": money(risk.equity),
        "floor": money(risk.floor),
        "floor_distance": money(distance),
        "floor_distance_ticks": distance // per_tick if per_tick else None,
        "floor_distance_trades": max(0, distance // trade),
        "kill_level": money(risk.kill_level),
        "headroom": money(risk.headroom),
        "session_net": money(risk.session_net),
        "open_risk": money(risk.open_risk),
    }


def _micros_per_tick(board: Board) -> Micros:
    """What everything open loses when each market moves one tick against us."""
    found = 0
    for contract, seen in board.positions.items():
        product = known_product(contract)
        if product is not None:
            found += abs(seen.value.position) * product.tick_micros
    return found


def _links(board: Board) -> dict[str, Any]:
    feed = board.feed.value if board.feed else None
    venue = board.venue.value if board.venue else None
    return {
        "feed_state": feed.state.value if feed else "UNKNOWN",
        "feed_reason": feed.reason if feed else "",
        "venue_state": venue.state.value if venue else "UNKNOWN",
        "venue_reason": venue.reason if venue else "",
        "unknown_orders": venue.unknown_orders if venue else 0,
        "quota_left": venue.quota_left if venue else 0,
    }


def flatten(board: Board) -> FlattenView | None:
    """A flatten asked for or under way; None when there is none."""
    file, seen = board.flatten_file, board.flatten
    running = seen is not None and seen.value.stage is not FlattenStage.FLAT
    if not file.request_id and not running:
        return None
    began = board.flatten_began_ns
    progress = seen.value if seen is not None and running else None
    return FlattenView(
        stage=file.stage or (progress.stage.value if progress else "ASKED"),
        by=file.by or (ROUTER if progress else ""),
        cause=file.cause or (progress.cause if progress else ""),
        detail=file.detail or (progress.detail if progress else ""),
        seconds=round((board.now_ns - began) / board.speed / SECOND, 1) if began else None,
        request_id=file.request_id,
    )
