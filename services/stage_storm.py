"""A storm of changes: sleeves swapped, tuned and removed right after any event, in any weather.

`stage_swap` asks of one swap in fair weather that it leaves no trace. In a World with accidents
nothing can be compared so, but everything that every World promises can be asked while owners
change all the time, also while governor, router or the sleeve's own processes are dead, frozen or
unheard, and after a restart: one owner at any instant, no order twice, every approval answered,
books equal to the venue's, no position without its stop, flat in the end.

The word is said right after an event, before anybody else has heard of it, as in the sweep.
"""

from __future__ import annotations

from random import Random

from services.risk_governor.words import OperatorCommand, Verb
from services.stage_busy import settings_for
from services.stage_swap import Owners
from shared.events import Event, ParamsTuned
from shared.seats import FIRST, SECOND, second
from shared.settings import Settings
from shared.units import Nanos

SALT = 0x570A
ASKED = 0.01  # of all events somebody wants a change right after it
VERBS = (*[Verb.SWAP] * 17, *[Verb.TUNE] * 2, Verb.REMOVE)  # who was removed is swapped in again


class SwapStorm(Owners):
    """The checks of every World and of owners, and somebody who changes sleeves all the time."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.settings: Settings = settings_for(seed)
        self.names = self.settings.running_sleeves()
        self.dice = Random(seed ^ SALT)
        self.wishes = self.tunes = 0

    @property
    def also(self) -> tuple[str, ...]:
        """The second seats: they sit there from the start, as shadows."""
        return tuple(map(second, self.names))

    @property
    def swaps(self) -> int:
        return self.grants["swap by test"]

    def said(self, lane: str, seq: int, now_ns: Nanos, event: Event) -> None:
        super().said(lane, seq, now_ns, event)
        self.tunes += isinstance(event, ParamsTuned)
        if self.world is not None and self.names and self.dice.random() < ASKED:
            self.world.after(0, self._wish)

    def _wish(self) -> None:
        assert self.world is not None, "attend a world first"
        self.wishes += 1
        sleeve, verb = self.dice.choice(self.names), self.dice.choice(VERBS)
        seat = FIRST if self.seats.get(sleeve) == SECOND else SECOND
        values: dict[str, int | float | bool | str] = {"stop_ticks": self.dice.randint(1, 100)}
        self.world.inject(
            "risk_governor",
            OperatorCommand(
                command_id=self.wishes, verb=verb, who="test", cause="a storm", sleeve=sleeve,
                seat=seat if verb is Verb.SWAP else "",
                values=values if verb is Verb.TUNE else {},
            ),
        )  # fmt: skip
