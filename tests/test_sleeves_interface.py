"""The rest of the author's interface: sizes by risk, finer handlers, old states, what is off."""

from __future__ import annotations

import sys

import msgspec
import pytest
from msgspec import Struct

from services.sleeves.base import GapPolicy, Sleeve
from services.sleeves.desk import INTENTS_PER_SECOND
from services.sleeves.host import SleeveHost
from services.sleeves.mind import STATE_MAX
from shared.events import Gap, OrderState, Purpose, Side, SleeveStatus
from shared.runtime import lanes
from shared.settings import SettingsError
from shared.units import SECOND
from tests.sleeves_stage import T0, Stage, settings_for

HERE = __name__
MINE = "mine_of_an_author:Mine"


class Doer(Sleeve):
    """Does at each bar what the test says, and notes what it is told of its orders."""

    contracts_max = 3
    acts: list = []
    notes: list = []

    def on_bar(self, bar):
        while Doer.acts:
            Doer.notes.append(Doer.acts.pop(0)(self))

    def on_order_rejected(self, update):
        Doer.notes.append("rejected")

    def on_order_cancelled(self, update):
        Doer.notes.append("cancelled")

    def on_order_unknown(self, update):
        Doer.notes.append("unknown")

    def on_order(self, update):
        Doer.notes.append(update.state.value)


def staged(name: str = "Doer", **params) -> Stage:
    stage = Stage("trend", settings_for("trend", f"{HERE}:{name}", **params)).open()
    stage.tick(100)
    return stage


def do(stage: Stage, *acts):
    Doer.acts, Doer.notes = list(acts), []
    stage.now_ns += SECOND
    stage.bar(100)
    return Doer.notes


# -- sizes and forms -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("risk", "size"),
    [(10.0, 1), (18.43, 1), (18.44, 2), (1_000.0, 3)],
    # a stop of 16 ticks at 0.50 and fees of 1.22 make 9.22 a contract
)
def test_a_size_by_risk_counts_the_stop_and_the_fees_and_stays_within_the_limit(risk, size):
    stage = staged()
    do(stage, lambda s: s.buy(risk=risk, sl_ticks=16))
    assert [intent.size for intent in stage.intents()] == [size]


def test_a_risk_too_small_for_one_contract_asks_for_nothing():
    stage = staged()
    assert do(stage, lambda s: s.buy(risk=9.0, sl_ticks=16))[0] == ""
    assert not stage.intents()


@pytest.mark.parametrize(
    "act",
    [
        lambda s: s.buy(risk=50.0),
        lambda s: s.buy(risk=float("nan"), sl_ticks=16),
        lambda s: s.buy(1.5, sl_ticks=16),
        lambda s: s.buy(True, sl_ticks=16),
        lambda s: s.buy(limit=99.5, sl_ticks=16),
        lambda s: s.buy(sl_ticks=16.0),
        lambda s: s.buy(sl_ticks=16, reason=["no", "text"]),
        lambda s: s.quote(99.5, None),
        lambda s: s.modify("trend.100.1", limit=99.5),
        lambda s: s.log(5),
        lambda s: s.number("z", float("nan")),
        lambda s: s.number(5, 5),
    ],
)
def test_what_is_no_whole_number_and_no_text_never_leaves_the_sleeve(act):
    stage = staged()
    do(stage, act)
    assert stage.status is not None
    assert stage.status.state == "PAUSED"
    assert "on_bar raised ValueError" in stage.status.reason
    assert not stage.intents()


def test_leaving_altogether_pulls_what_rests_and_closes_what_is_held():
    stage = staged()
    do(stage, lambda s: s.buy(sl_ticks=8), lambda s: s.buy(limit=90, sl_ticks=8))
    stage.story()
    do(stage, lambda s: s.flatten("enough"))
    assert stage.story()[:2] == ["CANCEL #2 (enough)", "#4 SELL 1 MARKET EXIT (enough)"]
    assert stage.position.lots == 0


def test_verbs_return_the_names_of_their_wishes():
    stage = staged()
    (both,) = [note for note in do(stage, lambda s: s.quote(95, 105)) if isinstance(note, tuple)]
    assert both == ("trend.100.1", "trend.100.2")
    (gone,) = [n for n in do(stage, lambda s: s.cancel(both[0])) if n.startswith("trend")]
    assert gone == "trend.100.3"
    do(stage, lambda s: s.cancel_all("all"))
    assert stage.story()[-1] == "CANCEL #2 (all)"


