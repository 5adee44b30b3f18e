"""Each invariant of the World can fail: a mutant for every one that `test_cast_mutants.py` has not.

Here also what hosts the cores is broken on purpose: the bus, the last look before a request leaves,
the sentinel's lock, the venue's own money. What is not caught here would not be caught by ten
thousand seeds either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.order_router import core, outbox, reconcile
from services.order_router.core import Router
from services.order_router.desk import Desk
from services.risk_governor import follow, operator
from services.risk_governor.core import Governor
from services.sentinel import hands
from services.simulator.accounts import Account
from services.stage import cast_world
from services.stage_busy import settings_for
from services.stage_checks import Checks
from services.stage_play import play
from services.stage_router import RouterSide
from shared.events import Event, Fill
from shared.lab.accidents import Accidents
from shared.lab.bus import Bus
from shared.lab.player import Player
from shared.lab.world import World
from shared.units import MILLISECOND, SECOND
from shared.venue.times import time_ns

Patch = pytest.MonkeyPatch
FAIR = Accidents()
LOSSY = Accidents(bus_loss=0.1, bus_delay_ns_max=100 * MILLISECOND)
STUCK = Accidents(slow_disk=0.1, slow_disk_ns_max=6 * SECOND)
HALTS = Accidents(operator=0.5)
SEEDS = (1, 2, 3)  # that hold where nothing is broken
DEATHS = Accidents(kill_acting=0.03)
LATE = Accidents(request_late=1.0)


def take_whatever_comes(patch: Patch) -> None:
    """Journals with holes: a hearer goes on after a lost frame as if nothing were missing."""

    def hear(bus: Bus, lane: str, seq: int, event: Event, player: Player) -> None:
        if player.up and seq > player.heard.get(lane, 0):
            bus._take(player, lane, seq, event)

    patch.setattr(Bus, "_hear", hear)


def look_at_no_deadline(patch: Patch) -> None:
    patch.setattr(RouterSide, "_gate", lambda *_: lambda: None)


def leave_the_router_alive(patch: Patch) -> None:
    """The sentinel takes the lock and forgets the kill."""
    patch.setattr(World, "hold", lambda *_: True)


def forget_every_third_trade(patch: Patch) -> None:
    see = core.see_trade

    def forgetful(desk: Desk, row: Any) -> None:
        if row.trade_id % 3:
            see(desk, row)

    for module in (core, reconcile):
        patch.setattr(module, "see_trade", forgetful)


def book_no_sale(patch: Patch) -> None:
    """The governor's books of the sleeves miss what was sold."""
    follows = follow.on_fill

    def one_sided(mind: Any, now_ns: int, fill: Fill) -> None:
        if fill.side.value > 0:
            follows(mind, now_ns, fill)

    patch.setattr(follow, "on_fill", one_sided)
    make = Governor.__init__

    def made(self: Governor, *args: Any) -> None:
        make(self, *args)
        for table in vars(self).values():
            if isinstance(table, dict) and table.get(Fill) is follows:
                table[Fill] = one_sided

    patch.setattr(Governor, "__init__", made)


def print_money(patch: Patch) -> None:
    """A micro-dollar for every fill, from nowhere; the venue's own sums agree with it."""
    book = Account.book

    def generous(self: Account, *args: Any) -> Any:
        deal = book(self, *args)
        self.state.balance += 1
        self.state.profit += 1
        return deal

    patch.setattr(Account, "book", generous)


def refuse_in_silence(patch: Patch) -> None:
    patch.setattr(outbox, "refuse", lambda *_: None)


def send_one_more(patch: Patch) -> None:
    send = outbox.send_approved
    patch.setattr(outbox, "send_approved", lambda desk, it, size: send(desk, it, size + 1))


def overlook_requests(patch: Patch) -> None:
    """The governor takes no notice of a person's file, which router and sentinel obey."""
    patch.setattr(operator, "on_request", lambda *_: None)


def remember_half(patch: Patch) -> None:
    """A snapshot without what was answered."""
    restore = Router.restore

    def forgetful(self: Router, snapshot: bytes) -> None:
        restore(self, snapshot)
        self.desk.state.answered.clear()

    patch.setattr(Router, "restore", forgetful)


CASES: list[tuple[Callable[[Patch], None], Accidents, str]] = [
    (take_whatever_comes, LOSSY, "heard .* after"),
    (look_at_no_deadline, STUCK, "expired"),
    (forget_every_third_trade, FAIR, "order_router.* differs from the venue"),
    (book_no_sale, FAIR, "risk_governor.* differs from the venue"),
    (print_money, FAIR, "trades make"),
    (refuse_in_silence, STUCK, "never answered"),
    (send_one_more, FAIR, "larger than approved|more than approved"),
    (overlook_requests, HALTS, "is flat and not halted"),
    (remember_half, DEATHS, "memory differs|said"),
]


@pytest.mark.parametrize(
    ("broken", "accidents", "caught"), CASES, ids=lambda it: getattr(it, "__name__", "")
)
def test_a_broken_promise_is_caught(
    monkeypatch: Patch, broken: Callable[[Patch], None], accidents: Accidents, caught: str
) -> None:
    broken(monkeypatch)
    with pytest.raises(AssertionError, match=caught):
        play_some(accidents)


def play_some(accidents: Accidents) -> None:
    for seed in SEEDS:
        play(seed, accidents, 15)


@pytest.mark.parametrize("accidents", [FAIR, LOSSY, STUCK, HALTS, DEATHS])
def test_nothing_is_caught_where_nothing_is_broken(accidents: Accidents) -> None:
    assert all(play(seed, accidents, 15).fills for seed in SEEDS)


def freeze_the_router(seconds: int, seed: int = 1, weather: Accidents = FAIR) -> Checks:
    """The router stands still for so many seconds while something is open, and what it sent in the
    second before in such a `weather`.
    """
    settings, checks = settings_for(seed), Checks()
    start_ns = time_ns(settings.simulator.start, "start")
    world = cast_world(settings, start_ns, seed=seed, said=checks.said)
    checks.attend(world)
    while not any(checks.watch.lots.values()):
        world.run(world.now_ns + SECOND // 10)
    checks.stage.accidents = weather
    world.run(world.now_ns + SECOND)
    checks.stage.accidents = FAIR
    world.players["order_router"].thaw_ns = world.now_ns + seconds * SECOND
    world.run(world.now_ns + 40 * SECOND)
    return checks


def test_the_sentinel_flattens_for_a_frozen_router() -> None:
    checks = freeze_the_router(12)
    told = checks.stage.files.progress
    assert told is not None
    assert (told.by, told.stage) == ("sentinel", "FLAT")
    assert not any(checks.watch.lots.values())
    assert not checks.watch.live
    checks.judge()
    checks.replay()


def test_two_pairs_of_hands_are_seen(monkeypatch: Patch) -> None:
    leave_the_router_alive(monkeypatch)
    with pytest.raises(AssertionError, match="two pairs of hands"):
        freeze_the_router(6)


def sent_before(seed: int) -> Checks:
    """All that the router sends in its last second is carried out long after it is dead."""
    return freeze_the_router(30, seed, LATE)


def test_nothing_is_carried_out_after_the_sentinel_proved_flat(monkeypatch: Patch) -> None:
    """By ours; a sentinel that believes two reads a second apart is found out."""
    assert all(sent_before(seed).watch.proven for seed in SEEDS), "it was proven"
    begin = hands.begin
    monkeypatch.setattr(hands, "begin", lambda state, event, late: begin(state, event, 0))
    with pytest.raises(AssertionError, match="carried out after flat was proven"):
        [sent_before(seed) for seed in SEEDS]
