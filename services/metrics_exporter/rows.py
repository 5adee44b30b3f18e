"""The board's lists as rows for people: positions, orders, sleeves, vetoes, fills, processes."""

from __future__ import annotations

from typing import Any, Final

from services.metrics_exporter.core import GOVERNOR, ROUTER, SENTINEL, SIMULATOR, Board
from services.metrics_exporter.figures import (
    decimal_price,
    known_product,
    money,
    price_digits,
    short_name,
    unix,
)
from services.metrics_exporter.schema import (
    FillView,
    MarketView,
    OrderView,
    PositionView,
    ProcessView,
    SleeveView,
    TotalView,
    VetoView,
)
from services.metrics_exporter.state import Card, Seen
from services.metrics_exporter.verdict import quote_age_s, unprotected_s
from shared.domain.rules.book import BOOK
from shared.domain.rules.explain import headline, sentence
from shared.events import Fill, OrderUpdate, OrderVetoed, SleeveBook, SleeveStatus
from shared.seats import NOBODY, actor_of
from shared.units import SECOND, USD, Lots, Micros

SHOWN: Final = 10  # vetoes and fills on the page
UNITS: Final = {"usd": ("$", USD), "time": ("s", SECOND)}
"""Units of the book in which a number is shown otherwise than it is kept."""


def ages(board: Board, seen: Seen[Any], speaker: str = "") -> dict[str, Any]:
    """The ages of a value: its own, or its speaker's where it is said only on change."""
    changed = board.age_s(seen)
    age = board.life_age_s(speaker) if speaker else changed
    if age is not None and speaker:
        age = min(age, changed)
    limit = board.settings.metrics_exporter.stale_after_real_s
    return {
        "age_s": None if age is None else round(age, 2),
        "changed_s": round(changed, 2),
        "at": unix(seen.source_ns),
        "stale": age is None or age > limit,
    }


def never() -> dict[str, Any]:
    """The ages of a value nobody has said yet."""
    return {"age_s": None, "changed_s": 0.0, "at": 0.0, "stale": True}


def open_micros(board: Board, contract: str, lots: Lots, cost: int) -> Micros | None:
    """What a position would bring at the side it is closed at; None without quote or product."""
    quote, product = board.quotes.get(contract), known_product(contract)
    if not lots:
        return 0
    if quote is None or product is None:
        return None
    mark = quote.value.bid if lots > 0 else quote.value.ask
    return (lots * mark - cost) * product.tick_micros


def positions(board: Board) -> list[PositionView]:
    """Open positions, the router's word; who owns one is the governor's."""
    found = []
    for contract, seen in sorted(board.positions.items()):
        held = seen.value
        if not held.position:
            continue
        quote = board.quotes.get(contract)
        mark = (quote.value.bid if held.position > 0 else quote.value.ask) if quote else None
        owners = [
            name
            for name, card in board.cards.items()
            if contract in card.books and card.books[contract].value.position
        ]
        age = quote_age_s(board, contract)
        found.append(
            PositionView(
                **ages(board, seen, ROUTER),
                contract=contract,
                name=short_name(contract),
                position=held.position,
                entry=decimal_price(held.cost / held.position, contract),
                mark=decimal_price(mark, contract),
                open_dollars=money(open_micros(board, contract, held.position, held.cost)),
                protected=held.protected,
                unprotected_s=round(unprotected_s(board, contract), 1),
                quote_age_s=None if age is None else round(age, 2),
                sleeve=", ".join(owners),
            )
        )
    return found


def orders(board: Board) -> list[OrderView]:
    return [_order(board, seen) for seen in board.orders.values()]


def finished_orders(board: Board) -> list[OrderView]:
    return [_order(board, seen) for seen in board.recent.orders]


def _order(board: Board, seen: Seen[OrderUpdate]) -> OrderView:
    order = seen.value
    return OrderView(
        **ages(board, seen, ROUTER),
        tag=order.tag,
        intent_id=order.intent_id,
        sleeve=order.sleeve,
        contract=order.contract,
        name=short_name(order.contract),
        side=order.side.name,
        size=order.size,
        filled=order.filled,
        state=order.state.value,
        purpose=order.purpose.value,
        type=order.type.value,
        limit=decimal_price(order.limit_price, order.contract),
        stop=decimal_price(order.stop_price, order.contract),
        reason=order.reason,
    )


def sleeves(board: Board) -> list[SleeveView]:
    return [_sleeve(board, name, card) for name, card in board.cards.items()]


def _sleeve(board: Board, name: str, card: Card) -> SleeveView:
    status = card.status.value if card.status else None
    actor = actor_of(name, card.seat)
    process_age = board.life_age_s(actor)
    seen: Seen[Any] = card.status or Seen(None, 0, 0)
    contract = status.contract if status else ""
    books = [book.value for book in card.books.values()]
    regime = card.regimes.get(card.seat)
    return SleeveView(
        **(ages(board, seen, actor) if card.status else never()),
        sleeve=name,
        contract=contract,
        name=short_name(contract) if contract else _root(board, name),
        state=_state(card, status),
        reason=status.reason if status else "nothing heard yet",
        incarnation=status.incarnation if status else 0,
        authority=status is not None and status.incarnation == card.incarnation,
        position=sum(book.position for book in books),
        net_dollars=money(_net(board, books)) if books or card.incarnation else None,
        net_stale=board.silent(GOVERNOR),
        fees_dollars=money(sum(book.fees for book in books)) or 0.0,
        intents=card.intents,
        approvals=card.approvals,
        vetoes=sum(count for (who, _), count in board.counts.vetoes.items() if who == name),
        fills=sum(count for (who, _), count in board.counts.fills.items() if who == name),
        working=sum(seen.value.sleeve == name for seen in board.orders.values()),
        budget=_budget(board, name),
        off=_off(board, name),
        regime=regime.regime.value if regime else "",
        sheltered=regime is not None and not regime.trades,
        numbers=status.numbers if status else {},
        process_age_s=None if process_age is None else round(process_age, 2),
    )


