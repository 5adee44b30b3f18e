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
    """Bus: per frame. Kill and freeze: per step of an actor. Venue: per request or hub event.

    Deaths: of all kills, `unsaid` are such that what was just decided is not on record yet; of all
    starts, `storm` die again at once and `changed` find other code than before.
    """

    bus_loss: float = 0.0
    bus_duplicate: float = 0.0
    bus_delay_ns_max: Nanos = 0
    kill: float = 0.0
    kill_acting: float = 0.0  # per step that tells the port something
    down_ns_max: Nanos = 2 * SECOND
    unsaid: float = 0.0
    storm: float = 0.0
    changed: float = 0.0
    freeze: float = 0.0  # it neither hears nor beats, then goes on where it stopped
    freeze_ns_max: Nanos = 20 * SECOND
    sleep: float = 0.0  # per second: the whole computer sleeps, the venue does not
    sleep_ns_max: Nanos = 30 * SECOND
    answer_lost: float = 0.0  # the venue did it, we never hear
    request_lost: float = 0.0  # it never reached the venue, we cannot know
    hub_lost: float = 0.0
    hub_duplicate: float = 0.0
    request_late: float = 0.0  # given up, and carried out afterwards
    reject: float = 0.0  # the venue refuses an act for a reason of its own
    hub_drop: float = 0.0  # the user hub's connection breaks
    hub_overlap: float = 0.0  # of drops: the old connection's last events come once more, and late
    outage: float = 0.0  # this hub, connected, says nothing for a while
    outage_ns_max: Nanos = 8 * SECOND
    operator: float = 0.0  # per second: a person flattens or halts, or ends it again
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
            kill=rate(0.0008),
            kill_acting=rate(0.02),
            down_ns_max=dice.choice((SECOND // 10, SECOND, 4 * SECOND)),
            unsaid=rate(0.6),
            storm=rate(0.5),
            changed=rate(0.5),
            freeze=rate(0.0002),
            freeze_ns_max=dice.choice((SECOND // 2, 3 * SECOND, 20 * SECOND)),
            sleep=rate(0.01),
            answer_lost=rate(0.05),
            request_lost=rate(0.05),
            hub_lost=rate(0.1),
            hub_duplicate=rate(0.1),
            request_late=rate(0.03),
            reject=rate(0.1),
            hub_drop=rate(0.01),
            hub_overlap=rate(1.0),
            outage=rate(0.002),
            operator=rate(0.1),
            venue_delay_ns_max=dice.choice((5, 50, 400)) * MILLISECOND,
        )
