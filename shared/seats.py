"""Two seats for every sleeve, so that a newcomer can sit beside the one it is to replace.

A seat is a process with its own name, and so with its own journal, lock, sockets and heartbeat. The
first is `sleeve_<name>`, the second `sleeve_<name>.b`; who hears sleeves hears both from its start
and does not mind an empty one, so that a swap restarts nobody. Which seat speaks for the sleeve is
the governor's to say (`AuthorityGranted.seat`); the other one, if taken, is a shadow.
"""

from __future__ import annotations

from typing import Final

PREFIX: Final = "sleeve_"
FIRST: Final = ""
SECOND: Final = "b"
NOBODY: Final = "-"  # the seat that owns a sleeve which was removed: no process ever sits there
NO_LIFE: Final = -1  # its incarnation: no order can bear it
SECOND_LIVES: Final = 1 << 40  # beyond every epoch, which are seconds since 1970


def actor_of(sleeve: str, seat: str) -> str:
    """The name of the process in a seat."""
    return f"{PREFIX}{sleeve}.{seat}" if seat else PREFIX + sleeve


def seat_of(actor: str) -> tuple[str, str]:
    """(sleeve, seat) of an actor's name; ("", "") when it is no sleeve's."""
    if not actor.startswith(PREFIX):
        return "", ""
    name = actor.removeprefix(PREFIX)
    sleeve, dot, seat = name.rpartition(".")
    return (sleeve, seat) if dot and seat == SECOND else (name, FIRST)


def incarnation_of(seat: str, epoch: int) -> int:
    """The number of a life that began with its process's `epoch`: never one of the other seat's,
    because it is part of the names of orders.
    """
    return epoch + SECOND_LIVES if seat else epoch


def second(sleeve: str) -> str:
    """The process in a sleeve's second seat."""
    return actor_of(sleeve, SECOND)


def other(seat: str) -> str:
    return FIRST if seat else SECOND


def actors(sleeve: str) -> tuple[str, str]:
    """Both processes of a sleeve."""
    return actor_of(sleeve, FIRST), second(sleeve)
