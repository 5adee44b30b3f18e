"""What the tests of `tsq` share: an answer, and the way to ask for one.

Everything beside this file runs in this process, on a folder of its own, with nobody there to
answer; what needs a real cast is in `test_cast_real.py`, what needs a socket or a pipe is marked
slow.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Tsq = Callable[..., Answer]
