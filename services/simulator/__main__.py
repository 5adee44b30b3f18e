"""The simulator as a process: the venue, embedded. It plugs its core and its port into the runtime.

Subscribes to nothing and publishes nothing: like the real venue it is reached over HTTP and its
hubs only. Its clients find market time in `<run>/clock`, which the runtime keeps for it.
"""

from __future__ import annotations

from services.simulator.core import Simulator
from services.simulator.port import SimulatorPort
from shared.core import Core
from shared.runtime.launch import launch
from shared.runtime.ports import Port
from shared.settings import Settings


def make(settings: Settings) -> tuple[Core, Port | None]:
    return Simulator(settings), SimulatorPort(settings)


if __name__ == "__main__":
    launch("simulator", make)
