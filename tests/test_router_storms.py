"""The router in bad weather: answers lost, hub events lost, late and twice, killed at any step.

Whatever the seed, at every instant: one answer per approval, no tag used twice, no trade counted
twice. And when the weather clears the books are the venue's truth, and a flatten ends flat. A seed
that fails is a test: `story(seed)`.
"""

from __future__ import annotations

import pytest

from services.order_router import words as w
from shared.events import (
    Fill,
    Flatten,
    OrderType,
    Purpose,
    RiskLevel,
    RiskState,
    Scope,
    Side,
)
from tests.support.router_bench import Bench, Storm
from tests.support.router_venue import M2K, MNQ

SLEEVES = {MNQ: "trend", M2K: "market_maker"}


def trade_a_bit(bench: Bench, dice: Storm) -> None:
    """Perhaps the governor approves something, or the market or somebody moves."""
    random = dice.dice
    draw = random.random()
    if draw < 0.03:
        bench.enter(random.choice((Side.BUY, Side.SELL)), random.choice((1, 2)))
    elif draw < 0.06:
        side = random.choice((Side.BUY, Side.SELL))
        bench.quote(side, bench.venue.prices[M2K] - side * random.randint(-1, 3))
    elif draw < 0.09:
        leave_a_bit(bench, dice, dice.dice.choice((MNQ, M2K)))
    elif draw < 0.17:
        contract = random.choice((MNQ, M2K))
        bench.venue.move(contract, bench.venue.prices[contract] + random.randint(-30, 30))


def leave_a_bit(bench: Bench, dice: Storm, contract: str) -> None:
    random = dice.dice
    lots = bench.lots(contract)
    if not lots:
        return
    side = Side.SELL if lots > 0 else Side.BUY
    fields = {"contract": contract, "sleeve": SLEEVES[contract]}
    if random.random() < 0.3:
        price = bench.venue.prices[contract] + side * -random.randint(-2, 20)
        bench.exit(side, abs(lots), type=OrderType.LIMIT, limit_price=price, **fields)
    else:
        bench.exit(side, random.randint(1, abs(lots)), **fields)


def trouble_a_bit(bench: Bench, dice: Storm) -> None:
    """Perhaps the venue or the desk makes trouble."""
    random = dice.dice
    draw = random.random()
    if draw < 0.005:
        bench.halt_no += 1
        scope = random.choice((Scope.ACCOUNT, Scope.CONTRACT, Scope.SLEEVE))
        bench.tell(
            Flatten(halt_no=bench.halt_no, scope=scope, contract=MNQ, sleeve="trend", cause="x")
        )
    elif draw < 0.010:
        bench.tell(RiskState(halt_no=bench.halt_no, level=RiskLevel.ACTIVE, cause="", since_ns=0))
    elif draw < 0.015:
        bench.tell(w.Link(up=False, reason="dropped"))
        bench.arriving.append(w.Link(up=True))
    elif draw < 0.020:
        bench.venue.refuse_changes = 1
    elif draw < 0.025:
        bench.venue.refuse.append("Invalid price. Price is outside allowed range.")
    elif draw < 0.030:
        bench.venue.refuse_closes = random.randint(1, 3)
    elif draw < 0.035:
        bench.venue.human(random.choice((MNQ, M2K)), random.choice((-1, 1)))
    elif draw < 0.040:
        bench.venue.partly = random.choice((0, 1))
    elif draw < 0.043 and bench.venue.trades:
        trade = bench.venue.trades[random.choice(sorted(bench.venue.trades))]
        if not trade.voided:
            bench.venue.void(trade.trade_id)


def clear_up(bench: Bench) -> None:
    bench.venue.refuse, bench.venue.refuse_changes, bench.venue.refuse_closes = [], 0, 0
    bench.venue.partly = 0


