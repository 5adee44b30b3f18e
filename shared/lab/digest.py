"""The fingerprint of a World: a hash over everything said in public, in the order said.

Few ask for it, and to encode every event is a twentieth of a World. So what is said is kept until
somebody asks, or until it is more than should be kept; the hash is the same either way.
"""

from __future__ import annotations

import hashlib

import msgspec

KEPT_MAX = 16_384  # things said since it was last looked at
encode = msgspec.msgpack.Encoder().encode


class Digest:
    """Equal for equal runs."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2s()
        self._kept: list[object] = []

    def note(self, said: object) -> None:
        """Something was said, which never changes any more."""
        self._kept.append(said)
        if len(self._kept) >= KEPT_MAX:
            self._fold()

    def hexdigest(self) -> str:
        self._fold()
        return self._hash.hexdigest()

    def _fold(self) -> None:
        kept, self._kept = self._kept, []
        for said in kept:
            self._hash.update(encode(said))
