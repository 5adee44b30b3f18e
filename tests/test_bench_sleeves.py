"""`tsq bench sleeves` measures every sleeve; what it measured is nobody's promise."""

from __future__ import annotations

import json

from scripts.cli import main
from tests.test_sleeves_contract import ALL


def test_every_sleeve_has_a_row_with_its_own_cost_beside_the_hosts(capsys) -> None:
    assert main(["bench", "sleeves", "--tellings", "1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["sleeves"]
    assert len(rows) == len(ALL)
    for row in rows:
        for what in ("quote", "bar", "depth"):
            assert row[what]["host_us"] > 0


def test_a_sleeve_of_ones_own_is_measured_alone(capsys) -> None:
    own = "tests.sleeves_toys:Eager"
    assert main(["bench", "sleeves", own, "--tellings", "1", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["sleeves"]
    assert row["sleeve"] == own
    assert main(["bench", "sleeves", "no.such:Thing"]) == 1
    assert main(["bench", "sleeves", "--tellings", "0"]) == 1
