"""The whole simulator core asked about its firm: accounts, days that end, payouts, settings."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.simulator.words import FirmOrder, FirmWish
from shared import settings as settings_module
from shared.sections import SimulatedAccount
from shared.units import SECOND, USD
from shared.venue import words as venue
from tests.sim_firm_stage import money
from tests.sim_stage import ACCOUNT, MES, MNQ, Bench, settings_with


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
