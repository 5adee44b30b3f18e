"""What can go wrong in a World, and how often; drawn from one seed and printed before the run.

A rate is a probability per message, per step, per request or per second, as its comment says. All
zero is fair weather: the World is then a backtest. `swarm` leaves most kinds out at random, because
runs in which everything fails all the time never get far enough to find anything.
"""

from __future__ import annotations

from random import Random

import msgspec
from msgspec import Struct

from shared.units import MILLISECOND, SECOND, Nanos


class Accidents(Struct, frozen=True, kw_only=True):
    """Bus: per frame. Kill and freeze: per step of an actor. Venue: per request or hub event.

    Deaths: of all kills, `unsaid` are such that what was just decided is not on record yet, `torn`
    such that not even what was just heard is; of all starts, `storm` die again at once and
    `changed` find other code than before.
    """

    bus_loss: float = 0.0
    bus_duplicate: float = 0.0
    bus_delay_ns_max: Nanos = 0  # each pipe for itself, so speakers overtake each other
    bus_hop_ns: Nanos = 0  # no accident: what every frame takes, when none is late
    clog: float = 0.0  # per second: some pipes stand still, and go on one by one
    clog_ns_max: Nanos = 4 * SECOND
    slow_join_ns_max: Nanos = 0  # a new life hears nothing of a speaker for so long
    kill: float = 0.0
    kill_acting: float = 0.0  # per step that tells the port something
    down_ns_max: Nanos = 2 * SECOND
    unsaid: float = 0.0
    torn: float = 0.0
    storm: float = 0.0
    changed: float = 0.0
    freeze: float = 0.0  # it neither hears nor beats, then goes on where it stopped
    freeze_ns_max: Nanos = 20 * SECOND
    slow_disk: float = 0.0  # per step that tells the port something: it is done later
    slow_disk_ns_max: Nanos = SECOND
    full_disk: float = 0.0  # per second: no record of some actors can be written for a while
    full_disk_ns_max: Nanos = 10 * SECOND
    filled: float = 0.0  # per second: the same for everybody at once, for longer
    filled_ns_max: Nanos = 60 * SECOND
    sleep: float = 0.0  # per second: the whole computer sleeps, the venue does not
    sleep_ns_max: Nanos = 30 * SECOND
    clock_set: float = 0.0  # per second: the computer's clock is set wrong, or right again
    clock_set_ns_max: Nanos = 600 * SECOND
    answer_lost: float = 0.0  # the venue did it, we never hear
    request_lost: float = 0.0  # it never reached the venue, we cannot know
    server_error: float = 0.0  # a quick 5xx: carried out or not, at even chances
    too_many: float = 0.0  # 429: not carried out, and quiet is asked for
    held_back: float = 0.0  # the bytes never left us, and we know it
    request_late: float = 0.0  # given up, and carried out afterwards
    reject: float = 0.0  # the venue refuses an act for a reason of its own
    hub_lost: float = 0.0
    hub_duplicate: float = 0.0
    hub_drop: float = 0.0  # the user hub's connection breaks
    hub_overlap: float = 0.0  # of drops: the old connection's last events come once more, and late
    outage: float = 0.0  # this hub, connected, says nothing for a while
    outage_ns_max: Nanos = 8 * SECOND
    venue_fault: float = 0.0  # per second: a fault that the simulator itself offers
    operator: float = 0.0  # per second: a person flattens or halts, or ends it again
    venue_delay_ns_max: Nanos = 5 * MILLISECOND

    @staticmethod
    def swarm(seed: int) -> Accidents:
        """A random handful of kinds at random rates."""
        dice = Random(seed)
        share = dice.choice((0.15, 0.3, 0.5))

        def rate(most: float) -> float:
            return dice.uniform(0.0, most) if dice.random() < share else 0.0

        def span(most_ns: Nanos) -> Nanos:
            return int(rate(float(most_ns)))

        return Accidents(
            bus_loss=rate(0.05),
            bus_duplicate=rate(0.05),
            bus_delay_ns_max=span(200 * MILLISECOND),
            clog=rate(0.2),
            slow_join_ns_max=span(2 * SECOND),
            kill=rate(0.002),
            kill_acting=rate(0.02),
            down_ns_max=dice.choice((SECOND // 10, SECOND, 4 * SECOND, 12 * SECOND)),
            unsaid=rate(0.6),
            torn=rate(0.6),
            storm=rate(0.5),
            changed=rate(0.5),
            freeze=rate(0.0005),
            freeze_ns_max=dice.choice((SECOND // 2, 3 * SECOND, 20 * SECOND)),
            slow_disk=rate(0.05),
            full_disk=rate(0.03),
            sleep=rate(0.02),
            answer_lost=rate(0.05),
            request_lost=rate(0.05),
            server_error=rate(0.05),
            too_many=rate(0.01),
            held_back=rate(0.05),
            request_late=rate(0.03),
            reject=rate(0.1),
            hub_lost=rate(0.1),
            hub_duplicate=rate(0.1),
            hub_drop=rate(0.01),
            hub_overlap=rate(1.0),
            outage=rate(0.002),
            venue_fault=rate(0.1),
            operator=rate(0.1),
            venue_delay_ns_max=dice.choice((5, 50, 400)) * MILLISECOND,
            clock_set=rate(0.05),
            filled=rate(0.02),
        )

    def __str__(self) -> str:
        """Only the dials that are turned."""
        fair = msgspec.structs.asdict(Accidents())
        turned = msgspec.structs.asdict(self).items()
        said = (f"{name}={value:.4g}" for name, value in turned if value != fair[name])
        return f"accidents({', '.join(said)})"
