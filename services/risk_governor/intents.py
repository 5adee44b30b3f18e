"""From a sleeve's wish to the one answer it gets: approved, maybe smaller, or vetoed with numbers.

First identity, for every wish: form, authority, whether it was answered before, expiry. Then the
fork that matters: an exit is what *we* compute to be one (it only reduces its owner's book, less
the exits already working or of unknown outcome), and no rule of loss, count, rate or state stops
it. Everything else goes through `checks`.

One exit per contract is in flight. A later exit wish replaces it: the old one is cancelled, the new
one waits until the old one's fate is known, and is then sized by what is left. Two exits at once
could sell what is held twice.
"""

from __future__ import annotations

from typing import Final

from services.risk_governor import crossing, sharing
from services.risk_governor.answers import (
    Intent,
    answer,
    approve,
    count_approval,
    number_of,
    say_veto,
    tag_of,
    veto,
)
from services.risk_governor.checks import (
    KIND_CHECKS,
    LATE_CHECKS,
    LOOSEN_CHECKS,
    MODIFY_CHECKS,
    SIZE_CHECKS,
)
from services.risk_governor.draft import Draft, Refusal, first_refusal, largest_size
from services.risk_governor.habits import conduct_of
from services.risk_governor.levels import cancel
from services.risk_governor.members import ENTRY, EXIT, LIMIT, MARKET, QUOTE, STOP
from services.risk_governor.passes import is_passed
from services.risk_governor.state import FAR, STRANGE, Mind, Order, product
from shared.domain.rules.sizing import exit_room
from shared.events import (
    CancelApproved,
    CancelIntent,
    Grounds,
    ModifyApproved,
    ModifyIntent,
    OrderIntent,
    Purpose,
    VetoRule,
)
from shared.units import Lots, Nanos

TAG_LENGTH_MAX: Final = 60  # the venue appends to it
TAG_MORE: Final = 5  # a tag is at most so much longer than its intent's id
PRICES: Final = ("limit_price", "stop_price", "stop_loss_ticks", "take_profit_ticks")
WISHES: Final = (ENTRY, QUOTE, EXIT)
ANSWERED: Final = -1  # less than every number of a wish


# -- identity --------------------------------------------------------------------------------------


def misshapen(intent: OrderIntent, number: int) -> str:
    """What is wrong with the form of an order, `number` in its id; empty when nothing is."""
    if intent.purpose not in WISHES:
        return f"purpose {intent.purpose.value} is not a sleeve's to ask for"
    kind, limit, stop = intent.type, intent.limit_price, intent.stop_price
    if kind is not LIMIT and kind is not MARKET and kind is not STOP:
        return f"type {kind.value} is not allowed"
    if (limit is None) is (kind is LIMIT) or (stop is None) is (kind is STOP):
        return f"{kind.value} with limit {limit}, stop {stop}"
    if intent.purpose is QUOTE and kind is not LIMIT:
        return "a quote rests at a limit"
    if not (0 <= intent.least <= intent.size and 1 <= intent.size < FAR):
        return f"size {intent.size}, at least {intent.least}"
    loss, profit = intent.stop_loss_ticks, intent.take_profit_ticks
    if (
        (limit is not None and not 0 < limit < FAR)
        or (stop is not None and not 0 < stop < FAR)
        or (loss is not None and not 0 < loss < FAR)
        or (profit is not None and not 0 < profit < FAR)
    ):
        prices = {name: getattr(intent, name) for name in PRICES}
        return next(
            f"{name} {price}"
            for name, price in prices.items()
            if price is not None and not 0 < price < FAR
        )
    if product(intent.contract) is STRANGE:
        return f"unknown contract {intent.contract}"
    if len(intent.intent_id) + TAG_MORE > TAG_LENGTH_MAX < len(tag_of(intent, number)):
        return "the order's tag would be too long"
    return ""


