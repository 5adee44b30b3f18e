"""How the tests are hosted: the same examples everywhere, no clock decides, nothing is left behind.

`HYPOTHESIS_PROFILE=explore` looks for new examples instead, ten times as many.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

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
