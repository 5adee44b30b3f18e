"""What a core may not import, with what to use instead (law 1): for our cores and for any sleeve.

A core that reads a clock, rolls dice or opens a file gives other answers tomorrow: its journal can
no longer be replayed, and a restart would decide again what was already decided.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

BANNED_IN_CORES: Final = {
    "time": "the now_ns argument",
    "random": "a seeded generator in the state",
    "uuid": "a counter",
    "secrets": "a counter",
    "datetime": "shared.domain.sessions",
    "zoneinfo": "shared.domain.sessions",
    "logging": "an event",
    "loguru": "an event",
    "asyncio": "a port",
    "threading": "a port",
    "socket": "a port",
    "os": "a port",
    "pathlib": "a port",
    "io": "a port",
    "subprocess": "a port",
    "aiohttp": "a port",
    "zmq": "shared.runtime.bus",
    "numpy": "plain arithmetic (bit-equal on every machine)",
    "polars": "the recorded-file reader",
    "decimal": "integers",
}

CALLS_BANNED: Final = frozenset({"open", "print", "input", "eval", "exec", "breakpoint"})
MATH_ALLOWED: Final = frozenset({"sqrt", "isqrt", "gcd"})
"""Other functions of `math` differ in the last bit between machines."""


def impurities(tree: ast.Module) -> Iterator[str]:
    """`line: what, and what to use instead`, for everything in a module that no core may do."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _banned(node.lineno, alias.name)
                if alias.name == "math":
                    yield f"{node.lineno}: write `from math import sqrt`"
        elif isinstance(node, ast.ImportFrom):
            yield from _banned(node.lineno, node.module or "")
            names = {alias.name for alias in node.names}
            if node.module == "math" and not names <= MATH_ALLOWED:
                yield f"{node.lineno}: of math only {', '.join(sorted(MATH_ALLOWED))}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in CALLS_BANNED:
                yield f"{node.lineno}: {node.func.id}() in a core"
        elif isinstance(node, ast.For) and isinstance(node.iter, ast.Set | ast.SetComp):
            yield f"{node.lineno}: iterates a set; order must be decided"


def _banned(line: int, module: str) -> Iterator[str]:
    top = module.split(".")[0]
    if top in BANNED_IN_CORES:
        yield f"{line}: {module} is banned in a core, use {BANNED_IN_CORES[top]}"
    if module.startswith("shared.runtime"):
        yield f"{line}: a core knows no runtime, its host calls it"
