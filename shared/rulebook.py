"""Reads the rule packs that come with the product and joins each with what it extends.

A pack says only what is true of it alone and names the packs or parts it extends, so that a fact of
the firm is written once; what comes later wins. Files are package data: they travel with the code,
and the hash of code and settings covers them. Numbers go on as a `RulePack`, which cores may know;
the evidence behind them stays here, for people.
"""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Final

import msgspec
from msgspec import Struct

from shared.domain.rules.pack import Fact, PackError, RulePack, assemble

SUFFIX: Final = ".toml"


class Sheet(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file."""

    extends: tuple[str, ...] = ()
    sources: dict[str, str] = {}
    facts: dict[str, Fact] = {}


class Found(Struct, frozen=True, kw_only=True):
    """A fact with its evidence: `source` is the whole reference, `file` where it is written."""

    fact: Fact
    source: str
    file: str


class Pack(Struct, frozen=True, kw_only=True):
    """A pack and the evidence of each of its facts, by the names in the files."""

    rules: RulePack
    found: dict[str, Found]


def _folder() -> Traversable:
    return resources.files("shared").joinpath("domain", "rules", "packs")


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """Every pack there is, sorted."""
    files = (file.name for file in _folder().iterdir())
    return tuple(sorted(name.removesuffix(SUFFIX) for name in files if name.endswith(SUFFIX)))


@lru_cache(maxsize=64)
def pack(name: str) -> Pack:
    """A pack by name. Raises PackError, which lists the packs there are."""
    if name not in names():
        raise PackError(f"no rule pack {name!r}; there are {', '.join(names())}")
    found = _joined(name)
    facts = {key: one.fact for key, one in found.items()}
    return Pack(rules=assemble(name, facts), found=found)


@lru_cache(maxsize=1)
def all_rules() -> dict[str, RulePack]:
    """The numbers of every pack, by name. Raises PackError."""
    return {name: pack(name).rules for name in names()}


def _joined(name: str) -> dict[str, Found]:
    """The facts of a file over those of what it extends."""
    joined: dict[str, Found] = {}
    sources: dict[str, str] = {}
    for file in _order(name, ()):
        sheet = _sheet(file)
        sources |= sheet.sources
        for key, fact in sheet.facts.items():
            if fact.source not in sources:
                raise PackError(f"pack {file}: {key} names the source {fact.source!r}: no such one")
            joined[key] = Found(fact=fact, source=sources[fact.source], file=file)
    return joined


def _order(name: str, above: tuple[str, ...]) -> list[str]:
    """A file after everything it extends, each once: what many extend speaks first."""
    if name in above:
        raise PackError(f"pack {name} extends itself: {' > '.join((*above, name))}")
    order: dict[str, None] = {}
    for parent in _sheet(name).extends:
        order |= dict.fromkeys(_order(parent, (*above, name)))
    return [*order, name]


@lru_cache(maxsize=64)
def _sheet(name: str) -> Sheet:
    """One file as it is written. Raises PackError."""
    folder = _folder()
    places = (folder.joinpath(name + SUFFIX), folder.joinpath("parts", name + SUFFIX))
    text = next((place.read_text("utf-8") for place in places if place.is_file()), None)
    if text is None:
        raise PackError(f"pack {name} is extended and does not exist")
    return parse(name, text)


def parse(name: str, text: str) -> Sheet:
    """The text of a file as a sheet. Raises PackError, naming the path of what is wrong."""
    try:
        table: dict[str, Any] = tomllib.loads(text)
        return msgspec.convert(table, Sheet, strict=True)
    except ValueError as error:  # of TOML or of the types
        raise PackError(f"pack {name}: {error}") from None
