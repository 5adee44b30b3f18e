"""What every sleeve must keep to, as checks that run against any class: ours, yours, tomorrow's.

    from services.sleeves.contract import CHECKS

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_contract(check):
        check(MySleeve)

Each raises AssertionError with what was expected. They tell a made-up market that is the same on
every computer (`rehearsal_day.py`); parameters may be given to reach code that the defaults do not.
"""

from __future__ import annotations

import ast
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, Final

import msgspec

import services.sleeves
from services.sleeves.base import GapPolicy, Sleeve
from services.sleeves.desk import Desk
from services.sleeves.host import SleeveHost
from services.sleeves.one_trade import OneTrade
from services.sleeves.params import Parameter, parameters
from services.sleeves.rehearsal import Stage, rehearse
from services.sleeves.rehearsal_day import Day, day
from shared.events import (
    AuthorityGranted,
    Bar,
    BarOrigin,
    CancelIntent,
    Event,
    Gap,
    ModifyIntent,
    OrderIntent,
    OrderVetoed,
    Purpose,
    ShadowAdmitted,
    Started,
    VetoRule,
)
from shared.purity import impurities
from shared.seats import SECOND, incarnation_of
from shared.units import Nanos

RESTART_EVERY: Final = 23  # events; with the events of a step no whole number, so all are met
HANDS_EVERY: Final = 149  # events between two instants of a swap
HANDS_STEPS: Final = 150
CARD: Final = ("Edge.", "Regime.", "Worst day.", "Fees.", "Disabled by.")
BASES: Final = (Sleeve, OneTrade)  # what sleeves are made of; they decide nothing by themselves
HANDLERS: Final = tuple(name for name in sorted(vars(Sleeve)) if name.startswith("on_"))

Story = list[tuple[Nanos, Event]]
Check = Callable[..., None]


def every_sleeve() -> list[type[Sleeve]]:
    """Every class of this room that is a sleeve by itself, whatever file it was put in."""
    found: list[type[Sleeve]] = []
    for module in pkgutil.walk_packages(services.sleeves.__path__, "services.sleeves."):
        if module.name.endswith("__main__"):
            continue
        for value in vars(import_module(module.name)).values():
            own = isinstance(value, type) and issubclass(value, Sleeve)
            if own and value not in BASES and value.__module__ == module.name:
                found.append(value)
    return found


def is_pure(kind: type[Sleeve], **params: Any) -> None:
    """No clocks, dice, files, threads, nor unordered loops in the module of the class."""
    for base in kind.__mro__:
        if base is Sleeve:
            return
        tree = ast.parse(inspect.getsource(sys.modules[base.__module__]))
        found = list(impurities(tree))
        assert not found, f"{base.__module__}:{'; '.join(found)}"


def has_a_card(kind: type[Sleeve], **params: Any) -> None:
    """The docstring of its module says what a trader asks before letting it run."""
    text = inspect.getdoc(sys.modules[kind.__module__]) or ""
    for heading in CARD:
        assert f"\n{heading}" in f"\n{text}", f"{kind.__module__} has no paragraph {heading!r}"


def parameters_are_bounded(kind: type[Sleeve], **params: Any) -> None:
    """Every parameter has a default within a range; at its ends the sleeve works or says why not;
    a tunable one changes neither the warm-up nor an empty view.
    """
    default = _made(kind, {})
    assert default is not None, "the defaults contradict each other"
    for parameter in parameters(kind.Params):
        bounded = parameter.choices or parameter.type == "bool"
        assert bounded or None not in (parameter.low, parameter.high), f"{parameter.name}: no range"
        for value in _ends(parameter):
            found = _made(kind, {parameter.name: value})
            if found is None or not parameter.tunable:
                continue
            same = (found.warmup, found.view, found.listens)
            assert same == (default.warmup, default.view, default.listens), (
                f"{parameter.name} is marked tunable and shapes the memory"
            )


def _ends(parameter: Parameter) -> tuple[Any, ...]:
    if parameter.choices:
        return parameter.choices
    if parameter.low is None or parameter.high is None:
        return (False, True)
    inward = 1 if parameter.type == "int" else (parameter.high - parameter.low) / 1_000
    low = parameter.low + inward * parameter.low_open
    high = parameter.high - inward * parameter.high_open
    return (int(low), int(high)) if parameter.type == "int" else (float(low), float(high))


def _made(kind: type[Sleeve], table: dict[str, Any]) -> Sleeve | None:
    """The sleeve with these parameters; None if it says that they contradict each other."""
    params = msgspec.convert(table, kind.Params, strict=True)
    try:
        return kind(Desk("check", kind.contracts_max), params)
    except ValueError:
        return None


