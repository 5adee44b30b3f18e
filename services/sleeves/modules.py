"""The modules behind a sleeve from elsewhere: other code is another life, in its helpers too.

Our own modules are found by the runtime, which follows the imports of what it is named. Of a
trader's package it knows nothing, so everything that the class's module imports, and is neither
ours, nor Python's, nor installed, is named here. A helper imported only later, inside a function,
is not seen.
"""

from __future__ import annotations

import ast
import inspect
import sys
import sysconfig
from collections.abc import Iterator
from importlib.util import resolve_name
from types import ModuleType
from typing import Final

from services.sleeves.base import Sleeve
from shared.settings import REPO

MODULES_MAX: Final = 200
OTHERS: Final = tuple(
    sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


def modules_of(kind: type[Sleeve]) -> tuple[str, ...]:
    """Names of the modules a sleeve's decisions come from, its own classes' first."""
    found = dict.fromkeys(base.__module__ for base in kind.__mro__[:-1])
    waiting = list(found)
    while waiting:
        module = sys.modules.get(waiting.pop())
        if module is None or not _from_elsewhere(module):
            continue
        for name in _imported(module):
            if name not in found and _from_elsewhere(sys.modules.get(name)):
                if len(found) >= MODULES_MAX:
                    return tuple(found)
                found[name] = None
                waiting.append(name)
    return tuple(found)


def _from_elsewhere(module: ModuleType | None) -> bool:
    """Neither ours, nor Python's, nor installed, and written in Python."""
    file = getattr(module, "__file__", None) or ""
    return file.endswith(".py") and not file.startswith((*OTHERS, f"{REPO}/"))


def _imported(module: ModuleType) -> Iterator[str]:
    """Full names of what a module may import, wherever in it; packages and names in them alike."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = resolve_name("." * node.level + base, module.__package__ or module.__name__)
            yield from _parents(base)
            for alias in node.names:
                yield f"{base}.{alias.name}"


def _parents(name: str) -> Iterator[str]:
    """A dotted name and the packages around it."""
    while name:
        yield name
        name = name.rpartition(".")[0]