# -- handlers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["REJECTED", "CANCELLED", "UNKNOWN"])
def test_the_finer_handler_of_an_order_comes_before_the_general_one(state):
    stage = staged()
    do(stage, lambda s: s.buy(limit=90, sl_ticks=8))
    Doer.notes = []
    stage.update(next(iter(stage.orders.values())), OrderState[state])
    assert Doer.notes == [state.lower(), state]


class Tick(Sleeve):
    def on_tick(self, tick):
        """As other platforms have it."""


class Bars(Sleeve):
    def on_bars(self, bar):
        """A slip of the pen."""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Tick", r"on_tick is no handler \(on_quote or on_trade here\); there are on_adopt"),
        ("Bars", r"on_bars is no handler; there are on_adopt, on_bar, "),
    ],
)
def test_a_handler_that_would_never_be_called_refuses_to_start(name, message):
    with pytest.raises(SettingsError, match=message):
        SleeveHost("trend", settings_for("trend", f"{HERE}:{name}"))


class Stubborn(Doer):
    gap_policy = GapPolicy.KEEP


class Careful(Doer):
    gap_policy = GapPolicy.FLATTEN


@pytest.mark.parametrize(
    ("name", "story"),
    [
        ("Doer", ["CANCEL #2 (market data was missed)"]),
        ("Stubborn", []),
        (
            "Careful",
            [
                "CANCEL #2 (market data was missed)",
                "#4 SELL 1 MARKET EXIT (market data was missed)",
            ],
        ),
    ],
)
def test_the_gap_policy_says_what_becomes_of_orders_and_position(name, story):
    stage = staged(name)
    do(stage, lambda s: s.buy(sl_ticks=8), lambda s: s.buy(limit=90, sl_ticks=8))
    stage.story()
    stage.tell(Gap(contract=stage.contract, start_ns=T0, end_ns=stage.now_ns, reason="test"))
    assert [line for line in stage.story() if "-" not in line and "venue" not in line] == story


def test_leaving_by_the_program_is_contained_like_any_other_fault():
    stage = staged()
    do(stage, lambda s: (_ for _ in ()).throw(SystemExit(3)))
    assert stage.status is not None
    assert stage.status.reason == "on_bar raised SystemExit: 3"


# -- states of older versions ----------------------------------------------------------------------


class Counting(Sleeve):
    class State(Struct):
        bars: int = 0

    def on_bar(self, bar):
        self.state.bars += 1


class Renamed(Sleeve):
    """The same sleeve, later: its state has another shape and says what the old one becomes."""

    state_version = 2

    class State(Struct):
        closed_bars: int = 0

    @classmethod
    def migrate(cls, version, data):
        if version != 1:
            raise ValueError(f"no idea what version {version} was")
        return {"closed_bars": data["bars"]}

    def on_bar(self, bar):
        self.state.closed_bars += 1


def snapshot_of_a_counting_sleeve() -> bytes:
    stage = Stage("trend", settings_for("trend", f"{HERE}:Counting")).open()
    stage.seconds(100, 101, 102)
    return stage.host.snapshot()


def as_later_code(snapshot: bytes, **changes) -> bytes:
    """The snapshot as if it were of the class that `Renamed` was once."""
    saved = msgspec.msgpack.decode(snapshot)
    return msgspec.msgpack.encode({**saved, "implementation": f"{HERE}:Renamed", **changes})


def test_a_state_of_an_older_version_goes_through_migrate():
    host = SleeveHost("trend", settings_for("trend", f"{HERE}:Renamed"))
    host.restore(as_later_code(snapshot_of_a_counting_sleeve()))
    assert host.sleeve.state == Renamed.State(closed_bars=3)


@pytest.mark.parametrize(
    "changes",
    [{"state_version": 7}, {"state": b"\xc1"}, {"state": msgspec.msgpack.encode({"rabs": 3})}],
)
def test_a_state_that_cannot_be_read_is_never_guessed(changes):
    host = SleeveHost("trend", settings_for("trend", f"{HERE}:Renamed"))
    before = host.snapshot()
    with pytest.raises(ValueError, match="snapshot does not fit sleeve trend"):
        host.restore(as_later_code(snapshot_of_a_counting_sleeve(), **changes))
    assert host.snapshot() == before


class Leaky(Sleeve):
    class State(Struct):
        kept: list = []

    def on_bar(self, bar):
        self.state.kept.append(object() if bar.close == 1 else bytes(bar.close))
        if self.idle:
            self.buy(limit=50, sl_ticks=8)