def identified(mind: Mind, now_ns: Nanos, intent: Intent) -> int:
    """The number in the id of a wish that is to be judged; -1 when it has been answered here."""
    state, number = mind.state, number_of(intent)
    wrong = "" if number >= 0 else f"intent id {intent.intent_id!r}"
    if not wrong and isinstance(intent, OrderIntent):
        wrong = misshapen(intent, number)
    if wrong:
        say_veto(mind, intent, (VetoRule.MALFORMED, 0, 0, wrong))
        return ANSWERED
    if intent.shadow:  # also of one that owns by now: it was decided before that was known
        say_veto(mind, intent, (VetoRule.SHADOW, 0, 0, "decides beside the owner"))
        return ANSWERED
    sleeve = state.sleeves.get(intent.sleeve)
    if sleeve is None or sleeve.incarnation != intent.incarnation:
        granted = -1 if sleeve is None else sleeve.incarnation
        say_veto(mind, intent, (VetoRule.AUTHORITY, granted, intent.incarnation, ""))
        return ANSWERED
    if number in sleeve.answers:
        mind.out.append(sleeve.answers[number])
        return ANSWERED
    if number <= sleeve.forgotten:
        say_veto(mind, intent, (VetoRule.DUPLICATE, sleeve.forgotten, number, ""))
        return ANSWERED
    if state.waiting or state.held_back:
        if intent.intent_id in state.held_back:
            return ANSWERED  # it will be, once
        for held in state.waiting.values():
            if held.intent_id == intent.intent_id:
                return ANSWERED
    if not isinstance(intent, CancelIntent) and now_ns > intent.expires_ns:
        veto(mind, intent, (VetoRule.EXPIRED, intent.expires_ns, now_ns, ""))
        return ANSWERED
    return number


# -- orders ----------------------------------------------------------------------------------------


def on_order(mind: Mind, now_ns: Nanos, intent: OrderIntent) -> None:
    number = identified(mind, now_ns, intent)
    if number == ANSWERED:
        return
    if mind.sharing or mind.state.shared:
        refusal = sharing.form_refused(mind, intent)
        if refusal is not None:
            veto(mind, intent, refusal)
            return
        if mind.state.held_back:
            _outdate(mind, now_ns, intent)
    if intent.purpose is EXIT:
        ask_exit(mind, now_ns, intent)
    else:
        judge(mind, now_ns, intent, number=number, may_wait=True)


def judge(
    mind: Mind, now_ns: Nanos, intent: OrderIntent, *, number: int, may_wait: bool
) -> None:  # fmt: skip
    """Answer a wish that may open risk, or let it wait for somebody to be crossed with. `number`:
    in its id."""
    room = room_of(mind, intent)
    if intent.size <= room:
        leave(mind, now_ns, intent, intent.size)
        return
    draft = Draft(mind, now_ns, intent, (intent.limit_price, intent.stop_price))
    draft.resize(intent.size)
    rules = LATE_CHECKS[intent.purpose is ENTRY] if is_passed(mind, draft) else KIND_CHECKS
    refusal, largest = first_refusal(mind, draft, rules), room
    if refusal is None:
        refusal = first_refusal(mind, draft, SIZE_CHECKS)
        if refusal is None:
            if not (may_wait and crossing.holds_back(mind, now_ns, intent)):
                approve(mind, now_ns, intent, intent.size, reducing=False, number=number)
            return
        most = min(intent.size - 1, mind.limits.given.order_size)
        largest = max(room, largest_size(mind, draft, SIZE_CHECKS, most))
    if largest >= (intent.least or (1 if intent.up_to else intent.size)):
        approve(mind, now_ns, intent, largest, reducing=largest <= room, bound=refusal)
        return
    draft.resize(intent.size)
    veto(mind, intent, refusal, largest=largest, draft=draft)


def room_of(mind: Mind, intent: OrderIntent) -> Lots:
    """How many contracts this wish may close."""
    held = mind.state.ledger.held(intent.sleeve, intent.contract)
    if held * intent.side >= 0:
        return 0
    closing = mind.closing_lots(intent.sleeve, intent.contract, intent.side)
    return exit_room(held, intent.side, closing)


