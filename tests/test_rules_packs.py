"""Rule packs: the firm's numbers as published, each once, and nothing unknown is permissive."""

from __future__ import annotations

import msgspec
import pytest

from services.risk_governor.core import Governor
from services.risk_governor.state import Limits
from shared import rulebook
from shared.contracts import PRODUCTS
from shared.domain.rules.inside import contradiction
from shared.domain.rules.pack import FIELDS, STRICTEST, Fact, PackError, RulePack, assemble, key_of
from shared.domain.rules.payout import largest_request, may_request
from shared.sections import RiskGovernor, SimulatedAccount
from shared.settings import Settings, SettingsError, load
from shared.units import USD

COMBINE = "topstep-50k-combine@2026-09"
RULES = "TSQ__RISK_GOVERNOR__RULES"


def facts_of(name: str) -> dict[str, Fact]:
    return {key: one.fact for key, one in rulebook.pack(name).found.items()}


def changed(name: str, key: str, fact: Fact | None) -> RulePack:
    """A pack with one fact replaced, or left out."""
    facts = facts_of(name)
    facts.pop(key)
    if fact is not None:
        facts[key] = fact
    return assemble(name, facts)


# -- the numbers -----------------------------------------------------------------------------------

NUMBERS = [  # pack, start, maximum loss, daily loss, cap, target, payout cap, with daily loss
    ("50k-combine", 50_000, 2_000, 1_000, 50, 3_000, 0, 0),
    ("100k-combine", 100_000, 3_000, 2_000, 100, 6_000, 0, 0),
    ("150k-combine", 150_000, 4_500, 3_000, 150, 9_000, 0, 0),
    ("50k-express-standard", 0, 2_000, 1_000, 50, 0, 2_000, 4_000),
    ("100k-express-standard", 0, 3_000, 2_000, 100, 0, 3_000, 6_000),
    ("150k-express-standard", 0, 4_500, 3_000, 150, 0, 5_000, 10_000),
    ("50k-express-consistency", 0, 2_000, 1_000, 50, 0, 3_000, 6_000),
    ("100k-express-consistency", 0, 3_000, 2_000, 100, 0, 4_000, 8_000),
    ("150k-express-consistency", 0, 4_500, 3_000, 150, 0, 6_000, 12_000),
    ("50k-practice", 50_000, 2_000, 1_000, 50, 0, 0, 0),
    ("100k-practice", 100_000, 3_000, 2_000, 100, 0, 0, 0),
    ("150k-practice", 150_000, 4_500, 3_000, 150, 0, 0, 0),
]


@pytest.mark.parametrize("row", NUMBERS, ids=[row[0] for row in NUMBERS])
def test_the_published_numbers(row: tuple[str, int, int, int, int, int, int, int]) -> None:
    name, *numbers = row
    found = rulebook.pack(f"topstep-{name}@2026-09").rules
    assert numbers == [
        found.start // USD,
        found.maximum_loss // USD,
        found.daily_loss // USD,
        found.position_tenths,
        found.profit_target // USD,
        found.payout_cap // USD,
        found.payout_cap_daily_loss // USD,
    ]
    assert f"{found.size // 1_000}k" == name.split("-")[0]
    assert found.stage == name.split("-")[1]


def test_these_are_all_there_are() -> None:
    assert set(rulebook.names()) == {f"topstep-{row[0]}@2026-09" for row in NUMBERS}


def test_the_paths_of_an_express_account_differ_in_what_is_counted() -> None:
    standard = rulebook.pack("topstep-50k-express-standard@2026-09").rules
    steady = rulebook.pack("topstep-50k-express-consistency@2026-09").rules
    assert (standard.winning_days, standard.traded_days, standard.consistent) == (5, 0, False)
    assert (steady.winning_days, steady.traded_days, steady.consistent) == (0, 3, True)
    assert (steady.consistency_percent, standard.winning_day) == (40, 150 * USD)
    assert rulebook.pack(COMBINE).rules.consistency_percent == 55


@pytest.mark.parametrize(("thousands", "micros"), [(50, 3), (100, 6), (150, 9)])
def test_restrictions_grow_with_the_account_and_name_known_products(
    thousands: int, micros: int
) -> None:
    found = rulebook.pack(f"topstep-{thousands}k-combine@2026-09").rules
    assert found.news_micros == micros
    assert (found.product_contracts["CL"], found.product_contracts["MCL"]) == (micros, 10 * micros)
    assert found.product_contracts["SI"] == 0
    assert set(found.product_contracts) | set(found.news_roots) <= set(PRODUCTS)


