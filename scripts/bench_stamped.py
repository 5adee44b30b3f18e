"""The order router as it is, except that it writes down when the bytes of an order leave.

For `tsq bench latency` alone. One line an order: CLOCK_MONOTONIC in nanoseconds and the tag.
"""

from __future__ import annotations

import os
import re
import runpy
import time
from pathlib import Path
from typing import Final

from aiohttp import ClientResponse
from aiohttp.connector import Connection

from shared.venue.client_http import GatedRequest

STAMPS: Final = "TSQ_BENCH_STAMPS"
_TAG: Final = re.compile(rb'"customTag":\s*"([^"]+)"')


def stamp_orders(path: Path) -> None:
    """From now on every order that this process sends leaves a line in `path`."""
    stamps = path.open("ab", buffering=0)
    send = GatedRequest.send

    async def stamped(self: GatedRequest, conn: Connection) -> ClientResponse:
        now_ns = time.monotonic_ns()
        found = _TAG.search(getattr(self.body, "_value", b"") or b"")
        if found:
            stamps.write(b"%d %s\n" % (now_ns, found.group(1)))
        return await send(self, conn)

    GatedRequest.send = stamped  # type: ignore[method-assign]


if __name__ == "__main__":
    stamp_orders(Path(os.environ[STAMPS]))
    runpy.run_module("services.order_router", run_name="__main__", alter_sys=True)
