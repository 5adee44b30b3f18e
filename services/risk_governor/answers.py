"""The governor's one answer to a wish: how it is built, counted, remembered and said.

An approval counts as an exposure from this moment on. Answers are kept for a window per sleeve, so
that a repeated wish hears the very same one; the number in an intent id only grows, so a wish older
than the window is recognised by its number alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from msgspec import structs

from services.risk_governor.bands import unbox
from services.risk_governor.conduct import Conduct, print_of
from services.risk_governor.draft import Draft, Refusal
from services.risk_governor.elsewhere import tell_others
from services.risk_governor.habits import conduct_of
from services.risk_governor.members import ACTIVE, ENTRY, EXIT, MARKET
from services.risk_governor.state import ANSWERS_REMEMBERED, Answer, Mind, Order
from shared.events import (
    CancelIntent,
    Cross,
    Grounds,
    ModifyIntent,
    OrderApproved,
    OrderIntent,
    OrderVetoed,
)
from shared.units import Lots, Nanos, Ticks

Intent = OrderIntent | ModifyIntent | CancelIntent
DIGITS_MAX: Final = 18  # of a number in an intent id: what 64 bits hold
SAID_MAX: Final = 1 << 62  # a number in a veto is cut to this: it is far beyond every limit
DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


def number_of_id(intent_id: str) -> tuple[int, int]:
    """(counter, incarnation) of an intent id `<sleeve>.<incarnation>.<n>`; (-1, -1) otherwise."""
    parts = intent_id.rsplit(".", 2)
    if len(parts) == 3 and _is_number(parts[1]) and _is_number(parts[2]):
        return int(parts[2]), int(parts[1])
    return -1, -1


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX


def number_of(intent: Intent) -> int:
    """The counter in an intent's id; -1 when the id is not this sleeve's and incarnation's."""
    named, sleeve, life = intent.intent_id, intent.sleeve, intent.incarnation
    begins, _ = beginnings(sleeve, life)
    if begins and named.startswith(begins):
        digits = named[len(begins) :]
        if digits.isdigit() and digits.isascii() and len(digits) <= DIGITS_MAX:
            return int(digits)
    number, other = number_of_id(named)  # its life may be written in another way
    return number if other == life and named.startswith(sleeve + ".") else -1


@lru_cache(maxsize=64)  # a life asks about its own number all day
def beginnings(sleeve: str, incarnation: int) -> tuple[str, str]:
    """What the ids of one life of a sleeve begin with, and the tags of its orders; both empty for a
    life that no id can name."""
    if incarnation < 0 or not _is_number(str(incarnation)):
        return "", ""
    return f"{sleeve}.{incarnation}.", f"t1.{sleeve}.{base36(incarnation)}."


def approve(
    mind: Mind, now_ns: Nanos, intent: OrderIntent, size: Lots, *, reducing: bool,
    number: int = -1, bound: Refusal | None = None, cross: Cross | None = None,
) -> None:  # fmt: skip
    """Say yes and count the order as working from this moment on. `number`: in its id, where it was
    looked up already; `bound`: what made it smaller; `cross`: whom it trades with inside.
    """
    assert 1 <= size <= intent.size, "Invariant: an approval is at most what was asked for"
    purpose, state = intent.purpose, mind.state
    if number < 0:
        number = number_of(intent)
    if reducing and purpose is ENTRY:
        purpose = EXIT
    bracket = purpose is ENTRY
    shared = intent.contract in state.shared
    # Fifteen names: CPython calls with more of them by way of a dict, in three times the time.
    approved = OrderApproved(
        intent_id=intent.intent_id,
        sleeve=intent.sleeve,
        incarnation=intent.incarnation,
        contract=intent.contract,
        side=intent.side,
        size=size,
        type=intent.type,
        purpose=purpose,
        tag=tag_of(intent, number),
        halt_no=state.halt_no,
        deadline_real_ns=state.real_ns + mind.limits.approval_ns,
        limit_price=intent.limit_price,
        stop_loss_ticks=intent.stop_loss_ticks if bracket else None,
        take_profit_ticks=intent.take_profit_ticks if bracket and not shared else None,
        touch=_touch(mind, intent),
    )
    if shared or bound is not None or cross is not None or intent.stop_price is not None:
        approved = structs.replace(
            approved,
            stop_price=intent.stop_price,
            bound="" if bound is None else bound[0].value,
            grounds=None if bound is None else _grounds(bound, size),
            shared=shared,
            cross=cross,
        )
    conduct = count_approval(mind, now_ns, intent.sleeve)
    follow_approved(mind, approved, reducing=reducing)
    if bracket and not reducing:
        conduct.entries_ns[print_of(intent.contract, intent.side)] = now_ns
    tell_others(mind, now_ns)
    mind.out.append(approved)
    remember(mind, intent.sleeve, number, approved)