def leave(mind: Mind, now_ns: Nanos, intent: OrderIntent, size: Lots) -> None:
    """Approve an exit: with another sleeve's entry, inside, or by the venue. It never waits."""
    if not crossing.cross(mind, now_ns, intent, size):
        approve(mind, now_ns, intent, size, reducing=True)


def end_waits(mind: Mind, now_ns: Nanos) -> None:
    """Judge the entries that have waited long enough, or in vain, as if they came now."""
    for intent in crossing.due(mind, now_ns):
        _end_wait(mind, now_ns, intent)


def _end_wait(mind: Mind, now_ns: Nanos, intent: OrderIntent) -> None:
    if now_ns > intent.expires_ns:
        why = "it waited to be crossed"
        veto(mind, intent, (VetoRule.EXPIRED, intent.expires_ns, now_ns, why))
    else:
        judge(mind, now_ns, intent, number=number_of(intent), may_wait=False)


def _outdate(mind: Mind, now_ns: Nanos, intent: OrderIntent) -> None:
    """What a sleeve wished before this ends its wait first: wishes are answered in order, and one
    for the other side is wished no more."""
    for earlier in crossing.taken(mind, intent.sleeve, intent.contract):
        if earlier.side is intent.side:
            _end_wait(mind, now_ns, earlier)
        else:
            _veto_wait(mind, now_ns, earlier, f"replaced by {intent.intent_id}")


def _veto_wait(mind: Mind, now_ns: Nanos, intent: OrderIntent, why: str) -> None:
    veto(mind, intent, (VetoRule.EXPIRED, now_ns, now_ns, f"{why} while it waited to be crossed"))


def ask_exit(mind: Mind, now_ns: Nanos, intent: OrderIntent) -> None:
    """Approve an exit, or let it wait for the fate of the one in flight, which it replaces."""
    state = mind.state
    key = sharing.place_of(mind, intent)
    earlier = state.waiting.pop(key, None)
    if earlier is not None:
        refuse_exit(mind, earlier, "replaced by a later exit")
    held = state.ledger.held(intent.sleeve, intent.contract)
    if held * intent.side >= 0:
        refuse_exit(mind, intent, "nothing to close")
    elif mind.closing_lots(intent.sleeve, intent.contract, intent.side):
        for order in mind.live(intent.contract):
            if order.reducing and order.purpose in WISHES and order.sleeve == intent.sleeve:
                one = Grounds(rule="one_exit", limit=1, actual=2)
                cancel(mind, order.intent_id, f"replaced by {intent.intent_id}", one)
        state.waiting[key] = intent
    else:
        leave(mind, now_ns, intent, min(intent.size, abs(held)))


def ask_again(mind: Mind, now_ns: Nanos, contract: str) -> None:
    """The waiting exits of a contract, after something happened to an order or position there."""
    for key in sharing.places(mind, contract):
        intent = mind.state.waiting.get(key)
        if intent is None:
            continue
        if now_ns > intent.expires_ns:
            del mind.state.waiting[key]
            why = "an exit was in flight"
            veto(mind, intent, (VetoRule.EXPIRED, intent.expires_ns, now_ns, why))
        elif not mind.closing_lots(intent.sleeve, intent.contract, intent.side):
            del mind.state.waiting[key]
            ask_exit(mind, now_ns, intent)


def refuse_exit(mind: Mind, intent: OrderIntent, why: str) -> None:
    room = room_of(mind, intent)
    veto(mind, intent, (VetoRule.NOT_AN_EXIT, room, intent.size, why), largest=room)


# -- changes and cancels ---------------------------------------------------------------------------