@pytest.mark.parametrize(
    ("close", "reason"),
    [(1, "its state cannot be saved"), (STATE_MAX + 1, "its state has 1048")],
)
def test_a_state_that_would_not_survive_a_restart_pauses_the_sleeve(close, reason):
    stage = Stage("trend", settings_for("trend", f"{HERE}:Leaky")).open()
    stage.tick(100)
    stage.bar(close)
    for quarter in range(30):
        stage.pulse(quarter / 4)
    assert stage.status is not None
    assert stage.status.state == "PAUSED"
    assert stage.status.reason.startswith(reason)
    assert stage.story()[-1] == "CANCEL #1 (the sleeve is paused)"
    assert not stage.orders
    stage.host.snapshot()


# -- what the settings keep from trading -----------------------------------------------------------


def changed(stage_name: str, *, environment: str = "SIM", tiers=(1, 2, 3), **section):
    settings = settings_for(stage_name)
    own = msgspec.structs.replace(settings.sleeves[stage_name], **section)
    return msgspec.structs.replace(
        settings,
        venue=msgspec.structs.replace(settings.venue, environment=environment),
        sleeves={**settings.sleeves, stage_name: own},
        orchestrator=msgspec.structs.replace(settings.orchestrator, tiers=tiers),
    )


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (changed("market_maker", enabled=False), "sleeves.market_maker.enabled is false"),
        (changed("market_maker", tier=2, tiers=(1,)), "orchestrator.tiers does not run tier 2"),
        (changed("market_maker", environment="DEMO"), "off on real accounts unless sleeves."),
        (changed("market_maker", environment="LIVE"), "off on real accounts unless sleeves."),
    ],
)
def test_a_sleeve_the_settings_keep_from_trading_says_why_and_nothing_else(settings, reason):
    stage = Stage("market_maker", settings).open()
    stage.seconds(*[24_500, 24_501] * 15)
    assert stage.status is not None
    assert (stage.status.state, stage.status.reason[: len(reason)]) == ("PAUSED", reason)
    assert not stage.intents()


@pytest.mark.parametrize(
    "settings",
    [
        changed("market_maker", environment="DEMO", real_accounts=True),
        changed("market_maker", tier=2, tiers=(2,)),
    ],
)
def test_and_trades_where_they_let_it(settings):
    stage = Stage("market_maker", settings).open()
    stage.seconds(*[24_500, 24_501] * 15)
    assert {intent.purpose for intent in stage.intents()} == {Purpose.QUOTE}
    assert {intent.side for intent in stage.intents()} == {Side.BUY, Side.SELL}


def test_only_sleeves_of_the_chosen_tiers_are_part_of_the_cast():
    settings = changed("trend", tier=3, tiers=(1,))
    assert settings.running_sleeves() == ("market_maker", "mean_reversion", "tail_hedge")


# -- what it may do to the others ------------------------------------------------------------------


class Fickle(Sleeve):
    """Changes its mind at every quote."""

    def on_quote(self, quote):
        if quote.bid % 2:
            self.quote(quote.bid - 5, quote.ask + 5)
        else:
            self.quote(None, None)


def test_a_thousand_changes_of_mind_in_a_second_are_a_few_words() -> None:
    stage = Stage("trend", settings_for("trend", f"{HERE}:Fickle")).open()
    for number in range(1_000):
        stage.now_ns += SECOND // 1_000
        stage.tick(100 + number % 2)
    words = [word for word in stage.said if not isinstance(word, SleeveStatus)]
    assert 0 < len(words) <= 3 * INTENTS_PER_SECOND  # a cancel for each order is not counted
    assert len(stage.orders) <= 2


def test_another_file_of_an_author_is_other_code(tmp_path, monkeypatch) -> None:
    """What a life decided under other code is never decided again."""
    monkeypatch.syspath_prepend(str(tmp_path))
    text = "from services.sleeves.base import Sleeve\nclass Mine(Sleeve):\n    edge = {}\n"
    hashes = []
    for edge in (1, 2):
        (tmp_path / "mine_of_an_author.py").write_text(text.format(edge))
        lanes._hash_of.cache_clear()
        hashes.append(lanes.code_hash(SleeveHost("trend", settings_for("trend", MINE))))
    assert hashes[0] != hashes[1]
    sys.modules.pop("mine_of_an_author")
