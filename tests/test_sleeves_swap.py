"""The host of a sleeve as a shadow, as a newcomer that takes over, and as the one before."""

from __future__ import annotations

import msgspec
import pytest

from services.sleeves.host import SleeveHost
from shared.events import (
    AuthorityGranted,
    OrderState,
    OrderVetoed,
    ParamsTuned,
    Purpose,
    ShadowAdmitted,
    Side,
    SleeveStatus,
    Started,
    VetoRule,
    WorkingOrder,
)
from shared.seats import SECOND, incarnation_of
from shared.units import SECOND as SECOND_NS
from tests.sleeves_stage import Stage, settings_for
from tests.sleeves_toys import eager, told

NEW = incarnation_of(SECOND, 200)


def admit(stage: Stage) -> None:
    number = stage.host.memory.incarnation
    stage.tell(
        ShadowAdmitted(sleeve=stage.name, incarnation=number, seat="", books=(stage.book(),))
    )


def supersede(stage: Stage, seat: str = SECOND) -> None:
    stage.tell(AuthorityGranted(sleeve=stage.name, incarnation=NEW, seat=seat))


def shadow() -> Stage:
    """An eager sleeve that decides beside another owner."""
    stage = eager(veto=VetoRule.SHADOW).open(authority=False)
    admit(stage)
    return stage


# -- beside the owner ------------------------------------------------------------------------------


def test_a_shadow_decides_and_says_so_on_every_wish() -> None:
    stage = shadow()
    stage.seconds(100, 101, 102, 103)
    assert stage.intents()
    assert all(wish.shadow for wish in stage.intents())
    assert stage.status is not None
    assert (stage.status.state, stage.status.reason) == (
        "READY", "a shadow: decides and is not obeyed",
    )  # fmt: skip


def test_a_shadow_that_is_never_obeyed_does_not_say_the_same_all_the_time() -> None:
    stage = shadow()
    stage.seconds(*range(100, 140))
    assert 40 / 5 - 1 <= len(stage.intents()) <= 40 / 5 + 1
    assert stage.host.memory.vetoes == 0, "SHADOW is no reproach"


def test_a_shadow_sees_what_the_owner_holds() -> None:
    stage = shadow()
    stage.seconds(100, 101, 102)
    stage.position.apply(1, 102)
    stage.tell(stage.book())
    assert stage.host.sleeve.position == 1
    assert told(stage)[-1] == "position 1"
    count = len(stage.intents())
    stage.seconds(*range(103, 113))
    assert len(stage.intents()) == count, "it holds what it wanted"


def test_the_owners_answers_are_not_ours_to_hear() -> None:
    stage = shadow()
    stage.seconds(100, 101, 102)
    before = list(told(stage))
    stage.refuse(f"trend.{NEW}.1", VetoRule.SIZE)
    assert told(stage) == before


def test_a_new_life_of_the_owner_does_not_end_a_shadow() -> None:
    stage = shadow()
    supersede(stage)
    stage.seconds(100, 101, 102, 103)
    assert stage.intents()


# -- taking over -----------------------------------------------------------------------------------


def test_the_newcomers_first_call_is_on_adopt_and_its_next_wish_counts_at_once() -> None:
    stage = shadow()
    stage.seconds(100, 101, 102, 103)
    stage.position.apply(1, 103)
    stage.veto = None
    count, said = len(told(stage)), len(stage.intents())
    stage.grant()
    assert told(stage)[count] == "adopt 1"
    assert told(stage).count("start") == 1, "a life starts once"
    stage.position.apply(-1, 103)
    stage.tell(stage.book())
    stage.second(104)
    (wish,) = stage.intents()[said:]
    assert not wish.shadow


def test_who_is_replaced_falls_silent_then_decides_as_a_shadow_and_may_return() -> None:
    stage = eager().open()
    stage.seconds(100, 101, 102)
    supersede(stage)
    assert stage.status is not None
    assert stage.status.state == "PAUSED"
    count = len(stage.intents())
    for order in list(stage.orders):
        stage.cancel(order)
    stage.seconds(103)
    assert len(stage.intents()) == count
    stage.veto = VetoRule.SHADOW
    admit(stage)
    stage.seconds(104)
    assert stage.intents()[-1].shadow
    stage.veto = None
    stage.grant()
    stage.seconds(105)
    assert not stage.intents()[-1].shadow
    numbers = [wish.intent_id for wish in stage.intents()]
    assert len(numbers) == len(set(numbers)), "no number is used twice"


def test_a_shadow_comes_back_as_one_under_the_same_code_and_as_a_new_life_under_other() -> None:
    stage = shadow()
    stage.seconds(100, 101, 102)
    again = SleeveHost("trend", stage.settings)
    again.restore(stage.host.snapshot())
    again.on(stage.now_ns, Started(epoch=300, fresh=False))
    assert (again.memory.shadow, again.memory.incarnation) == (True, 100)
    again.on(stage.now_ns, Started(epoch=301, fresh=False, changed=True))
    assert (again.memory.shadow, again.memory.incarnation) == (False, 301)