def on_modify(mind: Mind, now_ns: Nanos, intent: ModifyIntent) -> None:
    if identified(mind, now_ns, intent) == ANSWERED:
        return
    order = mind.state.orders.get(intent.target)
    if order is None or order.done or order.sleeve != intent.sleeve:
        veto(mind, intent, (VetoRule.NO_SUCH_ORDER, 0, 0, intent.target))
        return
    wrong = _wrong_prices(order, intent)
    refusal = (
        (VetoRule.MALFORMED, 0, 0, wrong) if wrong else _modify_refusal(mind, now_ns, order, intent)
    )
    if refusal is not None:
        veto(mind, intent, refusal)
        return
    count_approval(mind, now_ns, intent.sleeve)
    _count_nearer(mind, order, intent)
    order.asked = "change"
    answer(
        mind,
        intent,
        ModifyApproved(
            intent_id=intent.intent_id,
            target=intent.target,
            sleeve=intent.sleeve,
            contract=order.contract,
            halt_no=mind.state.halt_no,
            deadline_real_ns=mind.state.real_ns + mind.limits.approval_ns,
            limit_price=intent.limit_price,
            stop_price=intent.stop_price,
        ),
    )


def _count_nearer(mind: Mind, order: Order, intent: ModifyIntent) -> None:
    """From now on a limit counts at the nearest price it may come to, so that nothing is approved
    to meet it on its way: until the router says that it is there, or a later comparison."""
    new, real_ns = intent.limit_price, mind.state.real_ns
    old = order.limit_price if order.nearer is None else order.nearer[0]
    if old is not None and new is not None and (new - old) * order.side > 0:
        order.nearer = new, real_ns
        mind.forget(order.contract)


def _wrong_prices(order: Order, intent: ModifyIntent) -> str:
    """What is wrong with the prices of a change; empty when nothing is."""
    for name, new, old in (
        ("limit_price", intent.limit_price, order.limit_price),
        ("stop_price", intent.stop_price, order.stop_price),
    ):
        if new is not None and (not 0 < new < FAR or old is None):
            return f"{name} {new} for an order whose {name} is {old}"
    if intent.limit_price is None and intent.stop_price is None:
        return "changes nothing"
    return ""


def _modify_refusal(
    mind: Mind, now_ns: Nanos, order: Order, intent: ModifyIntent
) -> Refusal | None:
    """Exits and tightened stops pass; a loosened stop is judged as new risk, an entry anew."""
    if order.reducing or order.purpose is Purpose.TAKE_PROFIT:
        return None
    if not order.protects:
        draft = Draft(mind, now_ns, order, (intent.limit_price, intent.stop_price))
        draft.resize(0)
        return first_refusal(mind, draft, MODIFY_CHECKS)
    old, new = order.stop_price, intent.stop_price
    if old is None or new is None or (new - old) * order.side <= 0:
        return None  # a sell stop moved up, a buy stop moved down
    order.stop_price = new  # counted from now on; the router's next update says what became of it
    mind.forget(order.contract)
    loosened = Draft(mind, now_ns, order, (None, new))
    loosened.resize(0)
    refusal = first_refusal(mind, loosened, LOOSEN_CHECKS)
    if refusal is not None:
        order.stop_price = old
        mind.forget(order.contract)
    return refusal


def on_cancel(mind: Mind, now_ns: Nanos, intent: CancelIntent) -> None:
    if identified(mind, now_ns, intent) == ANSWERED:
        return
    held = mind.state.held_back.get(intent.target)
    if held is not None and held[0].sleeve == intent.sleeve:
        del mind.state.held_back[intent.target]
        _veto_wait(mind, now_ns, held[0], "cancelled")
    order = mind.state.orders.get(intent.target)
    if order is None or order.done or order.sleeve != intent.sleeve:
        veto(mind, intent, (VetoRule.NO_SUCH_ORDER, 0, 0, intent.target))
    elif order.protects:
        # The venue removes the stop with its partner: cancelling either leg uncovers the position.
        veto(mind, intent, (VetoRule.STOP_REQUIRED, 1, 0, "protection is moved, never cancelled"))
    else:
        conduct_of(mind, intent.sleeve).asked += 1
        mind.passes = {}
        order.asked = "cancel"
        answer(
            mind,
            intent,
            CancelApproved(
                intent_id=intent.intent_id,
                target=intent.target,
                sleeve=intent.sleeve,
                contract=order.contract,
                reason=intent.reason,
            ),
        )