def warms_up(kind: type[Sleeve], **params: Any) -> None:
    """Silent until warm; history leaves no state; history and live bars make the same view."""
    cold = rehearse(kind, **params)
    if kind.warmup or cold.host.sleeve.warmup:
        assert cold.host.memory.state != "READY", "ready without its warm-up"
        cold.tick(20_000)
        assert not _orders(cold.said), "spoke before it was warm"
    before = msgspec.msgpack.encode(cold.host.sleeve.state)
    warm = rehearse(kind, **params)
    Day(warm, seed=1)
    assert warm.host.memory.state == "READY", warm.host.memory.reason
    assert not _orders(warm.said), "history caused an order"
    live = rehearse(kind, **params)
    for now_ns, event in warm.heard:
        if isinstance(event, Bar):
            live.now_ns = now_ns
            live.host.mind.learn(_root_of(live, event), _as(event, BarOrigin.LIVE))
    assert msgspec.msgpack.encode(live.host.sleeve.state) == before, "learn touched the state"
    again = rehearse(kind, **params)
    for now_ns, event in warm.heard:
        if isinstance(event, Bar):
            again.now_ns = now_ns
            again.host.mind.learn(_root_of(again, event), event)
    assert again.host.sleeve.view == live.host.sleeve.view, "history and live bars differ"


def _root_of(stage: Stage, bar: Bar) -> str:
    return next((r for r, c in stage.host.memory.others.items() if c == bar.contract), "")


def _as(bar: Bar, origin: BarOrigin) -> Bar:
    return msgspec.structs.replace(bar, origin=origin)


def same_story_same_words(kind: type[Sleeve], **params: Any) -> None:
    """Told twice, it answers twice the same, word for word."""
    stage = day(kind, **params)
    first, second = _told(stage, stage.heard), _told(stage, stage.heard)
    assert first == second, "the same story got other words"
    assert [word for words in first for word in words] == stage.said, "a fresh host says otherwise"


def restarts_without_trace(kind: type[Sleeve], **params: Any) -> None:
    """Reborn from a snapshot every few events, it says what it would have said."""
    stage = day(kind, **params)
    plain = [word for words in _told(stage, stage.heard) for word in words]
    reborn = _told(stage, stage.heard, restart_every=RESTART_EVERY)
    said = [word for words in reborn for word in words]
    for was, word in zip(plain, said, strict=False):
        assert word == was, f"after restarts it says {word}, not {was}"
    assert len(said) == len(plain), f"after restarts it says {len(said)} words, not {len(plain)}"


