"""One venue per file of tests; a file says `SETTINGS` (and `WIRE`) when it needs other ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.venue.stage import Trader, Venue, settings

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in Path(item.fspath).parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module")
def venue(request, tmp_path_factory):
    wish = settings(getattr(request.module, "WIRE", {}), **getattr(request.module, "SETTINGS", {}))
    with Venue(tmp_path_factory.mktemp("venue"), wish) as one:
        yield one


@pytest.fixture
def trader(venue):
    one = Trader(venue)
    yield one
    one.close()


@pytest.fixture
def stranger(venue):
    one = Trader(venue, login=False)
    yield one
    one.close()


@pytest.fixture
def flat(trader):
    """A trader who leaves nothing behind."""
    yield trader
    trader.flat()
