"""Three busy sleeves in one contract, before the whole cast, with everything going wrong.

The seeds are fixed: other ones were played once, and `tests/test_cast_world.py` goes on searching
in contracts with one owner. Each promise that only sharing makes is broken once on purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.order_router import outbox, protection, trades
from services.order_router.desk import Desk
from services.order_router.memory import Order
from services.stage_play import play
from services.stage_sharing import SharedChecks, settings_for
from shared.events import OrderApproved
from shared.lab.accidents import Accidents

SEEDS = range(1, 21)
Patch = pytest.MonkeyPatch


def played(seed: int, accidents: Accidents, seconds: int = 12) -> SharedChecks:
    checks = SharedChecks()
    play(seed, accidents, seconds, settings=settings_for(seed), checks=checks)
    return checks


def test_in_fair_weather_books_lie_on_both_sides_and_always_add_up() -> None:
    checks = played(4, Accidents(), 12)
    assert checks.seen["approved"] > 30
    assert checks.seen["target"]
    assert checks.seen["opposed"] > 20
    assert checks.seen["split"], "one trade ended several books"
    assert checks.bare.ns_max < 500_000_000, "no position stood without its stop"


@pytest.mark.parametrize("seed", SEEDS)
def test_no_accident_breaks_a_promise(seed: int) -> None:
    accidents = Accidents.swarm(seed)
    print(f"seed={seed}, {accidents}")  # noqa: T201  a failing run says what it was
    played(seed, accidents)


# -- the checks can fail ---------------------------------------------------------------------------


def all_to_the_last_owner(patch: Patch) -> None:
    patch.setattr(trades, "allocate", lambda shares, signed, rest_to: ((rest_to, signed),))


def brackets_as_ever(patch: Patch) -> None:
    order_of = outbox.order_of

    def bracketed(desk: Desk, approval: OrderApproved, size: int) -> Order:
        order = order_of(desk, approval, size)
        order.bracketed = bool(approval.stop_loss_ticks)
        return order

    patch.setattr(outbox, "order_of", bracketed)


def no_net_stop(patch: Patch) -> None:
    patch.setattr(protection, "_keep_net_stop", lambda *_: None)


def half_a_trade(patch: Patch) -> None:
    allocate = trades.allocate
    patch.setattr(trades, "allocate", lambda *given: allocate(*given)[:1])


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (all_to_the_last_owner, "became|of nothing"),
        (brackets_as_ever, "a sleeve's order rests"),
        (no_net_stop, "unprotected"),
        (half_a_trade, "."),
    ],
)
def test_a_broken_promise_is_found(
    monkeypatch: Patch, broken: Callable[[Patch], Any], words: str
) -> None:
    broken(monkeypatch)
    with pytest.raises(AssertionError, match=words):
        played(4, Accidents(), 12)