# -- evidence --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", rulebook.names())
def test_every_fact_of_every_pack_has_its_evidence(name: str) -> None:
    found = rulebook.pack(name).found
    assert set(found) == {key_of(field) for field in FIELDS}
    for key, one in found.items():
        assert one.source.strip(), key
        assert one.fact.read.startswith("20"), key
        assert one.fact.confidence != "unknown", key


def test_a_fact_is_written_once() -> None:
    """What a file says is not what the files below it say already, nor what a sister says."""
    for name in rulebook.names():
        order = rulebook._order(name, ())
        for place, file in enumerate(order):
            for key, fact in rulebook._sheet(file).facts.items():
                for other in order[:place]:
                    same = rulebook._sheet(other).facts.get(key)
                    assert same is None or same.value != fact.value, f"{file} repeats {key}"


# -- unknown is never permissive -------------------------------------------------------------------

UNKNOWN = Fact(value=10**9, source="loss", read="2026-09", confidence="unknown")


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("fact", [None, UNKNOWN], ids=["missing", "unknown"])
def test_what_nobody_knows_is_strictest_or_refused(field: str, fact: Fact | None) -> None:
    name = "topstep-50k-express-consistency@2026-09"
    if field in STRICTEST:
        assert getattr(changed(name, key_of(field), fact), field) == STRICTEST[field]
    else:
        with pytest.raises(PackError, match=f"{key_of(field)} is not known"):
            changed(name, key_of(field), fact)


@pytest.mark.parametrize("field", sorted(STRICTEST))
def test_the_strictest_value_allows_no_more_than_any_pack(field: str) -> None:
    """Per field: which way is strict. A cap is smaller, a condition is larger."""
    less = {
        "api_allowed", "position_tenths", "paid", "payout_percent", "payout_cap",
        "payout_cap_daily_loss", "split_percent", "news_micros", "contracts_notify",
        "contracts_veto", "consistency_percent", "scaling_minis",
    }  # fmt: skip
    for rules in rulebook.all_rules().values():
        known = getattr(rules, field)
        if field == "idle_days":
            assert STRICTEST[field] <= (known or STRICTEST[field]), "0 would mean none"
        elif field in less:
            assert STRICTEST[field] <= known, rules.name
        else:
            assert STRICTEST[field] >= known, rules.name


@pytest.mark.parametrize(
    "key",
    ["winning_day", "winning_days", "traded_days", "payout_profit"],
)
def test_an_unknown_condition_lets_nobody_be_paid(key: str) -> None:
    rules = changed("topstep-50k-express-consistency@2026-09", key, UNKNOWN)
    counted = 10_000 if rules.winning_day < 10**12 else 0
    assert not (
        may_request(
            (counted, max(1, rules.winning_days)),
            (10_000, rules.traded_days),
            (10**12, rules.payout_profit),
        )
    )


@pytest.mark.parametrize("key", ["payout_percent", "payout_least", "payout_cap"])
def test_an_unknown_amount_pays_nothing(key: str) -> None:
    rules = changed("topstep-50k-express-standard@2026-09", key, UNKNOWN)
    most = (rules.payout_percent, rules.payout_cap, rules.payout_least)
    assert largest_request(10**12, *most) == 0


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("maximum_loss", "2000.5.1", "maximum_loss"),
        ("maximum_loss", 2000.0, "maximum_loss"),
        ("maximum_loss", -1, "above 0"),
        ("news_before_s", "soon", "news_before_s"),
        ("scaling_minis", [2, 3], "scaling_minis"),
        ("scaling_steps", [4, 3, 2, 1], "rise"),
        ("consistency_percent", 100, "consistency_percent"),
        ("stage", "funded", "stage"),
        ("position_tenths", "many", "position_tenths"),
    ],
)
def test_a_wrong_value_is_named(key: str, value: object, says: str) -> None:
    with pytest.raises(PackError, match=says):
        changed(COMBINE, key, Fact(value=value, source="loss", read="2026", confidence="confirmed"))


def test_a_fact_no_rule_knows_is_refused() -> None:
    with pytest.raises(PackError, match="colour"):
        assemble(COMBINE, facts_of(COMBINE) | {"colour": UNKNOWN})


@pytest.mark.parametrize("text", ["[facts", "facts = 3", "[facts]\na = { value = 1 }", "[x]\n"])
def test_a_broken_file_is_named(text: str) -> None:
    with pytest.raises(PackError, match="pack mine:"):
        rulebook.parse("mine", text)


