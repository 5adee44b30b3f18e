"""The fingerprint of a World: a hash over everything said in public, in the order said.

To encode every event is a twentieth of a World, so whoever plays many and looks at no fingerprint
says so. Keeping what was said for later is no way out: it costs more to throw away.
"""

from __future__ import annotations

import hashlib

import msgspec

encode = msgspec.msgpack.Encoder().encode


class Digest:
    """Equal for equal runs."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2s()
        self._wanted = True

    def stop(self) -> None:
        """Nobody is going to look."""
        self._wanted = False

    def note(self, said: object) -> None:
        """Something was said."""
        if self._wanted:
            self._hash.update(encode(said))

    def hexdigest(self) -> str:
        """Raises AssertionError where nobody wanted it."""
        assert self._wanted, "the fingerprint was not wanted"
        return self._hash.hexdigest()
