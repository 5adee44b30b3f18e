"""What the wire remembers over a restart: tokens that were ended, and faults that stand.

A logged-out token must not come alive again, and an outage of ten minutes must not end because the
process did. One small file beside the signing key, written when something of it changed (at most
four times a second, at once for a token). Times in it are the wall's: an outage goes on while
nobody is up. Not kept: connections and negotiated ids (they die with the process, as anywhere),
the windows of the rate limits, and the log of requests.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from msgspec import Struct

from services.simulator.port_faults import Standing, WireFaults
from services.simulator.port_tokens import Ended, Mint


class BadMemory(ValueError):
    """The file cannot be used; the message names it."""


class Remembered(Struct, forbid_unknown_fields=True):
    """The file (JSON)."""

    tokens: Ended = msgspec.field(default_factory=Ended)
    faults: Standing = msgspec.field(default_factory=Standing)


class Memory:
    """`resume` once, then `save` whenever something may have changed."""

    def __init__(self, path: Path, mint: Mint, faults: WireFaults) -> None:
        self._path = path
        self._mint = mint
        self._faults = faults
        self._written = b""

    def resume(self) -> None:
        """Take up what an earlier process left. Raises BadMemory."""
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=Remembered)
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise BadMemory(f"{self._path}: {error}; without it the wire begins anew") from None
        self._mint.resume(found.tokens)
        self._faults.resume(found.faults)

    def save(self) -> None:
        """Write, if it is not written already. Raises OSError."""
        told = msgspec.json.encode(Remembered(self._mint.ended(), self._faults.standing()))
        if told == self._written:
            return
        fresh = self._path.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(told)
        fresh.rename(self._path)
        self._written = told
