"""`tsq bench risk` plays its scene through every rule; what it measured is nobody's promise."""

from __future__ import annotations

import json

from scripts.cli import main


def test_the_scene_passes_every_rule_and_is_timed(capsys) -> None:
    assert main(["bench", "risk", "--rounds", "100", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["orders"] == 10
    for what in ("intent", "quote", "quote judged", "bare encode"):
        assert 0 < found[what]["p50_us"] <= found[what]["p99_us"]
