"""A World's fingerprint does not depend on when, or how often, somebody looks at it."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from shared.events import Flatten, Scope
from shared.lab import digest
from shared.lab.digest import Digest


def said(number: int) -> tuple[str, int, Flatten]:
    return "teller", number, Flatten(halt_no=number, scope=Scope.ACCOUNT, cause="toy")


@pytest.mark.parametrize("kept_max", [1, 7, 1_000])
def test_it_is_the_hash_of_all_that_was_said_in_its_order(
    monkeypatch: pytest.MonkeyPatch, kept_max: int
) -> None:
    monkeypatch.setattr(digest, "KEPT_MAX", kept_max)
    whole, one = hashlib.blake2s(), Digest()
    for number in range(50):
        whole.update(msgspec.msgpack.encode(said(number)))
        one.note(said(number))
        if number % 20 == 9:
            assert one.hexdigest() == whole.hexdigest() == one.hexdigest()
        assert len(one._kept) < kept_max, "more is not kept"
    assert one.hexdigest() == whole.hexdigest()


def test_other_words_and_another_order_are_another_run() -> None:
    prints = set()
    for numbers in ((1, 2), (2, 1), (1, 3), (1,)):
        one = Digest()
        for number in numbers:
            one.note(said(number))
        prints.add(one.hexdigest())
    assert len(prints) == 4