def story(seed: int, steps: int = 400, kills: float = 0.01) -> Bench:
    bench = Bench().start().run(1)
    storm = Storm(bench, seed, kills=kills)
    for _ in range(steps):
        storm.step()
        trade_a_bit(bench, storm)
        trouble_a_bit(bench, storm)
    bench.check()
    clear_up(bench)
    bench.run(45)
    bench.check_agreed()
    bench.halt_no += 1
    bench.tell(Flatten(halt_no=bench.halt_no, scope=Scope.ACCOUNT, cause="the end"))
    bench.run(30)
    bench.check_agreed()
    assert not any(bench.venue.lots.values()), "flat at the venue"
    assert not bench.router.desk.state.sagas, "and proven so"
    return bench


@pytest.mark.parametrize("seed", range(40))
def test_no_weather_breaks_the_books(seed: int) -> None:
    story(seed)


@pytest.mark.parametrize("seed", range(100, 120))
def test_nor_does_dying_all_the_time(seed: int) -> None:
    assert story(seed, steps=300, kills=0.06).restarts


def trade_sensibly(bench: Bench, storm: Storm) -> None:
    """As a governor lets it happen: entries from flat, no quotes beside an exit."""
    random = storm.dice
    draw = random.random()
    contract = random.choice((MNQ, M2K))
    resting = bench.resting(contract)
    if draw < 0.1 and contract == MNQ and not bench.lots(MNQ) and not resting:
        bench.enter(random.choice((Side.BUY, Side.SELL)), random.choice((1, 2)))
    elif draw < 0.2 and contract == M2K and not resting and not bench.lots(M2K):
        for side in (Side.BUY, Side.SELL):
            bench.quote(side, bench.venue.prices[M2K] - side * random.randint(1, 5))
    elif draw < 0.3 and all(o.type is OrderType.STOP or o.parent_id for o in resting):
        leave_a_bit(bench, storm, contract)
    elif draw < 0.5:
        bench.venue.move(contract, bench.venue.prices[contract] + random.randint(-30, 30))


REDUCING = (
    Purpose.EXIT,
    Purpose.STOP_LOSS,
    Purpose.TAKE_PROFIT,
    Purpose.NET_STOP,
    Purpose.FLATTEN,
)


def check_reducing_fills_reduce(bench: Bench) -> None:
    lots: dict[str, int] = {}
    for fill in bench.said:
        if not isinstance(fill, Fill):
            continue
        held = lots.get(fill.contract, 0)
        if fill.purpose in REDUCING:
            assert held * fill.side < 0, f"{fill.tag} opened a position"
            assert fill.size <= abs(held), f"{fill.tag} turned {held:+d} around"
        lots[fill.contract] = held + fill.side * fill.size


@pytest.mark.parametrize("seed", range(200, 240))
def test_while_nothing_is_lost_what_reduces_never_opens(seed: int) -> None:
    bench = Bench().start().run(1)
    storm = Storm(bench, seed, kills=0.0)
    for _ in range(400):
        if storm.dice.random() < 0.2:
            bench.pulse()
        trade_sensibly(bench, storm)
        bench.deliver()
    bench.check_agreed()
    check_reducing_fills_reduce(bench)
    for book in bench.router.desk.state.books.values():
        assert not book.naked_ns, "every position is covered when all is heard"


@pytest.mark.parametrize("cut", range(0, 40))
@pytest.mark.parametrize("unsent", [True, False])
def test_killed_at_every_step_of_a_day(cut: int, unsent: bool) -> None:
    """One entry, one quote, an exit and a flatten, with a kill after `cut` words delivered."""
    bench = Bench().start().run(1)
    left = cut

    def deliver() -> None:
        nonlocal left
        for _ in range(500):
            if left == 0:
                bench.restart(unsent=unsent)
            left -= 1
            if bench.arriving:
                bench.tell(bench.arriving.pop(0))
            elif bench.requests:
                bench.arriving.append(bench.serve(bench.requests.pop(0)))
            else:
                return

    for deed in (
        lambda: bench.enter(),
        lambda: bench.quote(Side.BUY, 20_000),
        lambda: bench.exit(Side.SELL) if bench.lots() > 0 else None,
        lambda: bench.tell(Flatten(halt_no=2, scope=Scope.ACCOUNT, cause="x")),
    ):
        deed()
        deliver()
    bench.run(30)
    bench.check_agreed()
    assert not any(bench.venue.lots.values())
    assert not bench.router.desk.state.sagas
