"""Events of the hubs on their way to who listens: told as late as the settings say.

Held back in the order they were said; none overtakes another, of either hub. What is on its way is
part of the memory, so a restart loses nothing. Resolution is one step of market time.
"""

from __future__ import annotations

from msgspec import Struct

from services.simulator.dice import Delay, Dice
from services.simulator.words import Moved, UserPush
from shared.core import Word
from shared.units import Nanos

PUSHES = (UserPush, Moved)


class Held(Struct):
    """An event and when it is due."""

    due_ns: Nanos
    word: UserPush | Moved


class StreamState(Struct):
    dice: Dice
    held: list[Held] = []


class Stream:
    def __init__(self, state: StreamState, delay: Delay) -> None:
        self._state = state
        self._delay = delay
        self._instant = not delay.base_ns and not delay.spread_ns

    def due(self, now_ns: Nanos, said: list[Word]) -> tuple[Word, ...]:
        """What leaves now of what was just said and of what was held back; the rest is kept."""
        held = self._state.held
        if self._instant and not held:
            return tuple(said)
        out: list[Word] = []
        due_ns = now_ns + self._delay.draw(self._state.dice) if said else now_ns
        if held:
            due_ns = max(due_ns, held[-1].due_ns)
        for word in said:
            if isinstance(word, PUSHES):
                held.append(Held(due_ns, word))
            else:
                out.append(word)
        count = 0
        while count < len(held) and held[count].due_ns <= now_ns:
            out.append(held[count].word)
            count += 1
        del held[:count]
        return tuple(out)