def test_who_takes_over_asks_for_no_change_and_no_cancel_again_that_is_on_its_way() -> None:
    stage = shadow()
    desk = stage.host.desk
    rows = tuple(
        WorkingOrder(
            intent_id=name, side=Side.BUY, size=1, filled=0, purpose=Purpose.ENTRY,
            state=OrderState.WORKING, limit_price=90,
        )
        for name in ("trend.1.1", "trend.1.2", "trend.1.3")
    )  # fmt: skip
    stage.tell(
        AuthorityGranted(
            sleeve="trend", incarnation=100, seat="", changing=("trend.1.1",),
            leaving=("trend.1.2",), books=(msgspec.structs.replace(stage.book(), working=rows),),
        )
    )  # fmt: skip
    assert not desk.modify("trend.1.1", limit=91)
    assert not desk.cancel("trend.1.2")
    assert desk.modify("trend.1.3", limit=91)
    desk.now_ns += 3 * SECOND_NS
    assert desk.modify("trend.1.1", limit=91), "nobody waits for ever"
    assert desk.cancel("trend.1.2")


# -- a swap to the same class ----------------------------------------------------------------------


def prices() -> list[int]:
    """A market that rests, breaks out, turns, rests, and breaks out the other way."""
    calm = [0, 4, -2]
    up = [10, 25, 40, 60, 55, 80, 90, 70, 60]
    down = [-10, -25, -50, -70, -60, -90, -110, -80, -60]
    return [101_600 + it for it in (*calm * 7, *up, *calm * 35, *down, *calm * 5)]


def session(stage: Stage, told_prices: list[int]) -> list[str]:
    for price in told_prices:
        stage.second(price)
    return [line for line in stage.lines if line.startswith("venue fills")]


def opened() -> Stage:
    stage = Stage("trend", settings_for("trend"))
    stage.open()
    stage.history(101_600, 14)
    return stage


def change_hands(stage: Stage) -> None:
    """Another process of the same class, that heard all of it as a shadow, takes over."""
    newcomer = SleeveHost("trend", stage.settings, SECOND)
    newcomer.on(stage.heard[0][0], Started(epoch=200, fresh=True))
    for number, (now_ns, event) in enumerate(stage.heard[1:]):
        hear(newcomer, now_ns, event)
        if number == 5:
            hear(newcomer, now_ns, ShadowAdmitted(sleeve="trend", incarnation=NEW, seat=SECOND))
    stage.host = newcomer
    stage.tell(
        AuthorityGranted(sleeve="trend", incarnation=NEW, seat=SECOND, books=(stage.book(),))
    )


def hear(newcomer: SleeveHost, now_ns: int, event) -> None:
    for word in newcomer.on(now_ns, event):
        if not isinstance(word, SleeveStatus):
            assert word.shadow
            veto = OrderVetoed(
                intent_id=word.intent_id, sleeve="trend", contract="", rule=VetoRule.SHADOW,
                limit=0, actual=0,
            )  # fmt: skip
            newcomer.on(now_ns, veto)


def test_a_swap_to_the_same_class_leaves_no_trace_in_what_is_traded() -> None:
    whole = prices()
    plain = session(opened(), whole)
    assert len(plain) >= 4, plain
    for cut in range(3, len(whole), 4):
        stage = opened()
        session(stage, whole[:cut])
        change_hands(stage)
        assert session(stage, whole[cut:]) == plain, f"swapped after second {cut}"


# -- tuning ----------------------------------------------------------------------------------------


def wish(stage: Stage, number: int = 1, **values: float) -> None:
    stage.tell(
        ParamsTuned(
            no=number, sleeve="trend", incarnation=100, values=values, by="ann", cause="test"
        )
    )


def test_a_tunable_parameter_changes_at_the_next_bar_and_survives_a_restart() -> None:
    stage = opened()
    stage.seconds(101_600)
    wish(stage, stop_ticks=33)
    assert stage.host.sleeve.params.stop_ticks == 40, "not before a bar"
    assert stage.status is not None
    assert (stage.status.tune_no, stage.status.tuned) == (1, {})
    stage.second(101_604)
    assert stage.host.sleeve.params.stop_ticks == 33
    assert stage.status.tuned == {"stop_ticks": 33}
    again = SleeveHost("trend", stage.settings)
    again.restore(stage.host.snapshot())
    assert again.sleeve.params == stage.host.sleeve.params
    assert again.snapshot() == stage.host.snapshot()


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"stop_ticks": 3}, ">= 4"),
        ({"channel_bars": 30}, "channel_bars is structural: it needs a swap"),
        ({"nonsense": 1}, "nonsense is unknown"),
        ({"trail_ticks_min": 41}, "trail_ticks_min was above trail_ticks_max"),
    ],
)
def test_what_cannot_be_tuned_says_why_and_changes_nothing(values, why) -> None:
    stage = opened()
    wish(stage, **values)
    stage.seconds(101_600, 101_604)
    assert stage.status is not None
    assert why in stage.status.untuned
    assert stage.status.tuned == {}
    assert stage.host.sleeve.params == SleeveHost("trend", stage.settings).sleeve.params


def test_a_tune_is_for_one_life_and_the_latest_word_counts() -> None:
    stage = opened()
    wish(stage, stop_ticks=33)
    wish(stage, 2, stop_ticks=34, cooldown_s=1)
    stage.tell(
        ParamsTuned(
            no=3, sleeve="trend", incarnation=99, values={"stop_ticks": 50}, by="", cause=""
        )
    )
    stage.second(101_600)
    params = stage.host.sleeve.params
    assert (params.stop_ticks, params.cooldown_s) == (34, 1.0)


def test_an_order_of_the_next_bar_is_made_with_what_was_tuned() -> None:
    stage = opened()
    session(stage, prices()[:21])
    wish(stage, stop_ticks=33)
    stage.seconds(101_610, 101_625)
    assert [one.stop_loss_ticks for one in stage.intents()] == [33]