def _state(card: Card, status: SleeveStatus | None) -> str:
    if card.seat == NOBODY:
        return "REMOVED"
    return status.state if status else "UNKNOWN"


def _root(board: Board, name: str) -> str:
    own = board.settings.sleeves.get(name)
    return own.root if own else ""


def _budget(board: Board, name: str) -> float | None:
    """A sleeve's slice of the day, dollars; None where the governor cuts none."""
    return None if board.risk is None else money(dict(board.risk.value.budgets).get(name))


def _off(board: Board, name: str) -> str:
    """Why the governor does not let a sleeve trade."""
    latches = board.risk.value.latches if board.risk else ()
    return next((one.cause for one in latches if one.sleeve == name), "")


def _net(board: Board, books: list[SleeveBook]) -> Micros | None:
    """Realised less fees plus open, over a sleeve's books; None when one cannot be marked."""
    total = 0
    for book in books:
        unrealised = open_micros(board, book.contract, book.position, book.cost)
        if unrealised is None:
            return None
        total += book.realised - book.fees + unrealised
    return total


def vetoes(board: Board) -> list[VetoView]:
    """The newest first; a sleeve refused again and again by one rule is one row."""
    found: dict[tuple[str, str], VetoView] = {}
    for seen in board.recent.vetoes:
        key = seen.value.sleeve, seen.value.rule.value
        if key in found:
            found[key].times += 1
        else:
            found[key] = _veto(board, seen)
    return list(found.values())[:SHOWN]


def _veto(board: Board, seen: Seen[OrderVetoed]) -> VetoView:
    veto = seen.value
    rule, numbers = veto.rule.value, (veto.limit, veto.actual)
    unit = UNITS.get(BOOK[rule].unit, (BOOK[rule].unit, 1))
    return VetoView(
        **ages(board, seen),
        sleeve=veto.sleeve,
        name=short_name(veto.contract),
        rule=rule,
        times=1,
        headline=headline(rule, *numbers, largest=veto.largest, detail=veto.detail),
        sentence=sentence(rule, *numbers, largest=veto.largest, detail=veto.detail),
        limit=round(veto.limit / unit[1], 2),
        actual=round(veto.actual / unit[1], 2),
        unit=unit[0],
        largest=veto.largest,
        detail=veto.detail,
    )


def fills(board: Board) -> list[FillView]:
    return [_fill(board, seen) for seen in list(board.recent.fills)[:SHOWN]]


def _fill(board: Board, seen: Seen[Fill]) -> FillView:
    fill = seen.value
    return FillView(
        **ages(board, seen),
        trade_id=fill.trade_id,
        sleeve=fill.sleeve,
        name=short_name(fill.contract),
        side=fill.side.name,
        size=fill.size,
        price=decimal_price(fill.price, fill.contract),
        fee_dollars=money(fill.fee) or 0.0,
        purpose=fill.purpose.value,
        voided=fill.voided,
    )


def market(board: Board) -> list[MarketView]:
    found = []
    for contract in sorted(board.contracts):
        quote = board.quotes.get(contract)
        closes = [
            decimal_price(bar.value.close, contract) or 0.0 for bar in board.bars.get(contract, ())
        ]
        age = quote_age_s(board, contract)
        row = ages(board, quote) if quote else never()
        limit = board.settings.risk_governor.quote_age_s
        row |= {
            "age_s": None if age is None else round(age, 2),
            "stale": age is None or age > limit,
        }
        found.append(
            MarketView(
                **row,
                contract=contract,
                name=short_name(contract),
                bid=decimal_price(quote.value.bid, contract) if quote else None,
                ask=decimal_price(quote.value.ask, contract) if quote else None,
                digits=price_digits(contract),
                closes=closes,
            )
        )
    return found


def processes(board: Board) -> list[ProcessView]:
    """Every process of the cast, also one that was never heard."""
    sleeve_actors = (
        actor_of(name, board.cards[name].seat)
        for name in board.settings.running_sleeves()
        if board.cards[name].seat != NOBODY
    )
    cast = ["market_data_gateway", *sleeve_actors, GOVERNOR, ROUTER, SENTINEL]
    if board.settings.simulated():
        cast.append(SIMULATOR)
    cast += [actor for actor in sorted(board.lives) if actor not in cast]
    found = []
    for actor in cast:
        life, age = board.lives.get(actor), board.life_age_s(actor)
        found.append(
            ProcessView(
                actor=actor,
                state=life.state if life else "UNKNOWN",
                age_s=None if age is None else round(age, 2),
                silent=board.silent(actor),
                inbox=life.inbox if life else 0,
                restarts=life.restarts if life else 0,
                note=life.note if life else "",
            )
        )
    return found


def totals(board: Board) -> list[TotalView]:
    return [
        TotalView(
            sleeve=name,
            fills=total.fills,
            contracts=total.contracts,
            fees_dollars=money(total.fees) or 0.0,
        )
        for name, total in sorted(board.totals.items())
    ]
