"""The laws of the house as a test: who may import whom, what a core may not touch, how big a file.

What the type checker and the linter cannot see because it spans files is checked here, and the
message says what to use instead.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from shared.purity import impurities

ROOT = Path(__file__).resolve().parent.parent
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
POSITIONAL_MAX = 4

LONG_FILES = {"shared/events.py": "the one file in which every event is declared (law 3)"}

EDGES = ("port.py", "__main__.py")
"""File names inside a room that meet the outside world."""

EDGE_FILES = {
    "services/simulator/port_client.py",
    "services/simulator/port_control.py",
    "services/simulator/port_faults.py",
    "services/simulator/port_hubs.py",
    "services/simulator/port_pull.py",
    "services/simulator/port_log.py",
    "services/simulator/port_memory.py",
    "services/simulator/port_rest.py",
    "services/simulator/port_schedule.py",
    "services/simulator/port_tokens.py",
    "services/simulator/recorded_dbn.py",
    "services/simulator/recorded_file.py",
    "services/simulator/recorded_load.py",
    "services/simulator/recorded_ticks.py",
    "services/risk_governor/port_accounts.py",
    "services/sentinel/files.py",
    "services/sleeves/lives.py",
    "services/sentinel/grip.py",
    "services/sentinel/venue.py",
    "services/metrics_exporter/http.py",
    "services/metrics_exporter/metrics.py",
    "services/metrics_exporter/trades.py",
    "services/metrics_exporter/observer.py",
    "shared/venue/client.py",
    "shared/venue/client_http.py",
    "shared/venue/client_login.py",
    "shared/venue/signalr.py",
    "shared/venue/signalr_attempt.py",
    "shared/venue/signalr_socket.py",
    "shared/settings.py",
    "shared/rulebook.py",
    "shared/domain/sessions.py",
    "services/cast.py",
    "shared/lab/world.py",
    "shared/lab/accidents.py",
    "shared/lab/bus.py",
    "services/market_data_gateway/asking.py",
    "services/stage.py",
    "services/stage_client.py",
    "services/stage_router.py",
    "services/stage_sentinel.py",
    "services/stage_checks.py",
    "services/stage_play.py",
    "services/stage_storm.py",
}
"""Files outside `shared/runtime` that may touch clocks, sockets or files, each for its reason."""

COMPOSITION = {
    "cast", "stage", "stage_client", "stage_router", "stage_gateway", "stage_sentinel",
    "stage_busy", "stage_checks", "stage_crossing", "stage_play", "stage_sharing", "stage_storm",
    "stage_swap", "stage_watch",
    "firm_day", "firm_orders", "firm_sleeves", "firm_venue",
}  # fmt: skip
"""Files beside the rooms that join them: the cast for processes, the stage for the World."""

OBSERVE = "observe"
"""An observer is handed an envelope, field by field: the one signature longer than the law."""

DECIMAL_AT_THE_EDGES = {"shared/units.py", "shared/contracts.py", "shared/venue/numbers.py"}


def sources() -> list[Path]:
    return sorted(
        path for part in ("services", "shared", "scripts") for path in (ROOT / part).rglob("*.py")
    )


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""


def is_core(path: Path) -> bool:
    name = name_of(path)
    if name.startswith(("shared/runtime/", "scripts/")) or name in EDGE_FILES:
        return False
    return path.name not in EDGES


def room_of(module: str) -> str | None:
    parts = module.split(".")
    if parts[0] != "services" or len(parts) < 2 or parts[1] in COMPOSITION:
        return None
    return parts[1]


CORES = [path for path in sources() if is_core(path)]


def test_cores_are_pure() -> None:
    for path in CORES:
        exempt = "decimal is banned" if name_of(path) in DECIMAL_AT_THE_EDGES else "\0"
        for found in impurities(tree_of(path)):
            assert exempt in found, f"{name_of(path)}:{found}"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import time", "1: time is banned in a core, use the now_ns argument"),
        ("from random import Random", "1: random is banned"),
        ("from shared.runtime import bus", "1: a core knows no runtime"),
        ("import math", "1: write `from math import sqrt`"),
        ("from math import exp", "1: of math only"),
        ("x = 1\nprint(x)", "2: print() in a core"),
        ("for x in {1, 2}: pass", "1: iterates a set"),
    ],
)
def test_what_a_core_may_not_do_is_found(source: str, found: str) -> None:
    assert [line for line in impurities(ast.parse(source)) if line.startswith(found)]


def test_no_room_imports_its_neighbour() -> None:
    for path in sources():
        name = name_of(path)
        if not name.startswith("services/") or path.stem in COMPOSITION:
            continue
        own = name.split("/")[1]
        for line, module in imports(path):
            assert room_of(module) in (None, own), f"{name}:{line} knocks on {module}"


def test_dependencies_point_one_way() -> None:
    for path in sources():
        name = name_of(path)
        for line, module in imports(path):
            top = module.split(".")[0]
            if name.startswith("shared/"):
                assert top not in {"services", "scripts", "tests"}, f"{name}:{line} {module}"
            if name.startswith("services/"):
                assert top not in {"scripts", "tests"}, f"{name}:{line} {module}"
            assert top != "tests", f"{name}:{line} {module}"


def test_only_the_governor_approves() -> None:
    """OrderApproved is a type, not a flag: nobody else may make one."""
    allowed = {"shared/events.py", "services/risk_governor"}
    for path in sources():
        name = name_of(path)
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                makes = node.func.id in {"OrderApproved", "ModifyApproved", "CancelApproved"}
                inside = any(name.startswith(prefix) for prefix in allowed)
                assert not makes or inside, f"{name}:{node.lineno} makes a {node.func.id}"


def test_files_and_functions_stay_small() -> None:
    for path in sources():
        name = name_of(path)
        lines = len(path.read_text().splitlines())
        assert lines <= FILE_LINES_MAX or name in LONG_FILES, f"{name} has {lines} lines; split it"
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            assert size <= FUNCTION_LINES_MAX, f"{name}:{node.lineno} {node.name} has {size} lines"
            positional = [a for a in node.args.args if a.arg not in {"self", "cls"}]
            assert len(positional) <= POSITIONAL_MAX or node.name == OBSERVE, (
                f"{name}:{node.lineno} {node.name} takes {len(positional)} positional arguments"
            )


def test_the_files_of_tests_stay_small_too() -> None:
    for path in sorted((ROOT / "tests").rglob("*.py")):
        lines = len(path.read_text().splitlines())
        assert lines <= FILE_LINES_MAX, f"{name_of(path)} has {lines} lines; split it by subject"


def test_every_file_says_what_it_is() -> None:
    for path in sources():
        tree = tree_of(path)
        assert not tree.body or ast.get_docstring(tree), f"{name_of(path)} opens with no docstring"


def test_no_unnamed_debts() -> None:
    for path in [*sources(), *sorted((ROOT / "tests").rglob("*.py"))]:
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert not re.search(r"\b(TODO|FIXME|XXX|NotImplementedError)\b", line), (
                f"{name_of(path)}:{number} {line.strip()}"
            )


def test_no_dead_files() -> None:
    """A module nobody imports, starts or names is a leftover."""
    named = {module for path in sources() for _, module in imports(path)}
    named |= {
        f"{module}.{alias.name}"
        for path in sources()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and (module := node.module)
        for alias in node.names
    }
    text = "\n".join(
        (ROOT / name).read_text()
        for name in (
            "supervisord.conf",
            "shared/settings.toml",
            "pyproject.toml",
            "services/cast.py",
            "docs/sleeves.md",  # sleeves that a trader names in settings, and what tests them
        )
    )
    for path in sources():
        name = name_of(path)
        module = name.removesuffix(".py").replace("/", ".")
        if path.name in {"__init__.py", "__main__.py"}:
            continue
        dynamic = module.startswith("scripts.")  # the verbs are found by name
        assert dynamic or module in named or module in text, f"{name} is imported by nobody"


def test_nothing_private_is_tracked() -> None:
    """No machine paths, no package-index addresses, no secrets files in the repository."""
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    leak = re.compile(r"/(?:root|home/\w+)/|https?://[\w.-]*(?:pypi|pythonhosted|npmjs)[\w.-]*")
    for name in tracked.stdout.split():
        assert not name.endswith((".env", ".pem", ".key")), name
        path = ROOT / name
        if path.suffix in {".png", ".ico", ".gz"} or path == Path(__file__) or not path.exists():
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert not leak.search(line), f"{name}:{number} {line.strip()[:80]}"
