"""The cast: who plays, and how each core is made from the settings. The only composition list.

Processes, replay, the World and the tests all build their cores here, so that a core in a backtest
is the one that trades. Rooms are imported when asked for: a process loads its own room only, and
no room ever imports another.
"""

from __future__ import annotations

from importlib import import_module

from shared.core import Core
from shared.seats import PREFIX, seat_of, second
from shared.settings import Settings

ROOMS = {
    "market_data_gateway": "services.market_data_gateway.core:Gateway",
    "risk_governor": "services.risk_governor.core:Governor",
    "order_router": "services.order_router.core:Router",
    "sentinel": "services.sentinel.core:Sentinel",
    "simulator": "services.simulator.core:Simulator",
}
SLEEVE_HOST = "services.sleeves.host:SleeveHost"
OBSERVER = "metrics_exporter"


class UnknownActor(ValueError):
    """No such process in the cast; the message lists those there are."""


def sleeves(settings: Settings) -> tuple[str, ...]:
    """Names of the sleeves that run, in the settings' order."""
    return settings.running_sleeves()


def deciders(settings: Settings) -> tuple[str, ...]:
    """Actors with a core and a journal."""
    return (*ROOMS, *(PREFIX + name for name in sleeves(settings)))


def newcomers(settings: Settings) -> tuple[str, ...]:
    """Seats taken only by a swap (`tsq swap`): the second ones, and the first of who is added."""
    added = (PREFIX + name for name in settings.sleeves if name not in sleeves(settings))
    return (*map(second, settings.sleeves), *added)


def programs(settings: Settings) -> tuple[str, ...]:
    """Every process of the cast, as supervisord names them."""
    return (*deciders(settings), OBSERVER)


def build(actor: str, settings: Settings) -> Core:
    """A new core for `actor`. Raises UnknownActor."""
    sleeve, seat = seat_of(actor)
    if sleeve in sleeves(settings) or (seat and sleeve in settings.sleeves):
        core: Core = _named(SLEEVE_HOST)(sleeve, settings, seat)
        return core
    if actor not in ROOMS:
        raise UnknownActor(f"no actor {actor!r}; there are {', '.join(deciders(settings))}")
    core = _named(ROOMS[actor])(settings)
    return core


def _named(path: str):  # type: ignore[no-untyped-def]  # the class behind the name differs by room
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)