def _touch(mind: Mind, intent: OrderIntent) -> Ticks | None:
    """What an order that trades at once must expect; None for one that rests at a price of its
    own, and for an exit that goes without a quote.
    """
    mark = mind.state.marks.get(intent.contract)
    if mark is None or intent.stop_price is not None:
        return None
    side, limit = intent.side, intent.limit_price
    touch = mark.ask if side > 0 else mark.bid
    rests = intent.type is not MARKET and (limit is None or (limit - touch) * side < 0)
    return None if rests else touch


def _grounds(refusal: Refusal, size: Lots) -> Grounds:
    """Why an order was made smaller: the numbers of the whole of it, and what passed."""
    rule, limit, actual, _ = refusal
    return Grounds(rule=rule.value, limit=_said(limit), actual=_said(actual), largest=size)


def follow_approved(mind: Mind, approved: OrderApproved, *, reducing: bool) -> None:
    """Count an approved order as an exposure until the router says what became of it."""
    mind.forget(approved.contract)
    unbox(mind)
    mind.state.orders[approved.intent_id] = Order(
        intent_id=approved.intent_id,
        sleeve=approved.sleeve,
        contract=approved.contract,
        side=int(approved.side),
        size=approved.size,
        purpose=approved.purpose,
        type=approved.type,
        limit_price=approved.limit_price,
        stop_price=approved.stop_price,
        stop_loss_ticks=approved.stop_loss_ticks,
        reducing=reducing,
        deadline_real_ns=approved.deadline_real_ns,
    )


def count_approval(mind: Mind, now_ns: Nanos, sleeve: str) -> Conduct:
    """Remember the instant for the rates; more than the limit need not be remembered. Returns the
    sleeve's conduct, in which it is counted. What was passed early was so without it."""
    limits, state = mind.limits, mind.state
    given, since_ns = limits.given, now_ns - limits.window_ns
    mind.passes = {}
    _note(state.sleeves[sleeve].approved_ns, now_ns, since_ns, given.orders_per_window)
    _note(state.approved_ns, now_ns, since_ns, given.pretrade.account_orders_per_window)
    if sleeve in state.probation:
        state.probation[sleeve].vetoes = 0
    conduct = conduct_of(mind, sleeve)
    conduct.asked += 1
    return conduct


def _note(recent: list[Nanos], now_ns: Nanos, since_ns: Nanos, most: int) -> None:
    """For one that comes, one goes that is too old or too many."""
    recent.append(now_ns)
    if recent[0] <= since_ns or len(recent) > most:
        recent.pop(0)


def veto(
    mind: Mind, intent: Intent, refusal: Refusal, *, largest: Lots = 0, draft: Draft | None = None
) -> None:
    """Say no, with what was known about the order, and remember it for a repetition."""
    said = _vetoed(mind, intent, refusal, largest)
    if draft is not None:
        inputs = {name: _said(number) for name, number in draft.inputs().items()}
        said = structs.replace(said, inputs=inputs)
    answer(mind, intent, said)


def say_veto(mind: Mind, intent: Intent, refusal: Refusal) -> None:
    """Say no to one who may not speak, or speaks nonsense; nothing is remembered."""
    mind.out.append(_vetoed(mind, intent, refusal, 0))


def _vetoed(mind: Mind, intent: Intent, refusal: Refusal, largest: Lots) -> OrderVetoed:
    rule, limit, actual, detail = refusal
    watched = mind.state.probation.get(intent.sleeve)
    if watched is not None and not intent.shadow and mind.state.level is ACTIVE:
        watched.vetoes += 1  # an account that is held refuses everybody: no fault of a newcomer
    if isinstance(intent, OrderIntent):
        contract = intent.contract
    else:
        target = mind.state.orders.get(intent.target)
        contract = "" if target is None else target.contract
    return OrderVetoed(
        intent_id=intent.intent_id,
        sleeve=intent.sleeve,
        contract=contract,
        rule=rule,
        limit=_said(limit),
        actual=_said(actual),
        largest=largest,
        detail=detail,
    )


def _said(number: int) -> int:
    """A number as the wire can carry it."""
    return max(-SAID_MAX, min(SAID_MAX, number))


def answer(mind: Mind, intent: Intent, said: Answer) -> None:
    """Publish the one answer and keep it for a window, so that a repetition hears the same."""
    mind.out.append(said)
    remember(mind, intent.sleeve, number_of(intent), said)


def remember(mind: Mind, sleeve: str, number: int, said: Answer) -> None:
    kept = mind.state.sleeves[sleeve]
    kept.answers[number] = said
    if len(kept.answers) > ANSWERS_REMEMBERED:
        oldest = next(iter(kept.answers))
        del kept.answers[oldest]
        if oldest > kept.forgotten:
            kept.forgotten = oldest


def tag_of(intent: OrderIntent, number: int) -> str:
    """The order's name at the venue: `t1.<sleeve>.<incarnation in base 36>.<n>.<attempt>`."""
    return f"{beginnings(intent.sleeve, intent.incarnation)[1]}{number}.1"


def base36(number: int) -> str:
    assert number >= 0, "Invariant: only lives that an id can name are written"
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = DIGITS[rest] + digits
        if not number:
            return digits