def does_not_look_ahead(kind: type[Sleeve], **params: Any) -> None:
    """What it says of the past is the same whatever comes after, also in the same process."""
    stage = day(kind, **params)
    other = day(kind, seed=2, **params)
    words = _told(stage, stage.heard)
    for cut in (len(words) // 3, 2 * len(words) // 3):
        changed = stage.heard[:cut] + other.heard[cut:]
        assert _told(stage, changed)[:cut] == words[:cut], f"the future after event {cut} shows"


def handles_gaps(kind: type[Sleeve], **params: Any) -> None:
    """A gap pauses nothing, and what rests is pulled unless `gap_policy` keeps it."""
    stage = rehearse(kind, **params)
    made = Day(stage, seed=1)
    for _ in range(150):
        made.step()
        if stage.host.sleeve.working:
            break
    gap = Gap(contract="", start_ns=stage.now_ns - 1, end_ns=stage.now_ns, reason="checked")
    stage.tell(gap)
    assert not stage.host.memory.fault, stage.host.memory.fault
    assert stage.host.sleeve.quote_now is None, "a quote from before the gap is still trusted"
    asked = [order for order in stage.host.sleeve.working if not order.cancel_ns]
    assert not asked or kind.gap_policy is GapPolicy.KEEP, f"{asked} rest across a gap"
    made.run(20)
    assert stage.host.memory.state == "READY", stage.host.memory.reason


def ends_the_session_flat(kind: type[Sleeve], **params: Any) -> None:
    """After the last entry nothing opens; after the flatten nothing is held, resting or asked."""
    stage = rehearse(kind, **params)
    made = Day(stage, seed=1)
    made.run(200)
    said = len(stage.said)
    made.end()
    late = [w for w in _orders(stage.said[said:]) if w.purpose is not Purpose.EXIT]
    assert not late, f"asked after the last entry: {late[0]}"
    assert not stage.position.lots, "the venue holds a position"
    assert stage.host.sleeve.idle, f"it does not know that it is flat: {stage.host.sleeve.orders}"
    assert not stage.orders, f"left at the venue: {list(stage.orders)}"


def changes_hands_without_trace(kind: type[Sleeve], **params: Any) -> None:
    """Replaced by its like, that listened as a shadow, it trades what it would have traded.

    Asked at instants when none of its wishes is open: what rests is an earlier life's, and whether
    it is pulled is for `on_adopt` to say.
    """
    plain = day(kind, steps=HANDS_STEPS, **params)
    for cut in range(HANDS_EVERY // 2, len(plain.heard), HANDS_EVERY):
        stage = rehearse(kind, **params)
        _swaps_at(stage, cut)
        Day(stage, seed=1).run(HANDS_STEPS)
        assert not stage.host.memory.fault, stage.host.memory.fault
        found, expected = _fills(stage), _fills(plain)
        assert found == expected, f"swapped after event {cut} it trades {found}, not {expected}"


def _swaps_at(stage: Stage, cut: int) -> None:
    """Once `stage` has heard so many events and nothing of ours is open, another takes over."""
    tell, new = stage.tell, incarnation_of(SECOND, stage.epoch + 1)

    def telling(event: Event) -> list[Event]:
        said = tell(event)
        due = len(stage.heard) >= cut and stage.host.memory.incarnation != new
        orders = stage.host.sleeve.orders.values()
        if due and all(order.over or order.protective for order in orders):
            _change_hands(stage, new)
        return said

    stage.tell = telling  # type: ignore[method-assign]


def _change_hands(stage: Stage, new: int) -> None:
    """A host of the same class, told as a shadow all that the owner heard, is granted its books."""
    name = stage.name
    newcomer = SleeveHost(name, stage.settings, SECOND)
    for now_ns, event in stage.heard:
        if isinstance(event, Started):
            event = msgspec.structs.replace(event, epoch=stage.epoch + 1)
        said = newcomer.on(now_ns, event)
        if isinstance(event, AuthorityGranted):
            said = newcomer.on(
                now_ns,
                ShadowAdmitted(sleeve=name, incarnation=new, seat=SECOND, books=event.books),
            )
        for wish in said:
            if isinstance(wish, OrderIntent | ModifyIntent | CancelIntent):
                newcomer.on(now_ns, _as_a_shadows(wish))
    stage.host = newcomer
    granted = AuthorityGranted(sleeve=name, incarnation=new, seat=SECOND, books=(stage.book(),))
    stage.host.on(stage.now_ns, granted)


def _as_a_shadows(wish: OrderIntent | ModifyIntent | CancelIntent) -> OrderVetoed:
    return OrderVetoed(
        intent_id=wish.intent_id, sleeve=wish.sleeve, contract="", rule=VetoRule.SHADOW,
        limit=0, actual=0,
    )  # fmt: skip


def _fills(stage: Stage) -> list[str]:
    return [line for line in stage.lines if line.startswith("venue fills")]


def keeps_to_its_size(kind: type[Sleeve], **params: Any) -> None:
    """Never more than `contracts_max` on a side, and every entry that is no quote has a stop."""
    stage = day(kind, **params)
    for word in stage.said:
        if isinstance(word, OrderIntent):
            assert 1 <= word.size <= kind.contracts_max, word
            protected = word.stop_loss_ticks is not None or word.purpose is not Purpose.ENTRY
            assert protected, f"an entry without a stop: {word}"
    assert not stage.host.memory.flooded, "it asked more than a sleeve may"


def is_contained(kind: type[Sleeve], **params: Any) -> None:
    """Whichever handler raises: the sleeve is paused with the reason, and nothing escapes."""
    for name in (*HANDLERS, "learn"):
        if getattr(kind, name) is getattr(Sleeve, name):
            continue
        stage = rehearse(kind, **params)
        made = Day(stage, seed=1)
        made.run(30)
        setattr(stage.host.sleeve, name, _falls)
        for _ in range(150):
            made.step()
            if stage.host.memory.fault:
                break
        if stage.host.memory.fault:
            assert "RuntimeError: fell" in stage.host.memory.fault, stage.host.memory.fault
            after = len(stage.said)
            made.run(5)
            assert not _orders(stage.said[after:]), f"spoke on after {name} fell"


def _falls(*_told: object) -> None:
    raise RuntimeError("fell")


# -- telling ---------------------------------------------------------------------------------------


def _told(stage: Stage, story: Story, restart_every: int = 0) -> list[list[Event]]:
    """What a new host says to each event of a story, perhaps reborn now and then."""
    host = SleeveHost(stage.name, stage.settings)
    said = []
    for number, (now_ns, event) in enumerate(story):
        if restart_every and number % restart_every == restart_every - 1:
            reborn = SleeveHost(stage.name, stage.settings)
            reborn.restore(host.snapshot())
            host = reborn
        said.append(list(host.on(now_ns, event)))
    return said


def _orders(said: Iterable[Event]) -> list[OrderIntent]:
    return [word for word in said if isinstance(word, OrderIntent)]


CHECKS: Final[tuple[Check, ...]] = (
    is_pure,
    has_a_card,
    parameters_are_bounded,
    warms_up,
    same_story_same_words,
    restarts_without_trace,
    does_not_look_ahead,
    handles_gaps,
    ends_the_session_flat,
    changes_hands_without_trace,
    keeps_to_its_size,
    is_contained,
)