def test_an_unknown_pack_lists_those_there_are() -> None:
    with pytest.raises(PackError, match="topstep-50k-combine@2026-09"):
        rulebook.pack("topstep-7k-combine@2026-09")


# -- settings against the firm ---------------------------------------------------------------------


def risk(**changes: object) -> RiskGovernor:
    return msgspec.structs.replace(load(env={}).risk_governor, **changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"daily_loss": 1_000}, "risk_governor.daily_loss was 1000"),
        ({"daily_loss": 1_500}, "inside the firm's 1000"),
        ({"drawdown_kill": 2_000}, "risk_governor.drawdown_kill was 2000"),
        ({"account_position_tenths": 51}, "firm's cap"),
        ({"daily_loss": 999, "drawdown_kill": 1_999, "account_position_tenths": 50}, ""),
        ({"daily_loss": 1_500, "beyond_firm_daily_loss": True}, ""),
    ],
)
def test_v23_what_contradicts_the_firm_is_refused_with_the_reason(
    changes: dict[str, object], says: str
) -> None:
    given, pack = risk(**changes), rulebook.pack(COMBINE).rules
    reason = contradiction(given, pack)
    assert says in reason
    assert bool(reason) is bool(says)
    if reason:
        with pytest.raises(ValueError, match="firm's"):
            Limits(under(given, pack))


def under(given: RiskGovernor, pack: RulePack) -> Settings:
    """Whole settings with these limits, under this pack."""
    plain = load(env={})
    packs = plain.packs | {given.rules: pack}
    return msgspec.structs.replace(plain, risk_governor=given, packs=packs)


@pytest.mark.parametrize(("has_limit", "binds"), [(True, 1_000), (False, 1_500)])
def test_v23_the_override_counts_only_where_the_firm_has_no_limit(
    has_limit: bool, binds: int
) -> None:
    given = risk(daily_loss=1_500, beyond_firm_daily_loss=True, daily_loss_limit=has_limit)
    assert Limits(under(given, rulebook.pack(COMBINE).rules)).daily_loss == binds * USD


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("RULES", "topstep-7k", "$.risk_governor.rules"),
        ("DAILY_LOSS", "1500", "firm's 1000"),
        ("DRAWDOWN_KILL", "2000", "firm's 2000"),
        ("ACCOUNT_POSITION_TENTHS", "51", "firm's cap"),
        ("FLOOR_AT_LEAST", "50001", "never rises above 50000"),
    ],
)
def test_nothing_starts_with_settings_that_contradict(key: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        load(env={f"TSQ__RISK_GOVERNOR__{key}": value})
    assert says in str(refusal.value)


def test_an_account_the_interface_may_not_touch_is_refused() -> None:
    closed = changed(COMBINE, "api_allowed", UNKNOWN)
    assert "interface" in contradiction(risk(), closed)


def test_the_simulated_firm_needs_packs_too() -> None:
    accounts = '[{ name = "A", edition = "1999-01" }]'
    with pytest.raises(SettingsError, match=r"simulator\.accounts, A"):
        load(env={"TSQ__SIMULATOR__ACCOUNTS": accounts})
    steady = SimulatedAccount(name="A", stage="express", path="consistency", size=100_000)
    assert steady.rules() == "topstep-100k-express-consistency@2026-09"


def test_packs_are_no_setting_and_change_the_fingerprint() -> None:
    with pytest.raises(SettingsError, match="packs"):
        load(env={"TSQ__PACKS__MINE": "1"})
    plain = load(env={})
    other = changed(COMBINE, "maximum_loss", Fact(
        value=2_500, source="loss", read="2026-12", confidence="confirmed"))  # fmt: skip
    moved = msgspec.structs.replace(plain, packs=plain.packs | {COMBINE: other})
    assert moved.fingerprint() != plain.fingerprint()


def test_the_pack_named_is_the_one_the_governor_reckons_with() -> None:
    account = '[{ name = "SIM-50K-1", stage = "express", size = 150_000, daily_loss = true }]'
    wanted = {RULES: "topstep-150k-express-standard@2026-09"}
    settings = load(env=wanted | {"TSQ__SIMULATOR__ACCOUNTS": account})
    limits = Governor(settings).mind.limits
    assert (limits.start, limits.maximum_loss, limits.firm_daily, limits.pack.position_tenths) == (
        0, 4_500 * USD, 3_000 * USD, 150
    )  # fmt: skip
