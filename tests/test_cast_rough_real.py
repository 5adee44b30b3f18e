"""Real sleeves that hang for ever and take all memory: switched off, while the others trade on."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.rehearsal import PATIENCE_S, Rehearsal
from scripts.swap import Seat, seats_of
from tests.test_cast_real import books_agree, sleeves_that_filled, tags_are_unique, tsq

pytestmark = pytest.mark.slow

SETTINGS = {
    "TSQ__SIMULATOR__SPEED": "3.0",
    "TSQ__SLEEVES__TREND__IMPLEMENTATION": "tests.sleeves_rough:Hanging",
    "TSQ__SLEEVES__MEAN_REVERSION__IMPLEMENTATION": "tests.sleeves_rough:Hungry",
    "TSQ__SLEEVE_GUARD__STUCK_REAL_S": "2.0",
    "TSQ__SLEEVE_GUARD__MEMORY_MB": "200",
}
ROUGH = ("sleeve_trend", "sleeve_mean_reversion")


def row(cast: Rehearsal, sleeve: str) -> Seat | None:
    return next(iter(seats_of(cast.var, sleeve)), None)


def is_off(cast: Rehearsal, sleeve: str) -> bool:
    """The process lives and says why it does not trade."""
    found = row(cast, sleeve)
    return found is not None and found.state == "PAUSED" and not found.silent


def test_a_sleeve_that_hangs_and_one_that_eats_memory_are_contained(tmp_path: Path) -> None:
    cast = Rehearsal(tmp_path / "var", **SETTINGS)
    cast.start()
    try:
        cast.ready()
        others = {name: pid for name, pid in cast.pids().items() if name not in ROUGH}
        cast.wait(lambda: is_off(cast, "trend"), PATIENCE_S, "the one that hangs is left off")
        hanging = row(cast, "trend")
        assert hanging is not None
        assert hanging.reason.startswith("off: its code was ended (STUCK; 3 within 300 s)"), hanging
        log = (cast.var / "log" / "sleeve_trend.log").read_text()
        assert "in on_quote" in log, "the log has the traceback of where it hangs"
        held = tsq(cast, "status").stdout
        assert "trend came up 3 times within 300 s" in held
        cast.wait(lambda: is_off(cast, "mean_reversion"), PATIENCE_S, "the hungry one is paused")
        cast.wait(lambda: "market_maker" in sleeves_that_filled(cast), PATIENCE_S, "others trade")
        assert {name: cast.pids()[name] for name in others} == others
        books_agree(cast)
        tags_are_unique(cast)
        assert cast.stop() == 0
        for sleeve in ("trend", "mean_reversion"):
            answer = tsq(cast, "replay", f"sleeve_{sleeve}", "--json")
            assert answer.returncode == 0, "what hung is not replayed for ever"
    finally:
        cast.close()
