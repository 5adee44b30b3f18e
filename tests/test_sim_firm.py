"""The firm's rules: floors, days, caps, locks, liquidations; the published examples as tests.

Numbers like V10 name the worked examples of the firm's rules. A court is an exchange whose market
is set by hand; the last part asks the whole core.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.simulator import listing
from services.simulator.bailiff import Bailiff
from services.simulator.counter import first_accounts
from services.simulator.desk import Desk
from services.simulator.dice import Delay, Dice
from services.simulator.exchange import Exchange
from services.simulator.exchange_state import ExchangeState
from services.simulator.firm import Verdict, standing
from services.simulator.market import Hours, Update
from services.simulator.matching import BookState
from services.simulator.words import Answer, Faults, FirmOrder, FirmWish
from shared import rulebook
from shared import settings as settings_module
from shared.contracts import PRODUCTS
from shared.domain.sessions import calendar
from shared.sections import SimulatedAccount, SimulatorFeed
from shared.units import SECOND, USD, micros
from shared.venue import words as venue
from shared.venue.times import time_ns
from tests.sim_stage import ACCOUNT, ES, MES, MNQ, Bench, settings_with

NQ = "CON.F.US.ENQ.Z26"
MORNING = time_ns("2026-11-18T09:35:00-06:00", "morning")


def money(text: str) -> int:
    return micros(text.replace(",", ""))


class Paper:
    """Where an account stands and the terms it is judged by, without orders or a market."""

    def __init__(
        self, stage: str, size: int, *, daily_loss: bool, enforced: bool, path: str = "standard"
    ) -> None:
        wish = SimulatedAccount(name="A", stage=stage, size=size, path=path)  # type: ignore[arg-type]
        pack = rulebook.pack(wish.rules()).rules
        self.terms, self.at = standing(pack, daily_loss=daily_loss, enforced=enforced)

    def judge(self, equity: int) -> Verdict:
        return self.at.judge(self.terms, equity)

    def end_day(self, balance: int, *, traded: bool = True, days: int = 1) -> None:
        self.at.traded = traded
        self.at.end_day(self.terms, balance, days)

    def pay(self, gross: int, balance: int) -> None:
        self.at.pay(self.terms, gross, balance)


# -- the floor -------------------------------------------------------------------------------------

FLOORS: list[tuple[str, str, int, str, str]] = [
    (
        "V01", "combine", 50_000,
        "50500 50000 51200 50900 52000 51500 53000",
        "48000 48500 48500 49200 49200 50000 50000 50000",
    ),
    ("V02", "combine", 100_000, "101000 100200 103500 102000",
     "97000 98000 98000 100000 100000"),
    ("V04", "express", 50_000, "1000 2000 1300 2600", "-2000 -1000 0 0 0"),
    ("V06", "combine", 50_000, "50400", "48000 48400"),
    ("V07", "combine", 50_000, "49300 49900", "48000 48000 48000"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("stage", "size", "balances", "floors"), [row[1:] for row in FLOORS], ids=[r[0] for r in FLOORS]
)
def test_floor_after_each_day(stage: str, size: int, balances: str, floors: str) -> None:
    firm = Paper(stage, size, daily_loss=False, enforced=True)
    seen = [firm.at.floor]
    for balance in balances.split():
        firm.end_day(money(balance))
        seen.append(firm.at.floor)
    assert [level // USD for level in seen] == [int(level) for level in floors.split()]


def test_v09_a_payout_is_no_loss_and_leaves_the_floor_at_zero() -> None:
    firm = Paper("express", 50_000, daily_loss=True, enforced=True)
    for balance in ("1000", "2500", "4000"):
        firm.end_day(money(balance))
    assert (firm.at.floor, firm.at.high, firm.at.cap) == (0, money("4000"), 50)
    firm.pay(money("2000"), money("2000"))
    assert (firm.at.floor, firm.at.high, firm.at.opened) == (0, money("2000"), money("2000"))
    assert firm.judge(money("2000")) is Verdict.FINE, "the drop is not a loss of the day"
    assert firm.at.cap == 30, "the tier falls at once: 2,000 is the middle one"


def test_a_first_payout_lifts_a_floor_below_zero() -> None:
    firm = Paper("express", 50_000, daily_loss=False, enforced=True)
    firm.end_day(money("1000"))
    assert firm.at.floor == money("-1000")
    firm.pay(money("500"), money("500"))
    assert firm.at.floor == 0
    firm.end_day(money("900"))
    assert firm.at.floor == 0, "and there it stays"


def test_v12_the_first_touch_counts_and_nothing_undoes_it() -> None:
    firm = Paper("combine", 50_000, daily_loss=False, enforced=True)
    firm.at.floor = money("48500")
    verdicts = [firm.judge(money(level)) for level in ("49000", "48499.99", "50200")]
    assert verdicts == [Verdict.FINE, Verdict.BREACHED, Verdict.FINE]
    firm.end_day(money("50200"))
    assert firm.at.breached
    assert not firm.at.trades


def test_touching_is_breaching_one_micro_above_is_not() -> None:
    firm = Paper("combine", 50_000, daily_loss=False, enforced=True)
    assert firm.judge(money("48000") + 1) is Verdict.FINE
    assert firm.judge(money("48000")) is Verdict.BREACHED


# -- the day ---------------------------------------------------------------------------------------


def test_v19_the_limit_is_measured_from_the_days_begin() -> None:
    firm = Paper("combine", 50_000, daily_loss=True, enforced=True)
    assert firm.judge(money("50800")) is Verdict.FINE
    assert firm.judge(money("49800")) is Verdict.FINE, "a thousand below the peak"
    assert firm.judge(money("49000.01")) is Verdict.FINE
    assert firm.judge(money("49000")) is Verdict.DAY_LOST


def test_v20_two_days_do_not_add_up() -> None:
    firm = Paper("combine", 50_000, daily_loss=True, enforced=True)
    assert firm.judge(money("49400")) is Verdict.FINE
    firm.end_day(money("49400"))
    assert firm.judge(money("48800")) is Verdict.FINE
    assert firm.at.floor == money("48000")


@pytest.mark.parametrize(
    ("before", "after", "labels"),
    [
        ("2025-11-03T16:59:59-06:00", "2025-11-03T17:00:00-06:00", ("2025-11-03", "2025-11-04")),
        ("2026-01-19T11:44:00-06:00", "2026-01-19T17:00:00-06:00", ("2026-01-19", "2026-01-20")),
    ],
    ids=["V63", "V73-holiday"],
)
def test_600_before_and_600_after_17_ct_are_two_sessions(
    before: str, after: str, labels: tuple[str, str]
) -> None:
    hours = Hours(calendar(settings_with().session))
    found = tuple(hours.day(time_ns(instant, "instant")).day for instant in (before, after))
    assert found == labels
    firm = Paper("combine", 50_000, daily_loss=True, enforced=True)
    assert firm.judge(money("49400")) is Verdict.FINE
    firm.end_day(money("49400"), days=hours.days_since(labels[0], time_ns(after, "after")))
    assert firm.judge(money("48800")) is Verdict.FINE


@pytest.mark.parametrize(("stage", "wanted"), [("combine", False), ("practice", True)])
def test_without_a_limit_no_day_is_lost(stage: str, wanted: bool) -> None:
    firm = Paper(stage, 50_000, daily_loss=wanted, enforced=True)
    assert firm.terms.daily_loss == 0
    assert firm.judge(money("48500")) is Verdict.FINE


def test_practice_has_no_floor() -> None:
    firm = Paper("practice", 150_000, daily_loss=True, enforced=True)
    assert firm.judge(money("1")) is Verdict.FINE
    assert firm.at.cap == 150


def test_a_lock_ends_with_the_day_a_breach_does_not() -> None:
    firm = Paper("combine", 50_000, daily_loss=True, enforced=True)
    assert firm.judge(money("48900")) is Verdict.DAY_LOST
    assert not firm.at.trades
    assert firm.judge(money("48850")) is Verdict.FINE, "said once"
    assert firm.judge(money("48000")) is Verdict.BREACHED, "the floor holds while locked"
    firm.end_day(money("48000"))
    assert not firm.at.trades


def test_not_enforced_is_never_judged() -> None:
    firm = Paper("combine", 50_000, daily_loss=True, enforced=False)
    assert firm.judge(0) is Verdict.FINE


# -- the cap ---------------------------------------------------------------------------------------


def test_v50_lots_of_an_express_account_follow_its_balance() -> None:
    firm = Paper("express", 50_000, daily_loss=False, enforced=True)
    seen = [firm.at.cap // 10]
    for balance in ("0", "1499.99", "1500", "2000", "2000.01", "1400"):
        firm.end_day(money(balance))
        seen.append(firm.at.cap // 10)
    assert seen == [2, 2, 2, 3, 3, 5, 2]


def test_v51_up_at_the_turn_of_the_day_only() -> None:
    firm = Paper("express", 50_000, daily_loss=False, enforced=True)
    firm.judge(money("1600"))
    assert firm.at.cap == 20
    firm.end_day(money("1600"))
    assert firm.at.cap == 30


@given(
    st.sampled_from(["combine", "express"]),
    st.sampled_from([50_000, 100_000, 150_000]),
    st.lists(st.integers(-3_000, 6_000), max_size=30),
)
def test_a_floor_never_falls_and_stops_at_the_lock(stage: str, size: int, days: list[int]) -> None:
    firm = Paper(stage, size, daily_loss=True, enforced=True)
    balance, before = firm.at.opened, firm.at.floor
    for change in days:
        balance += change * USD
        firm.end_day(balance)
        assert before <= firm.at.floor <= firm.at.lock
        assert (
            firm.at.floor >= firm.at.high - firm.terms.maximum_loss or firm.at.floor == firm.at.lock
        )
        before = firm.at.floor


# -- what is counted -------------------------------------------------------------------------------

V38 = ("150", "149.99", "400", "-300", "151", "150", "90", "200")


def paid_up(
    path: str, nets: tuple[str, ...], *, size: int = 50_000
) -> tuple[Paper, int, list[int]]:
    """An express account after days of these nets: it, its balance, what was payable after each."""
    firm, balance, seen = Paper("express", size, daily_loss=False, enforced=True, path=path), 0, []
    for net in nets:
        balance += money(net)
        firm.end_day(balance)
        seen.append(firm.at.largest_payout)
    return firm, balance, seen


def test_v38_five_winning_days_make_a_payout() -> None:
    firm, balance, seen = paid_up("standard", V38)
    assert (balance, firm.at.winning_days) == (money("990.99"), 5)
    assert seen == [0] * 7 + [money("495.49")]


def test_v39_half_of_what_is_left_is_too_little() -> None:
    firm, balance, _ = paid_up("standard", ("150",) * 5 + ("-520",))
    assert (balance, firm.at.winning_days, firm.at.largest_payout) == (money("230"), 5, 0)


@pytest.mark.parametrize(
    ("path", "daily_loss", "most"),
    [("standard", False, 2_000), ("consistency", False, 3_000), ("standard", True, 4_000),
     ("consistency", True, 4_500)],
)  # fmt: skip
def test_v40_what_9000_pay(path: str, daily_loss: bool, most: int) -> None:
    firm = Paper("express", 50_000, daily_loss=daily_loss, enforced=True, path=path)
    for balance in range(1_800, 9_001, 1_800):
        firm.end_day(balance * USD)
    assert firm.at.largest_payout == most * USD


def test_v42_the_day_of_the_request_does_not_count() -> None:
    firm, balance, _ = paid_up("standard", ("200",) * 5)
    firm.pay(money("300"), balance - money("300"))
    balance -= money("300")
    for count in range(6):
        balance += money("200")
        firm.end_day(balance)
        assert firm.at.winning_days == count
    assert firm.at.largest_payout == balance // 2


def test_from_the_second_payout_profit_must_be_new() -> None:
    firm, balance, _ = paid_up("standard", ("200",) * 5)
    firm.pay(money("200"), balance - money("200"))
    balance -= money("200")
    for net in ("-900", "150", "150", "150", "150", "150"):
        balance += money(net)
        firm.end_day(balance)
    assert firm.at.winning_days == 5
    assert balance < firm.at.basis
    assert firm.at.largest_payout == 0


def test_v49_the_consistency_path_forgets_what_was_before_the_payout() -> None:
    firm, balance, seen = paid_up("consistency", ("400", "350", "360"))
    assert seen == [0, 0, money("555")]
    firm.pay(money("555"), money("555"))
    firm.end_day(money("555"), traded=False)
    for balance in ("655", "755", "855"):
        firm.end_day(money(balance))
    assert (firm.at.best_day, firm.at.traded_days) == (money("100"), 3)
    assert firm.at.largest_payout == money("427.50")


def test_a_day_without_a_trade_counts_for_nothing_on_the_consistency_path() -> None:
    firm, balance, _ = paid_up("consistency", ("100", "90"))
    firm.end_day(balance, traded=False)
    assert (firm.at.traded_days, firm.at.largest_payout) == (2, 0)


@pytest.mark.parametrize(
    ("nets", "passed", "needed"),
    [
        (("1600", "1400"), True, "3000"),  # V44
        (("1700", "1300"), False, "3090.91"),  # V45
        (("1700", "1390.91"), True, "3090.91"),
        (("1650", "1350"), False, "3000.01"),  # V47
        (("1650", "1350.01"), True, "3000.01"),
        (("3000",), False, "5454.55"),
    ],
)
def test_the_combine_is_passed_by_target_and_consistency(
    nets: tuple[str, ...], passed: bool, needed: str
) -> None:
    firm, balance = Paper("combine", 50_000, daily_loss=False, enforced=True), money("50000")
    for net in nets:
        balance += money(net)
        firm.end_day(balance)
    assert (firm.at.passed, firm.at.needed_profit) == (passed, money(needed))


def test_the_target_is_seen_at_once_and_said_of_the_day() -> None:
    firm = Paper("combine", 50_000, daily_loss=False, enforced=True)
    assert firm.judge(money("52999.99")) is Verdict.FINE
    assert not firm.at.target_reached
    firm.judge(money("53000"))
    assert firm.at.target_reached
    assert firm.at.trades, "it forbids nothing"
    firm.end_day(money("52000"))
    assert (firm.at.target_reached, firm.at.passed) == (False, False)


def test_thirty_calendar_days_without_a_trade_are_too_many() -> None:
    firm = Paper("express", 50_000, daily_loss=False, enforced=True)
    for _ in range(10):
        firm.end_day(0, traded=False, days=3)
    assert (firm.at.idle_days, firm.at.idle) == (30, False)
    firm.end_day(0, traded=False)
    assert firm.at.idle
    firm.end_day(0, traded=True)
    assert (firm.at.idle_days, firm.at.idle) == (0, False)
    combine = Paper("combine", 50_000, daily_loss=False, enforced=True)
    combine.end_day(money("50000"), traded=False, days=99)
    assert not combine.at.idle, "a combine has no such limit"


def test_a_fill_makes_a_day_of_trading_and_weekends_count_as_calendar_days() -> None:
    court = Court()
    court.mark(MES, 6_000.0)
    assert not court.state.firm.traded
    assert court.place(MES, 0, 1).success
    assert court.state.firm.traded
    friday = time_ns("2026-11-20T17:00:01-06:00", "friday")
    court.bailiff.end_day("2026-11-18", time_ns("2026-11-18T17:00:01-06:00", "wednesday"))
    assert (court.state.firm.traded_days, court.state.firm.idle_days) == (1, 0)
    court.bailiff.end_day("2026-11-20", friday)
    assert court.state.firm.idle_days == 1
    court.bailiff.end_day("2026-11-23", time_ns("2026-11-23T17:00:01-06:00", "monday"))
    assert court.state.firm.idle_days == 4


# -- a court: an exchange with a market set by hand ------------------------------------------------


class Court:
    """`mark` sets bid, ask and last of a product to one price and lets the bailiff look."""

    def __init__(self, **account: Any) -> None:
        wish = SimulatedAccount(**{"name": "A", **account})
        settings = settings_with(accounts=(wish,))
        self.hours = Hours(calendar(settings.session))
        self.exchange = Exchange(
            ExchangeState(
                accounts=first_accounts(settings.simulator, settings.packs),
                books={root: BookState() for root in PRODUCTS},
                dice=Dice(1),
                faults=Faults(),
            ),
            latency=Delay(0, 0),
            slippage=0,
        )
        self.bailiff = Bailiff(self.exchange, self.hours)
        self.desk = Desk(self.exchange, self.hours, acknowledge=Delay(0, 0))
        self.account = self.exchange.account
        self.state = self.account.state
        self.now = MORNING
        self.calls = 0

    def mark(self, contract: str, price: float) -> None:
        self.exchange.on_update(self._update(contract, price))
        self.exchange.run(self.now)
        self.bailiff.look(self.now)

    def mark_quietly(self, contract: str, price: float) -> None:
        """The book alone moves; nothing follows from it yet."""
        update, book = self._update(contract, price), self.exchange.book(contract).state
        book.bid, book.ask, book.last = update.bid, update.ask, update.bid
        book.bids, book.asks = update.bids, update.asks

    def _update(self, contract: str, price: float) -> Update:
        product = self.exchange.book(contract)
        root = next(root for root, book in self.exchange.books.items() if book is product)
        count = round(price * 1e9) // PRODUCTS[root].tick_nanos
        sizes = (100,) * 10
        self.now += SECOND
        return Update(root, self.now, ((count, 1, 1),), (), True, count, count, sizes, sizes)

    def place(self, contract: str, side: int, size: int, **wish: Any) -> Any:
        self.calls += 1
        base = {"type": 2, "account_id": self.state.id}
        request = venue.PlaceOrder(contract_id=contract, side=side, size=size, **{**base, **wish})
        self.desk.place(self.now, self.calls, request)
        self.exchange.run(self.now)
        self.bailiff.look(self.now)
        answers = [word for word in self.exchange.said if isinstance(word, Answer)]
        return answers[-1].response

    def equity(self) -> str:
        return f"{self.bailiff.equity(self.account) / USD:.2f}"


def test_v10_the_first_instant_of_a_breach() -> None:
    court = Court(daily_loss=False)
    court.state.balance = court.state.start = money("50300")
    court.state.firm.floor = money("48500")
    court.mark(ES, 6_000.0)
    assert court.place(ES, 0, 1).success
    assert court.state.balance == money("50298.11")
    seen = []
    for price in (5_990.0, 5_970.0, 5_964.25):
        court.mark(ES, price)
        seen.append(court.equity())
        assert court.state.can_trade, price
    assert seen == ["49798.11", "48798.11", "48510.61"]
    court.mark(ES, 5_964.0)
    assert (court.state.can_trade, court.state.firm.breached) == (False, True)
    court.mark(ES, 5_964.0)
    assert court.account.lots(ES) == 0, "closed at market"
    assert court.state.balance == money("48498.11") - money("1.89")
    court.mark(ES, 6_100.0)
    assert not court.state.can_trade


def test_v17_fees_and_open_profit_count_for_the_day() -> None:
    court = Court(daily_loss=True)
    court.mark(MNQ, 21_000.0)
    court.mark(ES, 6_000.0)
    assert court.place(MNQ, 0, 5).success
    court.mark(MNQ, 20_980.0)
    assert court.place(MNQ, 1, 5).success
    assert court.state.balance - court.state.start == money("-206.10")
    assert court.place(ES, 0, 1).success
    assert court.state.balance - court.state.start == money("-207.99")
    nets = []
    for price in (5_990.0, 5_984.25):
        court.mark(ES, price)
        nets.append(f"{float(court.equity()) - 50_000:.2f}")
        assert court.state.can_trade
    assert nets == ["-707.99", "-995.49"]
    court.mark(ES, 5_984.0)
    assert court.equity() == "48992.01"
    assert (court.state.firm.locked, court.state.firm.breached) == (True, False)
    court.mark(ES, 5_984.0)
    assert court.account.held() == []


def test_v35_the_cap_adds_up_products_and_lets_exits_pass() -> None:
    court = Court()
    court.mark(ES, 6_000.0)
    court.mark(NQ, 21_000.0)
    court.mark(MES, 6_000.0)
    assert court.place(ES, 0, 2).success
    assert court.place(NQ, 1, 3).success
    refused = court.place(MES, 0, 1)
    assert (refused.error_code, refused.error_message) == (2, "Not enough margin.")
    assert court.place(NQ, 0, 1).success, "closing is always allowed"
    assert court.place(MES, 0, 10).success


def test_a_restricted_product_has_a_cap_of_its_own() -> None:
    mcl, silver = (listing.front(PRODUCTS[root], "2026-11-18") for root in ("MCL", "SI"))
    bench = Bench(feed=SimulatorFeed(products=("MCL", "MES", "SI"), recordings={}), regime="calm")
    bench.run(1)
    assert bench.place(mcl, size=31).error_message == "Not enough margin."
    assert bench.place(mcl, size=30).success
    bench.run(1)
    assert bench.place(mcl, size=1).error_message == "Not enough margin."
    assert bench.place(mcl, size=30, side=1).success, "closing is always allowed"
    assert bench.place(silver, size=1).error_message == "Not enough margin.", "none at all now"
    assert bench.place(MES, size=20).success, "others have the account's cap"


def test_working_orders_count_at_their_worst_side() -> None:
    court = Court()
    court.mark(MES, 6_000.0)
    below, above = {"type": 1, "limit_price": 5_990.0}, {"type": 1, "limit_price": 6_010.0}
    assert court.place(MES, 0, 50, **below).success
    assert court.place(MES, 0, 1, **below).error_message == "Not enough margin."
    assert court.place(MES, 1, 50, **above).success, "the sides of a quote are not added"


def test_the_bracket_of_a_full_position_is_no_exposure() -> None:
    court = Court()
    court.mark(MES, 6_000.0)
    stop, target = venue.BracketModel(ticks=-40, type=4), venue.BracketModel(ticks=40, type=1)
    assert court.place(MES, 0, 50, stop_loss_bracket=stop, take_profit_bracket=target).success
    assert court.place(MES, 1, 50).success, "the way out stays free beside the legs"


def test_liquidation_cancels_everything_first_and_refuses_more() -> None:
    court = Court(daily_loss=False)
    court.mark(MES, 6_000.0)
    court.place(MES, 0, 40, stop_loss_bracket=venue.BracketModel(ticks=-900, type=4))
    resting = court.place(MES, 0, 1, type=1, limit_price=5_700.0).order_id
    court.mark(MES, 5_995.0)
    assert court.state.can_trade
    court.state.firm.floor = money("49000")
    court.mark(MES, 5_995.0)
    assert not court.state.can_trade
    refused = court.place(MES, 0, 1)
    assert (refused.success, refused.error_code, refused.order_id) == (False, 4, None)
    court.mark(MES, 5_980.0)
    assert court.account.held() == []
    assert court.state.live == {}
    assert court.account.find(resting).state.name == "CANCELLED"  # type: ignore[union-attr]
    closing = court.state.done[max(court.state.done)]
    assert (closing.kind, closing.tag, closing.forced) == (2, None, True)


def test_no_second_close_while_the_firm_closes() -> None:
    court = Court(daily_loss=False)
    court.mark(MES, 6_000.0)
    court.place(MES, 0, 2)
    court.state.firm.floor = money("60000")
    court.exchange._latency = Delay(SECOND, 0)
    court.bailiff.look(court.now)
    assert [order.forced for order in court.state.live.values()] == [True]
    (closing,) = court.state.live
    court.desk.close(court.now, 77, venue.PositionClose(account_id=ACCOUNT, contract_id=MES))
    court.desk.cancel(court.now, 78, venue.CancelOrder(account_id=ACCOUNT, order_id=closing))
    told = {
        word.call_id: word.response.error_code  # type: ignore[union-attr]
        for word in court.exchange.said
        if isinstance(word, Answer)
    }
    assert (told[77], told[78]) == (5, 5)
    court.bailiff.look(court.now)
    assert len(court.state.live) == 1, "and the firm closes once"
    for _ in range(3):
        court.mark(MES, 6_000.0)
    assert court.account.held() == []


def test_two_accounts_do_not_touch_each_other() -> None:
    settings = settings_with(
        accounts=(
            SimulatedAccount(name="50KTC-V2-1"),
            SimulatedAccount(name="EXPRESS-V2-2", stage="express", size=150_000),
        )
    )
    bench = Bench(accounts=settings.simulator.accounts)
    bench.run(1)
    rows = bench.ask(venue.AccountSearch()).accounts
    assert [(row.name, row.balance) for row in rows] == [
        ("50KTC-V2-1", 50_000.0), ("EXPRESS-V2-2", 0.0)
    ]  # fmt: skip
    second = rows[1].id
    first = bench.place(custom_tag="t")
    other = bench.place(custom_tag="t", account_id=second, side=1, size=2)
    assert first.success, "a tag is the account's"
    assert other.success
    assert first.order_id != other.order_id
    bench.run(1)
    assert [row.lots for row in bench.truth().positions] == [1]
    (position,) = bench.ask(venue.PositionSearchOpen(account_id=second)).positions
    assert (position.account_id, position.type, position.size) == (second, 2, 2)
    wrong = bench.ask(venue.OrderSearchById(account_id=ACCOUNT, order_id=other.order_id))
    assert wrong.error_code == 1, "another account's order is not found"
    told = {(push.account_id, push.payload.account_id) for push in bench.pushes()
            if push.target == "GatewayUserOrder"}  # fmt: skip
    assert told == {(ACCOUNT, ACCOUNT), (second, second)}
    again = type(bench.core)(settings)
    again.restore(bench.core.snapshot())
    assert again.snapshot() == bench.core.snapshot()


# -- the whole core --------------------------------------------------------------------------------


def ask_firm(bench: Bench, wish: FirmWish, account: str = "", amount: int = 0) -> Any:
    bench.calls += 1
    order = FirmOrder(call_id=bench.calls, account=account, wish=wish, amount=amount)
    return bench.tell(order)[-1].response  # type: ignore[attr-defined]


def test_the_default_account_is_a_combine_with_its_limits() -> None:
    report = ask_firm(Bench(), FirmWish.LOOK)
    firm = report.standing
    assert (report.account, report.account_id, report.can_trade) == ("SIM-50K-1", ACCOUNT, True)
    assert (firm.stage, firm.size, firm.daily_loss, firm.cap) == ("combine", 50_000, True, 50)
    assert (firm.floor, firm.opened) == (money("48000"), money("50000"))
    assert firm.rules == "topstep-50k-combine@2026-09"


@pytest.mark.parametrize(
    "start", ["2026-11-18T15:09:55-06:00", "2026-11-27T11:59:55-06:00"], ids=["normal", "early"]
)
def test_forced_flat_at_the_firms_time(start: str) -> None:
    bench = Bench(start=start, regime="calm")
    bench.run(1)
    assert bench.place(size=2, sl=-100, custom_tag="a").success
    resting = bench.place(MNQ, type=1, limit_price=bench.book("MNQ").bid * 0.25 - 100).order_id
    bench.run(3.5)
    assert bench.truth().positions[0].lots == 2
    bench.run(1)
    truth = bench.truth()
    assert [row.lots for row in truth.positions] == [0]
    assert truth.open_orders == ()
    assert bench.order(resting).status == 3
    assert truth.can_trade, "nobody did wrong"
    last = truth.trades[-1]
    assert last.creation_timestamp.startswith(start[:11]), "closed within the second"


def test_a_lost_day_ends_at_17_ct() -> None:
    bench = Bench(start="2026-11-18T15:59:00-06:00", regime="calm")
    bench.run(1)
    state = bench.core._machines.exchange.account.state
    state.firm.opened += 2_000 * USD  # as if two thousand had been lost today
    state.fills += 1
    bench.run(0.2)
    assert not bench.truth().can_trade
    (push,) = [one for one in bench.pushes() if one.target == "GatewayUserAccount"]
    assert push.payload.can_trade is False
    (row,) = bench.ask(venue.AccountSearch(only_active_accounts=True)).accounts
    assert row.can_trade is False, "a locked account is still active"
    while bench.now < bench.core._machines.hours.day(bench.core.market_ns).reopens_ns + SECOND:
        bench.now += 60 * SECOND
        bench.run(0.02)
        if bench.truth().can_trade:
            break
    assert bench.core._machines.state.day == "2026-11-19"
    assert bench.truth().firm.opened == bench.truth().balance_micros  # type: ignore[union-attr]
    bench.run_until(lambda: bench.place().success, 7_000)


def test_a_breached_account_is_not_active() -> None:
    bench = Bench(regime="calm")
    bench.run(1)
    bench.core._machines.exchange.account.state.firm.floor = money("50000")
    assert bench.place().success
    bench.run(0.5)
    truth = bench.truth()
    assert (truth.can_trade, [row.lots for row in truth.positions]) == (False, [0])
    assert bench.ask(venue.AccountSearch(only_active_accounts=True)).accounts == ()
    assert len(bench.ask(venue.AccountSearch()).accounts) == 1
    assert bench.place().error_code == 4


def test_reset_gives_a_new_account_under_the_old_name() -> None:
    bench = Bench(regime="calm")
    bench.run(1)
    bench.place(custom_tag="x")
    bench.run(0.5)
    denied = ask_firm(bench, FirmWish.RESET)
    assert (denied.success, denied.error) == (
        False, "the account has open positions or working orders"
    )  # fmt: skip
    bench.ask(venue.PositionClose(account_id=ACCOUNT, contract_id=MES))
    bench.run(0.5)
    done = ask_firm(bench, FirmWish.RESET, "SIM-50K-1")
    assert (done.success, done.account_id, done.balance_micros) == (
        True, ACCOUNT + 1, money("50000")
    )  # fmt: skip
    assert bench.place().error_code == 1, "the old id is gone"
    assert bench.place(account_id=ACCOUNT + 1, custom_tag="x").success, "tags are free again"
    bench.run(1)
    again = type(bench.core)(settings_with(regime="calm"))
    again.restore(bench.core.snapshot())
    assert again.snapshot() == bench.core.snapshot()


def test_payouts() -> None:
    funded = SimulatedAccount(name="EXPRESS-V2-1", stage="express")
    bench = Bench(accounts=(funded, SimulatedAccount(name="PRAC-V2-1", stage="practice")))
    bench.run(1)
    assert "express" in ask_firm(bench, FirmWish.PAYOUT, "PRAC-V2-1", 200).error
    assert "no account" in ask_firm(bench, FirmWish.PAYOUT, "nobody", 200).error
    assert "0 of 5 winning days" in ask_firm(bench, FirmWish.PAYOUT, "", 200).error
    account = bench.core._machines.exchange.account
    account.state.profit += money("1000")
    account.state.balance += money("1000")
    account.state.firm.winning_days = 5
    assert "125.00 dollars at least" in ask_firm(bench, FirmWish.PAYOUT, "", 124).error
    assert "500.00 at most" in ask_firm(bench, FirmWish.PAYOUT, "", 501).error
    account.state.firm.locked = True
    assert "locked" in ask_firm(bench, FirmWish.PAYOUT, "", 500).error
    account.state.firm.locked = False
    bench.quiet()
    report = ask_firm(bench, FirmWish.PAYOUT, "", 500)
    assert (report.success, report.balance_micros) == (True, money("500"))
    assert report.received_micros == money("420"), "nine tenths less the fee of 30 (V43)"
    assert (report.standing.floor, report.standing.winning_days) == (0, 0)
    assert "0 of 5" in ask_firm(bench, FirmWish.PAYOUT, "", 125).error, "the counts begin anew"
    truth = bench.truth()
    assert truth.paid_out_micros == money("500")
    assert truth.balance_micros == (
        truth.start_micros + truth.profit_micros - truth.fees_micros - truth.paid_out_micros
    )
    assert [push.payload.balance for push in bench.pushes()] == [500.0]


def test_no_payout_over_a_weekend() -> None:
    funded = SimulatedAccount(name="EXPRESS-V2-1", stage="express")
    bench = Bench(accounts=(funded,), start="2026-11-21T12:00:00-06:00")
    state = bench.core._machines.exchange.account.state
    state.profit = state.balance = money("1000")
    state.firm.winning_days = 5
    assert "weekends" in ask_firm(bench, FirmWish.PAYOUT, "", 500).error
    assert state.balance == money("1000")


def test_an_account_keeps_its_terms_and_learns_what_is_restricted_now() -> None:
    bench = Bench()
    settings = settings_with()
    pack = settings.packs["topstep-50k-combine@2026-09"]
    other = msgspec.structs.replace(pack, maximum_loss=money("2500"), product_contracts={"MES": 1})
    changed = msgspec.structs.replace(settings, packs=settings.packs | {pack.name: other})
    again = type(bench.core)(changed)
    again.restore(bench.core.snapshot())
    state = again._machines.exchange.account.state
    assert state.terms.maximum_loss == money("2000")
    assert state.restricted == {"MES": 1}


def test_truth_of_any_account_by_name() -> None:
    bench = Bench(accounts=(SimulatedAccount(name="A"), SimulatedAccount(name="B", size=100_000)))
    from services.simulator.words import Truth

    report = bench.tell(Truth(call_id=1, account="B"))[-1].response  # type: ignore[attr-defined]
    assert (report.account, report.accounts) == ("B", ("A", "B"))
    assert report.start_micros == money("100000")
    nobody = bench.tell(Truth(call_id=2, account="C"))[-1].response  # type: ignore[attr-defined]
    assert (nobody.success, nobody.error_message) == (False, "no account is named 'C'")


def test_settings_name_accounts_once() -> None:
    with pytest.raises(ValueError, match=r"simulator\.accounts: names were \['A', 'A'\]"):
        Bench(accounts=(SimulatedAccount(name="A"), SimulatedAccount(name="A")))
    with pytest.raises(ValueError, match=r"simulator\.accounts"):
        Bench(accounts=())
    listed = '[{name = "50KTC-V2-DLL-1", daily_loss = true}, {name = "P", stage = "practice"}]'
    found = settings_module.load(env={"TSQ__SIMULATOR__ACCOUNTS": listed}).simulator.accounts
    assert [(one.name, one.stage, one.daily_loss) for one in found] == [
        ("50KTC-V2-DLL-1", "combine", True), ("P", "practice", False)
    ]  # fmt: skip
    with pytest.raises(settings_module.SettingsError, match="size"):
        settings_module.load(env={"TSQ__SIMULATOR__ACCOUNTS": '[{name = "x", size = 1}]'})


def test_an_account_added_to_the_settings_is_opened_beside_the_old_ones() -> None:
    bench = Bench()
    bench.run(1)
    bench.place()
    bench.run(1)
    more = type(bench.core)(
        settings_with(accounts=(SimulatedAccount(name="NEW"), SimulatedAccount(name="SIM-50K-1")))
    )
    more.restore(bench.core.snapshot())
    rows = more._machines.exchange.accounts.values()
    assert [(row.state.id, row.state.name, row.state.fills) for row in rows] == [
        (ACCOUNT, "SIM-50K-1", 1), (ACCOUNT + 1, "NEW", 0)
    ]  # fmt: skip


def test_without_rules_there_is_only_the_cap() -> None:
    bench = Bench(regime="calm", firm_rules=False)
    bench.run(1)
    bench.core._machines.exchange.account.state.firm.floor = money("60000")
    assert bench.place(size=50).success
    bench.run(0.5)
    assert bench.truth().can_trade
    assert bench.place(size=1).error_message == "Not enough margin."
