"""What can go wrong in a World, and how often; drawn from one seed and printed before the run.

A rate is a probability per message, per step or per request. All zero is fair weather: the World is
then a backtest. `swarm` leaves most kinds out at random, because runs in which everything fails all
the time never get far enough to find anything.
"""

from __future__ import annotations

from random import Random

from msgspec import Struct

from shared.units import MILLISECOND, SECOND, Nanos


class Accidents(Struct, frozen=True, kw_only=True):
    """Bus: per frame. Kill and freeze: per step of an actor. Venue: per request or hub event."""

    bus_loss: float = 0.0
    bus_duplicate: float = 0.0
    bus_delay_ns_max: Nanos = 0
    kill: float = 0.0
    down_ns_max: Nanos = 2 * SECOND
    answer_lost: float = 0.0  # the venue did it, we never hear
    request_lost: float = 0.0  # it never reached the venue, we cannot know
    hub_lost: float = 0.0
    hub_duplicate: float = 0.0
    hub_drop: float = 0.0  # the user hub's connection breaks
    venue_delay_ns_max: Nanos = 5 * MILLISECOND

    @staticmethod
    def swarm(seed: int) -> Accidents:
        """A random handful of kinds at random rates."""
        dice = Random(seed)

        def rate(most: float) -> float:
            return dice.uniform(0.0, most) if dice.random() < 0.5 else 0.0

        return Accidents(
            bus_loss=rate(0.05),
            bus_duplicate=rate(0.05),
            bus_delay_ns_max=int(rate(200.0) * MILLISECOND),
            kill=rate(0.003),
            down_ns_max=dice.choice((SECOND // 10, SECOND, 4 * SECOND)),
            answer_lost=rate(0.05),
            request_lost=rate(0.05),
            hub_lost=rate(0.1),
            hub_duplicate=rate(0.1),
            hub_drop=rate(0.01),
            venue_delay_ns_max=dice.choice((5, 50, 400)) * MILLISECOND,
        )
