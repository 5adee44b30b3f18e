"""Am I safe? One word, and every reason for it, worst first.

DANGER: money is at risk and something that protects it is missing. STALE: we do not know, which is
not the same as fine. WATCH: nothing is wrong with the money, but a person should know. SAFE: none
of these. A position whose guardians are silent is DANGER, not STALE: the last known position is
the best guess there is. Readiness is a stricter question (may the system open risk now?) asked by
machines.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from msgspec import Struct

from services.metrics_exporter.core import GATEWAY, GOVERNOR, ROUTER, SENTINEL, Board
from services.metrics_exporter.figures import short_name, since
from shared.domain.rules.telling import HALVES, LEVELS, alarms, all_held, name_of
from shared.events import FeedState, FlattenStage, Phase, RiskLevel, RiskState, VenueState
from shared.units import SECOND, USD, dollars

NEAR_FLAT_S: Final = 1800  # market seconds before the flat-by time worth a word


class Level(IntEnum):
    SAFE = 0
    WATCH = 1
    STALE = 2
    DANGER = 3


class Reason(Struct, frozen=True):
    level: str
    text: str


class Verdict(Struct, frozen=True):
    level: str
    reasons: list[Reason]


Found = list[tuple[Level, str]]


def verdict(board: Board) -> Verdict:
    """The word and its reasons, as of `board.real_ns`."""
    found: Found = []
    is_open = any(seen.value.position for seen in board.positions.values())
    _guardians(board, is_open, found)
    _risk(board, is_open, found)
    _protection(board, found)
    _flatten(board, is_open, found)
    _venue(board, is_open, found)
    _market(board, is_open, found)
    found += [
        (Level.WATCH, f"sleeve {name}: {card.status.value.trouble}")
        for name, card in board.cards.items()
        if card.status is not None and card.status.value.trouble
    ]
    found.sort(key=lambda reason: -reason[0])
    worst = found[0][0] if found else Level.SAFE
    return Verdict(worst.name, [Reason(level.name, text) for level, text in found])


def silence(board: Board, actor: str) -> str:
    """How long nothing was heard of `actor`, in words."""
    age = board.life_age_s(actor)
    return f"{actor} was never heard" if age is None else f"{actor} silent for {since(age)}"


def _guardians(board: Board, is_open: bool, found: Found) -> None:
    worst = Level.DANGER if is_open else Level.STALE
    for actor in (GOVERNOR, ROUTER, GATEWAY):
        if board.silent(actor):
            also = " with a position open" if is_open else ""
            found.append((worst, silence(board, actor) + also))
    if board.silent(SENTINEL):
        level = Level.DANGER if is_open else Level.WATCH
        found.append((level, f"{silence(board, SENTINEL)}: no second guardian"))


def _risk(board: Board, is_open: bool, found: Found) -> None:
    if board.risk is None:
        found.append((Level.STALE, "no risk numbers yet: floor and headroom are not known"))
        return
    risk = board.risk.value
    if board.stale(board.risk):
        age = since(board.age_s(board.risk))
        found.append((Level.STALE, f"risk numbers are {age} old"))
    found += [(Level.DANGER, alarm) for alarm in alarms(risk)]
    if risk.next_rule and risk.equity <= risk.floor:
        found.append((Level.DANGER, "equity is at or below the firm's floor"))
    if risk.level is not RiskLevel.ACTIVE and not alarms(risk):
        halted = risk.level is RiskLevel.HALTED
        text = f"{LEVELS[risk.level]}: {risk.cause or 'no cause given'}"
        if halted and is_open:
            text += ", and a position is still open"
        found.append((Level.DANGER if halted and is_open else Level.WATCH, text))
    found += [(Level.WATCH, text) for text in _narrowed(board, risk)]
    if risk.paused:
        found.append((Level.WATCH, "paused by the operator: no entries"))
    _rooms(board, risk, is_open, found)


def _narrowed(board: Board, risk: RiskState) -> list[str]:
    """What binds less than the account: a sleeve switched off, half size, a day's trades made."""
    narrow = [one for one in all_held(risk) if one.scope != "account" or one.does == HALVES]
    most = dict(risk.limits).get("trades_per_day", board.settings.risk_governor.trades_per_day)
    made = [f"all {most} directional entries of the day are made"] * (risk.trades_today >= most)
    return [*(f"{one.name.lower()}: {one.cause}" for one in narrow), *made]


def _rooms(board: Board, risk: RiskState, is_open: bool, found: Found) -> None:
    """Headroom and open risk against the limits in force; a halt has said already why."""
    limits, given = dict(risk.limits), board.settings.risk_governor
    trade = limits.get("trade_risk", given.trade_risk)
    cap = limits.get("open_risk", given.open_risk)
    next_rule = name_of(risk.next_rule).lower()
    if is_open and risk.headroom <= 0:
        if risk.level is not RiskLevel.FLATTENING:
            found.append((Level.DANGER, "no headroom left with a position open"))
    elif risk.next_rule and risk.level is RiskLevel.ACTIVE and risk.headroom < trade * USD:
        text = f"headroom is down to ${dollars(risk.headroom)}, next is the {next_rule}"
        found.append((Level.WATCH, text))
    if risk.open_risk > cap * USD:
        text = f"open risk ${dollars(risk.open_risk)} is above its cap ${cap}"
        found.append((Level.DANGER, text))


