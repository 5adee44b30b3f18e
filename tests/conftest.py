"""How the tests are hosted: the same examples everywhere, no clock decides, nothing is left behind.

`HYPOTHESIS_PROFILE=explore` looks for new examples instead, ten times as many.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

CASTS_AT_ONCE = 2
"""Ten processes each: with more of them at once, each waits for a processor most of the time."""

CASTS = ("Rehearsal", "full_disk")
"""What a file imports whose slow tests start whole casts."""

UNTRACED = (Phase.explicit, Phase.generate, Phase.target, Phase.shrink)
"""Without the phase that explains a failure: it traces every line, which takes minutes here."""

settings.register_profile(
    "house",
    deadline=None,
    derandomize=True,
    database=None,
    phases=UNTRACED,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "explore", deadline=None, database=None, phases=UNTRACED, max_examples=1_000
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of whole casts take turns in a few groups, each of one worker (`--dist loadgroup`).

    Their file is known by what it imports; its slow tests are dealt to the groups in turn.
    """
    slow = (item for item in items if item.get_closest_marker("slow"))
    casts = [
        item for item in slow if any(hasattr(getattr(item, "module", None), it) for it in CASTS)
    ]
    for number, item in enumerate(casts):
        item.add_marker(pytest.mark.xdist_group(f"casts {number % CASTS_AT_ONCE}"))
