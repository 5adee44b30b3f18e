"""A swap and a removal without `tsq`: the commands in docs/sleeves.md, run as they are.

The shell lines are read from the page, so that what is written there is what was tried; only the
names of files and of the class are others here.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.rehearsal import PATIENCE_S, Rehearsal
from scripts.supervise import configuration
from scripts.swap import Seat, owner_of, seats_of
from shared.runtime.paths import run_path
from shared.settings import REPO
from tests.test_cast_real import books_agree, tags_are_unique

pytestmark = pytest.mark.slow

PAGE = (REPO / "docs" / "sleeves.md").read_text()
CLASS = "tests.sleeves_toys:Restless"


def written(title: str) -> str:
    """The shell lines of the page under a title."""
    found = re.search(rf"^\*\*{title}\*\*.*?^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found.group(1)


def shell(cast: Rehearsal, lines: str) -> str:
    """Run them with the page's names as they are called here."""
    for page, here in (
        ("supervisord.conf", str(configuration(cast.var))),
        ("var/supervisor.d", str(cast.var / "supervisor.d")),
        ("my_pkg.my_mod:MySleeve", CLASS),
        ("supervisorctl ", f"{sys.executable} -m supervisor.supervisorctl "),
        ("python3 ", f"{sys.executable} "),
    ):
        lines = lines.replace(page, here)
    done = subprocess.run(
        ["/bin/sh", "-eu", "-c", lines],
        cwd=REPO,
        env={**cast.environment, "RUN": str(run_path(cast.var))},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def stands_by(cast: Rehearsal) -> bool:
    return any(it.seat == "b" and it.state == "READY" for it in seats_of(cast.var, "trend"))


def owner(cast: Rehearsal) -> Seat | None:
    return owner_of(cast.var, "trend")


def test_a_swap_and_a_removal_by_supervisorctl_alone(tmp_path: Path) -> None:
    cast = Rehearsal(tmp_path / "var", TSQ__SIMULATOR__SPEED="3.0", TSQ__SWAP__VETOES="99")
    cast.start()
    try:
        cast.ready()
        before = cast.pids()
        first = before.pop("sleeve_trend")
        shell(cast, written("Seat the newcomer"))
        cast.wait(lambda: stands_by(cast), PATIENCE_S, "the newcomer stands by")
        told = owner(cast)
        assert told is not None
        assert told.actor == "sleeve_trend"
        assert '"done":true' in shell(cast, written("Let it own the sleeve"))
        told = owner(cast)
        assert told is not None
        assert told.actor == "sleeve_trend.b"
        assert cast.pids()["sleeve_trend"] == first
        shell(cast, written("Let the other one rest"))
        after = cast.pids()
        assert after.pop("sleeve_trend.b")
        assert after == before
        books_agree(cast)
        assert '"done":true' in shell(cast, written("Remove a sleeve"))
        assert owner(cast) is None
        assert cast.pids() == before
        cast.wait(lambda: not any("MNQ" in it for it in cast.lots()), PATIENCE_S, "it is closed")
        books_agree(cast)
        tags_are_unique(cast)
        assert cast.stop() == 0
    finally:
        cast.close()