def _protection(board: Board, found: Found) -> None:
    for contract, seen in board.positions.items():
        position = seen.value
        if not position.position or not position.unprotected_since_ns:
            continue
        seconds = unprotected_s(board, contract)
        late = seconds > board.settings.risk_governor.unprotected_real_s
        missing = abs(position.position) - position.protected
        share = f"{missing} of {abs(position.position)}"
        text = f"{short_name(contract)}: {share} without a stop for {seconds:.0f} s"
        found.append((Level.DANGER if late else Level.WATCH, text))


def unprotected_s(board: Board, contract: str) -> float:
    """Real seconds a contract's position has been (partly) without a stop; 0 when covered."""
    seen = board.positions.get(contract)
    if seen is None or not seen.value.position or not seen.value.unprotected_since_ns:
        return 0.0
    before = max(0, seen.source_ns - seen.value.unprotected_since_ns) / SECOND / board.speed
    return before + board.age_s(seen)


def _flatten(board: Board, is_open: bool, found: Found) -> None:
    file = board.flatten_file
    if file.request_id:
        who, cause = file.who or "somebody", file.cause or "no cause given"
        by = f"{file.by} at it ({file.stage.lower()})" if file.by else "nobody has begun"
        text = f"flatten asked by {who} ({cause}): {by}"
        stuck = file.stage == FlattenStage.STUCK.value
        found.append((Level.DANGER if stuck and is_open else Level.WATCH, text))
    if board.flatten is not None and board.flatten.value.stage is FlattenStage.STUCK:
        text = f"flatten is stuck: {board.flatten.value.detail or board.flatten.value.cause}"
        found.append((Level.DANGER, text))


def _venue(board: Board, is_open: bool, found: Found) -> None:
    if board.venue is None:
        found.append((Level.STALE, "nothing is known of the venue yet"))
        return
    venue = board.venue.value
    if board.stale(board.venue):
        age = since(board.age_s(board.venue))
        found.append((Level.DANGER if is_open else Level.STALE, f"venue state is {age} old"))
    if venue.state is VenueState.DISARMED:
        found.append((Level.WATCH, "disarmed: decisions are shown, nothing is sent"))
    elif venue.state is not VenueState.READY:
        text = f"venue {venue.state.value.lower()}{': ' if venue.reason else ''}{venue.reason}"
        worse = is_open and venue.state in (VenueState.DOWN, VenueState.QUARANTINE)
        found.append((Level.DANGER if worse else Level.WATCH, text))
    if venue.unknown_orders:
        orders = "1 order" if venue.unknown_orders == 1 else f"{venue.unknown_orders} orders"
        text = f"{orders} with unknown outcome"
        found.append((Level.DANGER if is_open else Level.WATCH, text))


def _market(board: Board, is_open: bool, found: Found) -> None:
    feed = board.feed
    if feed is not None and feed.value.state is not FeedState.UP:
        text = f"market feed {feed.value.state.value.lower()}: {feed.value.reason or 'no reason'}"
        found.append((Level.DANGER if is_open else Level.WATCH, text))
    limit = board.settings.risk_governor.quote_age_s
    for contract, seen in board.positions.items():
        if not seen.value.position:
            continue
        age = quote_age_s(board, contract)
        if age is None or age > limit:
            found.append(
                (Level.DANGER, f"{short_name(contract)}: position open, quote {since(age)} old")
            )
    if board.phase is None or not is_open:
        return
    left = (board.phase.value.flat_by_ns - board.now_ns) / SECOND
    if board.phase.value.phase in (Phase.FLAT, Phase.CLOSED) or left <= 0:
        found.append((Level.DANGER, "a position is open past the time to be flat"))
    elif left < NEAR_FLAT_S:
        found.append((Level.WATCH, f"a position is open {since(left)} before the flat-by time"))


def quote_age_s(board: Board, contract: str) -> float | None:
    """Market seconds since we received the newest quote of a contract, or real ones if more."""
    seen = board.quotes.get(contract)
    if seen is None:
        return None
    market = max(0, board.now_ns - seen.value.recv_ns) / SECOND
    return max(market, board.age_s(seen))


def unready(board: Board) -> list[str]:
    """Why the system may not open risk now, for /readyz; empty when ready."""
    watched = (GATEWAY, GOVERNOR, ROUTER, SENTINEL)
    reasons = [silence(board, actor) for actor in watched if board.silent(actor)]
    if board.feed is None or board.feed.value.state is not FeedState.UP:
        state = "unknown" if board.feed is None else board.feed.value.state.value
        reasons.append(f"market feed: {state}")
    if board.venue is None or board.venue.value.state is not VenueState.READY:
        state = "unknown" if board.venue is None else board.venue.value.state.value
        reasons.append(f"venue: {state}")
    for name, seen in (("risk numbers", board.risk), ("venue state", board.venue)):
        if board.stale(seen):
            age_text = "absent" if seen is None else f"{board.age_s(seen):.1f} s old"
            reasons.append(f"{name}: {age_text}")
    return reasons
